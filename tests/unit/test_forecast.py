"""When a gate is likely met: what was seen goes on, and where waiting does not help it says what does."""

import math
from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone
from hypothesis import assume, example, given
from hypothesis import strategies as st

from automation.counts import Evidence, Tally
from automation.evidence import e_safe, needed
from automation.facts import facts_of
from automation.forecast import (
    DAYS_LEFT,
    FIRST_PASSES,
    NOBODY_JUDGES,
    TOO_FAR,
    UNKNOWN,
    UNSEEDED,
    Pace,
    forecast,
    pace_of,
    parts_to_go,
)
from automation.gates import Facts, Gate, Limits, gates_to
from automation.levels import Level
from automation.routing import Stratum

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
ORDER = [0.1, 0.3, 0.5]
PERFECT = Limits(sensitivity_from_seeds=False)


def likely(name, figures, pace):
    return forecast([Gate(name, False, "", figures)], pace, NOW)[name]


# ---- how many parts


@given(
    n=st.integers(0, 3000), k=st.integers(0, 8), limit=st.sampled_from([0.002, 0.005, 0.02, 0.2]),
    delta=st.sampled_from([0.01, 0.04, 0.05]),
)  # fmt: skip
@example(n=0, k=0, limit=0.005, delta=0.05)
def test_so_many_parts_certify_at_the_rate_so_far_and_one_less_does_not(n, k, limit, delta):
    assume(k <= n)
    rate = k / n if n else 0.0
    more = parts_to_go(n, k, limit, delta)
    if more is None:
        assert rate >= limit or e_safe(10**9, round(rate * 10**9), limit) < -math.log(delta)
        return

    def proven(more):
        return e_safe(n + more, k + round(rate * more), limit) >= -math.log(delta)

    assert proven(more)
    assert more == 0 or not proven(more - 1)


def lacking(*args):
    more = parts_to_go(*args)
    assert more is not None
    return more


def test_escapes_that_go_on_make_it_longer_than_if_none_came():
    assert needed(0.005, 0.05, 2) == 1769
    assert lacking(500, 2, 0.005, 0.05) > 10 * (1769 - 500)
    assert parts_to_go(1000, 5, 0.005, 0.05) is None
    assert parts_to_go(1000, 0, 0.005, 0.05) == 0


# ---- each gate


@pytest.mark.parametrize(
    ("name", "figures", "days"),
    [
        ("blind pairs", {"have": 40, "needed": 100}, 3),
        ("days", {"days": 1, "needed": 3}, 4),
        ("shifts", {"shifts": 0, "needed": 2}, 2),
        ("time at partial", {"days": 1.5, "needed": 5}, 3.5),
        ("miss limit", {"n": 10, "k": 0, "limit": 0.2}, lacking(10, 0, 0.2, 0.05) / 2),
        ("overkill limit", {"n": 50, "k": 5, "limit": 0.3}, lacking(50, 5, 0.3, 0.05) / 10),
        ("certificate", {"verdict": "not_yet", "more": 700}, lacking(50, 0, 0.005, 0.04) / 10),
        ("strata", {}, lacking(40, 0, 0.005, 0.04) / 8),
    ],
)
def test_a_gate_that_waits_for_verdicts_or_time_has_a_day(name, figures, days):
    strata: dict[Stratum, Tally] = {("a", ""): Tally(ok=40), ("b", ""): Tally(ok=10)}
    pace = Pace(per_day=20, days=0.5, shifts=1, judged=100, passed=Tally(ok=50), strata=strata)
    assert likely(name, figures, pace) == (NOW + timedelta(days=days)).date()


@pytest.mark.parametrize(
    ("name", "figures", "reason"),
    [
        ("certificate", {"verdict": "refuted"}, "speaks against"),
        ("certificate", {"verdict": "invalid"}, "of the version's order"),
        ("certificate", {"verdict": "certified"}, UNSEEDED),
        ("certificate", {"verdict": "not_yet", "more": 0}, "judged first"),
        ("certificate", {"verdict": "not_yet", "more": 9000}, "rate of escapes"),
        ("strata", {}, "rate of escapes"),
        ("miss limit", {"n": 0, "k": 0, "limit": 0.2}, "No scratched parts"),
        ("miss limit", {"n": 10, "k": 2, "limit": 0.2}, "2 of 10"),
        ("miss rate", {"n": 0, "k": 0}, "first such part"),
        ("false alarm rate", {"n": 9, "k": 9}, "does not fall by waiting"),
        ("escalations", {"share": None}, "first parts at partial"),
        ("escalations", {"share": 0.4}, "narrower unsure band"),
        ("alarms", {}, "closed"),
        ("a gate of tomorrow", {}, UNKNOWN),
    ],
)
def test_where_waiting_does_not_help_it_says_what_does(name, figures, reason):
    many = Tally(ok=90, scratched=10)
    said = likely(name, figures, Pace(per_day=20, judged=200, passed=many, strata={("", ""): many}))
    assert isinstance(said, str)
    assert reason in said


