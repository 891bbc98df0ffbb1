"""Certificates, bounds and the watch over audits: published numbers, simulations, rules and the traps."""

import json
import math
from dataclasses import replace
from functools import partial

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automation.evidence import (
    NEVER,
    BurstDetector,
    EscapeDetector,
    certify,
    certify_at,
    clopper_pearson,
    e_harm,
    e_safe,
    expected_unaudited_escapes,
    found_limit,
    horvitz_thompson,
    lower_bound,
    needed,
    smallest_burst,
    upper_bound,
)

ALPHA, DELTA = 0.005, 0.05
ENOUGH = math.log(1 / DELTA)

limits = st.floats(1e-6, 1 - 1e-6)
deltas = st.floats(1e-6, 0.5)
parts_and_escapes = st.integers(0, 100_000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


def first_escapes(rate, runs, escapes, seed):
    """When the first, second, .. escape comes in each run: shape (runs, escapes), counted in parts from 1."""
    return np.random.default_rng(seed).geometric(rate, (runs, escapes)).cumsum(axis=1)


def share_ever_certified(arrivals, enough, horizon):
    """Share of runs that show k escapes at n >= enough[k] parts before the next escape, at some n <= horizon."""
    return np.mean(((enough < arrivals) & (enough <= horizon)).any(axis=1))


def one_look(k):
    """Smallest n whose single planned look certifies with k escapes."""
    low, high = k, 100 + 1_000 * (k + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if clopper_pearson(k, middle, DELTA)[1] <= ALPHA else (middle, high)
    return high


# The numbers of the tables


@pytest.mark.parametrize(
    ("alpha", "k", "n"),
    [(ALPHA, k, n) for k, n in enumerate([756, 1_329, 1_769, 2_162, 2_528, 2_877])]
    + [(0.01, 0, 377), (0.002, 0, 1_893), (0.001, 0, 3_787)]
    + [(0.5, 0, 6), (0.5, 1, 11), (0.5, 2, 14)],
)
def test_parts_needed_at_every_look(alpha, k, n):
    assert needed(alpha, DELTA, k) == n
    assert e_safe(n - 1, k, alpha) < ENOUGH <= e_safe(n, k, alpha)


@pytest.mark.parametrize(("k", "n"), list(enumerate([598, 947, 1_258, 1_549, 1_829, 2_100])))
def test_parts_needed_at_one_planned_look(k, n):
    assert one_look(k) == n


def exact_log_evidence(n, k, alpha):
    """The integral of the definition, to 30 digits."""
    with mpmath.workdps(30):
        prior = partial(mpmath.betainc, 0.5, 0.5, 0, alpha)
        mixed = mpmath.betainc(0.5 + k, 0.5 + n - k, 0, mpmath.mpf(alpha))
        return float(mpmath.log(mixed / prior()) - k * mpmath.log(alpha) - (n - k) * mpmath.log1p(-mpmath.mpf(alpha)))


@pytest.mark.parametrize(
    ("n", "k", "alpha"),
    [
        (1, 0, ALPHA),
        (1, 1, ALPHA),
        (756, 0, ALPHA),
        (2_877, 5, ALPHA),
        (1_000, 100, ALPHA),
        (500, 400, 0.01),
        (90, 3, 0.9),
    ],
)
def test_the_evidence_is_the_integral_of_its_definition(n, k, alpha):
    assert e_safe(n, k, alpha) == pytest.approx(exact_log_evidence(n, k, alpha), abs=1e-10)
    assert e_harm(n, n - k, 1 - alpha) == pytest.approx(e_safe(n, k, alpha), abs=1e-10)


def test_evidence_where_the_incomplete_beta_function_underflows():
    # p F / (B I) with all mass at the upper end: sqrt(alpha (1 - alpha)) / p * 1 / (1 - alpha n / k), to order 1 / k.
    n, k, alpha = 1_000_000, 500_000, 0.001
    leading = 0.5 * math.log(alpha * (1 - alpha)) - math.log(k) - math.log((1 - alpha * n / k) / (1 - alpha))
    prior = math.log(2 * math.asin(math.sqrt(alpha)))
    assert e_safe(n, k, alpha) == pytest.approx(leading - math.log(1 - alpha) - prior, abs=3e-3)


# What anytime-valid buys


def test_false_certificates_stay_under_delta_however_often_one_looks():
    arrivals = first_escapes(ALPHA, runs=20_000, escapes=200, seed=1)
    every_look = np.array([needed(ALPHA, DELTA, k) for k in range(200)])
    planned_look_taken_daily = np.array([one_look(k) for k in range(200)])
    assert share_ever_certified(arrivals, every_look, 20_000) == pytest.approx(0.043, abs=0.005)
    assert share_ever_certified(arrivals, planned_look_taken_daily, 20_000) == pytest.approx(0.28, abs=0.01)


def test_time_uniform_bounds_cover_the_rate_at_all_looks_at_once():
    rng = np.random.default_rng(2)
    missed = 0
    for _ in range(60):
        k = np.cumsum(rng.random(3_000) < 0.1)
        looks = [(n + 1, int(k[n])) for n in range(99, 3_000, 100)]
        missed += any(not lower_bound(*look, 0.025) <= 0.1 <= upper_bound(*look, 0.025) for look in looks)
    assert missed <= 6  # expected at most 3 of 60


# Rules


@given(parts_and_escapes, limits)
def test_evidence_rises_with_parts_and_falls_with_escapes(case, alpha):
    n, k = case
    slack = 1e-9 * (1 + abs(e_safe(n, k, alpha)))
    assert e_safe(n + 1, k, alpha) >= e_safe(n, k, alpha) - slack
    assert e_safe(n + 1, k + 1, alpha) <= e_safe(n, k, alpha) + slack
    assert e_harm(n + 1, k, alpha) <= e_harm(n, k, alpha) + 1e-9 * (1 + abs(e_harm(n, k, alpha)))


@given(parts_and_escapes, limits)
def test_evidence_is_finite(case, alpha):
    n, k = case
    assert math.isfinite(e_safe(n, k, alpha))
    assert math.isfinite(e_harm(n, k, alpha))


@given(parts_and_escapes, deltas)
@settings(max_examples=60)
def test_the_upper_bound_is_where_the_evidence_suffices(case, delta):
    n, k = case
    high, low = upper_bound(n, k, delta), lower_bound(n, k, delta)
    assert 0 <= low <= k / max(1, n) <= high <= 1
    if k < n and high < 1 - 1e-9:
        assert e_safe(n, k, high) >= -math.log(delta)
        assert e_safe(n, k, k / n + (high - k / n) * 0.999) < -math.log(delta)
    if 0 < k < n:
        assert low == pytest.approx(1 - upper_bound(n, n - k, delta), abs=1e-12)


@given(st.floats(1e-4, 0.5), st.floats(1e-4, 0.5), st.integers(0, 50))
@settings(max_examples=60)
def test_needed_is_the_smallest_number_that_certifies(alpha, delta, k):
    n = needed(alpha, delta, k)
    assert e_safe(n - 1, k, alpha) < -math.log(delta) <= e_safe(n, k, alpha)
    assert n < needed(alpha, delta, k + 1)


@pytest.mark.parametrize("evidence", [e_safe, e_harm])
@pytest.mark.parametrize(
    ("n", "k", "alpha"), [(0, 0, 0.1), (5, 6, 0.1), (5, -1, 0.1), (-1, 0, 0.1), (5, 1, 0), (5, 1, 1), (5, 1, math.nan)]
)
def test_nonsense_is_no_evidence(evidence, n, k, alpha):
    assert evidence(n, k, alpha) == 0.0


@pytest.mark.parametrize(("n", "k", "delta"), [(0, 0, 0.05), (5, 6, 0.05), (5, -1, 0.05), (5, 2, 0), (5, 2, math.nan)])
def test_bounds_of_nonsense_exclude_nothing(n, k, delta):
    assert (lower_bound(n, k, delta), upper_bound(n, k, delta)) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("alpha", "delta", "k"),
    [(0, 0.05, 0), (1, 0.05, 0), (0.1, 0, 0), (0.1, 1, 0), (0.1, 0.05, -1), (math.nan, 0.05, 0), (1e-300, 0.05, 0)],
)
def test_no_number_of_parts_is_enough_for_nonsense(alpha, delta, k):
    assert needed(alpha, delta, k) == NEVER


@pytest.mark.parametrize("n", [10**9, 10**12, 10**15])
@pytest.mark.parametrize("alpha", [1e-300, 1e-12, 0.005, 0.5, 1 - 1e-15])
def test_huge_counts_stay_finite(n, alpha):
    for k in (0, 1, n // 1_000, n // 2, n):
        assert math.isfinite(e_safe(n, k, alpha))
        assert math.isfinite(e_harm(n, k, alpha))


# Certificates


def parts(n, scratched_at=(), pending_at=(), score=0.1):
    verdicts = [i in scratched_at for i in range(n)]
    return [score] * n, [None if i in pending_at else verdict for i, verdict in enumerate(verdicts)]


def test_a_certificate_names_the_loosest_threshold_and_its_figures():
    scores = [0.1] * 800 + [0.3] * 100 + [0.9] * 100
    result = certify(scores, [False] * 1_000, [0.2, 0.5], ALPHA, DELTA)
    assert (result.verdict, result.threshold, result.n, result.k) == ("certified", 0.5, 900, 0)
    assert (result.coverage, result.more) == (0.9, 0)
    assert result.bound == upper_bound(900, 0, DELTA) <= ALPHA
    assert "at most 0.42 %" in result.reason


def test_the_sequence_stops_at_the_first_threshold_that_fails():
    # The third threshold alone would pass, with 5 escapes in 3,000; the second stands in its way.
    scores = [0.1] * 800 + [0.3] * 100 + [0.6] * 2_100
    scratched = [False] * 800 + [i < 5 for i in range(100)] + [False] * 2_100
    assert certify(scores, scratched, [0.7], ALPHA, DELTA).verdict == "certified"
    result = certify(scores, scratched, [0.2, 0.5, 0.7], ALPHA, DELTA)
    assert (result.verdict, result.threshold) == ("certified", 0.2)
    assert f"next, {needed(ALPHA, DELTA, 5) - 900:,} more judged parts below 0.5" in result.reason


def test_too_few_parts_are_told_how_many_more_it_takes():
    result = certify(*parts(1_000, scratched_at=[17]), [0.2], ALPHA, DELTA)
    assert (result.verdict, result.threshold, result.more, result.tested) == ("not_yet", None, 329, 0.2)
    assert result.reason.startswith("329 more judged parts below 0.2 are needed if none of them is scratched")
    assert certify(*parts(1_329, scratched_at=[17]), [0.2], ALPHA, DELTA).verdict == "certified"


def test_many_escapes_refute():
    result = certify(*parts(500, scratched_at=range(20)), [0.2, 0.5], ALPHA, DELTA)
    assert (result.verdict, result.n, result.k, result.more) == ("refuted", 500, 20, None)
    assert f"at least {100 * lower_bound(500, 20, DELTA):.3g} %" in result.reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"thresholds": []}, "no thresholds"),
        ({"thresholds": [0.5, 0.2]}, "strictly rising"),
        ({"thresholds": [0.2, 0.2]}, "strictly rising"),
        ({"thresholds": [0.2, math.nan]}, "strictly rising"),
        ({"thresholds": [0.2, math.inf]}, "strictly rising"),
        ({"thresholds": 0.2}, "plain lists"),
        ({"scores": [[0.1]]}, "plain lists"),
        ({"scores": [0.1]}, "1 scores but 2 verdicts"),
        ({"scores": ["low", "high"]}, "must be numbers"),
        ({"scratched": [0, 2]}, "scratched or pending"),
        ({"alpha": 0}, "between 0 and 1"),
        ({"alpha": 1}, "between 0 and 1"),
        ({"alpha": math.nan}, "between 0 and 1"),
        ({"delta": 0}, "between 0 and 1"),
        ({"delta": 1.5}, "between 0 and 1"),
    ],
)
def test_nonsense_is_invalid_with_its_reason(change, reason):
    question = {"scores": [0.1, 0.2], "scratched": [False, None], "thresholds": [0.2], "alpha": ALPHA, "delta": DELTA}
    result = certify(**(question | change))
    assert (result.verdict, result.threshold, result.bound) == ("invalid", None, 1.0)
    assert reason in result.reason


