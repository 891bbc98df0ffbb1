"""What became of parts, as other systems of the factory take it: one flat record a disposition, in the order of the rows.

The rows are history and are never rewritten, so a reader who remembers the last `id` follows them without loss. Nobody is
named: a record says that a person decided, not who.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from inspection.models import Defect, Disposition, Line, Origin
from inspection.moves import OPEN, State
from inspection.planning import unindexed

SETTLED = timedelta(seconds=30)  # longer than any request: rows may commit out of the order of their keys
# The names that docs/integration.md promises; new ones are added at the end.
COLUMNS = (
    "id", "inspection", "key", "serial", "lot", "variant", "line", "station", "captured_at", "disposition", "decided_by",
    "reason", "defects", "at", "changed", "holds",
)  # fmt: skip


def newest_settled(now: datetime) -> int:
    """The key of the newest disposition before which none can appear any more; 0 without one."""
    rows = Disposition.objects.filter(at__lte=now - SETTLED).order_by("-pk")
    return rows.values_list("pk", flat=True).first() or 0


def last_before(moment: datetime) -> int:
    """A key up to which every disposition was made before that moment; 0 without one."""
    rows = Disposition.objects.filter(at__lt=moment - SETTLED).order_by("-pk")
    return rows.values_list("pk", flat=True).first() or 0


def of_production(*, after: int, upto: int, lines: QuerySet[Line]) -> QuerySet[Disposition]:
    """The dispositions in (after, upto] of the lines' own parts, oldest first: no import, no replay, no seeded part."""
    earlier = Disposition.objects.filter(inspection=OuterRef("inspection"), pk__lt=OuterRef("pk"))
    newer = Disposition.objects.filter(inspection=OuterRef("inspection"), pk__gt=OuterRef("pk"))
    live = Q(inspection__origin=Origin.LIVE) | Q(inspection__origin=Origin.SIMULATED, inspection__line__demo=True)
    # By the range of keys: SQLite else begins with all the parts of a line.
    rows = Disposition.objects.alias(on_line=unindexed("inspection__line"))
    rows = rows.filter(live, pk__gt=after, pk__lte=upto, on_line__in=lines.values("pk"))
    rows = rows.annotate(changed=Exists(earlier), superseded=Exists(newer))
    return rows.select_related("inspection__line", "inspection__station", "inspection__variant").order_by("pk")


def in_chunks(rows: QuerySet[Disposition], size: int) -> Iterator[list[Disposition]]:
    """The rows, some at a time in memory, each chunk a short query of its own: a slow reader holds no cursor open."""
    after = 0
    while found := list(rows.filter(pk__gt=after)[:size]):
        yield found
        after = found[-1].pk


def records_of(rows: Sequence[Disposition]) -> list[dict[str, Any]]:
    """Rows of `of_production` as records.

    `changed`: it took the place of an earlier one. `holds`: it was the part's disposition when this was read; a row that
    was replaced, or whose verdict was taken back, does not hold.
    """
    marks = _marks([row.verdict_id for row in rows if row.verdict_id])
    return [_record(row, marks.get(row.verdict_id or 0, [])) for row in rows]


def _record(row: Disposition, defects: list[dict[str, Any]]) -> dict[str, Any]:
    part, by_person = row.inspection, not row.by_machine
    taken_back = by_person and State(part.state) in OPEN
    return {
        "id": row.pk, "inspection": part.pk, "key": part.idempotency_key, "serial": part.serial, "lot": part.lot,
        "variant": part.variant.slug if part.variant else "", "line": part.line.slug,
        "station": part.station.slug if part.station else "", "captured_at": part.captured_at.isoformat(),
        "disposition": row.outcome, "decided_by": "person" if by_person else "machine", "reason": row.reason,
        "defects": defects, "at": row.at.isoformat(), "changed": row.changed,  # type: ignore[attr-defined]
        "holds": not (row.superseded or taken_back),  # type: ignore[attr-defined]
    }  # fmt: skip


def _marks(verdicts: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """What the persons marked whose verdicts decided. A box is x, y, width, height in shares of the photo.

    Read apart: Django's own prefetching makes a query set for each verdict, which took a third of an export.
    """
    fields = ("verdict_id", "photo__position", "photo__view", "kind__slug", "severity", "x", "y", "width", "height")
    found: dict[int, list[dict[str, Any]]] = {}
    for verdict, position, view, kind, severity, *box in (
        Defect.objects.filter(verdict__in=verdicts).order_by("pk").values_list(*fields)
    ):  # fmt: skip
        mark = {"photo": position + 1, "view": view, "kind": kind, "severity": severity, "box": box}
        found.setdefault(verdict, []).append(mark)
    return found
