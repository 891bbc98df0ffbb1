"""The gates of each step up: a table of met and unmet, and the traps that a certificate must not fall into."""

import math
from dataclasses import fields, replace

import pytest

from automation.counts import Evidence
from automation.evidence import found_limit, needed
from automation.gates import (
    Facts,
    Limits,
    LimitsRefused,
    alarm_gate,
    audits_gate,
    certificate_gate,
    certified_limit,
    certified_strata,
    days_gate,
    escalation_gate,
    false_alarm_gate,
    gates_to,
    held_gate,
    latency_gate,
    miss_limit_gate,
    miss_rate_gate,
    null_gate,
    overkill_gate,
    pairs_gate,
    sensitivity_gate,
    shift_gate,
    strata_gate,
    threshold_gate,
    version_gate,
)
from automation.levels import Level

LIMITS = Limits()
PERFECT = Limits(sensitivity_from_seeds=False)  # inspectors who see everything
THRESHOLDS = (0.1, 0.3, 0.5)
NOTHING = Facts()


def facts(*groups, strata=None, served=None, **known) -> Facts:
    """Evidence as (how many, score, scratched) groups in arrival order."""
    rows = [(score, found) for count, score, found in groups for _ in range(count)]
    words = {None: "pending", True: "scratched", False: "ok"}
    counts_as = [words[found] for _, found in rows]
    if served:
        counts_as = ["served" if seen else word for seen, word in zip(served, counts_as, strict=True)]
    evidence = Evidence.of(THRESHOLDS, [score for score, _ in rows], counts_as, strata or [("cam-1", "")] * len(rows))
    return Facts(version="v1", thresholds=THRESHOLDS, evidence=evidence, **known)


SOUND = facts(
    (800, 0.05, False), (60, 0.9, True), recent=200, latency=1.0, shifts=9, days=9, held_days=9, escalated=0.05,
    audits_due=100, audits_judged=95,
)  # fmt: skip


# ---- one gate at a time: (gate, facts, met, what the reason says)

TABLE = [
    (version_gate, (NOTHING,), False, "No version is assigned"),
    (version_gate, (SOUND,), True, "v1 is assigned"),
    (null_gate, (NOTHING, LIMITS), False, "has not scored any part"),
    (null_gate, (Facts(recent=200, recent_nulls=10), LIMITS), True, "10 of the last 200"),
    (null_gate, (Facts(recent=200, recent_nulls=11), LIMITS), False, "5.5 %, limit 5 %"),
    (latency_gate, (NOTHING,), False, "No answer has been timed"),
    (latency_gate, (Facts(latency=20.0, hold_seconds=20),), True, "within 20 s; the hold is 20 s"),
    (latency_gate, (Facts(latency=20.1, hold_seconds=20),), False, "the hold is 20 s"),
    (alarm_gate, (NOTHING,), True, "No critical alarm is open"),
    (alarm_gate, (Facts(critical_alarms=1),), False, "1 critical alarm is open. Close it first."),
    (alarm_gate, (Facts(critical_alarms=2),), False, "2 critical alarms are open. Close them first."),
    (shift_gate, (NOTHING, LIMITS), False, "from 0 shifts; at least 1"),
    (shift_gate, (Facts(shifts=1), LIMITS), True, "from 1 shift;"),
    (days_gate, (Facts(days=2), LIMITS), False, "from 2 days; at least 3"),
    (days_gate, (Facts(days=3), LIMITS), True, "from 3 days"),
    (pairs_gate, (NOTHING, LIMITS), False, "100 more blind verdicts are needed (0 of 100)"),
    (pairs_gate, (facts((99, 0.1, False), (5, 0.1, None), (5, None, False)), LIMITS), False, "1 more blind verdicts"),
    (pairs_gate, (facts((100, 0.1, False)), LIMITS), True, "100 blind verdicts"),
    (miss_rate_gate, (facts((100, 0.1, False)), LIMITS), False, "no data is not a pass"),
    (miss_rate_gate, (facts((2, 0.4, True), (8, 0.6, True)), LIMITS), True, "2 of 10 scratched parts missed"),
    (miss_rate_gate, (facts((3, 0.4, True), (8, 0.6, True)), LIMITS), False, "27.3 %, limit 20 %"),
    (false_alarm_gate, (facts((9, 0.9, True)), LIMITS), False, "no data is not a pass"),
    (false_alarm_gate, (facts((3, 0.5, False), (7, 0.4, False)), LIMITS), True, "3 of 10 good parts"),
    (false_alarm_gate, (facts((4, 0.5, False), (7, 0.4, False)), LIMITS), False, "36.4 %, limit 30 %"),
    (miss_limit_gate, (NOTHING, LIMITS, 0.1), False, "more scratched parts are needed"),
    (miss_limit_gate, (facts((40, 0.9, True)), LIMITS, 0.1), True, "0 of 40 scratched parts passed"),
    (miss_limit_gate, (facts((40, 0.05, True)), LIMITS, 0.1), False, "40 of 40 scratched parts passed"),
    (overkill_gate, (NOTHING, LIMITS, 0.5), False, "more rejected parts are needed"),
    (overkill_gate, (facts((40, 0.9, True)), LIMITS, 0.5), True, "0 of 40 rejected parts were good"),
    (overkill_gate, (facts((40, 0.9, False)), LIMITS, 0.5), False, "40 of 40 rejected parts were good"),
    (certificate_gate, (NOTHING, LIMITS, 0.1), False, "Choose pass_below from the version's thresholds"),
    (certificate_gate, (facts(), PERFECT, 0.1), False, "are needed"),
    (certificate_gate, (facts((756, 0.05, False)), PERFECT, 0.1), True, "limit 0.5 %"),
    (certificate_gate, (facts((755, 0.05, False)), PERFECT, 0.1), False, "1 more judged parts"),
    (certificate_gate, (facts((756, 0.05, False)), PERFECT, 0.2), False, "Choose pass_below"),
    (certificate_gate, (facts((756, 0.05, False)), PERFECT, math.nan), False, "Choose pass_below"),
    (strata_gate, (NOTHING, PERFECT, 0.1), False, "each needs 756 judged parts"),
    (strata_gate, (facts((756, 0.05, False)), PERFECT, 0.1), True, "1 of 1 stations and variants"),
    (held_gate, (Facts(held_days=4.99), LIMITS), False, "At partial for 5.0 days; at least 5"),
    (held_gate, (Facts(held_days=5), LIMITS), True, "At partial for 5.0 days"),
    (escalation_gate, (NOTHING, LIMITS), False, "No part has been routed at partial"),
    (escalation_gate, (Facts(escalated=0.1), LIMITS), True, "10 % of the parts"),
    (escalation_gate, (Facts(escalated=0.11), LIMITS), False, "limit 10 %"),
    (audits_gate, (NOTHING,), False, "No audit has been drawn"),
    (audits_gate, (Facts(audits_due=100, audits_judged=95),), True, "95 of 100 audits"),
    (audits_gate, (Facts(audits_due=100, audits_judged=94),), False, "at least 95 % needed"),
]


