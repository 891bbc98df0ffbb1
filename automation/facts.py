"""Gathers what the gates ask about: blind evidence in arrival order, latency, nulls, days, alarms."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta

import numpy as np
from django.db.models import QuerySet
from django.utils import timezone

from automation import policies
from automation.audits import audits_of
from automation.counts import Evidence, Tally
from automation.edge_gaps import Gap, gaps_of
from automation.gates import Facts, Limits
from automation.levels import Level
from automation.looks import Look, looks_by_part, looks_on
from automation.models import Policy, Void
from automation.recent import Lately, routed_lately
from automation.routing import UNSURE_BAND, Stratum
from automation.seeds import seeds_of
from inspection.models import Line, Origin, Station, Variant
from inspection.prepared import Given, Prepared
from monitoring.models import Alarm, Severity
from shadow.certifying import Counted, Row
from shadow.comparisons import bars_of
from shadow.models import Comparison, DayTally, ModelVersion, Prediction
from shadow.rollups import STANDINGS

RECENT = 200  # answers that say whether a version is healthy
NEWEST = 20_000  # keys of answers, of all lines, among which they are looked for first


def evidence_start(line: Line, version: ModelVersion) -> datetime | None:
    """Evidence counts from when the certificate was last voided; None: from the version's first part."""
    void = _VOID.first(line=line.pk, version=version.pk)
    return void[0] if void else None


_VOID = Prepared(
    lambda: Void.objects.filter(line=Given("line"), version=Given("version")).order_by("-at").values_list("at")[:1]
)


def evidence_of(
    line: Line, version: ModelVersion, *, now: datetime, audit_hours: float, counted: Counted | None = None
) -> Evidence:
    """The evidence for and against a version so far, from the tallies: its cost is that of days and groups, not of parts.

    Live parts, drawn blind, not retrospective; each serial once, its first live inspection on the line (trap 5). A part
    that was drawn blind and served all the same stays in, as an escape (trap 1), and so does whatever waits for longer
    than `audit_hours`, and an audit of which nobody could tell. A part that was sent to be cleaned has no verdict; its
    next blind inspection answers for it. A part that a station decided and that never arrived is overdue at once.
    """
    counted = counted or Counted(line, version, evidence_start(line, version))
    stratum_of = _strata(line)
    overdue = now - timedelta(hours=audit_hours)
    gaps = gaps_of(line, version, since=counted.since)
    everything = _with_gaps(_by_stratum(counted.rows, counted.waiting_since(overdue), stratum_of), gaps)
    bars = tuple(bars_of(version.thresholds, version.threshold))
    return Evidence(bars, everything, _Settled(counted, overdue, bars, stratum_of, gaps))


AT_ONCE = 5_000  # parts of which each is looked at; of more, the first few and then the end of each day
FIRST = 2_000


def looks_of(
    line: Line, version: ModelVersion, bar: float, delta: float, *, counted: Counted | None = None
) -> list[Look]:
    """The running bound at one of the version's bars, at each of its looks."""
    counted = counted or Counted(line, version, evidence_start(line, version))
    slots = bisect_right(bars_of(version.thresholds, version.threshold), bar)
    days: dict[date, list[int]] = defaultdict(lambda: [0, 0])
    for row in counted.rows:
        if row.slot is not None and row.slot < slots and row.judged:
            days[row.day][0] += row.judged
            days[row.day][1] += Tally(*row.counts).escapes
    many = sum(judged for judged, _ in days.values()) > AT_ONCE
    looks = looks_by_part(counted.in_order(slots, FIRST if many else AT_ONCE), delta)
    return looks_on(looks, [(n, k) for _, (n, k) in sorted(days.items())], delta) if many else looks


def _strata(line: Line) -> Mapping[tuple[int | None, int | None], Stratum]:
    stations: dict[int | None, str] = {None: "", **dict(_STATIONS(line=line.pk))}
    variants: dict[int | None, str] = {None: "", **dict(_VARIANTS())}
    return {(s, v): (stations[s], variants[v]) for s in stations for v in variants}


_STATIONS = Prepared(lambda: Station.objects.filter(line=Given("line")).order_by().values_list("pk", "slug"))
_VARIANTS = Prepared(lambda: Variant.objects.order_by().values_list("pk", "slug"))


