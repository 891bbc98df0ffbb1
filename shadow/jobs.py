"""The queue of record: scoring jobs are rows, made by one statement, leased by another, finished once."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, Subquery
from django.utils.translation import gettext as _

from inspection.actions.queue import APART
from inspection.models import Inspection, Origin
from inspection.refusals import Conflict
from shadow.models import Assignment, AwaitedAnswer, JobState, ModelVersion, Prediction, ScoringJob, VersionKind

BATCH = 16  # jobs of a lease at most
FEWEST = 4  # jobs of a lease near the end of the queue
LEASE_SECONDS = 60
MAX_ATTEMPTS = 3
# Rows commit out of the order of their ids: what is younger than this is looked at again, and so are the newest parts,
# for a clock that was set back dates them as old. No site has so many intakes under way at once.
LATE_COMMITS = timedelta(minutes=5)
UNDER_WAY = 1000


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
  AND NOT EXISTS (SELECT 1 FROM shadow_scoringjob job WHERE job.inspection_id = part.id AND job.version_id = %s)
ORDER BY part.id
ON CONFLICT (inspection_id, version_id) DO NOTHING
"""


def make_missing_jobs(*, now: datetime) -> int:
    """One job for each part received since a version's assignment that has none; return how many were made. No worker scores
    for an earlier system: its answers are awaited.

    Every batch calls it, so where nothing is new it only reads.
    """
    made = 0
    for assignment in _with_news(now):
        awaited = _to_await(assignment) if assignment.missing and assignment.imported else []
        if assignment.imported and not awaited and not assignment.settled:
            continue  # nothing is written, so nobody waits for the writer
        with transaction.atomic():
            AwaitedAnswer.objects.bulk_create(awaited, ignore_conflicts=True, batch_size=1000)
            made += len(awaited)
            if assignment.missing and not assignment.imported:
                made += _make_jobs(assignment)
            if assignment.settled:
                mine = Assignment.objects.filter(pk=assignment.pk, scanned_to__lt=assignment.settled)
                mine.update(scanned_to=assignment.settled)
    return made


def _make_jobs(assignment: Assignment) -> int:
    since = connection.ops.adapt_datetimefield_value(assignment.assigned_at)
    version, line = assignment.version_id, assignment.line_id
    with connection.cursor() as cursor:
        cursor.execute(MAKE_JOBS, [version, False, line, assignment.scanned_to, since, version])
        return max(cursor.rowcount, 0)


def _to_await(assignment: Assignment) -> list[AwaitedAnswer]:
    """The parts that an earlier system has not answered yet and that are not noted as such.

    A seeded part stands in front of nobody's camera: an earlier system never sees one.
    """
    version = assignment.version_id
    awaited = AwaitedAnswer.objects.filter(inspection=OuterRef("pk"), version=version)
    answered = Prediction.objects.filter(inspection=OuterRef("pk"), version=version)
    parts = Inspection.objects.unseeded().filter(line=assignment.line_id, pk__gt=assignment.scanned_to)
    parts = parts.filter(received_at__gte=assignment.assigned_at).exclude(origin=Origin.IMPORTED)
    missing = parts.exclude(Exists(awaited)).exclude(Exists(answered)).order_by("pk").values_list("pk", "received_at")
    return [AwaitedAnswer(inspection_id=part, version_id=version, since=since) for part, since in missing]


def _with_news(now: datetime) -> list[Any]:
    """Assignments with parts that lack a job (`missing`), or whose search may start further on (at `settled`); an earlier
    system's parts never get one."""
    parts = Inspection.objects.filter(line=OuterRef("line"), pk__gt=OuterRef("scanned_to")).order_by("-pk")
    job = ScoringJob.objects.filter(inspection=OuterRef("pk"), version=OuterRef(OuterRef("version")))
    new = parts.filter(received_at__gte=OuterRef("assigned_at")).exclude(origin=Origin.IMPORTED).exclude(Exists(job))
    newest = Subquery(Inspection.objects.order_by("-pk").values("pk")[:1])
    old = parts.filter(received_at__lt=now - LATE_COMMITS, pk__lte=newest - UNDER_WAY).values("pk")[:1]
    found = Assignment.objects.current().annotate(
        missing=Exists(new), settled=Subquery(old), imported=Q(version__kind=VersionKind.IMPORTED)
    )
    return [assignment for assignment in found if assignment.missing or assignment.settled]


@transaction.atomic
def make_replay_jobs(*, version: ModelVersion, parts: Sequence[int], now: datetime) -> int:
    """Jobs that score past parts: their answers are retrospective and never certify.

    The live jobs are made first, or a replay would take a part that has just arrived from the machine's decision. Raises
    Conflict for an earlier system, which has nothing to score with.
    """
    if version.is_imported:
        words = _(
            "{version} is an earlier inspection system: it cannot be replayed. Import what it answered then with "
            "import_predictions."
        )
        raise Conflict(words.format(version=version))
    make_missing_jobs(now=now)
    jobs = [ScoringJob(inspection_id=part, version=version, retrospective=True) for part in parts]
    before = ScoringJob.objects.filter(version=version).count()
    ScoringJob.objects.bulk_create(jobs, ignore_conflicts=True, batch_size=1000)
    return ScoringJob.objects.filter(version=version).count() - before


def make_job(*, part: Inspection, version: ModelVersion) -> None:
    """The job of one part for a version that may no longer be assigned to its line: a station decided by it."""
    ScoringJob.objects.get_or_create(inspection=part, version=version)