@pytest.mark.parametrize(("gate", "arguments", "met", "words"), TABLE)
def test_a_gate_is_met_or_says_what_is_missing(gate, arguments, met, words):
    judged = gate(*arguments)
    assert judged.met is met
    assert words in judged.reason


@pytest.mark.parametrize(
    ("pass_below", "reject_from", "full", "met", "words"),
    [
        (None, 0.5, False, False, "Choose pass_below and reject_from"),
        (0.1, None, False, False, "Choose pass_below and reject_from"),
        (0.1, 0.5, False, True, "Pass below 0.1, reject from 0.5"),
        (0.2, 0.5, False, False, "pass_below 0.2 is not among"),
        (0.1, 0.4, False, False, "reject_from 0.4 is not among"),
        (0.5, 0.1, False, False, "a part would be both"),
        (0.1, 0.5, True, False, "Full automation has one threshold"),
        (0.3, 0.3, True, True, "Pass below 0.3"),
    ],
)
def test_thresholds_are_members_of_the_frozen_order(pass_below, reject_from, full, met, words):
    gate = threshold_gate(facts(), pass_below, reject_from, full=full)
    assert gate.met is met
    assert words in gate.reason


# ---- whole steps


def unmet(level, known, limits=PERFECT, pass_below=0.1, reject_from=0.5):
    return {gate.name for gate in gates_to(level, known, limits, pass_below, reject_from) if not gate.met}


@pytest.mark.parametrize("level", [level for level in Level if level is not Level.HUMAN_ONLY])
def test_nothing_known_is_never_a_pass(level):
    free = {"alarms"} | ({"inspectors"} if level.machine_decides else set())
    assert unmet(level, NOTHING) == {gate.name for gate in gates_to(level, NOTHING, PERFECT, 0.1, 0.5)} - free


@pytest.mark.parametrize(("level", "reject_from"), [("shadow", 0.5), ("assist", 0.5), ("partial", 0.5), ("full", 0.1)])
def test_sound_facts_meet_every_gate(level, reject_from):
    assert unmet(Level(level), SOUND, reject_from=reject_from) == set()


def test_going_to_human_only_needs_nothing():
    assert gates_to(Level.HUMAN_ONLY, NOTHING, LIMITS, None, None) == []


