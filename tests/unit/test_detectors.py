"""Detectors of change: false alarms and delays by simulation, rules, and oracles for the window tests."""

import json
import math
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, ks_2samp
from statsmodels.stats.multivariate import test_mvmean_2indep as mvmean_2indep

from monitoring.detectors import (
    BernoulliSR,
    EwmaSpread,
    ShiryaevRoberts,
    TwoOfThree,
    hotelling_t2,
    instant_reasons,
    ks_drift,
    rate_of_change,
    shiryaev_roberts,
    spread_limits,
    window_level,
)

DETECTORS = [
    partial(ShiryaevRoberts, 1.0, 2.0, 60, 5),
    partial(EwmaSpread, 1.0, 2.0, 60),
    partial(BernoulliSR, 0.3, 40),
]
values = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))


def run_length(detector, stream):
    """Parts until the alarm, counted from 1; an error where there is none in 100,000."""
    return next(part for part, value in enumerate(islice(stream, 100_000), start=1) if detector.update(value))


def normal(rng, mean=0.0, sd=1.0):
    while True:
        yield from rng.normal(mean, sd, 500)


def labels(rng, rate):
    while True:
        yield from rng.random(500) < rate


# False alarms and delays


@pytest.mark.parametrize(
    ("detector", "stream", "longest"),
    [
        (partial(ShiryaevRoberts, 0.0, 1.0, 2_000), normal, 4_600),
        (partial(EwmaSpread, 0.0, 1.0, 1_000), normal, 1_400),
        (partial(BernoulliSR, 0.97, 1_000), partial(labels, rate=0.97), 2_000),
        (partial(BernoulliSR, 0.05, 1_000), partial(labels, rate=0.05), 2_000),
    ],
)
def test_false_alarms_are_about_as_rare_as_set(detector, stream, longest):
    rng = np.random.default_rng(1)
    runs = [run_length(detector(), stream(rng)) for _ in range(100)]
    every = detector().every
    assert 0.8 * every <= np.mean(runs) <= longest  # 100 runs tell the mean to about 10 %


@pytest.mark.parametrize(
    ("detector", "healthy", "changed", "earliest", "latest"),
    [
        (partial(ShiryaevRoberts, 0.0, 1.0, 10_000), normal, partial(normal, mean=1.0), 19, 59),
        (partial(ShiryaevRoberts, 0.0, 1.0, 10_000), normal, partial(normal, mean=-1.0), 19, 59),
        (partial(EwmaSpread, 0.0, 1.0, 10_000), normal, partial(normal, sd=2.0), 8, 18),
        (partial(EwmaSpread, 0.0, 1.0, 10_000), normal, partial(normal, sd=0.5), 25, 40),
        (partial(BernoulliSR, 0.97, 10_000), partial(labels, rate=0.97), partial(labels, rate=0.9), 80, 150),
        (partial(BernoulliSR, 0.03, 10_000), partial(labels, rate=0.03), partial(labels, rate=0.1), 80, 150),
    ],
)
def test_a_change_is_seen_soon(detector, healthy, changed, earliest, latest):
    rng = np.random.default_rng(2)
    delays = []
    for _ in range(60):
        watch, before = detector(), healthy(rng)
        for _ in range(400):
            watch.update(next(before))  # a false alarm here starts it afresh, which is part of its life
        delays.append(run_length(watch, changed(rng)))
    assert earliest <= np.mean(delays) <= latest


def test_correlated_neighbours_need_the_spread_of_batch_means():
    rng = np.random.default_rng(3)
    parts = np.zeros(40_000)
    for i, shock in enumerate(rng.standard_normal(40_000)[1:], start=1):
        parts[i] = 0.5 * parts[i - 1] + math.sqrt(0.75) * shock
    means = parts.reshape(-1, 20).mean(axis=1)
    honest = ShiryaevRoberts(0.0, math.sqrt(20) * float(means.std()), 10_000)
    naive = ShiryaevRoberts(0.0, float(parts.std()), 10_000)
    assert sum(honest.update(part) for part in parts) <= 8
    assert sum(naive.update(part) for part in parts) > 40


def test_an_alarm_starts_the_detector_afresh():
    detector = BernoulliSR(0.01, 50)
    assert run_length(detector, [True] * 10) == 3
    assert detector == BernoulliSR(0.01, 50)


def test_without_a_change_the_sums_grow_by_one_a_step_on_average():
    assert shiryaev_roberts([], [1.0, 1.0]) == [1.0, 1.0]
    assert shiryaev_roberts([1.0, 3.0], [0.5, 2.0]) == [1.0, 8.0]


# Rules


