"""Changes: one step up on evidence and by two people, down at once, and nothing that lets more through by the side."""

from datetime import timedelta

import pytest
from django.utils import timezone

from automation import policies
from automation.actions import apply_fallbacks, approve_change, propose_change, roll_back, set_halt
from automation.actions.changing import COPIED, write_policy
from automation.facts import facts_of
from automation.models import Approval, Change, Halt, Policy, Void
from inspection.models import AuditEvent, AuditSeal, Line
from inspection.refusals import BadInput, Conflict, NotAllowed, Unknown
from inspection.roles import Role
from inspection.seals import unsealed
from monitoring.actions import open_alarm
from shadow.actions import register_version
from shadow.models import live_version
from tests.conftest import make_person, untrained_weights

BARS = {"pass_below": 0.1, "reject_from": 0.5}
SMALL = {"alpha": 0.2, "blind_pairs": 20, "sensitivity_from_seeds": False}  # so that few parts are enough


@pytest.fixture
def make_admin(db):
    return lambda username: make_person(username, Role.ADMIN)


@pytest.fixture
def proven(line, version, make_evidence, ivy):
    """Line A with evidence enough for partial at small limits."""
    make_evidence(line, version, 24, 0.01, "ok", by=ivy)
    make_evidence(line, version, 18, 0.9, "scratched", by=ivy)
    return line


@pytest.fixture
def assisted(proven, version, set_level):
    """The same at assist."""
    set_level(proven, "assist", version, limits=SMALL)
    return proven


@pytest.fixture
def raised(assisted, ada, sam):
    """The same, raised to partial by two people."""
    approve_change(change=propose(assisted, ada, level="partial"), by=sam)
    return assisted


def propose(line, by, **what):
    return propose_change(line=line, by=by, reason="it is time", **what)


def level_of(line):
    return policies.in_force(line).level


# ---- up


@pytest.mark.parametrize(
    ("start", "wanted"),
    [("human_only", "assist"), ("human_only", "full"), ("shadow", "partial"), ("assist", "full")],
)
def test_up_is_one_step_at_a_time(line, version, set_level, ada, start, wanted):
    set_level(line, start, version, **BARS)
    with pytest.raises(Conflict, match="One step up at a time"):
        propose(line, ada, level=wanted)


def test_a_line_goes_to_shadow_when_the_version_has_replayed_its_parts(line, version, make_part, answer, ada):
    part = make_part()
    with pytest.raises(Conflict, match="has not scored any part of this line yet"):
        propose(line, ada, level="shadow", model="v1")
    answer(part, version, 0.2, retrospective=True)
    change = propose(line, ada, level="shadow", model="v1")
    policy = policies.in_force(line)
    assert (policy.level, policy.version, policy.number, policy.change) == ("shadow", version, 2, change)
    assert live_version(line) == version
    assert {gate["name"] for gate in change.certificate["gates"]} == {"version", "null rate", "latency"}


def test_a_line_goes_to_assist_on_blind_pairs_and_parts_then_wait_a_little(proven, version, set_level, ada):
    set_level(proven, "shadow", version, limits=SMALL)
    propose(proven, ada, level="assist")
    proven.refresh_from_db()
    assert (level_of(proven), proven.hold_seconds) == ("assist", policies.in_force(proven).assist_wait)


def test_a_refused_gate_gives_its_reasons_and_writes_nothing(assisted, ada):
    with pytest.raises(Conflict) as refused:
        propose(assisted, ada, level="partial", policy={"limits": {"sensitivity_from_seeds": False}})
    assert refused.value.status == 409
    assert "732 more judged parts below 0.05" in " ".join(refused.value.reasons)
    assert not Change.objects.exists()
    assert not AuditEvent.objects.filter(action="change_proposed").exists()


def test_partial_takes_a_second_person(assisted, ada, sam):
    change = propose(assisted, ada, level="partial", policy=BARS)
    assert (level_of(assisted), policies.pending_change(assisted)) == ("assist", change)
    with pytest.raises(Conflict, match="another person than the one who proposed it"):
        approve_change(change=change, by=ada)
    approve_change(change=change, by=sam, reason="seen")
    policy = policies.in_force(assisted)
    assert (policy.level, policy.pass_below, policy.reject_from, policy.change) == ("partial", 0.1, 0.5, change)
    assert policy.strata == [["", ""]]
    assert policies.shares_of(policy) == (0.05, 1.0)
    assisted.refresh_from_db()
    assert assisted.hold_seconds == policy.hold_seconds
    assert policies.pending_change(assisted) is None


