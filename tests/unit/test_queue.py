"""The queue: a part is never with two people, is offered to the right ones, and is never stuck with anybody."""

from datetime import timedelta

import pytest
from django.utils import timezone

from inspection import actions
from inspection.models import AuditEvent, Inspection, Lease, Line, Skip, UrgentLot, Verdict
from inspection.refusals import BadInput, Conflict, NotAllowed
from inspection.roles import Role
from tests.conftest import make_person

pytestmark = pytest.mark.django_db


def claimed(line, by, **when) -> Inspection | None:
    lease = actions.claim(line=line, by=by, **when)
    return lease.inspection if lease else None


def hold(line, seconds=60) -> None:
    Line.objects.filter(pk=line.pk).update(hold_seconds=seconds)


def test_many_people_claiming_at_once_never_get_the_same_part(at_once, line, make_part):
    people = [make_person(f"person{number}", Role.INSPECTOR) for number in range(6)]
    parts = {make_part().pk for _ in range(4)}
    leases = at_once(*[lambda person=person: actions.claim(line=line, by=person) for person in people])
    taken = [lease.inspection_id for lease in leases if lease]
    assert sorted(taken) == sorted(parts), "each part once, and the two who came too late get none"


def test_many_people_claiming_urgent_lots_and_serials_at_once_never_get_the_same_part(at_once, line, make_part, sam):
    people = [make_person(f"person{number}", Role.INSPECTOR) for number in range(8)]
    parts = [make_part(lot="L1" if number % 2 else "L2") for number in range(6)]
    actions.mark_lot_urgent(line=line, lot="L1", by=sam)
    wanted = [None, parts[0].serial, None, parts[1].serial, None, parts[1].serial, None, None]
    leases = at_once(
        *[
            lambda person=person, serial=serial: actions.claim(line=line, by=person, serial=serial)
            for person, serial in zip(people, wanted, strict=True)
        ]
    )
    taken = [lease.inspection_id for lease in leases if lease]
    assert len(taken) == len(set(taken)), "no part twice"
    assert {part.pk for part in parts} >= set(taken)
    assert Lease.objects.count() == len(taken) >= 5, "at most one of each serial's seekers comes too late"


def test_people_judging_and_claiming_at_once_judge_each_part_once(at_once, line, make_part):
    people = [make_person(f"person{number}", Role.INSPECTOR) for number in range(4)]
    for _ in range(16):
        make_part()

    def work(person):
        lease, judged = actions.claim(line=line, by=person), []
        while lease:
            judged.append(lease.inspection_id)
            sent = {"inspection": lease.inspection, "by": person, "lease": lease.token, "outcome": "ok"}
            lease = actions.judge(**sent, claim_next=True).next
        return judged

    results = at_once(*[lambda person=person: work(person) for person in people])
    judged = [pk for result in results for pk in result]
    assert len(judged) == len(set(judged)) == Verdict.objects.count() == 16
    assert not Lease.objects.exists()


def test_one_person_in_two_windows_holds_no_more_than_eight(at_once, line, make_part, ivy):
    for _ in range(12):
        make_part()
    for _ in range(6):
        actions.claim(line=line, by=ivy)
    results = at_once(*[lambda: actions.claim(line=line, by=ivy)] * 4)
    assert Lease.objects.filter(user=ivy).count() == 8
    assert sorted(type(result).__name__ for result in results) == ["Conflict", "Conflict", "Lease", "Lease"]


def test_the_machine_and_a_person_never_both_take_a_part(at_once, line, make_part, ivy):
    hold(line, 5)
    part = make_part()
    late = part.hold_until
    decide = {"inspection": part, "outcome": "pass", "reason": "score", "audited": False}
    decided, lease = at_once(
        lambda: actions.decide_by_machine(**decide, now=late - timedelta(seconds=1)),
        lambda: actions.claim(line=line, by=ivy, now=late),
    )
    part.refresh_from_db()
    assert (decided, part.state) in {(True, "decided"), (False, "waiting")}
    assert bool(lease) is not decided


def test_oldest_first_and_each_claim_another_part(line, make_part, ivy):
    first, second = make_part(), make_part()
    assert [claimed(line, ivy), claimed(line, ivy), claimed(line, ivy)] == [first, second, None]


