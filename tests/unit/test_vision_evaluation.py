"""Evaluation figures against scikit-learn, and stated answers where a figure is not defined."""

import json
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn import metrics

from shadow.vision.evaluation import (
    CURVE_POINTS,
    curves_of,
    figures,
    operating_points,
    pr_curve,
    reliability_bins,
    risk_coverage,
    safe_coverage,
)

THRESHOLDS = [0.1, 0.2, 0.4, 0.6, 0.9]
answered = st.lists(st.tuples(st.floats(0, 1) | st.none(), st.booleans()), max_size=40)


def sample(seed, n=300, ties=False):
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.3
    scores = np.clip(0.3 * labels + rng.normal(0.35, 0.2, n), 0, 1)
    return (np.round(scores, 1) if ties else scores), labels


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("ties", [False, True])
def test_ranking_figures_are_scikit_learns(seed, ties):
    scores, labels = sample(seed, ties=ties)
    found = figures(scores.tolist(), labels.tolist(), 0.5)
    assert found["auroc"] == pytest.approx(metrics.roc_auc_score(labels, scores))
    assert found["average_precision"] == pytest.approx(metrics.average_precision_score(labels, scores))


def test_errors_at_the_threshold_are_counted_from_it_on():
    found = figures([0.2, 0.5, 0.5, 0.9], [True, True, False, False], 0.5)
    assert (found["miss_rate"], found["false_alarm_rate"]) == (0.5, 1.0)
    confusion = metrics.confusion_matrix([True, True, False, False], [False, True, True, True])
    assert confusion[1, 0] / 2 == found["miss_rate"]
    assert confusion[0, 1] / 2 == found["false_alarm_rate"]


def test_pr_curve_is_scikit_learns():
    scores, labels = sample(3, ties=True)
    precision, recall, thresholds = metrics.precision_recall_curve(labels, scores)
    ours = pr_curve(scores, labels)
    assert [p.threshold for p in ours] == pytest.approx(thresholds[::-1])
    assert [p.precision for p in ours] == pytest.approx(precision[-2::-1])
    assert [p.recall for p in ours] == pytest.approx(recall[-2::-1])


def test_reliability_bins_hold_every_part_once_and_make_the_ece():
    scores, labels = sample(9)
    bins = reliability_bins(scores, labels)
    assert sum(b.n for b in bins) == len(scores)
    ece = sum(abs(b.mean_score - b.scratched) * b.n for b in bins) / len(scores)
    assert figures(scores.tolist(), labels.tolist(), 0.5)["ece"] == pytest.approx(ece)
    assert figures([1.0, 0.0], [True, False], 0.5)["ece"] == 0


def test_parts_without_a_score_lower_the_coverage_and_nothing_else():
    full = figures([0.1, 0.9], [False, True], 0.5)
    part = figures([0.1, None, 0.9, None], [False, True, True, False], 0.5)
    assert part == {**full, "coverage": 0.5, "n": 4}


@pytest.mark.parametrize("label", [True, False])
def test_one_class_leaves_undefined_what_needs_two(label):
    found = figures([0.2, 0.8], [label, label], 0.5)
    assert found["auroc"] is None
    assert found["ece"] is not None
    assert found["coverage"] == 1
    assert (found["average_precision"] is None) == (found["miss_rate"] is None) == (not label)
    assert (found["false_alarm_rate"] is None) == label


@pytest.mark.parametrize(("scores", "coverage"), [([], None), ([None, None], 0.0)])
def test_no_score_at_all_is_undefined_not_perfect(scores, coverage):
    found = figures(scores, [True] * len(scores), 0.5)
    assert found.pop("coverage") == coverage
    assert found.pop("n") == len(scores)
    assert set(found.values()) == {None}


@pytest.mark.parametrize("scores", [[0.5], [0.5, float("nan")], [0.5, 1.2]])
def test_scores_that_are_no_scores_are_refused(scores):
    with pytest.raises(ValueError, match="score"):
        figures(scores, [True, False], 0.5)


# ---- Coverage


def split(pairs):
    return [score for score, _ in pairs], [label for _, label in pairs]