def test_what_nobody_chose_is_the_strictest_to_pass_and_the_loosest_to_reject(raised, version):
    policy = policies.in_force(raised)
    assert (policy.pass_below, policy.reject_from) == (version.thresholds[0], version.thresholds[-1])


def test_three_people_when_the_quorum_is_three(assisted, set_level, ada, sam):
    set_level(assisted, "assist", quorum=3)
    change = propose(assisted, ada, level="partial", policy=BARS)
    approve_change(change=change, by=sam)
    assert level_of(assisted) == "assist"
    with pytest.raises(Conflict, match="once each"):
        approve_change(change=change, by=sam)


def test_gates_are_judged_again_at_approval(assisted, version, make_evidence, ada, sam, ivy):
    change = propose(assisted, ada, level="partial", policy=BARS)
    make_evidence(assisted, version, 30, 0.01, "scratched", by=ivy)
    with pytest.raises(Conflict, match="certificate"):
        approve_change(change=change, by=sam)
    assert level_of(assisted) == "assist"
    assert not Approval.objects.exists()


def test_what_is_applied_is_what_holds_at_approval(assisted, version, make_evidence, ada, sam, ivy, station):
    change = propose(assisted, ada, level="partial", policy=BARS)
    for prediction in make_evidence(assisted, version, 20, 0.01, "ok", by=ivy):
        prediction.inspection.station = station
        prediction.inspection.save()
    approve_change(change=change, by=sam)
    assert policies.in_force(assisted).strata == [["", ""], ["cam-1", ""]]


def test_a_change_is_stale_when_the_line_has_moved_on(assisted, ada, sam):
    change = propose(assisted, ada, level="partial", policy=BARS)
    propose(assisted, ada, level="shadow")
    with pytest.raises(Conflict, match="no longer awaits approval"):
        approve_change(change=change, by=sam)


def test_an_applied_change_is_not_approved_again(raised, sam):
    with pytest.raises(Conflict, match="no longer awaits approval"):
        approve_change(change=Change.objects.get(kind="raise"), by=sam)


def test_another_admin_waits_for_a_pending_change_and_its_author_may_replace_it(assisted, ada, sam, make_admin):
    first = propose(assisted, ada, level="partial", policy=BARS)
    with pytest.raises(Conflict, match="awaits approval"):
        propose(assisted, make_admin("ben"), level="partial")
    second = propose(assisted, ada, level="partial", policy={"pass_below": 0.05, "reject_from": 0.5})
    with pytest.raises(Conflict, match="no longer awaits"):
        approve_change(change=first, by=sam)
    approve_change(change=second, by=sam)
    assert policies.in_force(assisted).pass_below == 0.05


def test_two_admins_at_once_raise_a_line_by_one_step(proven, version, set_level, ada, make_admin, at_once):
    set_level(proven, "shadow", version, limits=SMALL)
    ben = make_admin("ben")
    results = at_once(*[lambda by=by: propose(proven, by, level="assist") for by in (ada, ben)])
    assert sorted(type(result).__name__ for result in results) == ["Change", "Conflict"]
    assert level_of(proven) == "assist"
    assert Policy.objects.filter(level="assist").count() == 1


def test_a_change_that_changes_nothing_is_refused(assisted, ada):
    for what in ({}, {"level": "assist"}, {"model": "v1"}, {"policy": {"quorum": 2}}):
        with pytest.raises(Conflict, match="Nothing would change"):
            propose(assisted, ada, **what)


# ---- down


@pytest.mark.parametrize("level", ["assist", "shadow", "human_only"])
def test_down_is_at_once_by_one_person_and_ends_the_holds(raised, ada, make_part, level):
    part = make_part()
    assert (part.state, part.hold_until > timezone.now()) == ("held", True)
    change = propose(raised, ada, level=level)
    part.refresh_from_db()
    raised.refresh_from_db()
    assert (change.kind, change.quorum, level_of(raised)) == ("lower", 1, level)
    assert part.hold_until <= timezone.now()
    assert raised.hold_seconds == (policies.in_force(raised).assist_wait if level == "assist" else 0)


def test_at_human_only_no_version_scores_the_line(raised, ada):
    propose(raised, ada, level="human_only")
    assert live_version(raised) is None


