"""The watch's figures as Prometheus reads them, and that the rules and the dashboard in docs/ ask for what there is."""

import json
import re
from datetime import timedelta

import numpy as np
import promql_parser
import pytest
import yaml
from django.conf import settings
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bench.rig import watched
from config import health
from monitoring import buckets
from monitoring.figures import BY_NAME
from monitoring.models import Alarm, Bucket, Stream, Window

pytestmark = pytest.mark.django_db
DOCS = settings.BASE_DIR / "docs"
SELECTOR = re.compile(r"(shadowline_\w+)(?:\{([^}]*)\})?")


@pytest.fixture
def watching(line, station, version):
    """A line that was watched for three days."""
    now = timezone.now()
    watched.furnish(line, version, [station], now=now, days=3, minutes=6)
    watched.looked(line, at=now)
    return line


def scraped(client) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Each name with its labels and values."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for row in client.get("/metrics").content.decode().splitlines():
        if not row.startswith("#"):
            name, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", row).groups()
            found.setdefault(name, []).append((dict(re.findall(r'(\w+)="([^"]*)"', labels or "")), float(value)))
    return found


def value(found, name: str, **labels: str) -> float:
    [number] = [value for own, value in found[name] if labels.items() <= own.items()]
    return number


def test_sums_and_counts_are_those_of_the_days(client, watching, station):
    stream = Stream.objects.get(figure="quality.brightness", station=station)
    days = Window.objects.filter(stream=stream, span="day")
    found = scraped(client)
    place = {"line": "line-a", "station": "cam-1", "model": "", "stage": "quality", "figure": "quality.brightness"}
    assert value(found, "shadowline_figure_count", **place) == sum(day.n for day in days)
    assert value(found, "shadowline_figure_sum", **place) == pytest.approx(sum(day.total for day in days))
    assert value(found, "shadowline_figure_missing_total", **place) == sum(day.missing for day in days)
    assert 120 < value(found, "shadowline_figure_now", **place) < 142
    assert value(found, "shadowline_figure_usual_low", **place) < 131
    assert value(found, "shadowline_figure_usual_high", **place) > 131


def test_what_the_model_answers_is_told_of_days_that_are_over_alone(client, watching):
    """Else two readings would tell whoever may not see it what became of the part between them."""
    stream = Stream.objects.filter(figure="score.reject").first()
    before = scraped(client)
    today = Window.objects.filter(stream=stream, span="day", start__gt=timezone.now() - timedelta(hours=24))
    today.update(n=F("n") + 1, total=F("total") + 1)
    Window.objects.filter(stream=stream, span="minutes").update(n=F("n") + 1, total=F("total") + 1)
    assert today.exists()
    assert scraped(client) == before
    assert not any(labels["figure"] == "score.reject" for labels, _ in before["shadowline_figure_now"])


def test_a_counter_never_falls(client, watching):
    name, place = "shadowline_figure_count", {"line": "line-a", "figure": "intake.views"}
    before = value(scraped(client), name, **place)
    day = Window.objects.filter(span="day", stream__figure="intake.views").last()
    Window.objects.filter(pk=day.pk).update(n=day.n + 7)
    assert value(scraped(client), name, **place) == before + 7


def test_times_are_histograms_in_seconds(client, watching, version):
    """What lies at or below each bound, of all days; a count and a sum that are those of the buckets."""
    stream = Stream.objects.get(figure="network.ms", version=version)
    Bucket.objects.filter(stream=stream).delete()
    at = timezone.now()
    for moment, ms in ((at, 30), (at, 40), (at - timedelta(days=1), 41), (at, 60), (at, 400_000)):
        buckets.add(buckets.counted([(stream.pk, BY_NAME["network.ms"], moment, ms)], watching.zone))
    found, place = scraped(client), {"line": "line-a", "model": "v1", "stage": "network"}
    told = {labels["le"]: n for labels, n in found["shadowline_stage_seconds_bucket"] if labels["stage"] == "network"}
    assert [told[le] for le in ("0.025", "0.05", "0.1", "300.0", "+Inf")] == [0, 3, 4, 4, 5]
    assert list(told.values()) == sorted(told.values())
    assert value(found, "shadowline_stage_seconds_count", **place) == 5
    assert value(found, "shadowline_stage_seconds_sum", **place) == pytest.approx(400.171)
    assert value(found, "shadowline_part_seconds_bucket", line="line-a", model="v1", le="+Inf") > 0


