"""Settling: what becomes of a scored part at each level, and to whom anything of the model may be served."""

import pytest

from automation import actions, policies
from automation.actions import advice_for, score_and_settle, serve_advice, settle, settle_batch, settle_missing
from automation.actions.changing import COPIED, write_policy
from automation.actions.voiding import void_evidence
from automation.counts import Tally
from automation.facts import facts_of
from automation.models import Change, Halt, Routing
from automation.reports import flow
from automation.routing import SEEDED, Part, decide
from automation.standby import bars_of
from inspection import actions as floor
from inspection.models import Disposition, Draw, Inspection, Line, ModelOutputShown, Origin
from inspection.refusals import Conflict
from shadow.actions import weights_path
from shadow.models import Assignment, Prediction, ScoringJob
from shadow.pairs import pairs
from tests.conftest import untrained_weights

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


def test_seeded_parts_are_not_in_the_flow(shadowed, version, make_part, answer, judge, ivy):
    for origin in (Origin.LIVE, Origin.SEEDED):
        answer(part := make_part(origin=origin), version, 0.2)
        judge(part, ivy, "ok")
    assert (flow(shadowed).total, flow(shadowed).decisions) == (1, {"person": 1})


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
    with pytest.raises(Conflict, match="The whole factory is halted"):
        actions.set_halt(line=partial, on=False, by=ada, reason="not here")
    assert policies.halt_of(partial) == Halt.objects.get(on=True)


def test_a_cleaned_part_is_always_a_persons(partial, version, make_part, answer, ivy, later):
    first = make_part("SN1")
    floor.claim(line=partial, by=ivy, now=later(61))
    floor.send_to_retake(inspection=first, by=ivy, lease=first.lease.token, reason="oil")
    answer(again := make_part("SN1"), version, 0.01)
    assert (again.state, again.disposition) == ("waiting", None)


@pytest.fixture
def clean(ivy, later):
    """Sends a part to be cleaned; `clean(part)` gives the serial's next inspection, which has no answer yet."""

    def send(part):
        lease = floor.claim(line=part.line, by=ivy, now=later(61))
        floor.send_to_retake(inspection=part, by=ivy, lease=lease.token, reason="oil", now=later(62))

    return send


@pytest.fixture
def draws(monkeypatch):
    """What each next part draws, for every purpose: `draws(0.01, 0.5)`."""
    known, given = {}, []

    def draw(purpose, part):
        if part not in known:
            known[part] = given[len(known)]
        return known[part]

    monkeypatch.setattr(policies, "draw", draw)
    return lambda *numbers: given.extend(numbers)


@pytest.mark.parametrize(("level", "fields"), [("assist", {}), ("partial", BARS)])
def test_after_cleaning_the_serials_draw_holds(
    line, version, set_level, make_part, answer, judge, ian, clean, draws, level, fields
):
    """The part's own draws would give advice at assist, and at either level nobody would ever answer for the serial."""
    draws(0.01, 0.5, 0.5)
    set_level(line, level, version, **fields)
    answer(first := make_part("SN1"), version, 0.01)
    clean(first)
    answer(other := make_part("SN2"), version, 0.01)
    answer(again := make_part("SN1"), version, 0.01)
    assert (first.draw.blind, other.draw.blind, again.draw.blind, again.draw.audited) == (True, False, True, False)
    assert (again.state, routing_of(again).advice, again.disposition) == ("waiting", False, None)
    lease = floor.claim(line=line, by=ian, serial="SN1")
    assert advice_for(inspection=again, user=ian) is None
    floor.record_verdict(inspection=again, by=ian, lease=lease.token, outcome="scratched")
    evidence = facts_of(line, version).evidence.below(0.1)
    assert (evidence.scratched, evidence.waiting) == (1, 0)


def test_a_part_that_is_cleaned_twice_keeps_its_draw(line, version, set_level, make_part, answer, clean, draws):
    draws(0.01, 0.5, 0.5)
    set_level(line, "assist", version)
    for _ in range(3):
        answer(part := make_part("SN1"), version, 0.01)
        assert part.draw.blind
        clean(part)


def test_a_cleaned_part_that_was_not_drawn_draws_for_itself(line, version, set_level, make_part, answer, clean, draws):
    draws(0.5, 0.5, 0.01)
    set_level(line, "assist", version)
    for blind in (False, False, True):
        answer(part := make_part("SN1"), version, 0.01)
        assert (part.draw.blind, routing_of(part).advice) == (blind, not blind)
        clean(part)


def test_another_lines_serial_is_another_part(line, version, set_level, make_part, answer, clean, draws):
    draws(0.01, 0.5)
    set_level(line, "assist", version)
    answer(first := make_part("SN1"), version, 0.01)
    clean(first)
    other = Line.objects.create(slug="line-b", name="Line B")
    set_level(other, "assist", version)
    answer(again := make_part("SN1", on=other), version, 0.01)
    assert not again.draw.blind


