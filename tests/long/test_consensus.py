"""Dawid and Skene's consensus of any answers: its figures are probabilities, and what it climbs never falls."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.agreement import Trial
from shadow.consensus import SMOOTHING, consensus, dawid_skene

answers = st.lists(
    st.builds(Trial, st.sampled_from("abcd"), st.sampled_from("PQRSTU"), st.sampled_from([True, False, None])),
    max_size=25,
)


@given(answers)
@settings(max_examples=100, deadline=None)
def test_any_answers_give_probabilities(trials):
    found = consensus(trials)
    assert {part.part for part in found.parts} == {trial.part for trial in trials if trial.answer is not None}
    assert sum(part.answers for part in found.parts) == len(trials) - found.unsure
    assert all(0 <= part.p_scratched <= 1 for part in found.parts)
    assert all(0 < one.sensitivity < 1 and 0 < one.specificity < 1 for one in found.inspectors)
    assert math.isfinite(found.log_likelihood) and found.log_likelihood <= 1e-9


@given(answers)
@settings(max_examples=50, deadline=None)
def test_the_likelihood_given_its_smoothing_never_falls(trials):
    """What the EM climbs is the likelihood times what the added answers are worth."""
    sure = [trial for trial in trials if trial.answer is not None]
    if not sure:
        return
    names, parts = sorted({t.inspector for t in sure}), sorted({t.part for t in sure})
    numbers = [parts.index(t.part) for t in sure], [names.index(t.inspector) for t in sure], [t.answer for t in sure]
    climbed = []
    for most in range(1, 6):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("shadow.consensus.MOST_ITERATIONS", most)
            fit = dawid_skene(*numbers, 2)
        climbed.append(fit.log_likelihood + SMOOTHING * (np.log(fit.errors).sum() + np.log(fit.prevalence).sum()))
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(climbed))
