"""The ramp: from step to step by evidence along what was approved; people hold it and take it back; never beyond."""

import math
from dataclasses import asdict, replace
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from automation import actions, policies
from automation.actions import advance_ramps, approve_change, move_ramp, propose_change, set_halt
from automation.actions.changing import DEFAULT_RAMP
from automation.evidence import Certificate
from automation.gates import Limits
from automation.models import Policy, Routing
from automation.ramp import RampFacts, chance_limits, reasons_to_wait, unaudited_escapes
from automation.ramp_facts import LATEST, has_audits, next_share, ramp_facts
from inspection.models import AuditEvent, Disposition, Draw, Inspection, Line
from inspection.refusals import BadInput, Conflict, NotAllowed
from inspection.roles import Role
from inspection.seals import unsealed
from monitoring.actions import close_alarm, open_alarm
from shadow.models import ChangedPart, Prediction
from shadow.rollups import FOR_A_READER, catch_up, left_to_count
from tests.conftest import make_person

BARS = {"pass_below": 0.1, "reject_from": 0.5}
# So that few parts are enough: 20 audited passes a step, at most 20 % of the parts passed scratched.
SMALL = {"alpha": 0.2, "blind_pairs": 20, "sensitivity_from_seeds": False, "step_audits": 20}
CERTIFIED = Certificate(
    0.1, 800, 0, 0.004, 0.9, "certified", "below 0.1 at most 0.4 % of the parts passed are scratched"
)
READY = RampFacts(
    step=0, steps=4, share=0.05, audit_share=1.0, next_share=0.25, proof=CERTIFIED, alpha=0.005, routed=6400, inside=320,
    decided=310, audited=310, due=310, judged=310, passes=305,
)  # fmt: skip
LIMITS = Limits()


# ---- the rule


def test_with_everything_in_hand_there_is_no_reason_to_wait():
    assert reasons_to_wait(READY, LIMITS) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"next_share": None}, "at its last step"),
        ({"held": True}, "A person holds the ramp at this step. An admin may let it go on."),
        ({"halted": True}, "The line is halted. Resume it first."),
        ({"critical_alarms": 1}, "1 critical alarm is open. Close it first."),
        ({"critical_alarms": 2}, "2 critical alarms are open. Close them first."),
        ({"pending": True}, "A change of this line awaits approval"),
        ({"uncounted": 16_000}, "16,000 changes are still being counted."),
        ({"alpha": 0.0}, "How many scratches inspectors find is not known"),
        (
            {"proof": replace(CERTIFIED, verdict="not_yet", reason="12 more judged parts below 0.1 are needed")},
            "12 more judged parts below 0.1 are needed; limit 0.5 %.",
        ),
        (
            {"proof": replace(CERTIFIED, verdict="refuted", reason="at least 3 % are scratched")},
            "At least 3 % are scratched",
        ),
        ({"passes": 299}, "1 more audited passes have to be judged in this step (299 of 300)."),
        ({"judged": 294}, "1 more of the audits due have to be judged (294 of 310, at least 95 %)."),
        ({"overdue": 1}, "1 audit waits for longer than 24 hours and counts as an escape."),
        ({"overdue": 1200}, "1,200 audits wait for longer than 24 hours"),
        (
            {"inside": 500},
            "The realised canary share is 7.81 % (500 of 6,400 parts of this step) where 5 % is configured",
        ),
        (
            {"inside": 100},
            "The realised canary share is 1.56 % (100 of 6,400 parts of this step) where 5 % is configured",
        ),
        (
            {"audited": 309},
            "The realised audit share is 99.7 % (309 of 310 decisions of the machine) where 100 % is configured",
        ),
        ({"unaudited": 10.5}, "About 10.5 scratched parts have left unaudited in this raise"),
        ({"unaudited": math.inf}, "more than the budget of 10."),
    ],
)
def test_each_reason_says_what_is_missing(changes, words):
    [reason] = reasons_to_wait(replace(READY, **changes), LIMITS)
    assert words in reason


@pytest.mark.parametrize(
    "changes",
    [
        {"passes": 300}, {"judged": 295}, {"inside": 275}, {"unaudited": 10.0},
        {"audit_share": 0.5, "decided": 600, "audited": 310}, {"due": 0, "judged": 0, "decided": 0, "audited": 0},
    ],
)  # fmt: skip
def test_just_enough_is_enough(changes):
    assert reasons_to_wait(replace(READY, **changes), LIMITS) == []


