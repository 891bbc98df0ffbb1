"""Every statistic of agreement and of scores, against independent libraries, exact fractions and published tables.

Hypothesis draws a seed and a size; a seed makes many tables at once, so thousands are checked in seconds. A quarter of
all counts is 0, the largest are 1e9.
"""

import math
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.calibration import calibration_curve
from sklearn.metrics import cohen_kappa_score, f1_score, precision_score, recall_score
from statsmodels.stats.contingency_tables import Table
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss_kappa
from statsmodels.stats.proportion import proportion_confint

from shadow.agreement import (
    Confusion,
    Hour,
    Kappa,
    PeopleTable,
    Rate,
    Trial,
    attribute_study,
    clopper_pearson,
    cochran_armitage,
    cohen_kappa,
    fleiss,
    misses_by_hour,
    needed_without_one,
    people_confusion,
    trend,
)
from shadow.scores import EDGES, ScoreCounts, expected_calibration_error, histogram, reliability, risk_coverage

TABLES = 50  # from one seed
BILLION = 1_000_000_000

seeds = st.integers(0, 2**32 - 1)
many = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def counts(seed, shape, largest=BILLION):
    """Counts of every size up to `largest`, a quarter of them 0."""
    rng = np.random.default_rng(seed)
    sizes = np.floor(np.exp(rng.uniform(0, math.log(largest + 1), shape))).astype(int)
    return np.where(rng.random(shape) < 0.25, 0, np.minimum(sizes, largest))


def tables(seed, largest=BILLION):
    return [Confusion(*row) for row in counts(seed, (TABLES, 4), largest).tolist()]


def rates(seed):
    k, rest = counts(seed, (2, TABLES))
    return np.append(k, [0, 0, 1, 0, BILLION]), np.append(k + rest, [1, BILLION, 1, 48, BILLION])


# ---- Rates


@given(seeds, st.floats(0.5, 0.9999))
@many
def test_wilson(seed, confidence):
    k, n = (numbers[rates(seed)[1] > 0] for numbers in rates(seed))
    found = [Rate(*row).interval(confidence) for row in zip(k.tolist(), n.tolist(), strict=True)]
    expected = np.transpose(proportion_confint(k, n, 1 - confidence, method="wilson"))
    assert np.array(found) == pytest.approx(expected, rel=1e-7, abs=1e-15)


@given(seeds, st.floats(0.5, 0.9999))
@many
def test_clopper_and_pearson(seed, confidence):
    k, n = (numbers[rates(seed)[1] > 0] for numbers in rates(seed))
    found = np.array([Rate(*row).exact(confidence) for row in zip(k.tolist(), n.tolist(), strict=True)])
    expected = np.transpose(proportion_confint(k, n, 1 - confidence, method="beta"))
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-15)
    one_sided = [
        (Rate(*row).lower(confidence), Rate(*row).upper(confidence)) for row in zip(k.tolist(), n.tolist(), strict=True)
    ]
    expected = np.transpose(proportion_confint(k, n, 2 * (1 - confidence), method="beta"))
    assert np.array(one_sided) == pytest.approx(expected, rel=1e-6, abs=1e-15)


@given(st.floats(0.0001, 0.5), st.floats(0.5, 0.999))
@settings(max_examples=300, deadline=None)
def test_parts_needed_without_a_miss(limit, confidence):
    needed = needed_without_one(limit, confidence)
    assert Rate(0, needed).upper(confidence) <= limit * (1 + 1e-9)
    assert needed == 1 or Rate(0, needed - 1).upper(confidence) > limit * (1 - 1e-9)


def test_published_bounds():
    assert Rate(0, 48).upper(0.95) == pytest.approx(0.0605, abs=5e-5)
    assert needed_without_one(0.02, 0.95) == 149
    assert Rate(0, 149).upper(0.95) <= 0.02 < Rate(0, 148).upper(0.95)
    assert clopper_pearson(0, BILLION, 0.05)[1] == pytest.approx(-math.log(0.05) / BILLION, rel=1e-8)