@pytest.mark.parametrize("score", [None, math.nan, math.inf, -math.inf])
def test_a_part_without_a_score_is_not_passed(score):
    result = certify([score] * 1_000, [False] * 1_000, [0.2], ALPHA, DELTA)
    assert (result.verdict, result.n, result.coverage) == ("not_yet", 0, 0.0)


def test_the_better_prefix_is_the_one_before_the_oldest_pending_part_when_a_backlog_stands():
    scores, scratched = parts(1_000, pending_at=range(800, 1_000))
    result = certify(scores, scratched, [0.2], ALPHA, DELTA)
    assert (result.verdict, result.n, result.k, result.pending) == ("certified", 800, 0, 200)


def test_the_better_prefix_is_everything_when_one_old_part_is_pending():
    result = certify(*parts(1_400, pending_at=[3]), [0.2], ALPHA, DELTA)
    assert (result.verdict, result.n, result.k, result.pending) == ("certified", 1_400, 1, 1)


def test_pending_parts_above_the_threshold_do_not_matter():
    scores, scratched = parts(800)
    result = certify([0.9, *scores], [None, *scratched], [0.2], ALPHA, DELTA)
    assert (result.verdict, result.n, result.pending) == ("certified", 800, 0)


def test_an_old_lucky_stretch_does_not_outlive_later_escapes():
    scores, scratched = parts(1_600, pending_at=[800], scratched_at=range(801, 1_600, 20))
    assert e_safe(800, 0, ALPHA) >= ENOUGH
    assert certify(scores, scratched, [0.2], ALPHA, DELTA).verdict == "refuted"