@pytest.mark.parametrize("rider", [{"model": "v2"}, {"policy": {"pass_below": 0.02}}, {"policy": {"quorum": 1}}])
def test_nothing_rides_along_on_a_step_down(raised, version, other_version, set_level, ada, rider):
    """From full to partial with another version or threshold would be a machine without a certificate."""
    set_level(raised, "full", version, reject_from=0.05)
    with pytest.raises(BadInput, match="A step down is taken alone"):
        propose(raised, ada, level="partial", **rider)
    assert level_of(raised) == "full"


def full(line, version, set_level, **fields):
    return set_level(line, "full", version, **{"pass_below": 0.1, "reject_from": 0.1} | fields)


def test_from_full_down_to_partial_the_unsure_band_opens_again(raised, version, set_level, ada):
    """As it was certified: with one threshold for both, partial would be full by another name."""
    set_level(raised, "partial", version, pass_below=0.1, reject_from=0.3)
    full(raised, version, set_level)
    propose(raised, ada, level="partial")
    policy = policies.in_force(raised)
    assert (policy.level, policy.pass_below, policy.reject_from) == ("partial", 0.1, 0.3)


def test_the_band_passes_and_rejects_no_more_than_at_full(raised, version, set_level, ada):
    set_level(raised, "partial", version, pass_below=0.3, reject_from=0.3)
    full(raised, version, set_level, pass_below=0.2, reject_from=0.2)
    propose(raised, ada, level="partial")
    policy = policies.in_force(raised)
    assert (policy.pass_below, policy.reject_from) == (0.2, 0.3)


def test_without_a_band_of_its_own_it_is_that_of_the_order(line, version, set_level, ada):
    full(line, version, set_level)
    propose(line, ada, level="partial")
    policy = policies.in_force(line)
    assert (policy.pass_below, policy.reject_from) == (version.thresholds[0], version.thresholds[-1])


def test_a_rollback_or_a_switch_from_partial_to_a_version_at_full_opens_its_band(
    raised, version, other_version, set_level, ada
):
    fields = {name: getattr(full(raised, version, set_level), name) for name in COPIED}
    at_full = write_policy(
        line=raised, fields=fields, by="test", reason="x", action="level_raise", now=timezone.now(),
        change=Change.objects.get(),
    )  # fmt: skip
    set_level(raised, "partial", other_version, pass_below=0.3, reject_from=0.3)
    back = roll_back(line=raised, by=ada, reason="back", to=at_full.number)
    assert (back.level, back.pass_below, back.reject_from) == ("partial", 0.05, 0.5)
    set_level(raised, "partial", other_version, pass_below=0.3, reject_from=0.3)
    switched = propose(raised, ada, model="v1").policies.get()
    assert (switched.level, switched.pass_below, switched.reject_from) == ("partial", 0.05, 0.5)


# ---- editing a policy


def test_an_edit_where_the_machine_decides_takes_gates_and_quorum(raised, ada, sam):
    with pytest.raises(Conflict, match="is not among the thresholds"):
        propose(raised, ada, policy={"pass_below": 0.07})
    change = propose(raised, ada, policy={"pass_below": 0.1})
    assert (change.kind, change.quorum) == ("edit", 2)
    approve_change(change=change, by=sam)
    assert policies.in_force(raised).pass_below == 0.1


def test_asking_for_more_audits_needs_no_gate(raised, version, make_evidence, ada, sam, ivy):
    make_evidence(raised, version, 40, 0.01, "scratched", by=ivy)  # no gate would open now
    with pytest.raises(Conflict):
        propose(raised, ada, policy={"audit_share": 0.05})
    approve_change(change=propose(raised, ada, policy={"audit_share": 0.5}), by=sam)
    assert policies.in_force(raised).audit_share == 0.5


def test_another_ramp_begins_at_its_first_step(assisted, version, set_level, ada, sam):
    set_level(assisted, "partial", version, **BARS, ramp=[[0.05, 1.0], [0.25, 0.5], [1.0, 0.1]], step=1)
    approve_change(change=propose(assisted, ada, policy={"ramp": [[0.1, 1.0], [0.9, 0.5], [1.0, 0.1]]}), by=sam)
    assert policies.shares_of(policies.in_force(assisted)) == (0.1, 1.0)


