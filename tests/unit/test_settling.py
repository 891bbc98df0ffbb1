"""Settling: what becomes of a scored part at each level, and to whom anything of the model may be served."""

import pytest

from automation import actions, policies
from automation.actions import advice_for, score_and_settle, serve_advice, settle, settle_missing
from automation.models import Halt, Routing
from inspection import actions as floor
from inspection.models import Draw, ModelOutputShown, Origin
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
