"""History is written once: Python refuses, the database refuses where Python is passed by, and there is one door."""

import sqlite3

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import DatabaseError, connection, models, transaction

from inspection import append_only, months
from inspection.append_only import AppendOnly, AppendOnlyError, audited_purge, missing_triggers
from inspection.models import AuditEvent, DefectKind, Inspection, Skip, Variant, Verdict
from shadow.models import TrainingPart
from tests.conftest import make_person

HISTORY = [model for model in apps.get_models() if issubclass(model, AppendOnly)]
by_name = pytest.mark.parametrize("model", HISTORY, ids=lambda model: model._meta.label)
ON_POSTGRESQL = pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's own")
ON_SQLITE = pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite's own")


def filled(model: type[models.Model]) -> models.Model:
    """A row of any model of history, its parents made on the way; the values only have to be of the right kind."""
    values = {}
    for field in model._meta.concrete_fields:
        if isinstance(field, models.ForeignKey) and not field.null:
            values[field.name] = parent(field.related_model)
        elif field.primary_key or field.has_default() or field.null or field.blank or field.choices:
            continue
        elif isinstance(field, models.BooleanField):
            values[field.name] = False
        elif isinstance(field, models.JSONField):
            values[field.name] = {}
        elif isinstance(field, models.BinaryField):
            values[field.name] = b"x"
        elif isinstance(field, models.DateTimeField | models.DateField):
            values[field.name] = "2026-01-01T00:00:00Z"
        elif isinstance(field, models.IntegerField | models.FloatField):
            values[field.name] = 0
        else:
            values[field.name] = "x"
    special = SPECIAL.get(model.__name__, {})
    return model.objects.create(
        **values | {name: value() if callable(value) else value for name, value in special.items()}
    )


SPECIAL: dict[str, dict] = {
    "Verdict": {"outcome": "ok", "occasion": "history"},
    "Correction": {"outcome": "ok"},
    "Disposition": {"outcome": "pass", "by_machine": True},
    "Prediction": {"score": 0.5, "outcome": "ok"},
    "Policy": {"level": "human_only"},
    "Adjudication": {"finding": "model"},
    "Change": {"kind": "raise"},
    "HeldOut": {"pk": 1},
    "SnapshotPart": {"taught": lambda: parent(TrainingPart)},
    "SeededPart": {"purpose": "reference", "source": lambda: Inspection.objects.order_by("pk").last()},
}


def parent(model: type[models.Model]) -> models.Model:
    if row := model.objects.order_by("pk").first():
        return row
    if issubclass(model, AppendOnly):
        return filled(model)
    if model._meta.label == "inspection.User":
        return make_person("somebody")
    if model is DefectKind:
        return DefectKind.objects.create(slug="dent", name="Dent")
    return filled(model)


@pytest.fixture
def row_of(make_part):
    make_part()
    make_part()
    return parent


def raw(statement: str, *parameters) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.rowcount


def refused(statement: str, *parameters) -> None:
    with pytest.raises(DatabaseError, match="is append-only"):
        raw(statement, *parameters)


def test_the_history_is_all_there():
    names = {model.__name__ for model in HISTORY}
    assert {"Photo", "Verdict", "Correction", "Disposition", "Defect", "Draw", "Skip", "ModelOutputShown"} <= names
    assert {"AuditEvent", "AuditSeal", "Prediction", "Evaluation", "Policy", "Change"} <= names


@by_name
def test_python_refuses(row_of, model):
    row = row_of(model)
    for act in (row.save, row.delete, model.objects.all().delete, lambda: model.objects.update(pk=0)):
        with pytest.raises(AppendOnlyError, match=model.__name__):
            act()
    with pytest.raises(AppendOnlyError), transaction.atomic():
        model.objects.bulk_update([row], [model._meta.concrete_fields[-1].name])
    assert model.objects.filter(pk=row.pk).exists()


@by_name
def test_the_database_refuses(row_of, model):
    row, table, column = row_of(model), model._meta.db_table, model._meta.pk.column
    refused(f"UPDATE {table} SET {column} = {column}")
    refused(f"DELETE FROM {table} WHERE {column} = %s", row.pk)
    if connection.vendor == "postgresql":
        connection.check_constraints()  # those deferred would refuse the TRUNCATE before our trigger is asked
        refused(f"TRUNCATE {table} CASCADE")
    assert model.objects.filter(pk=row.pk).exists()


@pytest.mark.django_db
def test_a_row_made_up_under_a_known_number_is_refused(row_of):
    skip = row_of(Skip)
    with pytest.raises(DatabaseError, match="is append-only"), transaction.atomic():
        Skip(pk=skip.pk, inspection=skip.inspection, by=skip.by, reason="other").save()


