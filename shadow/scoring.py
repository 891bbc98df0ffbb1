"""Scoring what waits: lease a batch of jobs, score it in loads, write each answer once."""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from inspection import tracing
from inspection.bucket import StoreAway
from inspection.models import Photo
from inspection.photos import Place, path_of
from scoring.answers import Answer, Failure
from shadow import jobs
from shadow.actions import load_scorer
from shadow.jobs import LeasedJob
from shadow.models import HeatMap, ModelVersion, Prediction

log = structlog.get_logger("shadowline.shadow")
LOAD = 16  # photos
RENEW_AFTER = 20.0  # seconds; so only a computer that takes 2 s a photo outlasts a lease

Result = tuple[LeasedJob, Answer | Failure]


@dataclass(eq=False)
class Load:
    """Jobs of one version that go through its scorer together, the photos of each, and the answers to come."""

    version: ModelVersion
    jobs: list[LeasedJob]
    photos: list[list[Place]]
    held_since: float
    leased: int = field(default_factory=time.time_ns)  # in Unix time, for the trace
    answers: Future[list[Answer | Failure]] | None = None

    @property
    def worn_out(self) -> bool:
        return self.jobs[0].attempts > jobs.MAX_ATTEMPTS  # it is alone in its load


def score_waiting(*, seconds: float = 0.0, now: datetime | None = None) -> Iterator[list[Prediction]]:
    """Lease a batch of jobs and score it; yields the answers of each load once they are written.

    Further batches follow while `seconds` have not passed, until none waits or nothing could be written. One thread
    reads the photos of the next load while another scores this one and the caller's, the only one that touches the
    database, writes those of the last.
    """
    until = time.monotonic() + seconds
    loads = _lease(now)
    with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(1, "answer") as answerer:
        progress, stuck = False, False
        while loads:
            # Near the end of the queue no batch is leased ahead: another worker may be idle. Nor is one after a load that
            # was given back: it would be the same again.
            if len(loads) == 1 and len(loads[0].jobs) == jobs.BATCH and not stuck and time.monotonic() < until:
                loads += _lease(now)
            for load in loads[:2]:
                _start(load, reader, answerer)
            written = _write_answers(loads.pop(0))
            progress, stuck = progress or bool(written), not written
            yield written
            loads = _renewed(loads, now)
            if not loads and progress and time.monotonic() < until:
                loads, progress = _lease(now), False


def _lease(now: datetime | None) -> list[Load]:
    """A fair share of what waits, in loads: live parts before replays, as they were leased."""
    moment = now or timezone.now()
    jobs.make_missing_jobs(now=moment)
    leased = jobs.lease_jobs(now=moment, limit=jobs.fair_share(now=moment))
    if not leased:
        return []
    versions = ModelVersion.objects.defer("card").in_bulk({job.version for job in leased})  # a card takes 2 ms to parse
    photos = _photos_of({job.inspection for job in leased})
    since = time.monotonic()
    return [
        Load(versions[version], batch, [photos[job.inspection] for job in batch], since)
        for version, group in groupby(sorted(leased, key=lambda job: job.version), key=lambda job: job.version)
        for batch in _batches(list(group), photos)
    ]


def _renewed(loads: list[Load], now: datetime | None) -> list[Load]:
    """The loads in hand, with the leases of the older ones renewed; what others have taken meanwhile is left to them."""
    moment = time.monotonic()
    old = [load for load in loads if moment - load.held_since > RENEW_AFTER]
    if not old:
        return loads
    ours = set(jobs.renew([job for load in old for job in load.jobs], now=now or timezone.now()))
    for load in old:
        load.held_since = moment
    return [load for load in loads if load not in old or ours.intersection(load.jobs)]


def _start(load: Load, reader: Executor, answerer: Executor) -> None:
    """Have a load read and answered. What goes wrong is met when its answers are asked for."""
    if load.answers or load.worn_out:
        return
    try:
        scorer = load_scorer(load.version)
    except Exception as error:  # whatever it is: it must not take another version's jobs along
        load.answers = Future()
        load.answers.set_exception(error)
        return
    read = reader.submit(scorer.read, load.photos)
    load.answers = answerer.submit(lambda: scorer.answer(read.result()))


