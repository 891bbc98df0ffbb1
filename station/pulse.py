"""For how long the server has left a question of this station without an answer."""

import threading
import time
from collections.abc import Callable

from station.answers import PASSING, Answer


class Pulse:
    """Shared by the clients whose questions are answered at once; one that waits by design is not asked for its opinion."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock, self._turn = clock, threading.Lock()
        self._since: float | None = None  # since when a question has been out without any answer
        self._heard: float | None = None

    def asked(self) -> None:
        with self._turn:
            self._since = self._clock() if self._since is None else self._since

    def heard(self, answer: Answer) -> None:
        """Any answer counts but a gateway's word that the server is away."""
        told = answer.json() if answer.status in PASSING or answer.status >= 500 else {"title": ""}
        if isinstance(told, dict) and "title" in told:
            with self._turn:
                self._since, self._heard = None, self._clock()

    def heard_within(self, seconds: float) -> bool:
        with self._turn:
            return self._heard is not None and self._clock() - self._heard < seconds

    def silence(self) -> float:
        """Seconds; 0 while no question is open."""
        with self._turn:
            return 0.0 if self._since is None else self._clock() - self._since
