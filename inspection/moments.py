"""Reads the moments that PostgreSQL sends by the standard library: by Django's loader, psycopg's regular expression and
then another zone, each takes five times as long, and a report's recount reads two of every pair."""

from datetime import UTC, datetime
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created


def prepare_connections() -> None:
    """Let every PostgreSQL connection that speaks in UTC, as Django's do unless told otherwise, read its moments so."""

    def prepare(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
        if connection.vendor == "postgresql" and connection.timezone is UTC:
            connection.connection.adapters.register_loader("timestamptz", _loader())

    connection_created.connect(prepare, dispatch_uid="moments", weak=False)


def _loader() -> type:
    from django.db.backends.postgresql.psycopg_any import BaseTzLoader  # psycopg comes with the extra `pg` only

    class Moment(BaseTzLoader):
        timezone = UTC  # Django asks which

        def load(self, data: Any) -> datetime:
            try:
                return datetime.fromisoformat(str(data, "ascii"))
            except ValueError:  # infinity, or another style of dates
                return super().load(data)

    return Moment
