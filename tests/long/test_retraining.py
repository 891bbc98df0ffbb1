"""A training is carried out: it learns, goes on after a stop as if there had been none, and is compared on held parts."""

import io

import numpy as np
import pytest
from django.utils import timezone
from PIL import Image
from safetensors.torch import load
from scipy.stats import norm

from inspection import actions as floor
from inspection.models import AuditEvent, Origin
from inspection.refusals import Conflict
from shadow import actions, retraining, runs, side_by_side
from shadow.actions import weights_path
from shadow.models import (
    Assignment,
    HeldOut,
    ModelVersion,
    Prediction,
    Role,
    ScoringJob,
    Snapshot,
    TrainingRun,
    live_version,
)
from shadow.snapshots import is_held, take_snapshot
from shadow.vision.evaluation import auroc_interval
from tests.conftest import untrained_weights
from tests.lessons import photo

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_checkpoints(tmp_path, settings, monkeypatch):
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(retraining, "THREADS", 1)  # threads that wait for each other are slow on a busy machine


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def taught(line):
    """Twenty small parts as history, every other one scratched; four of them are held out."""
    HeldOut.objects.create(pk=1, key="k", share=0.15)

    def serials(held_out, n):
        names = (f"S{number}" for number in range(10_000))
        return [name for name in names if is_held("k", name, 0.15) == held_out][:n]

    names = serials(True, 4) + serials(False, 16)
    for number, name in enumerate(names):
        pixels, _mask = photo(number, number % 2 == 1)
        part, _new = floor.receive_inspection(
            line=line, serial=name, photos_sent=[floor.NewPhoto(png(pixels))], by=None, origin=Origin.IMPORTED
        )
        floor.import_history(inspection=part, label=("ok", "scratched")[number % 2], by="test")
    return names


@pytest.fixture
def begin(line, taught, sam):
    def start(**fields):
        options = {"epochs": 2, "renderings": 0, "seed": 3, "name": "fresh"} | fields
        actions.start_training(line=line, by=sam, reason="New glass.", **options)
        return runs.take_run(now=timezone.now())

    return start


def test_a_training_ends_with_a_version_and_its_comparison(begin, shadowed, version, taught):
    run = begin()
    runs.carry_out(run)
    run.refresh_from_db()
    assert (run.state, run.failure, run.leased_until) == ("done", "", None)
    assert (run.version.name, run.version.by, run.version.card["snapshot"]) == ("fresh", "sam", run.snapshot_id)
    assert [row["number"] for row in run.curve] == [1, 2]
    assert set(run.version.card["data"]["groups"]["test"]) == {*taught[:4]}
    held = run.comparison["held"]
    assert (held["parts"], held["serials"], held["left_out"]) == (4, 4, 0)
    assert {side: (row["scratched"], row["good"]) for side, row in held["sides"].items()} == {
        "new": (2, 2), "live": (2, 2),
    }  # fmt: skip
    assert run.comparison["live"] == "v1"
    asked = ScoringJob.objects.filter(retrospective=True)
    assert {*asked.values_list("version__name", flat=True)} == {"fresh", "v1"}
    assert asked.count() == 2 * len(run.comparison["replayed"]) == 40
    assert AuditEvent.objects.get(action="training_finished").data == {"version": "fresh"}
    assert not runs.checkpoint_of(run).exists()
    assert live_version(run.line) == version
    assert not Assignment.objects.filter(version=run.version).exists()


def test_a_training_says_which_photo_it_reads_and_that_it_learns_before_its_first_epoch(begin, monkeypatch):
    run, told = begin(renderings=2), []
    monkeypatch.setattr(runs, "HEEDED", 0)

    def look():
        told.append(TrainingRun.objects.values_list("stage", "done", "of").get(pk=run.pk))
        return False

    runs.carry_out(run, must_stop=look)
    read = [(done, of) for stage, done, of in told if stage == "reading" and of]
    photos = run.snapshot.parts.count() + 2
    assert read[: photos - 1] == [(number, photos) for number in range(photos - 1)]
    assert told[told.index(("reading", photos - 1, photos)) + 1][0] == "learning"