# Written as the partial index of the jobs to do is, or SQLite reads the whole history to find them.
TO_DO = "state IN ('pending', 'leased')"
WAITING = f"{TO_DO} AND (state = 'pending' OR leased_until < %s)"
# The ORM of Django 5.2 has no UPDATE .. RETURNING. PostgreSQL needs the materialised pick, or it leases too many.
PICK = "SELECT id FROM shadow_scoringjob WHERE {} ORDER BY retrospective, id LIMIT %s"
ABANDONED = PICK.format(f"{TO_DO} AND state = 'leased' AND leased_until < %s")
PENDING = PICK.format(f"{TO_DO} AND state = 'pending'")
LONG = f"SELECT id FROM shadow_scoringjob WHERE {TO_DO} AND state = 'leased' AND leased_until > %s"  # noqa: S608
LEASE = "SET state = 'leased', leased_until = %s, attempts = attempts + 1"
RETURNING = "RETURNING shadow_scoringjob.id, inspection_id, version_id, retrospective, attempts"


def lease_jobs(*, now: datetime, limit: int = BATCH) -> list[LeasedJob]:
    """Take up to `limit` jobs, live ones before replays. A job whose lease has run out is taken alone: its worker died, and
    if it was that job's photo that killed it, no other job may lose its attempts to it."""
    moment = connection.ops.adapt_datetimefield_value(now)
    with transaction.atomic():
        return _lease(ABANDONED, [moment, 1], now) or _lease(PENDING, [limit], now)


def _lease(pick: str, wanted: list[Any], now: datetime) -> list[LeasedJob]:
    until = connection.ops.adapt_datetimefield_value(now + timedelta(seconds=LEASE_SECONDS))
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                f"WITH picked AS MATERIALIZED ({pick} FOR UPDATE SKIP LOCKED) UPDATE shadow_scoringjob {LEASE} "
                f"FROM picked WHERE shadow_scoringjob.id = picked.id {RETURNING}",
                [*wanted, until],
            )
        else:
            cursor.execute(f"UPDATE shadow_scoringjob {LEASE} WHERE id IN ({pick}) {RETURNING}", [until, *wanted])
        return sorted(
            LeasedJob(job, part, version, bool(retrospective), attempts)
            for job, part, version, retrospective, attempts in cursor.fetchall()
        )


def fair_share(*, now: datetime) -> int:
    """How many jobs a worker should lease: a quarter of what waits, from 4 to 16, so that none idles at the end."""
    return min(BATCH, max(FEWEST, to_do(now=now, at_most=4 * BATCH) // 4))


def finish(batch: Sequence[LeasedJob]) -> list[LeasedJob]:
    """Mark done those jobs that are still ours, and return them; call it in the transaction that writes the answers."""
    ours = _still_ours(batch)
    ScoringJob.objects.filter(pk__in=[job.id for job in ours]).update(state=JobState.DONE, leased_until=None)
    return ours


@transaction.atomic
def renew(batch: Sequence[LeasedJob], *, now: datetime) -> list[LeasedJob]:
    """Hold on to those jobs that are still ours, and return them; the others are somebody else's by now."""
    ours = _still_ours(batch)
    until = now + timedelta(seconds=LEASE_SECONDS)
    ScoringJob.objects.filter(pk__in=[job.id for job in ours]).update(leased_until=until)
    return ours


def end_long_leases(*, now: datetime) -> int:
    """Let the jobs be leased anew whose lease ends further ahead than any can, and return how many: the clock was set
    back after they were leased. Whoever still has one writes its answer unless another has it by then."""
    furthest = connection.ops.adapt_datetimefield_value(now + timedelta(seconds=LEASE_SECONDS) + APART)
    with connection.cursor() as cursor:
        cursor.execute(LONG, [furthest])
        found = [job for (job,) in cursor.fetchall()]
    return ScoringJob.objects.filter(pk__in=found, state=JobState.LEASED).update(leased_until=now) if found else 0


@transaction.atomic
def give_back(batch: Sequence[LeasedJob], *, counted: bool = True) -> None:
    """Let the jobs be tried again at once; the attempt stays counted unless it is known to have been none of theirs.

    The fence holds all the same: only who has the number of now can take one off it, and has no job in hand afterwards.
    """
    ours = _still_ours(batch)
    attempts = F("attempts") - (0 if counted else 1)
    rows = ScoringJob.objects.filter(pk__in=[job.id for job in ours])
    rows.update(state=JobState.PENDING, leased_until=None, attempts=attempts)


def _still_ours(batch: Sequence[LeasedJob]) -> list[LeasedJob]:
    """The jobs that nobody has leased since; their rows are locked, in one order, to the end of the transaction."""
    rows = ScoringJob.objects.select_for_update().filter(pk__in=[job.id for job in batch], state=JobState.LEASED)
    held = set(rows.order_by("pk").values_list("pk", "attempts"))
    return [job for job in batch if (job.id, job.attempts) in held]


def to_do(*, now: datetime, at_most: int | None = None) -> int:
    """Jobs that a worker could take now, counted no further than `at_most`."""
    limit = "" if at_most is None else f" LIMIT {int(at_most)}"
    query = f"SELECT count(*) FROM (SELECT 1 FROM shadow_scoringjob WHERE {WAITING}{limit}) waiting"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(query, [connection.ops.adapt_datetimefield_value(now)])
        return cursor.fetchone()[0]
