"""Everything that is kept of a person, as one file: a JSON of the account, and each list as CSV and as lines of JSON.

Nothing in it tells a person who judges which part was an audit or a seeded one that may be shown again: what they know
of these would be evidence no more. So an audit reads as any first verdict, and of parts of known truth only those stand
there whose reference is retired or whose study is closed.
"""

import csv
import io
import json
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

from django.apps import apps
from django.db import models
from django.db.models import Q

from inspection import audit
from inspection.figures_read import note_figures_read, readings_of
from inspection.models import (
    ApiToken,
    AuditEvent,
    Correction,
    Lease,
    ModelOutputShown,
    SeededPart,
    Skip,
    Study,
    User,
    Verdict,
    Where,
)
from inspection.models.judgement import Occasion
from inspection.refusals import NotAllowed
from inspection.roles import May, may
from inspection.sheets import harmless
from inspection.unnamed import OF_A_USER

Rows = Iterable[Sequence[Any]]
SPOOLED = 16 * 1024 * 1024  # bytes in memory; a longer file goes to disk until it is sent
CHUNK = 2000
SIGNS = (
    "by",
    "owner",
    "opened_by",
    "closed_by",
    "retired_by",
    "ended_by",
)  # the fields by which a row names who did it


def person_file(*, person: User, by: User | str) -> IO[bytes]:
    """A zip of everything kept of the person, from its beginning. Their own, or an admin's doing; on record, too.

    Raises NotAllowed for anybody else.
    """
    if isinstance(by, User) and by.pk != person.pk:
        if not may(by, May.SET_UP):
            raise NotAllowed("Everybody takes their own data, or asks an admin.")
        note_figures_read(of=[person.pk], where=Where.EXPORT, by=by)
    audit.record("person_exported", by=by, subject=OF_A_USER + person.username)
    file = tempfile.SpooledTemporaryFile(SPOOLED)  # noqa: SIM115 - whoever sends it closes it
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("account.json", json.dumps(_account(person), indent=2, default=str) + "\n")
        for name, (head, rows) in _lists(person).items():
            _write(packed, f"{name}.csv", _csv(head, rows()))
            _write(
                packed,
                f"{name}.jsonl",
                (json.dumps(dict(zip(head, row, strict=True)), default=str) + "\n" for row in rows()),
            )
    file.seek(0)
    return file


def _write(packed: zipfile.ZipFile, name: str, lines: Iterable[str]) -> None:
    with packed.open(name, "w", force_zip64=True) as file:
        for line in lines:
            file.write(line.encode())


def _csv(head: Sequence[str], rows: Rows) -> Iterator[str]:
    for row in (head, *rows):
        line = io.StringIO()
        csv.writer(line).writerow([harmless(str("" if cell is None else cell)) for cell in row])
        yield line.getvalue()


def _account(person: User) -> dict[str, Any]:
    return {
        "username": person.username, "pseudonym": person.pseudonym, "name": person.get_full_name(),
        "email": person.email, "active": person.is_active, "joined": person.date_joined, "last_login": person.last_login,
        "roles": sorted(person.groups.values_list("name", flat=True)),
        "lines": sorted(person.lines.values_list("slug", flat=True)),
        "language": person.language, "keys": person.keys,
        "tokens": list(ApiToken.objects.filter(user=person).order_by("pk").values("created_at", "expires_at")),
        "holding": list(Lease.objects.filter(user=person).values_list("inspection__serial", flat=True)),
    }  # fmt: skip


