"""Windows: sums in 10 minutes and days, added to in the database, and how a figure went on after it moved."""

import math
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.course import course
from monitoring.models import Stream, Window
from monitoring.sources import Point
from monitoring.streams import stream_of
from monitoring.windows import Tally, add_values, mean_of, starts

AT = datetime(2026, 3, 29, 22, 47, 11, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("moment", "zone", "minutes", "day"),
    [
        (AT, ZoneInfo("UTC"), "2026-03-29 22:40", "2026-03-29 00:00"),
        (AT, BERLIN, "2026-03-29 22:40", "2026-03-29 22:00"),
        (datetime(2026, 3, 29, 12, tzinfo=UTC), BERLIN, "2026-03-29 12:00", "2026-03-28 23:00"),
        (AT, ZoneInfo("Asia/Kathmandu"), "2026-03-29 22:40", "2026-03-29 18:15"),
    ],
)
def test_a_window_begins_by_utc_and_a_day_by_the_lines_clock(moment, zone, minutes, day):
    assert [f"{start:%Y-%m-%d %H:%M}" for start in starts(moment, zone)] == [minutes, day]


values = st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6), st.just(math.nan)), max_size=8)


@given(values)
@settings(max_examples=50)
def test_a_tally_is_that_of_its_finite_values(given_values):
    tally = Tally()
    for value in given_values:
        tally.add(value)
    finite = [value for value in given_values if value is not None and math.isfinite(value)]
    assert (tally.n, tally.missing) == (len(finite), len(given_values) - len(finite))
    assert (tally.low, tally.high) == ((min(finite), max(finite)) if finite else (None, None))
    assert tally.total == pytest.approx(sum(finite))


def test_windows_add_up_however_they_are_written(line, station):
    stream = stream_of("quality.brightness", line, station, None)
    numbers = [1.0, None, 5.0, -2.0, 7.0, None]
    for start in range(0, 6, 2):
        add_values([(stream.pk, AT, value) for value in numbers[start : start + 2]], line.zone)
    for window in Window.objects.all():
        assert (window.n, window.missing, window.total, window.squares) == (4, 2, 11.0, 79.0)
        assert (window.low, window.high) == (-2.0, 7.0)
    assert {window.span for window in Window.objects.all()} == {"minutes", "day"}
    assert mean_of(Window.objects.filter(span="day")) == 2.75
    assert mean_of([]) is None


def test_a_window_of_nothing_known_has_no_lowest_value(line, station):
    stream = stream_of("quality.brightness", line, station, None)
    add_values([(stream.pk, AT, None)], line.zone)
    add_values([(stream.pk, AT, None)], line.zone)
    window = Window.objects.filter(span="day").get()
    assert (window.n, window.missing, window.low, window.high) == (0, 2, None, None)


def test_a_stream_is_found_again(line, station, version):
    first = stream_of("quality.brightness", line, station, version)
    assert stream_of("quality.brightness", line, station, None) == first
    assert (first.station, first.version) == (station, None)
    assert stream_of("decode.ms", line, station, version).key == f"{line.pk}/-/{version.pk}/decode.ms"
    assert stream_of("server.memory", None, None, None).key == "-/-/-/server.memory"
    assert Stream.objects.count() == 3


def points(rng, shape, n=4_000, at=1_000):
    for place in range(n):
        passed = max(0, place - at)
        moved = {"sudden": 3.0 if passed else 0.0, "gradual": 0.002 * passed}[shape]
        yield Point(AT + timedelta(minutes=place), place, moved + rng.normal())


@pytest.mark.parametrize("shape", ["sudden", "gradual"])
def test_the_course_of_a_change_is_told_when_enough_parts_have_passed(shape):
    found = list(points(np.random.default_rng(1), shape))
    moved_at = AT + timedelta(minutes=1_000)
    early, late = course(found[:1_500], moved_at), course(found, moved_at)
    assert early.shape == "unknown"
    assert late.shape == shape
    assert late.known
    if shape == "gradual":
        assert late.low <= 0.002 * 1440 <= late.high
    else:
        assert late.low <= 0 <= late.high


def test_of_no_parts_nothing_is_known():
    assert not course([], AT).known
