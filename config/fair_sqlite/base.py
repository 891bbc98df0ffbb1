"""The backend: who begins a transaction passes the gate first, and leaves it with the end of the transaction.

SQLite's busy handler has no queue. A writer that finds the database locked sleeps and looks again, and others overtake
it: with eight inspectors one answer in a hundred takes over a second. SQLite's own lock still keeps writers apart, so
the gate is about turns alone: one that cannot be passed in time is gone around.
"""

from django.db.backends.sqlite3 import base

from config.fair_sqlite.gate import Gate, gate_at

TURN = 20.0  # seconds, as long as SQLite itself waits for its lock


# The types of Django do not tell of the methods that its backends share.
class DatabaseWrapper(base.DatabaseWrapper):
    _gate: Gate | None = None  # the gate while this connection is inside

    def _start_transaction_under_autocommit(self) -> None:
        if not self.is_in_memory_db() and self._gate is None:
            gate = gate_at(f"{self.settings_dict['NAME']}-turns")
            self._gate = gate if gate.enter(TURN) else None
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self._leave()
            raise

    def _commit(self) -> None:
        # One that fails leaves the transaction open, and Django rolls it back.
        super()._commit()  # type: ignore[misc]
        self._leave()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self._leave()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]
        finally:
            self._leave()

    def _leave(self) -> None:
        if self._gate is not None:
            gate, self._gate = self._gate, None
            gate.leave()
