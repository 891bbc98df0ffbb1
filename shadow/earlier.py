"""The rules of an earlier inspection system: what it is declared to be, and what becomes of an answer that it sends."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

WITHIN = 20  # seconds: a line's hold, where nobody has set another
MOST_WITHIN = 3600
MOST_ANSWERS = 1000  # of one batch
MOST_MARKS = 100
NO_ANSWER = "the earlier system did not answer"
SCORES = {"ok": 0.0, "scratched": 1.0}  # of a system that tells an outcome alone
BAR = 0.5  # between the two

Says = Literal["score", "outcome"]


@dataclass(frozen=True)
class Declaration:
    """What an earlier system is said to be; its SHA-256 stands in the place of a trained version's weights.

    `says`: whether each answer is a score from 0 to 1, which need not be a calibrated probability, or only an outcome.
    `thresholds`: the order of pass thresholds, strict to loose, frozen as any version's. `within`: seconds after a part's
    arrival in which it answers; later is no answer.
    """

    name: str
    says: Says = "score"
    threshold: float = BAR
    thresholds: tuple[float, ...] = (BAR,)
    within: int = WITHIN
    about: str = ""

    @property
    def sha256(self) -> str:
        told = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(f"shadowline earlier system:{told}".encode()).hexdigest()

    def card(self) -> dict[str, Any]:
        """What a reader needs to know, in the words of a card."""
        told = "ok or scratched, taken as the scores 0 and 1" if self.says == "outcome" else "a score from 0 to 1"
        return {
            "about": self.about or "-",
            "says": self.says,
            "answers": told,
            "answers_within": f"{self.within} s of a part's arrival; later is no answer",
            "not_known": "scores are not calibrated probabilities; no heat map; no measure of photos unlike any seen before; "
            "no check of the photos' quality",
        }


def against_declaration(told: Declaration) -> list[str]:
    """Why a declaration cannot be registered; an empty list: it can."""
    reasons = []
    numbers = [told.threshold, *told.thresholds]
    if told.says not in ("score", "outcome"):
        reasons.append(f"It answers by {told.says!r}; say 'score' or 'outcome'.")
    if not all(type(value) in (int, float) and 0 <= value <= 1 for value in numbers):
        reasons.append("Its thresholds are scores from 0 to 1. Scale its scores before they are sent.")
    elif not told.thresholds or list(told.thresholds) != sorted(set(told.thresholds)):
        reasons.append("Its thresholds rise from strict to loose, each once, and are one at least.")
    elif told.says == "outcome" and (told.threshold, tuple(told.thresholds)) != (BAR, (BAR,)):
        reasons.append(f"Ok and scratched are the scores 0 and 1: the one threshold is {BAR:g}.")
    if type(told.within) is not int or not 1 <= told.within <= MOST_WITHIN:
        reasons.append(f"It answers within 1 to {MOST_WITHIN:,} seconds.")
    if len(told.about) > 500:
        reasons.append("Describe it in at most 500 characters.")
    return reasons


@dataclass(frozen=True)
class Sent:
    """One answer as it was sent: which part, and one of score, outcome and failure.

    The part is told by its id, or by its serial with the line and, where that was inspected more than once, when it was
    captured. `at`: when the earlier system answered, by its own clock; it proves nothing, and only says how long it took.
    Marks are {photo, box, score}: the photo's position, the box as x, y, width and height in shares of the photo.
    """

    inspection: int | None = None
    serial: str = ""
    line: str = ""
    captured_at: datetime | None = None
    score: float | None = None
    outcome: str = ""
    failure: str = ""
    marks: Sequence[Mapping[str, Any]] = field(default=())
    at: datetime | None = None


def against_answer(sent: Sent, says: str) -> str:
    """Why an answer cannot be taken whatever part it is of; empty: it can."""
    given = [name for name in ("score", "outcome", "failure") if getattr(sent, name) not in (None, "")]
    if len(given) != 1:
        return "Send one of 'score', 'outcome' and 'failure'."
    if given[0] not in (says, "failure"):
        return f"This system was declared to answer by '{says}', not by '{given[0]}'."
    if sent.outcome and sent.outcome not in SCORES:
        return f"The outcome {sent.outcome!r} is neither 'ok' nor 'scratched'."
    if sent.score is not None and not 0 <= sent.score <= 1:
        return f"The score {sent.score:g} is not from 0 to 1."
    return ""


def score_of(sent: Sent) -> float | None:
    """The score that an answer comes to; None for a failure."""
    return SCORES[sent.outcome] if sent.outcome else sent.score


@dataclass(frozen=True)
class Standing:
    """Where a part stands when an answer for it is sent."""

    received_at: datetime
    live: bool = True  # production of a line that the version was assigned to when the part arrived
    judged: bool = False  # somebody has given a verdict on the part, or on another inspection of its serial
    known: tuple[float | None, str] | None = None  # (score, null reason) of the answer that is there


@dataclass(frozen=True)
class Fate:
    """What becomes of an answer: recorded, known already, or refused for a reason.

    `retrospective`: it says how the version would have done and certifies nothing. `late`: it speaks against the version
    at most.
    """

    status: Literal["recorded", "known", "refused"]
    reason: str = ""
    retrospective: bool = False
    late: bool = False


def fate_of(sent: Sent, standing: Standing, *, within: int, history: bool, now: datetime) -> Fate:
    """What becomes of an answer that is sent now. Total.

    The time is that of its recording, whatever the sender's clock says: who sends an answer when a verdict is there
    already could have made it from the verdict.
    """
    said = (score_of(sent), sent.failure)
    live = standing.live and not history
    if standing.known is not None:
        if standing.known == said:
            return Fate("known")
        if standing.known == (None, NO_ANSWER):
            return Fate("refused", f"its time was over after {within} s, and no answer stands as its answer")
        return Fate("refused", "another answer for this part was recorded before; an answer is written once")
    if live and now > standing.received_at + timedelta(seconds=within):
        return Fate("refused", f"its time was over after {within} s")
    return Fate("recorded", retrospective=not live, late=standing.judged)


def milliseconds(captured_at: datetime, at: datetime | None) -> dict[str, float]:
    """How long the earlier system took, by its own clock, where that is no nonsense: from 0 to an hour."""
    taken = (at - captured_at).total_seconds() if at else -1.0
    return {"earlier system": 1000 * taken} if 0 <= taken <= MOST_WITHIN else {}
