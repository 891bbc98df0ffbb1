"""What a settled part may be used for: training, measuring the inspectors, showing them the limit. Never two at odds.

The rules are pure and return reasons; a page prints them on the disabled button, an action raises them.
"""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from inspection.models import Inspection, Photo, Reference, Sample, Truth
from inspection.moves import OPEN
from shadow import truth
from shadow.models import TrainingPart


@dataclass(frozen=True)
class Uses:
    """What a part is found to be and used for now. `photos` are those shown to inspectors, by the keys of the bytes."""

    found: truth.Found
    open: bool
    reference: str = ""  # the truth under which it measures the inspectors; empty: it does not
    taught: str | None = None  # the label that the training takes; empty: it is left out; None: as it was judged
    shown: frozenset[str] = frozenset()

    @property
    def serial(self) -> str:
        return self.found.serial


def uses_of(part: Inspection) -> Uses:
    """What the rules ask of a part, in four queries and those of its pairs."""
    reference = Reference.objects.filter(inspection=part, retired_at=None).first()
    photos = part.photos.values("stored")
    shown = Sample.objects.filter(line=part.line_id, stored__in=photos).values_list("stored", flat=True)
    return Uses(
        truth.found_on(part), part.state in OPEN, reference.truth if reference else "", label_of(part), frozenset(shown)
    )


def label_of(part: Inspection) -> str | None:
    """The label that a supervisor set for the training: the last row holds. None: nobody has."""
    row = TrainingPart.objects.filter(inspection=part).last()
    return row.label if row else None


def against_teaching(uses: Uses, label: str) -> list[str]:
    """Why the part cannot be taught under a label; an empty one leaves it out of the training, which always may be."""
    if not label:
        return []
    if reasons := truth.against(uses.found):
        return reasons
    if label != uses.found.truth:
        words = _("Part {serial} was found to be {truth}; it can be taught as nothing else.")
        return [words.format(serial=uses.serial, truth=word_of(uses.found.truth))]
    if uses.reference:
        words = _(
            "Part {serial} is a seeded part: a model that has learned it could not be measured beside the inspectors. "
            "Retire it first."
        )
        return [words.format(serial=uses.serial)]
    return []


def against_both(serial: str, taught: str | None) -> list[str]:
    """Why a part that is taught cannot measure people too."""
    if not taught:
        return []
    words = _(
        "Part {serial} is in the training set: a model that has learned it could not be measured beside the "
        "inspectors. Leave it out of the training first."
    )
    return [words.format(serial=serial)]


def against_measuring(uses: Uses) -> list[str]:
    """Why the part cannot be kept as one of known truth."""
    if reasons := truth.against(uses.found):
        return reasons
    if reasons := against_both(uses.serial, uses.taught):
        return reasons
    if uses.shown:
        words = _("A photo of part {serial} is among the samples, where inspectors see it. Remove that sample first.")
        return [words.format(serial=uses.serial)]
    if uses.reference and uses.reference != uses.found.truth:
        words = _("Part {serial} is kept as {truth}. Retire that reference first, then keep it anew.")
        return [words.format(serial=uses.serial, truth=word_of(uses.reference))]
    return []


def against_showing(uses: Uses, photo: Photo) -> list[str]:
    """Why this photo cannot be a limit sample."""
    if reasons := truth.against(uses.found):
        return reasons
    if uses.reference:
        words = _("Part {serial} measures the inspectors, who would know its photo. Retire it first.")
        return [words.format(serial=uses.serial)]
    if photo.stored in uses.shown:
        return [_("This photo is among the samples already.")]
    return against_looking(uses)


def against_looking(uses: Uses) -> list[str]:
    """Why nobody can be asked for a second look."""
    if uses.open:
        return [_("Part {serial} is open again: somebody judges it anyhow.").format(serial=uses.serial)]
    return []


def word_of(value: str) -> str:
    """A truth inside a sentence."""
    return str(Truth(value).label).lower()
