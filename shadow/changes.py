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
# part or corrected what was judged, and a later verdict tells of itself. So an export of 50,000 pairs counts nothing
# again. A verdict that is on its way in another transaction cannot be seen, but the lease that it ends can. Of a part
# that was cleaned, whoever judges its next inspection may have been shown what the model said of this one.
ONLY_IF = {
    "inspection_modeloutputshown": "(EXISTS (SELECT 1 FROM inspection_verdict v"
    " WHERE v.inspection_id = fresh.inspection_id AND (v.inspector_id = fresh.user_id OR EXISTS (SELECT 1"
    " FROM inspection_correction c WHERE c.verdict_id = v.id AND c.by_id = fresh.user_id)))"
    " OR EXISTS (SELECT 1 FROM inspection_lease l"
    " WHERE l.inspection_id = fresh.inspection_id AND l.user_id = fresh.user_id)"
    " OR EXISTS (SELECT 1 FROM inspection_inspection i JOIN inspection_inspection c ON c.serial = i.serial"
    " AND c.line_id + 0 = i.line_id AND c.state = 'retake' WHERE i.id = fresh.inspection_id))",
}
PURGED = ("inspection_verdict", "inspection_draw", "shadow_prediction")  # what goes is counted out
NAME, GONE = "{table}_is_counted", "{table}_is_counted_out"
# A part that is sent to be cleaned is answered for by another one: no row tells of it, its state does.
CLEANED, SENT = "inspection_inspection_is_cleaned", "NEW.state = 'retake' AND OLD.state <> 'retake'"


def triggers() -> list[tuple[str, str, str, str, str]]:
    """(name, table, verb, part, condition) of every trigger; `fresh` stands for the row that came or went."""
    came = [
        (NAME.format(table=table), table, "INSERT", part, ONLY_IF.get(table, "1 = 1"))
        for table, part in SOURCES.items()
    ]
    return came + [(GONE.format(table=table), table, "DELETE", SOURCES[table], "1 = 1") for table in PURGED]


def _on_sqlite(name: str, table: str, verb: str, part: str, condition: str) -> list[str]:
    row = "NEW." if verb == "INSERT" else "OLD."
    told, only_if = part.replace("fresh.", row), condition.replace("fresh.", row)
    return [
        f"DROP TRIGGER IF EXISTS {name}",
        f"CREATE TRIGGER {name} AFTER {verb} ON {table} WHEN {only_if} "
        f"BEGIN INSERT INTO shadow_changedpart (inspection_id) VALUES ({told}); END",
    ]


def _on_postgresql(name: str, table: str, verb: str, part: str, condition: str) -> list[str]:
    """Once a statement: a thousand rows written together cost one insertion."""
    rows = "NEW" if verb == "INSERT" else "OLD"
    return [
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"INSERT INTO shadow_changedpart (inspection_id) SELECT DISTINCT {part} FROM fresh WHERE {condition}; RETURN NULL; END $$",
        f"CREATE OR REPLACE TRIGGER {name} AFTER {verb} ON {table} REFERENCING {rows} TABLE AS fresh "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {name}()",
    ]


def _cleaned_on_sqlite() -> list[str]:
    return [
        f"DROP TRIGGER IF EXISTS {CLEANED}",
        f"CREATE TRIGGER {CLEANED} AFTER UPDATE OF state ON inspection_inspection WHEN {SENT} "
        "BEGIN INSERT INTO shadow_changedpart (inspection_id) VALUES (NEW.id); END",
    ]


def _cleaned_on_postgresql() -> list[str]:
    """By the row, behind its condition: nearly every change of state is another one."""
    return [
        f"CREATE OR REPLACE FUNCTION {CLEANED}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "INSERT INTO shadow_changedpart (inspection_id) VALUES (NEW.id); RETURN NULL; END $$",
        f"CREATE OR REPLACE TRIGGER {CLEANED} AFTER UPDATE OF state ON inspection_inspection "
        f"FOR EACH ROW WHEN ({SENT}) EXECUTE FUNCTION {CLEANED}()",
    ]


def install_triggers(**kwargs: Any) -> None:
    """Create what is missing of the triggers on every table that exists. Harmless when repeated."""
    existing = set(connection.introspection.table_names())
    on_postgresql = connection.vendor == "postgresql"
    statements = _on_postgresql if on_postgresql else _on_sqlite
    with connection.cursor() as cursor:
        for name, table, *told in triggers():
            if {table, "shadow_changedpart"} <= existing:
                for statement in statements(name, table, *told):
                    cursor.execute(statement)
        if {"inspection_inspection", "shadow_changedpart"} <= existing:
            for statement in _cleaned_on_postgresql() if on_postgresql else _cleaned_on_sqlite():
                cursor.execute(statement)


def missing_triggers() -> list[str]:
    """The names of triggers that should be there and are not; empty is healthy. `/readyz` asks this."""
    catalogue = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    if connection.vendor == "postgresql":
        catalogue = "SELECT tgname FROM pg_trigger WHERE tgenabled <> 'D'"
    with connection.cursor() as cursor:
        cursor.execute(catalogue)
        return sorted({CLEANED, *(name for name, *_ in triggers())} - {row[0] for row in cursor.fetchall()})
