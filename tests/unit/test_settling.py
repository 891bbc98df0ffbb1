"""Settling: what becomes of a scored part at each level, and to whom anything of the model may be served."""

import pytest

from automation import actions, policies
from automation.actions import advice_for, score_and_settle, serve_advice, settle, settle_batch, settle_missing
from automation.models import Halt, Routing
from automation.reports import blind_pace, flow
from automation.routing import SEEDED, Part, decide
from inspection import actions as floor
from inspection.models import Disposition, Draw, Inspection, Line, ModelOutputShown, Origin
from shadow.models import Prediction
from shadow.pairs import pairs

BARS = {"pass_below": 0.1, "reject_from": 0.5}
AUDIT_ALL = BARS | {"audit_share": 1.0}
AUDIT_NEXT_TO_NONE = BARS | {"audit_share": 1e-9}


@pytest.fixture
def partial(line, version, set_level):
    """Line A at partial; the machine decides, next to nothing is audited."""
    set_level(line, "partial", version, **AUDIT_NEXT_TO_NONE)
    return line


@pytest.fixture
def assisted(line, version, set_level):
    """Line A at assist, next to nothing is drawn blind; `answer` is in time for the person who claims next."""
    set_level(line, "assist", version, blind_share=1e-9)
    return line


def routing_of(part) -> Routing:
    return Routing.objects.get(inspection=part)


# ---- by level


def test_at_human_only_nothing_is_routed(line, version, make_part, answer):
    answer(part := make_part(), version, 0.01)
    assert part.state == "waiting"
    assert not Routing.objects.exists()
    assert not Draw.objects.exists()


def test_at_shadow_a_person_decides_blind(shadowed, version, make_part, answer):
    answer(part := make_part(), version, 0.01)
    routing = routing_of(part)
    assert (part.state, routing.decision, routing.decided, routing.advice) == ("waiting", "person", False, False)
    assert part.draw.blind


def test_at_assist_a_person_decides_with_advice(assisted, version, make_part, answer):
    part = make_part()
    assert part.state == "held"
    answer(part, version, 0.9)
    assert (part.state, routing_of(part).advice, part.draw.blind) == ("waiting", True, False)


@pytest.mark.parametrize(
    ("score", "state", "outcome", "reason"),
    [
        (0.05, "decided", "pass", "score 0.0500 is below 0.1"),
        (0.5, "decided", "reject", "score 0.5000 is not below 0.5"),
        (0.3, "waiting", None, "score in the unsure band"),
        (None, "waiting", None, "no answer of the model: blank photo"),
    ],
)
def test_at_partial_the_machine_decides_outside_the_unsure_band(
    partial, version, make_part, answer, score, state, outcome, reason
):
    answer(part := make_part(), version, score)
    assert part.state == state
    assert (part.disposition.outcome if part.disposition else None) == outcome
    assert routing_of(part).reason == reason
    if part.disposition:
        assert (part.disposition.by_machine, part.disposition.reason) == (True, reason)


def test_at_full_the_machine_decides_whatever_it_can_score(line, version, set_level, make_part, answer):
    set_level(line, "full", version, **AUDIT_NEXT_TO_NONE | {"pass_below": 0.3, "reject_from": 0.3})
    for score, state in ((0.29, "decided"), (0.3, "decided"), (None, "waiting")):
        answer(part := make_part(), version, score)
        assert part.state == state


def test_audited_parts_wait_for_a_blind_verdict(line, version, set_level, make_part, answer):
    set_level(line, "partial", version, **AUDIT_ALL)
    answer(part := make_part(), version, 0.05)
    assert (part.state, part.disposition.outcome) == ("audit_due", "pass")
    assert (part.draw.blind, part.draw.audited) == (True, True)


@pytest.mark.parametrize("level", ["shadow", "assist", "partial", "full"])
@pytest.mark.parametrize("score", [0.01, 0.4, 0.99])
def test_a_seeded_part_goes_to_a_person_blind_at_every_level(
    line, version, set_level, make_part, answer, ivy, level, score
):
    bars = {"pass_below": 0.3, "reject_from": 0.3} if level == "full" else BARS
    set_level(line, level, version, **bars, audit_share=1.0, blind_share=1e-9)
    answer(part := make_part(origin=Origin.SEEDED), version, score)
    routing = routing_of(part)
    assert (part.state, part.disposition) == ("waiting", None)
    assert (routing.decision, routing.reason, routing.decided, routing.advice) == ("person", SEEDED, False, False)
    assert (part.draw.blind, part.draw.audited) == (True, False)
    floor.claim(line=line, by=ivy)
    assert serve_advice(inspection=part, user=ivy, where="test") is None


