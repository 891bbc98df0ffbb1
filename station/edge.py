"""Whether a station may decide a part by itself, and what: rules that return their reasons, without files, network or clock."""

import math
from dataclasses import dataclass
from datetime import datetime

HOLD = "hold"  # a person decides, as ever; what the station answers for all that it may not decide
SILENCE = 10.0  # seconds that the server has not answered before a station answers for it


@dataclass(frozen=True)
class Ticket:
    """Until when a bundle may be used, as the server last said and signed."""

    bundle: int
    sha256: str  # of the bundle's file
    line: str
    station: str
    issued_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Bundle:
    """What a station decides by, as its manifest says."""

    number: int
    line: str
    station: str
    version: str
    policy: int
    pass_below: float
    reject_from: float
    strata: frozenset[tuple[str, str]] | None  # certified stations and variants; None: all of the line's are
    most: int  # parts


@dataclass(frozen=True)
class Case:
    """A part, and what is known when the server has fallen silent. Moments in seconds since 1970."""

    line: str
    station: str
    variant: str
    carried: bool  # whether a request has carried it: it may have arrived
    seen_before: bool  # whether the station has seen the serial before
    bundle: Bundle | None
    ticket: Ticket | None
    why_none: tuple[str, ...]  # why there is no bundle or ticket that can be used
    decided: int  # parts decided by the bundle so far
    now: float
    latest: float  # the latest moment that the spool has seen


def why_held(case: Case) -> list[str]:
    """Why the station may not decide this part, before anything is scored; an empty list: it may."""
    if case.carried:
        return ["It may have arrived at the server, which decides it."]
    bundle, ticket = case.bundle, case.ticket
    if bundle is None or ticket is None or case.why_none:
        return list(case.why_none) or ["The station has no bundle to decide by."]
    reasons = []
    if case.now < case.latest:
        reasons.append(f"The station's clock is {case.latest - case.now:.0f} s behind what it has shown before.")
    if case.now < ticket.issued_at.timestamp():
        reasons.append("The station's clock is behind the moment at which the server issued the ticket.")
    if case.now >= ticket.ends_at.timestamp():
        reasons.append(f"The bundle's time is over: it ended at {ticket.ends_at.isoformat(timespec='seconds')}.")
    if (case.line, case.station) != (bundle.line, bundle.station):
        reasons.append("The bundle is another station's.")
    if bundle.strata is not None and (case.station, case.variant) not in bundle.strata:
        reasons.append(f"Nothing is certified for variant {case.variant or 'none'} at {case.station}.")
    if case.seen_before:
        reasons.append("The station has seen this serial before.")
    if case.decided >= bundle.most:
        reasons.append(f"The station has decided {case.decided} parts by this bundle, as many as people can audit.")
    return reasons


def decide(score: float, novelty: float, bundle: Bundle) -> tuple[str, str]:
    """What a score comes to by the bundle's thresholds, `pass`, `reject` or `hold`, and the reason in words.

    >>> bundle = Bundle(1, "line-a", "cam-1", "v1", 3, 0.05, 0.3, None, 500)
    >>> decide(0.0213, 0.4, bundle)
    ('pass', 'decided at the station: score 0.0213 is below 0.05')
    >>> [decide(score, novelty, bundle)[0] for score, novelty in ((0.3, 0.4), (0.1, 0.4), (0.01, 1.0))]
    ['reject', 'hold', 'hold']
    """
    if not 0 <= score <= 1:
        return HOLD, "The score is no number from 0 to 1."
    if not novelty < 1 or not math.isfinite(novelty):
        return HOLD, f"The photos are unlike those of the model's training ({novelty:.2f} of the limit)."
    if score < bundle.pass_below:
        return "pass", f"decided at the station: score {score:.4f} is below {bundle.pass_below:g}"
    if score >= bundle.reject_from:
        return "reject", f"decided at the station: score {score:.4f} is not below {bundle.reject_from:g}"
    return HOLD, f"The score of {score:.4f} lies between {bundle.pass_below:g} and {bundle.reject_from:g}."