def test_all_reasons_are_told_at_once():
    assert len(reasons_to_wait(RampFacts(halted=True, held=True), LIMITS)) == 5


bits = st.booleans()
counts = st.integers(0, 2000)


@given(
    st.builds(
        RampFacts, share=st.sampled_from([0.05, 0.25]), audit_share=st.sampled_from([0.5, 1.0]),
        next_share=st.none() | st.just(0.5), proof=st.sampled_from([CERTIFIED, replace(CERTIFIED, verdict="not_yet")]),
        alpha=st.sampled_from([0.0, 0.005]), routed=counts, inside=st.integers(0, 200), decided=counts, audited=counts, due=counts,
        judged=counts, passes=counts, overdue=st.integers(0, 1), unaudited=st.floats(0, 20), critical_alarms=st.integers(0, 1),
        halted=bits, held=bits, pending=bits,
    ),
)  # fmt: skip
def test_no_reason_means_that_every_condition_holds(facts):
    limits = Limits(step_audits=100)
    ready = (
        facts.next_share is not None
        and facts.proof.verdict == "certified"
        and facts.alpha > 0
        and facts.passes >= 100
        and facts.judged >= 0.95 * facts.due
        and not (facts.overdue or facts.critical_alarms or facts.halted or facts.held or facts.pending)
        and facts.unaudited <= 10
    )
    if not reasons_to_wait(facts, limits):
        assert ready
    elif ready:
        low, high = chance_limits(facts.routed, facts.share), chance_limits(facts.decided, facts.audit_share)
        fair = low[0] <= facts.inside <= low[1] or not facts.routed
        assert not (fair and (high[0] <= facts.audited <= high[1] or not facts.decided))


@given(st.integers(1, 3000), st.floats(0.01, 0.99))
def test_the_limits_of_chance_are_the_two_sided_binomial_ones(n, share):
    low, high = chance_limits(n, share)
    for edge, beyond, side in ((low, low - 1, "less"), (high, high + 1, "greater")):
        assert binomtest(edge, n, share, side).pvalue > 5e-4 * (1 - 1e-9)
        if 0 <= beyond <= n:
            assert binomtest(beyond, n, share, side).pvalue <= 5e-4 * (1 + 1e-9)


def test_unaudited_escapes_are_those_of_horvitz_and_thompson():
    assert unaudited_escapes([]) == 0
    assert unaudited_escapes([0.1]) == pytest.approx(9)
    assert unaudited_escapes([0.5, 0.0]) == math.inf


# ---- the facts


@pytest.fixture
def ramped(line, version, set_level):
    """Line A at partial, at the first step of the default ramp, at small limits."""
    set_level(line, "assist", version, limits=SMALL)
    set_level(line, "partial", version, **BARS, ramp=DEFAULT_RAMP, audit_share=0.1, limits=SMALL)
    return line


@pytest.fixture
def go(ramped, audited, version):
    """Files what a step needs by the policy in force: audited passes, and so many parts outside the canary share that
    the realised share is the configured one."""

    def file(passes=20, *, outside=None, **fields):
        share, audit_share = policies.shares_of(policies.in_force(ramped))
        audited(ramped, passes, **fields)
        decided = round(passes / audit_share)
        unaudited(ramped, version, decided - passes)
        unaudited(
            ramped,
            version,
            round(decided / share) - decided if outside is None else outside,
            u_canary=0.999,
            decision="person",
        )

    return file


def unaudited(line, version, count, *, decision="pass", u_canary=0.0, policy=None):
    """Files parts that were routed and are nobody's audit."""
    now, start = timezone.now(), Inspection.objects.count()
    parts = Inspection.objects.bulk_create(
        Inspection(line=line, serial=f"U{start + n}", captured_at=now, received_at=now, hold_until=now, state="decided")
        for n in range(count)
    )
    draw = {"key": "k", "u_canary": u_canary, "u_audit": 0.999, "u_blind": 0.5, "blind": False}
    Draw.objects.bulk_create(Draw(inspection=part, **draw) for part in parts)
    answers = Prediction.objects.bulk_create(
        Prediction(inspection=part, version=version, score=0.01, outcome="ok") for part in parts
    )
    routing = {"policy": policy or policies.in_force(line), "decision": decision, "decided": decision != "person"}
    Routing.objects.bulk_create(
        Routing(inspection=answer.inspection, prediction=answer, reason="score", **routing) for answer in answers
    )


