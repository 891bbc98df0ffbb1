"""What the pages of the watch read from windows, and the sentence that they say first."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from bench.rig import watched
from monitoring.dashboard_charts import runs, spark
from monitoring.dashboard_page import (
    digits,
    few_cards,
    pace_of,
    page_of,
    rhythm_of,
    saying,
    stage_cards,
    usual_of,
    when,
    write,
)
from monitoring.dashboards import (
    FORTNIGHT,
    QUARTER,
    TODAY,
    Point,
    State,
    band_of,
    dashboard,
    glance,
    hourly,
    reach_of,
    traces_of,
)
from monitoring.figures import BY_NAME
from monitoring.models import Alarm, AlarmAction, DetectorState, Stream, WatchPolicy, Window
from shadow.models import Assignment

pytestmark = pytest.mark.django_db


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def furnished(line, station, version, now):
    """Two cameras, five days and the last hours, learned, and looked at just now."""
    other = line.stations.create(slug="cam-2", name="Camera 2")
    watched.furnish(line, version, [station, other], now=now, days=5, minutes=12)
    watched.looked(line, at=now)
    return line


@pytest.fixture
def moved(furnished, now):
    """Brightness at camera 2 rose half an hour ago; contrast followed."""
    alarm = Alarm.objects.create(
        line=furnished, rule="drift", severity="alarm", message="Brightness at Camera 2 rose 11 %.",
        suggestion="Check the lamp.", opened_at=now,
    )  # fmt: skip
    for name, minutes in (("quality.contrast", 20), ("quality.brightness", 30), ("score.novelty", 25)):
        stream = Stream.objects.get(figure=name, station__slug="cam-2")
        at = now - timedelta(minutes=minutes)
        watched.find(alarm, stream, at=at, before=131, after=145, now=now)
    return alarm


def test_every_figure_stands_in_its_stage_along_a_parts_way(furnished, now):
    shown = dashboard(furnished, period=FORTNIGHT, now=now)
    assert [stage.name for stage in shown.stages][:3] == ["server", "intake", "decode"]
    assert {trace.figure.name for trace in shown.traces} == set(BY_NAME)
    assert all(len(trace.points) == 5 for trace in shown.traces)


def test_a_station_is_asked_for_and_the_whole_lines_figures_stay(furnished, now):
    shown = dashboard(furnished, period=FORTNIGHT, now=now, station="cam-2")
    assert {trace.station_slug for trace in shown.traces} == {"", "cam-2"}


def test_the_live_versions_figures_are_shown_unless_another_is_asked_for(furnished, other_version, now, version):
    watched.furnish(furnished, other_version, [], now=now, days=2, minutes=2, learned=False)
    assert dashboard(furnished, period=TODAY, now=now).version == other_version.name, "the newest where none is live"
    Assignment.objects.create(line=furnished, version=version, role="live")
    shown = dashboard(furnished, period=TODAY, now=now)
    assert (shown.version, shown.versions) == (version.name, (version.name, other_version.name))
    asked = dashboard(furnished, period=TODAY, now=now, version=other_version.name)
    assert {trace.version for trace in asked.traces} == {"", other_version.name}


def test_what_a_page_asks_does_not_grow_with_days(line, station, version, now):
    counts = []
    for days in (3, 60):
        watched.furnish(line, version, [station], now=now, days=days, minutes=2, learned=days == 3)
        with CaptureQueriesContext(connection) as queries:
            dashboard(line, period=QUARTER, now=now)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 14


def test_the_value_now_is_the_mean_of_the_last_windows(furnished, now):
    stream = Stream.objects.get(figure="quality.brightness", station__slug="cam-1")
    rows = Window.objects.filter(stream=stream, span="minutes").order_by("-start")[:6]
    [trace] = dashboard(furnished, period=TODAY, now=now, stream=stream.pk).traces
    assert trace.now.n == sum(row.n for row in rows)
    assert trace.now.value == pytest.approx(sum(row.total for row in rows) / trace.now.n)


def test_a_window_without_a_value_is_a_gap_and_not_a_zero(furnished, now):
    stream = Stream.objects.get(figure="quality.brightness", station__slug="cam-1")
    rows = list(Window.objects.filter(stream=stream, span="minutes").order_by("start"))
    Window.objects.filter(pk__in=[row.pk for row in rows[3:8]]).update(n=0, total=0, missing=9)
    [trace] = dashboard(furnished, period=TODAY, now=now, stream=stream.pk).traces
    assert len(trace.points) == len(rows) - 5
    assert len(runs(trace)) == 2


def test_a_share_of_few_parts_is_drawn_by_the_hour():
    start = datetime(2026, 3, 2, 8, 5, tzinfo=UTC)
    points = [Point(start + timedelta(minutes=10 * k), float(k == 0), 10, 1) for k in range(6)]
    [hour] = hourly(points)
    assert (hour.at.hour, hour.at.minute, hour.n, hour.missing) == (8, 30, 60, 6)
    assert hour.value == pytest.approx(1 / 6)


def test_a_day_begins_at_the_lines_midnight(line):
    line.time_zone = "Asia/Shanghai"
    since, until = reach_of(line, FORTNIGHT, datetime(2026, 3, 2, 20, 0, tzinfo=UTC))  # 4:00 of the third there
    assert until == datetime(2026, 3, 3, 16, 0, tzinfo=UTC)
    assert until - since == timedelta(days=14)


def test_band_of_a_mean_holds_95_of_100_batches_of_parts():
    values = np.random.default_rng(3).normal(131, 9, (20_000, 20)).mean(axis=1)
    low, high = band_of(BY_NAME["quality.brightness"], 131, 9, 20, 9)
    assert np.mean((values > low) & (values < high)) == pytest.approx(0.954, abs=0.01)


def test_the_band_of_a_rate_stays_within_nought_and_one():
    assert band_of(BY_NAME["score.null"], 0.004, 0.06, 20, 0.06)[0] == 0
    assert band_of(BY_NAME["score.null"], 1.0, 0, 20, 0) == (1.0, 1.0)


def test_the_first_stage_that_moved_is_the_one_where_it_moved_earliest(moved, furnished, now):
    shown = dashboard(furnished, period=TODAY, now=now)
    assert [stage.name for stage in shown.stages if stage.first] == ["quality"]
    assert {stage.name for stage in shown.stages if stage.state == State.MOVED} == {"quality", "score"}
    cards = few_cards(shown.traces, page_of(shown, now), 3)
    assert [card.label for card in cards] == ["Brightness", "Distance from the photos of the training", "Contrast"]
    assert {card.where for card in cards} == {"Camera 2"}


def test_what_moved_is_shown_though_it_is_no_key_figure(moved, furnished, now):
    traces = traces_of(furnished, period=TODAY, now=now, figures=["judge.seconds"])
    assert {trace.figure.name for trace in traces if trace.moved} == {
        "quality.brightness", "quality.contrast", "score.novelty"
    }  # fmt: skip


def test_a_storm_of_findings_costs_the_same(moved, furnished, now):
    with CaptureQueriesContext(connection) as few:
        dashboard(furnished, period=TODAY, now=now)
    stream = Stream.objects.get(figure="quality.brightness", station__slug="cam-2")
    for _ in range(300):
        watched.find(moved, stream, at=now - timedelta(minutes=5), before=131, after=150, now=now)
    with CaptureQueriesContext(connection) as many:
        shown = dashboard(furnished, period=TODAY, now=now)
    assert len(many) == len(few)
    [trace] = [trace for trace in shown.traces if trace.stream == stream.pk]
    assert trace.moved.at == now - timedelta(minutes=30), "since when: the earliest"
    assert trace.moved.after == 150, "to what: the latest"


@pytest.mark.parametrize(
    ("name", "state"),
    [("quality.brightness", State.QUIET), ("judge.undone", State.DRAWN), ("quality.cast", State.LEARNING),
     ("server.processor", State.DRAWN), ("server.disk", State.OVER), ("intake.size", State.SILENT)],
)  # fmt: skip
def test_states(furnished, now, name, state):
    WatchPolicy.objects.create(line=furnished, number=1, unwatched=["judge.undone"], reason="noise", by="ada")
    DetectorState.objects.filter(stream__figure="quality.cast").update(baseline=None)
    for disk in Window.objects.filter(stream__figure="server.disk"):
        Window.objects.filter(pk=disk.pk).update(total=95 * disk.n)
    Window.objects.filter(stream__figure="intake.size").delete()
    shown = dashboard(furnished, period=TODAY, now=now)
    assert {trace.state for trace in shown.traces if trace.figure.name == name} == {state}


# The sentence


def said(line, now):
    seen = glance(line, now=now)
    return saying(seen, now, pace_of(seen))


def test_quiet_since_what_is_usual_was_learned(furnished, now):
    says = said(furnished, now)
    assert says.kind == "quiet"
    assert says.sentence.startswith("All quiet since ")
    assert says.facts == ("51 figures as usual",)


def test_quiet_since_the_last_alarm_was_closed(furnished, sam, now):
    alarm = Alarm.objects.create(line=furnished, rule="drift", severity="alarm", message="It moved.")
    AlarmAction.objects.create(alarm=alarm, action="closed", comment="lamp", by=sam, at=now - timedelta(minutes=1))
    assert glance(furnished, now=now).quiet_since == now - timedelta(minutes=1)


def test_an_alarm_says_what_how_fast_who_and_what_to_do(moved, furnished, now):
    says = said(furnished, now)
    assert (says.sentence, says.do) == ("Brightness at Camera 2 rose 11 %.", "Check the lamp.")
    assert says.alarms == ((reverse("alarm", args=[moved.pk]), says.sentence),)
    assert says.facts == ("sudden or gradual is not known yet", "nobody is on it yet")
    assert (says.shape, says.kind) == ("alarm", "alarm")


def test_an_acknowledgement_that_ran_out_is_nobodys(moved, furnished, sam, now):
    AlarmAction.objects.create(
        alarm=moved, action="acknowledged", comment="on it", by=sam, until=now - timedelta(minutes=1)
    )
    assert "nobody is on it yet" in said(furnished, now).facts
    AlarmAction.objects.create(alarm=moved, action="acknowledged", comment="on it", by=sam)
    assert "sam is on it" in said(furnished, now).facts


def test_the_gravest_alarm_is_the_sentence_and_the_others_are_counted(moved, furnished, now):
    Alarm.objects.create(line=furnished, rule="escapes", severity="critical", message="Two escapes in a day.")
    says = said(furnished, now)
    assert says.sentence == "Two escapes in a day."
    assert "1 more alarm is open" in says.facts


def test_a_change_that_goes_on_is_told_per_day(line, station, version, now):
    watched.furnish(line, version, [station], now=now, days=2, minutes=288)
    stream = Stream.objects.get(figure="quality.brightness")
    begin = now - timedelta(hours=24)
    for row in Window.objects.filter(stream=stream, span="minutes", start__gte=begin):
        days = (row.start - begin).total_seconds() / 86_400
        Window.objects.filter(pk=row.pk).update(total=row.total + row.n * 40 * days)
    alarm = Alarm.objects.create(line=line, rule="drift", severity="alarm", message="It moves.")
    watched.find(alarm, stream, at=begin, before=131, after=140, now=now)
    [fact] = [fact for fact in said(line, now).facts if "a day" in fact]
    assert fact.startswith("it goes on by +")
    assert 30 < float(fact.split("+")[1].split()[0]) < 50


def test_nobody_watches_is_not_quiet(furnished, now):
    watched.looked(furnished, at=now - timedelta(minutes=11))
    says = said(furnished, now)
    assert (says.kind, says.shape) == ("asleep", "alarm")
    assert "Nobody has watched Line A since" in says.sentence
    assert "worker and beat" in says.do


def test_a_line_without_parts_is_not_watched_yet(line, now):
    watched.looked(line, at=now)
    assert said(line, now).sentence == "Line A is not watched yet."


def test_a_line_that_learns_says_so(line, station, version, now):
    for stream in watched.furnish(line, version, [station], now=now, days=1, minutes=2, learned=False):
        DetectorState.objects.create(stream=stream, state={"learning": {}})
    watched.looked(line, at=now)
    assert said(line, now).sentence == "Line A is learning what is usual."


# Words


@pytest.mark.parametrize(
    ("value", "words"),
    [(0, "0"), (1234.5, "1,234"), (95, "95"), (61.24, "61.2"), (2.304, "2.30"), (0.0123, "0.012"), (0.00012, "0.0001"),
     (-2.61, "-2.61")],
)  # fmt: skip
def test_three_digits(value, words):
    assert digits(value) == words


def test_units_and_shares():
    assert write(BY_NAME["settle.seconds"], 2.3) == "2.30\u00a0s"
    assert write(BY_NAME["score.reject"], 0.061) == "6.1\u00a0%"
    assert write(BY_NAME["score.reject"], None) == "-"


def test_a_range_below_nought_is_written_with_a_word(furnished, now):
    traces = traces_of(furnished, period=TODAY, now=now, figures=["score.logit", "quality.brightness"])
    words = {trace.figure.name: usual_of(trace, trace.usual) for trace in traces}
    assert words == {"score.logit": "usual -3.32 to -1.88", "quality.brightness": "usual 126–136"}


def test_a_moment_as_people_say_it(line):
    now = datetime(2026, 3, 5, 15, 0, tzinfo=UTC)
    assert when(now - timedelta(hours=2), line.zone, now) == "13:00"
    assert when(now - timedelta(days=2), line.zone, now) == "Tuesday 15:00"
    assert when(now - timedelta(days=40), line.zone, now) == "24 January"
    assert when(now - timedelta(days=400), line.zone, now) == "29 January 2025"


def test_one_in_so_many_parts_on_a_calendar():
    assert rhythm_of(1_000_000, 10_000, 2_400) == (
        "At 2,400 parts a day that is a false warning in 4 days and a false alarm in 417 days."
    )
    assert "11 years" in rhythm_of(10_000_000, 1_000, 2_400)
    assert "10 hours" in rhythm_of(10_000_000, 1_000, 2_400)
    assert "once the line has had parts" in rhythm_of(1, 1, None)


# Pictures


def test_a_spark_is_numbers_and_escaped_words(furnished, now):
    shown = dashboard(furnished, period=TODAY, now=now)
    picture = spark(shown.traces[-1], shown.since, shown.until, '<b>"x"')
    assert "&lt;b&gt;" in picture
    assert "<b>" not in picture
    assert "style=" not in picture
    assert "nan" not in picture


def test_every_card_has_its_number_its_n_and_its_words(furnished, now):
    for stage in stage_cards(dashboard(furnished, period=TODAY, now=now), now):
        for card in stage.cards:
            assert card.value != "-"
            assert card.n.startswith("n ")
            assert f"{card.value}" in card.picture


def test_an_empty_or_flat_figure_is_drawn_without_a_fault(furnished, now):
    stream = Stream.objects.get(figure="intake.views", station__slug="cam-1")
    rows = Window.objects.filter(stream=stream)
    for value in (0.0, 3.0):
        for row in rows:
            Window.objects.filter(pk=row.pk).update(total=value * row.n)
        DetectorState.objects.filter(stream=stream).update(baseline=None)
        shown = dashboard(furnished, period=TODAY, now=now, stream=stream.pk)
        assert "nan" not in spark(shown.traces[0], shown.since, shown.until, "")
    rows.delete()
    shown = dashboard(furnished, period=TODAY, now=now, stream=stream.pk)
    assert spark(shown.traces[0], shown.since, shown.until, "")
