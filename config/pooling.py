"""How a process holds its connections to PostgreSQL: one a thread, a pool of a few, or through PgBouncer.

`DATABASE_POOL` says which. Nothing: each thread keeps its own. A number: so many at most
for all threads of a process together, whoever finds none free waits. `transaction`: a PgBouncer stands before the database and lends a
connection for one transaction, so nothing may be kept on it: no prepared statements, no cursors of the server.
"""

import os
from typing import Any

from django.core.exceptions import ImproperlyConfigured

KEPT = 60  # seconds; to open a connection costs as much as a verdict, with SQLite too
WAIT = 5.0  # seconds for a free connection of the pool; then 503, and whoever asked comes again
PREPARED_AFTER = (
    5  # statements of inspection.prepared are prepared by the server, too, when a connection asked them so often
)
_of_the_parent: list[Any] = []  # kept, for whoever collects a pool stops its threads, which are not in this process


def connect(database: dict[str, Any], word: str) -> dict[str, Any]:
    """The settings of a PostgreSQL database with what DATABASE_POOL asks for. Raises ImproperlyConfigured for other words."""
    options = database.setdefault("OPTIONS", {})
    database["CONN_MAX_AGE"], database["CONN_HEALTH_CHECKS"] = KEPT, True
    if word == "transaction":
        options["prepare_threshold"] = None
        database["DISABLE_SERVER_SIDE_CURSORS"] = True
        return database
    options.setdefault("prepare_threshold", PREPARED_AFTER)
    if not word:
        return database
    if not word.isdecimal() or int(word) < 1:
        raise ImproperlyConfigured(
            f"DATABASE_POOL is {word!r}. Leave it out, or say how many connections a process may have, or 'transaction'"
            " where a PgBouncer lends them for a transaction each."
        )
    database["CONN_MAX_AGE"] = 0  # the pool keeps them
    options["pool"] = {"min_size": 1, "max_size": int(word), "timeout": WAIT, "max_idle": KEPT}
    return database


def forget_pools() -> None:
    """In a child of a fork: the parent's pools and connections are the parent's, and no thread that fills them is here."""
    from django.db import connections  # late: the settings import this module
    from django.db.backends.postgresql.base import DatabaseWrapper

    pools: dict[str, Any] = vars(DatabaseWrapper)["_connection_pools"]  # Django's own, and its types do not tell of it
    _of_the_parent.append(dict(pools))
    pools.clear()
    for connection in connections.all(initialized_only=True):
        if connection.connection is not None:
            _of_the_parent.append(connection.connection)
            connection.connection = None  # as before the first query


def mind_forks() -> None:
    """No pool goes across a fork, whoever forks: Celery's workers, gunicorn with --preload, a training."""
    os.register_at_fork(after_in_child=forget_pools)