def facts(line, **fields):
    return ramp_facts(line, policies.in_force(line), fields.get("now", timezone.now()))


def step_of(line) -> int:
    return policies.in_force(line).step


def test_the_facts_of_a_step_are_counted_of_what_was_routed_in_it(ramped, audited, version, set_level):
    audited(ramped, 7)
    audited(ramped, 2, outcome="scratched")
    audited(ramped, 3, decision="reject", score=0.9)
    audited(ramped, 4, outcome=None)
    audited(ramped, 1, outcome="unsure")
    audited(ramped, 5, u_canary=0.2)  # outside the canary share: not this raise's
    unaudited(ramped, version, 100, u_canary=0.9, decision="person")
    found = facts(ramped)
    assert (found.routed, found.inside, found.decided, found.audited) == (122, 17, 17, 17)
    assert (found.due, found.judged, found.passes) == (17, 12, 9)
    assert (found.step, found.steps, found.share, found.audit_share, found.next_share) == (0, 4, 0.05, 1.0, 0.25)


def test_an_earlier_step_does_not_count_for_the_next(ramped, audited, version, set_level):
    audited(ramped, 20)
    set_level(ramped, "partial", version, **BARS, ramp=DEFAULT_RAMP, limits=SMALL, step=1)
    audited(ramped, 3)
    assert facts(ramped).passes == 3
    set_level(ramped, "partial", version, **BARS, ramp=DEFAULT_RAMP, limits=SMALL, step=1, hold_seconds=30)
    audited(ramped, 2)
    assert facts(ramped).passes == 5, "another hold is the same step"
    set_level(ramped, "partial", version, **BARS | {"pass_below": 0.2}, ramp=DEFAULT_RAMP, limits=SMALL, step=1)
    assert facts(ramped).passes == 0, "another threshold is another step"


def test_the_proof_is_that_of_all_evidence_as_the_gates_look_at_it(ramped, audited, version, make_evidence, ivy):
    make_evidence(ramped, version, 24, 0.01, "ok", by=ivy)
    audited(ramped, 6)
    found = facts(ramped)
    assert (found.proof.n, found.proof.k, found.proof.verdict, found.alpha) == (30, 0, "certified", 0.2)
    audited(ramped, 6, outcome="scratched")
    assert facts(ramped).proof.verdict != "certified"


def test_nothing_is_proven_while_inspectors_sensitivity_is_not_known(ramped, audited, version, set_level):
    limits = SMALL | {"sensitivity_from_seeds": True}
    set_level(ramped, "partial", version, **BARS, ramp=DEFAULT_RAMP, limits=limits)
    audited(ramped, 40)
    assert facts(ramped).alpha == 0


def test_overdue_audits_of_any_step_are_counted(ramped, audited):
    audited(ramped, 2, outcome=None)
    assert facts(ramped).overdue == 0
    assert facts(ramped, now=timezone.now() + timedelta(hours=25)).overdue == 2


def test_escapes_are_estimated_by_the_share_at_which_each_was_drawn(
    ramped, audited, version, set_level, make_evidence, ivy
):
    make_evidence(ramped, version, 2, 0.01, "scratched", by=ivy)  # in shadow, nobody's escape
    audited(ramped, 1, outcome="scratched")  # of 100 % audits: nothing left unaudited
    for step in (1, 2, 3):  # 50, 25 and 10 % audits
        set_level(ramped, "partial", version, **BARS, ramp=DEFAULT_RAMP, limits=SMALL, step=step)
        audited(ramped, 1, outcome="scratched")
        audited(ramped, 1, outcome="scratched", score=0.9, decision="reject")  # no escape
        audited(ramped, 1, outcome="scratched", u_canary=0.9999 if step < 3 else 0.0)  # outside the raise, but at 100 %
    assert facts(ramped).unaudited == pytest.approx(0 + 1 + 3 + 2 * 9)


