"""Who decides a part: a pure function of the policy in force, the draws and the score; `decide_many` for whole arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from automation.levels import Level
from scoring.novelty import is_out_of_distribution

Stratum = tuple[str, str]  # station, variant
OUTCOMES = ("pass", "reject", "person")  # by the codes of `Decisions.outcome`
UNSURE_BAND = "score in the unsure band"
DRAWN_BEFORE = "drawn blind before it was cleaned"
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
    outside: Rule | None = None


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


class Why(IntEnum):
    """The kinds of reason; a decision's `reason` says the same in words and with the part's own figures."""

    SEEDED = 0
    HALTED = 1
    PEOPLE_JUDGE_ALL = 2
    NO_ANSWER = 3
    OUT_OF_DISTRIBUTION = 4
    DRAWN_BLIND = 5
    ADVICE = 6
    NO_THRESHOLDS = 7
    NOT_CERTIFIED = 8
    BELOW = 9
    NOT_BELOW = 10
    UNSURE_BAND = 11
    VERSIONS_DISAGREE = 12  # not of one version alone; see automation.versus


@dataclass(frozen=True)
class Decision:
    """Pass, reject or person, because. `blind`: drawn for a blind verdict; `advice`: may be served to the person."""

    outcome: Literal["pass", "reject", "person"]
    why: Why
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
        return Decision("person", Why.SEEDED, SEEDED, blind=True)
    if rule.outside is not None and not rule.halted and part.u_canary >= rule.canary_share:
        return decide(rule.outside, part)
    if rule.halted:
        return Decision("person", Why.HALTED, "halted", blind=True)
    if rule.level in (Level.HUMAN_ONLY, Level.SHADOW):
        reason = f"people judge every part at {rule.level.words}"
        return Decision("person", Why.PEOPLE_JUDGE_ALL, reason, blind=True)
    if rule.level is Level.ASSIST:
        return _assist(rule, part)
    return _automatic(rule, part)


def after_cleaning(decision: Decision) -> Decision:
    """The decision on a part whose serial was drawn blind and then sent to be cleaned: this inspection answers for it, so
    the draw holds. It was made once; it is blind whatever this part's own draws say, and never less blind for it."""
    if decision.advice:
        return replace(decision, why=Why.DRAWN_BLIND, reason=DRAWN_BEFORE, blind=True, advice=False)
    return replace(decision, blind=True)


def _assist(rule: Rule, part: Part) -> Decision:
    blind = part.u_blind < rule.blind_share
    answer = _answer(part)
    if isinstance(answer, tuple):
        return Decision("person", *answer, blind=blind)
    if blind:
        return Decision("person", Why.DRAWN_BLIND, "drawn blind", blind=True)
    return Decision("person", Why.ADVICE, "people decide with advice at assist", blind=False, advice=True)


def _automatic(rule: Rule, part: Part) -> Decision:
    drawn = part.u_audit < rule.audit_share
    score = _answer(part)
    if isinstance(score, tuple):
        return Decision("person", *score, blind=drawn)
    if rule.pass_below is None or rule.reject_from is None or not rule.pass_below <= rule.reject_from:
        return Decision("person", Why.NO_THRESHOLDS, "the policy has no usable thresholds", blind=drawn)
    if rule.strata is not None and part.stratum not in rule.strata:
        return Decision("person", Why.NOT_CERTIFIED, "stratum not certified", blind=drawn)
    if score < rule.pass_below:
        reason = f"score {score:.4f} is below {rule.pass_below:g}"
        return Decision("pass", Why.BELOW, reason, blind=drawn, audited=drawn)
    if score >= rule.reject_from:
        reason = f"score {score:.4f} is not below {rule.reject_from:g}"
        return Decision("reject", Why.NOT_BELOW, reason, blind=drawn, audited=drawn)
    return Decision("person", Why.UNSURE_BAND, UNSURE_BAND, blind=drawn)


def _answer(part: Part) -> float | tuple[Why, str]:
    """The score to go by, or why there is none: a NaN is none, nor is that of a part unlike any seen before."""
    if part.score is None:
        return Why.NO_ANSWER, f"no answer of the model: {part.null_reason}"
    if not 0 <= part.score <= 1:
        return Why.NO_ANSWER, f"no answer of the model: {part.score} is not a probability"
    if is_out_of_distribution(part.novelty):
        return Why.OUT_OF_DISTRIBUTION, OUT_OF_DISTRIBUTION
    return part.score


Flags = NDArray[np.bool_]
Codes = NDArray[np.int8]
Floats = NDArray[np.float64]