@pytest.mark.parametrize(("limit", "confidence"), [(0, 0.95), (1, 0.95), (0.02, 0), (0.02, 1), (math.nan, 0.95)])
def test_no_number_of_parts_answers_nonsense(limit, confidence):
    assert needed_without_one(limit, confidence) is None


# ---- Two judges


def exact_kappa(a, b, c, d):
    """Kappa and the variance of Fleiss, Cohen and Everitt's equation 13 in fractions, so without any rounding."""
    n = a + b + c + d
    p = [[Fraction(a, n), Fraction(b, n)], [Fraction(c, n), Fraction(d, n)]]
    row, col = [sum(line) for line in p], [p[0][j] + p[1][j] for j in (0, 1)]
    observed, chance = p[0][0] + p[1][1], row[0] * col[0] + row[1] * col[1]
    kappa = (observed - chance) / (1 - chance)
    alike = sum(p[i][i] * ((1 - chance) - (col[i] + row[i]) * (1 - observed)) ** 2 for i in (0, 1))
    unlike = (1 - observed) ** 2 * sum(p[i][1 - i] * (col[i] + row[1 - i]) ** 2 for i in (0, 1))
    rest = (observed * chance - 2 * chance + observed) ** 2
    return kappa, (alike + unlike - rest) / (n * (1 - chance) ** 4)


@given(seeds)
@many
def test_cohens_kappa_in_fractions(seed):
    for table in tables(seed):
        kappa = table.kappa
        if kappa.value is None:
            assert (table.both_ok == table.n) or (table.both_scratched == table.n)
            continue
        value, variance = exact_kappa(table.both_ok, table.overkill, table.escape, table.both_scratched)
        assert kappa.value == pytest.approx(float(value), rel=1e-14, abs=1e-300)
        assert kappa.variance == pytest.approx(float(variance), rel=1e-7, abs=1e-20)


@given(seeds, st.floats(0.5, 0.999))
@settings(max_examples=15, deadline=None)
def test_cohens_kappa_in_statsmodels(seed, confidence):
    for table in tables(seed, largest=10_000):
        if table.kappa.value is None:
            continue
        with np.errstate(all="ignore"):  # it also tests kappa = 0, which a table of one class in a row does not let it
            expected = cohens_kappa([[table.both_ok, table.overkill], [table.escape, table.both_scratched]])
        assert table.kappa.value == pytest.approx(expected.kappa, abs=1e-9)
        assert table.kappa.variance == pytest.approx(max(0.0, expected.var_kappa), rel=1e-5, abs=1e-10)
        half = norm.ppf((1 + confidence) / 2) * math.sqrt(table.kappa.variance)
        ends = max(-1, table.kappa.value - half), min(1, table.kappa.value + half)
        assert table.kappa.interval(confidence) == pytest.approx(ends)


@given(seeds, st.integers(1, 300))
@settings(max_examples=10, deadline=None)
def test_rates_of_a_table_in_scikit_learn(seed, parts):
    """Its metrics of many labels at once: each label is a table of its own, some of one class."""
    rng = np.random.default_rng(seed)
    shares = rng.random((4, 1, 200)) ** 3 * rng.integers(0, 2, (4, 1, 200))
    person = rng.random((parts, 200)) < shares[0]
    model = rng.random((parts, 200)) < np.where(person, 1 - shares[1], shares[2])
    asked = {"average": None, "zero_division": np.nan}
    expected = {
        "agreement": (person == model).mean(axis=0),
        "positive_agreement": f1_score(person, model, **asked),
        "miss_rate": 1 - recall_score(person, model, **asked),
        "false_alarm_rate": 1 - recall_score(~person, ~model, **asked),
        "overkill_rate": 1 - precision_score(person, model, **asked),
        "escape_rate": 1 - precision_score(~person, ~model, **asked),
    }
    cells = [(~person & ~model), (~person & model), (person & ~model), (person & model)]
    of_labels = [Confusion(*row) for row in np.sum(cells, axis=1).T.tolist()]
    for name, values in expected.items():
        found = [getattr(table, name).value for table in of_labels]
        assert np.array(found, dtype=float) == pytest.approx(values, abs=1e-12, nan_ok=True), name