@pytest.mark.parametrize("level", ["human_only", "assist"])
def test_one_person_cannot_drop_the_quorum(line, version, set_level, ada, level):
    """Or one admin alone could drop it first and raise the line afterwards."""
    set_level(line, level, version)
    change = propose(line, ada, policy={"quorum": 1})
    assert change.quorum == 2
    assert policies.in_force(line).quorum == 2


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"audit_share": 0}, "audit_share is 0; it must be from 0.000001 to 1"),
        ({"blind_share": 1.1}, "blind_share is 1.1"),
        ({"audit_share": "much"}, "audit_share is 'much'"),
        ({"audit_share": float("nan")}, "audit_share is nan"),
        ({"pass_below": 2}, "pass_below is 2; it must be a score from 0 to 1"),
        ({"pass_below": float("nan")}, "pass_below is nan"),
        ({"reject_from": "0.5"}, "reject_from is '0.5'"),
        ({"pass_below": True}, "pass_below is True"),
        ({"pass_below": 0.5, "reject_from": 0.1}, "pass_below is above reject_from"),
        ({"hold_seconds": 0}, "hold_seconds is 0; it must be a whole number from 1 to 3600"),
        ({"hold_seconds": 1.5}, "hold_seconds is 1.5"),
        ({"assist_wait": 61}, "assist_wait is 61"),
        ({"quorum": 0}, "quorum is 0; it must be a whole number from 1 to 3"),
        ({"quorum": True}, "quorum is True"),
        ({"ramp": "fast"}, "The ramp is a list"),
        ({"ramp": [[0.5, 0.1]]}, "rising to a share of 1"),
        ({"ramp": [[0.5, 0.1], [0.25, 0.1], [1, 0.1]]}, "rising to a share of 1"),
        ({"ramp": [[0.5, 0], [1, 0.1]]}, "The ramp is a list"),
        ({"ramp": [0.5, 1]}, "The ramp is a list"),
        ({"ramp": [["a", 0.1], [1, 0.1]]}, "The ramp is a list"),
        ({"limits": {"alpha": 0}}, "alpha is 0; it must be a share"),
        ({"limits": {"aplha": 0.1}}, "There is no limit 'aplha'"),
        ({"limits": [1]}, "limits is [1]"),
        ({"limits": None}, "limits is None"),
        ({"level": "full"}, "A policy has no field 'level'. Known fields: pass_below"),
        ({"strata": None}, "A policy has no field 'strata'"),
    ],
    ids=str,
)
def test_a_policy_that_makes_no_sense_is_refused_with_what_is_allowed(shadowed, ada, fields, words):
    with pytest.raises(BadInput) as refused:
        propose(shadowed, ada, policy=fields)
    assert words in str(refused.value)
    assert Policy.objects.count() == 1


def test_an_unknown_level_version_or_missing_reason_is_refused(shadowed, ada):
    with pytest.raises(BadInput, match=r"There is no level 'automatic'. The levels are human_only, shadow"):
        propose(shadowed, ada, level="automatic")
    with pytest.raises(Unknown, match=r"There is no model 'v9'. Known models: v1."):
        propose(shadowed, ada, model="v9")
    with pytest.raises(BadInput, match="Say why"):
        propose_change(line=shadowed, by=ada, level="assist", reason="  ")


# ---- switching the live version


@pytest.mark.parametrize(("start", "lands"), [("shadow", "shadow"), ("assist", "assist"), ("partial", "assist")])
def test_a_version_without_a_certificate_lands_at_assist_at_most(
    assisted, version, other_version, set_level, ada, start, lands
):
    set_level(assisted, start, version, **BARS)
    change = propose(assisted, ada, model="v2")
    policy = policies.in_force(assisted)
    assert (change.kind, policy.level, policy.version, policy.pass_below) == ("switch", lands, other_version, None)
    assert live_version(assisted) == other_version


@pytest.fixture
def switched(raised, other_version, set_level):
    """Version 1 was certified at partial; then version 3 was live, and now version 2 decides, by other thresholds."""
    third = register_version(name="v3", weights=untrained_weights(seed=3), card={}, by="test")
    for now_live in (third, other_version):
        set_level(raised, "partial", now_live, pass_below=0.3, reject_from=0.3, strata=None)
    return raised


def test_a_certified_version_lands_where_it_was_by_its_own_thresholds(switched, version, ada, sam):
    change = propose(switched, ada, model="v1")
    assert change.quorum == 2, "it was not live just before"
    approve_change(change=change, by=sam)
    policy = policies.in_force(switched)
    assert (policy.level, policy.version) == ("partial", version)
    assert (policy.pass_below, policy.reject_from, policy.strata) == (version.thresholds[0], 0.5, [["", ""]])


