"""Writes of the shadow: register a version, assign it to a line."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.validators import slug_re
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from inspection import audit
from inspection.models import Line, User
from inspection.photos import keep
from inspection.refusals import BadInput, Conflict
from scoring.answers import WeightsRefused
from shadow.models import Assignment, Evaluation, ModelVersion, Prediction, Role

if TYPE_CHECKING:  # it brings torch, which neither the web nor beat needs
    from shadow.vision.runtime import Scorer


def weights_path(version: ModelVersion) -> Path:
    return Path(settings.MODEL_ROOT) / f"{version.weights_sha256}.safetensors"


def must_have_weights(version: ModelVersion) -> None:
    """Raise Conflict for an earlier inspection system: what asks for weights cannot be done with it."""
    if version.is_imported:
        words = _("{version} is an earlier inspection system: it has no weights, and answers for itself as parts come.")
        raise Conflict(words.format(version=version))


def picture_path(digest: str) -> Path:
    """Where the WebP picture of a card or an evaluation lies. Ask only for a checked SHA-256."""
    return Path(settings.MODEL_ROOT) / "pictures" / f"{digest}.webp"


def check_name(name: str) -> None:
    """Raise BadInput for what cannot be the name of a version."""
    if not slug_re.match(name) or len(name) > 60:
        raise BadInput(f"{name!r} is no name for a version. Use up to 60 letters, digits, hyphens and underscores.")


def register_version(
    *, name: str, weights: bytes, card: dict, by: User | str, pictures: Mapping[str, bytes] = {}
) -> ModelVersion:
    """Keep the weights under their SHA-256 and write the version. Its thresholds are those inside the weights.

    `pictures` are those that the card's gallery names, by SHA-256. Raises BadInput for weights that this code cannot
    run and for a picture under a false name, Conflict when the name is taken by other weights; the same
    name with the same weights again returns the version.
    """
    check_name(name)
    digest = hashlib.sha256(weights).hexdigest()
    known = ModelVersion.objects.filter(name=name).first()
    if known:
        if known.weights_sha256 == digest:
            return known
        raise Conflict(f"The name {name!r} belongs to another version. Choose a new name.")
    from shadow.vision.runtime import scorer_of

    try:
        scorer = scorer_of(weights)
    except (WeightsRefused, KeyError, TypeError, ValueError) as refusal:
        raise BadInput(f"These weights cannot be registered: {refusal}.") from None
    _check_thresholds(scorer)
    _check_pictures(pictures)
    version = ModelVersion(
        name=name, weights_sha256=digest, threshold=scorer.threshold, thresholds=scorer.thresholds, card=card,
        by=audit.name_of(by),
    )  # fmt: skip
    keep(weights, weights_path(version))
    for picture in pictures.values():
        keep_picture(picture)
    with transaction.atomic():
        version.save()
        audit.record("version_registered", by=by, subject=f"version {name}", weights=digest)
    return version


def _check_pictures(pictures: Mapping[str, bytes]) -> None:
    for named, picture in pictures.items():
        if hashlib.sha256(picture).hexdigest() != named:
            raise BadInput(f"The picture {named!r} of the card has another SHA-256. Train again.")


def keep_picture(data: bytes) -> str:
    """Keep a WebP picture under its SHA-256, which is returned. Raises BadInput for what is no WebP."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        raise BadInput("The picture is no WebP.")
    digest = hashlib.sha256(data).hexdigest()
    keep(data, picture_path(digest))
    return digest


@transaction.atomic
def record_evaluation(
    *, version: ModelVersion, source: str, figures: dict[str, Any], curves: dict[str, Any],
    gallery: Sequence[dict[str, Any]], retrospective: dict[str, Any], by: User | str,
) -> Evaluation:  # fmt: skip
    """Write down how a version did on labelled photos. It changes no level and certifies nothing."""
    audit.record("version_evaluated", by=by, subject=f"version {version.name}", source=source, n=figures.get("n"))
    return Evaluation.objects.create(
        version=version, source=source[:200], figures=figures, curves=curves, gallery=list(gallery),
        retrospective=retrospective, by=audit.name_of(by),
    )  # fmt: skip


def _check_thresholds(scorer: Scorer) -> None:
    """The order is what certificates are tested in: rising, inside 0 to 1, at least one."""
    order = scorer.thresholds
    numbers = isinstance(order, list) and all(type(value) in (int, float) and 0 <= value <= 1 for value in order)
    if not numbers or not order or order != sorted(set(order)) or not 0 <= scorer.threshold <= 1:
        raise BadInput("These weights cannot be registered: their thresholds are not rising scores from 0 to 1.")