def test_when_only_verdicts_are_missing_the_reason_says_so():
    result = certify(*parts(800, pending_at=range(5)), [0.2], ALPHA, DELTA)
    assert (result.verdict, result.more) == ("not_yet", 0)
    assert result.reason.startswith("the pending parts must be judged first")


@given(
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from([True, False, None])), max_size=60),
    st.lists(st.floats(0.05, 1), min_size=1, max_size=5, unique=True).map(sorted),
    st.floats(0.05, 0.5),
)
def test_a_certificate_is_what_its_own_counts_say(rows, thresholds, alpha):
    scores, scratched = [score for score, _ in rows], [found for _, found in rows]
    result = certify(scores, scratched, thresholds, alpha, DELTA)
    assert 0 <= result.k <= result.n <= sum(score < result.tested for score in scores)
    assert result.bound == upper_bound(result.n, result.k, DELTA)
    assert (result.verdict == "certified") == (result.threshold is not None)
    if result.verdict == "certified":
        assert e_safe(result.n, result.k, alpha) >= ENOUGH
    if not rows:
        assert result.verdict == "not_yet"


@given(st.lists(st.sampled_from([True, False, None]), max_size=60), st.integers(0, 59))
def test_a_pending_part_never_helps_more_than_a_good_one(scratched, place):
    """Judging a part good can only add evidence, and judging it scratched can never certify what pending did not."""
    if place >= len(scratched):
        return
    judged_good = [False if i == place else found for i, found in enumerate(scratched)]
    judged_bad = [True if i == place else found for i, found in enumerate(scratched)]
    scores = [0.1] * len(scratched)
    good, bad = (certify(scores, found, [0.2], 0.2, DELTA) for found in (judged_good, judged_bad))
    assert not (bad.verdict == "certified" and good.verdict != "certified")


