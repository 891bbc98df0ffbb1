"""The agreement report: what people and a model say of the same parts, counted, with intervals and reasons left out."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from inspection.actions.intake import find_line
from inspection.models import Line, Station, User, Variant
from inspection.people import usernames_for
from inspection.refusals import BadInput, Unknown
from shadow.agreement import Confusion, Figure, Rate
from shadow.charts import percent
from shadow.days import EVERYTHING, Calendar, Span, read_span
from shadow.models import ModelVersion, Prediction, live_version
from shadow.pairs import KINDS, Pair, pairs
from shadow.versions import find_version

CONFIDENCE = 0.95
GROUPINGS = ("day", "week", "line", "station", "inspector", "model", "variant")
FIGURES = (
    "agreement", "kappa", "positive_agreement", "miss_rate", "false_alarm_rate", "escape_rate", "overkill_rate",
)  # fmt: skip
# The groupings and kinds of evidence as words, for those who translate.
WORDS = (
    gettext_noop("day"), gettext_noop("week"), gettext_noop("line"), gettext_noop("station"), gettext_noop("inspector"),
    gettext_noop("model"), gettext_noop("variant"), gettext_noop("blind"), gettext_noop("assisted"),
    gettext_noop("retrospective"),
)  # fmt: skip
NOBODY = "not known"


@dataclass(frozen=True)
class Asked:
    """What a report is asked for. A line or a model left open is open only where the report is grouped by it."""

    lines: tuple[Line, ...]
    versions: tuple[ModelVersion, ...]
    span: Span = EVERYTHING
    group_by: str = "day"
    evidence: str = "blind"
    reader: User | None = None  # who finds their own name among the inspectors; all others go by pseudonyms

    @property
    def line(self) -> Line | None:
        return self.lines[0] if len(self.lines) == 1 else None

    @property
    def version(self) -> ModelVersion | None:
        return self.versions[0] if len(self.versions) == 1 else None

    def echo(self) -> dict[str, str | None]:
        """The filters as a reader may send them again."""
        return {
            "line": self.line.slug if self.line else None,
            "model": self.version.name if self.version else None,
            "from": self.span.start.isoformat() if self.span.start else None,
            "to": self.span.end.isoformat() if self.span.end else None,
            "group_by": self.group_by,
        }


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
    """Counts of one kind of evidence. `confusion.n` and `excluded` together are all predictions in the span."""

    asked: Asked
    confusion: Confusion
    groups: tuple[Group, ...]
    days: tuple[Group, ...]
    excluded: Mapping[str, int]
    evidence_counts: Mapping[str, int]
    adjudicated: Mapping[str, Settled]


def read_asked(params: Mapping[str, str], by: User) -> Asked:
    """What a query string asks for, with what it leaves out filled in. Raises BadInput, Unknown or NotAllowed."""
    group_by = one_of("group_by", params.get("group_by") or "day", GROUPINGS)
    evidence = one_of("evidence", params.get("evidence") or "blind", KINDS)
    lines = _lines(params.get("line", ""), by, every=group_by == "line")
    versions = _versions(params.get("model", ""), lines, every=group_by == "model")
    span = read_span(params.get("from", ""), params.get("to", ""), lines[0])
    return Asked(lines, versions, span, group_by, evidence, reader=by)


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise BadInput(f"{name!r} is {value!r}. Allowed: {', '.join(allowed)}.")
    return value


def _lines(slug: str, by: User, *, every: bool) -> tuple[Line, ...]:
    if slug:
        return (find_line(slug, by),)
    lines = tuple(Line.objects.for_user(by))
    if not lines:
        raise Unknown("There is no line yet. An admin sets up the first one.")
    return lines if every else lines[:1]


def _versions(name: str, lines: tuple[Line, ...], *, every: bool) -> tuple[ModelVersion, ...]:
    if name:
        return (find_version(name),)
    if every:
        return tuple(_with_predictions(lines))
    version = live_version(lines[0]) or _with_predictions(lines).first()
    return (version,) if version else ()


def _with_predictions(lines: tuple[Line, ...]):
    answered = Prediction.objects.filter(inspection__line__in=lines).order_by().values("version")
    return ModelVersion.objects.filter(pk__in=answered)


def agreement_report(asked: Asked) -> AgreementReport:
    """Count the pairs that were asked for. Kinds of evidence are never mixed; the others are counted beside."""
    found = pairs_asked(asked)
    kept = [pair for pair in found if pair.evidence_kind == asked.evidence]
    return AgreementReport(
        asked=asked,
        confusion=confusion_of(Counter(pair.cell for pair in kept)),
        groups=group_pairs(kept, asked, asked.group_by),
        days=group_pairs(kept, asked, "day"),
        excluded=_excluded(found, asked.evidence),
        evidence_counts={kind: sum(pair.evidence_kind == kind and bool(pair.cell) for pair in found) for kind in KINDS},
        adjudicated={cell: _settled(kept, cell) for cell in ("escape", "overkill")},
    )


def pairs_asked(asked: Asked) -> list[Pair]:
    """The pairs of every line and version asked for, inside the span as each line's own days count it."""
    found = []
    for line in asked.lines:
        calendar = Calendar(line)
        start, end = asked.span.moments(line)
        for version in asked.versions:
            for pair in pairs(line=line, version=version, start=start, end=end):
                if asked.span.holds(pair.received_at, calendar):
                    found.append(pair)
    return found