def test_another_raise_has_a_budget_of_its_own(ramped, audited, version, set_level):
    set_level(ramped, "partial", version, **BARS, ramp=DEFAULT_RAMP, limits=SMALL, step=3)
    audited(ramped, 1, outcome="scratched")
    assert facts(ramped).unaudited == pytest.approx(9)
    set_level(ramped, "assist", version, limits=SMALL)
    set_level(ramped, "partial", version, **BARS, ramp=DEFAULT_RAMP, limits=SMALL, step=3)
    assert facts(ramped).unaudited == 0


def test_of_a_long_step_the_latest_parts_are_looked_at(ramped, audited, monkeypatch):
    assert LATEST >= 20_000
    monkeypatch.setattr("automation.ramp_facts.LATEST", 10)
    audited(ramped, 900)
    found = facts(ramped)
    assert found.routed == 800, "twice what 20 audits need at 5 % of the parts"


@pytest.mark.parametrize(("passes", "enough"), [(19, False), (20, True), (300, True)])
def test_a_step_has_its_audits_or_not_before_anything_is_counted(ramped, audited, passes, enough):
    audited(ramped, passes)
    audited(ramped, 5, u_canary=0.2)
    audited(ramped, 5, outcome=None)
    audited(ramped, 5, decision="reject", score=0.9)
    assert has_audits(policies.in_force(ramped)) is enough
    assert (facts(ramped).passes >= 20) is enough


def test_the_facts_take_few_queries_however_many_parts(ramped, audited, django_assert_max_num_queries):
    audited(ramped, 300)
    facts(ramped)
    with django_assert_max_num_queries(30):
        facts(ramped)


# ---- on by evidence


def test_a_ramp_goes_by_evidence_from_5_to_100_percent_and_no_further(ramped, go, version):
    approved = policies.in_force(ramped)
    for step, share in ((0, 0.05), (1, 0.25), (2, 0.5)):
        assert (step_of(ramped), policies.shares_of(policies.in_force(ramped))[0]) == (step, share)
        go(19)
        assert advance_ramps(now=timezone.now()) == [], "one audit is missing"
        go(1)
        [written] = advance_ramps(now=timezone.now())
        assert (written.step, written.by) == (step + 1, "system")
        assert advance_ramps(now=timezone.now()) == [], "each step takes audits of its own"
    go(200)
    assert advance_ramps(now=timezone.now()) == []
    last = policies.in_force(ramped)
    assert policies.shares_of(last) == (1.0, 0.1)
    same = ("level", "version_id", "ramp", "strata", *BARS, "limits", "audit_share", "quorum", "standby_id", "signed")
    assert {name: getattr(last, name) for name in same} == {name: getattr(approved, name) for name in same}


def test_the_advance_leaves_its_figures_in_the_sealed_trail(ramped, go):
    go(20)
    [written] = advance_ramps(now=timezone.now())
    event = AuditEvent.objects.get(action="ramp_advanced")
    assert (event.by, event.line, event.subject) == ("system", "line-a", f"policy {written.pk}")
    assert (event.data["passes"], event.data["step"], event.data["n"], event.data["k"]) == (20, 0, 20, 0)
    assert event.data["bound"] <= event.data["alpha"] == 0.2
    assert not unsealed().filter(pk=event.pk).exists()
    assert written.reason.startswith("Step 2 of 4: 20 audited parts that the machine passed were judged")


WAITS = {
    "held": "A person holds the ramp",
    "halted": "The line is halted",
    "alarm": "1 critical alarm is open",
    "pending": "A change of this line awaits approval",
    "unproven": "more judged parts below 0.05 are needed",
    "unjudged": "2 more of the audits due",
    "overdue": "1 audit waits for longer than 24 hours",
    "canary": "The realised canary share is 100 %",
}


