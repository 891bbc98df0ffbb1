"""Two versions on the same parts: whether they decide oppositely, how long one waits for the other, and which is better."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from automation.evidence import e_safe, needed
from automation.routing import Decision, Why

VERSIONS_DISAGREE = "versions disagree"
# Of the hold: from then on the live version decides without the standby. The sweep that sees to it comes every two
# seconds, so with a hold of less than eight a part may run out of it, and is a person's.
LEFT_TO_DECIDE = 1 / 4
CHANCE = 0.5  # of two equally good versions each is the one that misses, every second time

Finding = Literal["green", "blue", "open"]


def heard(live: Decision, standby: Decision) -> Decision:
    """The live version's decision once the standby has said what it would decide.

    Where one passes the part and the other rejects it, a person decides. The person sees neither answer; `blind` stays
    as drawn, for parts that two versions disagree about are seldom ordinary ones: if all of them counted as evidence,
    each would weigh as much as all the parts that were not drawn.
    """
    if {live.outcome, standby.outcome} != {"pass", "reject"}:
        return live
    return Decision("person", Why.VERSIONS_DISAGREE, VERSIONS_DISAGREE, blind=live.blind)


def may_wait(received_at: datetime, hold_until: datetime, now: datetime) -> bool:
    """Whether a part may still wait for the standby's answer: until a quarter of its hold is left."""
    return now < hold_until - LEFT_TO_DECIDE * (hold_until - received_at)


@dataclass(frozen=True)
class Versus:
    """The scratched parts that only one of two versions missed, and the good ones that only one rejected.

    Parts on which the two agree say nothing of which is better; so it is a test of those on which they differ (McNemar
    1947, Psychometrika 12, 153-157), by the same e-process as a certificate: valid at every look.

    Parameters
    ----------
    only_green, only_blue : int
        Scratched parts that only green misses (b), that only blue misses (c).
    good_green, good_blue : int
        Good parts that only green rejects, that only blue rejects.
    delta : float
        Probability of ever finding a version better that is not, in (0, 1).
    """

    only_green: int = 0
    only_blue: int = 0
    good_green: int = 0
    good_blue: int = 0
    delta: float = 0.05

    @property
    def discordant(self) -> int:
        return self.only_green + self.only_blue

    @property
    def finding(self) -> Finding:
        """Which of the two misses fewer scratched parts; 'open': nobody can tell yet.

        >>> [Versus(b, n - b).finding for b, n in ((0, 5), (0, 6), (1, 11), (2, 14), (6, 6))]
        ['open', 'green', 'green', 'green', 'blue']
        """
        enough = -math.log(self.delta)
        if e_safe(self.discordant, self.only_green, CHANCE) >= enough:
            return "green"
        return "blue" if e_safe(self.discordant, self.only_blue, CHANCE) >= enough else "open"

    @property
    def missing(self) -> int:
        """How many more scratched parts that only blue misses it takes to find green better, if green misses none more."""
        return max(0, needed(CHANCE, self.delta, self.only_green) - self.discordant)
