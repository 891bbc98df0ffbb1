"""Verdicts and second thoughts: what each does to the part, and what is refused."""

from datetime import timedelta

import pytest
from django.utils import timezone

from inspection import actions
from inspection.models import AuditEvent, Containment, Correction, Defect, Disposition, Inspection, Lease, Verdict
from inspection.refusals import BadInput, Conflict, NotAllowed

pytestmark = pytest.mark.django_db


def now_of(part: Inspection) -> tuple[str, str | None]:
    """State and disposition as they are in the database."""
    part = Inspection.objects.get(pk=part.pk)
    return part.state, part.disposition.outcome if part.disposition else None


def correct(verdict, by, outcome, *, reason="looked again", after=0):
    now = verdict.at + timedelta(seconds=after)
    return actions.correct_verdict(verdict=verdict, outcome=outcome, reason=reason, by=by, now=now)


@pytest.fixture
def audited(make_part):
    """A part that the machine decided and that was drawn for an audit: `audited("pass")`."""

    def make(outcome="pass") -> Inspection:
        part = make_part()
        Inspection.objects.filter(pk=part.pk).update(state="held", hold_until=timezone.now() + timedelta(minutes=1))
        assert actions.decide_by_machine(inspection=part, outcome=outcome, reason="score 0.01", audited=True)
        return part

    return make


@pytest.mark.parametrize(
    ("outcome", "state", "disposition"),
    [("ok", "decided", "pass"), ("scratched", "decided", "reject"), ("unsure", "second_opinion", None)],
)
def test_a_first_verdict_decides_or_asks_a_second_person(make_part, judge, ivy, outcome, state, disposition):
    part = make_part()
    verdict = judge(part, ivy, outcome, comment="by the button", duration_ms=1500)
    assert now_of(part) == (state, disposition)
    assert (verdict.occasion, verdict.inspector, verdict.comment, verdict.duration_ms) == (
        "first", ivy, "by the button", 1500,
    )  # fmt: skip
    assert not Lease.objects.exists()
    event = AuditEvent.objects.get(action="verdict_recorded")
    assert (event.by, event.line, event.data["outcome"]) == ("ivy", "line-a", outcome)


def test_the_disposition_names_its_verdict(make_part, judge, ivy):
    part = make_part()
    verdict = judge(part, ivy, "scratched")
    row = Disposition.objects.get()
    assert (row.verdict, row.by_machine, row.reason, row.at) == (verdict, False, "judged scratched", verdict.at)


def test_the_same_verdict_again_is_the_same_row(line, make_part, ivy):
    part = make_part()
    lease = actions.claim(line=line, by=ivy)
    twice = [
        actions.record_verdict(inspection=part, by=ivy, lease=lease.token, outcome="ok", comment=words)
        for words in ("", "again")
    ]
    assert twice[0] == twice[1]
    assert (Verdict.objects.count(), Disposition.objects.count()) == (1, 1)
    with pytest.raises(Conflict, match="no longer yours"):
        actions.record_verdict(inspection=part, by=ivy, lease=lease.token, outcome="scratched")


def test_two_answers_at_once_under_one_lease_make_one_verdict(at_once, line, make_part, ivy):
    part = make_part()
    lease = actions.claim(line=line, by=ivy)
    send = {"inspection": part, "by": ivy, "lease": lease.token, "outcome": "ok"}
    results = at_once(*[lambda: actions.record_verdict(**send)] * 3)
    assert {type(result) for result in results} == {Verdict}
    assert (Verdict.objects.count(), Disposition.objects.count()) == (1, 1)


def test_an_empty_lease_is_no_lease(make_part, ivy):
    with pytest.raises(Conflict):
        actions.record_verdict(inspection=make_part(), by=ivy, lease="", outcome="ok")


def test_unsure_asks_a_second_person_then_a_supervisor(line, make_part, judge, ivy, ian, sam):
    part = make_part()
    judge(part, ivy, "unsure")
    second = judge(part, ian, "unsure")
    assert (second.occasion, now_of(part)) == ("second", ("with_supervisor", None))
    lease = actions.claim(line=line, by=sam)
    with pytest.raises(BadInput, match="Nobody comes after a supervisor"):
        actions.record_verdict(inspection=part, by=sam, lease=lease.token, outcome="unsure")
    third = actions.record_verdict(inspection=part, by=sam, lease=lease.token, outcome="scratched")
    assert (third.occasion, now_of(part)) == ("supervisor", ("decided", "reject"))


