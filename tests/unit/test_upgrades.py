"""No migration after the baseline asks a running site to stop, unless it says so."""

import tomllib
from pathlib import Path

import pytest
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ModelState, ProjectState

from config.upgrades import unsafe

APPS = ("inspection", "shadow", "monitoring", "automation")
# The last migrations before the rule: with each release they move on to its own last ones.
BASELINE = {
    "inspection": "0007_halt_requests",
    "shadow": "0009_comparisons_are_looked_up_once",
    "monitoring": "0004_times_by_bounds_and_limits_of_loads",
    "automation": "0006_policies_void_nothing",
}
PROJECT = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())["project"]
RELEASE = tuple(int(number) for number in PROJECT["version"].split(".")[:2])


@pytest.fixture
def loader(settings):
    """The migrations on the disk; the tests' databases are made without them."""
    settings.MIGRATION_MODULES = {}
    return MigrationLoader(None)


def test_a_running_site_can_take_every_new_migration(loader):
    new = [key for key in loader.disk_migrations if key[0] in APPS and key[1] > BASELINE[key[0]]]
    found = {
        f"{app}.{name}": unsafe(
            loader.disk_migrations[app, name], loader.project_state((app, name), at_end=False), RELEASE
        )
        for app, name in new
    }
    assert {name: reasons for name, reasons in found.items() if reasons} == {}


def test_the_baseline_names_migrations_that_there_are(loader):
    assert {*BASELINE.items()} <= {*loader.disk_migrations}


def judge(operation, **said):
    """The reasons against one operation on a part with a serial, in release 0.3."""
    fields = [("id", models.AutoField(primary_key=True)), ("serial", models.CharField(max_length=80, null=True))]
    state = ProjectState()
    state.add_model(ModelState("inspection", "Inspection", fields))
    state.add_model(ModelState("inspection", "Shift", list(fields)))
    migration = type("Migration", (migrations.Migration,), {"operations": [operation], **said})("0099", "inspection")
    return unsafe(migration, state, (0, 3))


REMOVE = migrations.RemoveField("Inspection", "serial")
INDEX = models.Index(fields=["serial"], name="by_serial")
TEXT = {"max_length": 80, "null": True}


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        (REMOVE, {}),
        (REMOVE, {"unused_since": "0.3"}),
        (migrations.DeleteModel("Shift"), {}),
        (migrations.RenameField("Inspection", "serial", "number"), {}),
        (migrations.RenameModel("Shift", "Turn"), {}),
        (migrations.AddField("Inspection", "lot", models.CharField(max_length=9, default="")), {}),
        (migrations.AddField("Inspection", "lot", models.CharField(max_length=9, db_default="")), {}),
        (migrations.AddField("Inspection", "lot", models.CharField(max_length=9, null=True, default="")), {}),
        (migrations.AlterField("Inspection", "serial", models.CharField(max_length=80)), {}),
        (migrations.AlterField("Inspection", "serial", models.CharField(max_length=40, null=True)), {}),
        (migrations.AlterField("Inspection", "serial", models.IntegerField(null=True)), {}),
        (migrations.AddIndex("Inspection", INDEX), {}),
    ],
)
def test_what_a_running_site_cannot_take(operation, said):
    assert len(judge(operation, **said)) == 1
    assert judge(operation, offline="it cannot be done otherwise") == []


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        (REMOVE, {"unused_since": "0.2"}),
        (migrations.AddField("Shift", "lot", models.CharField(max_length=9, db_default="")), {}),
        (migrations.AddField("Inspection", "lot", models.CharField(max_length=9, null=True)), {}),
        (migrations.AlterField("Inspection", "serial", models.CharField(max_length=120, null=True)), {}),
        (migrations.AddIndex("Shift", INDEX), {}),
        (migrations.CreateModel("Lamp", [("id", models.AutoField(primary_key=True))]), {}),
    ],
)
def test_what_a_running_site_can_take(operation, said):
    assert judge(operation, **said) == []