def _photos_of(parts: set[int]) -> dict[int, list[Place]]:
    """Where the photos of each part lie, in one query."""
    paths: dict[int, list[Place]] = {part: [] for part in parts}
    rows = Photo.objects.filter(inspection__in=parts).order_by("inspection_id", "position")
    for part, stored in rows.values_list("inspection_id", "stored"):
        paths[part].append(path_of(stored))
    return paths


def _batches(group: Sequence[LeasedJob], photos: Mapping[int, Sequence[Place]]) -> list[list[LeasedJob]]:
    """First attempts together, up to a load; what has failed before alone, so that one part's fault stays its own."""
    batches: list[list[LeasedJob]] = []
    count = LOAD
    for job in group:
        if job.attempts == 1:
            count += len(photos[job.inspection])
            if count > LOAD:
                batches.append([])
                count = len(photos[job.inspection])
            batches[-1].append(job)
    return batches + [[job] for job in group if job.attempts > 1]


def _write_answers(load: Load) -> list[Prediction]:
    """Wait for a load's answers and write them."""
    if load.answers is None:
        return _write(load.version, [(load.jobs[0], Failure(f"no answer after {jobs.MAX_ATTEMPTS} attempts"))])
    try:
        with tracing.step("score", [job.inspection for job in load.jobs], began=load.leased, version=load.version.name):
            answers = load.answers.result()
    except Exception as error:  # whatever it is: one version's fault must not take another's jobs along
        log.error("scoring_failed", version=load.version.name, error=f"{type(error).__name__}: {error}"[:300])
        return _try_again(load, error)
    return _write(load.version, list(zip(load.jobs, answers, strict=True)))


def _try_again(load: Load, error: Exception) -> list[Prediction]:
    """Give the jobs back; at the last attempt say on the part why there is no answer, and a person judges it.

    While the whole photo store is away nothing is known of the parts, so no attempt is counted. One object that the
    store cannot give counts: it would stand before all others for ever.
    """
    if isinstance(error, StoreAway) and settings.PHOTO_BUCKET and settings.PHOTO_BUCKET.fault():
        jobs.give_back(load.jobs, counted=False)
        return []
    jobs.give_back([job for job in load.jobs if job.attempts < jobs.MAX_ATTEMPTS])
    failure = Failure(f"the version could not run: {type(error).__name__}")
    return _write(load.version, [(job, failure) for job in load.jobs if job.attempts >= jobs.MAX_ATTEMPTS])


def _write(version: ModelVersion, results: Sequence[Result]) -> list[Prediction]:
    """Write the answers to jobs that are still ours; a worker that was too slow writes nothing.

    What cannot be written together is written one by one. A job whose answer cannot be written at all stays leased,
    and is tried again when the lease ends.
    """
    try:
        return _write_together(version, results)
    except Exception as error:  # whatever it is: one part's fault must not hold the others
        log.error(
            "writing_failed", version=version.name, parts=len(results), error=f"{type(error).__name__}: {error}"[:300]
        )
        return [written for result in results for written in _write(version, [result])] if len(results) > 1 else []


def _write_together(version: ModelVersion, results: Sequence[Result]) -> list[Prediction]:
    predictions = {job: _prediction(job, version, answer) for job, answer in results}
    maps = {job: HeatMap.of(predictions[job], a.heatmaps) for job, a in results if isinstance(a, Answer)}
    with transaction.atomic():
        ours = jobs.finish([job for job, _ in results])
        written = Prediction.objects.bulk_create(predictions[job] for job in ours)
        HeatMap.objects.bulk_create(maps[job] for job in ours if job in maps)
    return written


def _prediction(job: LeasedJob, version: ModelVersion, answer: Answer | Failure) -> Prediction:
    prediction = Prediction(
        inspection_id=job.inspection,
        version=version,
        retrospective=job.retrospective,
        timings=answer.timings,
        figures=answer.figures,
    )
    if isinstance(answer, Failure):
        where = "" if answer.photo is None else f"photo {answer.photo + 1}: "
        prediction.null_reason = f"{where}{answer.reason}"[:200]
    else:
        prediction.score = answer.score
        prediction.outcome = "scratched" if answer.score >= version.threshold else "ok"
        prediction.marks = [{"photo": m.photo, "box": list(m.box), "score": m.score} for m in answer.marks]
        prediction.novelty = answer.novelty
    return prediction
