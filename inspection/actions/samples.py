"""Samples to compare with: photos of good parts, and limit samples that show where good ends."""

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from inspection import audit
from inspection.models import Line, Photo, Reference, Sample, User, Variant
from inspection.moves import OPEN
from inspection.photos import clean_photo, keep_photo
from inspection.refusals import BadInput, Conflict
from inspection.roles import May, must


def refuse_open_part(photo: Photo) -> None:
    """Raise Conflict while somebody has yet to judge the part: as a sample its photo would give the answer away."""
    part = photo.inspection
    if part.state in OPEN:
        words = _("Part {serial} is still open. Its photo can be a sample once it is judged.")
        raise Conflict(words.format(serial=part.serial))
    if Reference.objects.filter(inspection__photos__stored=photo.stored, retired_at=None).exists():
        words = _("Part {serial} is a reference that measures inspectors, who would know its photo. Retire it first.")
        raise Conflict(words.format(serial=part.serial))


def add_sample(
    *, line: Line, meaning: str, photo: bytes | Photo, by: User, variant: Variant | None = None, view: str = "",
    caption: str = "",
) -> Sample:  # fmt: skip
    """Keep a photo as a sample of the line: the bytes of an upload, or a photo of a part that has been judged.

    Raises BadInput for what is no photo or no meaning, Conflict for an open part or a photo that is a sample already.
    """
    must(by, May.KEEP_SAMPLES)
    by.must_work_on(line)
    kept = photo if isinstance(photo, Photo) else clean_photo(photo)
    if isinstance(kept, Photo):
        refuse_open_part(kept)
    else:
        keep_photo(kept)  # stored before the row that names it, and outside its transaction: a bucket may be slow
    sample = Sample(
        line=line, meaning=meaning, variant=variant, view=view.strip(), caption=caption.strip(),
        stored=kept.stored, format=kept.format, width=kept.width, height=kept.height,
    )  # fmt: skip
    with transaction.atomic():
        if known := line.samples.filter(stored=kept.stored).first():
            raise Conflict(_("{line} has this photo among its samples: {sample}.").format(line=line, sample=known))
        try:
            sample.full_clean()
        except ValidationError as error:
            raise BadInput(*error.messages) from None
        sample.save()
        _tell("sample_added", sample, by, **({"photo": photo.pk} if isinstance(photo, Photo) else {}))
    return sample


@transaction.atomic
def remove_sample(*, sample: Sample, by: User) -> None:
    """Take a sample away. Its bytes stay in the photo store: a part's photo may lie under the same digest."""
    must(by, May.KEEP_SAMPLES)
    by.must_work_on(sample.line)
    _tell("sample_removed", sample, by)
    sample.delete()


def _tell(action: str, sample: Sample, by: User, **source: int) -> None:
    said = {"meaning": sample.meaning, "caption": sample.caption, "view": sample.view, "stored": sample.stored}
    variant = sample.variant.slug if sample.variant else ""
    audit.record(action, by=by, line=sample.line.slug, subject=sample, variant=variant, **said, **source)
