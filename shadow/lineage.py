"""Where a version comes from and what it has done: photos, labels and whose they are, code, and the parts it answered."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from django.db.models import Count, Sum

from inspection.models import Line, User
from inspection.people import names_for
from shadow.cards import as_mapping
from shadow.models import DayTally, Finding, ModelVersion, Snapshot, SnapshotPart, Split, TrainingRun

DAYS = 60  # of those shown
TOLD = ("code_version", "architecture", "seed", "device", "parameters", "duration_s", "weights_sha256")
COUNTED = ("both_ok", "overkill", "escape", "both_scratched", "unsure", "null", "unjudged")


class Labeller(NamedTuple):
    """Somebody whose labels were taught, and how many."""

    name: str
    verdicts: int
    settled: int


class Day(NamedTuple):
    line: Line
    day: date
    answers: int


@dataclass(frozen=True)
class Lineage:
    """All that is known of a version's origin, and what it answered."""

    version: ModelVersion
    run: TrainingRun | None
    snapshot: Snapshot | None
    counts: tuple[tuple[str, int, int], ...]  # what for, parts that are ok, parts that are scratched
    labellers: tuple[Labeller, ...]
    imported: int  # labels that came with an import
    against: int  # parts taught under a label that a supervisor found wrong
    facts: tuple[tuple[str, str], ...]
    parent: ModelVersion | None
    parent_words: str
    children: tuple[ModelVersion, ...]
    days: tuple[Day, ...]
    answers: int


def lineage_of(version: ModelVersion, reader: User) -> Lineage:
    """The snapshot and the days are told only of lines that the reader may see."""
    card = as_mapping(version.card)
    lines = Line.objects.for_user(reader)
    run = version.runs.select_related("line").filter(line__in=lines).first()
    snapshot = Snapshot.objects.select_related("line").filter(pk=_number(card.get("snapshot")), line__in=lines).first()
    parent = ModelVersion.objects.filter(weights_sha256=card.get("start_sha256") or "-").exclude(pk=version.pk).first()
    days = days_of(version, lines)
    digest = version.weights_sha256
    return Lineage(
        version, run, snapshot,
        counts=_counts(snapshot) if snapshot else (), labellers=_labellers(snapshot, reader) if snapshot else (),
        imported=snapshot.parts.filter(verdict__inspector=None, taught=None).count() if snapshot else 0,
        against=snapshot.parts.filter(finding=Finding.MODEL, taught=None).count() if snapshot else 0,
        facts=tuple((name, str(card[name])) for name in TOLD if card.get(name) is not None),
        parent=parent, parent_words=str(card.get("start_sha256") or ""),
        children=tuple(ModelVersion.objects.filter(card__start_sha256=digest).exclude(pk=version.pk)[:20]),
        days=days[:DAYS], answers=sum(day.answers for day in days),
    )  # fmt: skip


def _number(value: Any) -> int:
    """The key of a row; 0, which none has, for anything else."""
    return value if type(value) is int else 0


def _counts(snapshot: Snapshot) -> tuple[tuple[str, int, int], ...]:
    rows = snapshot.parts.order_by().values_list("split", "label").annotate(n=Count("pk"))
    found = {(split, label): n for split, label, n in rows}
    return tuple((str(split.label), found.get((split, "ok"), 0), found.get((split, "scratched"), 0)) for split in Split)


def _labellers(snapshot: Snapshot, reader: User) -> tuple[Labeller, ...]:
    """Whoever judged is called by a pseudonym; whoever settled a label signed for it."""
    parts = snapshot.parts.order_by()
    judged: Counter[int] = Counter(dict(
        parts.filter(verdict__inspector__isnull=False).values_list("verdict__inspector").annotate(n=Count("pk"))
    ))  # fmt: skip
    settled: Counter[int] = Counter(dict(
        parts.filter(taught__isnull=False).values_list("taught__by").annotate(n=Count("pk"))
    ))  # fmt: skip
    called = names_for(reader, User.objects.filter(pk__in=judged))
    signed = {person.pk: str(person) for person in User.objects.filter(pk__in=settled)}
    rows = [Labeller(called[pk], n, 0) for pk, n in judged.items()]
    rows += [Labeller(signed[pk], 0, n) for pk, n in settled.items()]
    return tuple(sorted(rows, key=lambda row: (-row.settled, -row.verdicts, row.name)))


def days_of(version: ModelVersion, lines: Any) -> tuple[Day, ...]:
    """The parts that it answered, by line and day, the newest first; replayed ones are no answers of that day."""
    rows = DayTally.objects.filter(version=version, line__in=lines).exclude(kind="retrospective").order_by()
    summed = rows.values_list("line", "day").annotate(**{name: Sum(name) for name in COUNTED})
    known = {line.pk: line for line in lines}
    found = [Day(known[line], day, sum(counts)) for line, day, *counts in summed]
    return tuple(sorted((day for day in found if day.answers), key=lambda day: (day.day, day.line.slug), reverse=True))


HEAD = ("inspection", "serial", "label", "split", "source", "by", "finding", "labelled_at")


def snapshot_rows(snapshot: Snapshot, reader: User) -> Iterator[tuple[Any, ...]]:
    """The snapshot's parts for a file, with a heading row."""
    people = User.objects.filter(pk__in=snapshot.parts.order_by().values("verdict__inspector"))
    called = names_for(reader, people)
    yield HEAD
    rows = snapshot.parts.select_related("inspection", "verdict", "taught__by")
    for row in rows.iterator():
        yield (row.inspection_id, row.inspection.serial, row.label, row.split, *_whose(row, called))


def _whose(row: SnapshotPart, called: dict[int, str]) -> tuple[str, str, str, str]:
    if row.taught:
        return "settled", str(row.taught.by), row.finding, row.taught.at.isoformat()
    assert row.verdict is not None  # noqa: S101 - the row's constraint
    person = row.verdict.inspector_id
    source = "verdict" if person else "imported"
    return source, called[person] if person else "", row.finding, row.verdict.at.isoformat()
