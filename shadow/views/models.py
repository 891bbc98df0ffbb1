"""The pages of the model versions."""

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from inspection.refusals import Unknown
from inspection.roles import May, caller, may, needs
from inspection.sheets import csv_response
from inspection.views.photos import served
from shadow.actions import picture_path
from shadow.cards import current_assignments, health, read_card
from shadow.lineage import lineage_of, snapshot_rows
from shadow.models import ModelVersion
from shadow.studies import pictures_of, studies_of
from shadow.versions import find_version


@needs(May.READ_EVIDENCE)
@require_safe
def models(request: HttpRequest) -> HttpResponse:
    """The registered model versions, newest first."""
    by = caller(request)
    rows = [(version, current_assignments(version, by), health(version)) for version in ModelVersion.objects.all()]
    return render(request, "shadow/models.html", {"rows": rows, "sets_up": may(by, May.SET_UP)})


@needs(May.READ_EVIDENCE)
@require_safe
def model_card(request: HttpRequest, name: str) -> HttpResponse:
    """One version: what it was made of, how good it was then, and how it does now."""
    version = find_version(name)
    studies = studies_of(version)
    return render(request, "shadow/model_card.html", {
        "version": version, "card": read_card(version.card), "health": health(version),
        "assignments": current_assignments(version, caller(request)), "studies": studies,
        "drawn": any(study.at is None for study in studies),  # the card's own figures stand above their charts
    })  # fmt: skip


@needs(May.READ_EVIDENCE)
@require_safe
def lineage(request: HttpRequest, name: str) -> HttpResponse:
    """Where a version comes from, and what it answered."""
    version = find_version(name)
    found = lineage_of(version, caller(request))
    return render(request, "shadow/lineage.html", {"version": version, "lineage": found})


@needs(May.READ_EVIDENCE)
@require_safe
def lineage_file(request: HttpRequest, name: str) -> HttpResponseBase:
    """The parts that a version was trained, calibrated and tested on, as CSV."""
    found = lineage_of(find_version(name), caller(request))
    if found.snapshot is None:
        raise Unknown(_("{version} was trained without a snapshot of a line.").format(version=name))
    return csv_response(f"lineage-of-{name}", snapshot_rows(found.snapshot, caller(request)))


@needs(May.READ_EVIDENCE)
@require_safe
def model_picture(request: HttpRequest, name: str, digest: str) -> HttpResponseBase:
    """A picture of a version's failures; only what its card or its evaluations name."""
    version = find_version(name)
    if digest not in pictures_of(version):
        raise Unknown(f"The card of {name} names no picture {digest}.")
    return served(request, picture_path(digest), digest, "image/webp")