def test_an_open_critical_alarm_stops_every_step_from_assist_on():
    alarmed = replace(SOUND, critical_alarms=1)
    assert [unmet(level, alarmed, reject_from=0.1) for level in list(Level)[1:]] == [set(), *[{"alarms"}] * 3]


def test_partial_is_refused_with_the_number_of_parts_that_are_missing():
    gates = {gate.name: gate for gate in gates_to(Level.PARTIAL, facts((100, 0.05, False)), PERFECT, 0.1, 0.5)}
    assert "656 more judged parts below 0.1" in gates["certificate"].reason
    assert gates["certificate"].figures["more"] == 656
    assert gates["certificate"].figures["n"] == 100


# ---- the traps


def test_a_part_served_although_drawn_blind_counts_against_the_version_either_way():
    """Trap 1. As an escape where the version would pass it, as overkill where it would reject it."""
    served = {"served": [True] * 40}
    assert miss_limit_gate(facts((40, 0.05, True), **served), LIMITS, 0.1).figures["k"] == 40
    assert overkill_gate(facts((40, 0.9, True), **served), LIMITS, 0.5).figures["k"] == 40
    assert false_alarm_gate(facts((40, 0.9, True), **served), LIMITS).figures["k"] == 40
    assert miss_rate_gate(facts((40, 0.9, True), **served), LIMITS).figures["n"] == 0
    assert pairs_gate(facts((40, 0.9, True), **served), LIMITS).figures["have"] == 0


def test_a_pending_part_counts_as_an_escape_until_it_is_judged():
    """Trap 2: labels of scratched parts that come late do not certify early."""
    late = facts((1, 0.05, None), (756, 0.05, False))
    assert not certificate_gate(late, PERFECT, 0.1).met
    assert certificate_gate(facts((1, 0.05, False), (756, 0.05, False)), PERFECT, 0.1).met


def test_pending_parts_do_not_block_what_was_proven_before_them():
    assert certificate_gate(facts((756, 0.05, False), (300, 0.05, None)), PERFECT, 0.1).met


def test_an_old_lucky_stretch_does_not_outlive_later_escapes():
    assert certificate_gate(facts((756, 0.05, False), (1, 0.05, True)), PERFECT, 0.1).met is False
    gate = certificate_gate(facts((756, 0.05, False), (60, 0.05, True)), PERFECT, 0.1)
    assert gate.figures["verdict"] == "refuted"


def test_inspectors_who_miss_scratches_make_the_limit_stricter():
    """Trap 3: certified at alpha times the sensitivity that seeds prove, with delta 0.04."""
    seeds = [(0.05, True)] * 60 + [(0.05, False)] * 20 + [(0.9, True)] * 500  # the easy ones prove nothing
    known = facts((2000, 0.05, False), seeds=seeds)
    gate = certificate_gate(known, LIMITS, 0.1)
    assert gate.figures["alpha"] == pytest.approx(found_limit(0.005, 80, 60, 0.01))
    assert gate.figures["delta"] == pytest.approx(0.04)
    enough = needed(gate.figures["alpha"], gate.figures["delta"])
    assert 756 < enough < 2000
    assert gate.met
    assert not certificate_gate(facts((enough - 1, 0.05, False), seeds=seeds), LIMITS, 0.1).met


@pytest.mark.parametrize("delta", [0.05, 0.2, 0.01])
def test_what_is_told_of_inspectors_is_what_is_certified_with(delta):
    known, limits = facts(seeds=[(0.05, True)] * 95 + [(0.05, False)] * 5), Limits(delta=delta)
    told = sensitivity_gate(known, limits, 0.1).figures["sensitivity_at_least"]
    assert certified_limit(known, limits, 0.1) == pytest.approx((limits.alpha * told, 0.8 * delta))


@pytest.mark.parametrize("seeds", [(), [(0.05, False)] * 50, [(0.9, True)] * 50])
def test_without_seeds_found_nothing_is_certified(seeds):
    known = facts((10_000, 0.05, False), seeds=seeds)
    assert not sensitivity_gate(known, LIMITS, 0.1).met
    assert not certificate_gate(known, LIMITS, 0.1).met
    assert not strata_gate(known, LIMITS, 0.1).met


def test_a_stratum_without_enough_parts_of_its_own_is_not_automated():
    """Trap 4."""
    strata = [("cam-1", "")] * 756 + [("cam-2", "")] * 755
    known = facts((1511, 0.05, False), strata=strata)
    assert certified_strata(known, PERFECT, 0.1) == {("cam-1", "")}
    gate = strata_gate(known, PERFECT, 0.1)
    assert gate.met
    assert gate.reason == "1 of 2 stations and variants are certified. The parts of the other 1 go to people."


