"""What a query tells the database's planner besides what it asks: by which index to go, and how little of a table to read."""

from typing import Any

from django.db.models import F
from django.db.models.expressions import Col, CombinedExpression


def unindexed(field: str) -> CombinedExpression:
    """A number of the row as an expression that no index holds: to be compared where another index is meant.

    >>> str(unindexed("inspection__line"))
    'F(inspection__line) + Value(0)'
    """
    return F(field) + 0


class KeyBeside(F):
    """The primary key of the table that a path ends in: `KeyBeside("inspection__line")` is that of `inspection`.

    Django reads `inspection__pk` off the foreign key. A bound of it tells PostgreSQL nothing of the joined table, which
    is then read from end to end for each range of keys.
    """

    def resolve_expression(self, *args: Any, **kwargs: Any) -> Col:
        beside: Any = super().resolve_expression(*args, **kwargs)
        return Col(beside.alias, beside.target.model._meta.pk)
