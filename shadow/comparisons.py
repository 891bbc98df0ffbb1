"""A pair as reports count it, and the sums of many: what the rows come to, without a table of its own."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from django.db.models import QuerySet

from shadow.agreement import Confusion
from shadow.days import Calendar
from shadow.models import Prediction
from shadow.models.counted import Standing
from shadow.pairs import CELLS, NOT_JUDGED, counts_as_live, findings_of, judged_of, kind_of
from shadow.scores import ScoreCounts, bin_of

CELL_NAMES = frozenset(CELLS.values())
SCRATCHED = frozenset({"escape", "both_scratched"})  # where the person's answer is scratched
MILLION = 1_000_000


class Counted(NamedTuple):
    """A pair as it is counted; the names are the columns of `Comparison`."""

    prediction_id: int
    inspection_id: int
    line_id: int
    version_id: int
    station_id: int | None
    variant_id: int | None
    inspector_id: int | None
    lot: str
    day: date
    received_at: datetime
    judged_at: datetime | None
    kind: str
    standing: str
    score: float | None
    finding: str


class Key(NamedTuple):
    """What a tally counts for; the names are the columns of `DayTally`."""

    line_id: int
    version_id: int
    day: date
    kind: str
    station_id: int | None
    variant_id: int | None
    inspector_id: int | None


def key_of(row: Counted) -> Key:
    return Key(row.line_id, row.version_id, row.day, row.kind, row.station_id, row.variant_id, row.inspector_id)


@dataclass
class Sums:
    """Pairs by standing, findings by cell and who was right, and by bin of the scores [judged ok, scratched, millionths].

    Bins are texts, as JSON keeps them. Zeros may stand for nothing: compare with `tidy`.
    """

    standing: Counter[str] = field(default_factory=Counter)
    findings: dict[str, Counter[str]] = field(default_factory=dict)
    scores: dict[str, list[int]] = field(default_factory=dict)

    def add(self, standing: str, score: float | None, finding: str, times: int = 1) -> None:
        """Count a pair, or with -1 take it away."""
        self.standing[standing] += times
        if standing in CELL_NAMES and score is not None:
            bin = self.scores.setdefault(str(bin_of(score)), [0, 0, 0])
            bin[1 if standing in SCRATCHED else 0] += times
            bin[2] += times * round(score * MILLION)
            if finding:
                self.findings.setdefault(standing, Counter())[finding] += times

    def move(self, other: "Sums", *, scores: bool = True) -> None:
        """Add another's counts to these; its counts may be negative. Scores are many: leave them where nobody asks."""
        for standing, n in other.standing.items():
            self.standing[standing] += n
        for cell, found in other.findings.items():
            self.findings.setdefault(cell, Counter()).update(found)
        for place, bin in other.scores.items() if scores else ():
            mine = self.scores.get(place, (0, 0, 0))
            self.scores[place] = [mine[0] + bin[0], mine[1] + bin[1], mine[2] + bin[2]]

    def tidy(self) -> "Sums":
        """The same without zeros."""
        findings = {cell: +found for cell, found in self.findings.items() if any(found.values())}
        return Sums(+self.standing, findings, {place: bin for place, bin in self.scores.items() if any(bin)})

    @property
    def confusion(self) -> Confusion:
        return Confusion(*(self.standing[cell] for cell in ("both_ok", "overkill", "escape", "both_scratched")))

    @property
    def score_counts(self) -> ScoreCounts:
        return ScoreCounts.from_bins({int(place): (bin[0], bin[1], bin[2]) for place, bin in self.scores.items()})


ROW = (
    "inspection_id", "pk", "inspection__line_id", "version_id", "inspection__station_id", "inspection__variant_id",
    "inspection__lot", "inspection__received_at", "score", "outcome", "retrospective", "inspection__draw__blind",
    "inspection__origin",
)  # fmt: skip


def compared(predictions: QuerySet[Prediction], calendars: Mapping[int, Calendar]) -> Iterator[Counted]:
    """The pairs of these predictions as they are counted; calendars are by line.

    The queryset is used as a subquery: it must not be sliced.
    """
    judged, findings = judged_of(predictions), findings_of(predictions)
    for part, pk, line, version, station, variant, lot, received, score, answer, again, blind, origin in (
        predictions.order_by().values_list(*ROW).iterator(chunk_size=5000)
    ):
        said, calendar = judged.get(part, NOT_JUDGED), calendars[line]
        live = counts_as_live(origin, calendar.demo)
        yield Counted(
            pk, part, line, version, station, variant, said.inspector_id, lot, calendar.day_of(received), received,
            said.judged_at, kind_of(origin, live, again, bool(blind) and not said.served_before),
            standing_of(said.outcome, answer), score, findings.get(pk, ""),
        )  # fmt: skip


def standing_of(outcome: str | None, answer: str) -> str:
    """Where a pair stands. `outcome` is the person's, None before any; `answer` the version's, empty for a failure.

    >>> standing_of("ok", "scratched"), standing_of("unsure", "ok"), standing_of(None, "ok"), standing_of("ok", "")
    ('overkill', 'unsure', 'unjudged', 'null')
    """
    if not answer:
        return Standing.NULL.value
    if outcome is None:
        return Standing.UNJUDGED.value
    return CELLS.get((outcome, answer), Standing.UNSURE.value)
