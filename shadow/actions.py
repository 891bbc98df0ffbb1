"""Writes of the shadow: register a version, assign it to a line, score a batch of parts."""

import hashlib
import io
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path

import structlog
from django.conf import settings
from django.core.validators import slug_re
from django.db import transaction
from django.utils import timezone

from inspection import audit
from inspection.models import Inspection, Line, User
from inspection.photos import keep, path_of
from inspection.refusals import BadInput, Conflict
from shadow import jobs
from shadow.jobs import LeasedJob
from shadow.models import Assignment, HeatMap, ModelVersion, Prediction, Role
from shadow.vision.runtime import Answer, Failure, Scorer, WeightsRefused, load

log = structlog.get_logger("shadowline.shadow")


def weights_path(version: ModelVersion) -> Path:
    return Path(settings.MODEL_ROOT) / f"{version.weights_sha256}.safetensors"


def check_name(name: str) -> None:
    """Raise BadInput for what cannot be the name of a version."""
    if not slug_re.match(name) or len(name) > 60:
        raise BadInput(f"{name!r} is no name for a version. Use up to 60 letters, digits, hyphens and underscores.")


def register_version(*, name: str, weights: bytes, card: dict, by: User | str) -> ModelVersion:
    """Keep the weights under their SHA-256 and write the version. Its thresholds are those inside the weights.

    Raises BadInput for weights that this code cannot run, Conflict when the name is taken by other weights; the same
    name with the same weights again returns the version.
    """
    check_name(name)
    digest = hashlib.sha256(weights).hexdigest()
    known = ModelVersion.objects.filter(name=name).first()
    if known:
        if known.weights_sha256 == digest:
            return known
        raise Conflict(f"The name {name!r} belongs to another version. Choose a new name.")
    try:
        scorer = Scorer(weights)
    except (WeightsRefused, KeyError, TypeError, ValueError) as refusal:
        raise BadInput(f"These weights cannot be registered: {refusal}.") from None
    _check_thresholds(scorer)
    version = ModelVersion(
        name=name, weights_sha256=digest, threshold=scorer.threshold, thresholds=scorer.thresholds, card=card,
        by=audit.name_of(by),
    )  # fmt: skip
    keep(weights, weights_path(version))
    with transaction.atomic():
        version.save()
        audit.record("version_registered", by=by, subject=f"version {name}", weights=digest)
    return version


def _check_thresholds(scorer: Scorer) -> None:
    """The order is what certificates are tested in: rising, inside 0 to 1, at least one."""
    order = scorer.thresholds
    numbers = isinstance(order, list) and all(type(value) in (int, float) and 0 <= value <= 1 for value in order)
    if not numbers or not order or order != sorted(set(order)) or not 0 <= scorer.threshold <= 1:
        raise BadInput("These weights cannot be registered: their thresholds are not rising scores from 0 to 1.")


@transaction.atomic
def assign(*, line: Line, version: ModelVersion, role: Role, by: User | str, now: datetime | None = None) -> Assignment:
    """Let a version score the line's parts from now on. Harmless when the version has that role already.

    A live one takes the place of the live one before, which stays warm as standby.
    """
    now = now or timezone.now()
    current = Assignment.objects.current().filter(line=line)
    mine = current.filter(version=version).first()
    if mine and mine.role == role:
        return mine
    if mine:
        mine.ended_at = now
        mine.save(update_fields=["ended_at"])
    if role == Role.LIVE:
        current.filter(role=Role.LIVE).update(role=Role.STANDBY)
    audit.record("version_assigned", by=by, line=line.slug, subject=f"version {version.name}", role=role)
    return Assignment.objects.create(line=line, version=version, role=role, assigned_at=now)


@transaction.atomic
def end_assignments(*, line: Line, by: User | str, now: datetime | None = None) -> int:
    """No version scores the line any more."""
    ended = Assignment.objects.current().filter(line=line).update(ended_at=now or timezone.now())
    if ended:
        audit.record("assignments_ended", by=by, line=line.slug, subject=line)
    return ended


