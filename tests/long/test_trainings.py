"""Trainings of a line: what is taken down, who may start, end and go on with one, and what of it stays held out."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inspection import actions as floor
from inspection import audit
from inspection.append_only import AppendOnlyError
from inspection.models import AuditEvent, Disposition, Inspection, Line, Photo, Verdict
from inspection.refusals import BadInput, Conflict, NotAllowed
from shadow import actions, runs, schedules, snapshots
from shadow.models import (
    Adjudication,
    Assignment,
    HeldOut,
    Snapshot,
    Split,
    TrainingPart,
    TrainingPolicy,
    TrainingRun,
)
from shadow.snapshots import is_held, items_of, take_snapshot
from shadow.training_data import items_of_line

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_checkpoints(tmp_path, settings):
    settings.DATA_DIR = tmp_path


@pytest.fixture
def held(db):
    """Fixes the key, so that a test knows which serials are held out."""
    return HeldOut.objects.create(pk=1, key="k", share=0.15)


@pytest.fixture
def judged(held, make_part, judge, ivy):
    """Sixteen judged parts, every other one scratched; of those held out two are scratched and two are not."""

    def serials(held_out, n):
        names = (f"S{number}" for number in range(10_000))
        return [name for name in names if is_held("k", name, 0.15) == held_out][:n]

    names = serials(True, 4) + serials(False, 12)
    for number, name in enumerate(names):
        judge(make_part(name), ivy, "scratched" if number % 2 else "ok")
    return names


@pytest.fixture
def start(line, judged, sam):
    return lambda **fields: actions.start_training(**{"line": line, "by": sam, "reason": "New glass."} | fields)


# ---- the snapshot


def splits_of(snapshot):
    return {row.inspection.serial: row.split for row in snapshot.parts.select_related("inspection")}


def test_a_snapshot_holds_the_parts_their_labels_and_whose_they_are(line, judged, sam, ivy):
    part = Inspection.objects.get(serial=judged[5])
    settled = TrainingPart.objects.create(inspection=part, label="ok", reason="looked closely", by=sam)
    snapshot = take_snapshot(line=line, by=sam, now=timezone.now())
    assert (snapshot.size, snapshot.parts.count(), snapshot.by) == (16, 16, "sam")
    row = snapshot.parts.get(inspection=part)
    assert (row.label, row.taught, row.verdict) == ("ok", settled, None)
    other = snapshot.parts.get(inspection__serial=judged[7])
    assert (other.label, other.taught, other.verdict.inspector) == ("scratched", None, ivy)


def test_what_is_held_out_is_only_tested_whoever_trains_and_however_often(line, judged, sam):
    first = splits_of(take_snapshot(line=line, by=sam, now=timezone.now()))
    again = splits_of(take_snapshot(line=line, by=sam, now=timezone.now(), seed=9))
    assert {name for name, split in first.items() if split == Split.TEST} == {*judged[:4]}
    assert {name for name, split in again.items() if split == Split.TEST} == {*judged[:4]}
    assert {"train", "calibrate"} == {first[name] for name in judged[4:]}


def test_the_share_held_out_is_as_stated_and_serials_decide_alone():
    share = sum(is_held("key", f"SN{n:05}", 0.15) for n in range(20_000)) / 20_000
    assert share == pytest.approx(0.15, abs=0.01)
    assert not set(filter(lambda n: is_held("a", f"S{n}", 0.1), range(999))) <= set(
        filter(lambda n: is_held("b", f"S{n}", 0.2), range(999))
    )


def test_photos_of_one_serial_never_straddle(line, judged, make_part, judge, ivy, sam):
    for name in judged[:8]:
        judge(make_part(name, photos=2), ivy, "scratched")
    snapshot = take_snapshot(line=line, by=sam, now=timezone.now())
    by_serial = {}
    for row in snapshot.parts.select_related("inspection"):
        by_serial.setdefault(row.inspection.serial, set()).add(row.split)
    assert all(len(splits) == 1 for splits in by_serial.values())


def test_a_snapshot_reads_back_as_it_was_whatever_is_judged_later(line, judged, make_part, judge, ivy, sam, kinds):
    part = make_part("marked", photos=2)
    photo = part.photos.first()
    mark = floor.MarkedDefect(photo=photo.pk, kind="scratch", box=(0.1, 0.2, 0.3, 0.4))
    judge(part, ivy, "scratched", defects=[mark])
    snapshot = take_snapshot(line=line, by=sam, now=timezone.now())
    before = items_of(snapshot)
    told = {(item.photo, item.label, item.group, item.part, item.boxes) for item in items_of_line(line, None)}
    assert {(item.photo, item.label, item.group, item.part, item.boxes) for item in before} == told
    TrainingPart.objects.create(inspection=part, label="", reason="glare", by=sam)
    judge(make_part("late"), ivy, "ok")
    assert items_of(snapshot) == before


def test_a_snapshot_takes_more_parts_than_a_statement_may_list(line, held, ivy, sam):
    now = timezone.now()
    fields = {"line": line, "captured_at": now, "hold_until": now, "state": "decided"}
    parts = Inspection.objects.bulk_create(Inspection(serial=f"S{number}", **fields) for number in range(1_200))
    Photo.objects.bulk_create(
        Photo(inspection=part, position=0, sha256="a", stored="a", format="PNG", width=1, height=1, size=1)
        for part in parts
    )
    verdicts = Verdict.objects.bulk_create(Verdict(inspection=part, inspector=ivy, outcome="ok") for part in parts)
    Disposition.objects.bulk_create(
        Disposition(inspection=one.inspection, verdict=one, outcome=("pass", "reject")[n % 2])
        for n, one in enumerate(verdicts)
    )
    snapshot = take_snapshot(line=line, by=sam, now=now)
    assert snapshot.size == len(items_of(snapshot)) == 1_200


def test_equal_data_have_equal_digests(line, judged, make_part, judge, ivy, sam):
    first, second = (take_snapshot(line=line, by=sam, now=timezone.now()) for _ in range(2))
    assert first.digest == second.digest
    judge(make_part("late"), ivy, "ok")
    assert take_snapshot(line=line, by=sam, now=timezone.now()).digest != first.digest


def test_a_snapshot_keeps_what_supervisors_found_and_never_changes(line, judged, sam, version, answer):
    part = Inspection.objects.get(serial=judged[6])
    prediction = answer(part, version, 0.9)
    Adjudication.objects.create(prediction=prediction, finding="model", reason="a hairline", by=sam)
    snapshot = take_snapshot(line=line, by=sam, now=timezone.now())
    row = snapshot.parts.get(inspection=part)
    assert (row.label, row.finding) == ("ok", "model")
    with pytest.raises(AppendOnlyError):
        row.save()


def test_a_label_without_anybody_behind_it_cannot_be_kept(line, judged, sam):
    snapshot = take_snapshot(line=line, by=sam, now=timezone.now())
    row = snapshot.parts.first()
    with pytest.raises(IntegrityError), transaction.atomic():
        snapshot.parts.create(inspection=row.inspection, label="ok", split="train")


# ---- start


def test_a_training_begins_with_a_snapshot_and_its_row_in_the_trail(start, line, sam):
    audit.record("alarm_opened", by="system", line=line.slug, subject="alarm 7")
    run = start(alarm=7, epochs=3, renderings=0, seed=2)
    assert (run.state, run.snapshot.size, run.alarm, run.by) == ("waiting", 16, 7, "sam")
    assert run.options == {"epochs": 3, "renderings": 0, "seed": 2, "start": ""}
    assert run.name.startswith("line-a-")
    event = AuditEvent.objects.get(action="training_started")
    assert (event.by, event.line, event.data["alarm"], event.data["reason"]) == ("sam", "line-a", 7, "New glass.")


def test_an_alarm_is_one_of_the_line(start, line):
    audit.record("alarm_opened", by="system", line="line-b", subject="alarm 7")
    with pytest.raises(BadInput, match="There is no alarm 7 on Line A: begin at the alarm's own page"):
        start(alarm=7)
    assert not TrainingRun.objects.exists()


def test_a_training_reads_its_data_before_it_locks_anything(start):
    """A long history takes minutes to read; the line's parts, verdicts and changes must not wait for it."""
    with CaptureQueriesContext(connection) as asked:
        start()
    statements = [query["sql"] for query in asked]
    began = next(n for n, statement in enumerate(statements) if statement.startswith("SAVEPOINT"))
    reads = [n for n, statement in enumerate(statements) if 'FROM "inspection_photo"' in statement]
    assert reads and max(reads) < began


