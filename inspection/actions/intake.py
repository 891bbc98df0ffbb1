"""A part arrives: its photos are checked and kept, then its rows are written, once per idempotency key."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.module_loading import import_string
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from inspection import audit, photos, tracing
from inspection.actions.moving import move
from inspection.models import Inspection, Line, Origin, Photo, Station, StationDecision, User, Variant, Verdict
from inspection.models.judgement import Occasion, Outcome
from inspection.moves import State
from inspection.photos import CleanPhoto, clean_photo
from inspection.prepared import TEXT, Given, Prepared
from inspection.refusals import BadInput, Conflict, Refused, Unknown
from inspection.wake import wake_workers_on_commit

log = structlog.get_logger("shadowline.intake")
MAX_PHOTOS = 8
MAX_SERIAL = 120


@dataclass(frozen=True)
class NewPhoto:
    """A photo as it was sent, and which side of the part it shows."""

    data: bytes
    view: str = ""


def find_line(slug: str, by: User | None = None) -> Line:
    """The line of that slug. Raises Unknown with the lines that the person may know of, NotAllowed when not bound."""
    found = _LINE_OF.first(user=by.pk, slug=slug) if by else Line.objects.filter(slug=slug).first()
    if found and (by is None or by.reaches(found.pk)):
        return found
    line = Line.objects.filter(slug=slug).first()
    if line is None:
        lines = Line.objects.for_user(by) if by else Line.objects.all()
        known = ", ".join(lines.values_list("slug", flat=True)) or _("none yet")
        raise Unknown(_("There is no line {slug!r}. Known lines: {known}.").format(slug=slug, known=known))
    if by is not None:
        by.must_work_on(line)
    return line


_LINE_OF = Prepared(lambda: Line.objects.for_user(Given("user")).filter(slug=Given("slug", TEXT)))


def find_station(line: Line, slug: str) -> Station | None:
    if not slug:
        return None
    station = line.stations.filter(slug=slug).first()
    if station is None:
        known = ", ".join(line.stations.values_list("slug", flat=True)) or _("none yet")
        words = _("{line} has no station {slug!r}. Known stations: {known}.")
        raise BadInput(words.format(line=line.name, slug=slug, known=known))
    return station


def find_variant(name: str) -> Variant | None:
    """The variant of that name; an unknown one is set up on the spot, so that a new product loses no part."""
    if not name:
        return None
    slug = slugify(name)
    if not slug or len(slug) > 40:  # a name in Chinese has no such slug, and two long names must not share one
        slug = f"variant-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    return Variant.objects.get_or_create(slug=slug, defaults={"name": name[:80]})[0]


def digest_of_request(fields: dict[str, str], cleaned: Sequence[CleanPhoto], views: Sequence[str]) -> str:
    """SHA-256 of what was sent under an idempotency key: the fields and the photos' own digests."""
    content = [sorted(fields.items()), [photo.sha256 for photo in cleaned], list(views)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def receive_inspection(
    *,
    line: Line,
    serial: str,
    photos_sent: Sequence[NewPhoto],
    by: User | None,
    station: str = "",
    lot: str = "",
    variant: str = "",
    captured_at: datetime | None = None,
    origin: Origin = Origin.LIVE,
    idempotency_key: str | None = None,
    idempotency_scope: str = "",
    split: str = "",
    decided: dict[str, Any] | None = None,
    now: datetime | None = None,
) -> tuple[Inspection, bool]:
    """Store a part and say whether it is new.

    The same key with the same content again returns the first row; with other content it raises Conflict. A photo that
    is none raises BadInput, and then nothing at all is stored. `decided` is what a station sends of a part that it has
    decided by itself: it is kept with the part and taken in the same transaction.
    """
    now = now or timezone.now()
    serial = serial.strip()
    _must_be_a_part(line, serial, len(photos_sent), origin)
    place = find_station(line, station)
    with tracing.step("check photos"):
        cleaned = [_clean(photo, number) for number, photo in enumerate(photos_sent, 1)]
    views = [photo.view[:40] for photo in photos_sent]
    fields = {"line": line.slug, "serial": serial, "station": station, "lot": lot, "variant": variant}
    fields |= {"captured_at": captured_at.isoformat() if captured_at else "", "origin": str(origin)}
    if decided is not None:  # a part without one keeps the digest that it has always had
        fields["decided"] = json.dumps(decided, sort_keys=True)
    digest = digest_of_request(fields, cleaned, views) if idempotency_key else ""
    if idempotency_key and (known := _known(idempotency_scope, idempotency_key, digest)):
        return known, False
    with tracing.step("keep photos"):
        for photo in cleaned:
            photos.keep_photo(photo)  # on the disk before the row that names it
    inspection = Inspection(
        line=line, station=place, serial=serial, lot=lot[:80], origin=origin,
        captured_at=captured_at or now, received_at=now, received_by=by, state_since=now, split=split[:20],
        idempotency_key=idempotency_key or None, idempotency_scope=idempotency_scope, request_digest=digest,
        traceparent=tracing.here(),
    )  # fmt: skip
    try:
        with transaction.atomic():
            if decided is not None:
                # Before the part's row holds it: two that each wait to have it alone would wait for each other.
                Line.objects.select_for_update().get(pk=line.pk)
            inspection.variant = find_variant(variant)
            _write_rows(inspection, cleaned, views, now, decided is not None)
            if decided is not None:
                _take(inspection, decided, now)
    except IntegrityError:
        # Two senders with one key at the same moment: the first has written, ours is the repetition.
        if idempotency_key and (known := _known(idempotency_scope, idempotency_key, digest)):
            return known, False
        raise
    return inspection, True


def _must_be_a_part(line: Line, serial: str, photos_sent: int, origin: Origin) -> None:
    if not serial:
        raise BadInput(_("The part has no serial. Send the field 'serial'."))
    if len(serial) > MAX_SERIAL:
        words = _("The serial has {length} characters; at most {limit} are taken.")
        raise BadInput(words.format(length=len(serial), limit=MAX_SERIAL))
    if not 1 <= photos_sent <= MAX_PHOTOS:
        words = _("A part has 1 to {limit} photos; {sent} were sent.")
        raise BadInput(words.format(limit=MAX_PHOTOS, sent=photos_sent))
    if origin == Origin.SIMULATED and not line.demo:
        words = _("{line} is not a demo line. Simulated parts are for demo lines only.")
        raise BadInput(words.format(line=line.name))


def _clean(photo: NewPhoto, number: int) -> CleanPhoto:
    try:
        return clean_photo(photo.data)
    except BadInput as refusal:
        raise BadInput(_("Photo {number}: {reason}").format(number=number, reason=refusal)) from None


def _known(scope: str, key: str, digest: str) -> Inspection | None:
    known = Inspection.objects.filter(idempotency_scope=scope, idempotency_key=key).first()
    if known and known.request_digest != digest:
        words = _(
            "The idempotency key {key!r} was used for part {serial} with other fields or photos. "
            "Use a new key for a new part."
        )
        raise Conflict(words.format(key=key, serial=known.serial))
    return known


def _write_rows(
    inspection: Inspection, cleaned: Sequence[CleanPhoto], views: Sequence[str], now: datetime, decided: bool
) -> None:
    # Read here, inside the transaction: a level may change while the photos are being checked.
    hold = Line.objects.values_list("hold_seconds", flat=True).get(pk=inspection.line_id)
    if _after_retake(inspection.line, inspection.serial):
        hold = 0  # a part that was cleaned is always judged by a person
    inspection.hold_until = now + timedelta(seconds=hold)
    inspection.state = State.HELD if hold else State.WAITING
    if decided:  # whatever becomes of what the station said, the machine's hold is none: it has answered
        inspection.hold_until, inspection.state = now, State.HELD
    inspection.save()
    tracing.tell(inspection=inspection.pk, line=inspection.line.slug)
    Photo.objects.bulk_create(
        Photo(
            inspection=inspection, position=position, view=view, sha256=photo.sha256, stored=photo.stored,
            format=photo.format, width=photo.width, height=photo.height, size=len(photo.data),
        )
        for position, (photo, view) in enumerate(zip(cleaned, views, strict=True))
    )  # fmt: skip
    wake_workers_on_commit()


def _take(inspection: Inspection, decided: dict[str, Any], now: datetime) -> None:
    """Keep what the station sent and have it taken by whoever knows what it means. Raises BadInput for nonsense.

    A fault there loses no part: it is a person's, and what was sent stays beside it.
    """
    StationDecision.objects.create(inspection=inspection, sent=decided, at=now)
    take: Callable[..., None] = import_string(settings.TAKE_STATION_DECISION)
    try:
        with transaction.atomic():
            take(inspection=inspection, sent=decided, now=now)
    except Refused:
        raise
    except Exception as error:  # whatever it is: the part must be received
        log.error("station_decision_not_taken", part=inspection.pk, error=f"{type(error).__name__}: {error}"[:300])
        inspection.refresh_from_db()


def _after_retake(line: Line, serial: str) -> bool:
    same = Inspection.objects.unseeded().filter(line=line, serial=serial)  # a seeded part may have had its serial
    last = same.order_by("-received_at", "-pk").first()
    return last is not None and last.state == State.RETAKE


@transaction.atomic
def import_history(
    *, inspection: Inspection, label: str, by: User | str, now: datetime | None = None
) -> Verdict | None:
    """File a received part as history: a label becomes a verdict without an inspector; without one it is closed.

    History is training data and replay, never certifying evidence.
    """
    now = now or timezone.now()
    inspection.state = State.WAITING if label else State.CLOSED
    inspection.save(update_fields=["state"])
    if not label:
        return None
    if label not in (Outcome.OK, Outcome.SCRATCHED):
        raise BadInput(_("The label {label!r} is neither 'ok' nor 'scratched'.").format(label=label))
    verdict = Verdict.objects.create(inspection=inspection, occasion=Occasion.HISTORY, outcome=label, at=now)
    outcome = "pass" if label == Outcome.OK else "reject"
    inspection.dispositions.create(outcome=outcome, verdict=verdict, reason=gettext_noop("imported label"), at=now)
    move(inspection, State.DECIDED, now=now)
    audit.record("history_imported", by=by, line=inspection.line.slug, subject=inspection, label=label)
    return verdict
