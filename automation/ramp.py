"""When a ramped raise may go on to its next step: a pure rule over facts, with each reason to wait in words."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from scipy.special import bdtr, bdtrik

from automation.evidence import Certificate
from automation.gates import Limits, percent

CHANCE = 1e-3  # two-sided: a share that chance alone would bring less often than this is not the configured one
NOTHING = Certificate(None, 0, 0, 1.0, 0.0, "not_yet", "no part has been judged yet")


@dataclass(frozen=True)
class RampFacts:
    """What is known of a ramp at one moment. Of the step: everything since it was entered with these thresholds and
    shares; where it lasts, its latest parts."""

    step: int = 0  # from 0
    steps: int = 1
    share: float = 1.0  # of the parts, to which the raise applies in this step
    audit_share: float = 0.1  # of the machine's decisions, in this step
    next_share: float | None = None  # of the parts, in the next step; None: there is none
    # All evidence of the version at pass_below, at every look; alpha 0: how much inspectors see is not known.
    proof: Certificate = field(default=NOTHING)
    alpha: float = 0.0
    routed: int = 0  # parts of the step
    inside: int = 0  # of them, drawn into the canary share
    decided: int = 0  # of those, by the machine
    audited: int = 0  # of those, drawn for an audit
    due: int = 0  # of those, the audits that a person has to judge or has judged
    judged: int = 0  # of those, judged
    passes: int = 0  # of those, passed by the machine
    overdue: int = 0  # audits of the version that wait for longer than the limit
    unaudited: float = 0.0  # scratched parts that left unaudited in this raise, as estimated
    critical_alarms: int = 0
    halted: bool = False
    held: bool = False  # by a person
    pending: bool = False  # a change of the line awaits approval
    uncounted: int = (
        0  # changes of the factory's parts that are to be counted yet; 0 where a reader counts them at once
    )

    def figures(self) -> dict[str, Any]:
        """For the audit trail, as JSON takes it."""
        proof = {"n": self.proof.n, "k": self.proof.k, "bound": self.proof.bound, "alpha": self.alpha}
        return {name: value for name, value in asdict(self).items() if name not in ("proof", "alpha")} | proof


def unaudited_escapes(audit_shares: Sequence[float]) -> float:
    """Scratched parts that left unaudited, by those that audits found: for each found at an audit share p, (1 - p) / p
    were not (Horvitz and Thompson 1952). A share that is none: inf.

    >>> unaudited_escapes([1.0, 0.5, 0.25])
    4.0
    """
    if not all(0 < share <= 1 for share in audit_shares):
        return math.inf
    return math.fsum((1 - share) / share for share in audit_shares)


def chance_limits(n: int, share: float) -> tuple[int, int]:
    """How many of n draws at a share may be in: outside of these, chance would bring it less than once in a thousand.

    >>> chance_limits(1000, 0.05), chance_limits(7, 1.0), chance_limits(0, 0.5)
    ((29, 74), (7, 7), (0, 0))
    """
    if not n:
        return 0, 0
    return _quantile(CHANCE / 2, n, share), _quantile(1 - CHANCE / 2, n, share)


def _quantile(q: float, n: int, share: float) -> int:
    """The fewest of n draws at a share that are reached with a chance of at least q."""
    fewest = math.ceil(bdtrik(q, n, share)) if share < 1 else n
    return fewest - 1 if fewest > 0 and bdtr(fewest - 1, n, share) >= q else fewest


def reasons_to_wait(facts: RampFacts, limits: Limits) -> list[str]:
    """Why the ramp may not go on to its next step, each with what is missing; empty: it may."""
    reasons = [
        _counting(facts), _proof(facts), _audits(facts, limits), _judged(facts, limits), _overdue(facts, limits),
        _share("canary share", "parts of this step", facts.inside, facts.routed, facts.share),
        _share("audit share", "decisions of the machine", facts.audited, facts.decided, facts.audit_share),
        _escapes(facts, limits),
    ]  # fmt: skip
    return people_wait(facts) + [reason for reason in reasons if reason]


def people_wait(facts: RampFacts) -> list[str]:
    """Those of the reasons that are people's, whatever is counted."""
    reasons = [_no_step(facts), _held(facts), _halted(facts), _alarm(facts), _pending(facts)]
    return [reason for reason in reasons if reason]


def _no_step(facts: RampFacts) -> str:
    return "" if facts.next_share is not None else "The ramp is at its last step: there is no further one to go to."


def _held(facts: RampFacts) -> str:
    return "A person holds the ramp at this step. An admin may let it go on." if facts.held else ""


def _halted(facts: RampFacts) -> str:
    return "The line is halted. Resume it first." if facts.halted else ""


def _alarm(facts: RampFacts) -> str:
    count = facts.critical_alarms
    if not count:
        return ""
    return (
        "1 critical alarm is open. Close it first."
        if count == 1
        else f"{count} critical alarms are open. Close them first."
    )


def _pending(facts: RampFacts) -> str:
    waits = "A change of this line awaits approval and would be void. Approve it, or lower the line to withdraw it."
    return waits if facts.pending else ""


def _counting(facts: RampFacts) -> str:
    """An escape may be among what is not counted yet."""
    count = facts.uncounted
    return f"{count:,} changes are still being counted. It goes on by itself once they are." if count else ""


def _proof(facts: RampFacts) -> str:
    """U <= alpha on all evidence, as the gates ask for it."""
    if not facts.alpha > 0:
        return "How many scratches inspectors find is not known, so nothing is proven of the parts passed."
    if facts.proof.verdict == "certified":
        return ""
    said = facts.proof.reason
    return f"{said[:1].upper()}{said[1:]}; limit {percent(facts.alpha)}."


def _audits(facts: RampFacts, limits: Limits) -> str:
    missing = limits.step_audits - facts.passes
    if missing <= 0:
        return ""
    return (
        f"{missing:,} more audited passes have to be judged in this step ({facts.passes:,} of {limits.step_audits:,})."
    )


def _judged(facts: RampFacts, limits: Limits) -> str:
    missing = math.ceil(limits.audits_share * facts.due - 1e-9) - facts.judged
    if missing <= 0:
        return ""
    share = percent(limits.audits_share)
    return (
        f"{missing:,} more of the audits due have to be judged ({facts.judged:,} of {facts.due:,}, at least {share})."
    )


def _overdue(facts: RampFacts, limits: Limits) -> str:
    count = facts.overdue
    if not count:
        return ""
    what = "1 audit waits" if count == 1 else f"{count:,} audits wait"
    return f"{what} for longer than {limits.audit_hours} hours and counts as an escape. Have such audits judged first."


def _share(name: str, of: str, hits: int, n: int, share: float) -> str:
    low, high = chance_limits(n, share)
    if not n or low <= hits <= high:
        return ""
    beyond = low - hits if hits < low else hits - high
    return (
        f"The realised {name} is {percent(hits / n)} ({hits:,} of {n:,} {of}) where {percent(share)} is configured: "
        f"{beyond:,} beyond what chance allows ({low:,} to {high:,})."
    )


def _escapes(facts: RampFacts, limits: Limits) -> str:
    if facts.unaudited <= limits.escape_budget:
        return ""
    return (
        f"About {facts.unaudited:,.1f} scratched parts have left unaudited in this raise, as estimated from those that "
        f"audits found: {facts.unaudited - limits.escape_budget:,.1f} more than the budget of {limits.escape_budget:,}."
    )