def test_one_training_of_a_line_at_a_time(start):
    first = start()
    with pytest.raises(Conflict, match=f"{first.name} is being trained for Line A"):
        start(name="other")
    assert (TrainingRun.objects.count(), Snapshot.objects.count()) == (1, 1)
    with pytest.raises(IntegrityError), transaction.atomic():
        TrainingRun.objects.create(line=first.line, snapshot=first.snapshot, name="x", reason="x", by="x")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"reason": " "}, "Say why"),
        ({"name": "a b"}, "is no name"),
        ({"epochs": 0}, "--epochs is at least 1"),
        ({"start": "v9"}, "There is no model"),
        ({"name": "v1"}, "belongs to another version"),
    ],
    ids=str,
)
def test_a_training_that_cannot_be_is_refused_with_a_sentence(start, version, fields, words):
    with pytest.raises(Exception, match=words):
        start(**fields)
    assert not TrainingRun.objects.exists()


def test_too_few_parts_are_told_at_once(line, held, make_part, judge, ivy, sam):
    with pytest.raises(BadInput, match="no judged part"):
        actions.start_training(line=line, by=sam, reason="Try.")
    judge(make_part("S1"), ivy, "ok")
    with pytest.raises(BadInput, match="at least three groups"):
        actions.start_training(line=line, by=sam, reason="Try.")
    assert not Snapshot.objects.exists()