def test_a_second_person_who_is_sure_decides(make_part, judge, ivy, ian):
    part = make_part()
    judge(part, ivy, "unsure")
    judge(part, ian, "ok")
    assert now_of(part) == ("decided", "pass")


def test_an_audit_that_agrees_leaves_the_machines_disposition(audited, judge, ivy):
    part = audited("pass")
    verdict = judge(part, ivy, "ok")
    assert (verdict.occasion, now_of(part)) == ("audit", ("decided", "pass"))
    assert Disposition.objects.get().by_machine
    assert AuditEvent.objects.filter(action="audit_agreed").count() == 1
    assert actions.contain_escapes() == 0


def test_an_escape_found_in_an_audit_is_rejected_and_contained(audited, judge, ivy):
    part = audited("pass")
    judge(part, ivy, "scratched")
    assert now_of(part) == ("decided", "reject")
    assert [actions.contain_escapes() for _ in range(2)] == [1, 0]
    assert Containment.objects.get().inspection == part
    assert AuditEvent.objects.get(action="containment_opened").by == "system"


def test_a_good_part_that_the_machine_rejected_passes_without_containment(audited, judge, ivy):
    part = audited("reject")
    judge(part, ivy, "ok")
    assert now_of(part) == ("decided", "pass")
    assert actions.contain_escapes() == 0


def test_an_unsure_audit_leaves_the_machines_disposition_until_a_second_person(audited, judge, ivy, ian):
    part = audited("pass")
    judge(part, ivy, "unsure")
    assert now_of(part) == ("second_opinion", "pass")
    judge(part, ian, "scratched")
    assert now_of(part) == ("decided", "reject")
    assert actions.contain_escapes() == 1


def test_a_correction_finds_the_escape_that_the_audit_missed(audited, judge, ivy, sam):
    part = audited("pass")
    verdict = judge(part, ivy, "ok")
    correct(verdict, sam, "scratched")
    assert now_of(part) == ("decided", "reject")
    assert actions.contain_escapes() == 1


def test_an_escape_is_contained_once_however_often_it_is_found(audited, judge, ivy):
    part = audited("pass")
    verdict = judge(part, ivy, "scratched")
    assert actions.contain_escapes() == 1
    correct(verdict, ivy, "ok")
    correct(verdict, ivy, "scratched")
    assert now_of(part) == ("decided", "reject")
    assert actions.contain_escapes() == 0
    assert Containment.objects.count() == 1


def test_ones_own_verdict_is_undone_within_the_time(make_part, judge, ivy):
    part = make_part()
    verdict = judge(part, ivy, "ok")
    correction = correct(verdict, ivy, "scratched", reason="", after=30)
    assert now_of(part) == ("decided", "reject")
    assert (correction.reason, correction.by) == ("undo", ivy)
    assert [row.outcome for row in Disposition.objects.all()] == ["pass", "reject"], "a new row, the old one stays"
    verdict.refresh_from_db()
    assert verdict.outcome == "ok"
    event = AuditEvent.objects.get(action="verdict_corrected")
    assert (event.by, event.data["before"], event.data["outcome"]) == ("ivy", "ok", "scratched")


def test_after_the_time_a_supervisor_has_to(make_part, judge, ivy, sam):
    part = make_part()
    verdict = judge(part, ivy, "ok")
    with pytest.raises(Conflict, match=r"undone for 30 seconds. Ask a supervisor"):
        correct(verdict, ivy, "scratched", after=31)
    correct(verdict, sam, "scratched", after=86_400)
    assert now_of(part) == ("decided", "reject")


def test_a_supervisor_gives_a_reason_for_anothers_verdict(make_part, judge, ivy, sam):
    verdict = judge(make_part(), ivy, "ok")
    with pytest.raises(BadInput, match="Say why"):
        correct(verdict, sam, "scratched", reason=" ")