def test_seeded_parts_are_not_in_the_flow_nor_in_the_pace(shadowed, version, make_part, answer, judge, ivy):
    for origin in (Origin.LIVE, Origin.SEEDED):
        answer(part := make_part(origin=origin), version, 0.2)
        judge(part, ivy, "ok")
    assert (flow(shadowed).total, flow(shadowed).decisions) == (1, {"person": 1})
    assert blind_pace(shadowed) == 1.0


def test_outside_the_canary_share_the_level_before_holds(line, version, set_level, make_part, answer):
    set_level(line, "assist", version, blind_share=1e-9)
    set_level(line, "partial", version, **BARS, ramp=[[1e-9, 1.0], [1.0, 0.1]])
    answer(part := make_part(), version, 0.01)
    assert (part.state, part.disposition) == ("waiting", None)
    assert routing_of(part).advice


def test_the_ramps_step_says_the_share_and_the_policys_audit_share_is_a_floor(line, version, set_level):
    set_level(line, "partial", version, **BARS, ramp=[[0.05, 1.0], [1.0, 0.1]], step=1, audit_share=0.3)
    assert policies.shares_of(policies.in_force(line)) == (1.0, 0.3)


# ---- the part is a person's


def test_a_hold_that_has_passed_makes_it_a_persons(line, version, set_level, make_part, later):
    set_level(line, "partial", version, **AUDIT_ALL)
    part = make_part()
    prediction = Prediction.objects.create(inspection=part, version=version, score=0.01, outcome="ok")
    settle(prediction=prediction, now=later(61))
    part.refresh_from_db()
    routing = routing_of(part)
    assert (routing.decision, routing.decided, part.state, part.disposition) == ("pass", False, "held", None)
    assert part.draw.audited is False


def test_a_part_that_somebody_holds_is_theirs(partial, version, make_part, answer, ivy, later):
    part = make_part()
    floor.claim(line=partial, by=ivy, now=later(61))
    answer(part, version, 0.01)
    assert (part.disposition, routing_of(part).decided) == (None, False)


def test_a_part_with_a_verdict_is_decided_by_it(partial, version, make_part, answer, ivy, later):
    part = make_part()
    floor.claim(line=partial, by=ivy, now=later(61))
    floor.record_verdict(inspection=part, by=ivy, lease=part.lease.token, outcome="scratched")
    answer(part, version, 0.01)
    assert (part.disposition.outcome, part.disposition.by_machine) == ("reject", False)


@pytest.mark.parametrize("whole", [True, False])
def test_under_a_halt_every_part_is_a_persons(partial, version, make_part, answer, ada, whole):
    actions.set_halt(line=None if whole else partial, on=True, by=ada, reason="smoke")
    answer(part := make_part(), version, 0.01)
    assert (part.state, routing_of(part).reason, part.draw.blind) == ("waiting", "halted", True)
    actions.set_halt(line=None if whole else partial, on=False, by=ada, reason="clear")
    answer(part := make_part(), version, 0.01)
    assert part.state == "decided"


def test_a_line_that_resumes_stays_halted_while_the_factory_is(partial, ada):
    actions.set_halt(line=None, on=True, by=ada, reason="smoke")
    actions.set_halt(line=partial, on=False, by=ada, reason="not here")
    assert policies.halt_of(partial) == Halt.objects.get(on=True)


def test_a_cleaned_part_is_always_a_persons(partial, version, make_part, answer, ivy, later):
    first = make_part("SN1")
    floor.claim(line=partial, by=ivy, now=later(61))
    floor.send_to_retake(inspection=first, by=ivy, lease=first.lease.token, reason="oil")
    answer(again := make_part("SN1"), version, 0.01)
    assert (again.state, again.disposition) == ("waiting", None)


# ---- once, and for ever


def test_the_same_answer_delivered_twice_routes_once(partial, version, make_part, answer):
    part = make_part()
    prediction = answer(part, version, 0.01)
    assert settle(prediction=prediction) is None
    assert part.dispositions.count() == Routing.objects.count() == Draw.objects.count() == 1


def test_draws_are_stored_and_rotation_never_redraws(shadowed, version, make_part, answer, settings, later):
    prediction = answer(part := make_part(), version, 0.01)
    before = Draw.objects.values().get()
    assert before["u_audit"] == policies.draw("audit", part.pk)
    settings.DRAW_SECRET = "rotated"
    settle(prediction=prediction)
    settle_missing(now=later(0))
    assert Draw.objects.values().get() == before
    answer(other := make_part(), version, 0.01)
    assert other.draw.key != before["key"]


def test_another_versions_answer_is_not_settled(shadowed, other_version, make_part, answer):
    answer(make_part(), other_version, 0.01)
    assert not Routing.objects.exists()


