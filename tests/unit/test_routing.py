"""Who decides a part: the cases by name, and the promises that hold for every rule and part there could be."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from automation.levels import Level
from automation.routing import (
    OUT_OF_DISTRIBUTION,
    OUTCOMES,
    SEEDED,
    UNSURE_BAND,
    Decisions,
    Part,
    Rule,
    Why,
    decide,
    decide_many,
)

shares = st.floats(0, 1)
bars = st.none() | st.floats(allow_nan=True)
strata = st.tuples(st.sampled_from(["", "cam-1"]), st.sampled_from(["", "p1"]))
rules: st.SearchStrategy[Rule] = st.deferred(
    lambda: st.builds(
        Rule, level=st.sampled_from(Level), pass_below=bars, reject_from=bars, canary_share=shares, audit_share=shares,
        blind_share=shares, halted=st.booleans(), strata=st.none() | st.frozensets(strata), outside=st.none() | rules,
    )
)  # fmt: skip
parts = st.builds(
    Part, score=st.none() | st.floats(allow_nan=True), u_canary=shares, u_audit=shares, u_blind=shares,
    null_reason=st.just("blank photo"), stratum=strata,
    novelty=st.none() | st.floats(allow_nan=True), seeded=st.booleans(),
)  # fmt: skip

PARTIAL = Rule(Level.PARTIAL, pass_below=0.1, reject_from=0.5, audit_share=0.2)
FULL = Rule(Level.FULL, pass_below=0.3, reject_from=0.3, audit_share=0.2)


def part(score=0.05, **fields) -> Part:
    return Part(score=score, **({"u_canary": 0.9, "u_audit": 0.9, "u_blind": 0.9} | fields))


def in_force(rule: Rule, part: Part) -> Rule:
    """The rule that holds for the part, by the canary shares."""
    while rule.outside is not None and not rule.halted and part.u_canary >= rule.canary_share:
        rule = rule.outside
    return rule


@given(rules, parts)
def test_every_part_is_routed_with_a_reason(rule, part):
    decision = decide(rule, part)
    assert decision.outcome in ("pass", "reject", "person")
    assert decision.reason


@given(rules, parts)
def test_the_machine_passes_only_what_scores_below_and_rejects_only_what_does_not(rule, part):
    decision, rule = decide(rule, part), in_force(rule, part)
    if decision.outcome == "pass":
        assert 0 <= part.score < rule.pass_below
    if decision.outcome == "reject":
        assert part.score >= rule.reject_from
        assert part.score <= 1


@given(rules, parts)
def test_the_machine_decides_only_at_partial_and_full_and_in_certified_strata(rule, part):
    decision, rule = decide(rule, part), in_force(rule, part)
    if decision.outcome != "person":
        assert rule.level.machine_decides
        assert not rule.halted
        assert rule.strata is None or part.stratum in rule.strata


@given(rules, parts)
def test_advice_never_meets_a_blind_part_nor_a_machines_decision(rule, part):
    decision = decide(rule, part)
    assert not (decision.advice and (decision.blind or decision.outcome != "person"))


@given(rules, parts)
def test_an_audited_part_is_a_blind_one_that_the_machine_decided(rule, part):
    decision = decide(rule, part)
    if decision.audited:
        assert decision.blind
        assert decision.outcome != "person"


@given(rules, parts)
def test_under_a_halt_people_judge_every_part_blind(rule, part):
    decision = decide(replace(rule, halted=True), part)
    assert (decision.outcome, decision.blind, decision.advice) == ("person", True, False)


@given(rules, parts)
def test_a_seeded_part_is_a_blind_persons_whatever_the_rule(rule, part):
    decision = decide(rule, replace(part, seeded=True))
    assert (decision.outcome, decision.reason, decision.blind) == ("person", SEEDED, True)
    assert not (decision.audited or decision.advice)


@given(rules, parts, shares)
def test_the_draw_of_audits_does_not_see_the_score(rule, part, other):
    """At partial and full a part is drawn or not, whatever it scores: audits and escalations can be pooled."""
    rule = replace(rule, level=Level.PARTIAL, halted=False, outside=None)
    assert decide(rule, part).blind == decide(rule, replace(part, score=other)).blind


@pytest.mark.parametrize(
    ("rule", "score", "outcome"),
    [
        (Rule(Level.HUMAN_ONLY), 0.0, "person"),
        (Rule(Level.SHADOW), 0.0, "person"),
        (Rule(Level.ASSIST), 0.0, "person"),
        (PARTIAL, 0.0999, "pass"),
        (PARTIAL, 0.1, "person"),
        (PARTIAL, 0.4999, "person"),
        (PARTIAL, 0.5, "reject"),
        (PARTIAL, math.nan, "person"),
        (PARTIAL, -0.01, "person"),
        (PARTIAL, 1.01, "person"),
        (PARTIAL, None, "person"),
        (FULL, 0.2999, "pass"),
        (FULL, 0.3, "reject"),
        (FULL, math.nan, "person"),
        (FULL, None, "person"),
        (replace(PARTIAL, pass_below=None), 0.0, "person"),
        (replace(PARTIAL, pass_below=0.6), 0.0, "person"),
        (replace(PARTIAL, pass_below=math.nan), 0.9, "person"),
    ],
)
def test_the_outcome_by_level_and_score(rule, score, outcome):
    assert decide(rule, part(score)).outcome == outcome
    routed_alike(rule, [part(score)])


@pytest.mark.parametrize("level", [Level.HUMAN_ONLY, Level.SHADOW])
def test_below_assist_every_verdict_is_blind(level):
    decision = decide(Rule(level), part())
    assert decision.blind
    assert not decision.advice


def test_at_assist_the_blind_share_is_blind_and_the_rest_may_see_advice():
    rule = Rule(Level.ASSIST, blind_share=0.1)
    assert decide(rule, part(u_blind=0.05)).blind
    assert decide(rule, part(u_blind=0.05)).advice is False
    assert decide(rule, part(u_blind=0.1)).advice
    assert decide(rule, part(None, u_blind=0.5)).advice is False


def test_the_audit_share_of_machine_decisions_is_audited():
    assert decide(PARTIAL, part(u_audit=0.19)).audited
    assert not decide(PARTIAL, part(u_audit=0.2)).audited


def test_an_escalated_part_is_blind_by_the_same_draw():
    inside, outside = decide(PARTIAL, part(0.3, u_audit=0.19)), decide(PARTIAL, part(0.3, u_audit=0.2))
    assert (inside.reason, inside.blind, inside.audited) == (UNSURE_BAND, True, False)
    assert not outside.blind


@pytest.mark.parametrize("rule", [PARTIAL, FULL, Rule(Level.ASSIST)])
def test_a_part_unlike_any_seen_before_is_a_persons_and_gets_no_advice(rule):
    decision = decide(rule, part(0.001, novelty=1.0))
    assert (decision.outcome, decision.reason, decision.advice) == ("person", OUT_OF_DISTRIBUTION, False)
    assert decide(rule, part(0.001, novelty=0.99)) == decide(rule, part(0.001))
    assert decide(rule, part(0.001, novelty=math.nan)).outcome == "person"


def test_a_stratum_that_is_not_certified_goes_to_people():
    rule = replace(PARTIAL, strata=frozenset({("cam-1", "")}))
    assert decide(rule, part(stratum=("cam-1", ""))).outcome == "pass"
    decision = decide(rule, part(stratum=("cam-2", "")))
    assert (decision.outcome, decision.reason) == ("person", "stratum not certified")


def test_outside_the_canary_share_the_rule_before_holds():
    rule = replace(PARTIAL, canary_share=0.05, outside=Rule(Level.ASSIST))
    assert decide(rule, part(u_canary=0.049)).outcome == "pass"
    assert decide(rule, part(u_canary=0.05)).advice


# Few values, so that shares meet draws and bars meet scores: every "below" is tried at its edge.
edges = st.sampled_from([0.0, 0.1, 0.5, 1.0, math.nan])
draws = st.sampled_from([0.1, 0.5, math.nan])
ramps = st.builds(
    Rule, level=st.sampled_from(Level), pass_below=st.none() | edges, reject_from=st.none() | edges, canary_share=draws,
    audit_share=draws, blind_share=draws, halted=st.booleans(), strata=st.none() | st.frozensets(strata),
    outside=st.none() | rules,
)  # fmt: skip
tight_parts = st.builds(
    Part, score=st.none() | edges | st.sampled_from([-0.1, 1.1, math.inf]), u_canary=draws, u_audit=draws, u_blind=draws,
    stratum=strata, novelty=st.none() | edges, seeded=st.booleans(),
)  # fmt: skip


def routed_together(rule: Rule, parts: list[Part]) -> Decisions:
    return decide_many(
        rule, [part.score for part in parts], [part.novelty for part in parts], [part.u_canary for part in parts],
        [part.u_audit for part in parts], [part.u_blind for part in parts], [part.stratum for part in parts],
        [part.seeded for part in parts],
    )  # fmt: skip


def routed_alike(rule: Rule, parts: list[Part]) -> None:
    many, each = routed_together(rule, parts), [decide(rule, part) for part in parts]
    assert [OUTCOMES[code] for code in many.outcome] == [one.outcome for one in each]
    assert many.why.tolist() == [one.why for one in each]
    for name in ("blind", "audited", "advice"):
        assert getattr(many, name).tolist() == [getattr(one, name) for one in each]


@given(rules, st.lists(parts, max_size=20))
@example(PARTIAL, [])
def test_many_parts_are_routed_as_each_of_them(rule, parts):
    routed_alike(rule, parts)


@given(ramps, ramps, st.lists(tight_parts, min_size=20, max_size=40))
def test_many_parts_are_routed_as_each_of_them_at_every_edge(rule, outside, parts):
    routed_alike(outside, parts)
    routed_alike(replace(rule, outside=outside), parts)


def test_each_kind_of_reason_is_met():
    """Else the comparison above would be of fewer rules than there are."""
    rule = Rule(Level.PARTIAL, 0.1, 0.5, 0.5, 0.1, strata=frozenset({("", "")}), outside=Rule(Level.ASSIST))
    seen = {
        *routed_together(rule, [
            part(seeded=True), part(), part(u_blind=0.0), part(0.05, u_canary=0.1), part(0.2, u_canary=0.1),
            part(0.7, u_canary=0.1), part(u_canary=0.1, stratum=("cam-1", "")), part(None), part(novelty=2.0),
        ]).why.tolist(),
        *(routed_together(other, [part()]).why[0] for other in (Rule(Level.SHADOW), Rule(Level.FULL, halted=True), Rule(Level.FULL))),
    }  # fmt: skip
    assert seen == set(Why) - {Why.VERSIONS_DISAGREE}, "that is of two versions"


def test_what_is_not_given_says_nothing():
    """No novelties: none is strange. No strata: each is the nameless one. No seeds: none is seeded."""
    draws = np.full(2, 0.9)
    bare = decide_many(replace(PARTIAL, strata=frozenset({("", "")})), [0.05, 0.3], None, draws, draws, draws)
    assert bare.why.tolist() == [Why.BELOW, Why.UNSURE_BAND]
    elsewhere = decide_many(replace(PARTIAL, strata=frozenset({("cam-1", "")})), [0.05], None, [0.9], [0.9], [0.9])
    assert elsewhere.why.tolist() == [Why.NOT_CERTIFIED]