@pytest.mark.django_db
def test_an_upsert_is_refused():
    event = AuditEvent.objects.create(by="x", action="x")
    event.by = "y"
    key = ["id", "at"] if months.parts(AuditEvent._meta.db_table) else ["id"]
    with pytest.raises(DatabaseError, match="is append-only"), transaction.atomic():
        AuditEvent.objects.bulk_create([event], update_conflicts=True, update_fields=["by"], unique_fields=key)


@ON_SQLITE
@pytest.mark.django_db
def test_replace_does_not_pass_the_triggers():
    event = AuditEvent.objects.create(by="x", action="x")
    table = AuditEvent._meta.db_table
    refused(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table} WHERE id = %s", event.pk)


@ON_SQLITE
def test_a_connection_from_outside_is_refused_too(at_once):
    AuditEvent.objects.create(by="x", action="x")
    outside = sqlite3.connect(connection.settings_dict["NAME"])
    for statement in ("DELETE FROM inspection_auditevent", "UPDATE inspection_auditevent SET action = 'y'"):
        with pytest.raises(sqlite3.Error, match="no such function: shadowline_purging"):
            outside.execute(statement)
    outside.close()


@pytest.mark.django_db
def test_what_is_no_history_may_change():
    Variant.objects.create(slug="x", name="X").delete()
    assert not Variant.objects.exists()


@pytest.mark.django_db
def test_a_dropped_trigger_is_named_and_comes_back_with_the_next_migrate():
    assert missing_triggers() == []
    where = " ON inspection_verdict" if connection.vendor == "postgresql" else ""
    raw(f"DROP TRIGGER inspection_verdict_refuses_delete{where}")
    assert missing_triggers() == ["inspection_verdict_refuses_delete"]
    call_command("migrate", verbosity=0)
    assert missing_triggers() == []


@ON_POSTGRESQL
@pytest.mark.django_db
def test_a_trigger_switched_off_counts_as_missing():
    raw("ALTER TABLE inspection_verdict DISABLE TRIGGER inspection_verdict_refuses_update")
    assert missing_triggers() == ["inspection_verdict_refuses_update"]


@ON_SQLITE
def test_a_table_made_anew_by_a_migration_gets_its_triggers_back(transactional_db):
    """Django alters a SQLite table by making a new one, and its triggers go with the old."""
    field = models.CharField(max_length=99, default="")
    field.set_attributes_from_name("added")
    with connection.schema_editor() as editor:
        editor.add_field(Skip, field)
        editor.remove_field(Skip, field)
    assert missing_triggers() == ["inspection_skip_refuses_delete", "inspection_skip_refuses_update"]
    call_command("migrate", verbosity=0)
    assert missing_triggers() == []


def test_no_trigger_name_is_cut_off():
    verbs = ("update", "delete", "truncate")
    names = [f"{table}_refuses_{verb}" for table in append_only.append_only_tables() for verb in verbs]
    assert max(map(len, names)) <= 63, "PostgreSQL cuts names there, and a cut name would read as missing"


@pytest.mark.django_db
def test_the_door_lets_a_purge_through_and_writes_it_down(row_of):
    row_of(Skip)
    with audited_purge(by="ada", reason="asked to be forgotten"):
        Skip.objects.all().delete()
    assert not Skip.objects.exists()
    event = AuditEvent.objects.get(action="history_purged")
    assert (event.by, event.data["reason"]) == ("ada", "asked to be forgotten")
    closed(row_of)


def closed(row_of) -> None:
    row_of(Skip)
    with pytest.raises(AppendOnlyError):
        Skip.objects.all().delete()
    refused("DELETE FROM inspection_skip")


@pytest.mark.django_db
def test_the_door_closes_after_an_error_of_the_program(row_of):
    with pytest.raises(RuntimeError), audited_purge(by="ada", reason="x"):
        raise RuntimeError
    assert not AuditEvent.objects.filter(action="history_purged").exists()
    closed(row_of)


@pytest.mark.django_db
def test_the_door_closes_after_an_error_of_the_database(row_of):
    with pytest.raises(DatabaseError), audited_purge(by="ada", reason="x"), connection.cursor() as cursor:
        cursor.execute("SELECT * FROM no_such_table")
    closed(row_of)


@pytest.mark.django_db
def test_protected_rows_stay_even_behind_the_open_door(row_of):
    verdict = row_of(Verdict)
    row_of(apps.get_model("inspection", "Correction"))
    with pytest.raises(models.ProtectedError), audited_purge(by="ada", reason="x"):
        verdict.delete()


def test_the_door_is_open_on_its_own_connection_alone(at_once):
    AuditEvent.objects.create(by="x", action="x")
    with audited_purge(by="ada", reason="x"):
        pass
    with append_only.open_door():
        [result] = at_once(lambda: raw("DELETE FROM inspection_auditevent"))
    assert isinstance(result, DatabaseError)
    assert "is append-only" in str(result)