@pytest.mark.parametrize("why", WAITS)
def test_a_ramp_waits(ramped, go, audited, version, sam, ada, make_evidence, ivy, why):
    go(40, outside=0 if why == "canary" else None)
    now = timezone.now()
    if why == "held":
        move_ramp(line=ramped, to="hold", by=sam, reason="a noise in the press")
    elif why == "halted":
        set_halt(line=ramped, on=True, by=sam, reason="smoke")
    elif why == "alarm":
        open_alarm(line=ramped, rule="dust", severity="critical", message="Dust.")
    elif why == "pending":
        propose_change(line=ramped, by=ada, reason="a larger quorum", policy={"quorum": 3})
    elif why == "unproven":
        make_evidence(ramped, version, 5, 0.01, "scratched", by=ivy)
    elif why == "unjudged":
        audited(ramped, 4, outcome=None)
    elif why == "overdue":
        audited(ramped, 1, outcome=None)
        now += timedelta(hours=25)
    [reason] = reasons_to_wait(facts(ramped, now=now), Limits.from_json(SMALL))
    assert WAITS[why] in reason
    assert advance_ramps(now=now) == []
    assert step_of(ramped) == 0


def test_a_ramp_that_has_spent_its_budget_waits(ramped, go, audited, version, set_level, make_evidence, ivy):
    make_evidence(ramped, version, 100, 0.01, "ok", by=ivy)
    set_level(ramped, "partial", version, **BARS, ramp=DEFAULT_RAMP, limits=SMALL, step=2)
    go(40)
    for _ in range(4):  # at 25 % audits each stands for three more
        go(1, outcome="scratched")
    [reason] = reasons_to_wait(facts(ramped), Limits.from_json(SMALL))
    assert reason.startswith("About 12.0 scratched parts have left unaudited")
    assert advance_ramps(now=timezone.now()) == []


def test_once_the_reason_is_gone_it_goes_on(ramped, go, sam):
    go(20)
    alarm = open_alarm(line=ramped, rule="dust", severity="critical", message="Dust.")
    assert advance_ramps(now=timezone.now()) == []
    close_alarm(alarm=alarm, by=sam, comment="Swept.")
    assert len(advance_ramps(now=timezone.now())) == 1


@pytest.mark.parametrize("level", ["human_only", "shadow", "assist"])
def test_where_people_decide_no_ramp_goes_on(line, version, set_level, audited, level):
    set_level(line, level, version, **BARS, ramp=DEFAULT_RAMP, limits=SMALL)
    audited(line, 40)
    assert advance_ramps(now=timezone.now()) == []


def test_without_a_ramp_there_is_nothing_to_go_on_to(line, version, set_level, audited):
    policy = set_level(line, "partial", version, **BARS, ramp=[], limits=SMALL)
    audited(line, 40)
    assert next_share(policy) is None
    assert advance_ramps(now=timezone.now()) == []


def test_two_workers_at_once_advance_by_one_step(at_once, line, version, set_level, audited):
    set_level(line, "partial", version, **BARS, ramp=[[0.5, 1.0], [0.6, 1.0], [1.0, 1.0]], limits=SMALL)
    audited(line, 20)
    unaudited(line, version, 20, decision="person", u_canary=0.9)
    now = timezone.now()
    results = at_once(*[lambda: advance_ramps(now=now)] * 3)
    assert sorted(len(written) for written in results) == [0, 0, 1]
    assert step_of(line) == 1


def test_a_person_who_lowers_the_line_meanwhile_is_not_overruled(ramped, go, version, set_level, monkeypatch):
    go(20)
    real = actions.ramping.ramp_facts

    def slow(*args):
        found = real(*args)
        if policies.in_force(ramped).level == "partial":
            set_level(ramped, "assist", version)
        return found

    monkeypatch.setattr(actions.ramping, "ramp_facts", slow)
    assert advance_ramps(now=timezone.now()) == []
    assert policies.in_force(ramped).level == "assist"


def test_one_lines_fault_does_not_stop_the_others(ramped, go, version, set_level):
    other = Line.objects.create(slug="a-first", name="First")
    policy = set_level(other, "partial", version, **BARS, ramp=DEFAULT_RAMP)
    Policy.objects.bulk_create(
        [Policy(line=other, number=policy.number + 1, level="partial", version=version, **BARS, ramp=DEFAULT_RAMP, limits={"alpha": 7}, by="x")]
    )  # fmt: skip
    go(20)
    assert [policy.line for policy in advance_ramps(now=timezone.now())] == [ramped]


# ---- nothing rises above what was certified


