"""Let a station decide while the network is down: export a bundle, end it, and renew the ticket by which it holds."""

import hashlib
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone

from automation import policies
from automation.edge_bundles import bundle_path, end_of, latest, packed, standing_of
from automation.edge_rules import HOURS, MOST, why_not_asked_so, why_not_to_decide
from automation.models import EdgeBundle, EdgeEnd, EdgeTicket
from inspection import audit, seals
from inspection.models import Line, Station, User
from inspection.photos import keep
from inspection.reasons import stated
from inspection.refusals import BadInput, Conflict
from inspection.roles import May, must
from scoring.answers import WeightsRefused
from shadow.actions import load_scorer
from shadow.actions.versions import weights_path
from shadow.graph_files import files_made_apart
from shadow.models import ModelVersion

RENEW_AFTER = timedelta(minutes=10)  # a station asks every few seconds, and each ticket is a row


class Ticket(NamedTuple):
    """The bundle that a station may use and until when; or neither, and the reasons."""

    bundle: EdgeBundle | None
    ticket: EdgeTicket | None
    reasons: list[str]


def export_bundle(
    *, line: Line, station: Station, by: User, hours: int = HOURS, most: int = MOST, now: datetime | None = None
) -> EdgeBundle:
    """Make the bundle by which a station may decide up to `most` parts, each time for `hours` after the server last agreed.

    It takes the place of the station's last one. Raises Conflict with every reason why the line may not have it,
    BadInput for hours or numbers out of range.
    """
    must(by, May.PROPOSE)
    by.must_work_on(line)
    if reasons := why_not_asked_so(hours, most):
        raise BadInput(*reasons)
    if station.line_id != line.pk:
        raise BadInput(f"{station.name} is no station of {line.name}.")
    policy = policies.in_force(line)
    reasons = why_not_to_decide(standing_of(line, station, policy))
    if reasons or policy.version is None:
        raise Conflict(*reasons)
    files = _files_of(policy.version)  # seconds, for which nobody should wait
    return _export(line, station, by, policy.number, hours, most, files, now=now or timezone.now())


def _files_of(version: ModelVersion) -> dict[str, bytes]:
    try:
        if "torch" not in sys.modules:
            return files_made_apart(weights_path(version), version.weights_sha256)
        from shadow.vision.runtime import files_of

        return files_of(load_scorer(version))
    except WeightsRefused as refusal:
        raise Conflict(f"{version} cannot be exported: {refusal}.") from None


@transaction.atomic
def _export(
    line: Line,
    station: Station,
    by: User,
    number: int,
    hours: int,
    most: int,
    files: Mapping[str, bytes],
    *,
    now: datetime,
) -> EdgeBundle:
    line = Line.objects.select_for_update().get(pk=line.pk)
    policy = policies.in_force(line)
    policies.must_be_as_read(line, policy, number)
    standing = standing_of(line, station, policy)
    reasons = why_not_to_decide(standing)
    if reasons or policy.version is None or policy.pass_below is None or policy.reject_from is None:
        raise Conflict(*reasons)  # somebody has changed the line meanwhile
    last = EdgeBundle.objects.filter(line=line).first()
    bundle = EdgeBundle(
        line=line, station=station, number=last.number + 1 if last else 1, policy=policy, version=policy.version,
        pass_below=policy.pass_below, reject_from=policy.reject_from, strata=standing.own_strata, most=most, hours=hours,
        by=by.username, at=now,
    )  # fmt: skip
    content = packed(bundle, files)
    bundle.sha256 = hashlib.sha256(content).hexdigest()
    keep(content, bundle_path(bundle.sha256))  # on the disk before the row that names it
    bundle.save()
    audit.record(
        "bundle_exported", by=by, line=line.slug, subject=bundle, station=station.slug, number=bundle.number,
        version=bundle.version.name, policy=policy.number, most=most, hours=hours, sha256=bundle.sha256,
    )  # fmt: skip
    seals.seal_trail(line=line.slug)
    return bundle


@transaction.atomic
def end_bundle(*, bundle: EdgeBundle, by: User, reason: str, now: datetime | None = None) -> EdgeEnd:
    """End a bundle: the station keeps to it until it hears of that, or its ticket ends. Raises Conflict where it has ended."""
    must(by, May.SUPERVISE)
    by.must_work_on(bundle.line)
    reason = stated(reason, "Say why; the reason stands in the audit trail.")
    Line.objects.select_for_update().get(pk=bundle.line_id)
    if ending := end_of(bundle):
        raise Conflict(f"Bundle {bundle.number} has ended already: {ending.why}.")
    row = EdgeEnd.objects.create(bundle=bundle, reason=reason, by=by.username, at=now or timezone.now())
    audit.record(
        "bundle_ended", by=by, line=bundle.line.slug, subject=bundle, number=bundle.number, reason=reason
    )  # fmt: skip
    seals.seal_trail(line=bundle.line.slug)
    return row


def ticket_for(*, line: Line, station: Station, now: datetime | None = None) -> Ticket:
    """The ticket of the station's bundle, renewed where the last one is older than ten minutes; or why there is none."""
    now = now or timezone.now()
    bundle = latest(line, station)
    if bundle is None:
        return Ticket(None, None, [f"{station.name} has no bundle: an admin exports one."])
    if reasons := _why_none(bundle):
        return Ticket(None, None, reasons)
    last = bundle.tickets.last()
    if last and timedelta() <= now - last.issued_at < RENEW_AFTER:
        return Ticket(bundle, last, [])
    return _renew(bundle, now)


def _why_none(bundle: EdgeBundle) -> list[str]:
    if ending := end_of(bundle):
        return [f"Bundle {bundle.number} has ended: {ending.why}."]
    return why_not_to_decide(standing_of(bundle.line, bundle.station))


@transaction.atomic
def _renew(bundle: EdgeBundle, now: datetime) -> Ticket:
    """Under the line's lock: no ticket is given out beside a halt or a lowering that is just being written."""
    Line.objects.select_for_update(no_key=True).get(pk=bundle.line_id)
    if reasons := _why_none(bundle):
        return Ticket(None, None, reasons)
    ends_at = now + timedelta(hours=bundle.hours)
    ticket = EdgeTicket.objects.create(bundle=bundle, issued_at=now, ends_at=ends_at)
    return Ticket(bundle, ticket, [])
