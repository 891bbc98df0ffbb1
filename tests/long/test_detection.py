"""The detectors of a stream together: a learned baseline, its own error, products, restarts, and what a hit tells."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from monitoring.detection import Usual, Watching, count_of, scalar_of
from monitoring.detectors import BernoulliSR, EwmaSpread, ShiryaevRoberts
from monitoring.learning import Learning, needed

DETECTORS = 90  # of a line


def usual_of(values, *, rate=False, groups=None, batch=20) -> Usual:
    learning = Learning(batch)
    for place, value in enumerate(values):
        learning.add(value, part=place, mark=float(place), group=groups[place] if groups else "")
    return learning.usual(rate=rate)


def watch(kind, usual, **options) -> Watching:
    return Watching(kind, usual, 10_000 * DETECTORS, 1_000_000 * DETECTORS, **options)


def hits(watching, values, groups=None):
    return [
        (place, hit)
        for place, value in enumerate(values)
        for hit in watching.update(value, float(place), groups[place] if groups else "")
    ]


@pytest.fixture
def rng():
    return np.random.default_rng(1)


# ---- The baseline


def test_a_baseline_is_that_of_its_parts(rng):
    values = rng.normal(5, 2, 1_000)
    usual = usual_of(values.tolist())
    means = values.reshape(-1, 20).mean(axis=1)
    assert usual.mean == pytest.approx(values.mean())
    assert usual.sd == pytest.approx(values.std(ddof=1))
    assert usual.batch_sd == pytest.approx(math.sqrt(20) * means.std(ddof=1))
    assert (usual.n, len(usual.sample), usual.groups) == (1_000, 1_000, {})


def test_a_longer_batch_is_learned_for_longer():
    assert (needed(20), needed(50), needed(100)) == (1_000, 2_500, 5_000)


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)), max_size=40))
@settings(max_examples=50)
def test_what_is_missing_is_not_learned(values):
    learning = Learning(20)
    for value in values:
        learning.add(value)
    assert learning.values == [value for value in values if scalar_of(value) is not None]
    assert Learning.from_json(json.loads(json.dumps(learning.to_json()))) == learning


def test_products_that_lie_apart_have_means_of_their_own(rng):
    names = [str(n) for n in rng.integers(0, 3, 1_000)]
    usual = usual_of([10.0 * int(name) + rng.normal() for name in names], groups=names)
    assert sorted(usual.groups) == ["0", "1", "2"]
    assert usual.groups["2"].mean == pytest.approx(20, abs=0.3)
    assert np.std(usual.sample) == pytest.approx(1, abs=0.1)
    assert usual.own_sd == pytest.approx(1, abs=0.1)
    assert usual.sd > 5
    assert usual.common(21.0, "2") == pytest.approx(1 + usual.mean, abs=0.3)


def test_products_that_hardly_differ_share_a_mean(rng):
    names = [str(n) for n in rng.integers(0, 3, 1_000)]
    assert usual_of(rng.normal(size=1_000).tolist(), groups=names).groups == {}


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
@settings(max_examples=100)
def test_scores_keep_the_order_and_the_middle(sample, one, other):
    usual = Usual(len(sample), 0.0, 1.0, 20, 1.0, sample=tuple(sample))
    low, high = sorted((one, other))
    assert usual.score(low) <= usual.score(high)
    assert abs(usual.score(one)) <= norm.isf(0.4 / (len(sample) + 1))
    assert usual.score(max(sample) + 1) == pytest.approx(-usual.score(min(sample) - 1))


def test_correlated_neighbours_are_taken_apart(rng):
    apart = usual_of(rng.normal(size=1_000).tolist())
    values = [0.0]
    for noise in rng.normal(size=1_000):
        values.append(0.8 * values[-1] + noise)
    together = usual_of(values[1:])
    assert apart.stride == 1
    assert together.correlation > 2
    assert 10 <= together.stride <= 20


# ---- False alarms: the baseline's own error is none


def test_a_thousand_parts_of_baseline_raise_no_alarm(rng):
    """As they are, without room for the baseline's error, every third of them would."""
    raised = 0
    for _ in range(10):
        watching = watch("mean", usual_of(rng.normal(size=1_000).tolist()))
        raised += sum(hit.severity == "alarm" for _, hit in hits(watching, rng.normal(size=10_000).tolist()))
    assert raised == 0


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: rng.lognormal(0, 1.0, n),
        lambda rng, n: rng.standard_t(2, n),
        lambda rng, n: (rng.random(n) < 0.01) * rng.random(n),
        lambda rng, n: np.full(n, 3.0),
        lambda rng, n: rng.integers(1, 4, n).astype(float),
    ],
)
def test_skewed_heavy_discrete_and_constant_figures_raise_no_alarm(rng, draw):
    watching = watch("mean", usual_of(draw(rng, 1_000).tolist()))
    assert not [hit for _, hit in hits(watching, draw(rng, 10_000).tolist()) if hit.severity == "alarm"]


