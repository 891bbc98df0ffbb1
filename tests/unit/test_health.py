"""What load balancers, people on call and Prometheus are told, and what they are not."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from automation.models import Policy
from config import health
from inspection.append_only import install_triggers
from shadow.models import ModelVersion, Prediction, ScoringJob

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_broker(monkeypatch):
    """The embedded broker of the tests' folder is not running; an address of the shell must not change that."""
    monkeypatch.setattr(health, "broker", lambda: "does not answer")


@pytest.fixture
def version():
    return ModelVersion.objects.create(name="first", weights_sha256="0" * 64, threshold=0.5, thresholds=[0.1], by="ada")


def figures(client) -> dict[str, float]:
    """`name{labels}` to value, as Prometheus reads them."""
    lines = client.get("/metrics").content.decode().splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}


def test_the_process_is_alive_without_a_database(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_ready_without_a_broker(client):
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert set(answer.json()["checks"].values()) == {"ok"}
    assert "does not answer" in answer.json()["broker"]


def test_not_ready_when_history_is_unguarded(client):
    with connection.cursor() as cursor:
        on = " ON shadow_prediction" if connection.vendor == "postgresql" else ""
        cursor.execute(f"DROP TRIGGER shadow_prediction_refuses_update{on}")
    try:
        answer = client.get("/readyz")
    finally:
        install_triggers()
    assert answer.status_code == 503
    assert answer.json()["checks"]["history"] == "1 triggers are missing: run manage.py migrate"
    assert client.get("/readyz").status_code == 200


def test_not_ready_when_photos_cannot_be_kept(client, settings, tmp_path):
    settings.PHOTO_ROOT = tmp_path / "photos"
    settings.PHOTO_ROOT.write_text("a file is in the way")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["photo_store"] == "cannot be written: File exists"


def test_not_ready_when_a_migration_waits(client, monkeypatch):
    monkeypatch.setattr("config.health.MigrationExecutor.migration_plan", lambda *_: ["0002"])
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["migrations"] == "1 to apply: run manage.py migrate"


def test_not_ready_when_the_database_is_gone(client, monkeypatch):
    def gone(*args, **kwargs):
        raise health.DatabaseError("connection to 10.0.0.7 as user factory failed")

    for name in ("connection.cursor", "MigrationExecutor", "missing_triggers"):
        monkeypatch.setattr(f"config.health.{name}", gone)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["database"] == "does not answer"
    assert b"10.0.0.7" not in answer.content


def test_open_parts_are_counted_by_line_and_state(client, make_part, line):
    make_part()
    make_part()
    assert figures(client)[f'shadowline_parts_open{{line="{line.slug}",state="waiting"}}'] == 2


def test_predictions_and_failures_of_the_last_hour(client, make_part, version):
    for number, fields in enumerate(
        [{"score": 0.1, "outcome": "ok"}, {"null_reason": "blank"}, {"null_reason": "blank", "at": 2}]
    ):
        hours = fields.pop("at", 0)
        part = make_part(f"SN{number}")
        at = timezone.now() - timedelta(hours=hours)
        Prediction.objects.create(inspection=part, version=version, at=at, **fields)
    assert figures(client)['shadowline_predictions_last_hour{model="first"}'] == 2
    assert figures(client)['shadowline_null_predictions_last_hour{model="first"}'] == 1


def test_jobs_that_wait(client, make_part, version):
    ScoringJob.objects.create(inspection=make_part(), version=version)
    ScoringJob.objects.create(inspection=make_part(), version=version, state="done")
    assert figures(client)['shadowline_scoring_jobs{state="pending"}'] == 1
    assert figures(client)['shadowline_scoring_jobs{state="leased"}'] == 0


def test_the_level_is_a_number(client, line):
    assert figures(client)[f'shadowline_level{{line="{line.slug}"}}'] == 0
    Policy.objects.create(line=line, number=1, level="assist", by="ada", reason="a test")
    assert figures(client)[f'shadowline_level{{line="{line.slug}"}}'] == 2


def test_nobody_is_named(client, make_part, ivy, sam):
    make_part("SERIAL-77")
    told = client.get("/metrics").content + client.get("/readyz").content
    assert not [word for word in (b"ivy", b"sam", b"SERIAL-77") if word in told]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_only_reading(client, path):
    assert client.post(path).status_code == 405


@pytest.mark.parametrize(
    ("token", "sent", "status"),
    [
        ("", {}, 200),
        ("", {"REMOTE_ADDR": "::1"}, 200),
        ("", {"REMOTE_ADDR": ""}, 200),
        ("", {"REMOTE_ADDR": "10.0.0.7"}, 401),
        ("", {"HTTP_X_FORWARDED_FOR": "127.0.0.1"}, 401),
        ("", {"HTTP_AUTHORIZATION": "Bearer "}, 200),
        ("s3cret", {}, 401),
        ("s3cret", {"HTTP_AUTHORIZATION": "Bearer other"}, 401),
        ("s3cret", {"HTTP_AUTHORIZATION": "Bearer s3cret", "REMOTE_ADDR": "10.0.0.7"}, 200),
    ],
)
def test_figures_are_for_the_token_or_for_this_computer(client, db, settings, token, sent, status):
    settings.METRICS_TOKEN = token
    answer = client.get("/metrics", **sent)
    assert answer.status_code == status
    assert ("shadowline_" in answer.content.decode()) == (status == 200)
