"""The queue of record: a job per part and version, leased by one worker at a time, finished once."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from inspection.models import Line, Origin
from shadow import jobs
from shadow.actions import assign, end_assignments
from shadow.models import Assignment, JobState, Role, ScoringJob


@pytest.fixture
def now(db):
    return timezone.now()


@pytest.fixture
def candidate(line, version):
    """Line A with a version that only shadows, since now."""
    return assign(line=line, version=version, role=Role.CANDIDATE, by="test")


def make(now):
    return jobs.make_missing_jobs(now=now)


# ---- which parts get a job


def test_a_part_received_since_the_assignment_gets_one_job(candidate, make_part, later):
    part = make_part()
    assert make(later(1)) == 1
    job = ScoringJob.objects.get()
    assert (job.inspection_id, job.version) == (part.pk, candidate.version)
    assert (job.state, job.retrospective) == ("pending", False)
    assert make(later(2)) == 0


def test_earlier_and_imported_parts_get_none(line, version, make_part, later):
    make_part()
    assign(line=line, version=version, role=Role.LIVE, by="test")
    make_part(origin=Origin.IMPORTED)
    assert make(later(1)) == 0


def test_a_part_of_another_line_gets_none(candidate, make_part, later):
    make_part(on=Line.objects.create(slug="line-b", name="Line B"))
    assert make(later(1)) == 0


def test_every_assigned_version_gets_a_job_until_its_assignment_ends(line, version, make_part, later, other_version):
    assign(line=line, version=version, role=Role.LIVE, by="test")
    assign(line=line, version=other_version, role=Role.CANDIDATE, by="test")
    make_part()
    assert make(later(1)) == 2
    end_assignments(line=line, by="test")
    make_part()
    assert make(later(2)) == 0


def test_the_search_does_not_grow_with_history_and_misses_no_late_commit(candidate, make_part, later, monkeypatch):
    monkeypatch.setattr(jobs, "UNDER_WAY", 0)
    parts = [make_part(), make_part()]
    make(later(60))
    assert Assignment.objects.get().scanned_to == 0  # rows may still commit out of order
    make(later(600))
    assert Assignment.objects.get().scanned_to == parts[-1].pk
    part = make_part()
    assert make(later(601)) == 1
    assert ScoringJob.objects.latest("pk").inspection_id == part.pk


def test_the_newest_parts_are_looked_at_again_however_old_a_clock_set_back_dates_them(candidate, make_part, later):
    Assignment.objects.update(assigned_at=later(-9000))
    late, first = make_part(now=later(-7200)), make_part(now=later(-7200))
    make(later(0))
    ScoringJob.objects.filter(inspection=late).delete()  # as if its intake had committed only now
    assert make(later(1)) == 1
    assert ScoringJob.objects.filter(inspection__in=[late, first]).count() == 2


# ---- replays


def test_a_replay_is_retrospective_and_made_once(line, version, make_part, now):
    parts = [make_part().pk, make_part().pk]
    assert jobs.make_replay_jobs(version=version, parts=parts, now=now) == 2
    assert jobs.make_replay_jobs(version=version, parts=parts, now=now) == 0
    assert all(ScoringJob.objects.values_list("retrospective", flat=True))


def test_a_replay_takes_no_part_that_has_just_arrived(candidate, make_part, later):
    """Its answer must stay live: the machine may still have to decide it."""
    part = make_part()
    assert jobs.make_replay_jobs(version=candidate.version, parts=[part.pk], now=later(1)) == 0
    assert ScoringJob.objects.get().retrospective is False


def test_live_parts_come_before_replays(line, version, make_part, later):
    old = [make_part().pk for _ in range(3)]
    jobs.make_replay_jobs(version=version, parts=old, now=later(0))
    assign(line=line, version=version, role=Role.LIVE, by="test")
    live = make_part()
    make(later(1))
    assert [job.inspection for job in jobs.lease_jobs(now=later(1), limit=1)] == [live.pk]


# ---- leases


@pytest.fixture
def waiting(candidate, make_part, later):
    """Five jobs to do."""
    for _ in range(5):
        make_part()
    make(later(1))


def test_a_lease_takes_no_more_than_asked_and_none_twice(waiting, now):
    first, second = jobs.lease_jobs(now=now, limit=3), jobs.lease_jobs(now=now, limit=3)
    assert (len(first), len(second)) == (3, 2)
    assert not {job.id for job in first} & {job.id for job in second}
    assert jobs.lease_jobs(now=now) == []
    assert jobs.to_do(now=now) == 0


def test_a_dead_workers_jobs_are_taken_again_when_the_lease_ends(waiting, now):
    first = jobs.lease_jobs(now=now)
    assert jobs.lease_jobs(now=now + timedelta(seconds=jobs.LEASE_SECONDS)) == []
    past = now + timedelta(seconds=jobs.LEASE_SECONDS + 1)
    assert jobs.to_do(now=past) == 5
    again = [job for _ in first for job in jobs.lease_jobs(now=past)]
    assert [job.id for job in again] == [job.id for job in first]
    assert {job.attempts for job in again} == {2}


def test_no_job_loses_an_attempt_to_the_one_that_kills_its_worker(waiting, now):
    """Leased together, those behind it would be counted as tried each time the worker dies before it comes to them."""
    poison = jobs.lease_jobs(now=now)[0]
    moment, tried = now, []
    while jobs.to_do(now=moment) or len(tried) < 5:
        moment += timedelta(seconds=jobs.LEASE_SECONDS + 1)
        while leased := jobs.lease_jobs(now=moment):
            assert len(leased) == 1
            tried += leased
            if leased[0].id == poison.id and leased[0].attempts <= jobs.MAX_ATTEMPTS:
                break  # the worker dies
            assert jobs.finish(leased) == leased
    assert {job.attempts for job in tried if job.id != poison.id} == {2}
    assert [job.attempts for job in tried if job.id == poison.id] == [2, 3, 4]


def test_a_worker_that_was_too_slow_cannot_finish_what_another_has_taken(waiting, now):
    slow = jobs.lease_jobs(now=now, limit=1)[0]
    quick = next(job for job in jobs.lease_jobs(now=now + timedelta(minutes=2)) if job.id == slow.id)
    assert jobs.finish([slow]) == []
    jobs.give_back([slow])
    assert ScoringJob.objects.get(pk=slow.id).state == JobState.LEASED
    assert jobs.renew([slow], now=now) == []
    assert jobs.finish([quick]) == [quick]
    assert jobs.finish([quick]) == []


def test_a_batch_finishes_what_is_still_its_own(waiting, now):
    lost, kept = jobs.lease_jobs(now=now, limit=2)
    ScoringJob.objects.filter(pk=lost.id).update(attempts=2)
    assert jobs.finish([lost, kept]) == [kept]
    assert ScoringJob.objects.get(pk=lost.id).state == JobState.LEASED


def test_a_renewed_lease_lasts_longer(waiting, now):
    job = jobs.lease_jobs(now=now, limit=1)[0]
    soon = now + timedelta(seconds=jobs.LEASE_SECONDS - 1)
    assert jobs.renew([job], now=soon) == [job]
    assert job not in jobs.lease_jobs(now=now + timedelta(seconds=jobs.LEASE_SECONDS + 1))
    assert jobs.finish([job]) == [job]


def test_a_job_given_back_is_tried_again_at_once_and_its_attempts_are_kept(waiting, now):
    job = jobs.lease_jobs(now=now, limit=1)[0]
    jobs.give_back([job])
    assert jobs.lease_jobs(now=now, limit=1)[0] == job._replace(attempts=2)


@pytest.mark.parametrize(("waiting", "share"), [(0, 4), (16, 4), (40, 10), (64, 16), (80, 16)])
def test_a_share_leaves_some_for_other_workers(line, version, make_part, now, waiting, share):
    part = make_part()
    parts = [part.pk] + [make_part().pk for _ in range(min(waiting, 1) and waiting - 1)]
    jobs.make_replay_jobs(version=version, parts=parts[:waiting], now=now)
    assert jobs.fair_share(now=now) == share


def test_what_waits_is_found_without_reading_the_history(db):
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL plans by its own figures")
    with connection.cursor() as cursor:
        for pick, wanted in ((jobs.ABANDONED, ["2026-01-01", 1]), (jobs.PENDING, [16])):
            cursor.execute(f"EXPLAIN QUERY PLAN {pick}", wanted)
            assert [row[3] for row in cursor.fetchall()] == ["SCAN shadow_scoringjob USING INDEX scoring_jobs_to_do"]


def test_where_nothing_is_new_making_jobs_writes_nothing(candidate, make_part, later, django_assert_num_queries):
    make_part()
    make(later(1))
    with django_assert_num_queries(1):
        assert make(later(2)) == 0


def test_two_workers_never_lease_the_same_job(transactional_db, line, version, make_part, later, at_once):
    assign(line=line, version=version, role=Role.LIVE, by="test")
    for _ in range(24):
        make_part()
    make(later(1))

    def worker():
        taken = []
        while mine := jobs.lease_jobs(now=timezone.now(), limit=2):
            taken += [job.id for job in mine]
        return taken

    taken = [job for mine in at_once(*[worker] * 4) for job in mine]
    assert len(taken) == 24
    assert set(taken) == set(ScoringJob.objects.values_list("pk", flat=True))