def test_a_million_parts_and_twenty_thresholds_give_one_answer():
    rng = np.random.default_rng(3)
    scores = rng.random(1_000_000)
    result = certify(scores, rng.random(1_000_000) < 0.002 * scores, np.linspace(0.05, 1, 20), ALPHA, DELTA)
    assert (result.verdict, result.threshold, result.n) == ("certified", 1.0, 1_000_000)


# Traps: what must never count as evidence, or never look like a pass


def test_trap_2_late_verdicts_on_scratched_parts_do_not_certify_early():
    rng = np.random.default_rng(4)
    certified = left_out = 0
    for _ in range(40):
        scratched = (rng.random(3_000) < 2 * ALPHA).astype(object)
        now = [None if found else False for found in scratched]  # every scratched part is still pending
        judged = [found for found in now if found is not None]
        certified += certify([0.1] * 3_000, now, [0.2], ALPHA, DELTA).verdict == "certified"
        left_out += certify([0.1] * len(judged), judged, [0.2], ALPHA, DELTA).verdict == "certified"
    assert (certified, left_out) == (0, 40)


def test_trap_3_the_limit_shrinks_by_the_sensitivity_of_the_inspectors():
    """Inspectors find half of the scratches at R = 0.6 %: what they find lies under the limit, R does not."""
    naive = first_escapes(0.003, runs=4_000, escapes=100, seed=5)
    enough = np.array([needed(ALPHA, DELTA, k) for k in range(100)])
    assert share_ever_certified(naive, enough, 20_000) > 0.5
    limit = found_limit(ALPHA, seeds=300, found=150)
    assert limit == ALPHA * lower_bound(300, 150, 0.01) < ALPHA / 2
    corrected = np.array([needed(limit, 0.04, k) for k in range(100)])
    assert share_ever_certified(naive, corrected, 20_000) <= 0.05


@pytest.mark.parametrize(("seeds", "found"), [(0, 0), (10, 0)])
def test_trap_3_without_seeds_there_is_no_limit_to_certify_at(seeds, found):
    assert found_limit(ALPHA, seeds, found) == 0.0


