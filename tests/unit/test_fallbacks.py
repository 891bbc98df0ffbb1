"""Failing means that a person decides: every way to fail reaches people in time, is counted by its kind, and is shown."""

from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from automation import policies
from automation.actions import score_and_settle, settle, settle_missing
from automation.actions.changing import SEED_PERCENT, write_policy
from automation.apart import apart
from automation.fallbacks import Fallback, fallbacks, kind_of
from automation.levels import Level
from automation.models import Routing
from automation.routing import Part, Rule, decide
from automation.tasks import SWEEP, release_holds, sweep
from inspection import actions as floor
from inspection.models import AuditEvent, Inspection, Lease, Line, Origin
from shadow import jobs
from shadow.actions import weights_path
from shadow.models import Prediction, ScoringJob

BARS = {"pass_below": 0.1, "reject_from": 0.5}


@pytest.fixture
def partial(line, version, set_level):
    """Line A at partial; a part waits a minute for the machine, and next to nothing is audited."""
    set_level(line, "partial", version, **BARS, audit_share=1e-9, hold_seconds=60)
    return line


@pytest.fixture
def counted(partial):
    """The fallbacks of line A, some seconds on."""
    return lambda seconds=61, **fields: fallbacks(partial, now=timezone.now() + timedelta(seconds=seconds), **fields)


# ---- the kinds, by the router's own words


PARTIAL = Rule(Level.PARTIAL, 0.1, 0.5)


def kind(rule=PARTIAL, **fields) -> Fallback | None:
    part = Part(**{"score": 0.01, "u_canary": 0.5, "u_audit": 0.5, "u_blind": 0.5} | fields)
    decision = decide(rule, part)
    return kind_of(decision.outcome, decision.reason, decision.outcome != "person")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"score": None, "null_reason": "photo 1: blank photo"}, Fallback.BLANK),
        ({"score": None, "null_reason": "photo 2: unreadable photo: OSError"}, Fallback.NO_ANSWER),
        ({"score": None, "null_reason": "the version could not run: WeightsRefused"}, Fallback.VERSION_MISSING),
        ({"score": None, "null_reason": "no answer after 3 attempts"}, Fallback.NO_ANSWER),
        ({"score": float("nan")}, Fallback.NO_ANSWER),
        ({"novelty": 1.5}, Fallback.OUT_OF_DISTRIBUTION),
        ({}, None),
        ({"score": 0.3}, None),
        ({"seeded": True}, None),
        ({"rule": Rule(Level.PARTIAL, 0.1, 0.5, halted=True)}, None),
        ({"rule": Rule(Level.PARTIAL, 0.1, 0.5, strata=frozenset())}, None),
        ({"rule": Rule(Level.ASSIST)}, None),
        ({"rule": Rule(Level.SHADOW)}, None),
    ],
)
def test_each_reason_of_the_router_has_its_kind(fields, expected):
    assert kind(**fields) == expected


def test_a_decision_that_did_not_become_the_disposition_came_too_late():
    assert kind_of("pass", "score 0.0100 is below 0.1", False) is Fallback.LATE


# ---- counted, and at people in time


def test_a_line_that_runs_well_has_none(partial, version, make_part, answer, counted):
    for score in (0.01, 0.3, 0.9):
        answer(make_part(), version, score)
    assert counted() == Counter()


def test_without_any_worker_the_hold_runs_out_and_it_is_counted(partial, make_part, counted, ivy, later):
    part = make_part()
    assert counted(1) == Counter(), "the machine may still decide"
    assert counted() == {Fallback.TIMEOUT: 1}
    assert floor.claim(line=partial, by=ivy, now=later(61)).inspection_id == part.pk


def test_parts_that_wait_to_be_scored_beyond_their_hold_are_an_overload(partial, make_part, counted, ivy, later):
    part = make_part()
    jobs.make_missing_jobs(now=timezone.now())
    assert counted() == {Fallback.OVERLOAD: 1}
    assert floor.claim(line=partial, by=ivy, now=later(61)).inspection_id == part.pk


@pytest.mark.parametrize("seconds", [61, 3600])
def test_an_answer_after_the_hold_is_too_late(partial, version, make_part, counted, later, seconds):
    part = make_part()
    prediction = Prediction.objects.create(inspection=part, version=version, score=0.01, outcome="ok")
    settle(prediction=prediction, now=later(seconds))
    assert counted(seconds) == {Fallback.LATE: 1}


def test_a_part_that_comes_again_after_cleaning_was_never_the_machines(
    partial, version, make_part, answer, counted, ivy
):
    answer(make_part("C1"), version, 0.3)
    lease = floor.claim(line=partial, by=ivy)
    floor.send_to_retake(inspection=lease.inspection, by=ivy, lease=lease.token, reason="dust")
    answer(again := make_part("C1"), version, 0.01)
    assert (again.state, Routing.objects.get(inspection=again).decided) == ("waiting", False)
    assert counted() == Counter()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [({"score": None}, Fallback.BLANK), ({"score": 0.01, "novelty": 2.0}, Fallback.OUT_OF_DISTRIBUTION)],
)
def test_parts_that_the_version_cannot_judge_are_peoples_at_once(
    partial, version, make_part, answer, counted, fields, expected
):
    answer(part := make_part(), version, **fields)
    assert part.state == "waiting"
    assert counted() == {expected: 1}