@pytest.mark.parametrize("ties", [False, True])
def test_risk_and_coverage_are_those_of_scikit_learns_confusion(ties):
    scores, labels = sample(5, ties=ties)
    points = risk_coverage(scores.tolist(), labels.tolist())
    assert [point.threshold for point in points] == sorted(set(scores))
    for point in points[:: len(points) // 10]:
        passed = scores <= point.threshold
        assert point.coverage == pytest.approx(passed.mean())
        assert point.risk == pytest.approx(1 - metrics.precision_score(~labels, passed))
    assert (points[-1].coverage, points[-1].risk) == (1, pytest.approx(labels.mean()))


@given(answered)
def test_the_last_point_passes_whatever_has_a_score(pairs):
    scores, labels = split(pairs)
    points = risk_coverage(scores, labels)
    assert bool(points) == any(score is not None for score in scores)
    assert [point.coverage for point in points] == sorted(point.coverage for point in points)
    if points:
        assert points[-1].coverage == pytest.approx(figures(scores, labels, 0.5)["coverage"])


@pytest.mark.parametrize("ties", [False, True])
def test_operating_points_are_scikit_learns(ties):
    scores, labels = sample(6, ties=ties)
    for point in operating_points(scores.tolist(), labels.tolist(), THRESHOLDS):
        tn, fp, fn, tp = metrics.confusion_matrix(labels, scores >= point.threshold).ravel()
        assert (point.n, point.k, point.scratched, point.good) == (tn + fn, fn, fn + tp, tn + fp)
        assert point.miss_rate == pytest.approx(1 - metrics.recall_score(labels, scores >= point.threshold))
        assert point.false_alarm_rate == pytest.approx(fp / (fp + tn))
        assert point.escape_rate == pytest.approx(fn / (fn + tn))
        assert point.coverage == pytest.approx((fn + tn) / len(labels))


def test_an_operating_point_without_parts_has_no_rates():
    [point] = operating_points([], [], [0.5])
    assert astuple(point) == (0.5, 0, 0, 0, 0, None, None, None, None)
    [point] = operating_points([None, 0.9], [True, False], [0.5])
    assert (point.coverage, point.escape_rate, point.miss_rate, point.false_alarm_rate) == (0.0, None, None, 1.0)


# ---- Safe coverage


def test_59_clean_parts_hold_5_percent_and_58_do_not():
    names = [str(n) for n in range(59)]
    held = safe_coverage([0.1] * 59, [False] * 59, names, [0.5])
    assert (held.threshold, held.coverage, held.n, held.k, held.originals) == (0.5, 1.0, 59, 0, 59)
    assert held.bound == pytest.approx(1 - 0.05 ** (1 / 59))
    missed = safe_coverage([0.1] * 58, [False] * 58, names[:58], [0.5])
    assert (missed.threshold, missed.coverage, missed.n) == (None, 0.0, 58)
    assert missed.bound > 0.05


def test_an_original_counts_once_by_its_first_row():
    names = [str(n) for n in range(59)]
    twice = safe_coverage([0.1] * 59 + [0.9] * 59, [False] * 59 + [True] * 59, names * 2, [0.5, 1.0])
    assert (twice.threshold, twice.n, twice.k, twice.originals) == (1.0, 59, 0, 59)


def test_the_first_threshold_that_fails_ends_the_sequence():
    scores, labels = [0.1] * 100 + [0.3] * 20 + [0.5] * 2000, [False] * 100 + [True] * 20 + [False] * 2000
    names = [str(n) for n in range(len(scores))]
    assert safe_coverage(scores, labels, names, [0.2, 0.4, 0.6]).threshold == 0.2
    assert safe_coverage(scores, labels, names, [0.2, 0.6]).threshold == 0.6
    assert safe_coverage(scores, labels, names, [0.05, 0.2]).threshold is None, "where nothing passes nothing holds"


@pytest.mark.parametrize("thresholds", [[], [0.5]])
def test_no_data_holds_nothing(thresholds):
    assert astuple(safe_coverage([], [], [], thresholds)) == (0.05, None, None, None, 0, 0, 0)
    assert safe_coverage([None], [False], ["a"], thresholds).threshold is None


@given(answered, st.floats(0.01, 0.5), st.floats(0.01, 0.5))
def test_what_holds_holds_by_scipys_binomial(pairs, limit, delta):
    scores, labels = split(pairs)
    held = safe_coverage(scores, labels, [str(n) for n in range(len(scores))], THRESHOLDS, limit, delta)
    if held.threshold is not None:
        assert binom.cdf(held.k, held.n, limit) <= delta
        assert held.bound <= limit + 1e-9
        assert held.coverage == held.n / held.originals


def test_chance_alone_seldom_holds_a_rate_above_the_limit():
    """Parts of which 5 % are scratched at every score: the sequence names a threshold in at most 5 % of runs."""
    rng, named = np.random.default_rng(2), 0
    for _ in range(400):
        scores, labels = rng.random(300).tolist(), (rng.random(300) < 0.05).tolist()
        named += safe_coverage(scores, labels, [str(n) for n in range(300)], THRESHOLDS).threshold is not None
    assert named / 400 < 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5


# ---- What a card keeps


@given(answered)
def test_curves_are_json_and_count_every_part_once(pairs):
    scores, labels = split(pairs)
    curves = curves_of(scores, labels, THRESHOLDS)
    json.dumps(curves, allow_nan=False)
    known = [label for score, label in pairs if score is not None]
    histogram = curves["histogram"]
    assert (sum(histogram["ok"]), sum(histogram["scratched"])) == (known.count(False), known.count(True))
    assert (len(histogram["edges"]), len(histogram["ok"])) == (21, 20)
    assert sum(bar["n"] for bar in curves["reliability"]) == len(known)
    assert [point["threshold"] for point in curves["operating_points"]] == THRESHOLDS


def test_a_long_curve_is_thinned_and_keeps_both_ends():
    scores, labels = sample(8, n=2000)
    curves = curves_of(scores.tolist(), labels.tolist(), THRESHOLDS)
    whole = risk_coverage(scores.tolist(), labels.tolist())
    assert len(curves["pr"]) == len(curves["risk_coverage"]) == CURVE_POINTS
    assert curves["risk_coverage"][-1][0] == 1
    assert curves["risk_coverage"][0][0] == pytest.approx(whole[0].coverage, rel=1e-5)
    assert curves["pr"][-1][0] == 1
