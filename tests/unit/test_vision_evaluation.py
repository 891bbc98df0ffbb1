"""Evaluation figures against scikit-learn, and stated answers where a figure is not defined."""

import numpy as np
import pytest
from sklearn import metrics

from shadow.vision.evaluation import figures, pr_curve, reliability_bins


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