def test_a_switch_never_raises(switched, ada, set_level):
    set_level(switched, "assist")
    propose(switched, ada, model="v1")
    assert level_of(switched) == "assist"


def test_a_certificate_that_an_alarm_has_voided_does_not_count(raised, other_version, set_level, ada):
    open_alarm(line=raised, rule="disagreement", severity="critical", message="Moved.")
    apply_fallbacks()
    set_level(raised, "partial", other_version, **BARS)
    propose(raised, ada, model="v1")
    assert level_of(raised) == "assist"


def test_a_certificate_for_other_limits_does_not_count(switched, set_level, ada):
    set_level(switched, "partial", limits=SMALL | {"alpha": 0.1})
    propose(switched, ada, model="v1")
    assert level_of(switched) == "assist"


def test_a_switch_is_made_alone(switched, ada):
    with pytest.raises(BadInput, match="switched to alone"):
        propose(switched, ada, model="v1", policy={"pass_below": 0.3})


# ---- back


def test_a_rollback_takes_the_policy_before_at_once(raised, ada, make_part):
    make_part()
    policy = roll_back(line=raised, by=ada, reason="too early")
    assert (policy.level, policy.reason, policy.by) == ("assist", "too early", "ada")
    assert AuditEvent.objects.filter(action="rolled_back").count() == 1


def test_after_a_rollback_the_ramp_waits_for_a_person(raised, ada):
    assert roll_back(line=raised, by=ada, reason="Too soon.").ramp_held


def test_a_rollback_never_raises(raised, ada):
    partial = policies.in_force(raised).number
    propose(raised, ada, level="shadow")
    assert roll_back(line=raised, by=ada, reason="a slip").level == "shadow"
    assert roll_back(line=raised, by=ada, reason="a slip", to=partial).level == "shadow"


def test_a_rollback_brings_no_voided_certificate_back(raised, version, set_level, ada):
    """A version that was certified again by a stricter threshold cannot go back to the looser one."""
    before = policies.in_force(raised).number
    open_alarm(line=raised, rule="disagreement", severity="critical", message="Moved.")
    apply_fallbacks()
    set_level(raised, "partial", version, **BARS)
    assert roll_back(line=raised, by=ada, reason="back", to=before).level == "assist"


def test_a_rollback_does_not_widen_the_canary_share(assisted, version, set_level, ada):
    ramp = [[0.05, 1.0], [1.0, 0.1]]
    wide = set_level(assisted, "partial", version, **BARS, ramp=ramp, step=1)
    set_level(assisted, "partial", version, **BARS, ramp=ramp, step=0)
    policy = roll_back(line=assisted, by=ada, reason="back", to=wide.number)
    assert policies.shares_of(policy) == (0.05, 1.0)


def test_a_rollback_takes_away_nothing_that_others_have_to_agree_to(line, version, set_level, ada):
    set_level(line, "shadow", version, quorum=1)
    asked = {"quorum": 3, "signed": True, "audit_share": 0.5, "limits": {"alpha": 0.001}}
    set_level(line, "shadow", version, hold_seconds=9, **asked)
    policy = roll_back(line=line, by=ada, reason="back")
    assert {name: getattr(policy, name) for name in asked} == asked
    assert policy.hold_seconds == 60
    assert policy.reason == "back (kept from policy 2: quorum, signed, audit_share, limits)"
    assert AuditEvent.objects.get(action="rolled_back").data["kept"] == asked


def test_a_rollback_takes_back_what_was_asked_less_of(line, version, set_level, ada):
    set_level(line, "shadow", version, quorum=3, audit_share=0.5)
    set_level(line, "shadow", version, quorum=1, audit_share=0.1)
    policy = roll_back(line=line, by=ada, reason="back")
    assert (policy.quorum, policy.audit_share, policy.reason) == (3, 0.5, "back")


