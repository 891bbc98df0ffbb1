"""Rows that are written once: refused in Python, and by database triggers where Python is passed by.

One door, `audited_purge()`, lets retention, erasure and the tests' flush through, and writes its own audit row.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from django.apps import apps
from django.db import connection, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.backends.utils import CursorWrapper

# SQLite has no session variables: its triggers ask this thread's flag through a function of the connection. A
# connection from outside has no such function, so there the trigger fails and the row stays: closed by default.
_door = threading.local()


class AppendOnlyError(Exception):
    """Somebody tried to change or delete a row of history."""


class AppendOnlyQuerySet(models.QuerySet):
    def update(self, **values: Any) -> NoReturn:
        raise AppendOnlyError(f"{self.model.__name__} rows are written once; write a new row instead.")

    def delete(self) -> tuple[int, dict[str, int]]:
        if not getattr(_door, "open", False):
            raise AppendOnlyError(f"{self.model.__name__} rows are kept; audited_purge() is the one way out.")
        return super().delete()


class AppendOnly(models.Model):
    """A base for rows that never change."""

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnlyError(f"{type(self).__name__} {self.pk} is written; write a new row instead.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        if not getattr(_door, "open", False):
            raise AppendOnlyError(f"{type(self).__name__} {self.pk} is kept; audited_purge() is the one way out.")
        return super().delete(*args, **kwargs)


def append_only_tables() -> list[str]:
    return sorted(model._meta.db_table for model in apps.get_models() if issubclass(model, AppendOnly))


def _trigger_names(table: str) -> list[str]:
    verbs = ("update", "delete", "truncate") if connection.vendor == "postgresql" else ("update", "delete")
    return [f"{table}_refuses_{verb}" for verb in verbs]


def _sqlite_trigger(table: str, name: str) -> str:
    verb = name.rsplit("_", 1)[1].upper()
    return (
        f"CREATE TRIGGER IF NOT EXISTS {name} BEFORE {verb} ON {table} WHEN NOT shadowline_purging() "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    )


def _postgresql_trigger(table: str, name: str) -> str:
    verb = name.rsplit("_", 1)[1].upper()
    each = "STATEMENT" if verb == "TRUNCATE" else "ROW"  # TRUNCATE passes row triggers
    return (
        f"CREATE OR REPLACE TRIGGER {name} BEFORE {verb} ON {table} "
        f"FOR EACH {each} EXECUTE FUNCTION shadowline_refuse()"
    )


POSTGRESQL_FUNCTION = """
CREATE OR REPLACE FUNCTION shadowline_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(current_setting('shadowline.purging', true), '') = 'on' THEN
        IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$
"""


def install_triggers(**kwargs: Any) -> None:
    """Create what is missing of the triggers on every append-only table that exists. Harmless when repeated."""
    existing = set(connection.introspection.table_names())
    statement = _postgresql_trigger if connection.vendor == "postgresql" else _sqlite_trigger
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(POSTGRESQL_FUNCTION)
        for table in append_only_tables():
            if table in existing:
                for name in _trigger_names(table):
                    cursor.execute(statement(table, name))
                guard_parts(table)


def guard_parts(table: str) -> None:
    """The parts of a table by month take over its triggers of rows; that of TRUNCATE each has to be given."""
    if connection.vendor == "postgresql" and table in append_only_tables():
        with connection.cursor() as cursor:
            cursor.execute("SELECT to_regproc('shadowline_refuse')")
            known = cursor.fetchone()[0]  # not before the end of a new site's first migrate
            for part in sorted(_parts(cursor).get(table, ())) if known else ():
                cursor.execute(_postgresql_trigger(part, f"{table}_refuses_truncate"))


def _parts(cursor: CursorWrapper) -> dict[str, set[str]]:
    """The names of the parts of every table that has some."""
    cursor.execute("SELECT inhparent::regclass::text, inhrelid::regclass::text FROM pg_inherits")
    found: dict[str, set[str]] = {}
    for table, part in cursor.fetchall():
        found.setdefault(table, set()).add(part)
    return found


def missing_triggers() -> list[str]:
    """The names of triggers that should guard history and do not; empty is healthy. `/readyz` asks this.

    One that a part of a table lacks is told with the part's name.
    """
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            wanted = {name for table in append_only_tables() for name in _trigger_names(table)}
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            return sorted(wanted - {row[0] for row in cursor.fetchall()})
        parts = _parts(cursor)
        guarded = [(table, place) for table in append_only_tables() for place in (table, *parts.get(table, ()))]
        cursor.execute("SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE tgenabled <> 'D'")
        there = set(cursor.fetchall())
    return sorted(
        name if place == table else f"{name} of {place}"
        for table, place in guarded
        for name in _trigger_names(table)
        if (place, name) not in there
    )


def prepare_connections() -> None:
    """Give every SQLite connection the function that its triggers ask, and let no REPLACE pass them."""

    def prepare(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
        if connection.vendor == "sqlite":
            connection.connection.create_function("shadowline_purging", 0, lambda: int(getattr(_door, "open", False)))
            # Without this, INSERT OR REPLACE deletes the row in its way and fires no trigger.
            connection.connection.execute("PRAGMA recursive_triggers = ON")

    connection_created.connect(prepare, dispatch_uid="append-only connections", weak=False)


@contextmanager
def open_door() -> Iterator[None]:
    """Let deletions through on this thread's connection. Only `audited_purge` and the tests' flush call it."""
    _door.open = True
    # Of the transaction alone where there is one: a pooler may lend the connection to somebody else after it.
    how = "SET LOCAL" if connection.in_atomic_block else "SET"
    try:
        if connection.vendor == "postgresql":
            connection.cursor().execute(f"{how} shadowline.purging = 'on'")
        yield
    finally:
        _door.open = False
        if connection.vendor == "postgresql" and connection.is_usable():
            connection.cursor().execute(f"{how} shadowline.purging = 'off'")


@contextmanager
def audited_purge(*, by: str, reason: str, **told: Any) -> Iterator[None]:
    """Delete history on purpose, in one transaction with the audit row that says who and why, and what else is told."""
    from inspection import audit

    with transaction.atomic():
        audit.record("history_purged", by=by, reason=reason, **told)
        with open_door():
            yield