def test_who_may_start_end_and_go_on(line, judged, ivy, sam, ada):
    with pytest.raises(NotAllowed):
        actions.start_training(line=line, by=ivy, reason="Try.")
    run = actions.start_training(line=line, by=ada, reason="Try.")
    for act in (actions.cancel_training, actions.resume_training):
        with pytest.raises(NotAllowed):
            act(run=run, by=ivy)
    for one in (actions.let_shadow,):
        with pytest.raises(NotAllowed):
            one(run=run, by=sam, reason="Try.")
    with pytest.raises(NotAllowed):
        actions.set_training_policy(line=line, by=sam, reason="Try.", every="week", on_alarm=False)


def test_a_name_counts_on_within_a_day(line, version):
    from tests.conftest import untrained_weights

    now = timezone.now()
    first = actions.training.name_for(line, now)
    actions.register_version(name=first, weights=untrained_weights(), card={}, by="test")
    assert actions.training.name_for(line, now) == f"{first}-2"


# ---- a worker's hold


def test_a_worker_takes_the_run_that_waits_and_nobody_else_does(start):
    run = start()
    now = timezone.now()
    taken = runs.take_run(now=now)
    assert (taken, taken.state, taken.attempts) == (run, "running", 1)
    assert runs.take_run(now=now) is None
    assert not runs.is_any_waiting(now=now)


def test_a_dead_workers_run_is_taken_when_its_lease_ends_and_the_dead_one_writes_nothing(start):
    start()
    first = runs.take_run(now=timezone.now())
    second = runs.take_run(now=timezone.now() + runs.LEASE + timedelta(seconds=1))
    assert (second, second.attempts) == (first, 2)
    with pytest.raises(runs.Lost):
        runs.Hold(first).write(done=1)
    runs.Hold(second).write(done=1)


def test_a_run_that_ends_its_worker_three_times_is_given_up(start):
    run = start()
    now = timezone.now()
    for _ in range(runs.MAX_TRIES):
        assert runs.take_run(now=now) == run
        now += runs.LEASE + timedelta(seconds=1)
    assert runs.take_run(now=now) is None
    run.refresh_from_db()
    assert (run.state, "ended 3 times" in run.failure) == ("failed", True)


