"""Keyed draws: uniform, independent of each other, nested by share, and the same for ever."""

import itertools

import numpy as np
import pytest
from scipy.stats import chi2_contingency, kstest

from automation import draws

SECRET = b"a fixed key, so that this test cannot fail by chance"
PARTS = 100_000
PURPOSES: tuple[draws.Purpose, ...] = ("canary", "audit", "blind")


@pytest.fixture(scope="module")
def drawn():
    return {p: np.array([draws.uniform(SECRET, p, part) for part in range(1, PARTS + 1)]) for p in PURPOSES}


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_purpose_draws_uniformly_in_0_to_1(drawn, purpose):
    assert drawn[purpose].min() >= 0
    assert drawn[purpose].max() < 1
    assert kstest(drawn[purpose], "uniform").pvalue > 0.001


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(PURPOSES, 2)))
def test_two_purposes_are_independent(drawn, first, second):
    table = np.histogram2d(drawn[first], drawn[second], bins=8, range=[[0, 1], [0, 1]])[0]
    assert chi2_contingency(table).pvalue > 0.001


@pytest.mark.parametrize("purpose", PURPOSES)
def test_neighbouring_parts_are_independent(drawn, purpose):
    table = np.histogram2d(drawn[purpose][:-1], drawn[purpose][1:], bins=8, range=[[0, 1], [0, 1]])[0]
    assert chi2_contingency(table).pvalue > 0.001


def test_the_5_percent_are_among_the_25(drawn):
    small, large = (set(np.flatnonzero(drawn["canary"] < share)) for share in (0.05, 0.25))
    assert small < large
    assert len(small) / PARTS == pytest.approx(0.05, abs=0.003)


def test_a_draw_is_the_same_for_ever_and_another_key_draws_otherwise():
    assert draws.uniform(b"key", "audit", 7) == 0.9931751890428442
    assert draws.uniform(b"other", "audit", 7) != draws.uniform(b"key", "audit", 7)


def test_a_keys_name_tells_nothing_of_it():
    assert draws.key_id(SECRET) == draws.key_id(SECRET) != draws.key_id(b"other")
    assert len(draws.key_id(SECRET)) == 12
