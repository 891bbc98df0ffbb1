"""Blue/green: switch and switch back by one row each, who is live and who is warm, and what a switch never changes."""

import pytest
from django.utils import timezone

from automation import policies
from automation.actions import (
    add_candidate,
    apply_fallbacks,
    approve_change,
    end_candidate,
    propose_change,
    roll_back,
    set_halt,
    set_standby,
    settle_missing,
    switch_version,
)
from automation.actions.voiding import void_evidence
from automation.models import Change, Policy, Routing
from automation.routing import Part, decide
from inspection.append_only import AppendOnlyError
from inspection.models import AuditEvent, Line
from inspection.refusals import BadInput, Conflict, NotAllowed
from inspection.roles import Role as Person
from inspection.seals import unsealed
from monitoring.actions import open_alarm
from shadow.actions import register_version
from shadow.models import Assignment, Prediction, Role
from tests.conftest import make_person, untrained_weights

BARS = {"pass_below": 0.1, "reject_from": 0.5}
SMALL = {"alpha": 0.2, "blind_pairs": 20, "sensitivity_from_seeds": False}  # so that few parts are enough


@pytest.fixture
def third_version(db):
    return register_version(name="v3", weights=untrained_weights(seed=3), card={}, by="test")


@pytest.fixture
def ben(db):
    """A second admin."""
    return make_person("ben", Person.ADMIN)


@pytest.fixture
def raised(line, version, make_evidence, set_level, ivy, ada, sam):
    """Line A, raised to partial by version 1's own certificate and by two people."""
    make_evidence(line, version, 24, 0.01, "ok", by=ivy)
    make_evidence(line, version, 18, 0.9, "scratched", by=ivy)
    set_level(line, "assist", version, limits=SMALL)
    change = propose_change(line=line, by=ada, reason="proven", level="partial", policy=BARS | {"ramp": [[1, 0.1]]})
    approve_change(change=change, by=sam)
    return line


@pytest.fixture
def beside(raised, other_version, ada):
    """The same with version 2 as standby."""
    set_standby(line=raised, version=other_version, by=ada, reason="green")
    return raised


def roles(line) -> dict[str, str]:
    return dict(Assignment.objects.current().filter(line=line).values_list("version__name", "role"))


def standing(line) -> tuple[str, str | None, str | None]:
    policy = policies.in_force(line)
    return policy.level, str(policy.version), str(policy.standby) if policy.standby else None


def switch(line, version, by, **more):
    return switch_version(line=line, version=version, by=by, reason="blue/green", **more)


# ---- switching, and back


def test_a_switch_keeps_the_version_before_warm_and_one_more_goes_back(shadowed, version, other_version, ada):
    switch(shadowed, other_version, ada)
    assert (standing(shadowed), roles(shadowed)) == (("shadow", "v2", "v1"), {"v1": "standby", "v2": "live"})
    before = Policy.objects.count()
    switch(shadowed, version, ada)
    assert (standing(shadowed), roles(shadowed)) == (("shadow", "v1", "v2"), {"v1": "live", "v2": "standby"})
    assert Policy.objects.count() == before + 1


def test_back_to_the_standby_one_person_goes_and_lands_where_it_was_certified(beside, version, other_version, ada):
    assert switch(beside, other_version, ada).quorum == 1
    assert standing(beside) == ("assist", "v2", "v1"), "version 2 holds no certificate of its own"
    assert roles(beside) == {"v1": "standby", "v2": "live"}
    switch(beside, version, ada)
    assert standing(beside) == ("assist", "v1", "v2"), "a switch never raises"


def test_a_certified_standby_decides_at_once_by_its_own_thresholds(beside, version, other_version, set_level, ada):
    set_level(
        beside, "partial", other_version, pass_below=0.3, reject_from=0.3, strata=None, standby_id=version.pk
    )  # as if version 2 had been certified since
    change = switch(beside, version, ada)
    policy = policies.in_force(beside)
    assert (change.quorum, policy.change, standing(beside)) == (1, change, ("partial", "v1", "v2"))
    assert (policy.pass_below, policy.reject_from, policy.strata) == (0.1, 0.5, [["", ""]])


