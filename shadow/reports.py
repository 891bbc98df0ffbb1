"""The agreement report: what people and a model say of the same parts, counted, with intervals and reasons left out."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from inspection.models import Station, Variant
from inspection.people import full_names, usernames_for
from shadow.agreement import Confusion, Figure, Rate
from shadow.asked import Asked
from shadow.charts import percent
from shadow.comparisons import Key, Sums
from shadow.models import DIFFERING
from shadow.pairs import KINDS
from shadow.reading import counted
from shadow.rollups import up_to_date
from shadow.scores import ScoreCounts

CONFIDENCE = 0.95
FIGURES = (
    "agreement", "kappa", "positive_agreement", "miss_rate", "false_alarm_rate", "escape_rate", "overkill_rate",
)  # fmt: skip
# The groupings and kinds of evidence as words, for those who translate.
WORDS = (
    gettext_noop("day"), gettext_noop("week"), gettext_noop("line"), gettext_noop("station"), gettext_noop("inspector"),
    gettext_noop("model"), gettext_noop("variant"), gettext_noop("blind"), gettext_noop("assisted"),
    gettext_noop("retrospective"),
)  # fmt: skip
NOBODY = gettext_noop("not known")


@dataclass(frozen=True)
class Group:
    """One row of a table: what it is about, in a stable word (`key`) and in a reader's (`name`), and its counts."""

    key: str
    name: str
    confusion: Confusion


@dataclass(frozen=True)
class Settled:
    """What supervisors found of one kind of discrepancy; the rest is open. It changes no other figure."""

    person: int = 0
    model: int = 0
    ambiguous: int = 0
    open: int = 0


@dataclass(frozen=True)
class AgreementReport:
    """Counts of one kind of evidence. `confusion.n` and `excluded` together are all predictions that were asked about."""

    asked: Asked
    confusion: Confusion
    scores: ScoreCounts
    groups: tuple[Group, ...]
    days: tuple[Group, ...]
    excluded: Mapping[str, int]
    evidence_counts: Mapping[str, int]
    adjudicated: Mapping[str, Settled]
    uncounted: int = 0  # changes that the workers have still to count


def agreement_report(asked: Asked) -> AgreementReport:
    """Count the pairs that were asked for. Kinds of evidence are never mixed; the others are counted beside."""
    uncounted = up_to_date(asked.lines)
    found = counted(asked)
    kept = {key: sums for key, sums in found.items() if key.kind == asked.evidence}
    whole = total(kept.values(), scores=True)
    by_kind: dict[str, Sums] = {
        kind: total(sums for key, sums in found.items() if key.kind == kind) for kind in (*KINDS, "seeded")
    }
    return AgreementReport(
        asked=asked,
        confusion=whole.confusion,
        scores=whole.score_counts,
        groups=group_tallies(kept, asked, asked.group_by),
        days=group_tallies(kept, asked, "day"),
        excluded=_excluded(by_kind, asked.evidence),
        evidence_counts={kind: by_kind[kind].confusion.n for kind in KINDS},
        adjudicated={cell: _settled(whole, cell) for cell in DIFFERING},
        uncounted=uncounted,
    )


def total(sums: Iterable[Sums], *, scores: bool = False) -> Sums:
    whole = Sums()
    for each in sums:
        whole.move(each, scores=scores)
    return whole


def _excluded(by_kind: Mapping[str, Sums], evidence: str) -> dict[str, int]:
    """Why pairs are not counted, each under one reason."""
    mine = by_kind[evidence].standing
    reasons = {name: mine[name] for name in ("unsure", "null", "unjudged")}
    return reasons | {kind: sum(sums.standing.values()) for kind, sums in by_kind.items() if kind != evidence}


def _settled(whole: Sums, cell: str) -> Settled:
    found = {who: whole.findings.get(cell, Counter())[who] for who in ("person", "model", "ambiguous")}
    return Settled(**found, open=whole.standing[cell] - sum(found.values()))


def group_tallies(kept: Mapping[Key, Sums], asked: Asked, group_by: str) -> tuple[Group, ...]:
    """The counted pairs as rows of one table, in the order of their keys. They sum to the whole."""
    key_of, name_of = _grouping(group_by, asked, kept)
    groups: dict[str, Sums] = defaultdict(Sums)
    for key, sums in kept.items():
        groups[key_of(key) or ""].standing.update(sums.standing)
    rows = ((key, groups[key].confusion) for key in sorted(groups))
    return tuple(Group(key, name_of(key), confusion) for key, confusion in rows if confusion.n)


