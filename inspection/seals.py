"""Seals the audit trail into a hash chain per line, and finds an edited or missing row."""

import hashlib
import json
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Exists, OuterRef

from inspection.models import AuditEvent, AuditSeal


def digest_of(event: AuditEvent, previous: str) -> str:
    """SHA-256 over the digest before and the event's own words."""
    content = [event.pk, event.at.isoformat(), event.by, event.action, event.line, event.subject, event.data]
    return hashlib.sha256((previous + json.dumps(content, sort_keys=True)).encode()).hexdigest()


def unsealed():
    sealed = AuditSeal.objects.filter(event_id=OuterRef("pk"))
    return AuditEvent.objects.exclude(Exists(sealed)).order_by("pk")


@transaction.atomic
def seal_trail(*, line: str | None = None, limit: int = 5000) -> int:
    """Add a link for each unsealed event (of one line, or of all) and return their number.

    Two sealers at once: the chain's number is unique per line, so the later one fails and tries again next time.
    """
    events = unsealed() if line is None else unsealed().filter(line=line)
    heads: dict[str, tuple[int, str]] = {}
    links = []
    for event in events[:limit]:
        if event.line not in heads:
            last = AuditSeal.objects.filter(line=event.line).order_by("-number").first()
            heads[event.line] = (last.number, last.digest) if last else (0, "")
        number, previous = heads[event.line]
        heads[event.line] = (number + 1, digest_of(event, previous))
        links.append(AuditSeal(line=event.line, number=number + 1, event_id=event.pk, digest=heads[event.line][1]))
    AuditSeal.objects.bulk_create(links)
    return len(links)


@dataclass
class TrailReport:
    """What a walk along the chains found."""

    sealed: int = 0
    unsealed: int = 0
    broken: list[str] = field(default_factory=list)


def verify_trail() -> TrailReport:
    """Walk every chain from its first link. An edited, missing or reordered row is named."""
    report = TrailReport(unsealed=unsealed().count())
    heads: dict[str, tuple[int, str]] = {}
    seals = list(AuditSeal.objects.order_by("line", "number"))
    events = {event.pk: event for event in AuditEvent.objects.iterator(chunk_size=5000)}
    for seal in seals:
        where = f"link {seal.number} of {seal.line or 'the factory'}"
        number, previous = heads.get(seal.line, (0, ""))
        event = events.get(seal.event_id)
        if seal.number != number + 1:
            report.broken.append(f"{where}: link {number + 1} is missing")
        if event is None:
            report.broken.append(f"{where}: event {seal.event_id} is missing")
        elif digest_of(event, previous) != seal.digest:
            report.broken.append(f"{where}: event {seal.event_id} does not match its seal")
        heads[seal.line] = (seal.number, seal.digest)
        report.sealed += 1
    return report