def test_a_standby_whose_certificate_an_alarm_has_voided_lands_at_assist(
    raised, version, other_version, set_level, ada
):
    set_level(raised, "partial", other_version, **BARS, standby_id=version.pk)
    void_evidence(line=raised, version=version, reason="alarm", now=timezone.now())
    set_level(raised, "partial", other_version, **BARS, standby_id=version.pk)
    switch(raised, version, ada)
    assert standing(raised) == ("assist", "v1", "v2")


def test_only_the_version_that_was_live_just_before_spares_the_quorum(
    beside, version, other_version, third_version, set_level, ada
):
    for now_live in (third_version, other_version):
        set_level(beside, "partial", now_live, **BARS, standby_id=version.pk)
    assert switch(beside, version, ada).quorum == 2, "the standby by name alone"
    assert standing(beside)[1] == "v2"


def test_naming_a_standby_spares_the_switch_to_it_no_approval(
    raised, version, other_version, third_version, set_level, ada
):
    for now_live in (third_version, other_version):
        set_level(raised, "partial", now_live, **BARS)
    set_standby(line=raised, version=version, by=ada, reason="green")
    assert (switch(raised, version, ada).quorum, standing(raised)[1]) == (2, "v2")


def test_a_switch_goes_on_with_no_larger_share_than_the_version_had(beside, version, other_version, set_level, ada):
    ramp = [[0.05, 1.0], [0.25, 0.5], [1.0, 0.1]]
    set_level(beside, "partial", version, **BARS, ramp=ramp, step=0)
    set_level(beside, "partial", other_version, **BARS, ramp=[[1.0, 0.1]])
    policy = switch(beside, version, ada).policies.get()
    assert (policy.level, policy.version, policies.shares_of(policy)) == ("partial", version, (0.05, 1.0))


def test_a_switch_goes_on_with_no_larger_share_than_the_line_had(beside, version, other_version, set_level, ada):
    ramp = [[0.05, 1.0], [0.25, 0.5], [1.0, 0.1]]
    set_level(beside, "partial", version, **BARS, ramp=ramp, step=2)
    set_level(beside, "partial", other_version, **BARS, ramp=ramp, step=1)
    assert policies.shares_of(switch(beside, version, ada).policies.get()) == (0.25, 0.5)


def test_outside_the_canary_share_only_the_versions_own_thresholds_route(
    raised, version, other_version, set_level, ada
):
    """Thresholds belong to a version: those of another say nothing of its scores."""
    few = {"ramp": [[0.05, 1.0], [1.0, 0.1]]}
    set_level(raised, "partial", version, pass_below=0.1, reject_from=0.5)
    set_level(raised, "assist", other_version)
    set_level(raised, "partial", other_version, pass_below=0.5, reject_from=0.5)
    set_level(raised, "full", version, pass_below=0.1, reject_from=0.1, **few)
    assert outside(raised, 0.05) == "pass"
    assert outside(raised, 0.45) == "person", "the band of version 1, and not the threshold of version 2"
    set_level(raised, "full", register_version(name="v4", weights=untrained_weights(seed=4), card={}, by="test"), **few)
    assert outside(raised, 0.01) == "person", "a version without a policy of its own: people decide"


def outside(line, score) -> str:
    rule = policies.rule_of(policies.in_force(line))
    return decide(rule, Part(score=score, u_canary=0.5, u_audit=0.99, u_blind=0.99)).outcome


def test_a_fallback_keeps_the_standby(beside):
    open_alarm(line=beside, rule="disagreement", severity="critical", message="Moved.")
    apply_fallbacks()
    assert (standing(beside), roles(beside)) == (("assist", "v1", "v2"), {"v1": "live", "v2": "standby"})


