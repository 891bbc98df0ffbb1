"""Scoring: each job gets one answer or a recorded failure, whatever becomes of weights, photos and workers."""

import hashlib
import threading
from io import BytesIO

import pytest
from PIL import Image
from safetensors.torch import load, save

from automation.actions import score_and_settle
from automation.tasks import score_waiting_parts, sweep
from inspection import actions as floor
from inspection.models import AuditEvent
from inspection.photos import path_of
from inspection.refusals import BadInput, Conflict
from shadow import jobs, scoring
from shadow.actions import assign, load_scorer, register_version, weights_path
from shadow.models import Assignment, HeatMap, JobState, Prediction, Role, ScoringJob
from shadow.scoring import score_waiting
from shadow.vision.runtime import WeightsRefused, metadata_of
from tests.conftest import untrained_weights


def photo_of(part):
    return path_of(part.photos.get().stored)


# ---- the common case


def test_a_part_is_scored_once_with_its_heat_map_and_timings(shadowed, make_part, version):
    part = make_part(photos=2)
    assert score_and_settle() == 1
    prediction = Prediction.objects.get()
    assert (prediction.inspection_id, prediction.version, prediction.retrospective) == (part.pk, version, False)
    assert prediction.score is not None
    assert 0 <= prediction.score <= 1
    assert prediction.outcome == ("scratched" if prediction.score >= version.threshold else "ok")
    assert HeatMap.objects.get().arrays().shape[0] == 2
    assert {"decode", "network"} <= set(prediction.timings)
    assert len(prediction.figures) == 2


def test_the_same_wake_up_delivered_twice_changes_nothing(shadowed, make_part):
    make_part()
    score_waiting_parts()
    before = list(Prediction.objects.values())
    score_waiting_parts()
    sweep()
    assert list(Prediction.objects.values()) == before


def test_candidates_answer_beside_the_live_version(shadowed, version, other_version, make_part):
    assign(line=shadowed, version=other_version, role=Role.CANDIDATE, by="test")
    make_part()
    assert score_and_settle() == 2
    assert set(Prediction.objects.values_list("version", flat=True)) == {version.pk, other_version.pk}


# ---- photos that cannot be scored


def test_a_photo_that_is_broken_on_the_disk_fails_its_own_part_only(shadowed, make_part):
    broken, sound = make_part(), make_part()
    photo_of(broken).write_bytes(b"not a photo")
    assert score_and_settle() == 2
    assert Prediction.objects.get(inspection=sound).score is not None
    failed = Prediction.objects.get(inspection=broken)
    assert (failed.score, failed.outcome) == (None, "")
    assert failed.null_reason.startswith("photo 1: unreadable photo")


def test_a_photo_that_is_gone_fails_its_own_part_only(shadowed, make_part):
    gone, sound = make_part(), make_part()
    photo_of(gone).unlink()
    score_and_settle()
    assert Prediction.objects.get(inspection=gone).null_reason == "photo 1: unreadable photo: FileNotFoundError"
    assert Prediction.objects.get(inspection=sound).score is not None


def test_a_blank_photo_has_no_answer(shadowed):
    buffer = BytesIO()
    Image.new("RGB", (320, 180), (128, 128, 128)).save(buffer, "PNG")
    sent = [floor.NewPhoto(buffer.getvalue())]
    floor.receive_inspection(line=shadowed, serial="BLANK", photos_sent=sent, by=None)
    score_and_settle()
    assert Prediction.objects.get().null_reason == "photo 1: blank photo"


# ---- weights that cannot run


@pytest.mark.parametrize("damage", ["gone", "altered", "cut", "words"])
def test_without_its_weights_a_version_answers_null_after_the_attempts_and_a_person_judges(
    damage, line, version, set_level, make_part
):
    set_level(line, "partial", version, pass_below=0.1, reject_from=0.5)
    part, path = make_part(), weights_path(version)
    content = path.read_bytes()
    path.unlink()
    if damage == "altered":  # weights that would run, and are not those registered
        path.write_bytes(untrained_weights(seed=2))
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "words":
        path.write_bytes(save(load(content), metadata_of(content) | {"slope": "warm"}))
    assert [score_and_settle() for _ in range(jobs.MAX_ATTEMPTS)] == [0, 0, 1]
    assert Prediction.objects.get().null_reason.startswith("the version could not run")
    part.refresh_from_db()
    assert (part.state, part.disposition) == ("waiting", None)


def test_a_broken_candidate_does_not_hold_up_the_live_version(shadowed, other_version, make_part, version):
    assign(line=shadowed, version=other_version, role=Role.CANDIDATE, by="test")
    weights_path(other_version).write_bytes(b"")
    make_part()
    assert score_and_settle() == 1
    assert Prediction.objects.get().version == version