@pytest.mark.parametrize("damage", ["gone", "altered"])
def test_a_version_whose_weights_are_missing_or_altered_leaves_every_part_to_people(
    partial, version, make_part, counted, damage
):
    parts, path = [make_part() for _ in range(3)], weights_path(version)
    path.unlink()
    if damage == "altered":
        path.write_bytes(b"other weights")
    for _ in range(jobs.MAX_ATTEMPTS + 1):
        score_and_settle()
    assert {Inspection.objects.get(pk=part.pk).state for part in parts} == {"waiting"}
    assert counted() == {Fallback.VERSION_MISSING: 3}
    assert not jobs.to_do(now=timezone.now()), "no job is left that would be tried for ever"


def test_a_worker_that_dies_in_the_middle_leaves_the_part_to_the_hold_and_the_next_to_the_answer(
    partial, make_part, counted, later
):
    make_part()
    jobs.make_missing_jobs(now=timezone.now())
    for attempt in range(jobs.MAX_ATTEMPTS):  # each takes the job and never comes back
        assert jobs.lease_jobs(now=later(attempt * (jobs.LEASE_SECONDS + 1)))
    score_and_settle(now=later(jobs.MAX_ATTEMPTS * (jobs.LEASE_SECONDS + 1)))
    assert Prediction.objects.get().null_reason == "no answer after 3 attempts"
    assert ScoringJob.objects.get().state == "done"
    assert counted(300) == {Fallback.NO_ANSWER: 1}


def test_only_what_arrived_while_the_machine_was_to_decide_counts(line, version, set_level, make_part, answer):
    for level in ("shadow", "assist"):
        set_level(line, level, version)
        answer(make_part(), version, None)
        make_part()
    assert fallbacks(line, now=timezone.now() + timedelta(seconds=99)) == Counter()
    set_level(line, "partial", version, **BARS)
    answer(make_part(), version, None)
    set_level(line, "assist", version)
    answer(make_part(), version, None)
    assert fallbacks(line, now=timezone.now() + timedelta(seconds=99)) == {Fallback.BLANK: 1}


def test_only_the_last_hours_count(partial, version, make_part, answer, counted):
    answer(make_part(), version, None)
    three_hours = 3 * 3600 + 1
    assert counted(three_hours, hours=3) == Counter()
    assert counted(three_hours, hours=4) == {Fallback.BLANK: 1}


def test_seeded_parts_and_imports_are_no_fallbacks(partial, version, make_part, answer, counted):
    for origin in (Origin.SEEDED, Origin.IMPORTED, Origin.REPLAY):
        make_part(origin=origin)
    assert counted() == Counter()


# ---- the clock


def test_when_the_clock_is_set_back_the_holds_end(partial, make_part, counted, ivy, later):
    parts = [make_part(now=later(3600)) for _ in range(2)]
    release_holds(now=timezone.now())
    assert floor.claim(line=partial, by=ivy).inspection_id in {part.pk for part in parts}
    assert counted(3600 + 61) == {Fallback.CLOCK: 2}
    [event] = AuditEvent.objects.filter(action="holds_ended")
    assert (event.by, event.line, event.data) == ("system", "line-a", {"parts": 2})
    release_holds(now=timezone.now())
    assert AuditEvent.objects.filter(action="holds_ended").count() == 1


def test_the_sweep_ends_them(partial, make_part, later, monkeypatch):
    part = make_part(now=later(3600))
    jobs.make_missing_jobs(now=timezone.now())
    ScoringJob.objects.update(state="done")
    sweep()
    part.refresh_from_db()
    assert part.hold_until <= timezone.now()


def test_when_the_clock_is_set_back_the_leases_end(partial, make_part, ivy, later):
    make_part()
    floor.claim(line=partial, by=ivy, now=later(7200))
    release_holds(now=timezone.now())
    assert not Lease.objects.exists()
    [event] = AuditEvent.objects.filter(action="leases_ended")
    assert (event.by, event.line, event.data) == ("system", "line-a", {"parts": 1})


def test_a_lease_by_a_clock_a_little_ahead_stays(partial, make_part, ivy, later):
    make_part()
    floor.claim(line=partial, by=ivy, now=later(300))
    release_holds(now=timezone.now())
    assert Lease.objects.exists()


def test_when_the_clock_is_set_back_a_workers_lease_ends(partial, make_part, later):
    make_part()
    [job] = jobs.lease_jobs(now=later(jobs.make_missing_jobs(now=timezone.now()) and 7200))
    assert not jobs.lease_jobs(now=later(1))
    release_holds(now=timezone.now())
    [again] = jobs.lease_jobs(now=later(1))
    assert (again.id, again.attempts) == (job.id, job.attempts + 1)