def test_a_stratum_is_certified_in_the_order_of_the_thresholds():
    """A station whose parts fail at the strict threshold does not come in at a looser one that happens to suit it."""
    good = facts((3000, 0.05, False), (1, 0.05, True), (3000, 0.2, False), strata=[("cam-1", "")] * 6001)
    assert certified_strata(good, PERFECT, 0.3) == {("cam-1", "")}
    rows = [(3000, 0.05, False), (4, 0.05, True), (400, 0.05, False), (4200, 0.2, False)]
    strata = [("cam-1", "")] * 3000 + [("cam-2", "")] * 404 + [("cam-1", "")] * 2000 + [("cam-2", "")] * 2200
    mixed = facts(*rows, strata=strata)
    assert certificate_gate(mixed, PERFECT, 0.3).met
    assert mixed.evidence.passed(0.3, ("cam-2", "")).verdict(0.005, 0.05) == "certified", "by itself it would be"
    assert certified_strata(mixed, PERFECT, 0.3) == {("cam-1", "")}
    assert strata_gate(mixed, PERFECT, 0.3).figures["tested"] == [0.3, 0.1]


def test_a_part_that_nobody_judges_in_time_is_an_escape_and_holds_nothing_back():
    """Pending, it would keep what came before it for ever."""
    order, stretch = [0.1], [*["ok"] * 800, "{}", *["ok"] * 594, *["scratched"] * 6]
    waits, lost = (
        Evidence.of(order, [0.05] * 1401, [word.format(lot) for word in stretch]) for lot in ("pending", "overdue")
    )
    assert waits.certify_at(0.1, order, 0.005, 0.05).verdict == "certified"
    assert waits.passed(0.1).better(0.005) == (800, 0)
    seen = lost.certify_at(0.1, order, 0.005, 0.05)
    assert (seen.verdict, seen.n, seen.k, seen.pending) == ("not_yet", 1401, 7, 1)
    assert seen.more == needed(0.005, 0.05, 7) - 1401
    assert "1 pending, 1 of these for so long that they count as escapes" in seen.reason


def test_parts_that_nobody_has_judged_refute_nothing():
    """After a weekend without inspectors they wait; only what people found speaks against a version."""
    idle = Evidence.of([0.1], [0.05] * 900, ["ok"] * 800 + ["overdue"] * 100)
    assert idle.certify_at(0.1, [0.1], 0.005, 0.05).verdict == "not_yet"


def test_a_bad_stratum_does_not_hide_in_the_pool():
    """Trap 4: many parts of its own, 2 % of them scratched, beside three good stations."""
    good = [(2300, 0.05, False)] * 3
    strata = [(f"cam-{n}", "") for n in (1, 2, 3) for _ in range(2300)] + [("cam-4", "")] * 1000
    known = facts(*good, *[(49, 0.05, False), (1, 0.05, True)] * 20, strata=strata)
    assert certificate_gate(known, PERFECT, 0.1).met
    assert certified_strata(known, PERFECT, 0.1) == {("cam-1", ""), ("cam-2", ""), ("cam-3", "")}


def test_a_threshold_after_the_first_that_fails_is_not_certified():
    known = facts((100, 0.05, False), (2000, 0.2, False))
    assert not certificate_gate(known, PERFECT, 0.3).met
    assert "below 0.1" in certificate_gate(known, PERFECT, 0.3).reason


# ---- limits


@pytest.mark.parametrize("name", [limit.name for limit in fields(Limits) if limit.type is float])
@pytest.mark.parametrize("value", [0, 1, -0.1, 1.1, math.nan, math.inf, "0.1", None, True])
def test_a_share_lies_between_0_and_1(name, value):
    with pytest.raises(LimitsRefused, match=f"{name} is .* must be a share from 0.000001 to under 1"):
        Limits.from_json({name: value})


@pytest.mark.parametrize("name", [limit.name for limit in fields(Limits) if limit.type is int])
@pytest.mark.parametrize("value", [-1, 0.5, "3", None, True])
def test_a_count_is_a_whole_number(name, value):
    with pytest.raises(LimitsRefused, match=f"{name} is .* must be a whole number from 0"):
        Limits.from_json({name: value})


def test_an_unknown_limit_is_refused_with_the_known_ones():
    with pytest.raises(LimitsRefused, match=r"There is no limit 'aplha'. Known limits: alpha, "):
        Limits.from_json({"aplha": 0.01})
    with pytest.raises(LimitsRefused, match="true or false"):
        Limits.from_json({"sensitivity_from_seeds": 1})


def test_limits_come_back_as_they_went():
    limits = Limits(alpha=0.01, days=0)
    assert Limits.from_json(limits.to_json()) == limits
    assert Limits.from_json({}) == LIMITS
