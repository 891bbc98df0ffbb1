"""Notes which parts have to be counted again: database triggers, so that no way of writing a row can forget it.

A row of `ChangedPart` commits together with the change that it tells of. Keys and times cannot say as much: rows commit
out of their order.
"""

# ruff: noqa: S608 - every name in these statements is a constant of this module

from typing import Any

from django.db import connection

# Table, and the part that a new row of it tells of.
SOURCES = {
    "inspection_verdict": "fresh.inspection_id",
    "inspection_correction": "(SELECT v.inspection_id FROM inspection_verdict v WHERE v.id = fresh.verdict_id)",
    "inspection_modeloutputshown": "fresh.inspection_id",
    "inspection_draw": "fresh.inspection_id",
    "shadow_prediction": "fresh.inspection_id",
    "shadow_adjudication": "(SELECT p.inspection_id FROM shadow_prediction p WHERE p.id = fresh.prediction_id)",
}
# Of these tables not every row changes what is counted: what was shown to somebody counts once they have judged the
# part, and their verdict tells of itself. So an export of 50,000 pairs counts nothing again.
ONLY_IF = {
    "inspection_modeloutputshown": "EXISTS (SELECT 1 FROM inspection_verdict v"
    " WHERE v.inspection_id = fresh.inspection_id AND v.inspector_id = fresh.user_id)",
}
NAME = "{table}_is_counted"


def _on_sqlite(table: str, part: str, condition: str) -> list[str]:
    name = NAME.format(table=table)
    row, only_if = part.replace("fresh.", "NEW."), condition.replace("fresh.", "NEW.")
    return [
        f"DROP TRIGGER IF EXISTS {name}",
        f"CREATE TRIGGER {name} AFTER INSERT ON {table} WHEN {only_if} "
        f"BEGIN INSERT INTO shadow_changedpart (inspection_id) VALUES ({row}); END",
    ]


def _on_postgresql(table: str, part: str, condition: str) -> list[str]:
    """Once a statement: a thousand rows written together cost one insertion."""
    name = NAME.format(table=table)
    return [
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"INSERT INTO shadow_changedpart (inspection_id) SELECT DISTINCT {part} FROM fresh WHERE {condition}; RETURN NULL; END $$",
        f"CREATE OR REPLACE TRIGGER {name} AFTER INSERT ON {table} REFERENCING NEW TABLE AS fresh "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {name}()",
    ]


def install_triggers(**kwargs: Any) -> None:
    """Create what is missing of the triggers on every table that exists. Harmless when repeated."""
    existing = set(connection.introspection.table_names())
    statements = _on_postgresql if connection.vendor == "postgresql" else _on_sqlite
    with connection.cursor() as cursor:
        for table, part in SOURCES.items():
            if {table, "shadow_changedpart"} <= existing:
                for statement in statements(table, part, ONLY_IF.get(table, "1 = 1")):
                    cursor.execute(statement)


def missing_triggers() -> list[str]:
    """The names of triggers that should be there and are not; empty is healthy. `/readyz` asks this."""
    catalogue = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    if connection.vendor == "postgresql":
        catalogue = "SELECT tgname FROM pg_trigger WHERE tgenabled <> 'D'"
    with connection.cursor() as cursor:
        cursor.execute(catalogue)
        return sorted({NAME.format(table=table) for table in SOURCES} - {row[0] for row in cursor.fetchall()})