# ---- the standby


def test_a_candidate_becomes_the_standby_and_is_kept_so(raised, version, other_version, ada):
    add_candidate(line=raised, version=other_version, by=ada, reason="trained on July")
    assigned = Assignment.objects.get(version=other_version).assigned_at
    policy = set_standby(line=raised, version=other_version, by=ada, reason="green")
    assert (policy.level, policy.standby, policy.pass_below) == ("partial", other_version, 0.1)
    assert roles(raised) == {"v1": "live", "v2": "standby"}
    assert Assignment.objects.get(version=other_version).assigned_at == assigned, "it has scored since then"
    change = propose_change(line=raised, by=ada, reason="more", policy={"audit_share": 0.5})
    approve_change(change=change, by=make_person("sue", Person.SUPERVISOR))
    assert standing(raised) == ("partial", "v1", "v2")


def test_the_certificate_goes_on_under_a_standby(beside):
    """What the line rests on is the change that certified it, whoever is warm beside it."""
    assert policies.in_force(beside).change == Change.objects.get(kind="raise")


def test_the_live_version_is_not_its_own_standby(beside, version, other_version, ada):
    with pytest.raises(Conflict, match="v1 is live on Line A"):
        set_standby(line=beside, version=version, by=ada, reason="x")
    with pytest.raises(Conflict, match="v2 is the standby of Line A already"):
        set_standby(line=beside, version=other_version, by=ada, reason="x")


def test_a_standby_ends(beside, ada):
    set_standby(line=beside, version=None, by=ada, reason="worse")
    assert (standing(beside), roles(beside)) == (("partial", "v1", None), {"v1": "live"})
    with pytest.raises(Conflict, match="Line A has no standby already"):
        set_standby(line=beside, version=None, by=ada, reason="worse")


def test_there_is_one_standby_and_candidates_go_on(beside, version, other_version, third_version, ada):
    add_candidate(line=beside, version=third_version, by=ada, reason="new")
    switch(beside, other_version, ada)
    assert roles(beside) == {"v1": "standby", "v2": "live", "v3": "candidate"}
    set_standby(line=beside, version=third_version, by=ada, reason="newer")
    assert roles(beside) == {"v2": "live", "v3": "standby"}
    switch(beside, version, ada)
    assert roles(beside) == {"v1": "live", "v2": "standby"}


def test_at_human_only_no_version_scores_the_line_and_none_is_named(beside, third_version, ada):
    add_candidate(line=beside, version=third_version, by=ada, reason="new")
    propose_change(line=beside, by=ada, reason="stop", level="human_only")
    assert roles(beside) == {}
    for refused in (set_standby, add_candidate):
        with pytest.raises(Conflict, match="Raise it to shadow first"):
            refused(line=beside, version=third_version, by=ada, reason="x")


def test_a_rollback_takes_the_row_as_it_was(beside, other_version, ada):
    switch(beside, other_version, ada)
    roll_back(line=beside, by=ada, reason="back")
    assert (standing(beside), roles(beside)) == (("assist", "v1", "v2"), {"v1": "live", "v2": "standby"})
    roll_back(line=beside, by=ada, reason="back", to=1)
    assert (standing(beside), roles(beside)) == (("assist", "v1", None), {"v1": "live"})


# ---- candidates


def test_a_candidate_shadows_until_it_is_ended(shadowed, version, other_version, ada, make_part):
    add_candidate(line=shadowed, version=other_version, by=ada, reason="new")
    for known, words in ((other_version, "as candidate"), (version, "as live")):
        with pytest.raises(Conflict, match=words):
            add_candidate(line=shadowed, version=known, by=ada, reason="again")
    end_candidate(line=shadowed, version=other_version, by=ada, reason="worse")
    assert roles(shadowed) == {"v1": "live"}
    for known in (other_version, version):
        with pytest.raises(Conflict, match="is no candidate"):
            end_candidate(line=shadowed, version=known, by=ada, reason="again")