def test_nobody_who_judges_and_a_day_beyond_the_year_are_no_days():
    figures = {"have": 40, "needed": 100}
    assert likely("blind pairs", figures, Pace()) == NOBODY_JUDGES
    assert likely("blind pairs", figures, Pace(per_day=0.1)) == TOO_FAR
    assert likely("certificate", {"verdict": "not_yet", "more": 9}, Pace(per_day=9)) == FIRST_PASSES


def test_while_inspectors_are_not_measured_the_certificate_has_no_day():
    unknown = Pace(per_day=100, judged=100, passed=Tally(ok=50), known=False)
    assert "With perfect ones it would take about 16 more days." in likely(
        "certificate", {"verdict": "not_yet", "more": 1}, unknown
    )
    assert likely("strata", {}, unknown) == UNSEEDED


RICH = Facts(
    version="one", threshold=0.5, thresholds=ORDER, recent=200, recent_nulls=30, latency=40.0, hold_seconds=20,
    evidence=Evidence.of(ORDER, [0.05, 0.9, 0.2, None] * 30, ["ok", "scratched", "scratched", "pending"] * 30),
    shifts=2, days=2, held_days=1.5, escalated=0.3, audits_due=10, audits_judged=4, critical_alarms=1,
)  # fmt: skip


@pytest.mark.parametrize("facts", [Facts(), Facts(version="one", thresholds=ORDER), RICH])
@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("pace", [Pace(), Pace(per_day=30, days=1, shifts=2, judged=90, passed=Tally(ok=30))])
def test_every_gate_that_is_not_met_is_answered(facts, level, pace):
    gates = gates_to(level, facts, Limits(), 0.1, 0.5)
    found = forecast(gates, pace, NOW)
    assert set(found) == {gate.name for gate in gates if not gate.met}
    assert {gate.name for gate in gates} <= set(DAYS_LEFT)
    assert all(said if isinstance(said, str) else said >= NOW.date() for said in found.values())


# ---- the pace of a line


def test_the_pace_is_that_of_the_last_week(shadowed, version, make_evidence, ivy):
    now = timezone.now()
    noon = datetime.combine(now.astimezone(shadowed.zone).date(), datetime.min.time(), shadowed.zone)
    now = noon + timedelta(hours=12)
    lately = [noon - timedelta(days=day, hours=-6) for day in (1, 2, 4) for _ in range(10)]
    make_evidence(shadowed, version, 30, 0.04, "ok", by=ivy, moments=lately)
    make_evidence(shadowed, version, 50, 0.9, "scratched", by=ivy, moments=[noon - timedelta(days=20)] * 50)
    facts = facts_of(shadowed, version, now=now)
    gates = gates_to(Level.PARTIAL, facts, PERFECT, 0.1, 0.5)
    pace = pace_of(shadowed, version, facts, gates, PERFECT, now=now)
    assert (pace.per_day, pace.days, pace.shifts) == pytest.approx((30 / 4.5, 3 / 4.5, 3 / 4.5))
    assert (pace.judged, pace.passed, pace.known) == (80, Tally(ok=30), True)
    assert pace.strata == {("", ""): Tally(ok=30)}
    left = lacking(30, 0, 0.005, 0.05) / (30 / 4.5 * 30 / 80)
    assert forecast(gates, pace, now)["certificate"] == (now + timedelta(days=left)).date()


def test_a_line_that_began_today_is_measured_over_a_day_at_least(shadowed, version, make_evidence, ivy):
    make_evidence(shadowed, version, 12, 0.05, "ok", by=ivy, moments=[timezone.now()] * 12)
    facts = facts_of(shadowed, version)
    assert pace_of(shadowed, version, facts, [], PERFECT, now=timezone.now()).per_day == 12


def test_without_a_version_or_a_verdict_there_is_no_pace(shadowed, version):
    for known in (version, None):
        facts = facts_of(shadowed, known)
        assert pace_of(shadowed, known, facts, [], PERFECT, now=timezone.now()).per_day == 0


def test_what_was_seen_before_inspectors_were_measured_is_told_apart(shadowed, version, make_evidence, ivy):
    make_evidence(shadowed, version, 12, 0.05, "ok", by=ivy)
    facts = facts_of(shadowed, version)
    gates = gates_to(Level.PARTIAL, facts, Limits(), 0.1, 0.5)
    pace = pace_of(shadowed, version, facts, gates, Limits(), now=timezone.now())
    assert not pace.known
    assert not isinstance(forecast(gates, pace, timezone.now())["certificate"], date)