def test_a_training_that_was_stopped_goes_on_and_ends_with_the_same_weights(begin, shadowed, monkeypatch):
    whole = begin()
    runs.carry_out(whole)
    run = begin(name="again")

    def stop_after_an_epoch():
        return bool(TrainingRun.objects.get(pk=run.pk).curve)

    monkeypatch.setattr(runs, "HEEDED", 0)
    runs.carry_out(run, must_stop=stop_after_an_epoch)
    run.refresh_from_db()
    assert (run.state, len(run.curve)) == ("waiting", 1)
    assert runs.checkpoint_of(run).exists()
    runs.carry_out(runs.take_run(now=timezone.now()))
    first, second = ModelVersion.objects.get(name="fresh"), ModelVersion.objects.get(name="again")
    learnt, again = (load(weights_path(one).read_bytes()) for one in (first, second))
    assert all(bool((learnt[name] == again[name]).all()) for name in learnt)


def test_a_training_is_cancelled_between_two_batches_and_keeps_its_checkpoint(begin, shadowed, sam, monkeypatch):
    run = begin(epochs=3)
    monkeypatch.setattr(runs, "HEEDED", 0)
    heard = []

    def cancel_in_the_second_epoch():
        row = TrainingRun.objects.get(pk=run.pk)
        if row.curve and row.state == "running":
            actions.cancel_training(run=row, by=sam)
            heard.append(len(row.curve))
        return False

    runs.carry_out(run, must_stop=cancel_in_the_second_epoch)
    run.refresh_from_db()
    assert (run.state, len(run.curve), heard, run.version) == ("cancelled", 1, [1], None)
    assert runs.checkpoint_of(run).exists()


def test_what_goes_wrong_is_said_on_the_run_and_may_go_on(begin, shadowed, sam, settings, monkeypatch):
    run = begin()
    monkeypatch.setattr(retraining, "learn", lambda *_, **__: 1 / 0)
    runs.carry_out(run)
    run.refresh_from_db()
    assert (run.state, run.failure) == ("failed", "ZeroDivisionError: division by zero")
    assert AuditEvent.objects.get(action="training_failed").data == {"failure": run.failure}
    monkeypatch.undo()
    actions.resume_training(run=run, by=sam)
    assert runs.take_run(now=timezone.now()) == run


def test_a_worker_that_died_after_the_training_only_compares(begin, shadowed, other_version, monkeypatch):
    run = begin()
    TrainingRun.objects.filter(pk=run.pk).update(version=other_version)
    run.refresh_from_db()
    monkeypatch.setattr(retraining, "learn", lambda *_, **__: pytest.fail("it is trained"))
    runs.carry_out(run)
    run.refresh_from_db()
    assert (run.state, run.comparison["held"]["parts"]) == ("done", 4)


# ---- comparison


def test_parts_that_either_version_has_learnt_from_are_left_out(line, taught, sam, version):
    parent = actions.register_version(
        name="parent", weights=untrained_weights(seed=3), by="x", card={"data": {"groups": {"train": [taught[0]]}}}
    )
    child = {"start_sha256": parent.weights_sha256, "data": {"groups": {"calibrate": [taught[1]], "test": [taught[2]]}}}
    live = actions.register_version(name="child", weights=untrained_weights(seed=4), by="x", card=child)
    assert side_by_side.learnt_by(live) == {taught[0], taught[1]}
    snapshot = take_snapshot(line=line, by=sam, now=timezone.now())
    found = side_by_side.compare(snapshot, version, live)["held"]
    assert (found["parts"], found["left_out"]) == (2, 2)
    alone = side_by_side.compare(snapshot, version, None)
    assert (alone["live"], alone["held"]["differ"], set(alone["held"]["sides"])) == (None, None, {"new"})


