"""Parts of known truth: kept to be shown again, and retired when they are worn out or in doubt."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from inspection import audit
from inspection.actions.moving import lock
from inspection.models import Inspection, Origin, Reference, Sample, Truth, User
from inspection.moves import State
from inspection.refusals import BadInput, Conflict
from inspection.roles import May, must

JUDGED = (State.DECIDED, State.CLOSED)


@transaction.atomic
def keep_reference(
    *, inspection: Inspection, truth: str, reason: str, by: User, now: datetime | None = None
) -> Reference:
    """Keep a judged part as one of known truth, to be mixed in as a seeded part; a retired one is kept again.

    The same truth again is harmless. Raises BadInput without a truth or a reason, Conflict for a part that is open,
    seeded, among the samples, or kept with the other truth.
    """
    must(by, May.SUPERVISE)
    part = lock(inspection)
    by.must_work_on(part.line)
    if truth not in Truth.values:
        given = {"truth": repr(truth), "known": ", ".join(Truth.values)}
        raise BadInput(_("The truth %(truth)s is not one of %(known)s.") % given)
    if not reason.strip():
        raise BadInput(_("Say how the truth is known."))
    kept = Reference.objects.filter(inspection=part).first() or Reference(inspection=part)
    if kept.pk and kept.retired_at is None:
        if kept.truth == truth:
            return kept
        words = _("Part {serial} is kept as {truth}. Retire that reference first, then keep it anew.")
        raise Conflict(words.format(serial=part.serial, truth=str(Truth(kept.truth).label).lower()))
    _must_be_fit(part)
    kept.truth, kept.reason, kept.by, kept.at = truth, reason.strip()[:500], by, now or timezone.now()
    kept.retired_at = kept.retired_by = None
    kept.save()
    audit.record(
        "reference_kept", by=by, line=part.line.slug, subject=part, truth=truth, reason=kept.reason
    )  # fmt: skip
    return kept


def _must_be_fit(part: Inspection) -> None:
    if part.origin == Origin.SEEDED:
        raise Conflict(_("Part {serial} is itself shown again. Keep the part behind it.").format(serial=part.serial))
    if part.state not in JUDGED:
        words = _("Part {serial} is not judged yet. It can be a reference once it is.")
        raise Conflict(words.format(serial=part.serial))
    if Sample.objects.filter(line=part.line, stored__in=part.photos.values("stored")).exists():
        words = _("A photo of part {serial} is among the samples, where inspectors see it. Remove that sample first.")
        raise Conflict(words.format(serial=part.serial))


@transaction.atomic
def retire_reference(*, reference: Reference, by: User, now: datetime | None = None) -> Reference:
    """Show a reference no more. What was judged of it stays; a second call is harmless."""
    must(by, May.SUPERVISE)
    reference = (
        Reference.objects.select_for_update(of=("self",)).select_related("inspection__line").get(pk=reference.pk)
    )
    line = reference.inspection.line
    by.must_work_on(line)
    if reference.retired_at is None:
        reference.retired_at, reference.retired_by = now or timezone.now(), by
        reference.save()
        audit.record("reference_retired", by=by, line=line.slug, subject=reference.inspection, truth=reference.truth)
    return reference
