"""Any thresholds against the evidence so far: what a policy would have done, what that comes to in a day, what it risks."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import reduce
from math import isfinite
from statistics import median
from typing import Any, NamedTuple

from django.db.models import F, Sum

from automation import policies
from automation.counts import Evidence, Tally
from automation.delay import mean_delay
from automation.evidence import (
    Certificate,
    clopper_pearson,
    expected_unaudited_escapes,
    look,
    needed,
    upper_bound,
)
from automation.facts import evidence_of, evidence_start
from automation.forecast import Likely, forecast, pace_of
from automation.gates import (
    Facts,
    Gate,
    Limits,
    LimitsRefused,
    certificate_gate,
    days_gate,
    looks_at_strata,
    miss_limit_gate,
    overkill_gate,
    sensitivity_gate,
    strata_gate,
)
from automation.levels import Level
from automation.models import Policy
from automation.rerouting import Rerouted, reroute_recent
from automation.routing import Rule, Stratum
from automation.seeds import seeds_of
from inspection.models import Inspection, Line, User, Verdict
from inspection.models.judgement import Occasion
from inspection.refusals import BadInput, Conflict
from shadow.certifying import KINDS, Counted
from shadow.days import Calendar
from shadow.models import DayTally, ModelVersion
from shadow.rollups import STANDINGS
from shadow.showing import note_shown

LATELY = timedelta(weeks=4)  # the days and the verdicts that a day's work is told from
TIMED = 2_000  # the last parts whose verdicts are timed
RISE, BEFORE = 2.0, 0.4  # escape rates by alpha, of the rise that the watch over audits is to see


@dataclass(frozen=True)
class Asked:
    """A policy that is asked about. `share`: of the parts, those to which it applies; the others go as they do now.

    `certified_only`: stations and variants that are not certified go to people, as after every raise. None: so if any is
    certified; before that, all are counted as if they were.
    """

    version: ModelVersion
    pass_below: float
    reject_from: float
    audit_share: float
    limits: Limits
    share: float = 1.0
    certified_only: bool | None = None

    @property
    def level(self) -> Level:
        """What it would be: with one threshold the machine decides every part that it can score."""
        return Level.FULL if self.pass_below == self.reject_from else Level.PARTIAL


class Rate(NamedTuple):
    """k of n, and what the share is at most, however often anyone looks."""

    k: int
    n: int
    bound: float

    @property
    def value(self) -> float | None:
        return self.k / self.n if self.n else None


class Step(NamedTuple):
    """One threshold of the order: of all parts those below it, what was seen there, and whether the order reaches it."""

    threshold: float
    coverage: float
    escapes: Rate
    look: Certificate
    reached: bool  # every stricter one is certified


@dataclass(frozen=True)
class Day:
    """A day on which the line runs, at the shares of the evidence. `days` were counted, `timed` verdicts taken."""

    parts: float
    days: int
    passed: float
    rejected: float
    audit_share: float
    seconds: float | None
    timed: int

    @property
    def machine(self) -> float:
        return self.passed + self.rejected

    @property
    def people(self) -> float:
        return self.parts - self.machine

    @property
    def audits(self) -> float:
        return self.machine * self.audit_share

    @property
    def saved_hours(self) -> float | None:
        """Of inspectors: the parts that the machine takes less those that it is audited on, each at the median time."""
        return None if self.seconds is None else (self.machine - self.audits) * self.seconds / 3600


@dataclass(frozen=True)
class Risk:
    """What leaves unaudited before a rollback, if escapes rise to `rate`: the watch takes `delay` audits on average.

    None: the rise is none that the watch could see. `days` are those that so many audits take; None: no part is passed.
    """

    rate: float
    delay: float | None
    escapes: float | None
    days: float | None


@dataclass(frozen=True)
class WhatIf:
    """What a policy would have done with the evidence so far, and what follows from that.

    `passed` and `rejected` are of the stations and variants that it would automate, `below` of all: what the certificate
    looks at. `gates` are those of the policy's level that the thresholds decide; `alpha` and `delta` what is certified
    at. `uncounted` changes are not in the figures yet.
    """

    asked: Asked
    parts: int
    passed: Tally
    rejected: Tally
    below: Tally
    escapes: Rate
    one_look: float  # Clopper-Pearson's upper bound of the escapes: for one planned look
    missed: Rate
    overkill: Rate
    alpha: float
    delta: float
    gates: Sequence[Gate]
    likely: Mapping[str, Likely]
    strata: Sequence[tuple[Stratum, Certificate]]
    order: Sequence[Step]
    day: Day
    risk: Risk
    recent: Rerouted
    escaped: Sequence[int]  # inspections, newest first
    automated: Collection[Stratum]
    uncounted: int = 0

    @property
    def certificate(self) -> Gate:
        return next(gate for gate in self.gates if gate.name == "certificate")

    @property
    def known(self) -> bool:
        """How many scratches inspectors find; until then the looks hold for perfect ones."""
        return next(gate.met for gate in self.gates if gate.name == "inspectors")

    @property
    def machine(self) -> int:
        return self.passed.parts + self.rejected.parts

    @property
    def coverage(self) -> float | None:
        return self.machine / self.parts if self.parts else None


def version_for(policy: Policy, name: str = "") -> ModelVersion | None:
    """The version of that name; without one the line's, or the newest. None: there is none."""
    versions = ModelVersion.objects.defer("card")
    if name:
        return versions.filter(name=name).first()
    return policy.version or versions.order_by("-pk").first()


