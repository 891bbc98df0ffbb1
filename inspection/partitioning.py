"""Turns a table of PostgreSQL into one by month while the site goes on writing, for migrations; and back.

The table as it stands becomes the first part, with all rows up to the next month but one or so: nothing is copied. Its new key
is built beside the writers, and that all its rows lie before the end is checked by the database beside them too; what is
left to do under the lock are changes of the catalogue.
"""

# ruff: noqa: S608 - names come from the models and the database's own catalogue, moments from datetime

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import OperationalError, connection, transaction
from django.utils import timezone

from inspection import append_only, months

TRIES, PAUSE = 30, 2.0  # a writer waits LOCK_MS at most, and then has PAUSE seconds for itself
SPARE = timedelta(days=7)  # so long before its end no month becomes the first part: rows beyond it would be refused
CONSTRAINTS = "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype IN ('u', 'f')"
INDEXES = (
    "SELECT c.relname, pg_get_indexdef(c.oid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
    "WHERE i.indrelid = %s::regclass "
    "AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = c.oid AND k.contype IN ('p', 'u'))"
)
TRIGGERS = "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal"
POINT_AT = "SELECT conname FROM pg_constraint WHERE confrelid = %s::regclass AND contype = 'f'"


@dataclass(frozen=True)
class Shape:
    """What hangs on a table, as the statements that make it: (name, definition)."""

    constraints: list[tuple[str, str]]
    indexes: list[tuple[str, str]]
    triggers: list[tuple[str, str]]


def by_month(table: str, column: str, *, now: datetime | None = None) -> float:
    """Turn the table over and return for how many seconds it was locked; harmless on one that is by month.

    Call it outside a transaction. Raises OperationalError when no moment without a lock is found; nothing is changed then.
    """
    if connection.vendor != "postgresql" or months.parts(table):
        return 0.0
    now = now or timezone.now()
    end = months.month_of(now + SPARE, 1)
    parent, key, bound = f"{table}_monthly", f"{table}_before_pkey", f"{table}_before_end"
    _undo(table, parent, key, bound)
    try:
        _run(f"CREATE TABLE {parent} (LIKE {table} INCLUDING ALL EXCLUDING INDEXES) PARTITION BY RANGE ({column})")
        _run(f"CREATE UNIQUE INDEX CONCURRENTLY {key} ON {table} (id, {column})")
        check = f"ADD CONSTRAINT {bound} CHECK ({column} < '{end.isoformat()}') NOT VALID"
        _soon(lambda: _run(f"ALTER TABLE {table} {check}"))
        _run(f"ALTER TABLE {table} VALIDATE CONSTRAINT {bound}")
        return _soon(lambda: _exchange(table, column, parent, key, bound, end))
    except BaseException:
        _undo(table, parent, key, bound)  # the constraint would refuse rows when the month is over
        raise


def _exchange(table: str, column: str, parent: str, key: str, bound: str, end: datetime) -> float:
    _run(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
    begun = time.monotonic()
    if named := _all(POINT_AT, table):
        raise ValueError(f"{table} is pointed at by {named[0][0]}: a key of two columns cannot be pointed at by its id")
    shape, before = _shape(table), f"{table}_before"
    for name, _ in shape.triggers:
        _run(f"DROP TRIGGER {name} ON {table}")
    for name, _ in shape.constraints:
        _run(f"ALTER TABLE {table} RENAME CONSTRAINT {name} TO {name}_before")
    for name, _ in shape.indexes:
        if name != key:
            _run(f"ALTER INDEX {name} RENAME TO {name}_before")
    [[last, used, sequence]] = _sequence(table)
    _run(f"ALTER TABLE {table} ALTER id DROP IDENTITY, DROP CONSTRAINT {table}_pkey")
    _run(f"ALTER TABLE {table} ADD CONSTRAINT {key} PRIMARY KEY USING INDEX {key}")
    _run(f"ALTER TABLE {table} RENAME TO {before}")
    _run(f"ALTER TABLE {parent} RENAME TO {table}")
    _run(f"ALTER SEQUENCE {parent}_id_seq RENAME TO {sequence}")
    _run(f"SELECT setval('{sequence}', {last}, {used})")
    _run(f"ALTER TABLE {table} ADD CONSTRAINT {table}_pkey PRIMARY KEY (id, {column})")
    _dress(table, Shape(shape.constraints, [(n, d) for n, d in shape.indexes if n != key], []))
    _run(f"ALTER TABLE {table} ATTACH PARTITION {before} FOR VALUES FROM (MINVALUE) TO ('{end.isoformat()}')")
    _run(f"ALTER TABLE {before} DROP CONSTRAINT {bound}")
    _run(f"CREATE TABLE {table}_rest PARTITION OF {table} DEFAULT")
    for later in range(months.AHEAD):
        months.make_part(table, column, months.month_of(end, later))
    _dress(table, Shape([], [], shape.triggers))
    append_only.guard_parts(table)
    return time.monotonic() - begun


def one_table(table: str) -> None:
    """The way back: all parts are copied into one table, which is locked meanwhile."""
    if connection.vendor != "postgresql" or not months.parts(table):
        return
    with transaction.atomic():
        _run(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        shape, [[last, used, sequence]] = _shape(table), _sequence(table)
        _run(f"CREATE TABLE {table}_whole (LIKE {table} INCLUDING ALL EXCLUDING INDEXES)")
        _run(f"INSERT INTO {table}_whole OVERRIDING SYSTEM VALUE SELECT * FROM {table}")
        _run(f"DROP TABLE {table}")
        _run(f"ALTER TABLE {table}_whole RENAME TO {table}")
        _run(f"ALTER SEQUENCE {table}_whole_id_seq RENAME TO {sequence}")
        _run(f"SELECT setval('{sequence}', {last}, {used})")
        _run(f"ALTER TABLE {table} ADD CONSTRAINT {table}_pkey PRIMARY KEY (id)")
        _dress(table, shape)


def _shape(table: str) -> Shape:
    return Shape(_all(CONSTRAINTS, table), _all(INDEXES, table), _all(TRIGGERS, table))


def _dress(table: str, shape: Shape) -> None:
    for name, definition in shape.constraints:
        _run(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
    for _, definition in [*shape.indexes, *shape.triggers]:
        _run(definition.replace(" ON ONLY ", " ON ", 1))


def _sequence(table: str) -> list[tuple]:
    [[sequence]] = _all("SELECT pg_get_serial_sequence(%s, 'id')", table)
    name = sequence.rpartition(".")[2]
    return [(*row, name) for row in _all(f"SELECT last_value, is_called FROM {sequence}")]


def _undo(table: str, parent: str, key: str, bound: str) -> None:
    """Take away what an attempt has left."""
    _soon(lambda: _run(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {bound}"))
    _run(f"DROP TABLE IF EXISTS {parent}")
    _run(f"DROP INDEX CONCURRENTLY IF EXISTS {key}")


def _soon(work: Callable[[], Any]) -> Any:
    """Do it in a transaction that waits for its locks for moments only, and again until it has them."""
    for attempt in range(TRIES):
        try:
            with transaction.atomic():
                _run(f"SET LOCAL lock_timeout = {months.LOCK_MS}")
                return work()
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") != "55P03" or attempt == TRIES - 1:
                raise
            time.sleep(PAUSE)
    return None


def _run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _all(query: str, *values: str) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(query, values or None)
        return cursor.fetchall()