def test_after_an_advance_no_part_is_passed_that_was_not_certified(
    ramped, go, version, set_level, make_part, answer, station
):
    """Only the share grows: the same threshold, the same strata, and outside the share the level before."""
    set_level(ramped, "partial", version, **BARS, ramp=[[0.5, 1.0], [1.0, 1.0]], limits=SMALL, strata=[["", ""]])
    go(20)
    assert len(advance_ramps(now=timezone.now())) == 1
    below, above, elsewhere = make_part(), make_part(), make_part(station="cam-1")
    for part, score in ((below, 0.099), (above, 0.1), (elsewhere, 0.01)):
        answer(part, version, score)
    assert (below.state, above.state, elsewhere.state) == ("audit_due", "waiting", "waiting")
    assert [row.inspection_id for row in Disposition.objects.filter(reason__startswith="score 0.0990")] == [below.pk]


def test_a_ramp_that_two_people_approved_is_gone_along(line, version, make_evidence, set_level, audited, ada, sam, ivy):
    make_evidence(line, version, 24, 0.01, "ok", by=ivy)
    make_evidence(line, version, 18, 0.9, "scratched", by=ivy)
    set_level(line, "assist", version, limits=SMALL)
    ramp = [[0.5, 1.0], [1.0, 0.5]]
    change = propose_change(line=line, by=ada, reason="it is time", level="partial", policy={"ramp": ramp})
    approve_change(change=change, by=sam)
    audited(line, 20)
    unaudited(line, version, 20, u_canary=0.9, decision="person")
    [written] = advance_ramps(now=timezone.now())
    assert (written.level, written.ramp, written.step, written.strata) == ("partial", ramp, 1, [["", ""]])
    assert policies.shares_of(written) == (1.0, 0.5)


# ---- people move it


def moved(line, to, by, **fields):
    return move_ramp(line=line, to=to, by=by, **{"reason": "a noise in the press"} | fields)


def test_a_supervisor_holds_the_ramp_and_an_admin_lets_it_go_on(ramped, go, sam, ada):
    go(20)
    held = moved(ramped, "hold", sam)
    assert (held.ramp_held, held.step, held.by, held.reason) == (True, 0, "sam", "a noise in the press")
    assert advance_ramps(now=timezone.now()) == []
    going = moved(ramped, "go_on", ada)
    assert (going.ramp_held, going.step) == (False, 0)
    [written] = advance_ramps(now=timezone.now())
    assert written.step == 1, "what was audited in the step before and while it was held counts"


def test_back_is_one_step_at_once_and_waits_there_for_an_admin(ramped, go, sam, ada):
    for _ in range(2):
        go(20)
        advance_ramps(now=timezone.now())
    back = moved(ramped, "back", sam)
    assert (back.step, back.ramp_held, back.level) == (1, True, "partial")
    go(40)
    assert advance_ramps(now=timezone.now()) == []
    moved(ramped, "go_on", ada)
    [written] = advance_ramps(now=timezone.now())
    assert written.step == 2


def test_back_from_the_last_step(ramped, version, set_level, sam):
    set_level(ramped, "partial", version, **BARS, ramp=DEFAULT_RAMP, step=9)  # a step beyond the last is the last
    assert moved(ramped, "back", sam).step == 2


def test_a_step_back_takes_audits_of_its_own_before_the_next(ramped, go, sam, ada):
    go(20)
    advance_ramps(now=timezone.now())
    moved(ramped, "back", sam)
    moved(ramped, "go_on", ada)
    assert facts(ramped).passes == 0
    assert advance_ramps(now=timezone.now()) == []


def test_it_is_not_let_go_on_while_another_persons_change_awaits_approval(ramped, sam, ada):
    """It would withdraw it; to hold or to step back is safer at once, and does."""
    ben = make_person("ben", Role.ADMIN)
    moved(ramped, "hold", sam)
    change = propose_change(line=ramped, by=ada, reason="more audits", policy={"audit_share": 0.5})
    with pytest.raises(Conflict, match="awaits approval"):
        moved(ramped, "go_on", ben)
    assert policies.pending_change(ramped) == change
    assert not moved(ramped, "go_on", ada).ramp_held, "its author withdraws it"