# ---- cancel, resume


def test_a_cancelled_training_is_let_go_of_and_told_of(start, sam):
    run = start()
    held = runs.Hold(runs.take_run(now=timezone.now()))
    held.heed()
    actions.cancel_training(run=run, by=sam)
    actions.cancel_training(run=run, by=sam)
    held.next = 0
    with pytest.raises(runs.Lost):
        held.heed()
    run.refresh_from_db()
    assert (run.state, run.ended_by) == ("cancelled", "sam")
    assert AuditEvent.objects.filter(action="training_cancelled").count() == 1


def test_a_cancelled_training_goes_on_with_the_same_snapshot(start, sam):
    run = start()
    actions.cancel_training(run=run, by=sam)
    again = actions.resume_training(run=run, by=sam)
    assert (again.state, again.snapshot) == ("waiting", run.snapshot)
    assert actions.resume_training(run=run, by=sam).state == "waiting"
    assert AuditEvent.objects.filter(action="training_resumed").count() == 1


def test_none_goes_on_beside_another(start, sam):
    first = start(name="one")
    actions.cancel_training(run=first, by=sam)
    start(name="two")
    with pytest.raises(Conflict, match="two is being trained"):
        actions.resume_training(run=first, by=sam)


def test_what_is_over_is_not_cancelled(start, sam):
    run = start()
    TrainingRun.objects.filter(pk=run.pk).update(state="done")
    with pytest.raises(Conflict, match="is over: done"):
        actions.cancel_training(run=run, by=sam)
    with pytest.raises(Conflict, match="is done"):
        actions.resume_training(run=run, by=sam)


# ---- by themselves


def test_a_training_is_due_a_period_after_the_last_one_or_the_policy(line, judged, ada):
    now = timezone.now()
    assert schedules.next_training(line) is None
    actions.set_training_policy(line=line, by=ada, reason="Glass changes.", every="week", on_alarm=False, now=now)
    assert schedules.start_due_trainings(now=now + timedelta(days=6)) == []
    [run] = schedules.start_due_trainings(now=now + timedelta(days=7))
    assert (run.by, run.reason) == ("schedule", "Every week, as ada asked: Glass changes.")
    assert schedules.start_due_trainings(now=now + timedelta(days=8)) == []
    assert not Assignment.objects.exists()


def test_what_is_due_and_refused_stops_no_other_line(line, judged, ada):
    other = Line.objects.create(slug="a-line", name="A line without parts")
    for one in (other, line):
        actions.set_training_policy(line=one, by=ada, reason="So.", every="month", on_alarm=False)
    [run] = schedules.start_due_trainings(now=timezone.now() + timedelta(weeks=4))
    assert run.line == line


def test_the_policy_is_rows_and_off_by_default(line, ada):
    set_to = {"line": line, "by": ada, "reason": "So."}
    actions.set_training_policy(**set_to, every="never", on_alarm=False)
    assert not TrainingPolicy.objects.exists()
    actions.set_training_policy(**set_to, every="week", on_alarm=True)
    actions.set_training_policy(**set_to, every="week", on_alarm=True)
    assert list(TrainingPolicy.objects.values_list("number", "every", "on_alarm")) == [(1, "week", True)]
    assert AuditEvent.objects.filter(action="training_policy_set").count() == 1
    with pytest.raises(BadInput, match="'every' is one of"):
        actions.set_training_policy(**set_to, every="hour", on_alarm=True)


def test_a_machines_decision_teaches_nothing_here_either(line, judged, make_part, sam):
    part = make_part("machine")
    Inspection.objects.filter(pk=part.pk).update(state="decided")
    Disposition.objects.create(inspection=part, outcome="pass", by_machine=True, reason="score 0.01")
    assert "machine" not in splits_of(snapshots.take_snapshot(line=line, by=sam, now=timezone.now()))