def test_another_mix_of_products_is_no_change(rng):
    def parts(weights, n):
        names = rng.choice(["a", "b", "c"], n, p=weights).tolist()
        return [{"a": 10, "b": 40, "c": 60}[name] + rng.normal() for name in names], names

    values, names = parts([0.4, 0.3, 0.3], 1_000)
    watching = watch("mean", usual_of(values, groups=names))
    values, names = parts([0.0, 0.1, 0.9], 10_000)
    assert hits(watching, values, names) == []
    assert hits(watching, [value - 3 for value in values[:100]], names)


def test_a_product_without_a_baseline_tells_nothing(rng):
    names = ["a", "b"] * 500
    values = [{"a": 10, "b": 40}[name] + rng.normal() for name in names]
    watching = watch("mean", usual_of(values, groups=names))
    assert hits(watching, [500.0] * 200, ["new"] * 200) == []


# ---- What is seen


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_shift_is_seen_with_its_beginning_and_its_figures(rng, sign):
    watching = watch("mean", usual_of((100 + rng.normal(size=1_000)).tolist()))
    values = (100 + rng.normal(size=600)).tolist() + (100 + 2 * sign + rng.normal(size=200)).tolist()
    [(place, hit), *_] = [found for found in hits(watching, values) if found[1].severity == "alarm"]
    assert 600 <= place <= 680
    assert 590 <= hit.since <= 605
    assert hit.before == pytest.approx(100, abs=0.2)
    assert hit.after == pytest.approx(100 + 2 * sign, abs=0.6)
    assert hit.detector == "mean"


def test_a_wider_spread_is_seen_as_one(rng):
    watching = watch("mean", usual_of(rng.normal(size=1_000).tolist()))
    found = hits(watching, rng.normal(0, 2.5, 300).tolist())
    assert found[0][1].detector == "spread"
    assert found[0][1].before == pytest.approx(1, abs=0.1)
    assert found[0][1].after > 1.5


def test_another_shape_with_the_same_mean_and_spread_is_seen_by_its_windows(rng):
    watching = watch("mean", usual_of(rng.normal(size=1_000).tolist()))
    two_humps = rng.choice([-1.0, 1.0], 3_000) * 0.98 + 0.2 * rng.normal(size=3_000)
    assert "window" in {hit.detector for _, hit in hits(watching, two_humps.tolist())}


@pytest.mark.parametrize(("before", "after"), [(0.03, 0.15), (0.3, 0.1), (0.0, 0.05)])
def test_another_rate_is_seen(rng, before, after):
    watching = watch("rate", usual_of((rng.random(1_000) < before).tolist(), rate=True))
    assert hits(watching, (rng.random(2_000) < before).tolist()) == []
    [(place, hit), *_] = hits(watching, (rng.random(400) < after).tolist())
    assert place < 300
    assert (hit.after > hit.before) == (after > before)


def test_features_are_watched_by_their_length_and_by_hotelling(rng):
    usual = usual_of(rng.normal(size=(1_000, 8)).tolist())
    moved = rng.normal(size=(2_000, 8)) + np.array([0.6, -0.6, 0, 0, 0, 0, 0, 0])
    assert "features" in {hit.detector for _, hit in hits(watch("mean", usual), moved.tolist())}
    assert hits(watch("mean", usual), rng.normal(size=(2_000, 8)).tolist()) == []


def test_one_part_far_outside_is_a_warning_of_its_own(rng):
    values = rng.normal(size=1_000).tolist()
    assert [hit.detector for _, hit in hits(watch("mean", usual_of(values), instants=True), [0.0, 12.0, 0.0])] == [
        "instant"
    ]
    assert hits(watch("mean", usual_of(values)), [0.0, 12.0, 0.0]) == []


def test_an_event_that_never_was_is_a_warning_of_its_own():
    """A blank photo on a line that has none; where some are blank, their rate is watched."""
    never, seldom = usual_of([False] * 1_000, rate=True), usual_of([True, *[False] * 999], rate=True)
    assert [hit.severity for _, hit in hits(watch("rate", never, instants=True), [False, True, True])] == ["warning"]
    assert hits(watch("rate", seldom, instants=True), [False, True]) == []


