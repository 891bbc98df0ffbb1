"""Who made a report, when, of what and with what: the facts that stand on every file that leaves the house."""

from datetime import datetime

from django.utils.translation import gettext as _

from inspection.models import User
from inspection.people import name_for
from inspection.roles import roles_of
from shadow.dossier import Dossier
from shadow.report_page import EVIDENCE
from shadow.reports import sentence
from shadow.tables import digest_of, software

Facts = list[tuple[str, str]]


def imprint(found: Dossier, by: User, now: datetime) -> Facts:
    """The facts of a file as (what, value): its sentence, who and when, the filters, the evidence, versions, digest."""
    return [
        (_("Result"), sentence(found.report)),
        *made(found, by, now),
        *filters(found),
        (_("Evidence"), _(found.asked.evidence).capitalize()),
        (_("What that means"), str(EVIDENCE[found.asked.evidence])),
        (_("Rows"), rows_counted(found)),
        (
            _("Intervals"),
            # xgettext:no-python-format
            _("95 % confidence, two-sided"),
        ),
        *models(found),
        (_("Software"), software()),
        (_("SHA-256 of the JSON export"), digest_of(found)),
    ]


def made(found: Dossier, by: User, now: datetime) -> Facts:
    """By whom and when, in the line's own zone."""
    roles = ", ".join(_(role) for role in sorted(roles_of(by)))
    person = f"{by} ({by.username}, {roles})" if str(by) != by.username else f"{by} ({roles})"
    zone = found.asked.lines[0]
    local = now.astimezone(zone.zone)
    return [(_("Made by"), person), (_("Made at"), f"{local:%Y-%m-%d %H:%M:%S %z} ({zone.time_zone})")]


def filters(found: Dossier) -> Facts:
    """What was asked for, in words; what is left open is named too."""
    asked = found.asked
    narrow = asked.narrow
    edges = (asked.span.start, asked.span.end)
    first, last = (edge.isoformat() if edge else _("no limit") for edge in edges)
    every = _("all")
    return [
        (_("Line"), ", ".join(f"{line.name} ({line.slug})" for line in asked.lines)),
        (_("From"), first),
        (_("To"), last),
        (_("Station"), narrow.station.name if narrow.station else every),
        (_("Variant"), narrow.variant.name if narrow.variant else every),
        (_("Inspector"), name_for(asked.reader, narrow.inspector) if narrow.inspector and asked.reader else every),
        (_("Lot"), narrow.lot or every),
    ]


def models(found: Dossier) -> Facts:
    """Each version with the digest of its weights and its operating threshold."""
    trained = _("{name}, weights SHA-256 {digest}, operating threshold {threshold:.6g}")
    imported = _("{name}, an earlier system, declaration SHA-256 {digest}, operating threshold {threshold:.6g}")
    return [
        (
            _("Model version"),
            (imported if row.is_imported else trained).format(
                name=row.name, digest=row.weights_sha256, threshold=row.threshold
            ),
        )
        for row in found.asked.versions
    ] or [(_("Model version"), _("none has scored parts here"))]


def rows_counted(found: Dossier) -> str:
    """How many rows of the database were counted, and how many of them are in no figure."""
    report = found.report
    left = sum(report.excluded.values())
    words = _("{total:,} pairs of prediction and part: {n:,} in the figures, {left:,} left out for the reasons given")
    return words.format(total=report.confusion.n + left, n=report.confusion.n, left=left)