@pytest.mark.parametrize("make", DETECTORS)
@given(past=st.lists(values, max_size=30), future=st.lists(values, max_size=30))
def test_a_stored_detector_has_the_same_future(make, past, future):
    detector = make()
    for value in past:
        detector.update(value)
    stored = type(detector).from_json(json.loads(json.dumps(detector.to_json(), allow_nan=False)))
    assert [detector.update(value) for value in future] == [stored.update(value) for value in future]
    assert stored == detector


@pytest.mark.parametrize("make", DETECTORS)
@pytest.mark.parametrize("missing", [None, math.nan, math.inf, -math.inf, np.nan])
def test_missing_values_are_counted_and_enter_nothing(make, missing):
    with_gaps, without = make(), make()
    for value in (0.5, 1.0, 0.0):
        without.update(value)
        assert not with_gaps.update(missing)
        with_gaps.update(value)
    assert with_gaps.missing == 3
    with_gaps.missing = 0
    assert with_gaps == without


@pytest.mark.parametrize("kind", [ShiryaevRoberts, EwmaSpread])
@pytest.mark.parametrize(("mean", "sd"), [(math.nan, 1.0), (0.0, math.nan), (math.inf, 1.0), (0.0, -1.0)])
def test_without_a_baseline_there_is_no_alarm(kind, mean, sd):
    detector = kind(mean, sd, 100)
    assert not any(detector.update(value) for value in [0.0, 1e300, -1e300] * 100)


@pytest.mark.parametrize("kind", [partial(ShiryaevRoberts, batch=1), EwmaSpread])
def test_a_constant_baseline_makes_any_departure_an_alarm(kind):
    detector = kind(5.0, 0.0, 1_000)
    assert not any(detector.update(5.0) for _ in range(500))
    assert detector.update(5.1)


@pytest.mark.parametrize(
    "kind", [partial(kind, 0.5) for kind in (partial(ShiryaevRoberts, 0.0), partial(EwmaSpread, 0.0), BernoulliSR)]
)
@pytest.mark.parametrize("every", [math.nan, math.inf])
def test_no_number_for_every_is_never_an_alarm(kind, every):
    detector = kind(every)
    assert not any(detector.update(value) for value in [1e9, -1e9] * 100)


@pytest.mark.parametrize(("rate", "healthy"), [(0.0, False), (1.0, True)])
def test_a_baseline_without_events_waits_for_more_than_one(rate, healthy):
    detector = BernoulliSR(rate, 1_000)
    assert not any(detector.update(healthy) for _ in range(100))
    assert not detector.update(not healthy)
    assert any(detector.update(not healthy) for _ in range(5))


def test_a_rate_that_is_not_a_number_is_never_an_alarm():
    assert not any(map(BernoulliSR(math.nan, 100).update, [True] * 500))


def test_a_batch_of_less_than_one_counts_as_one():
    assert ShiryaevRoberts(0.0, 1.0, 100, batch=0).update(50.0)


def test_a_single_outlier_is_not_a_change_of_spread():
    assert not EwmaSpread(0.0, 1.0, 10_000).update(1e9)


def mean_run_of_the_spread(every, states=150):
    """Mean parts to a false alarm by the chain of Brook and Evans (1972): weight 0.05, z squared cut at 9."""
    edges = np.geomspace(*spread_limits(every), states + 1)
    middle = (edges[:-1] + edges[1:]) / 2
    step = np.maximum(edges[None, :] - 0.95 * middle[:, None], 0.0) / 0.05
    below = np.where(step >= 9, 1.0, chi2.cdf(step, 1))
    run = np.linalg.solve(np.eye(states) - np.diff(below, axis=1), np.ones(states))
    return np.interp(1.0, middle, run)


@pytest.mark.parametrize("every", [100, 1_000, 10_000, 100_000, 1e6, 1e7])
def test_the_limits_of_the_spread_keep_their_run_length(every):
    assert 0.9 * every <= mean_run_of_the_spread(every) <= 1.6 * every  # the chain itself is good to 10 %


@pytest.mark.parametrize("every", [100, 1_000, 100_000, 1e8])
def test_rarer_alarms_take_wider_limits(every):
    (low, high), (lower, higher) = spread_limits(every), spread_limits(2 * every)
    assert 0 < lower < low < 1 < high < higher


@pytest.mark.parametrize("every", [0, -1, 0.5])
def test_an_alarm_at_nearly_every_part_takes_limits_close_to_one(every):
    assert spread_limits(every) == pytest.approx((0.98, 0.98), abs=0.01)


# Windows


