"""A planned attribute study: who takes part, which trials wait when, and how it ends."""

from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from inspection import actions
from inspection.models import AuditEvent, Inspection, Line, Origin, Reference, SeededPart, Study
from inspection.refusals import BadInput, NotAllowed
from inspection.roles import Role, give_role
from inspection.seeds import PORTION, against_study
from inspection.shown_again import progress_of
from tests.conftest import make_person

pytestmark = pytest.mark.django_db


def soon(seconds=10.0):
    return timezone.now() + timedelta(seconds=seconds)


@pytest.fixture
def references(line, make_part, sam):
    """Ten references of the line, half of them scratched."""
    parts = [make_part() for _ in range(10)]
    Inspection.objects.update(state="decided")
    for part in parts:
        part.refresh_from_db()
    return [
        actions.keep_reference(inspection=part, truth="scratched" if n % 2 else "ok", reason="measured", by=sam)
        for n, part in enumerate(parts)
    ]


@pytest.fixture
def start(line, references, sam, ivy, ian):
    """Starts a study: `start(rounds=2)`."""

    def make(**fields) -> Study:
        given = {
            "line": line,
            "name": "May",
            "references": references,
            "inspectors": [ivy, ian],
            "rounds": 2,
            "by": sam,
        }
        return actions.start_study(**(given | fields))

    return make


def trials(study, person, **fields):
    return study.trials.filter(reserved_for=person, **fields)


def answer_next(line, person, outcome="ok"):
    lease = actions.claim(line=line, by=person)
    if lease:
        actions.record_verdict(inspection=lease.inspection, by=person, lease=lease.token, outcome=outcome)
    return lease


def answer_all(line, person) -> int:
    """Judges whatever waits for the person, with the worker topping up in between; how many parts that were."""
    count = 0
    while True:
        actions.open_rounds()
        if not answer_next(line, person):
            return count
        count += 1


# ---- planning


SOUND = {"name": "May", "rounds": 3, "truths": ["ok"] * 9 + ["scratched"], "inspectors": 2, "cannot": [], "know": []}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({}, None),
        ({"inspectors": 1}, None),
        ({"inspectors": 2, "rounds": 1}, None),
        ({"name": ""}, "Name the study"),
        ({"name": "x" * 81}, "at most 80 characters"),
        ({"rounds": 0}, "has 1 to 5 rounds"),
        ({"rounds": 6}, "has 1 to 5 rounds"),
        ({"truths": ["ok", "scratched"]}, "at least 10 references of this line; 2 are chosen"),
        ({"truths": ["ok"] * 10}, "both kinds"),
        ({"inspectors": 1, "rounds": 1}, "at least two inspectors"),
        ({"inspectors": 0}, "at least two inspectors"),
        ({"cannot": ["sam"]}, "These cannot take part: sam"),
        ({"know": ["ivy"]}, "know some of the references, or what the model answered to them: ivy"),
    ],
)
def test_a_study_may_begin_or_says_why_not(wrong, words):
    reasons = against_study(**(SOUND | wrong))
    assert len(reasons) == (words is not None)
    assert words is None or words in reasons[0]


def test_a_study_starts_with_a_few_trials_for_each_inspector(start, line, references, sam, ivy, ian):
    study = start()
    assert (study.line, study.name, study.rounds, study.by) == (line, "May", 2, sam)
    assert set(study.references.all()) == set(references)
    assert set(study.inspectors.all()) == {ivy, ian}
    for person in (ivy, ian):
        mine = trials(study, person)
        assert mine.count() == PORTION
        assert {(trial.round, trial.purpose, trial.inspection.origin) for trial in mine} == {(1, "study", "seeded")}
        assert all(trial.truth == trial.source.reference.truth for trial in mine)
    event = AuditEvent.objects.get(action="study_started")
    assert (event.by, event.line, event.subject) == ("sam", "line-a", f"study {study.pk}")
    assert event.data == {"name": "May", "rounds": 2, "references": 10, "inspectors": 2}


def test_all_that_is_wrong_is_said_at_once_and_nothing_is_written(start, references, sam):
    with pytest.raises(BadInput) as refused:
        start(name=" ", rounds=9, references=references[:2], inspectors=[sam])
    assert len(refused.value.reasons) >= 4
    assert not Study.objects.exists()
    assert not SeededPart.objects.exists()


def test_who_oversees_is_bound_elsewhere_or_is_no_inspector_takes_no_part(start, ada, otto, ivy, ian):
    elsewhere = make_person("elsewhere", Role.INSPECTOR)
    elsewhere.lines.add(Line.objects.create(slug="line-b", name="Line B"))
    gone = make_person("gone", Role.INSPECTOR)
    gone.is_active = False
    gone.save()
    for person in (ada, otto, elsewhere, gone):
        with pytest.raises(BadInput, match="cannot take part"):
            start(inspectors=[ivy, ian, person])


