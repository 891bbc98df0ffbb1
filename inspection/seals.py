"""Seals the audit trail into a hash chain per line, and finds an edited or missing row."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from django.db import connection, transaction
from django.db.models import Exists, Max, OuterRef, QuerySet

from inspection.models import AuditEvent, AuditSeal
from inspection.unnamed import Known, known, sealed_words

BATCH = 5000
NEWEST = 50_000  # events among which each round looks, hours of a busy factory; see seal_late
SEALERS_LOCK = 0x5EA1  # PostgreSQL's advisory locks are numbers; this one is the sealers'


def digest_of(event: AuditEvent, previous: str, accounts: Known) -> str:
    """SHA-256 over the digest before and the event's own words, persons by their pseudonyms."""
    content = json.dumps(sealed_words(event, accounts), sort_keys=True)
    return hashlib.sha256((previous + content).encode()).hexdigest()


def unsealed(*, since: int = 0) -> QuerySet[AuditEvent]:
    """Events without a link, of those with that key or a later one."""
    # The links are bounded as well, or PostgreSQL would go through all of them.
    sealed = AuditSeal.objects.filter(event_id=OuterRef("pk"), event_id__gte=since)
    return AuditEvent.objects.filter(pk__gte=since).exclude(Exists(sealed)).order_by("pk")


def newest() -> int:
    """The key from which on a round looks for events without a link; before it, they are `seal_late`'s."""
    last = AuditEvent.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    return max(0, last - NEWEST)


def seal_late() -> int:
    """Seal whatever has no link, however old, in batches, and return how many events that were.

    It looks through the whole trail, so it is for once an hour: it finds the event of a transaction that was open while
    NEWEST others came, and what had gathered while nobody sealed.
    """
    since = number = 0
    while (first := unsealed(since=since).first()) is not None:
        since = first.pk  # whatever is older has its link
        number += seal_trail(since=since)
    return number


@transaction.atomic
def seal_trail(*, line: str | None = None, limit: int = BATCH, since: int | None = None) -> int:
    """Add a link for each unsealed event (of one line, or of all) and return their number.

    It looks among the newest events, or among those `since` a key: to look through the whole trail takes seconds.
    """
    _one_sealer_at_a_time()
    waiting = unsealed(since=newest() if since is None else since)
    events = list((waiting if line is None else waiting.filter(line=line))[:limit])
    accounts = known(events)
    heads: dict[str, tuple[int, str]] = {}
    links = []
    for event in events:
        if event.line not in heads:
            last = AuditSeal.objects.filter(line=event.line).order_by("-number").first()
            heads[event.line] = (last.number, last.digest) if last else (0, "")
        number, previous = heads[event.line]
        heads[event.line] = (number + 1, digest_of(event, previous, accounts))
        links.append(AuditSeal(line=event.line, number=number + 1, event_id=event.pk, digest=heads[event.line][1]))
    AuditSeal.objects.bulk_create(links)
    return len(links)


def _one_sealer_at_a_time() -> None:
    """Wait for another sealer's transaction, or both would forge the same link and a level change would fail by it.

    SQLite has one writer at a time as it is.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SEALERS_LOCK])


@dataclass
class TrailReport:
    """What a walk along the chains found."""

    sealed: int = 0
    unsealed: int = 0
    purged: int = 0  # by retention, as its own events tell
    broken: list[str] = field(default_factory=list)


def purged() -> dict[str, tuple[int, int]]:
    """Of each line whose old events retention has let go: up to which link, and how many in all."""
    last = AuditEvent.objects.filter(action="history_purged", data__has_key="links").order_by("-pk").first()
    return {line: (link, number) for line, (link, number) in last.data["links"].items()} if last else {}


def heads() -> dict[str, str]:
    """The digest of each chain's last link, by line ("" is the factory's). Kept elsewhere they show that none was cut."""
    lines = AuditSeal.objects.order_by("line").values_list("line").annotate(last=Max("number"))
    return {line: AuditSeal.objects.get(line=line, number=last).digest for line, last in lines}


def verify_trail(heads_known: Iterable[tuple[str, str]] = ()) -> TrailReport:
    """Walk every chain from its first link. An edited, missing or reordered row is named.

    Cut off at its end, or written anew from its first row on, a chain still holds together: `heads_known` are
    lines with digests that were their heads once: each has to be among the links.
    """
    report, accounts = TrailReport(unsealed=unsealed().count()), known()
    told, gone = purged(), Counter[str]()
    line: str | None = None
    number, previous = 0, ""
    for seal, event in _links():
        if seal.line != line:
            line, number, previous = seal.line, 0, ""
        where = f"link {seal.number} of {seal.line or 'the factory'}"
        gap = seal.number != number + 1
        if gap:
            report.broken.append(f"{where}: link {number + 1} is missing")
        if event is None and seal.number <= told.get(seal.line, (0, 0))[0]:
            gone[seal.line] += 1
        elif event is None:
            report.broken.append(f"{where}: event {seal.event_id} is missing")
        elif (
            not gap and digest_of(event, previous, accounts) != seal.digest
        ):  # behind a gap the digest before is not known
            report.broken.append(f"{where}: event {seal.event_id} does not match its seal")
        number, previous = seal.number, seal.digest
        report.sealed += 1
    for of_line, (last, number) in told.items():
        if gone[of_line] != number:
            where = f"links up to {last} of {of_line or 'the factory'}"
            report.broken.append(f"{where}: {number} events were purged by retention, and {gone[of_line]} are missing")
    report.purged = gone.total()
    for of_line, digest in heads_known:
        if not AuditSeal.objects.filter(line=of_line, digest=digest).exists():
            where = of_line or "the factory"
            report.broken.append(f"the chain of {where} has no link {digest}: it was cut off or written anew")
    return report


def _links() -> Iterator[tuple[AuditSeal, AuditEvent | None]]:
    """Every link in the order of its chain, with its event when that is there; a batch in memory at a time."""
    batch: list[AuditSeal] = []
    for seal in AuditSeal.objects.order_by("line", "number").iterator(chunk_size=BATCH):
        batch.append(seal)
        if len(batch) == BATCH:
            yield from _with_events(batch)
            batch = []
    yield from _with_events(batch)


def _with_events(batch: list[AuditSeal]) -> Iterator[tuple[AuditSeal, AuditEvent | None]]:
    events = AuditEvent.objects.in_bulk([seal.event_id for seal in batch])
    for seal in batch:
        yield seal, events.get(seal.event_id)