def test_two_of_the_last_three_windows_make_an_alarm():
    def alarms(*rejected):
        watch = TwoOfThree()
        return [watch.update(window) for window in rejected]

    assert alarms(True, False, True) == [False, False, True]
    assert alarms(True, False, False, True) == [False] * 4
    assert alarms(True, None, True) == [False, False, True]
    assert alarms(True, True, True) == [False, True, False]  # afresh after the alarm
    assert TwoOfThree.from_json(json.loads(json.dumps(TwoOfThree([True]).to_json()))).update(True)


@pytest.mark.parametrize("every", [2_000, 10_000, 50_000])
def test_the_level_of_a_window_gives_one_alarm_in_every_parts(every):
    rng = np.random.default_rng(4)
    level, windows = window_level(every), every // 500 * 300
    watch = TwoOfThree()
    alarms = sum(watch.update(rejected) for rejected in rng.random(windows) < level)
    assert alarms == pytest.approx(300, rel=0.2)


@pytest.mark.parametrize(("every", "level"), [(0, 1.0), (1_000, 1.0), (-5, 1.0)])
def test_an_alarm_at_every_second_window_takes_every_test(every, level):
    assert window_level(every) == level


@pytest.mark.parametrize("every", [math.nan, math.inf])
def test_the_level_of_no_number_is_next_to_nothing(every):
    assert 0 < window_level(every) < 1e-6


def samples(shift=0.0, features=3, seed=5):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(features, features))
    window = rng.normal(size=(500, features)) @ mixing
    window[:, 0] += shift
    return rng.normal(size=(1_500, features)) @ mixing, window


def test_ks_is_scipy_with_bonferroni():
    baseline, window = samples(shift=0.5)
    tests = [ks_2samp(baseline[:, i], window[:, i], method="asymp") for i in range(3)]
    result = ks_drift(baseline, window, 0.01)
    assert result.statistics == tuple(test.statistic for test in tests)
    assert result.p_value == pytest.approx(3 * min(test.pvalue for test in tests))
    assert result.rejected
    assert result.farthest[0] == 0
    assert not ks_drift(*samples(), 0.01).rejected


def test_hotelling_is_that_of_statsmodels():
    baseline, window = samples(shift=0.2)
    expected = mvmean_2indep(baseline, window)
    result = hotelling_t2(baseline, window, 0.01)
    assert result.statistics[0] == pytest.approx(expected.t2)
    assert result.p_value == pytest.approx(expected.pvalue, rel=1e-6)


def test_hotelling_does_not_mind_units_or_a_feature_that_repeats_others():
    baseline, window = samples(shift=0.2)
    plain = hotelling_t2(baseline, window, 0.01)

    def dressed(rows):
        scaled = rows * [1e-9, 1.0, 1e9] + [1.0, 0.0, 0.0]
        return np.column_stack([scaled, rows[:, 0] + rows[:, 1], np.full(len(rows), 7.0)])

    again = hotelling_t2(dressed(baseline), dressed(window), 0.01)
    assert again.statistics[0] == pytest.approx(plain.statistics[0], rel=1e-4)
    assert again.p_value == pytest.approx(plain.p_value, rel=1e-3)


def test_hotelling_points_at_the_farthest_photos():
    baseline, window = samples()
    window[[17, 400]] += [[60.0, 0, 0], [30.0, 0, 0]]
    window[3, 1] = math.nan
    result = hotelling_t2(baseline, window, 0.01)
    assert result.farthest[:2] == (17, 400)
    assert 3 not in result.farthest
    assert len(result.farthest) == 499


@pytest.mark.parametrize("test", [ks_drift, hotelling_t2])
@pytest.mark.parametrize(
    ("baseline", "window"),
    [
        ([], []),
        ([], [[1.0, 2.0]]),
        ([[1.0, 2.0]] * 9, []),
        ([[None, None]] * 9, [[1.0, 2.0]] * 9),
        ([[math.nan, math.inf]] * 9, [[1.0, 2.0]] * 9),
        ([[5.0, 5.0]] * 9, [[5.0, 5.0]] * 9),
        (np.empty((9, 0)), np.empty((9, 0))),
    ],
)
def test_a_window_without_data_or_spread_is_not_rejected(test, baseline, window):
    result = test(baseline, window, 0.5)
    assert (result.rejected, result.p_value) == (False, 1.0)
    assert not any(result.statistics)


@pytest.mark.parametrize("test", [ks_drift, hotelling_t2])
def test_windows_with_other_features_are_refused(test):
    with pytest.raises(ValueError, match="The baseline has 2 features and the window 3"):
        test(np.zeros((9, 2)), np.zeros((9, 3)), 0.01)