def test_aiags_published_tables():
    """AIAG, Measurement Systems Analysis: A, B and C, 50 parts three times each, 0 is a part to reject."""
    of_two = {"AB": (97, 3, 6, 44), "AC": (92, 8, 7, 43), "BC": (94, 9, 5, 42)}
    assert {pair: round(cohen_kappa(*cells).value, 2) for pair, cells in of_two.items()} == {
        "AB": 0.86, "AC": 0.78, "BC": 0.79,
    }  # fmt: skip
    of_reference = {"A": (97, 5, 3, 45), "B": (100, 2, 3, 45), "C": (93, 9, 6, 42)}
    cells = [(False, False), (False, True), (True, False), (True, True)]
    study = attribute_study(
        Trial(name, f"{place}.{turn}", answer, reference)
        for name, numbers in of_reference.items()
        for place, ((reference, answer), n) in enumerate(zip(cells, numbers, strict=True))
        for turn in range(n)
    )
    assert [
        (
            one.inspector,
            *(
                round(figure.value, digits)
                for figure, digits in ((one.kappa, 2), (one.miss_rate, 3), (one.false_alarm_rate, 3))
            ),
        )
        for one in study.inspectors
    ] == [("A", 0.88, 0.062, 0.049), ("B", 0.92, 0.062, 0.020), ("C", 0.77, 0.125, 0.088)]
    assert study.verdict == "unacceptable"
    # Always right of 50 parts, with AIAG's own bounds in whole percent.
    always_right = {"A": (42, 71, 93), "B": (45, 78, 97), "C": (40, 66, 90)}
    for k, low, high in always_right.values():
        assert tuple(round(100 * end) for end in Rate(k, 50).exact(0.95)) == (low, high)


def test_fleiss_own_example_one_class_against_the_rest():
    """Fleiss, Statistical Methods for Rates and Proportions: 100 patients, psychotic, neurotic and organic."""
    collapsed = {(15, 5, 5, 75): 0.69, (89, 1, 6, 4): 0.50, (85, 5, 0, 10): 0.77}
    for cells, kappa in collapsed.items():
        assert cohen_kappa(*cells).value == pytest.approx(kappa, abs=0.005)


# ---- Two people


@given(seeds)
@many
def test_people_in_both_orders(seed):
    for row in counts(seed, (TABLES, 4), largest=100_000).tolist():
        both_ok, first, second, both_scratched = row
        table = PeopleTable(both_ok, first + second, both_scratched)
        doubled = Confusion(2 * both_ok, table.differ, table.differ, 2 * both_scratched)
        one_way, other_way = Confusion(*row), Confusion(both_ok, second, first, both_scratched)
        assert table.agreement == one_way.agreement == other_way.agreement
        assert table.positive_agreement == one_way.positive_agreement == other_way.positive_agreement
        assert table.kappa.value == doubled.kappa.value
        if table.kappa.value is None:
            continue
        # Donner and Eliasziw (1992), Statistics in Medicine 11, 1511-1519: the kappa of interchangeable judges.
        k, p = table.kappa.value, (2 * both_scratched + table.differ) / (2 * table.n)
        variance = (1 - k) / table.n * ((1 - k) * (1 - 2 * k) + k * (2 - k) / (2 * p * (1 - p)))
        assert table.kappa.variance == pytest.approx(variance, rel=1e-6, abs=1e-12)


@given(st.lists(st.tuples(*[st.sampled_from([True, False, None])] * 2), max_size=60), st.randoms())
@settings(max_examples=60, deadline=None)
def test_which_of_two_people_comes_first_means_nothing(pairs, random):
    table = people_confusion(pairs)
    assert table == people_confusion(pair[:: random.choice((1, -1))] for pair in pairs)
    sure = [pair for pair in pairs if None not in pair]
    assert (table.n, table.unsure) == (len(sure), len(pairs) - len(sure))
    first, second = ([pair[place] for pair in sure] for place in (0, 1))
    if table.kappa.value is not None:
        both_orders = cohen_kappa_score([*first, *second], [*second, *first])
        assert table.kappa.value == pytest.approx(both_orders)
    if table.positive_agreement.value is not None:
        assert table.positive_agreement.value == pytest.approx(f1_score(first, second))
    assert table + PeopleTable() == table


