"""When a station may decide by itself, and what its decisions are worth: each reason alone, and their absence."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from automation.edge_rules import (
    Bundle,
    Claim,
    Standing,
    missing_places,
    why_not_asked_so,
    why_not_taken,
    why_not_to_decide,
    why_they_differ,
)
from automation.levels import Level

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
READY = Standing("Line A", "cam-1", Level.FULL, "v1", 0.3, 0.3, certified=True)
GIVEN = Bundle(7, "cam-1", 0.1, 0.4, None, 500, NOON, ticket_ends=NOON + 8 * HOUR)
SAID = Claim(7, 1, "pass", 0.05, 0.2, NOON + HOUR)
ELSEWHERE = frozenset({("cam-2", "black")})


def taken(claim=SAID, bundle=GIVEN, **told) -> list[str]:
    told = {"stratum": ("cam-1", "black"), "cleaned": False, "taken_by": "", "now": NOON + 2 * HOUR} | told
    return why_not_taken(claim, bundle, **told)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"level": Level.ASSIST}, "People decide at Line A"),
        ({"halted": True}, "halted"),
        ({"version": None}, "no version"),
        ({"pass_below": None}, "no version with thresholds"),
        ({"share": 0.5}, "ramp is at 50 %"),
        ({"certified": False}, "No certificate"),
        ({"strata": ELSEWHERE}, "Nothing is certified at station cam-1"),
        ({"imported": True}, "earlier system"),
        ({"critical_alarms": 1}, "critical alarm"),
    ],
)
def test_a_station_decides_only_where_nothing_forbids_it(given, reason):
    assert why_not_to_decide(READY) == []
    assert [reason in words for words in why_not_to_decide(replace(READY, **given))] == [True]


def test_a_station_gets_its_own_strata_alone():
    strata = ELSEWHERE | {("cam-1", "black"), ("cam-1", "")}
    assert replace(READY, strata=strata).own_strata == [["cam-1", ""], ["cam-1", "black"]]
    assert READY.own_strata is None


@pytest.mark.parametrize(
    ("hours", "most", "wrong"), [(1, 1, 0), (24, 10_000, 0), (0, 500, 1), (25, 0, 2), (8, 10_001, 1)]
)
def test_hours_and_numbers_have_limits(hours, most, wrong):
    assert len(why_not_asked_so(hours, most)) == wrong


@pytest.mark.parametrize(
    ("claim", "bundle", "told", "reason"),
    [
        ({}, None, {}, "no bundle 7"),
        ({}, {}, {"stratum": ("cam-2", "black")}, "no bundle 7 of this line and station"),
        ({"outcome": "reject"}, {}, {}, "says pass to a score of 0.0500"),
        ({"score": 0.2}, {}, {}, "says hold"),
        ({"score": 1.2}, {}, {}, "says hold"),
        ({"novelty": 1.0}, {}, {}, "says hold"),
        ({"decided_at": NOON - 61 * SECOND}, {}, {}, "before the bundle was made"),
        ({"decided_at": NOON + 2 * HOUR + 61 * SECOND}, {}, {}, "clock is ahead"),
        ({}, {"ticket_ends": None}, {}, "no ticket"),
        ({}, {"ticket_ends": NOON + HOUR - 61 * SECOND}, {}, "after the station's ticket had ended"),
        ({}, {"ended_at": NOON + HOUR - SECOND, "ended_why": "halted"}, {}, "had ended by then: halted"),
        ({"place": 501}, {}, {}, "for 500 parts, and this is number 501"),
        ({}, {}, {"taken_by": "SN1"}, "Number 1 of the bundle is part SN1"),
        ({}, {"strata": frozenset({("cam-1", "white")})}, {}, "not certified"),
        ({}, {}, {"cleaned": True}, "cleaned"),
    ],
)
def test_a_decision_is_taken_only_where_nothing_speaks_against_it(claim, bundle, told, reason):
    given = None if bundle is None else replace(GIVEN, **bundle)
    assert [reason in words for words in taken(replace(SAID, **claim), given, **told)] == [True]


@pytest.mark.parametrize(
    ("claim", "bundle"),
    [
        ({}, {}),
        ({"score": 0.4, "outcome": "reject"}, {}),
        ({"decided_at": NOON - 60 * SECOND}, {}),
        ({"decided_at": NOON + 2 * HOUR + 60 * SECOND}, {}),
        ({}, {"ticket_ends": NOON + HOUR - 60 * SECOND}),
        ({}, {"ended_at": NOON + HOUR, "ended_why": "halted when it had been decided"}),
        ({"place": 500}, {}),
        ({}, {"strata": frozenset({("cam-1", "black")})}),
    ],
)
def test_a_decision_at_the_edge_of_what_was_given_is_taken(claim, bundle):
    assert taken(replace(SAID, **claim), replace(GIVEN, **bundle)) == []


@pytest.mark.parametrize(
    ("score", "novelty", "differs"),
    [
        (0.05, 0.2, False),
        (0.0509, 0.2, False),
        (0.0512, 0.2, True),
        (0.0999, 0.2, True),
        (0.1, 0.2, True),
        (0.05, 1.0, True),
        (None, None, True),
        (float("nan"), 0.2, True),
    ],
)
def test_the_servers_own_score_has_to_bear_a_decision_out(score, novelty, differs):
    assert bool(why_they_differ(SAID, GIVEN, score=score, novelty=novelty, null_reason="")) == differs


def test_a_threshold_between_the_two_scores_differs_however_near_they_are():
    near = replace(SAID, score=0.09999)
    assert "says hold" in why_they_differ(near, GIVEN, score=0.1, novelty=0.2, null_reason="")[0]


def test_numbers_that_lack_are_told_with_the_next_that_came():
    assert missing_places([4, 2, 2]) == [(1, 2), (3, 4)]
    assert missing_places(range(1, 500)) == []