@pytest.mark.parametrize("test", [ks_drift, hotelling_t2])
def test_enormous_values_give_an_answer(test):
    result = test([[1e308], [-1e308], [0.0]] * 5, [[1e308], [-1e308]] * 5, 0.01)
    assert 0 <= result.p_value <= 1


@pytest.mark.parametrize(
    ("features", "facts", "reasons"),
    [
        (None, {}, ["missing"]),
        ({}, {"decoded": False}, ["undecodable"]),
        ({"sharpness": 10.0}, {"blank": True}, ["blank"]),
        ({"sharpness": 16.0}, {}, []),
        ({"sharpness": 16.1}, {}, ["sharpness is more than 6 sd from its baseline"]),
        ({"sharpness": 3.9}, {}, ["sharpness is more than 6 sd from its baseline"]),
        ({"sharpness": None}, {}, ["sharpness is missing"]),
        ({"sharpness": math.nan, "glare": 1e9}, {}, ["sharpness is missing"]),
    ],
)
def test_instant_rules(features, facts, reasons):
    assert instant_reasons(features, {"sharpness": (10.0, 1.0)}, **facts) == reasons


# Step or ramp


def series(level, parts=2_000, seed=6):
    """Values around level(day) over ten days."""
    days = np.linspace(0, 10, parts)
    noise = np.random.default_rng(seed).normal(0, 0.3, parts)
    return list(zip(days.tolist(), (np.vectorize(level)(days) + noise).tolist(), strict=True))


def step(day):
    return 1.0 if day >= 4 else 0.0


def ramp(day):
    return 0.2 * max(0.0, day - 4)


def test_a_step_is_sudden_and_goes_nowhere():
    shape, slope, low, high = rate_of_change(series(step))
    assert shape == "sudden"
    assert low <= 0 <= high
    assert abs(slope) < 0.05


def test_a_ramp_is_gradual_and_has_its_slope():
    shape, slope, low, high = rate_of_change(series(ramp))
    assert shape == "gradual"
    assert low <= 0.2 <= high
    assert slope == pytest.approx(0.2, abs=0.02)


def test_a_fall_has_a_negative_slope():
    shape, slope, _, high = rate_of_change(series(lambda day: -ramp(day)))
    assert (shape, slope < high < 0) == ("gradual", True)


def test_what_comes_after_a_step_alone_is_sudden():
    assert rate_of_change(series(lambda day: 1.0))[0] == "sudden"


def test_the_shape_is_unknown_until_a_thousand_parts_after_the_alarm():
    rows = series(ramp)
    assert rate_of_change(rows, alarm=1_000)[0] == "gradual"
    shape, slope, low, high = rate_of_change(rows, alarm=1_001)
    assert shape == "unknown"
    assert low < slope < high
    missing = [(day, None) for day, _ in rows[:1_100]] + rows[1_100:]
    assert rate_of_change(missing)[0] == "unknown"


def test_times_may_be_datetimes_and_missing_values_are_left_out():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [(start + timedelta(days=day), value) for day, value in series(ramp)]
    gaps = [(start, None), (start, math.nan), (start, math.inf)]
    shape, slope, _, _ = rate_of_change(gaps + rows)
    assert (shape, slope) == ("gradual", pytest.approx(rate_of_change(series(ramp))[1], rel=1e-6))


@pytest.mark.parametrize("rows", [[], [(0.0, 1.0)], [(0.0, 1.0), (1.0, 2.0)], [(3.0, 1.0), (3.0, 2.0), (3.0, 5.0)]])
def test_no_slope_can_be_told_from_too_little(rows):
    assert rate_of_change(rows) == ("unknown", 0.0, -math.inf, math.inf)


@pytest.mark.parametrize("confidence", [0, 1, math.nan])
def test_an_impossible_confidence_tells_no_slope(confidence):
    assert rate_of_change(series(ramp), confidence=confidence)[1:] == (0.0, -math.inf, math.inf)


@given(st.lists(st.tuples(st.floats(0, 100), values), max_size=40).map(lambda rows: sorted(rows, key=lambda r: r[0])))
def test_a_slope_is_a_number_in_its_interval(rows):
    _, slope, low, high = rate_of_change(rows)
    assert low <= slope <= high
    assert math.isfinite(slope)


@pytest.mark.parametrize("value", [0.0, 1e308, -1e308, 5e-324])
def test_a_constant_series_is_not_a_ramp(value):
    shape, slope, _, _ = rate_of_change([(part / 100, value) for part in range(1_500)])
    assert (shape, slope) == ("sudden", pytest.approx(0.0, abs=abs(value) * 1e-9))
