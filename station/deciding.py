"""Answers for the server while it is silent: decides a part by the bundle, or holds it, and writes down which and why."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from station.bundles import Fetcher, Kept, NotOurs, Shelf
from station.client import Unreachable
from station.edge import HOLD, SILENCE, Case, decide, why_held
from station.pulse import Pulse
from station.settings import BadSetting
from station.spool import Row, Spool

log = logging.getLogger("station")
JUST_NOW = 3.0  # seconds


class Scored(Protocol):
    """What scoring comes to; `failure` empty: it did."""

    @property
    def score(self) -> float: ...
    @property
    def novelty(self) -> float: ...
    @property
    def failure(self) -> str: ...


class Scores(Protocol):
    def of(self, kept: Kept, photos: Sequence[Path]) -> Scored: ...


def scores() -> Scores:
    """What scores here. Raises BadSetting where the extra is not installed."""
    missing = [name for name in ("cryptography", "scoring", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise BadSetting(
            f"The setting 'edge' needs what the extra brings, and {missing[0]} is missing: "
            "pip install ./scoring './station[edge]'."
        )
    from station.scores import Scores as Ours  # not before: the plain agent runs without

    return Ours()


@dataclass
class Probe:
    """Asks for the ticket before a part is sent, unless the server has just answered; raises Unreachable.

    Where something in between takes connections and passes nothing on, a part would otherwise count as one that may have
    arrived, and be held.
    """

    fetcher: Fetcher
    pulse: Pulse

    def __call__(self) -> None:
        if not self.pulse.heard_within(JUST_NOW):
            self.fetcher.step()
            if self.pulse.silence():
                raise Unreachable(f"{self.fetcher.client.address} does not answer.")


@dataclass
class Decider:
    """One part at a time, the oldest first, once the server has not answered for `SILENCE` seconds."""

    spool: Spool
    shelf: Shelf
    pulse: Pulse
    scores: Scores
    decided: Callable[[], None]

    def step(self) -> float | None:
        """Answer for one part. Returns the seconds to wait before the next step; None when there is none."""
        left = SILENCE - self.pulse.silence()
        if left > 0:
            return min(left, 1.0)
        row = self.spool.next_unanswered()
        if row is None:
            return None
        self.answer(row)
        return 0

    def answer(self, row: Row) -> None:
        """Decide the part or hold it; neither, when the server or a request for it has come in between."""
        kept, reasons = self._why_held(row)
        if not reasons and kept:
            folder = self.spool.parts / row.key
            found = self.scores.of(kept, [folder / photo["file"] for photo in row.photos])
            outcome, words = (HOLD, found.failure) if found.failure else decide(found.score, found.novelty, kept.bundle)
            kept, reasons = self._why_held(row)  # scoring takes a while, and a ticket may have ended in it
            if kept and not reasons and outcome != HOLD:
                self._decide(row, kept, outcome, words, found)
                return
            reasons = reasons or [words]
        if self.pulse.silence() < SILENCE:
            return
        now = time.time()
        if self.spool.hold(
            row.key, {"outcome": HOLD, "by_machine": False, "reason": " ".join(reasons), "at": _iso(now)}
        ):
            self.spool.note("held", f"{row.serial}: {' '.join(reasons)}", now)
            log.warning("%s is on hold, a person decides: %s", row.serial, " ".join(reasons))
            self.decided()

    def _decide(self, row: Row, kept: Kept, outcome: str, words: str, found: Scored) -> None:
        if self.pulse.silence() < SILENCE:
            return
        now = time.time()
        told = {
            "bundle": kept.bundle.number, "outcome": outcome, "score": found.score, "novelty": found.novelty,
            "decided_at": _iso(now),
        }  # fmt: skip
        disposition = {"outcome": outcome, "by_machine": True, "reason": words, "at": _iso(now)}
        if self.spool.decide_here(row.key, told, disposition, most=kept.bundle.most, now=now):
            log.info("%s: %s, %s", row.serial, outcome, words)
            self.decided()

    def _why_held(self, row: Row) -> tuple[Kept | None, list[str]]:
        kept, why = None, ""
        try:
            kept = self.shelf.take(row.line, row.station)
        except NotOurs as reason:
            why = f"The station has nothing to decide by: {reason}."
        case = Case(
            line=row.line, station=row.station, variant=row.variant, carried=row.tries > 0,
            seen_before=self.spool.seen_before(row), bundle=kept.bundle if kept else None,
            ticket=kept.ticket if kept else None, why_none=(why,) if why else (),
            decided=self.spool.decided_by(kept.bundle.number) if kept else 0, now=time.time(),
            latest=self.spool.latest(),
        )  # fmt: skip
        return kept, why_held(case)


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