def test_machines_are_told_apart_by_name(client, watching):
    assert value(scraped(client), "shadowline_figure_now", figure="server.memory", host="factory-1") > 50


def test_what_moved_is_marked_until_its_alarm_is_closed(client, watching):
    now = timezone.now()
    alarm = Alarm.objects.create(line=watching, rule="drift", severity="alarm", message="It moved.")
    stream = Stream.objects.get(figure="quality.brightness")
    watched.find(alarm, stream, at=now - timedelta(hours=1), before=131, after=145, now=now)
    assert value(scraped(client), "shadowline_figure_moved", figure="quality.brightness") == 1


def test_no_look_yet_is_no_moment(client, line):
    assert "shadowline_watch_last_look_timestamp_seconds" not in scraped(client)


def test_no_person_and_no_serial_is_told(client, watching, make_part, judge, ivy):
    part = make_part("SECRET-SERIAL")
    judge(part, ivy, "ok")
    text = client.get("/metrics").content.decode()
    assert "SECRET" not in text
    assert "ivy" not in text


def test_a_scrape_asks_the_same_however_many_days(client, watching):
    with CaptureQueriesContext(connection) as first:
        client.get("/metrics")
    stream = Stream.objects.get(figure="intake.views")
    watched.add_windows(stream, np.random.default_rng(2), now=timezone.now(), days=30)
    with CaptureQueriesContext(connection) as second:
        client.get("/metrics")
    assert len(second) == len(first)


def expressions() -> list[tuple[str, str]]:
    """Each query of the rules and of the dashboard, with where it stands."""
    rules = yaml.safe_load((DOCS / "prometheus-alerts.yml").read_text())
    found = [(rule["alert"], rule["expr"]) for group in rules["groups"] for rule in group["rules"]]
    board = json.loads((DOCS / "grafana-dashboard.json").read_text())
    return found + [(panel["title"], target["expr"]) for panel in board["panels"] for target in panel["targets"]]


def test_every_query_is_promql_over_what_is_told(client, watching, make_part):
    """Every name and label is one of /metrics, and every figure is in the catalogue."""
    make_part()
    Alarm.objects.create(line=watching, rule="drift", severity="critical", message="It moved.")
    moved = Alarm.objects.create(line=watching, rule="other", severity="alarm", message="It moved.")
    now = timezone.now()
    watched.find(moved, Stream.objects.get(figure="score.null"), at=now, before=0, after=1, now=now)
    found = scraped(client)
    for where, query in expressions():
        query = query.replace("$figure", "quality.brightness").replace("$line", "line-a")
        promql_parser.parse(query)
        for name, labels in SELECTOR.findall(query):
            assert name in found, where
            for label, sign, wanted in re.findall(r'(\w+)(=~?)"([^"]*)"', labels):
                there = {own.get(label) for own, _value in found[name]}
                assert any(re.fullmatch(wanted, each) if sign == "=~" else wanted == each for each in there), where


def test_the_rules_say_what_to_do():
    rules = yaml.safe_load((DOCS / "prometheus-alerts.yml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in {"warning", "critical"}
            assert rule["annotations"]["summary"].endswith(".")


def test_the_dashboard_fits_its_grid_and_finds_its_source():
    board = json.loads((DOCS / "grafana-dashboard.json").read_text())
    names = {variable["name"] for variable in board["templating"]["list"]}
    assert {"source", "line", "figure"} == names
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert panel["datasource"]["uid"] == "${source}"
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


@pytest.fixture(autouse=True)
def no_broker(monkeypatch):
    monkeypatch.setattr(health, "broker", lambda: "does not answer")