def test_one_part_that_breaks_the_network_takes_no_neighbour_with_it(shadowed, make_part, monkeypatch):
    poison, sound = make_part(), make_part()
    path, real = photo_of(poison), load_scorer

    class Fragile:
        def __init__(self, version):
            self.scorer = real(version)

        def read(self, batch):
            self.batch = batch
            return self.scorer.read(batch)

        def answer(self, prepared):
            if any(path in views for views in self.batch):
                raise RuntimeError("out of memory")
            return self.scorer.answer(prepared)

    monkeypatch.setattr("shadow.scoring.load_scorer", Fragile)
    for _ in range(jobs.MAX_ATTEMPTS):
        score_and_settle()
    assert Prediction.objects.get(inspection=sound).score is not None
    assert Prediction.objects.get(inspection=poison).null_reason == "the version could not run: RuntimeError"


def test_a_part_that_kills_its_workers_gets_a_null_after_the_attempts(shadowed, make_part, later):
    make_part()
    jobs.make_missing_jobs(now=later(0))
    for attempt in range(jobs.MAX_ATTEMPTS):
        assert jobs.lease_jobs(now=later(100 * attempt))  # and the worker dies
    assert len(list(score_waiting(now=later(1000)))) == 1
    assert Prediction.objects.get().null_reason == f"no answer after {jobs.MAX_ATTEMPTS} attempts"


def test_a_worker_that_was_too_slow_writes_nothing(shadowed, make_part, later, monkeypatch):
    make_part()
    jobs.make_missing_jobs(now=later(0))
    real = load_scorer

    def slow(version):
        jobs.lease_jobs(now=later(1000))  # meanwhile the lease has ended and another worker has the job
        return real(version)

    monkeypatch.setattr("shadow.scoring.load_scorer", slow)
    assert list(score_waiting()) == [[]]
    assert not Prediction.objects.exists()
    assert not HeatMap.objects.exists()


# ---- many at once


@pytest.fixture
def counted(monkeypatch):
    """How many inspections went through the scorer together, load by load."""
    loads, real = [], load_scorer

    class Counting:
        def __init__(self, version):
            self.scorer = real(version)

        def read(self, batch):
            loads.append(len(batch))
            return self.scorer.read(batch)

        def answer(self, prepared):
            return self.scorer.answer(prepared)

    monkeypatch.setattr("shadow.scoring.load_scorer", Counting)
    return loads


def test_parts_go_through_the_scorer_together_up_to_a_load_of_photos(shadowed, make_part, counted, monkeypatch):
    monkeypatch.setattr(scoring, "LOAD", 4)
    for photos in (2, 2, 1, 4, 1, 8):
        make_part(photos=photos)
    assert score_and_settle(seconds=60) == 6
    assert counted == [2, 1, 1, 1, 1]


def test_one_task_goes_on_until_nothing_waits(shadowed, make_part, counted):
    parts = [make_part() for _ in range(2 * jobs.BATCH + 3)]
    score_waiting_parts()
    assert set(Prediction.objects.values_list("inspection", flat=True)) == {part.pk for part in parts}
    assert not ScoringJob.objects.exclude(state=JobState.DONE).exists()


def test_a_task_whose_time_is_over_leaves_the_rest(shadowed, make_part, counted):
    for _ in range(jobs.FEWEST + 1):
        make_part()
    assert [score_and_settle() for _ in range(3)] == [jobs.FEWEST, 1, 0]


def test_the_queries_hardly_grow_with_the_parts(shadowed, make_part, django_assert_max_num_queries):
    for _ in range(4 * jobs.BATCH):
        make_part()
    with django_assert_max_num_queries(2.5 * jobs.BATCH):
        assert score_and_settle() == jobs.BATCH


def test_what_another_worker_has_taken_is_not_written_and_the_rest_is(shadowed, make_part, later, monkeypatch):
    taken, kept = make_part(), make_part()
    real = load_scorer

    def slow(version):
        ScoringJob.objects.filter(inspection=taken).update(attempts=2)  # as if leased again
        return real(version)

    monkeypatch.setattr("shadow.scoring.load_scorer", slow)
    assert score_and_settle() == 1
    assert Prediction.objects.get().inspection_id == kept.pk
    assert HeatMap.objects.get().prediction.inspection_id == kept.pk
    assert ScoringJob.objects.get(inspection=taken).state == JobState.LEASED


def test_an_answer_that_cannot_be_written_takes_no_neighbour_with_it(shadowed, version, make_part):
    odd, sound = make_part(), make_part()
    Prediction.objects.create(inspection=odd, version=version, score=0.5, outcome="ok")  # one there may be only once
    assert score_and_settle() == 1
    assert Prediction.objects.filter(inspection=sound).count() == 1
    assert ScoringJob.objects.get(inspection=odd).state == JobState.LEASED