def ask(
    policy: Policy,
    version: ModelVersion | None,
    *,
    pass_below: float | None = None,
    reject_from: float | None = None,
    audit_share: float | None = None,
    share: float | None = None,
    certified_only: bool | None = None,
) -> Asked:
    """The policy asked about; what is not named is as it is now, or for thresholds the strictest and the loosest.

    Raises BadInput with what is allowed, and Conflict where there is no version, or one without thresholds.
    """
    if version is None:
        raise Conflict("No version has been registered yet: there is no evidence to ask.")
    if not version.thresholds:
        raise Conflict(f"{version} has no thresholds: register a version that was calibrated.")
    try:
        limits = Limits.from_json(policy.limits)
    except LimitsRefused as refusal:
        raise BadInput(str(refusal)) from None
    bars = {
        "pass_below": _chosen(version, pass_below, policy.pass_below, version.thresholds[0]),
        "reject_from": _chosen(version, reject_from, policy.reject_from, version.thresholds[-1]),
    }
    shares = {
        "audit_share": policy.audit_share if audit_share is None else audit_share,
        "share": 1.0 if share is None else share,
    }
    if reasons := [*_against_bars(version, bars), *_against_shares(shares)]:
        raise BadInput(*reasons)
    return Asked(version=version, limits=limits, certified_only=certified_only, **bars, **shares)


def _chosen(version: ModelVersion, asked: float | None, now: float | None, default: float) -> float:
    if asked is not None:
        return asked
    return now if now is not None and now in version.thresholds else default


def _against_bars(version: ModelVersion, bars: Mapping[str, float]) -> list[str]:
    order = version.thresholds
    allowed = ", ".join(f"{bar:g}" for bar in order)
    reasons = [
        f"{name} {value:g} is not among the thresholds frozen with {version}. Choose one of {allowed}."
        for name, value in bars.items()
        if value not in order
    ]
    if bars["pass_below"] > bars["reject_from"]:
        reasons.append("pass_below is above reject_from: a part would be both.")
    return reasons


def _against_shares(shares: Mapping[str, float]) -> list[str]:
    return [
        f"{name} is {value:g}; it must be a share above 0 and at most 1."
        for name, value in shares.items()
        if not 0 < value <= 1
    ]


