"""Carries trainings out: a worker takes a run that waits, holds on to it while it trains, and is let go of it again.

The row is the record. A worker holds it by a lease that it renews between photos and batches; one that dies leaves it
to the next, which goes on from the checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from inspection import audit
from inspection.refusals import Refused
from shadow import jobs
from shadow.actions.versions import register_version
from shadow.models import RunState, Stage, TrainingRun, live_version
from shadow.side_by_side import compare, recent_parts
from shadow.snapshots import items_of

if TYPE_CHECKING:
    from shadow.vision.training import Epoch

log = structlog.get_logger("shadowline.training")
LEASE = timedelta(seconds=90)  # longer than anything between two calls of `heed`
HEEDED = 2.0  # seconds between two looks at the row
MAX_TRIES = 3  # in a row without one epoch more: then it is not chance that ends the worker


class Lost(Exception):
    """The run is not this worker's any more: it was cancelled, or another has it."""


class Interrupted(Exception):
    """The worker is asked to stop."""


def take_run(*, now: datetime) -> TrainingRun | None:
    """Lease the run that waits longest, or one whose worker died; None: there is none."""
    give_up_on(now=now)
    for run in _free(now).order_by("at", "pk"):
        mine = _free(now).filter(pk=run.pk, attempts=run.attempts)
        taken = mine.update(
            state=RunState.RUNNING, attempts=F("attempts") + 1, tries=F("tries") + 1, leased_until=now + LEASE,
            started_at=run.started_at or now,
        )  # fmt: skip
        if taken:
            run.refresh_from_db()
            return run
    return None


def is_any_waiting(*, now: datetime) -> bool:
    return _free(now).exists()


def _free(now: datetime) -> QuerySet[TrainingRun]:
    """Runs that a worker may take: those that wait, and those whose worker has not renewed its lease."""
    return TrainingRun.objects.filter(Q(state=RunState.WAITING) | Q(state=RunState.RUNNING, leased_until__lt=now))


def give_up_on(*, now: datetime) -> None:
    """End the runs that have killed their worker again and again."""
    dead = TrainingRun.objects.filter(state=RunState.RUNNING, leased_until__lt=now, tries__gte=MAX_TRIES)
    for run in dead:
        hold = Hold(run)
        _end(hold, RunState.FAILED, failure=f"The worker ended {run.tries} times without one epoch more.")


class Hold:
    """A worker's hold on a run: tells the row how far it is, and heeds what has become of it."""

    def __init__(self, run: TrainingRun, must_stop: Callable[[], bool] = lambda: False) -> None:
        self.run = run
        self.must_stop = must_stop
        self.next = 0.0

    def write(self, **fields: Any) -> None:
        """Write on the row and renew the lease. Raises Lost."""
        mine = TrainingRun.objects.filter(pk=self.run.pk, state=RunState.RUNNING, attempts=self.run.attempts)
        if not mine.update(**{"leased_until": timezone.now() + LEASE} | fields):
            raise Lost
        for name, value in fields.items():
            setattr(self.run, name, value)

    def heed(self) -> None:
        """Renew the lease every few seconds. Raises Lost or Interrupted."""
        if time.monotonic() >= self.next:
            self._tell()

    def stage(self, stage: Stage, done: int = 0, of: int = 0) -> None:
        """Say what it does now. Steps of one stage are written no oftener than the row is looked at."""
        if stage == Stage.LEARNING:  # one that goes on has learnt epochs before
            done = max(done, len(self.run.curve))
        if stage != self.run.stage or time.monotonic() >= self.next:
            self._tell(stage=stage, done=done, of=of)

    def _tell(self, **fields: Any) -> None:
        self.next = time.monotonic() + HEEDED
        if self.must_stop():
            raise Interrupted
        try:
            self.write(**fields)
        except OperationalError:  # the database is away for a moment; the lease lasts longer than that
            connection.close_if_unusable_or_obsolete()

    def epoch(self, epoch: Epoch) -> None:
        """An epoch is over. A training that goes on begins to count where its checkpoint was written."""
        curve = [row for row in self.run.curve if row["number"] < epoch.number] + [asdict(epoch)]
        over = epoch.number == epoch.of
        stage = Stage.MEASURING if over else Stage.LEARNING
        self.write(curve=curve, stage=stage, done=epoch.number, of=epoch.of, tries=0)


def carry_out(run: TrainingRun, *, must_stop: Callable[[], bool] = lambda: False) -> None:
    """Train, register, compare. Whatever goes wrong is written on the run; only `SystemExit` and the like pass."""
    hold = Hold(run, must_stop)
    try:
        if run.version is None:
            _train(hold)
        _compare(hold)
        _end(hold, RunState.DONE)
    except Lost:
        log.info("training_let_go", run=run.pk)
    except Interrupted:
        mine = TrainingRun.objects.filter(pk=run.pk, state=RunState.RUNNING, attempts=run.attempts)
        mine.update(state=RunState.WAITING, leased_until=None, tries=0)
    except (Refused, ValueError) as error:
        _fail(hold, f"{error}")
    except Exception as error:  # whatever it is: the row has to say why, and the worker has other lines to serve
        log.exception("training_failed", run=run.pk)
        _fail(hold, f"{type(error).__name__}: {error}")


def checkpoint_of(run: TrainingRun) -> Path:
    return Path(settings.DATA_DIR) / "training" / f"run-{run.pk}.pt"


def _train(hold: Hold) -> None:
    from shadow.retraining import learn, start_weights  # torch, in the process that trains and in no other

    run = hold.run
    hold.stage(Stage.READING)
    options = dict(run.options)
    start = start_weights(options.pop("start", None) or None)
    trained = learn(
        items_of(run.snapshot), hold, start=start, checkpoint=checkpoint_of(run),
        sources=[f"line {run.line.slug}, snapshot {run.snapshot_id}"], **options,
    )  # fmt: skip
    card = trained.card | {"snapshot": run.snapshot_id}
    with transaction.atomic():
        version = register_version(
            name=run.name, weights=trained.weights, card=card, pictures=trained.pictures, by=run.by
        )
        hold.write(version=version)


def _compare(hold: Hold) -> None:
    """Beside the live version, on the held parts at once, and on the latest parts by replay."""
    run = hold.run
    assert run.version is not None  # noqa: S101 - for the type checker
    hold.stage(Stage.COMPARING)
    live = live_version(run.line)
    parts = recent_parts(run.line)
    found = compare(run.snapshot, run.version, live, hold.heed)
    hold.write(comparison=found | {"replayed": parts})
    now = timezone.now()
    for version in (run.version, live):
        if version and not version.is_imported:  # an earlier system has answered what it has
            jobs.make_replay_jobs(version=version, parts=parts, now=now)


@transaction.atomic
def _end(hold: Hold, state: RunState, failure: str = "") -> None:
    run, now = hold.run, timezone.now()
    hold.write(state=state, leased_until=None, ended_at=now, failure=failure[:300])
    told = {"failure": run.failure} if failure else {"version": str(run.version)}
    audit.record(
        f"training_{'finished' if not failure else 'failed'}", by="system", line=run.line.slug, subject=run, **told
    )


def _fail(hold: Hold, failure: str) -> None:
    try:
        _end(hold, RunState.FAILED, failure=failure or "It ended without a word.")
    except Lost:
        log.info("training_let_go", run=hold.run.pk)
