"""The distance from what a version was trained on."""

import numpy as np
import pytest

from scoring.novelty import fit, is_out_of_distribution

RNG = np.random.default_rng(3)


def features(count, spread=(1.0, 5.0, 0.1)):
    return RNG.normal(0, spread, (count, 3))


def test_photos_like_those_of_the_training_lie_within_the_limit_and_others_beyond():
    found = fit(features(2000), features(400))
    assert (found.of(features(1000)) < 1).mean() > 0.98
    assert found.of(np.array([[0.0, 0.0, 2.0]]))[0] > 2  # 20 standard deviations of the third feature
    assert found.of(np.array([[0.0, 5.0, 0.0]]))[0] < 1  # one of the second


def test_the_distance_is_mahalanobis():
    sample = features(5000)
    found = fit(sample, sample)
    centred = features(10) - sample.mean(axis=0)
    expected = np.sqrt(np.einsum("ij,jk,ik->i", centred, np.linalg.inv(np.cov(sample.T)), centred))
    assert found.of(centred + sample.mean(axis=0)) * found.limit == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_photos_do_not_make_it_singular(count):
    found = fit(RNG.normal(0, 1, (count, 120)), np.zeros((0, 120)))
    assert np.isfinite(found.of(RNG.normal(0, 1, (4, 120)))).all()


def test_only_a_known_distance_within_the_limit_is_usual():
    assert [is_out_of_distribution(x) for x in (None, 0.5, 1.0, 7.0, float("nan"))] == [False, False, True, True, True]


@pytest.mark.parametrize("seed", range(5))
def test_a_kind_of_photo_that_the_training_has_few_of_is_not_strange(seed):
    rng = np.random.default_rng(seed)
    away = np.array([0.0, 0.0, 1.5])  # 15 standard deviations of the third feature
    many, few, apart = (rng.normal(0, (1.0, 5.0, 0.1), (count, 3)) for count in (2000, 20, 400))
    new = rng.normal(0, (1.0, 5.0, 0.1), (200, 3)) + away
    both, kinds = np.concatenate([many, few + away]), [False] * 2000 + [True] * 20
    assert (fit(both, apart).of(new) > 1).all()
    found = fit(both, apart, kinds)
    assert np.median(found.of(new)) < 1
    assert (found.of(apart) < 1).mean() > 0.98
    assert found.of(4 * away[None])[0] > 1