def test_a_rollback_brings_no_threshold_back_that_was_certified_for_other_limits(assisted, version, set_level, ada):
    strict, loose = {"pass_below": 0.05, "reject_from": 0.5}, {"pass_below": 0.1, "reject_from": 0.5}
    wide = set_level(assisted, "partial", version, **loose, limits=SMALL)
    tight = set_level(assisted, "partial", version, **strict, limits=SMALL | {"alpha": 0.1})
    set_level(assisted, "partial", version, **loose, limits=SMALL | {"alpha": 0.05})
    policy = roll_back(line=assisted, by=ada, reason="back", to=tight.number)
    assert (policy.level, policy.pass_below, policy.limits["alpha"]) == ("partial", 0.05, 0.05), "it passes no more"
    assert roll_back(line=assisted, by=ada, reason="back", to=wide.number).level == "assist"


def test_a_rollback_audits_no_less(assisted, version, set_level, ada):
    set_level(assisted, "partial", version, **BARS, ramp=[[0.5, 0.1], [1.0, 0.1]])
    set_level(assisted, "partial", version, **BARS, ramp=[[0.5, 0.9], [1.0, 0.1]])
    policy = roll_back(line=assisted, by=ada, reason="back")
    assert (policies.shares_of(policy), policy.reason) == ((0.5, 0.9), "back (kept from policy 3: ramp)")


def test_a_second_rollback_does_not_return_to_what_was_left(line, version, set_level, ada, make_admin):
    for share in (0.1, 0.2, 0.9):
        set_level(line, "shadow", version, blind_share=share)
    assert roll_back(line=line, by=ada, reason="bad").blind_share == 0.2
    with pytest.raises(Conflict, match="Policy 4 was rolled back to by ada"):
        roll_back(line=line, by=make_admin("ben"), reason="bad")
    assert roll_back(line=line, by=ada, reason="worse", to=1).blind_share == 0.1


def test_of_two_who_roll_back_at_once_the_later_is_told(at_once, line, version, set_level, ada, make_admin):
    for share in (0.1, 0.2, 0.9):
        set_level(line, "shadow", version, blind_share=share)
    ben = make_admin("ben")
    for seen in (None, 4):
        results = at_once(
            *[lambda by=by, seen=seen: roll_back(line=line, by=by, reason="x", seen=seen) for by in (ada, ben)]
        )
        assert "Conflict" in {type(result).__name__ for result in results}
        assert policies.in_force(line).blind_share == 0.2


def test_whoever_rolls_back_is_told_of_what_they_have_not_read(line, version, set_level, ada):
    for share in (0.1, 0.2, 0.9):
        set_level(line, "shadow", version, blind_share=share)
    with pytest.raises(Conflict, match="policy 3 is in force"):
        roll_back(line=line, by=ada, reason="x", seen=2)
    assert roll_back(line=line, by=ada, reason="x", seen=3).blind_share == 0.2


def test_there_is_nothing_before_the_first_policy(shadowed, ada):
    for to in (None, 0, 1, 99, -1):
        with pytest.raises(Conflict, match="no earlier policy"):
            roll_back(line=shadowed, by=ada, reason="back", to=to)
    with pytest.raises(BadInput, match="Say why"):
        roll_back(line=shadowed, by=ada, reason="")


# ---- halting


def test_a_halt_gives_undecided_parts_to_people_and_leaves_the_policy(raised, sam, make_part):
    part, number = make_part(), policies.in_force(raised).number
    halt = set_halt(line=raised, on=True, by=sam, reason="smoke")
    part.refresh_from_db()
    assert part.hold_until <= timezone.now()
    assert policies.in_force(raised).number == number
    assert policies.halt_of(raised) == halt


def test_the_whole_factory_is_halted_at_once(raised, sam):
    other = Line.objects.create(slug="line-b", name="Line B")
    set_halt(line=None, on=True, by=sam, reason="smoke")
    assert policies.halt_of(raised) == policies.halt_of(other) == Halt.objects.get()
    set_halt(line=None, on=False, by=sam, reason="clear")
    assert policies.halt_of(raised) is policies.halt_of(other) is None


# ---- falling back


def test_a_critical_alarm_lowers_the_line_and_voids_its_evidence(raised, version, make_part):
    part = make_part()
    assert facts_of(raised, version).evidence.parts
    open_alarm(line=raised, rule="null rate", severity="critical", message="Nulls.")
    [policy] = apply_fallbacks()
    part.refresh_from_db()
    assert (policy.level, policy.by, policy.reason) == ("assist", "system", "critical alarm: Nulls.")
    assert Void.objects.get().reason == policy.reason
    assert facts_of(raised, version).evidence.parts == 0
    assert part.hold_until <= timezone.now()
    assert apply_fallbacks() == []


