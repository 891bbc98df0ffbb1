"""The pages of trainings and lineage: start one, read how far it is and what came of it, by role."""

import json
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from automation.models import Routing
from inspection import audit
from inspection.models import Inspection, Line, ModelOutputShown
from monitoring.actions import open_alarm
from monitoring.models import Alarm
from monitoring.retraining import start_suggested_trainings
from shadow import actions, rollups, training_page
from shadow.models import Adjudication, Assignment, HeldOut, Prediction, TrainingPart, TrainingPolicy, TrainingRun
from shadow.side_by_side import Replay, side_of
from shadow.snapshots import is_held, take_snapshot
from tests.conftest import untrained_weights

pytestmark = pytest.mark.django_db
SIDE = {"misses": 2, "scratched": 40, "alarms": 3, "good": 60, "nulls": 1, "auroc": 0.98}
DIFFER = {"new_misses": 0, "live_misses": 7, "new_alarms": 2, "live_alarms": 1}


@pytest.fixture
def judged(make_part, judge, ivy):
    """Twelve judged parts, none of them held out."""
    HeldOut.objects.create(pk=1, key="k", share=0)
    parts = [make_part() for _ in range(12)]
    for number, part in enumerate(parts):
        judge(part, ivy, ("ok", "scratched")[number % 2])
    return parts


@pytest.fixture
def run(line, judged, sam):
    return actions.start_training(line=line, by=sam, reason="New glass.", name="fresh")


@pytest.fixture
def done(run, shadowed, other_version):
    """A finished training: v2 came of it, beside v1."""
    sides = {"new": SIDE, "live": SIDE | {"misses": 9, "auroc": None}}
    held = {"parts": 101, "serials": 50, "left_out": 2, "sides": sides, "differ": DIFFER}
    comparison = {"live": "v1", "held": held, "replayed": []}
    curve = [{"number": n, "of": 3, "loss": 1 / n, "calibrate_nll": 0.5 / n, "calibrate_auroc": 0.9, "kept": True, "seconds": 2.0} for n in (1, 2, 3)]  # fmt: skip
    TrainingRun.objects.filter(pk=run.pk).update(
        state="done", version=other_version, comparison=comparison, curve=curve, ended_at=timezone.now()
    )
    run.refresh_from_db()
    return run


def text(response):
    return response.content.decode()


def url(name, run):
    return reverse(name, args=[run.line.slug, run.pk])


# ---- start


def test_a_supervisor_starts_a_training_from_an_alarm(page, line, judged, sam):
    form = reverse("start_training", args=[line.slug])
    assert form == "/lines/line-a/trainings/new/"
    assert 'name="alarm"' not in text(page(sam).get(form, {"alarm": "7"})), "it is none of this line"
    audit.record("alarm_opened", by="system", line=line.slug, subject="alarm 7")
    shown = text(page(sam).get(form, {"alarm": "7"}))
    assert 'name="alarm" value="7"' in shown
    assert "12 parts of the line were judged" in shown
    sent = {"reason": "It drifted.", "alarm": "7", "epochs": "2", "renderings": "0", "name": ""}
    response = page(sam).post(form, sent)
    run = TrainingRun.objects.get()
    assert response["Location"] == url("training", run)
    assert (run.alarm, run.options["epochs"], run.options["renderings"], run.by) == (7, 2, 0, "sam")


@pytest.mark.parametrize(
    ("sent", "words"), [({"reason": ""}, "Say why"), ({"reason": "x", "epochs": "many"}, "whole number")], ids=str
)
def test_a_refused_start_keeps_what_was_typed_and_says_why(page, line, judged, sam, sent, words):
    response = page(sam).post(reverse("start_training", args=[line.slug]), {"name": "kept"} | sent)
    assert response.status_code == 400
    assert words in text(response)
    assert 'value="kept"' in text(response)


def test_beside_a_training_under_way_the_form_says_so(page, run, sam):
    assert "one training of a line at a time" in text(page(sam).get(reverse("start_training", args=["line-a"])))
    listed = text(page(sam).get(reverse("trainings", args=["line-a"])))
    assert "See fresh learn" in listed
    assert "New glass." in listed


# ---- how far it is


def test_the_progress_is_a_fragment_that_the_page_asks_for_again(page, run, sam):
    TrainingRun.objects.filter(pk=run.pk).update(
        state="running", stage="learning", done=2, of=8, started_at=timezone.now(),
        curve=[{"number": 2, "of": 8, "loss": 0.25, "calibrate_nll": 0.5, "calibrate_auroc": 0.97, "seconds": 30.0}],
    )  # fmt: skip
    whole = text(page(sam).get(url("training", run)))
    assert f'data-fragment="{url("training_progress", run)}" data-every="3"' in whole
    assert "Cancel the training" in whole
    inside = text(page(sam).get(url("training_progress", run)))
    assert "Epoch 2 of at most 8 is learnt." in inside
    assert "about 3 min of learning left" in inside
    assert "0.97" in inside
    assert "<html" not in inside
    assert "data-over" not in inside