def _by_stratum(
    rows: Iterable[Row], late: Iterable[Row], stratum_of: Mapping[tuple[int | None, int | None], Stratum]
) -> dict[Stratum, dict[int | None, Tally]]:
    """The rows' counts; of the parts in them those that wait for too long, which are `late`, are escapes."""
    counts: dict[tuple[Stratum, int | None], list[Sequence[int]]] = defaultdict(list)
    for row in rows:
        counts[stratum_of[row.station, row.variant], row.slot].append(row.counts)
    found: dict[Stratum, dict[int | None, Tally]] = defaultdict(lambda: defaultdict(Tally))
    for (stratum, slot), alike in counts.items():
        found[stratum][slot] = Tally(*map(sum, zip(*alike, strict=True)))
    for row in late:
        slots = found[stratum_of[row.station, row.variant]]
        known, their = slots[row.slot], Tally(*row.counts)
        slots[row.slot] = known._replace(
            due=known.due - their.due, unsure=known.unsure + their.due,
            pending=known.pending - their.pending, overdue=known.overdue + their.pending,
        )  # fmt: skip
    return found


def _with_gaps(
    found: dict[Stratum, dict[int | None, Tally]], gaps: Iterable[Gap]
) -> dict[Stratum, dict[int | None, Tally]]:
    """With the parts that never arrived: as if the machine had passed each of them below every bar."""
    for gap in gaps:
        slots = found.setdefault(gap.stratum, defaultdict(Tally))
        lowest = slots.get(0, Tally())
        slots[0] = lowest._replace(overdue=lowest.overdue + 1)
    return found


class _Settled(Mapping[int, Mapping[Stratum, tuple[int, int]]]):
    """For each bar below which somebody waits: what arrived below it before the oldest of those, read when it is asked
    for, since few bars are. What is overdue does not wait, it is an escape: or a part that nobody ever judges would keep
    what came before it for ever."""

    def __init__(
        self,
        counted: Counted,
        overdue: datetime,
        bars: Sequence[float],
        stratum_of: Mapping[tuple[int | None, int | None], Stratum],
        gaps: Sequence[Gap],
    ):
        self.counted, self.overdue, self.stratum_of, self.gaps = counted, overdue, stratum_of, gaps
        waiting = counted.oldest_waiting(overdue)
        moments = {bar: [waiting[slot] for slot in waiting if slot <= bar] for bar in range(len(bars))}
        self.oldest = {bar: min(found) for bar, found in moments.items() if found}
        self.found: dict[int, Mapping[Stratum, tuple[int, int]]] = {}
        self.before: dict[datetime, dict[Stratum, dict[int | None, Tally]]] = {}

    def __getitem__(self, bar: int) -> Mapping[Stratum, tuple[int, int]]:
        if bar not in self.found:
            self.found[bar] = self._before(bar)
        return self.found[bar]

    def _before(self, bar: int) -> Mapping[Stratum, tuple[int, int]]:
        moment = self.oldest[bar]
        if moment not in self.before:
            late = self.counted.waiting_since(min(moment, self.overdue))
            before = _by_stratum(self.counted.before(moment), late, self.stratum_of)
            self.before[moment] = _with_gaps(before, [gap for gap in self.gaps if gap.arrived < moment])
        found = {}
        for stratum, slots in self.before[moment].items():
            below = [tally for slot, tally in slots.items() if slot is not None and slot <= bar]
            # Parts of the same instant are left out together, so none of these waits in time.
            if parts := sum(tally.parts for tally in below):
                found[stratum] = (parts, sum(tally.escapes + tally.overdue for tally in below))
        return found

    def __iter__(self) -> Iterator[int]:
        return iter(self.oldest)

    def __len__(self) -> int:
        return len(self.oldest)


def facts_of(
    line: Line,
    version: ModelVersion | None,
    *,
    now: datetime | None = None,
    policy: Policy | None = None,
    counted: Counted | None = None,
    lately: Lately | None = None,
) -> Facts:
    """All the facts of a line and a version at this moment. Without a version: nothing is known.

    The tallies `counted` and how parts were routed `lately` are read here unless they are known already.
    """
    now = now or timezone.now()
    policy = policy or policies.in_force(line)
    critical = critical_alarms(line)
    if version is None:
        return Facts(critical_alarms=critical)
    limits = Limits.from_json(policy.limits)
    counted = counted or Counted(line, version, evidence_start(line, version))
    judged = {(row.day, row.shift) for row in counted.rows if row.judged}
    recent = _recent_answers(line, version)
    audits = audits_of(line, version)
    return Facts(
        version=version.name, imported=version.is_imported, threshold=version.threshold, thresholds=version.thresholds,
        recent=len(recent), recent_nulls=sum(row[0] is None for row in recent), latency=_latency(recent),
        hold_seconds=policy.hold_seconds,
        evidence=evidence_of(line, version, now=now, audit_hours=limits.audit_hours, counted=counted),
        shifts=len(judged), days=len({day for day, _ in judged}),
        held_days=held_days(line, version, now) if Level(policy.level).machine_decides else 0.0,
        escalated=_escalated(line, version, lately) if Level(policy.level).machine_decides else None,
        audits_due=audits.due, audits_judged=audits.judged,
        critical_alarms=critical, seeds=seeds_of(line, version),
    )  # fmt: skip