def test_people_without_pairs_or_with_one_class_have_no_kappa():
    for table in (PeopleTable(), PeopleTable(both_ok=5), PeopleTable(both_scratched=5)):
        assert table.kappa == Kappa(None, table.n, 0.0)
    assert PeopleTable().agreement.value is PeopleTable().positive_agreement.value is None
    with pytest.raises(ValueError, match="cannot be negative"):
        PeopleTable(differ=-1)


# ---- Several judges

# Fleiss (1971), table 1: 30 patients, 6 psychiatrists each; depression, personality disorder, schizophrenia, neurosis,
# other.
PSYCHIATRISTS = """
00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031
00501 30012 51000 02040 10203 00006 01050 02013 20040 10041 05010 40002 02040 10500 00006
"""


def test_the_published_table_of_the_psychiatrists():
    table = [[int(count) for count in row] for row in PSYCHIATRISTS.split()]
    assert {sum(row) for row in table} == {6}
    assert round(fleiss(table).value, 3) == 0.430
    # A class against the rest, as published.
    of_class = [fleiss([[row[k], 6 - row[k]] for row in table]).value for k in range(5)]
    assert of_class == pytest.approx([0.245, 0.245, 0.520, 0.471, 0.566], abs=5e-4)


def gwet(table):
    """Fleiss' kappa and its variance as Gwet writes them for parts with as many answers each."""
    n, answers = len(table), table[0].sum()
    shares = table.mean(axis=0) / answers
    agreed = (table * (table - 1)).sum(axis=1) / (answers * (answers - 1))
    chance, by_chance = (shares**2).sum(), (table / answers * shares).sum(axis=1)
    kappa = (agreed.mean() - chance) / (1 - chance)
    of_part = (agreed - chance) / (1 - chance) - 2 * (1 - kappa) * (by_chance - chance) / (1 - chance)
    return kappa, ((of_part - kappa) ** 2).sum() / (n * (n - 1))


@given(seeds, st.integers(2, 40), st.integers(2, 6), st.integers(2, 5))
@many
def test_fleiss_kappa_of_parts_with_as_many_answers(seed, parts, answers, classes):
    rng = np.random.default_rng(seed)
    for _ in range(TABLES):
        table = rng.multinomial(answers, rng.dirichlet(np.full(classes, 0.5)), size=parts)
        found = fleiss(table)
        if found.value is None:
            assert (table.sum(axis=0) > 0).sum() == 1
            continue
        value, variance = gwet(table)
        assert found.value == pytest.approx(statsmodels_fleiss_kappa(table), abs=1e-9)
        assert (found.value, found.variance, found.n) == (
            pytest.approx(value),
            pytest.approx(variance, abs=1e-12),
            parts,
        )


@given(seeds, st.integers(1, 30))
@many
def test_fleiss_kappa_of_any_parts(seed, parts):
    """Against pairs of answers counted in fractions, and its variance against leaving out each part once."""
    rng = np.random.default_rng(seed)
    for _ in range(5):
        table = rng.integers(0, 4, size=(parts, 2)) * rng.integers(0, 2, size=(parts, 2))
        kept = [(Fraction(int(a)), Fraction(int(b))) for a, b in table if a + b >= 2]
        found = fleiss(table)
        total = sum((a + b for a, b in kept), Fraction())
        assert found.n == len(kept)
        if found.value is None:
            assert not total or sum(a for a, _ in kept) in (0, total)
            continue
        unlike = sum(2 * a * b / ((a + b) * (a + b - 1)) for a, b in kept) / len(kept)
        chance = 2 * sum(a for a, _ in kept) * sum(b for _, b in kept) / total**2
        assert found.value == pytest.approx(float(1 - unlike / chance), abs=1e-12)