def _grouping(
    group_by: str, asked: Asked, kept: Iterable[Key]
) -> tuple[Callable[[Key], str | None], Callable[[str], str]]:
    """How a tally finds its row, and how the row is called."""
    if group_by == "day":
        return lambda key: key.day.isoformat(), str
    if group_by == "week":
        return lambda key: week_of(key.day), str
    if group_by == "inspector":
        called = usernames_for(asked.reader, {key.inspector_id for key in kept})
        return lambda key: called.get(key.inspector_id), _called(full_names(asked.reader, called.values()))
    if group_by == "model":
        slugs = {version.pk: version.name for version in asked.versions}
        return lambda key: slugs.get(key.version_id), _called({})
    rows: Any = asked.lines
    if group_by != "line":
        rows = Station.objects.filter(line__in=asked.lines) if group_by == "station" else Variant.objects.all()
    slugs, names = {row.pk: row.slug for row in rows}, {row.slug: row.name for row in rows}
    return lambda key: slugs.get(getattr(key, f"{group_by}_id")), _called(names)


def _called(names: Mapping[str, str]) -> Callable[[str], str]:
    return lambda key: names.get(key, key) or _(NOBODY)


def week_of(day: date) -> str:
    """The ISO week of a day: 2026-W10."""
    year, week, _weekday = day.isocalendar()
    return f"{year}-W{week:02}"


def figure(value: Figure) -> dict[str, float | int | None]:
    """A figure as the API gives it: value (None: not defined), the 95 % interval and the count behind it."""
    low, high = value.interval(CONFIDENCE)
    return {"value": value.value, "low": low, "high": high, "n": value.n}


def figures(confusion: Confusion) -> dict[str, dict[str, float | int | None]]:
    return {name: figure(getattr(confusion, name)) for name in FIGURES}


def counts(confusion: Confusion) -> dict[str, int]:
    return {
        "both_ok": confusion.both_ok, "overkill": confusion.overkill,
        "escape": confusion.escape, "both_scratched": confusion.both_scratched,
    }  # fmt: skip


EVIDENCE_WORDS = {
    "blind": gettext_lazy("judged blind"),
    "assisted": gettext_lazy("judged otherwise than blind"),
    "retrospective": gettext_lazy("scored afterwards or imported"),
}


def sentence(report: AgreementReport) -> str:
    """The report in one sentence: what the model misses, and what good parts it would reject."""
    lines = report.asked.lines
    where = lines[0].name if len(lines) == 1 else _("{n} lines").format(n=len(lines))
    if not report.confusion.n:
        words = _("No part on {lines} was {judged} and scored yet.")
        return words.format(lines=where, judged=EVIDENCE_WORDS[report.asked.evidence])
    one = len(report.asked.versions) == 1
    miss, alarm = report.confusion.miss_rate, report.confusion.false_alarm_rate
    words = _("it calls {share} of good parts scratched{between}")
    if not one:
        words = _("they call {share} of good parts scratched{between}")
    alarms = words.format(share=percent(alarm.value), between=between(alarm))
    if miss.value is None:
        words = _("No scratched part on {lines} was found yet, so what the model misses is not known; {alarms}.")
        return words.format(lines=where, alarms=alarms)
    words = _("The model misses {share} of scratched parts on {lines}{between}")
    if not one:
        words = _("The models miss {share} of scratched parts on {lines}{between}")
    misses = words.format(share=percent(miss.value), lines=where, between=between(miss))
    if alarm.value is None:
        return _("{misses}. No good part was judged yet.").format(misses=misses)
    return _("{misses}; {alarms}.").format(misses=misses, alarms=alarms)


def between(rate: Rate) -> str:
    """The interval and the counts behind a rate, as the sentence carries them."""
    low, high = rate.interval(CONFIDENCE)
    lowest = percent(low).rstrip("%\u00a0")
    counts = _("{k:,} of {n:,}").format(k=rate.k, n=rate.n).replace(" ", "\u00a0")
    return _(", between {low} and {high} ({counts})").format(low=lowest, high=percent(high), counts=counts)