class Decisions(NamedTuple):
    """What `decide` says of many parts, an array each. `outcome` are places in OUTCOMES, `why` values of `Why`."""

    outcome: Codes
    why: Codes
    blind: Flags
    audited: Flags
    advice: Flags


def decide_many(
    rule: Rule,
    scores: ArrayLike,
    novelties: ArrayLike | None,
    u_canary: ArrayLike,
    u_audit: ArrayLike,
    u_blind: ArrayLike,
    strata: Sequence[Stratum] | None = None,
    seeded: ArrayLike | None = None,
) -> Decisions:
    """Route many parts as `decide` routes each of them, a million a second.

    Parameters
    ----------
    scores : array_like, shape (parts,)
        P(scratched); NaN or None where the model has no answer.
    novelties : array_like, shape (parts,), or None
        From 1 on out of distribution, as a NaN is. None in a list, or instead of one, says nothing, as in `Part`.
    u_canary, u_audit, u_blind : array_like, shape (parts,)
        The parts' draws.
    strata : sequence of (station, variant), length parts, optional
        Read only where a rule names those certified; without it each part's stratum is ("", "").
    seeded : array_like of bool, shape (parts,), optional
        Without it no part is seeded.
    """
    score, canary, audit, share = (np.asarray(given, dtype=float) for given in (scores, u_canary, u_audit, u_blind))
    answered = (score >= 0) & (score <= 1)
    strange = np.zeros(score.size, dtype=bool) if novelties is None else ~(_said(novelties) < 1)
    missing = np.where(answered, np.where(strange, Why.OUT_OF_DISTRIBUTION, -1), Why.NO_ANSWER).astype(np.int8)

    why, blind = np.full(score.size, Why.SEEDED, dtype=np.int8), np.ones(score.size, dtype=bool)
    rest = np.ones(score.size, dtype=bool) if seeded is None else ~np.asarray(seeded, dtype=bool)
    while True:
        ramped = rule.outside is not None and not rule.halted
        here = rest & ~(canary >= rule.canary_share) if ramped else rest
        drawn = _drawn(rule, audit, share)
        np.copyto(why, _why(rule, score, missing, drawn, strata), where=here)
        np.copyto(blind, drawn, where=here)
        if rule.outside is None or not ramped:
            break
        rest, rule = rest & ~here, rule.outside

    outcome = np.full(score.size, OUTCOMES.index("person"), dtype=np.int8)
    outcome[why == Why.BELOW] = OUTCOMES.index("pass")
    outcome[why == Why.NOT_BELOW] = OUTCOMES.index("reject")
    return Decisions(outcome, why, blind, blind & (outcome != OUTCOMES.index("person")), why == Why.ADVICE)


def _said(novelties: ArrayLike) -> Floats:
    given: NDArray[Any] = np.asarray(novelties)
    if given.dtype == object:
        given = np.array([0.0 if novelty is None else novelty for novelty in given], dtype=float)
    return given.astype(float, copy=False)


def _drawn(rule: Rule, u_audit: Floats, u_blind: Floats) -> Flags:
    """Who is blind where this rule holds."""
    if rule.halted or not (rule.level is Level.ASSIST or rule.level.machine_decides):
        return np.ones(u_audit.size, dtype=bool)
    return u_blind < rule.blind_share if rule.level is Level.ASSIST else u_audit < rule.audit_share


def _why(rule: Rule, score: Floats, missing: Codes, drawn: Flags, strata: Sequence[Stratum] | None) -> Codes:
    """The reason where this rule holds; `missing` is why there is no score to go by, -1 where there is one."""
    if rule.halted:
        return np.full(score.size, Why.HALTED, dtype=np.int8)
    if rule.level in (Level.HUMAN_ONLY, Level.SHADOW):
        return np.full(score.size, Why.PEOPLE_JUDGE_ALL, dtype=np.int8)
    if rule.level is Level.ASSIST:
        why = np.where(drawn, Why.DRAWN_BLIND, Why.ADVICE)
    elif rule.pass_below is None or rule.reject_from is None or not rule.pass_below <= rule.reject_from:
        why = np.full(score.size, Why.NO_THRESHOLDS)
    else:
        why = np.where(score >= rule.reject_from, Why.NOT_BELOW, Why.UNSURE_BAND)
        why[score < rule.pass_below] = Why.BELOW
        if rule.strata is not None:
            places = strata if strata is not None else [("", "")] * score.size
            certified = np.fromiter((place in rule.strata for place in places), dtype=bool, count=score.size)
            why[~certified] = Why.NOT_CERTIFIED
    return np.where(missing >= 0, missing, why).astype(np.int8)
