"""What each step up needs: pure rules over facts, each with its reason in words and the amount that is missing."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from automation.counts import Evidence
from automation.evidence import Certificate, e_safe, found_limit, lower_bound, needed
from automation.levels import Level
from automation.routing import Stratum

LEAST_SHARE = 1e-6  # of a limit or of the parts: beneath it nothing is ever drawn, and divisions by it run over
MOST_COUNT = 1_000_000  # of parts, days or hours: a century of hours, and what dates and the database can hold


class LimitsRefused(ValueError):
    """A limit that makes no sense; the text says which and what is allowed."""


@dataclass(frozen=True)
class Limits:
    """What the gates of a line ask for. Shares from LEAST_SHARE to under 1; counts and days from 0 to MOST_COUNT."""

    alpha: float = 0.005  # scratched among the parts passed by machine
    delta: float = 0.05  # error probability of the whole certificate
    miss_limit: float = 0.2  # of the scratched parts, passed
    false_alarm_limit: float = 0.3  # of the good parts, called scratched (assist)
    overkill_limit: float = 0.3  # of the parts rejected by machine, good
    null_limit: float = 0.05
    blind_pairs: int = 100
    shifts: int = 1
    days: int = 3
    held_days: int = 5
    escalation_limit: float = 0.1
    sensitivity_from_seeds: bool = True
    without_novelty: bool = False  # an earlier system, which cannot tell a strange part, may decide all the same
    audit_hours: int = 24  # a blind part or an audit that waits for longer counts as an escape
    step_audits: int = 300  # audited passes in a step of the ramp before the next
    audits_share: float = 0.95  # of the audits due, judged, before the next step
    escape_budget: int = 10  # escapes that leave unaudited during a ramp, as estimated

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if limit.type is float and not (isinstance(value, int | float) and LEAST_SHARE <= value < 1):
                raise LimitsRefused(f"{limit.name} is {value!r}; it must be a share from {LEAST_SHARE:f} to under 1.")
            whole = isinstance(value, int) and not isinstance(value, bool)
            if limit.type is int and not (whole and 0 <= value <= MOST_COUNT):
                raise LimitsRefused(f"{limit.name} is {value!r}; it must be a whole number from 0 to {MOST_COUNT:,}.")
            if limit.type is bool and not isinstance(value, bool):
                raise LimitsRefused(f"{limit.name} is {value!r}; it must be true or false.")

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Limits":
        """Limits from a policy's field; what is not named has its default. Raises LimitsRefused."""
        known = {limit.name for limit in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise LimitsRefused(f"There is no limit {unknown[0]!r}. Known limits: {', '.join(sorted(known))}.")
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Facts:
    """What is known of a line and a version at one moment.

    `evidence` is what people said blind of the parts that the version scored; everything else describes the line.
    """

    version: str | None = None
    imported: bool = False  # an earlier inspection system: what it lacks is asked for
    threshold: float = 0.5
    thresholds: Sequence[float] = ()
    recent: int = 0  # the version's last answers, at most 200
    recent_nulls: int = 0
    latency: float | None = None  # seconds, 95th percentile from arrival to answer
    hold_seconds: float = 20
    evidence: Evidence = field(default_factory=Evidence)
    shifts: int = 0  # distinct shift-days with blind pairs
    days: int = 0  # distinct days with blind pairs
    held_days: float = 0  # since the machine decides with this version
    escalated: float | None = None  # of the recent parts that the policy left to the score, those in the unsure band
    audits_due: int = 0
    audits_judged: int = 0
    critical_alarms: int = 0
    seeds: Sequence[tuple[float, bool]] = ()  # seeded scratched parts judged blind: (score, found)


@dataclass(frozen=True)
class Gate:
    """One condition of a step up: whether it is met, and the sentence that page and API print."""

    name: str
    met: bool
    reason: str
    figures: dict[str, Any] = field(default_factory=dict)


def percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def seconds(value: float) -> str:
    """A time as people read it, also one of hours.

    >>> seconds(1.26), seconds(43), seconds(99.7), seconds(390_000)
    ('1.3 s', '43 s', '100 s', '390,000 s')
    """
    return f"{value:.2g} s" if value < 99 else f"{value:,.0f} s"


def gates_to(
    level: Level, facts: Facts, limits: Limits, pass_below: float | None, reject_from: float | None
) -> list[Gate]:
    """The gates of the step to `level`. Steps that need none (human_only) give an empty list."""
    if level is Level.HUMAN_ONLY:
        return []
    gates = [version_gate(facts), null_gate(facts, limits), latency_gate(facts)]
    if level is Level.SHADOW:
        return gates
    gates += [alarm_gate(facts), shift_gate(facts, limits)]
    if level is Level.ASSIST:
        return [*gates, pairs_gate(facts, limits), miss_rate_gate(facts, limits), false_alarm_gate(facts, limits)]
    bars = (math.nan if pass_below is None else pass_below, math.nan if reject_from is None else reject_from)
    gates += [
        threshold_gate(facts, pass_below, reject_from, full=level is Level.FULL),
        days_gate(facts, limits),
        sensitivity_gate(facts, limits, bars[0]),
        certificate_gate(facts, limits, bars[0]),
        miss_limit_gate(facts, limits, bars[0]),
        overkill_gate(facts, limits, bars[1]),
        strata_gate(facts, limits, bars[0]),
    ]
    if facts.imported:
        gates.append(novelty_gate(facts, limits))
    if level is Level.FULL:
        gates += [held_gate(facts, limits), escalation_gate(facts, limits), audits_gate(facts)]
    return gates


def version_gate(facts: Facts) -> Gate:
    none = "No version is assigned. Assign one to the line first."
    reason = f"{facts.version} is assigned." if facts.version else none
    return Gate("version", facts.version is not None, reason)


def null_gate(facts: Facts, limits: Limits) -> Gate:
    figures = {"answers": facts.recent, "nulls": facts.recent_nulls, "limit": limits.null_limit}
    if not facts.recent:
        reason = "The version has not scored any part of this line yet. Replay past parts with it first."
        if facts.imported:
            reason = (
                "The earlier system has not answered for any part of this line yet. Import past answers of it first."
            )
        return Gate("null rate", False, reason, figures)
    rate = facts.recent_nulls / facts.recent
    shares = f"{percent(rate)}, limit {percent(limits.null_limit)}"
    reason = f"{facts.recent_nulls} of the last {facts.recent} parts had no answer ({shares})."
    return Gate("null rate", rate <= limits.null_limit, reason, figures)


def latency_gate(facts: Facts) -> Gate:
    figures = {"p95_seconds": facts.latency, "hold_seconds": facts.hold_seconds}
    if facts.latency is None:
        return Gate("latency", False, "No answer has been timed yet.", figures)
    reason = f"95 % of the answers come within {seconds(facts.latency)}; the hold is {facts.hold_seconds:g} s."
    return Gate("latency", facts.latency <= facts.hold_seconds, reason, figures)


def novelty_gate(facts: Facts, limits: Limits) -> Gate:
    """What holds back a part unlike any seen before, or a bad photo, for a trained version: an earlier system has neither,
    and people have to accept that before it decides."""
    reason = f"{facts.version} cannot tell a part unlike any it knows, nor a bad photo; the line's limits accept that."
    if not limits.without_novelty:
        reason = (
            f"{facts.version} cannot tell a part unlike any it knows, nor a bad photo: such a part would be decided like "
            "any other. Accept that with the limit without_novelty, or let a trained version decide."
        )
    return Gate("strange parts", limits.without_novelty, reason)


def alarm_gate(facts: Facts) -> Gate:
    count = facts.critical_alarms
    reason = "No critical alarm is open."
    if count:
        what, them = ("alarm is", "it") if count == 1 else ("alarms are", "them")
        reason = f"{count} critical {what} open. Close {them} first."
    return Gate("alarms", count == 0, reason, {"open": count})


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def shift_gate(facts: Facts, limits: Limits) -> Gate:
    reason = f"Blind verdicts from {_counted(facts.shifts, 'shift')}; at least {limits.shifts} needed."
    return Gate("shifts", facts.shifts >= limits.shifts, reason, {"shifts": facts.shifts, "needed": limits.shifts})


def days_gate(facts: Facts, limits: Limits) -> Gate:
    reason = f"Blind verdicts from {_counted(facts.days, 'day')}; at least {limits.days} needed."
    return Gate("days", facts.days >= limits.days, reason, {"days": facts.days, "needed": limits.days})


def pairs_gate(facts: Facts, limits: Limits) -> Gate:
    below, above = facts.evidence.below(facts.threshold), facts.evidence.from_(facts.threshold)
    have = sum(tally.ok + tally.scratched for tally in (below, above))
    figures = {"have": have, "needed": limits.blind_pairs}
    if have >= limits.blind_pairs:
        return Gate("blind pairs", True, f"{have} blind verdicts beside an answer of the version.", figures)
    reason = f"{limits.blind_pairs - have} more blind verdicts are needed ({have} of {limits.blind_pairs})."
    return Gate("blind pairs", False, reason, figures)


def _rate_gate(name: str, hits: int, n: int, limit: float, what: str) -> Gate:
    figures = {"k": hits, "n": n, "limit": limit}
    if n == 0:
        return Gate(name, False, f"No {what} have been judged blind yet: no data is not a pass.", figures)
    reason = f"{hits} of {n} {what} ({percent(hits / n)}, limit {percent(limit)})."
    return Gate(name, hits / n <= limit, reason, figures)


def miss_rate_gate(facts: Facts, limits: Limits) -> Gate:
    """The point value at the version's operating threshold; at assist a person still decides every part."""
    n, missed = _scratched(facts, facts.threshold)
    return _rate_gate("miss rate", missed, n, limits.miss_limit, "scratched parts missed")


def _scratched(facts: Facts, bar: float) -> tuple[int, int]:
    """Scratched parts, and those of them that score below a bar. A served part was drawn blind and is not: whichever
    way the version answers, it counts as wrong (trap 1)."""
    passed = facts.evidence.below(bar).escapes
    return passed + facts.evidence.from_(bar).scratched, passed


def false_alarm_gate(facts: Facts, limits: Limits) -> Gate:
    above = facts.evidence.from_(facts.threshold)
    alarms = above.ok + above.served
    good = facts.evidence.below(facts.threshold).ok + alarms
    return _rate_gate("false alarm rate", alarms, good, limits.false_alarm_limit, "good parts called scratched")


def threshold_gate(facts: Facts, pass_below: float | None, reject_from: float | None, *, full: bool) -> Gate:
    figures = {"pass_below": pass_below, "reject_from": reject_from, "order": list(facts.thresholds)}
    if pass_below is None or reject_from is None:
        return Gate("thresholds", False, "Choose pass_below and reject_from from the version's thresholds.", figures)
    if full and pass_below != reject_from:
        return Gate("thresholds", False, "Full automation has one threshold: pass_below equals reject_from.", figures)
    if pass_below > reject_from:
        return Gate("thresholds", False, "pass_below is above reject_from: a part would be both.", figures)
    for name, value in (("pass_below", pass_below), ("reject_from", reject_from)):
        if value not in facts.thresholds:
            reason = f"{name} {value:g} is not among the thresholds frozen with the version."
            return Gate("thresholds", False, reason, figures)
    return Gate("thresholds", True, f"Pass below {pass_below:g}, reject from {reject_from:g}.", figures)


def seeds_passed(facts: Facts, pass_below: float) -> tuple[int, int]:
    """Seeded scratched parts that the version passes, and those of them that people found (trap 3)."""
    passed = [found for score, found in facts.seeds if score < pass_below]
    return len(passed), sum(passed)


def sensitivity_delta(limits: Limits) -> float:
    """One fifth of delta pays for the bound on the sensitivity, four fifths for the certificate."""
    return limits.delta / 5


def sensitivity_at_least(seeds: int, found: int, limits: Limits) -> float:
    """The share of scratches that inspectors find, at every look."""
    return lower_bound(seeds, found, sensitivity_delta(limits))


def sensitivity_gate(facts: Facts, limits: Limits, pass_below: float) -> Gate:
    if not limits.sensitivity_from_seeds:
        reason = "This line's limits take inspectors' sensitivity as perfect: seeds are switched off."
        return Gate("inspectors", True, reason)
    seeds, found = seeds_passed(facts, pass_below)
    bound = sensitivity_at_least(seeds, found, limits)
    figures = {"seeds": seeds, "found": found, "sensitivity_at_least": bound}
    if bound <= 0:
        reason = (
            "How many scratches inspectors find is not known: of the seeded scratched parts that the version passes, "
            "none has been found blind. Mix seeded parts into the line, or set sensitivity_from_seeds to false."
        )
        return Gate("inspectors", False, reason, figures)
    share = f"{percent(bound)} of the scratches that the version passes"
    reason = f"Inspectors find at least {share} ({found} of {seeds} seeds)."
    return Gate("inspectors", True, reason, figures)


def certified_limit(facts: Facts, limits: Limits, pass_below: float) -> tuple[float, float]:
    """Alpha and delta to certify at: thinned by inspectors' sensitivity where seeds measure it (trap 3)."""
    if not limits.sensitivity_from_seeds:
        return limits.alpha, limits.delta
    seeds, found = seeds_passed(facts, pass_below)
    delta = sensitivity_delta(limits)
    return found_limit(limits.alpha, seeds, found, delta), limits.delta - delta


def looked_at(facts: Facts, limits: Limits, pass_below: float) -> tuple[float, float, bool]:
    """The same, and whether it is known how many scratches inspectors find. While it is not there is nothing to certify
    at; the count for perfect inspectors says what is ahead."""
    alpha, delta = certified_limit(facts, limits, pass_below)
    return (alpha, delta, True) if alpha > 0 else (limits.alpha, delta, False)


def certificate_gate(facts: Facts, limits: Limits, pass_below: float) -> Gate:
    """R, the share of scratched parts among those passed by machine, at every look."""
    if pass_below not in facts.thresholds:
        return Gate("certificate", False, "Choose pass_below from the version's thresholds.", {"verdict": "invalid"})
    alpha, delta, known = looked_at(facts, limits, pass_below)
    look = facts.evidence.certify_at(pass_below, facts.thresholds, alpha, delta)
    figures = {**asdict(look), "alpha": alpha, "delta": delta}
    reason = f"{look.reason[:1].upper()}{look.reason[1:]}; limit {percent(alpha)}."
    if look.verdict == "certified" and not known:
        reason += " That holds for inspectors who miss nothing; how many they find is not known yet."
    met = look.verdict == "certified" and known
    return Gate("certificate", met, reason, figures)


def _limit_gate(name: str, n: int, k: int, limit: float, delta: float, what: str, more: str) -> Gate:
    figures = {"n": n, "k": k, "limit": limit, "log_e": e_safe(n, k, limit)}
    if e_safe(n, k, limit) >= -math.log(delta):
        reason = f"{k} of {n} {what}: below {percent(limit)} with {percent(1 - delta)} confidence."
        return Gate(name, True, reason, figures)
    missing = max(needed(limit, delta, k) - n, 1)
    reason = f"{missing:,} more {more} are needed if none is wrong ({k} of {n} {what}, limit {percent(limit)})."
    return Gate(name, False, reason, figures | {"missing": missing})


def miss_limit_gate(facts: Facts, limits: Limits, pass_below: float) -> Gate:
    n, missed = _scratched(facts, pass_below)
    what, more = "scratched parts passed", "scratched parts"
    return _limit_gate("miss limit", n, missed, limits.miss_limit, limits.delta, what, more)


def overkill_gate(facts: Facts, limits: Limits, reject_from: float) -> Gate:
    rejected = facts.evidence.from_(reject_from)
    good = rejected.judged - rejected.scratched  # one that was served, or of which nobody could tell, is no proof
    what, more = "rejected parts were good", "rejected parts"
    return _limit_gate("overkill limit", rejected.judged, good, limits.overkill_limit, limits.delta, what, more)


def looks_at_strata(facts: Facts, limits: Limits, pass_below: float) -> dict[Stratum, Certificate]:
    """Each stratum (station, variant) by passed parts of its own, in the order of the thresholds."""
    alpha, delta, _known = looked_at(facts, limits, pass_below)
    return {
        stratum: facts.evidence.certify_at(pass_below, facts.thresholds, alpha, delta, stratum)
        for stratum in facts.evidence.strata
    }


def certified_strata(facts: Facts, limits: Limits, pass_below: float) -> frozenset[Stratum]:
    """The strata that certify with passed parts of their own; the others' parts go to people.

    A bad station hides in the pool however many parts it has itself (trap 4), so its own parts have to prove it.
    """
    if not looked_at(facts, limits, pass_below)[2]:
        return frozenset()
    looks = looks_at_strata(facts, limits, pass_below)
    return frozenset(stratum for stratum, look in looks.items() if look.verdict == "certified")


def strata_gate(facts: Facts, limits: Limits, pass_below: float) -> Gate:
    alpha, delta, known = looked_at(facts, limits, pass_below)
    looks = looks_at_strata(facts, limits, pass_below)
    certified = [stratum for stratum, look in looks.items() if known and look.verdict == "certified"]
    figures = {
        "strata": [list(stratum) for stratum in looks],
        "certified": [list(stratum) for stratum in certified],
        "tested": [look.tested for look in looks.values()],  # where each of them stands in the order
    }
    if not certified:
        least = needed(alpha, delta)
        reason = (
            f"No station and variant is certified by its own parts: each needs {least:,} judged parts that the version "
            "passes, more where one was scratched."
        )
        if not known:
            reason = (
                f"No station and variant can be certified before it is known how many scratches inspectors find "
                f"(with perfect ones each needs {least:,} judged parts that the version passes)."
            )
        return Gate("strata", False, reason, figures)
    left = len(looks) - len(certified)
    reason = f"{len(certified)} of {len(looks)} stations and variants are certified." + (
        f" The parts of the other {left} go to people." if left else ""
    )
    return Gate("strata", True, reason, figures)


def held_gate(facts: Facts, limits: Limits) -> Gate:
    reason = f"At partial for {facts.held_days:.1f} days; at least {limits.held_days} needed."
    figures = {"days": facts.held_days, "needed": limits.held_days}
    return Gate("time at partial", facts.held_days >= limits.held_days, reason, figures)


def escalation_gate(facts: Facts, limits: Limits) -> Gate:
    figures = {"share": facts.escalated, "limit": limits.escalation_limit}
    if facts.escalated is None:
        return Gate("escalations", False, "No part has been routed at partial yet.", figures)
    share, limit = percent(facts.escalated), percent(limits.escalation_limit)
    reason = f"{share} of the parts fall in the unsure band (limit {limit})."
    return Gate("escalations", facts.escalated <= limits.escalation_limit, reason, figures)


def audits_gate(facts: Facts) -> Gate:
    figures = {"due": facts.audits_due, "judged": facts.audits_judged}
    if not facts.audits_due:
        return Gate("audits", False, "No audit has been drawn yet.", figures)
    reason = f"{facts.audits_judged} of {facts.audits_due} audits are judged; at least 95 % needed."
    return Gate("audits", facts.audits_judged >= 0.95 * facts.audits_due, reason, figures)