def test_trap_4_a_bad_station_hides_in_the_pool_but_not_in_its_own_count():
    # Three good stations and one at 1.8 %, 600 parts each.
    station = [i % 55 == 0 for i in range(600)]
    pool = [False] * 1_800 + station
    alpha = 0.01
    assert certify([0.1] * 2_400, pool, [0.2], alpha, DELTA).verdict == "certified"
    assert certify([0.1] * 600, station, [0.2], alpha, DELTA).verdict != "certified"
    too_few = needed(alpha, DELTA) - 1  # a good station of that size is not certified either
    assert certify([0.1] * too_few, [False] * too_few, [0.2], alpha, DELTA).verdict == "not_yet"


@pytest.mark.parametrize("question", [certify, partial(certify_at, 0.2)])
def test_trap_7_no_data_is_not_a_pass(question):
    result = question([], [], [0.2, 0.5], ALPHA, DELTA)
    assert (result.verdict, result.threshold, result.n, result.more, result.bound) == ("not_yet", None, 0, 756, 1.0)


def test_trap_8_after_an_alarm_the_detector_starts_from_zero():
    detector = EscapeDetector(ALPHA)
    while not detector.update(True):
        pass
    detector.reset()
    assert detector == EscapeDetector(ALPHA)


def test_trap_9_labels_of_escalated_parts_alone_mislead_and_audits_do_not():
    rng = np.random.default_rng(6)
    escalated = rng.random(200_000) < 0.1
    scratched = rng.random(200_000) < np.where(escalated, 0.2, 0.004)
    audited = rng.random(200_000) < 0.2
    passed = ~escalated
    seen = [bool(s) if a else None for s, a in zip(scratched[passed], audited[passed], strict=True)]
    estimate = horvitz_thompson(seen, [0.2] * len(seen))
    assert estimate == pytest.approx(scratched[passed].mean(), abs=0.0012)
    assert scratched[escalated].mean() > 10 * estimate


def test_a_threshold_outside_the_frozen_order_is_invalid():
    result = certify_at(0.25, *parts(5_000), [0.2, 0.5], ALPHA, DELTA)
    assert result.verdict == "invalid"
    assert "0.25 is not a member" in result.reason


def test_a_stricter_member_of_the_order_is_certified_with_its_own_figures():
    scores = [0.1] * 800 + [0.3] * 100
    result = certify_at(0.2, scores, [False] * 900, [0.2, 0.5], ALPHA, DELTA)
    assert (result.verdict, result.threshold, result.n) == ("certified", 0.2, 800)
    assert replace(result, reason="") != certify(scores, [False] * 900, [0.2, 0.5], ALPHA, DELTA)


def test_a_looser_member_waits_for_the_stricter_one_that_stopped_the_sequence():
    result = certify_at(0.5, [0.1] * 100 + [0.3] * 800, [False] * 900, [0.2, 0.5], ALPHA, DELTA)
    assert (result.verdict, result.tested, result.more) == ("not_yet", 0.2, 656)


# Audits


def test_the_rollback_detector_catches_a_rise_soon_after_many_good_audits():
    rng = np.random.default_rng(7)
    delays = []
    for _ in range(40):
        detector = EscapeDetector(ALPHA)
        good = rng.random(3_000) < 0.001
        assert not any(detector.update(found) for found in good)
        delays.append(next(i for i in range(1, 5_000) if detector.update(rng.random() < 0.02)))
    assert 250 <= np.median(delays) <= 480


def test_false_rollbacks_come_no_oftener_than_set():
    rng = np.random.default_rng(8)
    runs = []
    for _ in range(60):
        detector = EscapeDetector(0.05, every=300)
        runs.append(next(i for i in range(1, 100_000) if detector.update(rng.random() < 0.05)))
    assert np.mean(runs) >= 300


@pytest.mark.parametrize("detector", [EscapeDetector(ALPHA, every=50), BurstDetector(ALPHA)])
def test_an_alarm_stays_until_reset(detector):
    assert [detector.update(True) for _ in range(5)][-1]
    assert all(detector.update(False) for _ in range(100))
    detector.reset()
    assert not detector.update(False)