def test_the_variance_of_fleiss_kappa_is_that_of_leaving_out_parts():
    rng = np.random.default_rng(8)
    truth = rng.random(400) < 0.3
    answers = rng.integers(2, 6, 400)
    scratched = rng.binomial(answers, np.where(truth, 0.85, 0.05))
    table = np.stack([answers - scratched, scratched], axis=1)
    left_out = np.array([fleiss(np.delete(table, part, axis=0)).value for part in range(400)])
    assert fleiss(table).variance == pytest.approx(399 / 400 * ((left_out - left_out.mean()) ** 2).sum(), rel=0.02)


def test_fleiss_kappa_in_the_cases_that_say_little():
    assert fleiss([[2, 1]]).interval(0.95) == (-1.0, 1.0)  # a single part
    assert fleiss([[2, 0], [0, 2]]).interval(0.95) == (1.0, 1.0)
    assert fleiss([[-1, 3], [2, 0], [1, 1]]) == fleiss([[2, 0], [1, 1]])
    few, rare = fleiss([[2, 0], [1, 1]]), fleiss([[BILLION, 0], [BILLION - 1, 1]])
    assert few.value == pytest.approx(-1 / 3)
    assert rare.value == pytest.approx(-1 / (2 * BILLION - 1), rel=1e-6)


# ---- The attribute study


@st.composite
def studies(draw):
    """Some inspectors, some parts, some rounds: answers at random, a few unsure, some parts without a reference."""
    rng = np.random.default_rng(draw(seeds))
    inspectors, parts, rounds = draw(st.integers(1, 4)), draw(st.integers(0, 12)), draw(st.integers(1, 3))
    references = [None if rng.random() < 0.1 else bool(rng.random() < 0.4) for _ in range(parts)]
    return [
        Trial(f"i{who}", f"P{part}", None if rng.random() < 0.1 else bool(rng.random() < 0.5), references[part], turn)
        for turn in range(rounds)
        for who in range(inspectors)
        for part in range(parts)
        if rng.random() < 0.9
    ]


@given(studies())
@settings(max_examples=150, deadline=None)
def test_an_attribute_study_counted_again(trials):
    found = attribute_study(trials)
    sure = [trial for trial in trials if trial.answer is not None]
    for one in found.inspectors:
        own = [trial for trial in sure if trial.inspector == one.inspector]
        answers = {part: [t.answer for t in own if t.part == part] for part in {t.part for t in own}}
        repeated = [said for said in answers.values() if len(said) >= 2]
        assert one.within == Rate(sum(len(set(said)) == 1 for said in repeated), len(repeated))
        again = fleiss([[said.count(False), said.count(True)] for said in repeated])
        assert (one.kappa_within.value, one.kappa_within.n) == (pytest.approx(again.value), again.n)
        known = [trial for trial in own if trial.reference is not None]
        assert one.effectiveness == Rate(sum(t.answer == t.reference for t in known), len(known))
        right = {t.part: all(o.answer == o.reference for o in known if o.part == t.part) for t in known}
        assert one.against_reference == Rate(sum(right.values()), len(right))
    assert found.confusion == sum((one.confusion for one in found.inspectors), Confusion())
    by_turn = {(t.inspector, t.part, t.round): t.answer for t in sure}
    for one, other in combinations(sorted({trial.inspector for trial in trials}), 2):
        both = [
            (said, by_turn[other, part, turn])
            for (who, part, turn), said in by_turn.items()
            if who == one and (other, part, turn) in by_turn
        ]
        pairs = [pair for pair in found.pairs if (pair.one, pair.other) == (one, other)]
        assert len(pairs) == bool(both)
        for pair in pairs:
            cells = [both.count(cell) for cell in ((False, False), (False, True), (True, False), (True, True))]
            assert pair.table == Confusion(*cells)
            if pair.kappa.value is not None:
                assert pair.kappa.value == pytest.approx(cohen_kappa_score(*np.transpose(both)))
            assert pair.agreement.n == pair.table.n == pair.kappa.n


# ---- Hours of a shift


