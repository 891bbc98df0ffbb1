"""Queries that are built once: for a row or two, writing a query's SQL takes Django ten times as long as running it.

What stands behind every verdict is prepared, and what the gates of a line read at every look; everything else is an
ordinary queryset. A prepared query is one, too, with
`Given` in the places of the values, so a rule such as "who may be offered this part" is still written once.
"""

import json
from collections.abc import Callable
from functools import cache
from typing import Any, Generic, TypeVar, cast

from django.db import connection
from django.db.models import BigIntegerField, CharField, DateTimeField, Expression, Field, Model, QuerySet
from django.db.models.query import ModelIterable, get_related_populators
from django.db.models.sql import DeleteQuery, InsertQuery, UpdateQuery

KEY, TEXT, MOMENT = BigIntegerField(), CharField(), DateTimeField()
Row = TypeVar("Row")


class Given(Expression):
    """The place of a value that is given when the query runs."""

    def __init__(self, name: str, field: Field = KEY):
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        return "%s", (self,)

    def value_of(self, given: dict[str, Any]) -> Any:
        return self.output_field.get_db_prep_value(given[self.name], connection)


class GivenKeys(Given):
    """The place of any number of keys, for `__in`: they are one value, so the query is the same for all."""

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        return "(SELECT value FROM json_each(%s))", (self,)

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        return "(SELECT unnest(%s::bigint[]))", (self,)

    def value_of(self, given: dict[str, Any]) -> Any:
        keys = list(given[self.name])
        return keys if connection.vendor == "postgresql" else json.dumps(keys)


def _cursor() -> Any:
    """A cursor, on PostgreSQL one whose statements the server too prepares; it cannot tell their text to a log."""
    if connection.vendor != "postgresql" or connection.queries_logged:
        return connection.cursor()
    from django.db.backends.postgresql.base import ServerBindingCursor

    connection.ensure_connection()
    database: Any = connection  # what follows is Django's own, and its types do not tell of it
    return database._prepare_cursor(cast(Any, ServerBindingCursor)(database.connection))


def _values(places: list[Any], given: dict[str, Any]) -> list[Any]:
    return [place.value_of(given) if isinstance(place, Given) else place for place in places]


class Prepared(Generic[Row]):
    """A queryset of models, or of tuples by `values_list`, whose SQL is written when it is first asked."""

    def __init__(self, build: Callable[[], QuerySet[Any, Row]]):
        self._build = build
        self._written: tuple[str, list[Any], Callable[[list], list]] | None = None

    def __call__(self, **given: Any) -> list[Row]:
        sql, places, read = self._written or self._write()
        with _cursor() as cursor:
            cursor.execute(sql, _values(places, given))
            return read(cursor.fetchall())

    def first(self, **given: Any) -> Row | None:
        rows = self(**given)
        return rows[0] if rows else None

    def _write(self) -> tuple[str, list[Any], Callable[[list], list]]:
        queryset = self._build()
        compiler = queryset.query.get_compiler(connection=connection)
        sql, places = compiler.as_sql()
        converters = compiler.get_converters([column for column, _, _ in compiler.select])
        build = _models(compiler) if issubclass(queryset._iterable_class, ModelIterable) else tuple

        def read(rows: list) -> list:
            return [build(row) for row in compiler.apply_converters(rows, converters)]

        self._written = sql, list(places), read
        return self._written


def _models(compiler: Any) -> Callable[[list], Any]:
    """How a row becomes a model with what was asked for along with it, as Django's own iterable does it."""
    columns = compiler.klass_info["select_fields"]
    model, first, end = compiler.klass_info["model"], columns[0], columns[-1] + 1
    names = [column.target.attname for column, _, _ in compiler.select[first:end]]
    populators = get_related_populators(compiler.klass_info, compiler.select, connection.alias)  # type: ignore[call-arg]  # the stubs are of 6.1

    def build(row: list) -> Any:
        found = model.from_db(connection.alias, names, row[first:end])
        for populator in populators:
            populator.populate(row, found)
        return found

    return build


class PreparedChange:
    """What becomes of a queryset's rows: they get these values, or without any they are deleted."""

    def __init__(self, build: Callable[[], QuerySet[Any]], **values: Expression):
        self._build, self._values = build, values
        self._written: tuple[str, list[Any]] | None = None

    def __call__(self, **given: Any) -> int:
        """Change the rows, and say how many."""
        sql, places = self._written or self._write()
        with _cursor() as cursor:
            cursor.execute(sql, _values(places, given))
            return cursor.rowcount

    def _write(self) -> tuple[str, list[Any]]:
        query: Any = self._build().query.chain(UpdateQuery if self._values else DeleteQuery)
        if self._values:
            query.add_update_values(self._values)
        sql, places = query.get_compiler(connection=connection).as_sql()
        self._written = sql, list(places)
        return self._written


def insert(row: Model) -> None:
    """Write a new row as its `save` would; it gets its key."""
    sql, fields = _insertion(type(row))
    values = [field.get_db_prep_save(field.pre_save(row, True), connection) for field in fields]
    with _cursor() as cursor:
        cursor.execute(sql, values)
        (row.pk,) = cursor.fetchone()
    row._state.adding, row._state.db = False, connection.alias


@cache
def _insertion(model: type[Model]) -> tuple[str, list[Any]]:
    """The statement, and the fields whose values it takes."""
    fields: list[Any] = [field for field in model._meta.concrete_fields if not field.primary_key]
    query: Any = InsertQuery(model)
    query.insert_values(fields, [model()])
    compiler = query.get_compiler(connection=connection)
    compiler.returning_fields = [model._meta.pk]
    [(sql, _values_of_none)] = compiler.as_sql()
    return sql, fields
