"""Calibration and thresholds: fitted on the calibration split, total on degenerate ones."""

import numpy as np
import pytest
from scipy.special import expit

from scoring.calibration import (
    FIRST_COVERAGE,
    Calibration,
    fit,
    operating_threshold,
    threshold_order,
)


def sample(n=2000, seed=2):
    """Logits whose sigmoid is the truth, and labels drawn from it."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1.5, 2.5, n)
    return logits, rng.random(n) < expit(logits)


@pytest.mark.parametrize(("factor", "shift"), [(3.0, 0.0), (0.4, 1.0), (1.0, -2.0)])
def test_the_fit_undoes_wrong_confidence_and_a_wrong_prior(factor, shift):
    logits, labels = sample()
    found = fit(logits * factor + shift, labels)
    assert found.slope == pytest.approx(1 / factor, rel=0.12)
    assert found.offset == pytest.approx(-shift / factor, abs=0.2)
    wrong = logits * factor + shift
    assert found.surprise(wrong, labels).mean() <= Calibration().surprise(wrong, labels).mean()


def test_a_flawless_split_does_not_ask_for_certainty():
    labels = np.arange(20) < 10
    found = fit(np.where(labels, 4.0, -4.0), labels)
    assert found.probabilities(np.array([4.0]))[0] == pytest.approx(11 / 12, abs=0.01)


def test_the_ranking_stays_even_where_the_model_is_wrong():
    logits, labels = sample()
    assert fit(logits, ~labels).slope > 0


def test_one_class_teaches_no_calibration_and_no_threshold():
    ones = np.ones(5, bool)
    assert fit(np.arange(5.0), ones) == Calibration()
    assert operating_threshold(np.linspace(0, 1, 5), ones) == 0.5
    assert operating_threshold(np.linspace(0, 1, 5), ~ones) == 0.5


def test_the_operating_threshold_has_the_least_errors():
    logits, labels = sample()
    scores = expit(logits)

    def errors(t):
        return (scores[labels] < t).mean() + (scores[~labels] >= t).mean()

    chosen = operating_threshold(scores, labels)
    assert errors(chosen) <= min(errors(t) for t in np.linspace(0.01, 0.99, 99)) + 1e-9


def test_the_order_starts_where_evidence_gathers_and_holds_the_operating_threshold():
    logits, labels = sample()
    scores = expit(logits)
    operating = operating_threshold(scores, labels)
    order = threshold_order(scores, labels, operating)
    assert 13 <= len(order) <= 17
    assert order == sorted(set(order))
    assert operating in order
    assert (scores[~labels] < order[0]).mean() == pytest.approx(FIRST_COVERAGE, abs=0.01)
    assert order[0] > 0
    assert order[-1] < 1


@pytest.mark.parametrize("scores", [[0.5, 0.5, 0.5, 0.5], [0.0, 0.0, 1.0, 1.0], [0.9, 0.9, 0.1, 0.1]])
def test_the_order_is_sound_on_splits_that_say_little(scores):
    scores, labels = np.array(scores), np.array([False, False, True, True])
    operating = operating_threshold(scores, labels)
    order = threshold_order(scores, labels, operating)
    assert operating in order
    assert order == sorted(set(order))
    assert np.isfinite(order).all()