def test_the_lease_of_what_waits_for_its_turn_is_renewed(shadowed, make_part, monkeypatch, later):
    monkeypatch.setattr(scoring, "LOAD", 1)
    monkeypatch.setattr(scoring, "RENEW_AFTER", -1.0)
    for _ in range(3):
        make_part()
    answers = score_waiting(now=later(0))
    next(answers)
    waiting = ScoringJob.objects.filter(state=JobState.LEASED)
    waiting.update(leased_until=later(1))  # nearly over
    next(answers)
    assert waiting.get().leased_until > later(jobs.LEASE_SECONDS - 5)
    assert len(list(answers)) == 1


def test_a_lost_lease_is_left_to_who_has_it(shadowed, make_part, monkeypatch, later, counted):
    monkeypatch.setattr(scoring, "LOAD", 1)
    monkeypatch.setattr(scoring, "RENEW_AFTER", -1.0)
    for _ in range(4):
        make_part()
    answers = score_waiting()
    next(answers)
    ScoringJob.objects.filter(state=JobState.LEASED).update(attempts=2)
    assert list(answers) == []
    assert ScoringJob.objects.filter(state=JobState.LEASED, attempts=2).count() == 3


def test_the_next_photos_are_read_while_a_load_is_answered(shadowed, make_part, monkeypatch):
    monkeypatch.setattr(scoring, "LOAD", 1)
    make_part()
    make_part()
    real, second = load_scorer, threading.Event()

    class Watched:
        def __init__(self, version):
            self.scorer = real(version)

        def read(self, batch):
            Watched.reads += 1
            if Watched.reads == 2:
                second.set()
            return self.scorer.read(batch)

        def answer(self, prepared):
            assert second.wait(10), "the first is answered only after the second was read"
            return self.scorer.answer(prepared)

    Watched.reads = 0
    monkeypatch.setattr("shadow.scoring.load_scorer", Watched)
    assert score_and_settle() == 2
    assert Prediction.objects.filter(null_reason="").count() == 2


# ---- versions and assignments


def test_a_version_is_kept_under_its_digest_and_registered_once(version):
    weights = weights_path(version).read_bytes()
    assert hashlib.sha256(weights).hexdigest() == version.weights_sha256
    assert register_version(name="v1", weights=weights, card={}, by="test") == version
    assert AuditEvent.objects.filter(action="version_registered").count() == 1
    with pytest.raises(Conflict, match="belongs to another version"):
        register_version(name="v1", weights=untrained_weights(seed=2), card={}, by="test")


@pytest.mark.parametrize("name", ["", "a b", "x" * 61, "schräg"])
def test_a_version_needs_a_plain_name(db, name):
    with pytest.raises(BadInput, match="is no name for a version"):
        register_version(name=name, weights=b"", card={}, by="test")


@pytest.mark.parametrize(
    "words",
    [
        {"architecture": "other"}, {"slope": "warm"}, {"slope": "-1"}, {"quality": "7"}, {"threshold": "2"},
        {"threshold": "nan"},
        {"thresholds": "[]"}, {"thresholds": "[0.5, 0.1]"}, {"thresholds": "[0.1, 0.1]"}, {"thresholds": "[0.1, 2]"},
        {"thresholds": '["a"]'}, {"thresholds": "7"}, {"thresholds": "[NaN]"}, {"thresholds": "x"},
    ],
    ids=str,
)  # fmt: skip
def test_weights_that_this_code_cannot_trust_are_not_registered(db, words):
    content = untrained_weights()
    with pytest.raises(BadInput, match="cannot be registered"):
        register_version(name="v9", weights=save(load(content), metadata_of(content) | words), card={}, by="test")


@pytest.mark.parametrize("weights", [b"", b"words", b"\x00" * 64])
def test_what_is_no_weights_file_is_not_registered(db, weights):
    with pytest.raises(BadInput, match="cannot be registered"):
        register_version(name="v9", weights=weights, card={}, by="test")


def test_a_new_live_version_keeps_the_one_before_warm(line, version, other_version):
    assign(line=line, version=version, role=Role.LIVE, by="test")
    assign(line=line, version=other_version, role=Role.LIVE, by="test")
    assign(line=line, version=other_version, role=Role.LIVE, by="test")
    current = dict(Assignment.objects.current().values_list("version", "role"))
    assert current == {version.pk: Role.STANDBY, other_version.pk: Role.LIVE}


def test_weights_altered_since_registration_are_refused(version):
    weights_path(version).write_bytes(untrained_weights(seed=2))
    with pytest.raises(WeightsRefused, match="altered since it was registered"):
        load_scorer(version)


def test_a_sweep_makes_the_jobs_that_a_lost_message_missed(shadowed, make_part, monkeypatch):
    sent = []
    monkeypatch.setattr("automation.tasks.score_waiting_parts.apply_async", lambda **options: sent.append(options))
    for _ in range(17):
        make_part()
    sweep()
    assert ScoringJob.objects.count() == 17
    assert len(sent) == 2
    assert all(options["expires"] for options in sent)
