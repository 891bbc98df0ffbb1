"""When a station may decide by itself, and when its decisions are taken: pure rules, each with its reasons in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from automation.gates import percent
from automation.levels import Level
from automation.routing import Stratum
from scoring.novelty import is_out_of_distribution

HOURS = 8  # that a ticket holds, unless an admin says otherwise
LEAST_HOURS, MOST_HOURS = 1, 24
MOST = 500  # parts of a bundle, unless an admin says otherwise: as many as people can audit
MOST_OF_ALL = 10_000
SLACK = timedelta(seconds=60)  # by which the station's clock may differ from the server's
ALIKE = 1e-3  # by which the station's score and the server's may differ
# Why people decide, in the words by which such parts are counted: what is each part's own stands on its mark.
NOT_TAKEN = "decided at the station, which was not to"
NOT_BORNE_OUT = "decided at the station, and the server's score does not bear it out"


@dataclass(frozen=True)
class Standing:
    """What decides whether a station of a line may decide by itself now."""

    line: str
    station: str  # its slug
    level: Level
    version: str | None = None
    pass_below: float | None = None
    reject_from: float | None = None
    share: float = 1.0  # of the parts, to which the raise applies by now
    halted: bool = False
    certified: bool = False
    strata: frozenset[Stratum] | None = None
    critical_alarms: int = 0
    imported: bool = False  # an earlier system's version, which has no weights

    @property
    def own_strata(self) -> list[list[str]] | None:
        """The certified strata that are the station's; None: all are."""
        if self.strata is None:
            return None
        return sorted([station, variant] for station, variant in self.strata if station == self.station)


@dataclass(frozen=True)
class Bundle:
    """What a station was given, and when that was so: from `at` to the last ticket's end, or to when it was ended."""

    number: int
    station: str
    pass_below: float
    reject_from: float
    strata: frozenset[Stratum] | None
    most: int
    at: datetime
    ticket_ends: datetime | None = None
    ended_at: datetime | None = None
    ended_why: str = ""


@dataclass(frozen=True)
class Claim:
    """What a station says of a part that it has decided."""

    bundle: int
    place: int
    outcome: str
    score: float
    novelty: float
    decided_at: datetime


def why_not_to_decide(standing: Standing) -> list[str]:
    """Why no station of the line may decide by itself now; an empty list: this one may.

    >>> why_not_to_decide(Standing("Line A", "cam-1", Level.PARTIAL, "v1", 0.1, 0.3, certified=True))
    []
    """
    line = standing.line
    if not standing.level.machine_decides:
        words = (
            f"People decide at {line}, which is at {standing.level.words}: a station decides at partial or full only."
        )
        return [words]
    reasons = []
    if standing.halted:
        reasons.append(f"{line} is halted: people judge every part.")
    if standing.version is None or standing.pass_below is None or standing.reject_from is None:
        reasons.append("The policy in force has no version with thresholds.")
    if standing.imported:
        reasons.append(f"{standing.version} is an earlier system: there is nothing of it that a station could run.")
    if standing.share < 1:
        reasons.append(
            f"The ramp is at {percent(standing.share)} of the parts. A station decides when it is at its end."
        )
    if not standing.certified:
        reasons.append("No certificate is in force for this version and policy.")
    if standing.own_strata == []:
        reasons.append(f"Nothing is certified at station {standing.station}: its parts go to people.")
    if standing.critical_alarms:
        reasons.append("A critical alarm is open. Close it first, with what was found.")
    return reasons


def why_not_asked_so(hours: int, most: int) -> list[str]:
    """What is wrong with the times and numbers of a bundle that is asked for."""
    reasons = []
    if not LEAST_HOURS <= hours <= MOST_HOURS:
        reasons.append(f"A ticket holds for {LEAST_HOURS} to {MOST_HOURS} hours.")
    if not 1 <= most <= MOST_OF_ALL:
        reasons.append(f"A station decides 1 to {MOST_OF_ALL:,} parts by a bundle.")
    return reasons