@pytest.mark.parametrize("level", ["human_only", "shadow", "assist"])
def test_a_fallback_never_raises(line, version, set_level, level):
    set_level(line, level, version)
    open_alarm(line=line, rule="null rate", severity="critical", message="Nulls.")
    assert apply_fallbacks() == []
    assert level_of(line) == level


def test_a_warning_lowers_nothing(raised):
    open_alarm(line=raised, rule="null rate", severity="warning", message="Nulls.")
    assert apply_fallbacks() == []


def test_only_the_line_of_the_alarm_falls_back(raised, version, set_level):
    other = Line.objects.create(slug="line-b", name="Line B")
    set_level(other, "partial", version, **BARS)
    open_alarm(line=other, rule="null rate", severity="critical", message="Nulls.")
    apply_fallbacks()
    assert (level_of(raised), level_of(other)) == ("partial", "assist")


def test_after_a_fallback_the_way_up_starts_from_nothing(raised, ada):
    open_alarm(line=raised, rule="null rate", severity="critical", message="Nulls.")
    apply_fallbacks()
    with pytest.raises(Conflict) as refused:
        propose(raised, ada, level="partial", policy=BARS)
    reasons = " ".join(refused.value.reasons)
    assert "1 critical alarm is open" in reasons
    assert "0 parts below 0.05 judged" in reasons


# ---- who may


@pytest.mark.parametrize("name", ["ivy", "otto", "cam", "sam"])
def test_only_an_admin_proposes_and_rolls_back(shadowed, request, name):
    person = request.getfixturevalue(name)
    for refused in (
        lambda: propose(shadowed, person, level="human_only"),
        lambda: roll_back(line=shadowed, by=person, reason="x"),
    ):
        with pytest.raises(NotAllowed, match="This needs the role admin"):
            refused()


@pytest.mark.parametrize("name", ["ivy", "otto", "cam"])
def test_only_supervisors_and_admins_approve_and_halt(assisted, ada, request, name):
    person, change = request.getfixturevalue(name), propose(assisted, ada, level="partial", policy=BARS)
    for refused in (
        lambda: approve_change(change=change, by=person),
        lambda: set_halt(line=assisted, on=True, by=person, reason="x"),
    ):
        with pytest.raises(NotAllowed, match="This needs the role admin or supervisor"):
            refused()


def test_nobody_changes_a_line_that_they_are_not_bound_to(assisted, ada, sam):
    change = propose(assisted, ada, level="partial", policy=BARS)
    for person in (ada, sam):
        person.lines.add(Line.objects.get_or_create(slug="line-b", name="Line B")[0])
    for refused in (
        lambda: propose(assisted, ada, level="shadow"),
        lambda: approve_change(change=change, by=sam),
        lambda: set_halt(line=assisted, on=True, by=sam, reason="x"),
        lambda: roll_back(line=assisted, by=ada, reason="x"),
    ):
        with pytest.raises(NotAllowed, match="not bound to Line A"):
            refused()
    assert not Halt.objects.exists()


# ---- the trail


def test_every_change_leaves_its_row_and_its_seal(raised, ada, sam, later):
    set_halt(line=raised, on=True, by=sam, reason="smoke")
    set_halt(line=raised, on=False, by=sam, reason="clear")
    roll_back(line=raised, by=ada, reason="back")
    set_halt(line=None, on=True, by=sam, reason="storm")
    told = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"change_proposed", "change_approved", "level_raise", "halted", "resumed", "rolled_back", "hold_set"} <= told
    assert not unsealed().filter(action__in=told - {"version_registered"}).exclude(by="test").exists()
    assert AuditSeal.objects.filter(line="").exists()


def test_a_level_change_says_from_where_to_where_and_why(raised):
    row = AuditEvent.objects.get(action="level_raise")
    assert (row.by, row.line, row.data["before"], row.data["level"]) == ("sam", "line-a", "assist", "partial")
    assert (row.data["version"], row.data["reason"]) == ("v1", "it is time")


def test_policies_are_numbered_by_line(raised, ada, version):
    numbers = list(Policy.objects.filter(line=raised).order_by("number").values_list("number", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))
    fields = {"level": "shadow", "version_id": version.pk}
    now = timezone.now() + timedelta(seconds=1)
    other = Line.objects.create(slug="line-b", name="Line B")
    assert write_policy(line=other, fields=fields, by="test", reason="x", action="set", now=now).number == 1