def load_scorer(version: ModelVersion) -> Scorer:
    """The version's scorer. Raises WeightsRefused when the file is not the one that was registered."""
    scorer = load(weights_path(version))
    if scorer.sha256 != version.weights_sha256:
        raise WeightsRefused("the weights file was altered since it was registered")
    return scorer


def score_next_batch(*, now: datetime | None = None) -> list[Prediction]:
    """Lease a batch of jobs, score it, and write each answer once. Returns the answers written; none: nothing to do."""
    leased = jobs.lease_jobs(now=now or timezone.now())
    written: list[Prediction] = []
    for version_id, group in groupby(sorted(leased, key=lambda job: job.version), key=lambda job: job.version):
        version = ModelVersion.objects.get(pk=version_id)
        written += _score_group(version, list(group))
    return written


def _score_group(version: ModelVersion, group: Sequence[LeasedJob]) -> Iterator[Prediction]:
    for job in group:
        if job.attempts > jobs.MAX_ATTEMPTS:
            yield from _write(job, version, Failure(f"no answer after {jobs.MAX_ATTEMPTS} attempts"))
    for batch in _batches([job for job in group if job.attempts <= jobs.MAX_ATTEMPTS]):
        try:
            answers = load_scorer(version).score([_photos_of(job.inspection) for job in batch])
        except Exception as error:  # whatever it is: one version's fault must not take another's jobs along
            log.error("scoring_failed", version=version.name, error=f"{type(error).__name__}: {error}"[:300])
            yield from _try_again(batch, version, error)
            continue
        for job, answer in zip(batch, answers, strict=True):
            yield from _write(job, version, answer)


def _batches(group: Sequence[LeasedJob]) -> list[list[LeasedJob]]:
    """All first attempts together; what has failed before alone, so that one part's fault stays its own."""
    first = [job for job in group if job.attempts == 1]
    return ([first] if first else []) + [[job] for job in group if job.attempts > 1]


def _try_again(batch: Sequence[LeasedJob], version: ModelVersion, error: Exception) -> Iterator[Prediction]:
    """Give the jobs back; at the last attempt say on the part why there is no answer, and a person judges it."""
    for job in batch:
        if job.attempts < jobs.MAX_ATTEMPTS:
            jobs.give_back(job)
        else:
            yield from _write(job, version, Failure(f"the version could not run: {type(error).__name__}"))


def _photos_of(inspection: int) -> list[Path]:
    part = Inspection.objects.prefetch_related("photos").get(pk=inspection)
    return [path_of(photo.stored) for photo in part.photos.all()]


def _write(job: LeasedJob, version: ModelVersion, answer: Answer | Failure) -> Iterator[Prediction]:
    """Write an answer if the job is still ours; a worker that was too slow writes nothing."""
    prediction = Prediction(
        inspection_id=job.inspection, version=version, retrospective=job.retrospective, timings=answer.timings
    )
    if isinstance(answer, Failure):
        where = "" if answer.photo is None else f"photo {answer.photo + 1}: "
        prediction.null_reason = f"{where}{answer.reason}"[:200]
    else:
        prediction.score = answer.score
        prediction.outcome = "scratched" if answer.score >= version.threshold else "ok"
        prediction.marks = [{"photo": m.photo, "box": list(m.box), "score": m.score} for m in answer.marks]
        prediction.figures = answer.figures
    with transaction.atomic():
        if not jobs.finish(job):
            return
        prediction.save()
        if isinstance(answer, Answer):
            HeatMap.of(prediction, answer.heatmaps).save()
    yield prediction


def heat_map_png(prediction: Prediction, position: int, size: tuple[int, int]) -> bytes:
    """The heat map of one photo in the model's violet, transparent where the model saw nothing."""
    from shadow.vision.heatmap import colourise

    buffer = io.BytesIO()
    colourise(prediction.heat_map.arrays()[position], size).save(buffer, "PNG")
    return buffer.getvalue()