def test_nobody_else_corrects(make_part, judge, ivy, ian):
    verdict = judge(make_part(), ivy, "ok")
    with pytest.raises(NotAllowed, match="Only the person who judged, or a supervisor"):
        correct(verdict, ian, "scratched")
    assert not Correction.objects.exists()


def test_a_correction_to_what_is_said_already_is_refused(make_part, judge, ivy, sam):
    verdict = judge(make_part(), ivy, "ok")
    with pytest.raises(Conflict, match="says ok already"):
        correct(verdict, ivy, "ok")
    correct(verdict, ivy, "scratched")
    with pytest.raises(Conflict, match="says scratched already"):
        correct(verdict, sam, "scratched")
    assert Correction.objects.count() == 1


def test_the_same_correction_again_is_the_same_row(make_part, judge, ivy):
    verdict = judge(make_part(), ivy, "ok")
    twice = [correct(verdict, ivy, "scratched", after=after) for after in (1, 3600)]
    assert twice[0] == twice[1], "a lost answer is asked for again, perhaps after the time to undo"
    assert (Correction.objects.count(), Disposition.objects.count()) == (1, 2)
    assert AuditEvent.objects.filter(action="verdict_corrected").count() == 1


def test_an_unknown_outcome_is_refused(line, make_part, judge, ivy):
    verdict = judge(make_part(), ivy, "ok")
    with pytest.raises(BadInput, match="not one of ok, scratched, unsure"):
        correct(verdict, ivy, "fine")
    part = make_part()
    lease = actions.claim(line=line, by=ivy)
    with pytest.raises(BadInput, match="not one of ok, scratched, unsure"):
        actions.record_verdict(inspection=part, by=ivy, lease=lease.token, outcome="")


def test_undone_to_unsure_the_part_has_no_disposition_and_goes_to_a_second_person(make_part, judge, ivy, ian):
    part = make_part()
    correct(judge(part, ivy, "ok"), ivy, "unsure")
    assert now_of(part) == ("second_opinion", None)
    judge(part, ian, "ok")
    assert now_of(part) == ("decided", "pass")


def test_a_second_opinion_undone_to_unsure_goes_to_a_supervisor(make_part, judge, ivy, ian):
    part = make_part()
    judge(part, ivy, "unsure")
    correct(judge(part, ian, "ok"), ian, "unsure")
    assert now_of(part) == ("with_supervisor", None)


def test_undone_and_done_again_the_first_disposition_holds(make_part, judge, ivy):
    part = make_part()
    verdict = judge(part, ivy, "ok")
    correct(verdict, ivy, "unsure")
    correct(verdict, ivy, "ok")
    assert now_of(part) == ("decided", "pass")
    assert Disposition.objects.count() == 1


def test_a_supervisors_own_verdict_is_not_undone_to_unsure(make_part, judge, ivy, ian, sam):
    part = make_part()
    judge(part, ivy, "unsure")
    judge(part, ian, "unsure")
    verdict = judge(part, sam, "ok")
    with pytest.raises(BadInput, match="Nobody comes after a supervisor"):
        correct(verdict, sam, "unsure")


def test_a_correction_that_settles_the_part_ends_the_second_look(line, make_part, judge, ivy, ian):
    part = make_part()
    verdict = judge(part, ivy, "unsure")
    lease = actions.claim(line=line, by=ian)
    correct(verdict, ivy, "ok")
    assert now_of(part) == ("decided", "pass")
    with pytest.raises(Conflict, match="no longer yours"):
        actions.record_verdict(inspection=part, by=ian, lease=lease.token, outcome="scratched")


def test_a_retake_ends_this_inspection(line, make_part, judge, ivy, ian, sam):
    part = make_part()
    verdict = judge(part, ivy, "unsure")
    lease = actions.claim(line=line, by=ian)
    actions.send_to_retake(inspection=part, by=ian, lease=lease.token, reason="oil")
    assert now_of(part) == ("retake", None)
    assert actions.claim(line=line, by=sam) is None
    with pytest.raises(Conflict, match="sent to be cleaned"):
        correct(verdict, sam, "ok")
    with pytest.raises(Conflict):
        actions.send_to_retake(inspection=part, by=ian, lease=lease.token, reason="oil")
    assert AuditEvent.objects.get(action="retake_asked").data["reason"] == "oil"