def test_a_line_has_its_own_queue(line, make_part, ivy):
    other = Line.objects.create(slug="line-b", name="Line B")
    make_part(on=other)
    assert claimed(line, ivy) is None


def test_a_person_bound_elsewhere_may_not_claim(line, ivy):
    ivy.lines.add(Line.objects.create(slug="line-b", name="Line B"))
    with pytest.raises(NotAllowed, match="not bound to Line A"):
        actions.claim(line=line, by=ivy)


def test_the_ninth_part_is_refused_until_one_is_given_back(line, make_part, ivy):
    for _ in range(9):
        make_part()
    leases = [actions.claim(line=line, by=ivy) for _ in range(8)]
    with pytest.raises(Conflict, match="You hold 8 parts"):
        actions.claim(line=line, by=ivy)
    actions.release(inspection=leases[0].inspection, by=ivy, token=leases[0].token)
    assert claimed(line, ivy) == leases[0].inspection


def test_expired_leases_do_not_count_among_the_eight(line, make_part, ivy):
    for _ in range(9):
        make_part()
    for _ in range(8):
        actions.claim(line=line, by=ivy)
    assert claimed(line, ivy, now=timezone.now() + timedelta(seconds=301)) is not None


def test_a_released_part_is_offered_again_also_to_the_same_person(line, make_part, ivy, ian):
    part = make_part()
    for person in (ivy, ivy, ian):
        lease = actions.claim(line=line, by=person)
        assert lease.inspection == part
        actions.release(inspection=part, by=person, token=lease.token)


def test_a_lease_that_ran_out_is_taken_over_and_then_gone(line, make_part, ivy, ian):
    part = make_part()
    lease = actions.claim(line=line, by=ivy)
    assert claimed(line, ian) is None
    later = timezone.now() + timedelta(seconds=line.lease_seconds + 1)
    assert claimed(line, ian, now=later) == part
    for act in (actions.renew, actions.release):
        with pytest.raises(Conflict, match="no longer yours"):
            act(inspection=part, by=ivy, token=lease.token)
    with pytest.raises(Conflict, match="no longer yours"):
        actions.record_verdict(inspection=part, by=ivy, lease=lease.token, outcome="ok")
    assert not part.verdicts.exists()


def test_a_late_verdict_counts_when_nobody_has_taken_over(line, make_part, ivy):
    part = make_part()
    lease = actions.claim(line=line, by=ivy)
    later = timezone.now() + timedelta(seconds=line.lease_seconds + 1)
    actions.record_verdict(inspection=part, by=ivy, lease=lease.token, outcome="ok", now=later)
    assert part.verdicts.count() == 1


def test_renewing_keeps_the_part(line, make_part, ivy, ian):
    make_part()
    lease = actions.claim(line=line, by=ivy)
    half = timezone.now() + timedelta(seconds=200)
    renewed = actions.renew(inspection=lease.inspection, by=ivy, token=lease.token, now=half)
    assert renewed.expires_at == half + timedelta(seconds=line.lease_seconds)
    assert claimed(line, ian, now=timezone.now() + timedelta(seconds=400)) is None


def test_nobody_acts_with_anothers_token(line, make_part, ivy, ian):
    part = make_part()
    lease = actions.claim(line=line, by=ivy)
    for by, token in ((ian, lease.token), (ivy, "made up")):
        with pytest.raises(Conflict):
            actions.release(inspection=part, by=by, token=token)
    assert Lease.objects.count() == 1


def test_a_held_part_appears_when_its_hold_has_run_out(line, make_part, ivy):
    hold(line, 60)
    part = make_part()
    assert claimed(line, ivy) is None
    assert claimed(line, ivy, now=part.hold_until - timedelta(microseconds=1)) is None
    assert claimed(line, ivy, now=part.hold_until) == part
    part.refresh_from_db()
    assert part.state == "waiting"
    assert not actions.decide_by_machine(inspection=part, outcome="pass", reason="late", audited=False)


def test_lowering_a_line_frees_its_held_parts(line, make_part, ivy):
    hold(line, 60)
    part, now = make_part(), timezone.now()
    assert actions.release_holds(lines=[line], now=now) == 1
    assert claimed(line, ivy, now=now) == part


def test_handing_a_part_to_people_is_harmless_twice(line, make_part, ivy):
    hold(line, 60)
    part = make_part()
    assert [actions.hand_to_people(inspection=part) for _ in range(2)] == [True, False]
    assert claimed(line, ivy) == part