def test_what_is_raised_is_raised_again_only_when_it_is_worse(rng):
    watching = watch("mean", usual_of(rng.normal(size=1_000).tolist()))
    found = [hit for _, hit in hits(watching, (3 + rng.normal(size=1_000)).tolist())]
    assert len({(hit.detector, hit.severity) for hit in found}) == len(found)
    watching.reset()
    assert hits(watching, (3 + rng.normal(size=100)).tolist())


@pytest.mark.parametrize("value", [None, math.nan, math.inf, [1.0, None], [1.0, math.nan]])
def test_what_is_not_a_number_is_counted_and_nothing_else(rng, value):
    usual = usual_of(rng.normal(size=(1_000, 2) if isinstance(value, list) else 1_000).tolist())
    watching = watch("mean", usual)
    before = watching.to_json()
    assert watching.update(value) == []
    assert watching.to_json() == before | {"missing": 1}


@given(st.integers(0, 400), st.integers(0, 1_000_000), st.sampled_from(["mean", "rate", "vector"]))
@settings(max_examples=25, deadline=None)
def test_a_restart_at_any_part_has_the_same_future(stop, seed, kind):
    rng = np.random.default_rng(seed)
    shape = (1_000, 3) if kind == "vector" else 1_000
    first = rng.random(1_000) < 0.1 if kind == "rate" else rng.normal(size=shape)
    usual = usual_of(first.tolist(), rate=kind == "rate")
    later = (first[:500] if kind == "rate" else rng.normal(1.0, 1.5, (500, 3) if kind == "vector" else 500)).tolist()
    whole = watch("rate" if kind == "rate" else "mean", usual, instants=True)
    told = hits(whole, later)
    half = watch("rate" if kind == "rate" else "mean", usual, instants=True)
    found = hits(half, later[:stop])
    half = Watching.from_json(
        half.kind, usual, *half.every.values(), json.loads(json.dumps(half.to_json())), instants=True
    )
    found += [
        (place, hit) for place, value in enumerate(later[stop:], stop) for hit in half.update(value, float(place))
    ]
    assert found == told
    assert half.to_json() == whole.to_json()


def test_thresholds_of_a_saved_state_are_those_of_now(rng):
    usual = usual_of(rng.normal(size=1_000).tolist())
    saved = watch("mean", usual).to_json()
    quick = Watching.from_json("mean", usual, 100, 1_000, saved)
    assert quick.detectors["mean"]["warning"].every == 100


def test_a_line_shares_its_false_alarms_among_its_detectors():
    assert (count_of("mean"), count_of("mean", vector=True), count_of("rate"), count_of("load")) == (3, 4, 1, 0)


# ---- Room for a baseline's error


@given(st.floats(-0.5, 0.5), st.sampled_from([0.0, 0.3, 0.5]))
@settings(max_examples=40)
def test_a_mean_within_the_doubt_has_no_ratio_above_one_on_average(true_mean, doubt):
    """So that the run that is set holds for every mean within it: E exp(s z - |s| doubt - s^2 / 2) <= 1."""
    for shift in (-2.0, -0.25, 0.25, 2.0):
        expected = math.exp(shift * true_mean - abs(shift) * doubt)  # of z ~ N(true_mean, 1)
        assert abs(true_mean) > doubt or expected <= 1 + 1e-12


def test_doubt_holds_a_small_shift_back_and_a_large_one_hardly(rng):
    def length(doubt, mean):
        detector = ShiryaevRoberts(0.0, 1.0, 10_000, doubt=doubt)
        return next((n for n in range(50_000) if detector.update(rng.normal(mean))), 50_000)

    assert length(0.5, 0.1) > 2 * length(0.0, 0.1)
    assert length(0.5, 1.0) <= 60
    assert not any(EwmaSpread(0.0, 1.0, 1_000, doubt=3.0).update(2.0) for _ in range(500))


@pytest.mark.parametrize("true_rate", [0.02, 0.03, 0.05])
def test_a_rate_between_its_bounds_is_no_change(rng, true_rate):
    lengths = []
    for _ in range(10):
        detector = BernoulliSR(0.03, 2_000, low=0.02, high=0.05)
        lengths.append(next((n for n in range(20_000) if detector.update(rng.random() < true_rate)), 20_000))
    assert np.mean(lengths) > 2_000