def confusion_of(cells: Mapping[Any, int]) -> Confusion:
    return Confusion(*(cells.get(cell, 0) for cell in ("both_ok", "overkill", "escape", "both_scratched")))


def _excluded(found: list[Pair], evidence: str) -> dict[str, int]:
    """Why pairs are not counted, each under one reason."""
    reasons = dict.fromkeys(["unsure", "null", "unjudged", *(kind for kind in KINDS if kind != evidence)], 0)
    for pair in found:
        if pair.evidence_kind != evidence:
            reasons[pair.evidence_kind] += 1
        elif pair.predicted is None:
            reasons["null"] += 1
        elif pair.cell is None:
            reasons["unjudged" if pair.outcome is None else "unsure"] += 1
    return reasons


def _settled(kept: list[Pair], cell: str) -> Settled:
    found = Counter(pair.finding or "open" for pair in kept if pair.cell == cell)
    return Settled(**found)


def group_pairs(kept: list[Pair], asked: Asked, group_by: str) -> tuple[Group, ...]:
    """The counted pairs as rows of one table, in the order of their keys. They sum to the whole."""
    key_of, name_of = _grouping(group_by, asked, kept)
    cells: dict[str, Counter] = {}
    for pair in kept:
        if pair.cell:
            cells.setdefault(key_of(pair) or "", Counter())[pair.cell] += 1
    return tuple(Group(key, name_of(key), confusion_of(cells[key])) for key in sorted(cells))


def _grouping(
    group_by: str, asked: Asked, kept: list[Pair]
) -> tuple[Callable[[Pair], str | None], Callable[[str], str]]:
    """How a pair finds its row, and how the row is called."""
    if group_by in ("day", "week"):
        calendars = {line.slug: Calendar(line) for line in asked.lines}
        words = _week if group_by == "week" else date.isoformat
        return lambda pair: words(calendars[pair.line].day_of(pair.received_at)), str
    names: dict[str, str] = {}
    if group_by == "line":
        names = {line.slug: line.name for line in asked.lines}
    elif group_by == "station":
        names = dict(Station.objects.filter(line__in=asked.lines).values_list("slug", "name"))
    elif group_by == "variant":
        names = dict(Variant.objects.values_list("slug", "name"))
    elif group_by == "inspector":
        called = usernames_for(asked.reader, {pair.inspector_id for pair in kept})
        named = User.objects.filter(username__in=called.values())  # a pseudonym is nobody's user name
        return lambda pair: called.get(pair.inspector_id), _called({user.username: str(user) for user in named})
    return lambda pair: getattr(pair, group_by), _called(names)


def _called(names: Mapping[str, str]) -> Callable[[str], str]:
    return lambda key: names.get(key, key) or NOBODY


def _week(day: date) -> str:
    year, week, _ = day.isocalendar()
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
    "assisted": gettext_lazy("judged by people who may have known the model's answer"),
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