def test_sides_count_what_they_are_called():
    scores, truths = [0.1, 0.9, 0.9, 0.2, None], [True, True, False, False, True]
    found = side_by_side.counts(scores, truths, 0.5)
    assert found == {"misses": 1, "scratched": 2, "alarms": 1, "good": 2, "nulls": 1, "auroc": 0.5 - 0.25 + 0.125}
    differ = side_by_side.differences([0.1, 0.9, 0.9], [0.9, 0.9, 0.1], [True, True, False], 0.5, 0.5)
    assert differ == {"new_misses": 1, "live_misses": 0, "new_alarms": 1, "live_alarms": 0}


@pytest.mark.parametrize("area", [0.5, 0.8, 0.95, 1.0])
def test_the_interval_of_an_auroc_covers_it(area):
    """Scores of two normal distributions whose AUROC is known; the shares of 600 samples within the interval."""
    rng, hits = np.random.default_rng(1), 0
    apart = np.sqrt(2) * norm.ppf(min(area, 0.9999))
    for _ in range(600):
        bad, good = rng.normal(apart, 1, 30), rng.normal(0, 1, 60)
        seen = float((bad[:, None] > good[None]).mean())
        low, high = auroc_interval(seen, 30, 60, 0.95)
        hits += low <= min(area, 0.9999) <= high
    assert hits / 600 > 0.93


def test_an_auroc_that_is_not_defined_has_no_interval():
    assert auroc_interval(None, 0, 9, 0.95) == (0.0, 1.0)
    low, high = auroc_interval(0.0, 20, 40, 0.95)
    assert (low, round(high, 2)) == (0.0, 0.08)


def test_a_replay_is_told_as_far_as_its_answers_are_there(line, make_part, version, other_version, answer):
    parts = [make_part() for _ in range(5)]
    for part, mine, theirs in zip(parts, [0.1, 0.9, 0.1, None, 0.1], [0.1, 0.1, 0.9, 0.1, None], strict=True):
        for one, score in ((other_version, mine), (version, theirs)):
            if score is not None or one == other_version:
                Prediction.objects.create(
                    inspection=part, version=one, score=score, retrospective=True,
                    outcome="" if score is None else "scratched" if score >= 0.5 else "ok",
                    null_reason="blank" if score is None else "",
                )  # fmt: skip
    found = side_by_side.replay_of(other_version, version, [part.pk for part in parts])
    assert (found.parts, found.answered, found.agree, found.new_rejects, found.live_rejects) == (5, 3, 1, 1, 1)
    assert (found.new_nulls, found.live_nulls, found.waiting) == (1, 0, 0)


# ---- candidate


def test_an_admin_lets_what_came_of_it_shadow(begin, shadowed, ada, other_version):
    run = begin()
    with pytest.raises(Conflict, match="not trained yet"):
        actions.let_shadow(run=run, by=ada, reason="Try it.")
    TrainingRun.objects.filter(pk=run.pk).update(version=other_version, state="done")
    run.refresh_from_db()
    assigned = actions.let_shadow(run=run, by=ada, reason="It misses fewer.")
    assert (assigned.role, assigned.version) == (Role.CANDIDATE, other_version)
    assert AuditEvent.objects.filter(action="version_assigned", by="ada", data__reason="It misses fewer.").exists()
    with pytest.raises(Conflict, match="already, as candidate"):
        actions.let_shadow(run=run, by=ada, reason="Again.")


def test_nothing_shadows_a_line_without_a_live_version(begin, ada, other_version):
    run = begin()
    TrainingRun.objects.filter(pk=run.pk).update(version=other_version, state="done")
    run.refresh_from_db()
    with pytest.raises(Conflict, match="No version is live on Line A"):
        actions.let_shadow(run=run, by=ada, reason="Try it.")
    assert Snapshot.objects.count() == 1