@pytest.fixture
def opened(line, make_part, ivy):
    """A part with two photos in ivy's hands: `judge_it(outcome, *marks)`, marks as (photo number, kind, box, ...)."""
    part = make_part(photos=2)
    lease = actions.claim(line=line, by=ivy)

    def judge_it(outcome, *marks, photos=None):
        photos = photos or list(part.photos.all())
        defects = [actions.MarkedDefect(photos[number].pk, kind, *rest, box=box) for number, kind, box, *rest in marks]
        return actions.record_verdict(inspection=part, by=ivy, lease=lease.token, outcome=outcome, defects=defects)

    return judge_it


BOX = (0.1, 0.2, 0.3, 0.4)


def test_marks_are_kept_with_their_photo(opened, kinds):
    verdict = opened("scratched", (1, "scratch", BOX, "major"), (0, "oil", (0.5, 0.5, 0, 0)))
    rows = [(row.photo.position, row.kind.slug, row.severity, row.box) for row in verdict.defects.order_by("pk")]
    assert rows == [(1, "scratch", "major", [0.1, 0.2, 0.3, 0.4]), (0, "oil", "minor", [0.5, 0.5, 0, 0])]


def test_a_contamination_may_be_marked_on_a_good_part(opened, kinds):
    assert opened("ok", (0, "oil", BOX)).defects.count() == 1


def test_a_mark_that_rejects_forbids_ok(opened, kinds):
    with pytest.raises(BadInput, match="A scratch is marked, and that rejects"):
        opened("ok", (0, "scratch", BOX))


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        ((0, "dent", BOX), "no defect kind 'dent'. Known kinds: oil, scratch"),
        ((0, "scratch", BOX, "awful"), "severity 'awful'"),
        ((0, "scratch", (0.9, 0, 0.2, 0.1)), "inside the photo"),
        ((0, "scratch", (0, 0.9, 0.1, 0.2)), "inside the photo"),
        ((0, "scratch", (-0.1, 0, 0.1, 0.1)), "inside the photo"),
        ((0, "scratch", (0, 0, 1.1, 0.1)), "inside the photo"),
        ((0, "scratch", (float("nan"), 0, 0, 0)), "inside the photo"),
        ((0, "scratch", (0, 0, float("inf"), 0)), "inside the photo"),
    ],
)
def test_a_bad_mark_is_refused_and_the_part_stays_open(opened, kinds, mark, words):
    with pytest.raises(BadInput, match=words):
        opened("scratched", mark)
    assert not Verdict.objects.exists()
    assert Lease.objects.count() == 1


def test_a_mark_on_another_parts_photo_is_refused(opened, kinds, make_part):
    with pytest.raises(BadInput, match="not one of this part's photos"):
        opened("scratched", (0, "scratch", BOX), photos=list(make_part().photos.all()))


def test_too_many_marks(opened, kinds):
    with pytest.raises(BadInput, match="At most 100 marks"):
        opened("scratched", *[(0, "scratch", BOX)] * 101)


def test_where_a_box_is_required_scratched_needs_one(opened, kinds, line):
    line.box_required = True
    line.save()
    for marks in ([], [(0, "oil", BOX)]):
        with pytest.raises(BadInput, match="asks for the scratch to be marked"):
            opened("scratched", *marks)
    opened("scratched", (0, "scratch", BOX))
    assert Defect.objects.count() == 1


def test_where_a_box_is_required_ok_needs_none(opened, line):
    line.box_required = True
    line.save()
    assert opened("ok")


def test_an_imported_label_is_a_verdict_of_nobody(make_part, sam):
    part = make_part(origin="imported")
    verdict = actions.import_history(inspection=part, label="scratched", by="import")
    assert (verdict.inspector, verdict.occasion, now_of(part)) == (None, "history", ("decided", "reject"))
    correct(verdict, sam, "ok", reason="wrong label")
    assert now_of(part) == ("decided", "pass")


def test_history_without_a_label_is_closed_and_a_strange_label_refused(make_part):
    part = make_part(origin="imported")
    with pytest.raises(BadInput, match="neither 'ok' nor 'scratched'"):
        actions.import_history(inspection=part, label="dusty", by="import")
    assert actions.import_history(inspection=part, label="", by="import") is None
    assert now_of(part) == ("closed", None)