@given(
    st.sampled_from([partial(EscapeDetector, 0.1, 40), partial(BurstDetector, 0.1, 500)]),
    st.lists(st.booleans(), max_size=40),
    st.lists(st.booleans(), max_size=40),
)
def test_a_stored_detector_has_the_same_future(make, past, future):
    detector = make()
    for found in past:
        detector.update(found)
    stored = type(detector).from_json(json.loads(json.dumps(detector.to_json(), allow_nan=False)))
    assert [detector.update(found) for found in future] == [stored.update(found) for found in future]
    assert stored == detector


@pytest.mark.parametrize("kind", [EscapeDetector, BurstDetector])
def test_detectors_at_impossible_limits(kind):
    never = kind(1.0)
    assert not any(never.update(True) for _ in range(100))
    for alpha in (0.0, -1.0, math.nan):
        detector = kind(alpha)
        assert not any(detector.update(False) for _ in range(100))
        assert any(detector.update(True) for _ in range(3))


def test_a_limit_near_one_still_has_a_rate_to_look_for():
    detector = EscapeDetector(0.8, every=100)
    assert any(detector.update(True) for _ in range(100))


def mean_run_to_a_burst(alpha, m, window):
    """Exact mean audits until m escapes lie in `window` audits: the chain over the last window - 1 audits."""
    states = [state for state in range(1 << (window - 1)) if state.bit_count() < m]
    place = {state: row for row, state in enumerate(states)}
    leave = np.eye(len(states))
    for state, row in place.items():
        shifted = (state << 1) & ((1 << (window - 1)) - 1)
        leave[row, place[shifted]] -= 1 - alpha
        if state.bit_count() + 1 < m:
            leave[row, place[shifted | 1]] -= alpha
    return np.linalg.solve(leave, np.ones(len(states)))[0]


@pytest.mark.parametrize("alpha", [0.0005, 0.001, 0.002, 0.005])
def test_the_burst_rule_is_the_smallest_that_keeps_its_interval(alpha):
    m = smallest_burst(alpha)
    assert mean_run_to_a_burst(alpha, m - 1, 20) < 100_000
    assert m == 4 or mean_run_to_a_burst(alpha, m, 20) >= 100_000


@pytest.mark.parametrize(("alpha", "every"), [(0.02, 2_000), (0.1, 300), (0.3, 1_000)])
def test_the_burst_rule_keeps_its_interval(alpha, every):
    assert mean_run_to_a_burst(alpha, smallest_burst(alpha, every, window=8), 8) >= every


@pytest.mark.parametrize(("alpha", "m"), [(0, 1), (math.nan, 1), (0.001, 3), (0.005, 4), (0.01, 4), (0.9, 21), (2, 21)])
def test_burst_sizes(alpha, m):
    assert smallest_burst(alpha) == m


def test_a_burst_is_an_alarm_and_spread_out_escapes_are_not():
    spread = BurstDetector(ALPHA)
    assert not any(spread.update(i % 7 == 0) for i in range(1_000))
    burst = BurstDetector(ALPHA)
    assert [burst.update(i % 6 == 0) for i in range(20)].index(True) == 18


def test_horvitz_thompson_weighs_each_audit_by_its_probability():
    rng = np.random.default_rng(9)
    risky = rng.random(100_000) < 0.1
    scratched = rng.random(100_000) < np.where(risky, 0.05, 0.002)
    p = np.where(risky, 0.5, 0.1)
    audited = rng.random(100_000) < p
    seen = [bool(s) if a else None for s, a in zip(scratched, audited, strict=True)]
    assert horvitz_thompson(seen, p.tolist()) == pytest.approx(scratched.mean(), abs=0.001)
    assert scratched[audited].mean() > 2 * scratched.mean()


@pytest.mark.parametrize(("y", "p"), [([], []), ([True], []), ([True], [0.0]), ([True], [1.5]), ([False], [math.nan])])
def test_horvitz_thompson_without_parts_or_probabilities_is_not_defined(y, p):
    assert horvitz_thompson(y, p) is None


def test_horvitz_thompson_of_no_audits_at_all_is_zero_escapes_seen():
    assert horvitz_thompson([None, None], [0.0, 0.1]) == 0.0


def test_expected_unaudited_escapes():
    assert expected_unaudited_escapes(780, 0.014, 0.1) == pytest.approx(98.28)
    assert expected_unaudited_escapes(780, 0.014, 1.0) == 0.0


@pytest.mark.parametrize(("delay", "rate", "share"), [(1, 0.1, 0), (1, 0.1, 2), (-1, 0.1, 0.5), (1, math.nan, 0.5)])
def test_nothing_bounds_unaudited_escapes_without_audits(delay, rate, share):
    assert expected_unaudited_escapes(delay, rate, share) == math.inf