# ---- while something else is going on


def test_a_change_that_awaits_approval_holds_up_neither_a_switch_back_nor_a_rollback(
    beside, other_version, ada, ben, sam
):
    for act in (
        lambda: switch(beside, other_version, ben),
        lambda: roll_back(line=beside, by=ben, reason="back"),
    ):
        number = policies.in_force(beside).number
        level = policies.in_force(beside).level
        change = propose_change(line=beside, by=ada, reason="less", policy={"quorum": 1})
        assert (change.quorum, policies.pending_change(beside)) == (2, change), level
        act()
        assert policies.in_force(beside).number == number + 1
        with pytest.raises(Conflict, match="no longer awaits approval"):
            approve_change(change=change, by=sam)


def test_whoever_names_a_standby_or_needs_others_waits_for_it(
    beside, other_version, third_version, version, set_level, ada, ben
):
    for now_live in (other_version, third_version):
        set_level(beside, "partial", now_live, **BARS)
    propose_change(line=beside, by=ada, reason="less", policy={"quorum": 1})
    for act in (
        lambda: switch(beside, version, ben),
        lambda: set_standby(line=beside, version=version, by=ben, reason="x"),
    ):
        with pytest.raises(Conflict, match="awaits approval"):
            act()


def test_during_a_halt_versions_are_switched_and_rolled_back(beside, version, other_version, ada, make_part, answer):
    set_halt(line=beside, on=True, by=ada, reason="smoke")
    switch(beside, other_version, ada)
    answer(part := make_part(), other_version, 0.01)
    assert (part.state, Routing.objects.get().reason) == ("waiting", "halted")
    roll_back(line=beside, by=ada, reason="back")
    set_standby(line=beside, version=None, by=ada, reason="worse")
    assert (standing(beside), roles(beside)) == (("assist", "v1", None), {"v1": "live"})


def test_of_two_admins_at_once_one_wins(at_once, shadowed, other_version, third_version, ada, ben):
    seen = policies.in_force(shadowed).number
    results = at_once(
        lambda: switch(shadowed, other_version, ada, seen=seen), lambda: switch(shadowed, third_version, ben, seen=seen)
    )
    assert sorted(type(result).__name__ for result in results) == ["Change", "Conflict"]
    [lost] = [result for result in results if isinstance(result, Conflict)]
    assert (lost.status, "has changed since you read it: policy" in str(lost)) == (409, True)
    assert Policy.objects.filter(number__gt=seen).count() == 1
    assert sorted(roles(shadowed).values()) == ["live", "standby"]


def test_of_two_admins_at_once_who_want_the_same_one_is_told_that_it_is_so(at_once, beside, other_version, ada, ben):
    results = at_once(lambda: switch(beside, other_version, ada), lambda: switch(beside, other_version, ben))
    assert sorted(type(result).__name__ for result in results) == ["Change", "Conflict"]
    assert (standing(beside), roles(beside)) == (("assist", "v2", "v1"), {"v1": "standby", "v2": "live"})


def test_two_admins_name_a_standby_at_once(at_once, raised, other_version, third_version, ada, ben):
    seen = policies.in_force(raised).number
    results = at_once(*[
        lambda by=by, version=version: set_standby(line=raised, version=version, by=by, reason="x", seen=seen)
        for by, version in ((ada, other_version), (ben, third_version))
    ])  # fmt: skip
    assert sorted(type(result).__name__ for result in results) == ["Conflict", "Policy"]
    assert sorted(roles(raised).values()) == ["live", "standby"]


# ---- parts on their way, and parts decided