def test_the_photos_that_are_read_are_counted(page, run, sam):
    TrainingRun.objects.filter(pk=run.pk).update(state="running", stage="reading", done=7, of=1_730)
    assert "Photo 7 of 1730 is read." in text(page(sam).get(url("training_progress", run)))


def test_cancel_and_go_on(page, run, sam):
    page(sam).post(url("cancel_training", run))
    shown = text(page(sam).get(url("training", run)))
    assert "sam cancelled it" in shown
    assert "Let it go on" in shown
    page(sam).post(url("resume_training", run))
    assert TrainingRun.objects.get().state == "waiting"


def test_why_it_failed_is_said(page, run, sam):
    TrainingRun.objects.filter(pk=run.pk).update(state="failed", failure="cannot read the photo x")
    assert "It failed: cannot read the photo x" in text(page(sam).get(url("training", run)))


# ---- what came of it


def test_the_page_begins_with_what_both_miss(page, done, sam, ada):
    shown = text(page(sam).get(url("training", done)))
    assert "v2 misses 2 of 40 scratched parts that it has not learnt from, between 1.4\u00a0% and 16.5\u00a0%" in shown
    assert "v1, which is live, misses 9 of 40." in shown
    assert "v2 misses fewer" in shown
    assert "2 parts held out were left aside" in shown
    assert "An admin may let it shadow" in shown
    assert "Let v2 shadow Line A" not in shown
    assert "Let v2 shadow Line A" in text(page(ada).get(url("training", done)))


def test_an_admin_lets_it_shadow_and_never_go_live(page, done, ada, sam):
    assert page(sam).post(url("let_shadow", done), {"reason": "x"}).status_code == 403
    refused = page(ada).post(url("let_shadow", done), {"reason": ""})
    assert (refused.status_code, "Say why" in text(refused)) == (400, True)
    page(ada).post(url("let_shadow", done), {"reason": "It misses fewer."})
    assert set(Assignment.objects.current().values_list("version__name", "role")) == {
        ("v1", "live"),
        ("v2", "candidate"),
    }
    assert "v2 scores the line's parts already, as Candidate" in text(page(ada).get(url("training", done)))


@pytest.mark.parametrize(
    ("differ", "words"),
    [
        ({"new_misses": 0, "live_misses": 6}, "new misses fewer"),
        ({"new_misses": 6, "live_misses": 0}, "old misses fewer"),
        ({"new_misses": 0, "live_misses": 5}, "cannot be told yet"),
        ({"new_misses": 0, "live_misses": 0}, "cannot be told yet"),
    ],
    ids=str,
)
def test_which_is_better_is_said_where_it_can_be_told(differ, words):
    assert words in training_page.verdict("new", "old", differ)


def test_without_a_live_version_or_scratched_parts_the_sentence_says_so():
    alone = side_of("new", {"misses": 0, "scratched": 9})
    assert "which is live" not in training_page.sentence([alone])
    assert "nobody can say" in training_page.sentence([side_of("new", {})])
    assert training_page.verdict("new", "", None) == ""


def test_a_replay_is_told_in_words():
    words = training_page.replay_words(Replay(500, 400, 100, 390, 7, 3, 0, 0), "new", "old")
    assert "400 are scored by both; they decide alike on 390" in words
    assert "new would reject 7 that old passes, and pass 3 that old rejects" in words
    assert "being scored again" in training_page.replay_words(Replay(5, 0, 5, 0, 0, 0, 0, 0), "new", "old")


# ---- when they begin by themselves


def test_an_admin_says_when_they_begin_by_themselves(page, line, ada, sam):
    where = reverse("set_training_policy", args=[line.slug])
    assert page(sam).post(where, {"every": "week", "reason": "x"}).status_code == 403
    assert page(ada).post(where, {"every": "week", "reason": ""}).status_code == 400
    page(ada).post(where, {"every": "week", "on_alarm": "on", "reason": "Glass changes."})
    policy = TrainingPolicy.objects.get()
    assert (policy.every, policy.on_alarm, policy.by) == ("week", True, "ada")
    assert "Glass changes." in text(page(ada).get(reverse("trainings", args=[line.slug])))


def test_an_alarm_starts_one_training_where_the_policy_lets_it(line, judged, shadowed, ada):
    now = timezone.now()
    alarm = open_alarm(line=line, rule="drift", severity="alarm", message="Agreement fell.")
    Alarm.objects.update(remedy="lower")
    assert start_suggested_trainings(now=now) == []
    actions.set_training_policy(line=line, by=ada, reason="So.", every="never", on_alarm=True)
    [run] = start_suggested_trainings(now=now)
    assert (run.alarm, run.by, run.reason) == (alarm.pk, "alarm", "Agreement fell.")
    TrainingRun.objects.update(state="done")
    assert start_suggested_trainings(now=now + timedelta(days=3)) == []
    assert Assignment.objects.current().count() == 1