def test_a_skipped_part_goes_to_another_person(line, make_part, ivy, ian):
    part = make_part()
    lease = actions.claim(line=line, by=ivy)
    with pytest.raises(BadInput, match="Say why"):
        actions.skip(inspection=part, by=ivy, token=lease.token, reason="  ")
    actions.skip(inspection=part, by=ivy, token=lease.token, reason="my own part")
    assert claimed(line, ivy) is None
    assert claimed(line, ian) == part
    assert Skip.objects.get().reason == "my own part"
    assert AuditEvent.objects.get(action="part_skipped").by == "ivy"


def test_who_saw_the_models_answer_is_not_offered_the_part(line, make_part, ivy, ian):
    part = make_part()
    actions.note_model_output_shown(inspection=part, user=ivy, where="test")
    assert claimed(line, ivy) is None
    assert claimed(line, ian) == part


def test_what_one_has_judged_is_not_offered_again(line, make_part, judge, ivy, ian):
    part = make_part()
    judge(part, ivy, "unsure")
    assert claimed(line, ivy) is None
    assert claimed(line, ian) == part


def test_two_unsure_wait_for_an_overseer_alone(line, make_part, judge, ivy, ian, sam):
    part = make_part()
    judge(part, ivy, "unsure")
    judge(part, ian, "unsure")
    assert claimed(line, make_person("iris", Role.INSPECTOR)) is None
    assert claimed(line, sam) == part


def test_a_supervisor_frees_a_part(line, make_part, ivy, ian, sam):
    part = make_part()
    lease = actions.claim(line=line, by=ivy)
    actions.free_lease(inspection=part, by=sam)
    actions.free_lease(inspection=part, by=sam)
    with pytest.raises(Conflict):
        actions.renew(inspection=part, by=ivy, token=lease.token)
    assert claimed(line, ian) == part
    event = AuditEvent.objects.get(action="lease_freed")
    assert (event.by, event.data["held_by"]) == ("sam", "ivy")


@pytest.mark.parametrize("state", ["decided", "retake", "closed"])
def test_what_is_settled_is_offered_to_nobody(line, make_part, sam, state):
    make_part()
    Inspection.objects.update(state=state)
    assert claimed(line, sam) is None


def test_the_machine_decides_only_an_untouched_part_in_its_hold(line, make_part, ivy):
    hold(line, 60)
    part, now = make_part(), timezone.now()
    decide = {"inspection": part, "outcome": "pass", "reason": "score", "audited": True}
    assert not actions.decide_by_machine(**decide, now=part.hold_until)
    assert actions.decide_by_machine(**decide, now=now)
    assert not actions.decide_by_machine(**decide, now=now), "the same task delivered twice changes nothing"
    part.refresh_from_db()
    assert (part.state, part.disposition.by_machine, part.dispositions.count()) == ("audit_due", True, 1)
    assert claimed(line, ivy) == part


def test_an_overdue_second_opinion_goes_to_a_supervisor(line, make_part, judge, ivy, ian, sam):
    part = make_part()
    judge(part, ivy, "unsure")
    overdue = timezone.now() + timedelta(minutes=line.second_opinion_minutes, seconds=1)
    assert actions.escalate_overdue_opinions() == 0
    lease = actions.claim(line=line, by=ian, now=overdue)
    assert actions.escalate_overdue_opinions(now=overdue) == 0, "a person is looking at it"
    actions.release(inspection=part, by=ian, token=lease.token)
    assert [actions.escalate_overdue_opinions(now=overdue) for _ in range(2)] == [1, 0]
    assert claimed(line, ian) is None
    assert claimed(line, sam) == part


def test_urgent_lots_come_first_then_the_oldest(line, make_part, ivy, sam):
    old, first, second = make_part(lot="L1"), make_part(lot="L2"), make_part(lot="L3")
    other = Line.objects.create(slug="line-b", name="Line B")
    actions.mark_lot_urgent(line=other, lot="L1", by=sam)
    for lot in ("L3", "L2", "L9"):
        actions.mark_lot_urgent(line=line, lot=lot, by=sam)
    assert [claimed(line, ivy) for _ in range(4)] == [first, second, old, None]