def test_which_version_and_policy_decided_a_part_stays_on_it(beside, version, other_version, ada, make_part, answer):
    answer(part := make_part(), other_version, 0.01)
    answer(part, version, 0.01)
    routing = Routing.objects.get(inspection=part)
    by, decided = (routing.policy.number, str(routing.prediction.version)), part.disposition.pk
    switch(beside, other_version, ada)
    settle_missing(now=routing.at)
    again = Routing.objects.get(inspection=part)
    part.refresh_from_db()
    assert (again.policy.number, str(again.prediction.version), part.disposition.pk) == (*by, decided)
    with pytest.raises(AppendOnlyError):
        Routing.objects.filter(pk=again.pk).update(policy=policies.in_force(beside))


@pytest.mark.parametrize("first", ["live", "standby"])
def test_a_part_on_its_way_at_the_switch_is_settled_by_the_version_that_is_live_now(
    beside, version, other_version, set_level, make_part, later, first
):
    part = make_part()
    early, late = (version, other_version) if first == "live" else (other_version, version)
    Prediction.objects.create(inspection=part, version=early, score=0.01, outcome="ok")
    assert settle_missing(now=later(1)) == 0
    set_level(beside, "partial", other_version, **BARS, standby_id=version.pk, audit_share=1e-9, ramp=[])
    assert settle_missing(now=later(2)) == 0
    Prediction.objects.create(inspection=part, version=late, score=0.01, outcome="ok")
    assert settle_missing(now=later(3)) == 1
    part.refresh_from_db()
    routing = Routing.objects.get()
    assert (part.state, routing.prediction.version, routing.policy) == (
        "decided", other_version, policies.in_force(beside),
    )  # fmt: skip


# ---- who may, and the trail


@pytest.mark.parametrize("name", ["ivy", "otto", "cam", "sam"])
def test_only_an_admin_switches(beside, version, other_version, third_version, request, name):
    person = request.getfixturevalue(name)
    for refused in (
        lambda: switch(beside, other_version, person),
        lambda: set_standby(line=beside, version=None, by=person, reason="x"),
        lambda: add_candidate(line=beside, version=third_version, by=person, reason="x"),
        lambda: end_candidate(line=beside, version=third_version, by=person, reason="x"),
    ):
        with pytest.raises(NotAllowed, match="This needs the role admin"):
            refused()


def test_nobody_switches_a_line_that_they_are_not_bound_to_or_without_a_reason(beside, other_version, ada, ben):
    ben.lines.add(Line.objects.create(slug="line-b", name="Line B"))
    with pytest.raises(NotAllowed, match="not bound to Line A"):
        switch(beside, other_version, ben)
    for act in (switch_version, set_standby, add_candidate, end_candidate):
        with pytest.raises(BadInput, match="Say why"):
            act(line=beside, version=other_version, by=ada, reason=" ")


def test_what_somebody_has_read_must_still_hold(beside, other_version, ada):
    seen = policies.in_force(beside).number
    switch(beside, other_version, ada, seen=seen)
    with pytest.raises(Conflict, match=f"policy {seen + 1} is in force"):
        set_standby(line=beside, version=None, by=ada, reason="x", seen=seen)


def test_the_trail_says_who_named_which_standby_and_is_sealed(beside, third_version, ada):
    set_standby(line=beside, version=None, by=ada, reason="worse")
    add_candidate(line=beside, version=third_version, by=ada, reason="new")
    named, ended = AuditEvent.objects.filter(action__startswith="standby_").order_by("pk")
    assert [(row.action, row.by, row.line, row.data["standby"], row.data["reason"]) for row in (named, ended)] == [
        ("standby_set", "ada", "line-a", "v2", "green"), ("standby_ended", "ada", "line-a", "v2", "worse"),
    ]  # fmt: skip
    assigned = AuditEvent.objects.filter(action="version_assigned").latest("pk")
    assert (assigned.subject, assigned.data) == ("version v3", {"role": "candidate", "reason": "new"})
    assert Role(assigned.data["role"]) is Role.CANDIDATE
    assert not unsealed().filter(line="line-a").exists()