def test_retrospective_answers_are_never_routed(partial, version, make_part, answer, later):
    answer(part := make_part(), version, 0.01, retrospective=True)
    settle_missing(now=later(1))
    assert part.state == "held"
    assert not Routing.objects.exists()


def test_a_worker_that_died_before_settling_is_made_up_for(partial, version, make_part, later):
    part = make_part()
    Prediction.objects.create(inspection=part, version=version, score=0.01, outcome="ok")
    assert settle_missing(now=later(1)) == 1
    assert settle_missing(now=later(2)) == 0
    part.refresh_from_db()
    assert part.state == "decided"


def test_scoring_settles_what_it_has_scored(shadowed, make_part):
    part = make_part()
    assert score_and_settle() == 1
    assert routing_of(part).prediction == Prediction.objects.get()


def test_simulated_parts_of_a_demo_line_are_scored_and_routed(shadowed, make_part):
    shadowed.demo = True
    shadowed.save()
    make_part(origin=Origin.SIMULATED)
    score_and_settle()
    assert Routing.objects.count() == 1


# ---- many at once


@pytest.fixture
def answers(version, make_part):
    """Parts and their unsettled answers: `answers(0.05, 0.9, None)`."""

    def give(*scores, **fields):
        return [
            Prediction.objects.create(
                inspection=make_part(**fields), version=version, score=score, null_reason="" if score else "blank photo",
                outcome="" if score is None else "scratched" if score >= version.threshold else "ok",
            )
            for score in scores
        ]  # fmt: skip

    return give


def states(predictions):
    return [Inspection.objects.get(pk=prediction.inspection_id).state for prediction in predictions]


@pytest.mark.parametrize("level", ["shadow", "assist", "partial", "full"])
def test_a_batch_is_settled_as_each_part_alone_would_be(level, line, version, set_level, answers):
    bars = {"pass_below": 0.3, "reject_from": 0.3} if level == "full" else BARS
    set_level(line, level, version, **bars, audit_share=0.5, blind_share=0.5)
    scores = [0.05, 0.09, 0.2, 0.3, 0.45, 0.5, 0.9, None] * 2
    together = answers(*scores)
    routings = settle_batch(predictions=together)
    assert [routing.prediction_id for routing in routings] == [prediction.pk for prediction in together]
    for routing in routings:
        part = Inspection.objects.get(pk=routing.inspection_id)
        draw = part.draw
        rule = policies.rule_of(policies.in_force(line))
        facts = Part(
            score=routing.prediction.score, null_reason=routing.prediction.null_reason, stratum=("", ""),
            **{f"u_{name}": policies.draw(name, part.pk) for name in ("canary", "audit", "blind")},
        )  # fmt: skip
        decision = decide(rule, facts)
        assert (routing.decision, routing.reason, routing.advice) == (
            decision.outcome, decision.reason, decision.advice
        )  # fmt: skip
        by_machine = decision.outcome != "person"
        assert (routing.decided, draw.blind, draw.audited) == (by_machine, decision.blind, decision.audited)
        expected = ("audit_due" if decision.audited else "decided") if by_machine else "waiting"
        assert part.state == expected
        assert [row.outcome for row in part.dispositions.all()] == ([decision.outcome] if by_machine else [])


def test_a_batch_delivered_twice_routes_once(partial, answers):
    together = answers(0.05, 0.3, 0.9)
    assert len(settle_batch(predictions=[*together, *together])) == 3
    assert settle_batch(predictions=together) == []
    assert Routing.objects.count() == Draw.objects.count() == 3
    assert Disposition.objects.count() == 2


def test_two_workers_settle_a_batch_once(at_once, line, version, set_level, answers):
    set_level(line, "partial", version, **AUDIT_NEXT_TO_NONE)
    together = answers(0.05, 0.3, 0.9, 0.05)
    backwards = together[::-1]
    results = at_once(
        lambda: settle_batch(predictions=together), lambda: settle_batch(predictions=backwards),
        lambda: settle_batch(predictions=together),
    )  # fmt: skip
    assert sorted(len(routings) for routings in results) == [0, 0, 4]
    assert states(together) == ["decided", "waiting", "decided", "decided"]


def test_what_a_person_has_taken_stays_theirs_in_a_batch(partial, answers, ivy, later):
    together = answers(0.05, 0.05, 0.05)
    lease = floor.claim(line=partial, by=ivy, now=later(61))
    routings = settle_batch(predictions=together)
    assert {r.inspection_id for r in routings if not r.decided} == {lease.inspection_id}
    assert sorted(states(together)) == ["decided", "decided", "waiting"]