@given(seeds, st.integers(2, 12))
@many
def test_cochran_and_armitage(seed, groups):
    rng = np.random.default_rng(seed)
    for _ in range(TABLES // 5):
        n = rng.integers(0, 300, groups)
        k = rng.binomial(n, rng.random(groups) * rng.random())
        hours = np.sort(rng.choice(24, groups, replace=False))
        found = cochran_armitage(
            (hour, Rate(*row)) for hour, *row in zip(hours.tolist(), k.tolist(), n.tolist(), strict=True)
        )
        if found is None:
            assert k.sum() in (0, n.sum()) or (n > 0).sum() < 2
            continue
        table = np.stack([n - k, k], axis=1)
        expected = Table(table, shift_zeros=False).test_ordinal_association(row_scores=hours, col_scores=np.arange(2))
        # It divides by n - 1 where Cochran and Armitage divide by n.
        z = expected.zscore * math.sqrt(n.sum() / (n.sum() - 1))
        assert found.z == pytest.approx(z, rel=1e-9, abs=1e-12)
        assert found.p_value == pytest.approx(2 * norm.sf(abs(z)), rel=1e-8)


def test_published_trends():
    # Graubard and Korn (1987), Biometrics 43: malformations by drinks a day; Agresti's z squared is 6.57.
    rows = [(48, 17114), (38, 14502), (5, 793), (1, 127), (1, 38)]
    drinks = cochran_armitage((score, Rate(*row)) for score, row in zip((0, 0.5, 1.5, 4, 7), rows, strict=True))
    assert drinks.z**2 == pytest.approx(6.57, abs=0.005)
    evenly = cochran_armitage((score, Rate(*row)) for score, row in enumerate(rows))
    assert evenly.p_value / 2 == pytest.approx(0.0882, abs=5e-5)


@pytest.mark.parametrize(
    "groups", [[], [(1, Rate(3, 9))], [(1, Rate(0, 9)), (2, Rate(0, 9))], [(1, Rate(9, 9)), (2, Rate(9, 9))],
               [(1, Rate(1, 9)), (1, Rate(2, 9))], [(1, Rate(1, 9)), (2, Rate(0, 0))]],
)  # fmt: skip
def test_a_trend_needs_two_hours_and_both_answers(groups):
    assert cochran_armitage(groups) is None


def looks(hour, *, people=3, each=10, missed=0):
    """Scratched references shown in an hour: `each` to every inspector, of which `missed` are missed in all."""
    return [(hour, True, place >= missed, f"i{place % people}") for place in range(people * each)]


def test_misses_are_pooled_by_whole_hours():
    rows = looks(0.2, missed=2) + looks(0.9, missed=1) + looks(1.0)
    assert misses_by_hour(rows) == [Hour(0, Rate(3, 60)), Hour(1, Rate(0, 30))]
    assert misses_by_hour([]) == []


def test_an_hour_of_few_people_or_parts_is_withheld():
    rows = [*looks(0, people=2, each=20), *looks(1, each=6), *looks(2, each=7), (3, False, True, "i1")]
    found = misses_by_hour(rows)
    assert found == [
        Hour(0, None, "too few people"), Hour(1, None, "too few parts"), Hour(2, Rate(0, 21)),
        Hour(3, None, "too few people"),
    ]  # fmt: skip
    assert [hour.value for hour in found] == [None, None, 0.0, None]
    assert misses_by_hour(rows, fewest_people=2)[0].misses == Rate(0, 40)


def test_only_sure_answers_to_scratched_references_count_and_bring_people():
    rows = [*looks(0, people=2, each=20), (0, True, None, "zoe"), (0, False, False, "pia"), (0, None, True, "max")]
    assert misses_by_hour(rows) == [Hour(0, None, "too few people")]


@pytest.mark.parametrize("hour", [math.nan, math.inf])
def test_an_hour_that_is_none_is_refused(hour):
    with pytest.raises(ValueError, match="An hour of the shift is a number"):
        misses_by_hour([(hour, True, True, "ivy")])


def test_a_trend_is_told_of_the_hours_that_are_shown():
    rising = [Hour(hour, Rate(2 + 2 * hour, 100)) for hour in range(8)]
    assert trend([*rising, Hour(8, None, "too few people")]) == trend(rising)
    assert trend(rising).z > 2
    assert trend(rising).p_value < 0.01
    assert trend([Hour(7 - hour.hour, hour.misses) for hour in rising]).z == pytest.approx(-trend(rising).z)
    assert trend([]) is None


# ---- Scores


def scored(seed, parts):
    """Scores near 0, near 1, between, and on the edges; scratched about as often as the score says, or all alike."""
    rng = np.random.default_rng(seed)
    kinds = rng.random(parts), rng.random(parts) ** 8, 1 - rng.random(parts) ** 8, rng.choice(EDGES, parts)
    scores = np.choose(rng.integers(0, 4, parts), kinds)
    scratched = rng.random(parts) < (scores if rng.random() < 0.9 else rng.integers(0, 2))
    return scores, scratched, ScoreCounts.of(zip(scores.tolist(), scratched.tolist(), strict=True))


@given(seeds, st.integers(0, 400))
@settings(max_examples=400, deadline=None)
def test_risk_and_coverage_counted_again(seed, parts):
    scores, scratched, found = scored(seed, parts)
    points = risk_coverage(found)
    thresholds = np.array(EDGES[1:])
    passed = (scores[:, None] < thresholds) | (thresholds == 1)  # (parts, thresholds)
    expected = {}
    for place, threshold in enumerate(EDGES[1:]):
        k = int((passed[:, place] & scratched).sum())
        rates = (
            Rate(int(passed[:, place].sum()), parts),
            Rate(k, int(passed[:, place].sum())),
            Rate(k, int(scratched.sum())),
        )
        expected.setdefault(rates, threshold)
    assert [(p.coverage, p.risk, p.miss, p.threshold) for p in points] == (
        [(*k, t) for k, t in expected.items()] if parts else []
    )
    bars = histogram(found)
    assert [bar.ok + bar.scratched for bar in bars] == np.histogram(scores, [*(bar.low for bar in bars), 1.0])[
        0
    ].tolist()


@given(seeds, st.integers(0, 400))
@settings(max_examples=400, deadline=None)
def test_reliability_counted_again(seed, parts):
    scores, scratched, found = scored(seed, parts)
    error = 0.0
    for group in reliability(found):
        within = (scores >= group.low) & ((scores < group.high) | (group.high == 1))
        assert (group.n, group.scratched) == (within.sum(), Rate(int(scratched[within].sum()), int(within.sum())))
        assert group.mean_score == pytest.approx(scores[within].mean(), abs=1e-6)
        error += within.sum() / parts * abs(scores[within].mean() - scratched[within].mean())
    assert parts == 0 or expected_calibration_error(found) == pytest.approx(error, abs=2e-6)


@given(seeds, st.integers(1, 19))
@settings(max_examples=300, deadline=None)
def test_reliability_in_scikit_learn(seed, parts):
    """Fewer than 20 parts are grouped by tenths of the score, as scikit-learn groups them."""
    rng = np.random.default_rng(seed)
    scores = (rng.integers(0, 1000, parts) + 0.5) / 1000  # on no edge, where scikit-learn turns the other way
    scratched = rng.random(parts) < scores
    groups = reliability(ScoreCounts.of(zip(scores.tolist(), scratched.tolist(), strict=True)))
    shares, means = calibration_curve(scratched, scores, n_bins=10)
    assert [group.scratched.value for group in groups] == pytest.approx(shares)
    assert [group.mean_score for group in groups] == pytest.approx(means)


def test_a_billion_parts_are_counted_without_loss():
    counted = ScoreCounts.from_bins({0: (BILLION, 1, 1), 39: (0, BILLION, BILLION * 10**6 - 1)})
    first, last = risk_coverage(counted)[0], risk_coverage(counted)[-1]
    assert (first.risk, first.miss) == (Rate(1, BILLION + 1), Rate(1, BILLION + 1))
    assert (last.coverage, last.risk) == (Rate(2 * BILLION + 1, 2 * BILLION + 1), Rate(BILLION + 1, 2 * BILLION + 1))
    assert counted - counted == ScoreCounts.from_bins({})