def critical_alarms(line: Line) -> int:
    """How many are open."""
    return len(_CRITICAL(line=line.pk))


_CRITICAL = Prepared(
    lambda: Alarm.objects.open().filter(line=Given("line"), severity=Severity.CRITICAL).order_by().values_list("pk")
)


def _recent_answers(line: Line, version: ModelVersion) -> list[tuple]:
    """The version's last answers on the line: (score, when, when the part arrived, retrospective).

    Where few of its newest answers are this line's, for it answers others too, they are found by the line's pairs: else
    a line that stands still would read all that the others sent meanwhile.
    """
    last = _LAST_ANSWER.first(version=version.pk)
    if last is None:
        return []
    recent = _RECENT(line=line.pk, version=version.pk, after=last[0] - NEWEST)
    if len(recent) == RECENT:
        return recent
    pairs = Comparison.objects.filter(line=line, version=version, day__in=_last_days(line, version))
    return list(_answers(line.pk, version.pk).filter(pk__in=pairs.values("prediction"))[:RECENT])


def _answers(line: int | Given, version: int | Given) -> QuerySet[Prediction, tuple]:
    """The version's answers on the line, the newest first."""
    ours = Prediction.objects.filter(version=version, inspection__line=line).exclude(inspection__origin=Origin.SEEDED)
    return ours.order_by("-pk").values_list("score", "at", "inspection__received_at", "retrospective")


_RECENT = Prepared(lambda: _answers(Given("line"), Given("version")).filter(pk__gt=Given("after"))[:RECENT])
_LAST_ANSWER = Prepared(
    lambda: Prediction.objects.filter(version=Given("version")).order_by("-pk").values_list("pk")[:1]
)


def _last_days(line: Line, version: ModelVersion) -> list[date]:
    """The last days on which enough parts arrived that the version has answered."""
    tallies = DayTally.objects.filter(line=line, version=version).exclude(kind="seeded").order_by("-day")
    found: list[date] = []
    pairs = 0
    for day, *counts in tallies.values_list("day", *STANDINGS):
        if pairs >= RECENT and day != found[-1]:
            break
        found, pairs = [*found, day], pairs + sum(counts)
    return found


def _latency(recent: list[tuple]) -> float | None:
    """Seconds from arrival to answer, 95th percentile of live answers; without any, replays ran and are in time."""
    seconds = [(at - received).total_seconds() for _, at, received, retrospective in recent if not retrospective]
    if seconds:
        return float(np.percentile(seconds, 95))
    return 0.0 if recent else None


def decides_since(line: Line, version: ModelVersion) -> Policy | None:
    """The policy since which the machine decides on the line with this version, without a break; None: it does not."""
    since = None
    for policy in _POLICIES(line=line.pk):
        if not Level(policy.level).machine_decides or policy.version_id != version.pk:
            break
        since = policy
    return since


_POLICIES = Prepared(lambda: Policy.objects.filter(line=Given("line")).order_by("-number"))


def held_days(line: Line, version: ModelVersion, now: datetime) -> float:
    """Days since the machine decides on the line with this version, without a break."""
    since = decides_since(line, version)
    return (now - since.at) / timedelta(days=1) if since else 0.0


def _escalated(line: Line, version: ModelVersion, lately: Lately | None) -> float | None:
    """Of the newest parts that were left to the score, the share in the unsure band. Parts outside the canary share,
    halted or not certified are not among them: they would hide a wide band."""
    by = {pk for (pk,) in _POLICIES_OF(line=line.pk, version=version.pk)}
    groups = [group for group in (lately or routed_lately(line)).groups if group.policy in by]
    unsure = sum(group.parts for group in groups if group.reason == UNSURE_BAND)
    by_score = unsure + sum(group.parts for group in groups if group.decision in ("pass", "reject"))
    return unsure / by_score if by_score else None


_POLICIES_OF = Prepared(
    lambda: Policy.objects.filter(line=Given("line"), version=Given("version")).order_by().values_list("pk")
)