def test_a_hold_as_long_as_the_line_allows_is_left_alone(partial, make_part, version, answer):
    part = make_part()
    release_holds(now=timezone.now() - timedelta(seconds=4))  # another computer's clock, a little behind
    part.refresh_from_db()
    assert part.hold_until > timezone.now()
    answer(part, version, 0.01)
    assert part.state == "decided"


def test_a_hold_that_was_made_shorter_holds_for_the_parts_that_wait(partial, version, set_level, make_part):
    part = make_part()
    set_level(partial, "partial", version, **BARS, hold_seconds=10)
    release_holds(now=timezone.now())
    part.refresh_from_db()
    assert part.hold_until <= timezone.now()


def test_a_clock_that_jumps_ahead_gives_the_parts_to_people(partial, version, make_part, ivy, later, counted):
    part = make_part()
    prediction = Prediction.objects.create(inspection=part, version=version, score=0.01, outcome="ok")
    assert floor.claim(line=partial, by=ivy, now=later(7200)).inspection_id == part.pk
    settle(prediction=prediction, now=later(7200))
    assert counted(7200) == {Fallback.LATE: 1}


def test_a_part_whose_hold_was_ended_is_not_the_machines_any_more(partial, version, make_part, later, counted):
    part = make_part(now=later(3600))
    release_holds(now=timezone.now())
    prediction = Prediction.objects.create(inspection=part, version=version, score=0.01, outcome="ok")
    settle(prediction=prediction, now=later(1))
    assert Routing.objects.get().decided is False
    assert counted(3700) == {Fallback.CLOCK: 1}, "counted once"


# ---- the sweep


def test_one_step_that_fails_does_not_stop_the_sweep(partial, version, make_part, monkeypatch, caplog):
    part = make_part()
    jobs.make_missing_jobs(now=timezone.now())
    ScoringJob.objects.update(state="done")
    Prediction.objects.create(inspection=part, version=version, score=0.01, outcome="ok")

    def broken(*, now):
        raise RuntimeError("no such watch")

    monkeypatch.setattr("automation.tasks.SWEEP", (broken, settle_missing))
    sweep()
    part.refresh_from_db()
    assert part.state == "decided"
    assert "RuntimeError: no such watch" in caplog.text


def test_a_sweep_that_takes_longer_than_a_hold_leaves_the_part_to_people(partial, version, make_part, monkeypatch):
    """What was scored is settled by the clock: by the sweep's start the hold would still run."""
    part = make_part()
    jobs.make_missing_jobs(now=timezone.now())
    ScoringJob.objects.update(state="done")
    Prediction.objects.create(inspection=part, version=version, score=0.01, outcome="ok")

    def slow(*, now):
        Inspection.objects.update(hold_until=timezone.now())  # as if the hold had passed in here

    monkeypatch.setattr("automation.tasks.SWEEP", (slow, *SWEEP))
    sweep()
    part.refresh_from_db()
    assert (part.state, Routing.objects.get().decided) == ("held", False)


def test_what_goes_well_is_returned_and_what_does_not_is_logged(caplog):
    assert apart(lambda n: 12 // n, [3, 0, 4], doing="dividing") == [4, 3]
    assert "dividing_failed" in caplog.text
    assert "ZeroDivisionError" in caplog.text


# ---- seeds beside the audits


@pytest.mark.parametrize("level", ["partial", "full"])
def test_where_the_machine_decides_seeds_are_mixed_in(line, version, set_level, level):
    set_level(line, "assist", version)
    line.refresh_from_db()
    assert line.seed_percent == 0
    set_level(line, level, version, pass_below=0.1, reject_from=0.1)
    line.refresh_from_db()
    assert line.seed_percent == SEED_PERCENT == 5
    [event] = AuditEvent.objects.filter(action="seeds_raised")
    assert (event.by, event.line, event.data) == ("test", "line-a", {"percent": 5.0})


@pytest.mark.parametrize(("before", "after"), [(0.0, 5.0), (4.9, 5.0), (5.0, 5.0), (12.0, 12.0)])
def test_the_share_of_seeds_is_raised_and_never_lowered(line, version, set_level, before, after):
    Line.objects.update(seed_percent=before)
    for level in ("partial", "partial", "assist"):
        set_level(line, level, version, **BARS)
        line.refresh_from_db()
        assert line.seed_percent == after
    assert AuditEvent.objects.filter(action="seeds_raised").count() == (before < after)


def test_an_admin_may_set_it_again_and_the_next_policy_raises_it(partial, version, set_level, ada):
    partial.refresh_from_db()
    partial.seed_percent = 1
    floor.set_up(row=partial, by=ada)
    assert Line.objects.get().seed_percent == 1
    fields = {name: getattr(policies.in_force(partial), name) for name in policies.FIELDS}
    fields |= {"level": Level.PARTIAL, "version_id": version.pk}
    write_policy(line=partial, fields=fields, by="test", reason="x", action="level_edit", now=timezone.now())
    assert Line.objects.get().seed_percent == 5
