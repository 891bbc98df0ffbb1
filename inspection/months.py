"""Tables that PostgreSQL keeps in a part a month: which they are, which parts there are, the next ones, the end of old ones.

A model says so by `by_month`, the column of its moment. Elsewhere than on PostgreSQL it is one table, and nothing here does
anything. Whatever changes the parts waits LOCK_MS for its lock and then gives up until the next time: a statement that
waits for a lock holds up all that come after it, and a line must not wait for house-keeping. See docs/adr/0021.
"""

# ruff: noqa: S608 - names come from the models and the database's own catalogue, moments from datetime

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog
from django.apps import apps
from django.db import OperationalError, connection, models, transaction

from inspection import append_only

AHEAD = 3  # months: beat may be away for a quarter before rows fall into the rest
KEEPERS_LOCK = 0x303A  # PostgreSQL's advisory locks are numbers; this one is of whoever makes or drops parts
LOCK_MS = 1_000
log = structlog.get_logger("shadowline.months")
BOUND = re.compile(r"FROM \((?:MINVALUE|'(?P<start>[^']+)')\) TO \('(?P<end>[^']+)'\)")


@dataclass(frozen=True)
class Part:
    """A part of a table, with rows from `start` (None: from the first) to before `end`. Without an end: the rest, which
    takes what no month is there for, so that no row is ever refused."""

    name: str
    start: datetime | None
    end: datetime | None

    def has(self, moment: datetime) -> bool:
        return self.end is not None and (self.start is None or self.start <= moment) and moment < self.end


def tables() -> dict[str, str]:
    """The column of the moment, by table, of every model that is kept by month."""
    return {
        model._meta.db_table: model.by_month  # a plain field's column is its name
        for model in apps.get_models()
        if hasattr(model, "by_month")
    }


def parts(table: str) -> list[Part]:
    """The parts of a table, the oldest first and the rest last; none where it is one table."""
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i "
            "JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent "
            "WHERE p.relkind = 'p' AND p.oid = to_regclass(%s)",
            [table],
        )
        found = [_part(name, bound) for name, bound in cursor.fetchall()]
    never, ever = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    return sorted(found, key=lambda part: (part.end or ever, part.start or never))


def _part(name: str, bound: str) -> Part:
    told = BOUND.search(bound)
    if told is None:
        return Part(name, None, None)
    start, end = told["start"], told["end"]
    return Part(name, datetime.fromisoformat(start) if start else None, datetime.fromisoformat(end))


def month_of(moment: datetime, later: int = 0) -> datetime:
    """When the month of UTC began that a moment lies in, or the one so many months later."""
    moment = moment.astimezone(UTC)
    year, month = divmod(moment.year * 12 + moment.month - 1 + later, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC)


def name_of(table: str, month: datetime) -> str:
    return f"{table}_y{month:%Y}m{month:%m}"


# ---- The next months


def make_months(*, now: datetime, ahead: int = AHEAD) -> list[str]:
    """Make the parts of this month and of those ahead that are not there, and return their names. Harmless when repeated."""
    made: list[str] = []
    for table, column in tables().items():
        if parts(table):
            for later in range(ahead + 1):
                made += briefly(partial(make_part, table, column, month_of(now, later))) or []
    return made


def make_part(table: str, column: str, month: datetime) -> list[str]:
    """Make one month's part, unless some part has it; call it in a transaction. What fell into the rest moves into it."""
    there = parts(table)
    if any(part.has(month) for part in there):
        return []
    name, start, end = name_of(table, month), month.isoformat(), month_of(month, 1).isoformat()
    rest = next((part.name for part in there if part.end is None), None)
    with connection.cursor() as cursor:
        # Made apart and attached: made as a part it would keep every reader and writer of the whole table out.
        cursor.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
        if rest:
            _move(table, rest, name, f"{column} >= '{start}' AND {column} < '{end}'")
        cursor.execute(f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}')")
    append_only.guard_parts(table)
    return [name]


def _move(table: str, rest: str, name: str, which: str) -> None:
    """Rows of the month go over from the rest as they are. They are deleted there through the door, and it is noted."""
    from inspection import audit

    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS (SELECT 1 FROM {rest} WHERE {which})")
        if not cursor.fetchone()[0]:
            return
        cursor.execute(f"LOCK TABLE {rest} IN ACCESS EXCLUSIVE MODE")
        with append_only.open_door():
            cursor.execute(
                f"WITH moved AS (DELETE FROM {rest} WHERE {which} RETURNING *) INSERT INTO {name} SELECT * FROM moved"
            )
            rows = cursor.rowcount
    audit.record("rows_moved_to_their_month", by="system", table=table, month=name, rows=rows)


def briefly(work: Callable[[], Any]) -> Any:
    """Do it in one transaction, one keeper at a time, or give up when a lock does not come in LOCK_MS: None."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = {LOCK_MS}")
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [KEEPERS_LOCK])
            return work()
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") != "55P03":  # lock_not_available
            raise
        log.warning("months_wait", error=str(error).strip())
        return None


def missing_months(now: datetime) -> list[str]:
    """The parts of this month and the next that are not there. `/readyz` asks this; empty is healthy."""
    wanted = [month_of(now), month_of(now, 1)]
    return [
        name_of(table, month)
        for table in tables()
        if (there := parts(table))
        for month in wanted
        if not any(part.has(month) for part in there)
    ]


# ---- The end of old ones


def by_rows_before(model: type[models.Model], limit: datetime) -> datetime:
    """Up to when old rows go one by one: all of them in one table; of one by month those in its first part, which holds
    all that was there before the months. Later months go whole."""
    there = parts(model._meta.db_table)
    first = there[0].end if there and there[0].start is None else None
    if not there:
        return limit
    return min(limit, first) if first else datetime.min.replace(tzinfo=UTC)


def whole_before(model: type[models.Model], limit: datetime) -> list[Part]:
    """The parts all of whose rows are older than the limit."""
    return [part for part in parts(model._meta.db_table) if part.end is not None and part.end <= limit]


def drop(part: Part) -> bool:
    """Drop a part and its rows; call it in a transaction of `briefly`."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {part.name}")
    return True


def thin(table: str, part: Part, keep: str) -> int:
    """Put a smaller part in the place of one, with the rows that the condition keeps; how many rows went.

    Writers of that month wait; all others wait for the exchange alone. Call it in a transaction of `briefly`.
    """
    fresh = f"{part.name}_thin"
    since = f"'{part.start.isoformat()}'" if part.start else "MINVALUE"
    with connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {part.name} IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute(f"SELECT count(*) FROM {part.name} WHERE NOT ({keep})")
        gone = cursor.fetchone()[0]
        if not gone:
            return 0
        cursor.execute(f"CREATE TABLE {fresh} (LIKE {part.name} INCLUDING ALL EXCLUDING IDENTITY)")
        cursor.execute(f"INSERT INTO {fresh} SELECT * FROM {part.name} WHERE {keep}")
        cursor.execute(f"ALTER TABLE {table} DETACH PARTITION {part.name}")
        cursor.execute(f"DROP TABLE {part.name}")
        cursor.execute(f"ALTER TABLE {fresh} RENAME TO {part.name}")
        cursor.execute(
            f"ALTER TABLE {table} ATTACH PARTITION {part.name} FOR VALUES FROM ({since}) TO ('{part.end.isoformat()}')"  # type: ignore[union-attr]  # the rest is never thinned
        )
    return gone
