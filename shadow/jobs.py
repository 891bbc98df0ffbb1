"""The queue of record: scoring jobs are rows, made by one statement, leased by another, finished once."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import Max

from inspection.models import Inspection
from shadow.models import Assignment, JobState, ModelVersion, ScoringJob

BATCH = 16
LEASE_SECONDS = 60
MAX_ATTEMPTS = 3
# Rows commit out of the order of their ids: what is younger than this is looked at again.
LATE_COMMITS = timedelta(minutes=5)


class LeasedJob(NamedTuple):
    """A job in hand. `attempts` is the fence: whoever leases it later has another number."""

    id: int
    inspection: int
    version: int
    retrospective: bool
    attempts: int


MAKE_JOBS = """
INSERT INTO shadow_scoringjob (inspection_id, version_id, state, retrospective, attempts)
SELECT part.id, %s, 'pending', %s, 0 FROM inspection_inspection part
WHERE part.line_id = %s AND part.id > %s AND part.received_at >= %s AND part.origin <> 'imported'
ON CONFLICT (inspection_id, version_id) DO NOTHING
"""


def make_missing_jobs(*, now: datetime) -> int:
    """One job for each part received since a version's assignment that has none; return how many were made."""
    made = 0
    for assignment in Assignment.objects.current().select_related("version"):
        with transaction.atomic(), connection.cursor() as cursor:
            since = connection.ops.adapt_datetimefield_value(assignment.assigned_at)
            cursor.execute(MAKE_JOBS, [assignment.version_id, False, assignment.line_id, assignment.scanned_to, since])
            made += max(cursor.rowcount, 0)
            settled = Inspection.objects.filter(
                line=assignment.line_id, pk__gt=assignment.scanned_to, received_at__lt=now - LATE_COMMITS
            ).aggregate(last=Max("pk"))["last"]
            if settled:
                Assignment.objects.filter(pk=assignment.pk, scanned_to__lt=settled).update(scanned_to=settled)
    return made


@transaction.atomic
def make_replay_jobs(*, version: ModelVersion, parts: Sequence[int], now: datetime) -> int:
    """Jobs that score past parts: their answers are retrospective and never certify.

    The live jobs are made first, or a replay would take a part that has just arrived from the machine's decision.
    """
    make_missing_jobs(now=now)
    jobs = [ScoringJob(inspection_id=part, version=version, retrospective=True) for part in parts]
    before = ScoringJob.objects.filter(version=version).count()
    ScoringJob.objects.bulk_create(jobs, ignore_conflicts=True, batch_size=1000)
    return ScoringJob.objects.filter(version=version).count() - before


# The ORM of Django 5.2 has no UPDATE .. RETURNING. PostgreSQL needs the materialised pick, or it leases too many.
PICK = """
SELECT id FROM shadow_scoringjob
WHERE state = 'pending' OR (state = 'leased' AND leased_until < %s)
ORDER BY retrospective, id LIMIT %s
"""
LEASE = "SET state = 'leased', leased_until = %s, attempts = attempts + 1"
RETURNING = "RETURNING shadow_scoringjob.id, inspection_id, version_id, retrospective, attempts"


def lease_jobs(*, now: datetime, limit: int = BATCH) -> list[LeasedJob]:
    """Take up to `limit` jobs, live ones before replays; a job whose worker died is taken again when its lease ends."""
    adapt = connection.ops.adapt_datetimefield_value
    until = adapt(now + timedelta(seconds=LEASE_SECONDS))
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                f"WITH picked AS MATERIALIZED ({PICK} FOR UPDATE SKIP LOCKED) UPDATE shadow_scoringjob {LEASE} "
                f"FROM picked WHERE shadow_scoringjob.id = picked.id {RETURNING}",
                [adapt(now), limit, until],
            )
        else:
            cursor.execute(
                f"UPDATE shadow_scoringjob {LEASE} WHERE id IN ({PICK}) {RETURNING}",
                [until, adapt(now), limit],
            )
        return sorted(
            LeasedJob(job, part, version, bool(retrospective), attempts)
            for job, part, version, retrospective, attempts in cursor.fetchall()
        )


def finish(job: LeasedJob) -> bool:
    """Mark a job done if it is still ours; call it in the transaction that writes the answer."""
    return _fenced(job).update(state=JobState.DONE, leased_until=None) == 1


def give_back(job: LeasedJob) -> None:
    """Let the job be tried again at once; its attempts stay counted."""
    _fenced(job).update(state=JobState.PENDING, leased_until=None)


def _fenced(job: LeasedJob):
    return ScoringJob.objects.filter(pk=job.id, state=JobState.LEASED, attempts=job.attempts)


def to_do(*, now: datetime) -> int:
    """Jobs that a worker could take now."""
    return (
        ScoringJob.objects.filter(state=JobState.PENDING).count()
        + ScoringJob.objects.filter(state=JobState.LEASED, leased_until__lt=now).count()
    )