def what_if(line: Line, asked: Asked, policy: Policy, *, by: User, now: datetime, most: int) -> WhatIf:
    """The figures, at a cost of days and groups, not of parts; of the escapes the newest `most`.

    Page and API answer through here, so that whoever asks is noted as shown the model's answer to the parts named.
    """
    version, limits = asked.version, asked.limits
    counted = Counted(line, version, evidence_start(line, version))
    evidence = evidence_of(line, version, now=now, audit_hours=limits.audit_hours, counted=counted)
    judged = [row for row in counted.rows if Tally(*row.counts).judged]
    facts = Facts(
        version=version.name, imported=version.is_imported, threshold=version.threshold, thresholds=version.thresholds,
        evidence=evidence,
        shifts=len({(row.day, row.shift) for row in judged}), days=len({row.day for row in judged}),
        seeds=seeds_of(line, version),
    )  # fmt: skip
    gates = _gates(facts, asked)
    figures = {gate.name: gate.figures for gate in gates}
    alpha, delta = figures["certificate"]["alpha"], figures["certificate"]["delta"]
    order = _order(evidence, version.thresholds, alpha, delta)
    chosen = next(step for step in order if step.threshold == asked.pass_below)
    strata = looks_at_strata(facts, limits, asked.pass_below)
    certified = frozenset((station, variant) for station, variant in figures["strata"]["certified"])
    if asked.certified_only is None:
        asked = replace(asked, certified_only=bool(certified))
    automated = certified if asked.certified_only else frozenset(strata)
    passed = _sum_over(automated, lambda stratum: evidence.below(asked.pass_below, stratum))
    rejected = _sum_over(automated, lambda stratum: evidence.from_(asked.reject_from, stratum))
    below = evidence.below(asked.pass_below)
    day = _day(line, asked, evidence.parts, passed, rejected, now)
    pace = pace_of(line, version, facts, gates, limits, now=now, counted=counted)
    escaped = counted.escapes_below(evidence.bars.index(asked.pass_below) + 1, most)
    note_shown(user=by, inspections=escaped, where="what if", now=now)
    return WhatIf(
        asked=asked, parts=evidence.parts, passed=passed, rejected=rejected, below=below, escapes=chosen.escapes,
        one_look=clopper_pearson(below.escapes, below.judged, delta)[1],
        missed=_rate(figures["miss limit"], limits.delta), overkill=_rate(figures["overkill limit"], limits.delta),
        alpha=alpha, delta=delta, gates=gates, likely=forecast(gates, pace, now.astimezone(line.zone)),
        strata=list(strata.items()), order=order, day=day, risk=_risk(limits.alpha, asked.audit_share, day.passed),
        recent=reroute_recent(line, version, _rule(asked, policy, certified)), escaped=escaped, automated=automated,
        uncounted=counted.uncounted,
    )  # fmt: skip


def _sum_over(strata: Collection[Stratum], tally_of: Callable[[Stratum], Tally]) -> Tally:
    return reduce(Tally.plus, map(tally_of, strata), Tally())


def _gates(facts: Facts, asked: Asked) -> list[Gate]:
    """Those that hang on the evidence and the thresholds; the others speak of the line as it is now."""
    limits, pass_below = asked.limits, asked.pass_below
    return [
        certificate_gate(facts, limits, pass_below),
        sensitivity_gate(facts, limits, pass_below),
        miss_limit_gate(facts, limits, pass_below),
        overkill_gate(facts, limits, asked.reject_from),
        strata_gate(facts, limits, pass_below),
        days_gate(facts, limits),
    ]


def _rate(figures: Mapping[str, Any], delta: float) -> Rate:
    n, k = figures["n"], figures["k"]
    return Rate(k, n, upper_bound(n, k, delta))


def _order(evidence: Evidence, order: Sequence[float], alpha: float, delta: float) -> list[Step]:
    steps: list[Step] = []
    for threshold in order:
        passed = evidence.passed(threshold)
        seen = look(threshold, passed, evidence.parts, alpha, delta)
        reached = not steps or (steps[-1].reached and steps[-1].look.verdict == "certified")
        steps.append(Step(threshold, seen.coverage, Rate(passed.found, passed.judged, seen.bound), seen, reached))
    return steps


def _day(line: Line, asked: Asked, parts: int, passed: Tally, rejected: Tally, now: datetime) -> Day:
    a_day, days = parts_a_day(line, asked.version, now)
    seconds, timed = seconds_to_judge(line, now)
    taken = a_day * asked.share / max(1, parts)
    return Day(a_day, days, taken * passed.parts, taken * rejected.parts, asked.audit_share, seconds, timed)


def parts_a_day(line: Line, version: ModelVersion, now: datetime) -> tuple[float, int]:
    """Parts that the version answered on a day on which any came, over the last weeks without today, and the days.

    A line that began today has that day alone.
    """
    today = Calendar(line).day_of(now)
    tallies = DayTally.objects.filter(line=line, version=version, kind__in=KINDS, day__gt=today - LATELY)
    rows = tallies.values("day").annotate(parts=Sum(sum(map(F, STANDINGS[1:]), F(STANDINGS[0])))).order_by()
    parts = {row["day"]: row["parts"] for row in rows if row["parts"]}
    if len(parts) > 1:
        parts.pop(today, None)
    return (sum(parts.values()) / len(parts) if parts else 0.0), len(parts)


