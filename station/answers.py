"""What an answer of the server means for the part that was sent, and how long to wait: rules, without any network."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from station.edge import HOLD

REFUSALS = (400, 409, 413, 415, 422)  # about this part; sent again it would be refused again
PASSING = (408, 425, 429, 500, 502, 503, 504)
FIRST, LONGEST = 1.0, 30.0  # seconds between two tries
BLOCKED = 30.0  # seconds between two tries while only a person can help
RETRY_AFTER_LONGEST = 600.0  # seconds: a server that says more is asked then all the same
YOUNG = 60.0  # seconds: so long somebody may stand there and wait for the answer
ASK_LONGEST = 600.0


class Kind(StrEnum):
    """What to do with the part."""

    SENT = "sent"
    REFUSED = "refused"  # put it aside
    BLOCKED = "blocked"  # no part can be sent before a person has mended something
    LATER = "later"


@dataclass(frozen=True)
class Answer:
    """A status with its headers (names in lower case) and its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def retry_after(self) -> float:
        """Seconds that the server asks us to wait; 0 when it does not, or gives a date."""
        told = self.headers.get("retry-after", "").strip()
        return min(float(told), RETRY_AFTER_LONGEST) if told.isdecimal() else 0.0


@dataclass(frozen=True)
class Meaning:
    """What an answer to a sent part means. `known`: Shadowline itself has answered, and not something in between."""

    kind: Kind
    reason: str = ""
    inspection: int = 0
    known: bool = False


def meaning(answer: Answer, *, serial: str, digests: Sequence[str]) -> Meaning:
    """What an answer to `POST inspections/` means for the part of that serial, whose photos have these SHA-256.

    Only the server's own words count. A proxy's friendly page is no receipt, and where a proxy or the wrong host refuses,
    the part is not at fault; but a request that is too large (413) is so for whoever says it.
    """
    told, status = answer.json(), answer.status
    problem = told if isinstance(told, dict) and "title" in told and "detail" in told else None
    reason = f"{status}: {problem['detail'] if problem else _start(answer.body)}"
    if status in (200, 201):
        return _receipt(told, serial, digests)
    if status in PASSING or status >= 500:
        return Meaning(Kind.LATER, reason, known=bool(problem))
    if status == 413 or (problem and status in REFUSALS):
        return Meaning(Kind.REFUSED, reason, known=bool(problem))
    return Meaning(Kind.BLOCKED, reason, known=bool(problem))


def _receipt(told: Any, serial: str, digests: Sequence[str]) -> Meaning:
    try:
        inspection, kept = told["id"], sorted(photo["sha256"] for photo in told["photos"])
    except (TypeError, KeyError):
        inspection = kept = None
    if not isinstance(inspection, int):
        return Meaning(Kind.BLOCKED, "What answers there is not Shadowline: the answer is no receipt.")
    if told.get("serial") != serial or kept != sorted(digests):
        reason = f"The server keeps other photos than were sent, as inspection {inspection}."
        return Meaning(Kind.REFUSED, reason, known=True)
    return Meaning(Kind.SENT, inspection=inspection, known=True)


def _start(body: bytes) -> str:
    return " ".join(body[:200].decode(errors="replace").split()) or "no words"


def same_part(told: Any, *, captured_at: str, digests: Sequence[str]) -> bool:
    """Whether an inspection of the server's list is this very part: the same photos, taken at the same moment."""
    return (
        sorted(photo["sha256"] for photo in told["photos"]) == sorted(digests)
        and datetime.fromisoformat(told["captured_at"]) == datetime.fromisoformat(captured_at)
    )  # fmt: skip


def pause(failures: int, chance: float, retry_after: float = 0.0) -> float:
    """Seconds until the next try after so many failures in a row (1 or more): doubled each time, up to half a minute.

    `chance` in [0, 1) takes up to half away, so that a hundred stations do not come back in the same instant; less than
    `retry_after` it never is.

    >>> [pause(n, 0.0) for n in (1, 2, 3, 10)], pause(1, 0.0, retry_after=7)
    ([1.0, 2.0, 4.0, 30.0], 7.0)
    """
    whole = min(LONGEST, FIRST * 2.0 ** min(failures - 1, 30))
    return max(whole * (1 - chance / 2), float(retry_after))


def ask_again_after(age: float) -> float:
    """Seconds until a part sent `age` seconds ago is asked about again: the longer nobody has decided, the less often.

    >>> [ask_again_after(age) for age in (0, 50, 86400)]
    [1.0, 10.0, 600.0]
    """
    return min(ASK_LONGEST, max(1.0, age / 5))


def decision(told: Any) -> dict[str, Any] | None:
    """What came of a part, from the answer to `GET inspections/{id}/`; None while nothing has.

    A part that is to be cleaned and photographed anew (`retake`) or that nobody has to judge (`closed`) gets no
    disposition any more, and its state is what came of it.
    """
    if not isinstance(told, dict):
        return None
    if isinstance(found := told.get("disposition"), dict):
        return {name: found.get(name) for name in ("outcome", "by_machine", "reason", "at")}
    if (state := told.get("state")) in ("retake", "closed"):
        return {"outcome": state, "by_machine": False, "reason": "", "at": None}
    return None


def changes(answer: Answer) -> tuple[list[dict[str, Any]], int] | None:
    """The changed dispositions that an answer tells, and the number to ask with next; None when it tells none of either."""
    told = answer.json()
    if answer.status != 200 or not isinstance(told, dict) or not isinstance(told.get("next"), int):
        return None
    found = told.get("results")
    return (found, told["next"]) if isinstance(found, list) else None


def supersedes(new: Mapping[str, Any], known: Mapping[str, Any] | None) -> bool:
    """Whether a disposition says something else than the known one, and later. One that has no time (`retake`) is older."""
    if known is None or known["outcome"] == HOLD:
        return True
    if new["outcome"] == known["outcome"]:
        return False
    return not known["at"] or datetime.fromisoformat(new["at"]) > datetime.fromisoformat(known["at"])


def decided_field(told: Mapping[str, Any] | None) -> dict[str, str]:
    """What is sent beside a part that the station has decided; nothing for any other."""
    return {"decided": json.dumps(told, sort_keys=True)} if told else {}
