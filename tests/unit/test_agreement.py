"""Rates, kappa and the attribute study, against published numbers and independent libraries."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.metrics import cohen_kappa_score, f1_score
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss_kappa
from statsmodels.stats.proportion import proportion_confint

from shadow.agreement import (
    Confusion,
    Kappa,
    Rate,
    Trial,
    attribute_study,
    clopper_pearson,
    fleiss,
    fleiss_kappa,
    worst,
)

FIGURES = [
    "agreement",
    "kappa",
    "positive_agreement",
    "miss_rate",
    "false_alarm_rate",
    "escape_rate",
    "overkill_rate",
]

count = st.integers(0, 10_000)
confusions = st.builds(Confusion, count, count, count, count)
confidences = st.floats(0.01, 0.999)


def answers(confusion):
    """The table as two lists of answers, person and model."""
    cells = [(0, 0), (0, 1), (1, 0), (1, 1)]
    counts = [confusion.both_ok, confusion.overkill, confusion.escape, confusion.both_scratched]
    pairs = np.repeat(np.array(cells), counts, axis=0)
    return pairs[:, 0], pairs[:, 1]


@pytest.mark.parametrize(
    ("figure", "k", "n"),
    [
        ("agreement", 94, 100),
        ("positive_agreement", 8, 14),
        ("miss_rate", 1, 5),
        ("false_alarm_rate", 5, 95),
        ("escape_rate", 1, 91),
        ("overkill_rate", 5, 9),
    ],
)
def test_each_rate_has_its_own_denominator(figure, k, n):
    rate = getattr(Confusion(both_ok=90, overkill=5, escape=1, both_scratched=4), figure)
    assert (rate.k, rate.n, rate.value) == (k, n, k / n)


def test_one_percent_scratched_makes_99_percent_agreement_a_kappa_of_0_495():
    table = Confusion(both_ok=985, overkill=5, escape=5, both_scratched=5)
    assert table.agreement.value == 0.99
    assert table.kappa.value == pytest.approx(0.495, abs=5e-4)
    assert table.positive_agreement.value == 0.5


@given(confusions, confidences)
def test_rates_agree_with_wilson_in_statsmodels(table, confidence):
    rate = table.miss_rate
    if rate.n:
        expected = proportion_confint(rate.k, rate.n, 1 - confidence, method="wilson")
        assert rate.interval(confidence) == pytest.approx(expected, abs=1e-9)


@given(st.builds(Confusion, *[st.integers(1, 10_000)] * 4), confidences)
def test_kappa_and_its_interval_agree_with_statsmodels(table, confidence):
    cells = [[table.both_ok, table.overkill], [table.escape, table.both_scratched]]
    expected = cohens_kappa(cells)
    assert table.kappa.value == pytest.approx(expected.kappa, abs=1e-10)
    assert table.kappa.variance == pytest.approx(expected.var_kappa, rel=1e-6, abs=1e-12)
    half = math.sqrt(table.kappa.variance)
    low, high = table.kappa.interval(0.6826894921370859)  # one standard error
    assert (low, high) == pytest.approx((table.kappa.value - half, table.kappa.value + half), abs=1e-9)


@pytest.mark.parametrize("table", [Confusion(90, 5, 1, 4), Confusion(3, 0, 2, 1), Confusion(1, 9, 9, 1)])
def test_kappa_and_positive_agreement_agree_with_scikit_learn(table):
    person, model = answers(table)
    assert table.kappa.value == pytest.approx(cohen_kappa_score(person, model))
    assert table.positive_agreement.value == pytest.approx(f1_score(person, model))


@pytest.mark.parametrize("table", [Confusion(), Confusion(both_ok=50), Confusion(both_scratched=50)])
def test_kappa_of_one_class_is_not_defined(table):
    assert table.kappa.value is None
    assert table.kappa.interval(0.95) == (0.0, 1.0)
    assert not table.kappa.good


def test_one_class_from_one_judge_alone_is_a_kappa_of_zero():
    assert Confusion(both_ok=90, overkill=10).kappa.value == 0


@pytest.mark.parametrize("figure", FIGURES)
def test_an_empty_table_has_no_values_and_says_nothing(figure):
    value = getattr(Confusion(), figure)
    assert (value.value, value.n, value.interval(0.95)) == (None, 0, (0.0, 1.0))


@given(confusions, confidences)
def test_every_figure_lies_in_its_interval(table, confidence):
    for name in FIGURES:
        figure = getattr(table, name)
        low, high = figure.interval(confidence)
        assert -1 <= low <= high <= 1
        if figure.value is not None:
            assert low - 1e-12 <= figure.value <= high + 1e-12


@given(confusions, confidences, confidences)
def test_more_confidence_is_a_wider_interval(table, one, other):
    less, more = sorted((one, other))
    for name in FIGURES:
        (low, high), (lower, higher) = (getattr(table, name).interval(c) for c in (less, more))
        assert lower <= low + 1e-12
        assert high <= higher + 1e-12


@pytest.mark.parametrize("confidence", [0, 1, -1, 2, math.nan])
def test_an_impossible_confidence_says_nothing(confidence):
    table = Confusion(90, 5, 1, 4)
    assert {getattr(table, name).interval(confidence) for name in FIGURES} == {(0.0, 1.0)}


@given(confusions, confusions)
def test_tables_of_disjoint_parts_add_up(one, other):
    both = one + other
    assert both.n == one.n + other.n
    assert both.escape == one.escape + other.escape
    assert sum([one, other], Confusion()) == both


def test_a_negative_count_is_refused():
    with pytest.raises(ValueError, match="cannot be negative"):
        Confusion(both_ok=-1)


def test_positive_agreement_covers_as_often_as_it_says():
    rng = np.random.default_rng(5)
    tables = rng.multinomial(2_000, [0.93, 0.02, 0.01, 0.04], size=600)
    inside = 0
    for both_ok, overkill, escape, scratched in tables.tolist():
        low, high = Confusion(both_ok, overkill, escape, scratched).positive_agreement.interval(0.95)
        inside += low <= 0.08 / 0.11 <= high
    assert 0.93 <= inside / 600 <= 0.97


@given(st.integers(0, 300), st.integers(1, 300), st.floats(1e-4, 0.4))
def test_exact_bounds_solve_the_binomial_tails(k, n, delta):
    k = min(k, n)
    low, high = clopper_pearson(k, n, delta)
    assert low <= k / n <= high
    assert k == 0 or binom.sf(k - 1, n, low) == pytest.approx(delta, rel=1e-6)
    assert k == n or binom.cdf(k, n, high) == pytest.approx(delta, rel=1e-6)
    assert clopper_pearson(k, n, delta / 2) == pytest.approx(proportion_confint(k, n, delta, method="beta"))


@pytest.mark.parametrize(("k", "n", "delta"), [(0, 0, 0.05), (3, 2, 0.05), (-1, 2, 0.05), (1, 2, 0), (1, 2, math.nan)])
def test_exact_bounds_of_nonsense_say_nothing(k, n, delta):
    assert clopper_pearson(k, n, delta) == (0.0, 1.0)


def test_no_miss_in_48_scratched_parts_still_allows_6_05_percent():
    assert Rate(0, 48).upper(0.95) == pytest.approx(0.0605, abs=5e-5)
    assert Rate(0, 149).upper(0.95) <= 0.02 < Rate(0, 148).upper(0.95)
    assert Rate(48, 48).lower(0.95) == pytest.approx(1 - 0.0605, abs=5e-5)


def test_fleiss_kappa_of_the_published_example():
    # Ten subjects, fourteen raters, five classes: the worked example that textbooks carry, 0.210.
    counts = [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
    assert fleiss_kappa(counts) == pytest.approx(0.210, abs=5e-4)
    assert fleiss_kappa(counts) == pytest.approx(statsmodels_fleiss_kappa(np.array(counts)))


@pytest.mark.parametrize(
    "counts", [[], [[]], [[0, 0]], [[1, 0], [0, 1]], [[3, 0], [3, 0]], [3, 4], [[math.nan, 2]], [[math.inf, 2]]]
)
def test_fleiss_kappa_without_two_judges_or_two_classes_is_not_defined(counts):
    assert fleiss_kappa(counts) is None


def test_fleiss_kappa_leaves_out_parts_judged_once():
    assert fleiss_kappa([[2, 0], [0, 2], [1, 1], [1, 0]]) == fleiss_kappa([[2, 0], [0, 2], [1, 1]])


def study():
    """Two inspectors, ten parts (two scratched), twice each: ivy is always right, max misses part 0 once."""
    trials = []
    for inspector in ("ivy", "max"):
        for repeat in (0, 1):
            for part in range(10):
                wrong = inspector == "max" and repeat == 1 and part == 0
                trials.append(Trial(inspector, f"P{part}", (part < 2) != wrong, part < 2))
    return trials


def test_an_attribute_study_compares_within_between_and_with_the_reference():
    result = attribute_study(study())
    ivy, other = result.inspectors
    assert (ivy.inspector, ivy.within, ivy.against_reference) == ("ivy", Rate(10, 10), Rate(10, 10))
    assert (other.within, other.against_reference) == (Rate(9, 10), Rate(9, 10))
    assert (other.effectiveness, other.miss_rate, other.false_alarm_rate) == (Rate(19, 20), Rate(1, 4), Rate(0, 16))
    assert (result.between, result.against_reference) == (Rate(9, 10), Rate(9, 10))
    assert ivy.kappa.value == 1.0
    assert other.kappa.good
    assert result.kappa_between == pytest.approx(statsmodels_fleiss_kappa(np.array([[1, 3], [0, 4]] + [[4, 0]] * 8)))


def test_grades_are_those_of_the_point_values():
    ivy, other = attribute_study(study()).inspectors
    assert set(ivy.grades.values()) == {"acceptable"}
    assert other.grades == {
        "effectiveness": "acceptable",
        "miss_rate": "unacceptable",
        "false_alarm_rate": "acceptable",
    }


@pytest.mark.parametrize(
    ("misses", "false_alarms", "effectiveness", "miss_rate", "false_alarm_rate"),
    [
        (2, 5, "acceptable", "acceptable", "acceptable"),
        (3, 6, "acceptable", "marginal", "marginal"),
        (5, 10, "acceptable", "marginal", "marginal"),
        (6, 11, "acceptable", "unacceptable", "unacceptable"),
        (20, 1, "marginal", "unacceptable", "acceptable"),
        (20, 20, "marginal", "unacceptable", "unacceptable"),
        (20, 21, "unacceptable", "unacceptable", "unacceptable"),
    ],
)
def test_grade_limits(misses, false_alarms, effectiveness, miss_rate, false_alarm_rate):
    """A hundred scratched and a hundred good parts, so that effectiveness has 200."""
    scratched = [Trial("ivy", f"S{i}", i >= misses, True) for i in range(100)]
    good = [Trial("ivy", f"G{i}", i < false_alarms, False) for i in range(100)]
    (ivy,) = attribute_study(scratched + good).inspectors
    assert list(ivy.grades.values()) == [effectiveness, miss_rate, false_alarm_rate]


def test_unsure_answers_and_parts_without_a_reference_enter_nothing_they_cannot_tell():
    trials = [Trial("ivy", "A", None, True), Trial("ivy", "B", True), Trial("max", "B", True)]
    result = attribute_study(trials)
    assert (result.unsure, result.between, result.against_reference) == (1, Rate(1, 1), Rate(0, 0))
    assert result.inspectors[0].unsure == Rate(1, 1)
    assert set(result.inspectors[0].grades.values()) == {"too many unsure"}
    assert set(result.inspectors[1].grades.values()) >= {"not defined"}


def test_a_study_without_trials_has_no_values():
    result = attribute_study([])
    assert (result.inspectors, result.between.value, result.kappa_between, result.unsure) == ((), None, None, 0)


def always_right(scratched, good):
    return [Trial("ivy", f"P{part}", part < scratched, part < scratched) for part in range(scratched + good)]


def test_no_miss_in_48_is_acceptable_and_its_bound_says_less():
    (ivy,) = attribute_study(always_right(48, 102)).inspectors
    misses = next(one for one in ivy.graded() if one.figure == "miss_rate")
    assert (misses.rate, misses.grade, misses.grade_of_bound) == (Rate(0, 48), "acceptable", "unacceptable")
    assert misses.bound == pytest.approx(0.0605, abs=5e-5)
    assert misses.bound_says_less
    assert (ivy.verdict, ivy.proven()) == ("acceptable", "unacceptable")


def test_149_without_a_miss_prove_what_the_grade_says():
    study = attribute_study(always_right(149, 102))
    assert (study.verdict, study.proven()) == ("acceptable", "acceptable")
    assert not any(one.bound_says_less for one in study.inspectors[0].graded())
    assert study.proven(0.99) == "marginal"


def test_the_bound_of_an_effectiveness_is_the_lower_one():
    (ivy,) = attribute_study(always_right(10, 10)).inspectors
    effectiveness = ivy.graded()[0]
    assert (effectiveness.bound, effectiveness.grade_of_bound) == (Rate(20, 20).lower(0.95), "marginal")


@pytest.mark.parametrize(("unsure", "verdict"), [(10, "acceptable"), (11, "too many unsure")])
def test_whoever_leaves_the_hard_parts_unsure_is_not_graded_by_the_easy_ones(unsure, verdict):
    trials = [Trial("ivy", f"H{part}", None, True) for part in range(unsure)]
    easy = [Trial("ivy", f"P{part}", part < 100, part < 100) for part in range(200)]
    unknown = [Trial("ivy", f"U{part}", True) for part in range(100)]  # of unknown truth: no smaller share
    found = attribute_study([*trials, *easy[unsure:], *unknown])
    (ivy,) = found.inspectors
    assert (ivy.unsure, ivy.miss_rate.k) == (Rate(unsure, 200), 0)
    assert ivy.grades["miss_rate"] == ivy.verdict == found.verdict == verdict


def test_too_many_unsure_answers_make_nothing_unacceptable_better():
    wrong = [Trial("ivy", f"P{part}", False, True) for part in range(20)]
    (ivy,) = attribute_study([*wrong, *(Trial("ivy", f"U{part}", None, True) for part in range(20))]).inspectors
    assert ivy.verdict == "unacceptable"


def test_a_verdict_is_the_worst_grade_of_anybody():
    assert worst(["acceptable", "marginal"]) == "marginal"
    assert worst(["acceptable", "not defined", "marginal"]) == "not defined"
    assert worst(["not defined", "unacceptable"]) == "unacceptable"
    assert attribute_study(study()).verdict == "unacceptable"
    assert attribute_study([]).verdict == "not defined"
    assert attribute_study(always_right(0, 50)).verdict == "not defined"  # nobody knows about misses


def test_kappa_within_is_that_of_an_inspectors_own_rounds():
    ivy, other = attribute_study(study()).inspectors
    assert ivy.kappa_within.value == 1.0
    assert other.kappa_within == fleiss([[1, 1], [0, 2]] + [[2, 0]] * 8)
    assert attribute_study(study()[:10]).inspectors[0].kappa_within == Kappa(None, 0, 0.0)


def test_a_pair_of_inspectors_is_set_side_by_side_round_by_round():
    (pair,) = attribute_study(study()).pairs
    assert (pair.one, pair.other, pair.table) == ("ivy", "max", Confusion(16, 0, 1, 3))
    assert pair.agreement == Rate(19, 20)
    assert pair.kappa == pair.table.kappa


def test_an_unsure_answer_leaves_out_its_round_and_moves_no_other():
    ivy = [Trial("ivy", "A", answer) for answer in (None, True, False)]
    other = [Trial("max", "A", answer) for answer in (True, True, False)]
    (pair,) = attribute_study(ivy + other).pairs
    assert pair.table == Confusion(both_ok=1, both_scratched=1)


def test_rounds_that_are_named_need_no_order():
    ivy = [Trial("ivy", "A", bool(turn), True, turn) for turn in (0, 1, 2)]
    other = [Trial("max", "A", bool(turn), True, turn) for turn in (2, 0)]
    (pair,) = attribute_study(ivy + other).pairs
    assert pair.table == Confusion(both_ok=1, both_scratched=1)


def test_inspectors_without_a_part_in_common_are_no_pair():
    assert attribute_study([Trial("ivy", "A", True), Trial("max", "B", True)]).pairs == ()


def test_kappa_is_good_from_0_75():
    assert Kappa(0.75, 10, 0.0).good
    assert not Kappa(0.749, 10, 0.0).good
