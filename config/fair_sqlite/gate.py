"""A gate that lets one writer of a database in at a time, whichever process or thread it is of."""

import fcntl
import os
import threading
from functools import cache


class Gate:
    """A lock of this process, and behind it a lock of the file that all processes share.

    The kernel frees the file's lock when its process ends, however it ends.
    """

    def __init__(self, path: str):
        self._path = path
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        # A child has neither its parent's threads nor a right to the lock that comes with its parent's open file.
        self._threads = threading.Lock()
        self._file: int | None = None

    def enter(self, timeout: float) -> bool:
        """Wait for one's turn, so many seconds; False when that was in vain."""
        if not self._threads.acquire(timeout=timeout):
            return False
        if self._file is None:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return True

    def leave(self) -> None:
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)
            self._threads.release()


@cache
def gate_at(path: str) -> Gate:
    return Gate(path)