def _lists(person: User) -> dict[str, tuple[Sequence[str], Any]]:
    """Each list by its name: its columns, and what makes its rows anew."""
    return {
        "verdicts": (("at", "line", "serial", "outcome", "occasion", "comment", "duration_ms"), lambda: _verdicts(person)),
        "corrections": (
            ("at", "line", "serial", "outcome", "reason"),
            lambda: _values(
                Correction.objects.filter(by=person).order_by("pk"),
                "at", "verdict__inspection__line__slug", "verdict__inspection__serial", "outcome", "reason",
            ),
        ),
        "skipped": (
            ("at", "line", "serial", "reason"),
            lambda: _values(
                Skip.objects.filter(by=person).order_by("pk"), "at", "inspection__line__slug", "inspection__serial", "reason"
            ),
        ),
        "known_truth": (("at", "line", "serial", "truth", "outcome", "study", "round"), lambda: _known_truth(person)),
        "studies": (
            ("at", "line", "name", "rounds", "closed_at"),
            lambda: _values(
                Study.objects.filter(inspectors=person, closed_at__isnull=False).order_by("pk"),
                "at", "line__slug", "name", "rounds", "closed_at",
            ),
        ),
        "model_output_shown": (
            ("at", "line", "serial", "where"),
            lambda: _values(
                ModelOutputShown.objects.filter(user=person).order_by("pk"),
                "at", "inspection__line__slug", "inspection__serial", "where",
            ),
        ),
        "trail": (("at", "by", "action", "line", "subject", "data"), lambda: _trail(person)),
        "signed": (("at", "what", "number", "as"), lambda: _signed(person)),
        "figures_read": (
            ("hour", "reader", "where", "line"),
            lambda: ((row.hour, str(row.reader), row.where, row.line) for row in readings_of(person)),
        ),
    }  # fmt: skip


def _values(rows: models.QuerySet, *fields: str) -> Iterator[Any]:
    return rows.values_list(*fields).iterator(chunk_size=CHUNK)


def _verdicts(person: User) -> Iterator[Sequence[Any]]:
    fields = ("at", "inspection__line__slug", "inspection__serial", "outcome", "occasion", "comment", "duration_ms")
    for row in _values(Verdict.objects.filter(inspector=person).order_by("pk"), *fields):
        yield (*row[:4], _told(row[4]), *row[5:])


def _told(occasion: str) -> str:
    return Occasion.FIRST.value if occasion == Occasion.AUDIT else occasion


def _known_truth(person: User) -> Iterator[Sequence[Any]]:
    """The person's answers beside the truth, once neither can be met again."""
    over = Q(study__closed_at__isnull=False) | Q(study=None, source__reference__retired_at__isnull=False)
    shown = SeededPart.objects.filter(over).exclude(truth="").values("inspection")
    answers = Verdict.objects.filter(inspector=person, inspection__in=shown).order_by("pk")
    return _values(
        answers, "at", "inspection__line__slug", "inspection__serial", "inspection__seeded__truth", "outcome",
        "inspection__seeded__study__name", "inspection__seeded__round",
    )  # fmt: skip


def _trail(person: User) -> Iterator[Sequence[Any]]:
    mine = AuditEvent.objects.filter(Q(by=person.username) | Q(subject=OF_A_USER + person.username)).order_by("pk")
    for event in mine.iterator(chunk_size=CHUNK):
        data = event.data
        if "occasion" in data:
            data = data | {"occasion": _told(data["occasion"])}
        yield event.at, event.by, event.action, event.line, event.subject, json.dumps(data)


def _signed(person: User) -> Iterator[Sequence[Any]]:
    """Rows of every app that say that the person did it: kept references, studies, halts, adjudications, changes."""
    for model in apps.get_models():
        if issubclass(model, AuditEvent | Correction | Skip):
            continue
        for field in model._meta.concrete_fields:
            if field.name in SIGNS:
                name = person if field.is_relation else person.username
                moment = "at" if any(other.name == "at" for other in model._meta.concrete_fields) else None
                for pk, at in _stamped(model._base_manager.filter(**{field.name: name}).order_by("pk"), moment):
                    yield at, model._meta.verbose_name, pk, field.name


def _stamped(rows: models.QuerySet, moment: str | None) -> Iterator[tuple[Any, Any]]:
    if moment:
        return rows.values_list("pk", moment).iterator(chunk_size=CHUNK)
    return ((pk, None) for pk in rows.values_list("pk", flat=True).iterator(chunk_size=CHUNK))