def why_not_taken(
    claim: Claim, bundle: Bundle | None, *, stratum: Stratum, cleaned: bool, taken_by: str, now: datetime
) -> list[str]:
    """Why a station's decision is not one of the machine's; an empty list: it is.

    `stratum` is the part's station and variant, `cleaned` whether its serial was sent to be cleaned just before, and
    `taken_by` the serial of another part that has the place in the bundle, or empty.
    """
    if bundle is None or bundle.station != stratum[0]:
        return [f"There is no bundle {claim.bundle} of this line and station."]
    reasons = [*_of_the_score(claim, bundle), *_of_the_time(claim, bundle, now)]
    if not 1 <= claim.place <= bundle.most:
        reasons.append(f"The bundle is for {bundle.most:,} parts, and this is number {claim.place:,}.")
    if taken_by:
        reasons.append(f"Number {claim.place} of the bundle is part {taken_by}.")
    if bundle.strata is not None and stratum not in bundle.strata:
        reasons.append("The part's station and variant are not certified.")
    if cleaned:
        reasons.append("The part was sent to be cleaned before: a person judges it.")
    return reasons


def decision_of(score: float, novelty: float | None, pass_below: float, reject_from: float) -> str:
    """What a bundle's thresholds say to a score: pass, reject or hold.

    >>> decision_of(0.05, 0.2, 0.1, 0.3), decision_of(0.3, 0.2, 0.1, 0.3), decision_of(0.2, 0.2, 0.1, 0.3)
    ('pass', 'reject', 'hold')
    >>> decision_of(0.05, 1.2, 0.1, 0.3), decision_of(float("nan"), 0.2, 0.1, 0.3)
    ('hold', 'hold')
    """
    if not 0 <= score <= 1 or is_out_of_distribution(novelty):
        return "hold"
    return "pass" if score < pass_below else "reject" if score >= reject_from else "hold"


def _of_the_score(claim: Claim, bundle: Bundle) -> list[str]:
    says = decision_of(claim.score, claim.novelty, bundle.pass_below, bundle.reject_from)
    if says == claim.outcome:
        return []
    return [f"The bundle says {says} to a score of {claim.score:.4f} and a novelty of {claim.novelty:.2f}."]


def _of_the_time(claim: Claim, bundle: Bundle, now: datetime) -> list[str]:
    """The moment is the station's: it has to lie between the bundle's making and the end of what it was told."""
    reasons = []
    if claim.decided_at < bundle.at - SLACK:
        reasons.append("It was decided before the bundle was made.")
    if claim.decided_at > now + SLACK:
        reasons.append("The station's clock is ahead of the server's.")
    if bundle.ticket_ends is None:
        reasons.append("The station was given no ticket for the bundle.")
    elif claim.decided_at > bundle.ticket_ends + SLACK:
        reasons.append("It was decided after the station's ticket had ended.")
    if bundle.ended_at is not None and claim.decided_at > bundle.ended_at:
        reasons.append(f"The bundle had ended by then: {bundle.ended_why}")
    return reasons


def why_they_differ(
    claim: Claim, bundle: Bundle, *, score: float | None, novelty: float | None, null_reason: str
) -> list[str]:
    """Why the server's own answer does not bear out what the station has decided; an empty list: it does."""
    if score is None or not math.isfinite(score):
        return [f"the station scored {claim.score:.4f} and the server has no answer: {null_reason or 'none came'}"]
    says = decision_of(score, novelty, bundle.pass_below, bundle.reject_from)
    if says != claim.outcome:
        return [
            f"the station's score of {claim.score:.4f} said {claim.outcome}, the server's of {score:.4f} says {says}"
        ]
    if abs(score - claim.score) > ALIKE:
        return [f"the station scored {claim.score:.4f} and the server {score:.4f}"]
    return []


def words_of(outcome: str, score: float, pass_below: float, reject_from: float) -> str:
    """The reason of the disposition, as its readers know it from the router.

    >>> words_of("pass", 0.0213, 0.05, 0.3)
    'decided at the station: score 0.0213 is below 0.05'
    """
    if outcome == "pass":
        return f"decided at the station: score {score:.4f} is below {pass_below:g}"
    return f"decided at the station: score {score:.4f} is not below {reject_from:g}"


def missing_places(places: Sequence[int]) -> list[tuple[int, int]]:
    """The numbers that lack below the highest one that has come, each with the next that has.

    >>> missing_places([1, 2, 5, 7]), missing_places([]), missing_places([3])
    ([(3, 5), (4, 5), (6, 7)], [], [(1, 3), (2, 3)])
    """
    known = sorted({*places})
    return [
        (lacking, place)
        for before, place in zip([0, *known], known, strict=False)
        for lacking in range(before + 1, place)
    ]