@transaction.atomic
def assign(
    *, line: Line, version: ModelVersion, role: Role, by: User | str, reason: str = "", now: datetime | None = None
) -> Assignment:
    """Let a version score the line's parts from now on, in a role. Harmless when it has that role already.

    One is live and one is standby at most: the live one before stays warm as standby, the standby before ends.
    """
    wanted = dict(Assignment.objects.current().filter(line=line).values_list("version", "role"))
    if role != Role.CANDIDATE and wanted.get(version.pk) != role:
        wanted = {known: held for known, held in wanted.items() if held != Role.STANDBY}
    if role == Role.LIVE:
        wanted |= {known: Role.STANDBY for known, held in wanted.items() if held == Role.LIVE}
    _let(line, wanted | {version.pk: role}, by=by, reason=reason, now=now or timezone.now())
    return Assignment.objects.current().get(line=line, version=version)


@transaction.atomic
def assign_blue_green(
    *, line: Line, live: ModelVersion, standby: ModelVersion | None, by: User | str, now: datetime | None = None
) -> None:
    """Let exactly these two be live and standby; candidates go on as they are. Harmless when it is so already."""
    candidates = Assignment.objects.current().filter(line=line, role=Role.CANDIDATE).values_list("version", flat=True)
    wanted = dict.fromkeys(candidates, Role.CANDIDATE) | ({standby.pk: Role.STANDBY} if standby else {})
    _let(line, wanted | {live.pk: Role.LIVE}, by=by, now=now or timezone.now())


def _let(line: Line, wanted: Mapping[int, str], *, by: User | str, now: datetime, reason: str = "") -> None:
    """Make the line's assignments those wanted, versions by their keys.

    A version that only changes its role keeps its row: what it has still to score, or has scored, stays its own.
    """
    told = {"reason": reason[:500]} if reason else {}
    rows = {
        row.version_id: row
        for row in Assignment.objects.current().filter(line=line).select_related("version").defer("version__card")
    }
    for version, row in rows.items():
        if version not in wanted:
            row.ended_at = now
            row.save(update_fields=["ended_at"])
            audit.record("assignments_ended", by=by, line=line.slug, subject=f"version {row.version}", **told)
    # Who steps back goes first, for two are never live at once.
    for version in sorted(wanted, key=lambda version: wanted[version] == Role.LIVE):
        known = rows.get(version)
        row = known or Assignment(line=line, version_id=version, assigned_at=now)
        if known and known.role == wanted[version]:
            continue
        row.role = wanted[version]
        row.save(update_fields=["role"] if known else None)
        audit.record("version_assigned", by=by, line=line.slug, subject=f"version {row.version}", role=row.role, **told)


@transaction.atomic
def end_assignment(
    *, line: Line, version: ModelVersion, by: User | str, reason: str = "", now: datetime | None = None
) -> bool:
    """Let a version no longer score the line; says whether it did."""
    wanted = dict(Assignment.objects.current().filter(line=line).values_list("version", "role"))
    known = wanted.pop(version.pk, None)
    _let(line, wanted, by=by, reason=reason, now=now or timezone.now())
    return known is not None


@transaction.atomic
def end_assignments(*, line: Line, by: User | str, now: datetime | None = None) -> int:
    """No version scores the line any more."""
    ended = Assignment.objects.current().filter(line=line).update(ended_at=now or timezone.now())
    if ended:
        audit.record("assignments_ended", by=by, line=line.slug, subject=line)
    return ended


def load_scorer(version: ModelVersion) -> Scorer:
    """The version's scorer. Raises WeightsRefused when the file is not the one that was registered, Conflict for an earlier
    system, which has none."""
    must_have_weights(version)
    from shadow.vision.runtime import load

    scorer = load(weights_path(version))
    if scorer.sha256 != version.weights_sha256:
        raise WeightsRefused("the weights file was altered since it was registered")
    return scorer


def heat_map_png(prediction: Prediction, position: int, size: tuple[int, int]) -> bytes:
    """The heat map of one photo in the model's violet, transparent where the model saw nothing."""
    from shadow.vision.heatmap import colourise

    buffer = io.BytesIO()
    colourise(prediction.heat_map.arrays()[position], size).save(buffer, "PNG")
    return buffer.getvalue()