def test_whoever_was_shown_the_answer_to_the_dirty_part_does_not_answer_for_it(
    line, version, set_level, make_part, answer, judge, ian, ivy, clean, draws
):
    """No page shows it to an inspector; a supervisor who judges may have met it in a list."""
    draws(0.01, 0.5, 0.5)
    set_level(line, "assist", version)
    answer(first := make_part("SN1"), version, 0.01)
    clean(first)
    answer(again := make_part("SN1"), version, 0.01)
    floor.note_model_output_shown(inspection=first, user=ian, where="a list")
    judge(again, ian, "ok")
    assert facts_of(line, version).evidence.below(0.1) == Tally(pending=1)
    answer(third := make_part("SN1"), version, 0.01)
    judge(third, ivy, "ok")
    assert facts_of(line, version).evidence.below(0.1) == Tally(ok=1)


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


# ---- beside a standby


@pytest.fixture
def beside(line, version, other_version, set_level):
    """Line A at partial by version 1; version 2 is its standby, and has no certificate: its operating threshold is 0.5."""
    set_level(line, "partial", version, **AUDIT_NEXT_TO_NONE, standby_id=other_version.pk)
    return line


def outcome_of(part) -> tuple[str, str]:
    part.refresh_from_db()
    return part.state, routing_of(part).reason


@pytest.mark.parametrize(
    ("live", "standby", "state", "reason"),
    [
        (0.05, 0.4, "decided", "score 0.0500 is below 0.1"),
        (0.05, 0.6, "waiting", "versions disagree"),
        (0.7, 0.4, "waiting", "versions disagree"),
        (0.7, 0.6, "decided", "score 0.7000 is not below 0.5"),
        (0.3, 0.6, "waiting", "score in the unsure band"),
        (None, 0.6, "waiting", "no answer of the model: blank photo"),
        (0.05, None, "decided", "score 0.0500 is below 0.1"),
    ],
)
@pytest.mark.parametrize("first", ["live", "standby"])
def test_opposite_decisions_go_to_a_person_whichever_answer_comes_first(
    beside, version, other_version, make_part, answer, live, standby, state, reason, first
):
    part = make_part()
    both = [(version, live), (other_version, standby)]
    for model, score in both if first == "live" else both[::-1]:
        answer(part, model, score)
    assert outcome_of(part) == (state, reason)
    assert routing_of(part).prediction.version == version
    assert part.dispositions.count() == (state == "decided")


def test_a_part_that_versions_disagree_about_is_evidence_only_where_it_was_drawn(
    line, version, other_version, set_level, make_part, answer, ivy
):
    """Else the few hard parts would outweigh all those that were not drawn; the person sees neither answer all the same."""
    for share in (1.0, 1e-9):
        set_level(line, "partial", version, **BARS, audit_share=share, standby_id=other_version.pk)
        answer(part := make_part(), other_version, 0.9)
        answer(part, version, 0.01)
        assert (routing_of(part).reason, part.draw.blind, part.draw.audited) == (
            "versions disagree", share == 1, False,
        )  # fmt: skip
        floor.claim(line=line, by=ivy)
        assert serve_advice(inspection=part, user=ivy, where="test") is None


def test_a_part_unlike_any_seen_before_is_none_of_the_standbys(beside, version, other_version, make_part, answer):
    answer(part := make_part(), other_version, 0.9, novelty=2.0)
    answer(part, version, 0.01)
    assert part.state == "decided"


def test_the_standby_decides_as_it_was_last_certified(
    beside, version, other_version, set_level, make_part, answer, ada, later
):
    before = policies.in_force(beside)
    fields = {name: getattr(before, name) for name in COPIED} | {
        "version_id": other_version.pk, "standby_id": version.pk, "pass_below": 0.2, "reject_from": 0.3,
    }  # fmt: skip
    change = Change.objects.create(line=beside, from_policy=before, kind="switch", proposed={}, reason="test", by=ada)
    write_policy(line=beside, fields=fields, by=ada, reason="t", action="level_switch", now=later(0), change=change)
    set_level(beside, "partial", version, **AUDIT_NEXT_TO_NONE, standby_id=other_version.pk)
    for score, state in ((0.19, "decided"), (0.25, "decided"), (0.3, "waiting")):
        answer(part := make_part(), version, 0.05)
        answer(part, other_version, score)
        part.refresh_from_db()
        assert part.state == state, score
    void_evidence(line=beside, version=other_version, reason="alarm", now=later(0))
    assert bars_of(beside, other_version) == (0.5, 0.5, None), "a certificate that an alarm has voided says nothing"


@pytest.mark.parametrize("level", ["shadow", "assist"])
def test_where_people_judge_everything_nobody_waits_for_the_standby(
    line, version, other_version, set_level, make_part, answer, level
):
    set_level(line, level, version, standby_id=other_version.pk)
    answer(part := make_part(), version, 0.01)
    assert part.state == "waiting"
    answer(part, other_version, 0.99)
    assert Routing.objects.count() == 1