def test_who_knows_a_reference_takes_no_part(start, references, ivy, ian):
    Reference.objects.filter(pk=references[0].pk).update(by=ivy)  # a supervisor then
    with pytest.raises(BadInput, match="know some of the references"):
        start()
    Reference.objects.update(by=references[1].by)
    actions.note_model_output_shown(inspection=references[3].inspection, user=ian, where="discrepancies")
    with pytest.raises(BadInput, match="know some of the references"):
        start()


def test_retired_references_and_those_of_other_lines_do_not_count(start, references, line, sam):
    actions.retire_reference(reference=references[0], by=sam)
    with pytest.raises(BadInput, match="9 are chosen"):
        start()
    other = Line.objects.create(slug="line-b", name="Line B")
    Inspection.objects.filter(pk=references[1].inspection_id).update(line=other)
    with pytest.raises(BadInput, match="8 are chosen"):
        start()


def test_only_overseers_of_the_line_start_and_close(start, ivy, otto):
    study = start()
    for person in (ivy, otto):
        with pytest.raises(NotAllowed):
            start(by=person)
        with pytest.raises(NotAllowed):
            actions.close_study(study=study, by=person)


# ---- trials


def test_few_wait_at_once_and_those_answered_are_followed_by_others(start, line, ivy):
    study = start()
    assert actions.open_rounds() == 0
    for _ in range(2):
        answer_next(line, ivy)
    assert actions.open_rounds() == 2
    assert trials(study, ivy).count() == PORTION + 2
    assert trials(study, ivy, inspection__state="waiting").count() == PORTION


def test_every_inspector_judges_every_reference_once_a_round_in_an_order_of_their_own(
    start, line, references, ivy, ian
):
    study = start()
    assert [answer_all(line, person) for person in (ivy, ian)] == [20, 20]
    orders = {
        (person, number): list(trials(study, person, round=number).order_by("pk").values_list("source", flat=True))
        for person in (ivy, ian)
        for number in (1, 2)
    }
    sources = {reference.inspection_id for reference in references}
    assert all(len(order) == 10 and set(order) == sources for order in orders.values())
    assert len({tuple(order) for order in orders.values()}) > 1, "one chance in 10! cubed"
    assert not AuditEvent.objects.filter(action="seeded_part_withdrawn").exists()


def test_a_round_begins_when_the_one_before_is_answered(start, line, ivy):
    study = start()
    for _ in range(9):
        answer_next(line, ivy)
        actions.open_rounds()
    assert not trials(study, ivy, round=2).exists(), "one of the first round is still waiting"
    answer_next(line, ivy)
    assert actions.open_rounds() == PORTION
    assert trials(study, ivy, round=2).count() == PORTION


def test_a_trial_is_its_inspectors_alone(start, line, ivy, ian, sam):
    study = start()
    mine = set(trials(study, ivy).values_list("pk", flat=True))
    assert set(line.inspections.awaiting(ivy, now=soon()).values_list("pk", flat=True)) == mine
    assert not line.inspections.awaiting(sam, now=soon(), supervisor=True).exists()
    assert not line.inspections.awaiting(make_person("third", Role.INSPECTOR), now=soon()).exists()


def test_live_parts_go_first_when_they_came_first(references, start, line, make_part, ivy):
    part = make_part()
    start()
    assert actions.claim(line=line, by=ivy).inspection_id == part.pk


def test_unsure_is_an_answer_and_one_passed_on_or_cleaned_is_none(start, line, ivy):
    study = start()
    answer_next(line, ivy, "unsure")
    skipped = actions.claim(line=line, by=ivy)
    actions.skip(inspection=skipped.inspection, by=ivy, token=skipped.token, reason="dirty")
    cleaned = actions.claim(line=line, by=ivy)
    actions.send_to_retake(inspection=cleaned.inspection, by=ivy, lease=cleaned.token, reason="oil")
    assert actions.open_rounds() == 3
    [first] = [row for row in progress_of(study) if (row.inspector_id, row.round) == (ivy.pk, 1)]
    assert (first.judged, first.unanswered, first.total, first.done) == (1, 2, 10, False)
    assert actions.withdraw_seeds(now=soon()) == 1, "the one that was passed on; unsure can still be undone"
    assert actions.withdraw_seeds(now=soon(3700)) == 1
    assert answer_all(line, ivy) == 17
    assert [(row.judged, row.done) for row in progress_of(study) if row.inspector_id == ivy.pk] == [
        (8, True),
        (10, True),
    ]


def test_progress_stands_by_inspector_and_round(start, line, ivy, ian):
    study = start()
    answer_next(line, ian)
    rows = [(row.inspector_id, row.round, row.judged, row.unanswered, row.total) for row in progress_of(study)]
    assert rows == [(ivy.pk, 1, 0, 0, 10), (ivy.pk, 2, 0, 0, 10), (ian.pk, 1, 1, 0, 10), (ian.pk, 2, 0, 0, 10)]