def test_a_lot_whose_urgency_has_ended_waits_its_turn(line, make_part, ivy, sam):
    old, _urgent = make_part(lot="L1"), make_part(lot="L2")
    for _ in range(2):
        actions.mark_lot_urgent(line=line, lot=" L2 ", by=sam)
    assert (UrgentLot.objects.get().lot, UrgentLot.objects.get().by) == ("L2", sam)
    for _ in range(2):
        actions.end_urgency(line=line, lot="L2", by=sam)
    assert claimed(line, ivy) == old
    events = AuditEvent.objects.filter(action__startswith="lot_").values_list("action", "by", "line", "data")
    assert list(events) == [
        ("lot_marked_urgent", "sam", "line-a", {"lot": "L2"}),
        ("lot_urgency_ended", "sam", "line-a", {"lot": "L2"}),
    ]


def test_a_lot_has_a_name_and_its_line_is_ones_own(line, sam):
    for lot in ("", "  ", "x" * 81):
        with pytest.raises(BadInput, match="Name the lot"):
            actions.mark_lot_urgent(line=line, lot=lot, by=sam)
    sam.lines.add(Line.objects.create(slug="line-b", name="Line B"))
    for act in (actions.mark_lot_urgent, actions.end_urgency):
        with pytest.raises(NotAllowed):
            act(line=line, lot="L1", by=sam)


def test_a_serial_takes_the_oldest_part_of_that_serial_that_waits_for_the_person(line, make_part, judge, ivy, ian):
    make_part("A")
    first, second = make_part("B"), make_part("B")
    assert claimed(line, ivy, serial="B") == first
    assert claimed(line, ian, serial="B") == second
    assert claimed(line, ian, serial="C") is None
    assert claimed(Line.objects.create(slug="line-b", name="Line B"), ian, serial="A") is None


def test_a_serial_that_one_holds_is_ones_own_lease_also_with_eight_in_hand(line, make_part, ivy, ian):
    for _ in range(8):
        make_part()
    leases = [actions.claim(line=line, by=ivy) for _ in range(8)]
    again = actions.claim(line=line, by=ivy, serial=leases[3].inspection.serial)
    assert (again, again.token) == (leases[3], leases[3].token)
    assert claimed(line, ian, serial=leases[3].inspection.serial) is None, "it is with somebody"


@pytest.mark.parametrize("state", ["with_supervisor", "decided"])
def test_a_serial_does_not_open_what_awaits_somebody_else(line, make_part, ivy, state):
    part = make_part("A")
    Inspection.objects.update(state=state)
    assert claimed(line, ivy, serial=part.serial) is None


def test_several_leases_are_renewed_at_once_and_the_gone_ones_left_out(line, make_part, ivy, ian, sam):
    parts = [make_part() for _ in range(4)]
    leases = [actions.claim(line=line, by=ivy) for _ in range(3)]
    foreign = actions.claim(line=line, by=ian)
    actions.free_lease(inspection=parts[1], by=sam)
    later = timezone.now() + timedelta(seconds=100)
    tokens = [lease.token for lease in (*leases, foreign)] + ["made up"]
    renewed = actions.renew_all(tokens=tokens, by=ivy, now=later)
    assert [lease.inspection_id for lease in renewed] == [parts[0].pk, parts[2].pk]
    ends = dict(Lease.objects.values_list("token", "expires_at"))
    assert ends[leases[0].token] == ends[leases[2].token] == later + timedelta(seconds=line.lease_seconds)
    assert ends[foreign.token] == foreign.expires_at


def test_leaving_gives_back_what_was_not_renewed_since(line, make_part, ivy, ian):
    parts = [make_part() for _ in range(3)]
    kept, given_back = actions.claim(line=line, by=ivy), actions.claim(line=line, by=ivy)
    foreign = actions.claim(line=line, by=ian)
    actions.renew(inspection=kept.inspection, by=ivy, token=kept.token, now=timezone.now() + timedelta(seconds=1))
    heard = [actions.HeldLease(lease.token, lease.expires_at) for lease in (kept, given_back, foreign)]
    assert [actions.leave(leases=heard, by=ivy) for _ in range(2)] == [1, 0]
    assert set(Lease.objects.values_list("inspection_id", flat=True)) == {parts[0].pk, parts[2].pk}
    assert claimed(line, ivy) == parts[1]
    assert actions.leave(leases=[], by=ivy) == 0
