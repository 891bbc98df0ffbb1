"""Who decides a part: a pure function of the policy in force, the draws and the score."""

from dataclasses import dataclass
from typing import Literal

from automation.levels import Level
from shadow.vision.novelty import is_out_of_distribution

Stratum = tuple[str, str]  # station, variant
UNSURE_BAND = "score in the unsure band"
SEEDED = "seeded: it measures the inspectors"
OUT_OF_DISTRIBUTION = "out of distribution: unlike the photos that the model learned from"


@dataclass(frozen=True)
class Rule:
    """What a policy says about routing.

    `outside` is the rule that holds for parts outside the canary share while a raise is ramped; `strata` are those
    certified, or None when all are.
    """

    level: Level
    pass_below: float | None = None
    reject_from: float | None = None
    canary_share: float = 1.0
    audit_share: float = 0.1
    blind_share: float = 0.1
    halted: bool = False
    strata: frozenset[Stratum] | None = None
    outside: "Rule | None" = None


@dataclass(frozen=True)
class Part:
    """What is known of a part when it is routed. `score` is P(scratched), or None with the reason why there is none."""

    score: float | None
    u_canary: float
    u_audit: float
    u_blind: float
    null_reason: str = ""
    novelty: float | None = None  # from 1 on the photos are unlike those of the version's training
    stratum: Stratum = ("", "")
    seeded: bool = False


@dataclass(frozen=True)
class Decision:
    """Pass, reject or person, because. `blind`: drawn for a blind verdict; `advice`: may be served to the person."""

    outcome: Literal["pass", "reject", "person"]
    reason: str
    blind: bool
    audited: bool = False
    advice: bool = False


def decide(rule: Rule, part: Part) -> Decision:
    """Route one part. Total: whatever is missing or strange, a person decides.

    At human_only, shadow or under a halt every verdict is blind; at assist the blind share is, and only the rest may
    see advice; at partial and full the audit share is blind, of the machine's parts and of people's alike, so that
    both can be pooled. A seeded part is a person's at every level, and blind.
    """
    if part.seeded:
        return Decision("person", SEEDED, blind=True)
    if rule.outside is not None and not rule.halted and part.u_canary >= rule.canary_share:
        return decide(rule.outside, part)
    if rule.halted:
        return Decision("person", "halted", blind=True)
    if rule.level in (Level.HUMAN_ONLY, Level.SHADOW):
        return Decision("person", f"people judge every part at {rule.level.words}", blind=True)
    if rule.level is Level.ASSIST:
        return _assist(rule, part)
    return _automatic(rule, part)


def _assist(rule: Rule, part: Part) -> Decision:
    blind = part.u_blind < rule.blind_share
    if reason := _no_answer(part):
        return Decision("person", reason, blind=blind)
    reason = "drawn blind" if blind else "people decide with advice at assist"
    return Decision("person", reason, blind=blind, advice=not blind)


def _automatic(rule: Rule, part: Part) -> Decision:
    drawn = part.u_audit < rule.audit_share
    score, reason = part.score, _no_answer(part)
    if score is None or reason:
        return Decision("person", reason, blind=drawn)
    if rule.pass_below is None or rule.reject_from is None or not rule.pass_below <= rule.reject_from:
        return Decision("person", "the policy has no usable thresholds", blind=drawn)
    if rule.strata is not None and part.stratum not in rule.strata:
        return Decision("person", "stratum not certified", blind=drawn)
    if score < rule.pass_below:
        return Decision("pass", f"score {score:.4f} is below {rule.pass_below:g}", blind=drawn, audited=drawn)
    if score >= rule.reject_from:
        return Decision("reject", f"score {score:.4f} is not below {rule.reject_from:g}", blind=drawn, audited=drawn)
    return Decision("person", UNSURE_BAND, blind=drawn)


def _no_answer(part: Part) -> str:
    """Why there is no score to go by; empty: there is one. A NaN is none, and so is a part unlike any seen before."""
    if part.score is None:
        return f"no answer of the model: {part.null_reason}"
    if not 0 <= part.score <= 1:
        return f"no answer of the model: {part.score} is not a probability"
    return OUT_OF_DISTRIBUTION if is_out_of_distribution(part.novelty) else ""