def test_two_workers_at_once_show_nothing_twice(at_once, start, line, ivy, ian):
    study = start()
    SeededPart.objects.count()
    for person in (ivy, ian):
        answer_next(line, person)
    opened = at_once(actions.open_rounds, actions.open_rounds)
    assert sorted(opened) == [0, 2]
    shown = Counter(study.trials.values_list("reserved_for", "round", "source"))
    assert max(shown.values()) == 1


# ---- who leaves


def leaves(person, how):
    if how == "deactivated":
        person.is_active = False
        person.save()
    if how == "without the role":
        person.groups.clear()
    if how == "overseer":
        give_role(person, Role.SUPERVISOR)
    if how == "superuser":
        person.is_superuser = True
        person.save()
    if how == "elsewhere":
        person.lines.add(Line.objects.create(slug="line-b", name="Line B"))


@pytest.mark.parametrize("how", ["deactivated", "without the role", "overseer", "superuser", "elsewhere"])
def test_a_study_ends_without_those_who_may_not_judge_there_any_more(start, line, ivy, ian, how):
    study = start()
    for _ in range(2):
        answer_next(line, ian)
    leaves(ian, how)
    assert actions.withdraw_seeds(now=soon(3700)) == PORTION - 2
    assert not line.inspections.open().filter(seeded__reserved_for=ian).exists()
    assert actions.open_rounds() == 0, "nothing more is put into the queue for them"
    rows = {(row.inspector_id, row.round): row for row in progress_of(study)}
    assert [(rows[ian.pk, n].judged, rows[ian.pk, n].unanswered, rows[ian.pk, n].done) for n in (1, 2)] == [
        (2, 8, True),
        (0, 10, True),
    ]
    assert not rows[ivy.pk, 1].done
    assert answer_all(line, ivy) == 20
    assert all(row.done for row in progress_of(study))


def test_who_comes_back_goes_on_with_what_is_left(start, line, ian):
    study = start(inspectors=[ian])
    leaves(ian, "deactivated")
    assert actions.withdraw_seeds(now=soon()) == PORTION
    ian.is_active = True
    ian.save()
    first, second = progress_of(study)
    assert [(row.unanswered, row.done) for row in (first, second)] == [(PORTION, False), (0, False)]
    assert answer_all(line, ian) == 15


def test_a_trial_in_the_hands_of_who_leaves_is_withdrawn_when_the_lease_ends(start, line, ian):
    start(inspectors=[ian])
    actions.claim(line=line, by=ian)
    leaves(ian, "deactivated")
    assert actions.withdraw_seeds(now=soon()) == PORTION - 1
    assert actions.withdraw_seeds(now=soon(400)) == 1


# ---- the end


def test_closing_withdraws_what_waits_and_keeps_what_was_answered(start, line, ivy, ian, sam, ada):
    study = start()
    answer_next(line, ivy)
    held = actions.claim(line=line, by=ian)
    closed = actions.close_study(study=study, by=sam)
    assert (closed.closed_by, closed.closed_at is None) == (sam, False)
    states = Counter(study.trials.values_list("inspection__state", flat=True))
    assert states == {"decided": 1, "closed": 2 * PORTION - 2, "waiting": 1}
    actions.record_verdict(inspection=held.inspection, by=ian, lease=held.token, outcome="ok")
    assert sum(row.judged for row in progress_of(study)) == 2
    assert actions.open_rounds() == 0
    again = actions.close_study(study=study, by=ada)
    assert again.closed_by == sam
    assert AuditEvent.objects.filter(action="study_closed").count() == 1


def test_a_trial_in_hand_that_is_not_answered_after_the_end_is_withdrawn_later(start, line, ivy, sam):
    study = start(inspectors=[ivy])
    actions.claim(line=line, by=ivy)
    actions.close_study(study=study, by=sam)
    assert actions.withdraw_seeds(now=soon()) == 0
    assert actions.withdraw_seeds(now=soon(400)) == 1


def test_trials_do_not_count_among_the_parts_mixed_in(start, line, make_part, references, sam, judge, ian):
    start()
    part = make_part()
    Inspection.objects.filter(pk=part.pk).update(state="decided")
    part.refresh_from_db()
    actions.keep_reference(inspection=part, truth="ok", reason="why", by=sam)
    Line.objects.update(seed_percent=100, seeded_to=part.pk)
    make_part()
    assert actions.mix_seeds(now=soon()) == 1
    assert SeededPart.objects.filter(purpose="reference").count() == 1
    assert Inspection.objects.filter(origin=Origin.SEEDED).count() == 2 * PORTION + 1
