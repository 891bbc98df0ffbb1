"""A seeded part is written so that nothing its inspector can read tells it from the line's own parts."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Any, NamedTuple

from inspection import audit
from inspection.models import Inspection, Line, Origin, Photo, SeededPart, User
from inspection.moves import State
from inspection.seeds import TRIES, serials_in_turn, serials_like

CHANCE = secrets.SystemRandom()
RECENT = 200  # parts of the line that a seeded one is to look like


class Recent(NamedTuple):
    """What is copied of a recent part. `lag`: from the camera's shot to its arrival here."""

    serial: str
    lot: str
    station_id: int | None
    variant_id: int | None
    lag: timedelta


def recent_parts(line: Line) -> list[Recent]:
    """The line's own latest parts, newest first."""
    rows = line.inspections.live().order_by("-received_at", "-pk")
    return [
        Recent(serial, lot, station, variant, received - captured)
        for serial, lot, station, variant, captured, received in rows.values_list(
            "serial", "lot", "station_id", "variant_id", "captured_at", "received_at"
        )[:RECENT]
    ]


def show_again(
    *,
    source: Inspection,
    purpose: str,
    by: User | str,
    now: datetime,
    recent: Sequence[Recent] | None = None,
    **known: Any,
) -> SeededPart:
    """Put a part's photos into the queue once more, as a part that has just come. Call it inside a transaction.

    Lot and serial are those that a part of the same station and variant would have now. `known` are further fields of
    the row: truth, reserved_for, study, round.
    """
    recent = recent_parts(source.line) if recent is None else recent
    like = _like(source, recent)
    part = Inspection.objects.create(
        line=source.line, station_id=source.station_id, variant_id=source.variant_id, origin=Origin.SEEDED,
        serial=_unused([one.serial for one in like], [one.serial for one in recent]), lot=_lot(source, like[0]),
        captured_at=now - like[0].lag, received_at=now, hold_until=now, state=State.WAITING, state_since=now,
    )  # fmt: skip
    Photo.objects.bulk_create(
        Photo(
            inspection=part, position=photo.position, view=photo.view, stored=photo.stored, format=photo.format,
            width=photo.width, height=photo.height, size=photo.size,
            sha256=secrets.token_hex(32),  # nobody sent it; who judges blind is told that of the bytes served, as ever
        )
        for photo in source.photos.all()
    )  # fmt: skip
    seeded = SeededPart.objects.create(
        inspection=part, source=source, purpose=purpose, by=audit.name_of(by), at=now, **known
    )
    audit.record("part_seeded", by=by, line=source.line.slug, subject=part, purpose=purpose, source=source.pk)
    return seeded


def _like(source: Inspection, recent: Sequence[Recent]) -> Sequence[Recent]:
    """The recent parts of the same station and variant, else of the same variant, else all of them; on a line without
    any, the source itself."""
    same = [one for one in recent if one.variant_id == source.variant_id]
    near = [one for one in same if one.station_id == source.station_id]
    lag = source.received_at - source.captured_at
    return near or same or recent or [Recent(source.serial, source.lot, source.station_id, source.variant_id, lag)]


def _lot(source: Inspection, like: Recent) -> str:
    """A lot of the part's own variant, as every real part has: the latest, or where none is made now its own."""
    return like.lot if like.variant_id == source.variant_id else source.lot


def _unused(like: Sequence[str], recent: Sequence[str]) -> str:
    """A serial that no part has had. A part may come with it later: then it is the part that is opened by it."""
    serials = chain(serials_in_turn(like[0], recent, CHANCE), serials_like(like, CHANCE))
    while True:
        tried = list(islice(serials, TRIES))
        used = set(Inspection.objects.filter(serial__in=tried).values_list("serial", flat=True))
        if free := [serial for serial in tried if serial not in used]:
            return free[0]