def seconds_to_judge(line: Line, now: datetime) -> tuple[float | None, int]:
    """The median time of a verdict on the line's last parts, and of how many; after advice is another work."""
    lately = Inspection.objects.unseeded().filter(line=line, received_at__gte=now - LATELY, received_at__lte=now)
    given = Verdict.objects.filter(inspection__in=lately.order_by("-received_at", "-pk").values("pk")[:TIMED])
    timed = given.exclude(occasion__in=[Occasion.ADVISED, Occasion.HISTORY]).filter(duration_ms__gt=0)
    seconds = [ms / 1000 for ms in timed.order_by().values_list("duration_ms", flat=True)]
    return (median(seconds) if seconds else None), len(seconds)


def _risk(alpha: float, audit_share: float, passed: float) -> Risk:
    """For a rise to twice the limit, from well below it: what the watch is slowest to see and has to see."""
    rate = min(1.0, RISE * alpha)
    delay = mean_delay(alpha, rate, BEFORE * alpha)
    if not isfinite(delay):
        return Risk(rate, None, None, None)
    audits = passed * audit_share
    escapes = expected_unaudited_escapes(delay, rate, audit_share)
    return Risk(rate, delay, escapes, delay / audits if audits else None)


def _rule(asked: Asked, policy: Policy, certified: frozenset[Stratum]) -> Rule:
    """As the router would read it; outside its share the parts go as they do now."""
    strata = certified if asked.certified_only else None
    return Rule(
        level=asked.level, pass_below=asked.pass_below, reject_from=asked.reject_from, canary_share=asked.share,
        audit_share=asked.audit_share, strata=strata, outside=policies.rule_of(policy) if asked.share < 1 else None,
    )  # fmt: skip


# ---- As the API tells it


def as_json(found: WhatIf) -> dict[str, Any]:
    asked, below, recent, day = found.asked, found.below, found.recent, found.day
    return {
        "model": asked.version.name,
        "policy": {
            name: getattr(asked, name)
            for name in ("level", "pass_below", "reject_from", "audit_share", "share", "certified_only")
        },
        "parts": found.parts,
        "passed": found.passed.parts,
        "rejected": found.rejected.parts,
        "to_people": found.parts - found.machine,
        "coverage": found.coverage,
        "escapes": below.escapes,
        "pending": below.waiting,
        "escape_bound": found.escapes.bound,
        "escape_rate": _rate_json(found.escapes) | {"one_look": found.one_look},
        "miss_rate": _rate_json(found.missed),
        "overkill": found.overkill.k,
        "overkill_rate": _rate_json(found.overkill),
        "needed": needed(found.alpha, found.delta, below.escapes + below.overdue),
        "certificate": {"met": found.certificate.met, "reason": found.certificate.reason, **found.certificate.figures},
        "gates": [{"name": gate.name, "met": gate.met, "reason": gate.reason} for gate in found.gates],
        "forecast": {name: str(said) for name, said in found.likely.items()},
        "strata": [
            {
                "station": station, "variant": variant, **_look_json(seen), "tested": seen.tested,
                "automated": (station, variant) in found.automated,
            }
            for (station, variant), seen in found.strata
        ],
        "order": [
            {"coverage": step.coverage, "reached": step.reached, **_look_json(step.look), "threshold": step.threshold}
            for step in found.order
        ],
        "per_day": {
            **{name: getattr(day, name) for name in ("parts", "days", "machine", "people", "audits", "saved_hours")},
            "seconds_to_judge": day.seconds,
        },
        "before_a_rollback": asdict(found.risk),
        "recent": {
            **{name: getattr(recent, name) for name in ("parts", "passed", "rejected", "people", "audited", "since")},
            "reasons": {why.name.lower(): n for why, n in recent.reasons.most_common()},
        },
        "escaped": list(found.escaped),
        "uncounted": found.uncounted,
    }  # fmt: skip


def _rate_json(rate: Rate) -> dict[str, Any]:
    return {"value": rate.value, **rate._asdict()}


def _look_json(seen: Certificate) -> dict[str, Any]:
    return {name: getattr(seen, name) for name in ("n", "k", "pending", "bound", "verdict", "more", "reason")}