def test_outside_the_canary_share_and_under_a_halt_the_standby_is_not_asked(
    beside, version, other_version, set_level, make_part, answer, ada
):
    actions.set_halt(line=beside, on=True, by=ada, reason="smoke")
    answer(part := make_part(), version, 0.01)
    assert outcome_of(part) == ("waiting", "halted")
    actions.set_halt(line=beside, on=False, by=ada, reason="clear")
    set_level(beside, "partial", ramp=[[1e-9, 1.0], [1.0, 0.1]], standby_id=other_version.pk)
    answer(part := make_part(), version, 0.01)
    assert outcome_of(part) == ("waiting", "people judge every part at shadow")


# The hold of these parts is 60 seconds: from 45 on the live version decides alone.


@pytest.mark.parametrize("job", ["pending", "leased", None])
def test_a_part_waits_for_the_standby_until_a_quarter_of_its_hold_is_left(
    beside, version, other_version, make_part, answer, later, job
):
    """Also while the standby has no job yet: it gets one a moment later than the live version."""
    part = make_part()
    if job:
        ScoringJob.objects.create(inspection=part, version=other_version, state=job)
    answer(part, version, 0.01)
    assert (part.state, Routing.objects.count(), Draw.objects.count()) == ("held", 0, 0)
    assert settle_missing(now=later(44)) == 0
    assert settle_missing(now=later(46)) == 1
    assert outcome_of(part) == ("decided", "score 0.0100 is below 0.1")
    answer(part, other_version, 0.99)
    assert (part.state, part.dispositions.count(), Routing.objects.count()) == ("decided", 1, 1)


def test_a_part_whose_hold_ran_out_while_it_waited_is_a_persons(beside, version, make_part, answer, later):
    answer(part := make_part(), version, 0.01)
    assert settle_missing(now=later(61)) == 1
    part.refresh_from_db()
    assert (part.state, part.disposition, routing_of(part).decided) == ("held", None, False)


def test_nobody_waits_for_an_answer_that_never_comes(beside, version, other_version, make_part, answer, later):
    """A job that is done without a live answer, as a replay's; and a part from before the standby was named."""
    replayed, older = make_part(), make_part()
    job = ScoringJob.objects.create(inspection=replayed, version=other_version, state="done", retrospective=True)
    answer(replayed, other_version, 0.99, retrospective=job.retrospective)
    answer(replayed, version, 0.01)
    assert replayed.state == "decided"
    Assignment.objects.filter(version=other_version).update(assigned_at=later(1))
    answer(older, version, 0.01)
    assert older.state == "decided"


def test_a_worker_that_died_after_the_standbys_answer_is_made_up_for(beside, version, other_version, make_part, later):
    part = make_part()
    for model, score, outcome in ((version, 0.01, "ok"), (other_version, 0.99, "scratched")):
        Prediction.objects.create(inspection=part, version=model, score=score, outcome=outcome)
    assert [settle_missing(now=later(seconds)) for seconds in (1, 2)] == [1, 0]
    assert outcome_of(part) == ("waiting", "versions disagree")


def test_two_workers_with_one_answer_each_settle_the_part_once(
    at_once, line, version, other_version, set_level, make_part
):
    set_level(line, "partial", version, **AUDIT_NEXT_TO_NONE, standby_id=other_version.pk)
    parts = [make_part() for _ in range(4)]

    def work(model, score, outcome):
        written = Prediction.objects.bulk_create(
            Prediction(inspection=part, version=model, score=score, outcome=outcome) for part in parts
        )
        return len(settle_batch(predictions=written))

    results = at_once(lambda: work(version, 0.01, "ok"), lambda: work(other_version, 0.99, "scratched"))
    assert sum(results) == 4
    assert {outcome_of(part) for part in parts} == {("waiting", "versions disagree")}
    assert Draw.objects.count() == Routing.objects.count() == 4


@pytest.mark.parametrize("damage", ["missing", "altered"])
def test_a_standby_whose_weights_are_gone_or_altered_leaves_the_live_version_to_decide(
    line, version, other_version, set_level, make_part, damage
):
    set_level(line, "full", version, pass_below=0.999, reject_from=0.999, audit_share=1e-9, standby_id=other_version.pk)
    weights = weights_path(other_version)
    weights.write_bytes(untrained_weights(seed=3)) if damage == "altered" else weights.unlink()
    part = make_part()
    while score_and_settle() or not Prediction.objects.filter(version=other_version).exists():
        pass
    broken = Prediction.objects.get(version=other_version)
    assert (broken.score, broken.null_reason.startswith("the version could not run")) == (None, True)
    assert outcome_of(part)[0] == "decided"


@pytest.mark.parametrize("damage", ["missing", "altered"])
def test_a_live_version_whose_weights_are_gone_or_altered_leaves_its_parts_to_people(
    line, version, other_version, set_level, make_part, damage
):
    set_level(line, "full", version, pass_below=0.999, reject_from=0.999, audit_share=1e-9, standby_id=other_version.pk)
    weights = weights_path(version)
    weights.write_bytes(untrained_weights(seed=3)) if damage == "altered" else weights.unlink()
    part = make_part()
    while score_and_settle() or not Prediction.objects.filter(version=version).exists():
        pass
    state, reason = outcome_of(part)
    assert (state, reason.startswith("no answer of the model: the version could not run")) == ("waiting", True)
    assert part.disposition is None


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