def test_the_ramp_waits_while_much_is_still_to_be_counted(ramped, go, make_part):
    """What is not counted yet may hold the escapes; where a reader counts it at once, the ramp goes on."""
    go(20)
    part = make_part()
    ChangedPart.objects.bulk_create(ChangedPart(inspection_id=part.pk) for _ in range(FOR_A_READER + 500))
    left = left_to_count()
    assert f"{left:,} changes are still being counted. It goes on by itself once they are." in reasons_to_wait(
        facts(ramped), Limits(**SMALL)
    )
    ChangedPart.objects.bulk_create(ChangedPart(inspection_id=part.pk) for _ in range(FOR_A_READER + 500))
    assert advance_ramps(now=timezone.now()) == []
    catch_up()
    assert [policy.step for policy in advance_ramps(now=timezone.now())] == [1]


def test_the_same_move_again_changes_nothing(ramped, sam, ada):
    first = moved(ramped, "hold", sam)
    assert moved(ramped, "hold", sam) == first
    moved(ramped, "go_on", ada)
    number = policies.in_force(ramped).number
    moved(ramped, "go_on", ada)
    assert policies.in_force(ramped).number == number


@pytest.mark.parametrize(
    ("to", "step", "fields", "error", "words"),
    [
        ("back", 0, {}, Conflict, "The ramp is at its first step. Hold it, halt the line, or lower the level."),
        ("hold", 3, {}, Conflict, "The ramp is at its last step"),
        ("go_on", 3, {}, Conflict, "The ramp is at its last step"),
        ("up", 1, {}, BadInput, "A ramp cannot be told to 'up'. Tell it one of hold, back, go_on."),
        ("hold", 1, {"reason": " "}, BadInput, "Say why"),
    ],
)
def test_a_move_that_makes_no_sense_is_refused(ramped, version, set_level, ada, to, step, fields, error, words):
    set_level(ramped, "partial", version, **BARS, ramp=DEFAULT_RAMP, step=step)
    number = policies.in_force(ramped).number
    with pytest.raises(error, match=words):
        moved(ramped, to, ada, **fields)
    assert policies.in_force(ramped).number == number


def test_a_line_without_a_ramp_cannot_be_moved_along_it(shadowed, ada):
    with pytest.raises(Conflict, match="Line A has no ramp: it is at shadow"):
        moved(shadowed, "hold", ada)


@pytest.mark.parametrize(
    ("name", "to"),
    [(name, to) for name in ("ivy", "otto", "cam") for to in ("hold", "back", "go_on")] + [("sam", "go_on")],
)
def test_only_supervisors_hold_and_only_admins_let_go_on(ramped, request, name, to):
    with pytest.raises(NotAllowed, match="This needs the role admin"):
        moved(ramped, to, request.getfixturevalue(name))


def test_nobody_moves_the_ramp_of_a_line_that_they_are_not_bound_to(ramped, sam):
    sam.lines.add(Line.objects.create(slug="line-b", name="Line B"))
    with pytest.raises(NotAllowed, match="not bound to Line A"):
        moved(ramped, "hold", sam)


def test_each_move_leaves_its_sealed_row(ramped, version, set_level, sam, ada):
    set_level(ramped, "partial", version, **BARS, ramp=DEFAULT_RAMP, step=2)
    moved(ramped, "hold", sam)
    moved(ramped, "go_on", ada)
    moved(ramped, "back", sam)
    rows = AuditEvent.objects.filter(action__startswith="ramp_").order_by("pk")
    assert [(row.action, row.by, row.data["step"], row.data["to"]) for row in rows] == [
        ("ramp_held", "sam", 2, 2),
        ("ramp_let_go_on", "ada", 2, 2),
        ("ramp_stepped_back", "sam", 2, 1),
    ]
    assert not unsealed().filter(action__startswith="ramp_").exists()


def test_a_held_ramp_stays_where_it_is_through_other_changes(ramped, sam, ada):
    moved(ramped, "hold", sam)
    change = propose_change(line=ramped, by=ada, reason="more audits", policy={"audit_share": 0.2})
    approve_change(change=change, by=sam)
    assert (policies.in_force(ramped).ramp_held, policies.in_force(ramped).audit_share) == (True, 0.2)


def test_figures_are_what_json_takes():
    assert READY.figures() == {
        name: value for name, value in asdict(READY).items() if name not in ("proof", "alpha")
    } | {"n": 800, "k": 0, "bound": 0.004, "alpha": 0.005}