def test_a_restless_detector_trains_at_most_once_a_day(line, judged, ada):
    actions.set_training_policy(line=line, by=ada, reason="So.", every="never", on_alarm=True)
    now = timezone.now()
    open_alarm(line=line, rule="drift", severity="alarm", message="It fell.")
    Alarm.objects.update(remedy="lower")
    start_suggested_trainings(now=now)
    TrainingRun.objects.update(state="done")
    open_alarm(line=line, rule="other", severity="alarm", message="It fell again.")
    Alarm.objects.update(remedy="lower")
    assert start_suggested_trainings(now=now + timedelta(hours=1)) == []
    assert len(start_suggested_trainings(now=now + timedelta(days=2))) == 1


# ---- lineage


@pytest.fixture
def descended(line, judged, sam, version):
    """A version that was trained on a snapshot, with a settled label and a finding against another."""
    TrainingPart.objects.create(inspection=judged[3], label="ok", reason="looked closely", by=sam)
    prediction = Prediction.objects.create(inspection=judged[2], version=version, score=0.9, outcome="scratched")
    Adjudication.objects.create(prediction=prediction, finding="model", reason="a hairline", by=sam)
    snapshot = take_snapshot(line=line, by=sam, now=timezone.now())
    card = {"snapshot": snapshot.pk, "start_sha256": version.weights_sha256, "code_version": "abc", "seed": 3}
    return actions.register_version(name="child", weights=untrained_weights(seed=5), card=card, by="sam")


def test_a_versions_lineage_names_its_parts_labels_people_code_and_parent(page, descended, sam, ivy):
    shown = text(page(sam).get(reverse("lineage", args=["child"])))
    assert "child has learnt from Line A" in shown
    assert "12 parts as they were" in shown
    assert ivy.pseudonym in shown
    assert ">sam<" in shown
    assert "1 part was taught as a person said it, although a supervisor found a model right" in shown
    assert "abc" in shown
    assert reverse("lineage", args=["v1"]) in shown
    assert reverse("lineage", args=["child"]) in text(page(sam).get(reverse("lineage", args=["v1"])))


def test_the_parts_and_labels_are_a_file(page, descended, judged, sam, ivy, version):
    answer = page(sam).get(reverse("lineage_file", args=["child"]))
    rows = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()
    assert rows[0].startswith("inspection,serial,label,split,source,by,finding")
    assert len(rows) == 13
    assert f"{judged[3].serial},ok," in rows[4]
    assert ",settled,sam," in rows[4]
    assert f",verdict,{ivy.pseudonym},model," in rows[3]
    assert page(sam).get(reverse("lineage_file", args=["v1"])).status_code == 404


def test_what_a_version_answered_and_decided_is_counted_by_line_and_day(page, audited, line, set_level, version, sam):
    set_level(line, "partial", version, pass_below=0.1, reject_from=0.5)
    audited(line, 5)
    rollups.catch_up()
    shown = text(page(sam).get(reverse("lineage", args=["v1"])))
    assert "5 parts as they came" in shown
    decided = text(page(sam).get(reverse("version_decisions", args=["v1"])))
    assert '<td class="num">5</td>' in decided
    part = Inspection.objects.first()
    page_of_part = text(page(sam).get(reverse("part_lineage", args=[part.pk])))
    assert "v1 passed it" in page_of_part
    assert ModelOutputShown.objects.filter(user=sam, inspection=part, where="part lineage").exists()
    assert Routing.objects.count() == 5


def test_lines_that_a_reader_is_not_bound_to_are_not_told_of(page, descended, sam):
    sam.lines.add(Line.objects.create(slug="line-b", name="Line B"))
    shown = text(page(sam).get(reverse("lineage", args=["child"])))
    assert "Line A" not in shown.split("<main", 1)[1]
    assert page(sam).get(reverse("trainings", args=["line-a"])).status_code == 403


# ---- the API


def test_the_api_does_what_the_pages_do(api, line, judged, sam, ada, shadowed, other_version):
    root = "/api/v1/lines/line-a/trainings/"
    answer = api(sam).post(root, {"reason": "New glass.", "epochs": 2, "name": "fresh"})
    assert (answer.status_code, answer.data["state"], answer.data["parts"]) == (201, "waiting", 12)
    one = f"{root}{answer.data['id']}/"
    assert api(sam).post(root, {"reason": "x"}).status_code == 409
    assert api(sam).post(root, {}).status_code == 400
    assert api(sam).post(f"{one}cancel/").data["state"] == "cancelled"
    assert api(sam).post(f"{one}resume/").data["state"] == "waiting"
    TrainingRun.objects.update(state="done", version=other_version)
    assert api(sam).get(one).data["version"] == "v2"
    assert api(ada).post(f"{one}shadow/", {"reason": "It misses fewer."}).status_code == 200
    assert [row["name"] for row in api(sam).get(root).data["results"]] == ["fresh"]
    assert json.dumps(api(sam).get(one).data, default=str)


def test_serials_held_out_are_told_from_others():
    assert is_held("k", "S", 1) and not is_held("k", "S", 0)