def test_one_batch_settles_parts_of_several_lines(partial, version, set_level, answers):
    other = Line.objects.create(slug="line-b", name="Line B")
    set_level(other, "shadow", version)
    together = answers(0.05) + answers(0.05, on=other)
    settle_batch(predictions=together)
    assert states(together) == ["decided", "waiting"]


def test_one_parts_fault_never_holds_the_others(partial, answers, monkeypatch, later):
    together = answers(0.05, 0.9, 0.05)
    poison, real = together[1].inspection_id, actions.settling._facts

    def fragile(part, *args):
        if part.pk == poison:
            raise RuntimeError("no such stratum")
        return real(part, *args)

    monkeypatch.setattr("automation.actions.settling._facts", fragile)
    assert len(settle_batch(predictions=together)) == 2
    assert states(together) == ["decided", "held", "decided"]
    assert settle_missing(now=later(1)) == 0, "nor does it stop the sweep"
    monkeypatch.undo()
    assert settle_missing(now=later(2)) == 1
    assert states(together) == ["decided", "decided", "decided"]


def test_a_fault_of_settling_loses_no_answer(shadowed, make_part, monkeypatch):
    make_part()
    monkeypatch.setattr("automation.actions.settling._settle_together", lambda *args, **more: 1 / 0)
    assert score_and_settle() == 1
    assert Prediction.objects.count() == 1
    assert not Routing.objects.exists()


# ---- advice


@pytest.fixture
def advised(assisted, version, make_part, answer, ivy):
    """A part with advice that ivy has opened."""
    answer(part := make_part(), version, 0.9)
    floor.claim(line=assisted, by=ivy)
    return part


def test_the_holder_is_advised(advised, ivy):
    assert advice_for(inspection=advised, user=ivy) == Prediction.objects.get()


def test_nobody_else_is(advised, ian, sam, ada):
    assert [advice_for(inspection=advised, user=user) for user in (ian, sam, ada)] == [None] * 3


def test_not_after_the_lease_has_ended(advised, ivy, later):
    assert advice_for(inspection=advised, user=ivy, now=later(advised.line.lease_seconds + 1)) is None


def test_not_when_it_was_not_ready_as_the_part_was_opened(assisted, version, make_part, answer, ivy, later):
    """Advice that comes late, or not at all, would tell which parts the model found hard."""
    part = make_part()
    floor.claim(line=assisted, by=ivy, now=later(4))
    prediction = Prediction.objects.create(inspection=part, version=version, score=0.9, outcome="scratched")
    settle(prediction=prediction, now=later(5))
    assert advice_for(inspection=part, user=ivy) is None


def test_not_on_a_blind_part(line, version, set_level, make_part, answer, ivy):
    set_level(line, "assist", version, blind_share=1.0)
    answer(part := make_part(), version, 0.9)
    floor.claim(line=line, by=ivy)
    assert advice_for(inspection=part, user=ivy) is None


def test_not_without_an_answer(assisted, version, make_part, answer, ivy):
    answer(part := make_part(), version, None)
    floor.claim(line=assisted, by=ivy)
    assert advice_for(inspection=part, user=ivy) is None


def test_not_after_a_halt_or_a_lowering(advised, ivy, ada, set_level):
    actions.set_halt(line=advised.line, on=True, by=ada, reason="smoke")
    assert advice_for(inspection=advised, user=ivy) is None
    actions.set_halt(line=advised.line, on=False, by=ada, reason="clear")
    assert advice_for(inspection=advised, user=ivy)
    set_level(advised.line, "shadow")
    assert advice_for(inspection=advised, user=ivy) is None


@pytest.mark.parametrize("level", ["partial", "full"])
def test_not_on_parts_that_the_machine_leaves_to_people(level, line, version, set_level, make_part, answer, ivy):
    set_level(line, level, version, **BARS)
    answer(part := make_part(), version, 0.3 if level == "partial" else None)
    floor.claim(line=line, by=ivy)
    assert advice_for(inspection=part, user=ivy) is None


def test_serving_leaves_its_row_and_the_verdict_is_no_evidence(advised, ivy, version):
    assert serve_advice(inspection=advised, user=ivy, where="advice") == Prediction.objects.get()
    shown = ModelOutputShown.objects.get()
    assert (shown.inspection_id, shown.user, shown.where) == (advised.pk, ivy, "advice")
    floor.record_verdict(inspection=advised, by=ivy, lease=advised.lease.token, outcome="scratched")
    [pair] = pairs(version=version)
    assert (pair.evidence_kind, pair.served_before) == ("assisted", True)


def test_serving_nothing_leaves_no_row(advised, ian):
    assert serve_advice(inspection=advised, user=ian, where="advice") is None
    assert not ModelOutputShown.objects.exists()
