"""Scores in bins: the edges, the counts, and what is drawn from them in the cases that have nothing to draw."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.agreement import Rate
from shadow.scores import (
    BINS,
    EDGES,
    EMPTY,
    Bar,
    ScoreCounts,
    bin_of,
    expected_calibration_error,
    histogram,
    reliability,
    risk_coverage,
)

scored = st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=200)


def test_edges_are_decimals_finer_near_0_and_1():
    assert EDGES[:6] == (0.0, 0.0001, 0.0002, 0.0005, 0.001, 0.002)
    assert EDGES[-6:] == (0.998, 0.999, 0.9995, 0.9998, 0.9999, 1.0)
    assert {0.05, 0.15, 0.3, 0.7, 0.95, 0.96, 0.995} < set(EDGES)
    assert list(EDGES) == sorted(set(EDGES))
    assert BINS == len(EDGES) - 1 == 40


@pytest.mark.parametrize("place", range(BINS))
def test_a_bin_begins_at_its_edge_and_ends_before_the_next(place):
    low, high = EDGES[place], EDGES[place + 1]
    assert bin_of(low) == bin_of(math.nextafter(high, 0)) == place


def test_the_last_bin_holds_1():
    assert bin_of(1.0) == bin_of(0.9999) == BINS - 1
    assert bin_of(0) == bin_of(-0.0) == 0


@pytest.mark.parametrize("score", [None, math.nan, math.inf, -1e-9, 1.0000001, 2])
def test_what_is_no_score_is_refused(score):
    with pytest.raises(ValueError, match="a number from 0 to 1"):
        bin_of(score)


def test_counts_hold_parts_and_exact_sums():
    counts = ScoreCounts.of([(0.02, False), (0.025, True), (1.0, True)])
    assert counts == ScoreCounts.from_bins({bin_of(0.02): (1, 1, 45_000), BINS - 1: (0, 1, 1_000_000)})
    assert counts.n == 3


@pytest.mark.parametrize(
    ("bins", "reason"),
    [({BINS: (1, 0, 0)}, "numbered"), ({-1: (1, 0, 0)}, "numbered"), ({0: (-1, 0, 0)}, "each 0 or more")],
)
def test_impossible_counts_are_refused(bins, reason):
    with pytest.raises(ValueError, match=reason):
        ScoreCounts.from_bins(bins)


def test_another_number_of_bins_is_refused():
    with pytest.raises(ValueError, match="40 bins"):
        ScoreCounts((1,), (0,), (0,))


@given(scored, scored)
def test_counts_of_disjoint_parts_add_up_and_can_be_taken_away(some, others):
    both = ScoreCounts.of(some) + ScoreCounts.of(others)
    assert both == ScoreCounts.of(some + others)
    assert both - ScoreCounts.of(others) == ScoreCounts.of(some)
    assert both + EMPTY == both


def test_more_than_there_are_cannot_be_taken_away():
    with pytest.raises(ValueError, match="each 0 or more"):
        _ = EMPTY - ScoreCounts.of([(0.5, True)])


def test_a_histogram_has_20_bars_of_the_fine_bins():
    bars = histogram(ScoreCounts.of([(0.0, False), (0.0499, True), (0.05, False), (0.96, True), (1.0, True)]))
    assert len(bars) == 20
    assert bars[:2] == [Bar(0.0, 0.05, 1, 1), Bar(0.05, 0.1, 1, 0)]
    assert bars[-1] == Bar(0.95, 1.0, 0, 2)
    assert sum(bar.ok + bar.scratched for bar in bars) == 5


def test_risk_and_coverage_of_four_parts():
    points = risk_coverage(ScoreCounts.of([(0.01, False), (0.3, True), (0.3, False), (1.0, True)]))
    assert [(p.threshold, p.coverage, p.risk, p.miss) for p in points] == [
        (0.0001, Rate(0, 4), Rate(0, 0), Rate(0, 2)),
        (0.02, Rate(1, 4), Rate(0, 1), Rate(0, 2)),
        (0.35, Rate(3, 4), Rate(1, 3), Rate(1, 2)),
        (1.0, Rate(4, 4), Rate(2, 4), Rate(2, 2)),
    ]


def test_a_score_at_the_threshold_is_not_passed():
    assert risk_coverage(ScoreCounts.of([(0.2, True)]))[-1].threshold == 0.25


def test_nothing_is_drawn_without_parts():
    assert risk_coverage(EMPTY) == reliability(EMPTY) == []
    assert expected_calibration_error(EMPTY) is None
    assert {(bar.ok, bar.scratched) for bar in histogram(EMPTY)} == {(0, 0)}


@pytest.mark.parametrize(("scratched", "risk"), [(False, 0.0), (True, 1.0)])
def test_one_class_alone_has_a_risk_and_an_error(scratched, risk):
    counts = ScoreCounts.of([(0.25, scratched)] * 30)
    last = risk_coverage(counts)[-1]
    assert (last.coverage.value, last.risk.value, last.miss.value) == (1.0, risk, 1.0 if scratched else None)
    assert [group.scratched.value for group in reliability(counts)] == [risk]
    assert expected_calibration_error(counts) == pytest.approx(abs(risk - 0.25))


def test_a_bin_of_the_reliability_plot_is_closed_with_20_parts():
    (first, second) = reliability(ScoreCounts.of([(0.0, False)] * 20 + [(0.00015, True)]))
    assert (first.low, first.high, first.n, first.mean_score, first.scratched) == (0.0, 0.0001, 20, 0.0, Rate(0, 20))
    # The second cannot reach 0.15: it would be wider than 0.1.
    assert (second.low, second.high, second.n, second.mean_score) == (0.0001, 0.1, 1, 0.00015)


def test_a_bin_of_few_parts_becomes_a_tenth_wide():
    groups = reliability(ScoreCounts.of([(tenth / 10 + 0.03, False) for tenth in range(10)]))
    assert [(group.low, group.high, group.n) for group in groups] == [
        (tenth / 10, (tenth + 1) / 10, 1) for tenth in range(10)
    ]


@given(scored)
def test_bins_of_the_reliability_plot_hold_every_part_once(parts):
    groups = reliability(ScoreCounts.of(parts))
    assert sum(group.n for group in groups) == len(parts)
    assert sum(group.scratched.k for group in groups) == sum(scratched for _, scratched in parts)
    for group in groups:
        assert group.low <= group.mean_score <= group.high
        assert group.n >= 20 or group.high - group.low <= 0.1 + 1e-9


def test_scores_that_tell_the_truth_have_no_error():
    counts = ScoreCounts.from_bins({bin_of(0.2): (800, 200, 200_000_000), bin_of(0.9): (100, 900, 900_000_000)})
    assert expected_calibration_error(counts) == 0.0
