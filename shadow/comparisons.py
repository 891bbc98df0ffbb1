"""A pair as reports count it, and the sums of many: what the rows come to, without a table of its own."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from operator import attrgetter
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef, QuerySet

from inspection.models import Inspection, Outcome
from inspection.moves import State
from inspection.planning import unindexed
from scoring.novelty import is_out_of_distribution
from shadow.agreement import Confusion
from shadow.days import Calendar
from shadow.models import ModelVersion, Prediction
from shadow.models.counted import CountsAs, Standing
from shadow.pairs import CELLS, NOT_JUDGED, counts_as_live, findings_of, judged_of, kind_of
from shadow.scores import ScoreCounts, bin_of

CELL_NAMES = frozenset(CELLS.values())
SCRATCHED = frozenset({"escape", "both_scratched"})  # where the person's answer is scratched
MILLION = 1_000_000
COUNTS = CountsAs.values


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
    evidence: str
    slot: int | None
    shift: int


class Key(NamedTuple):
    """What a tally counts for; the names are the columns of `DayTally`."""

    line_id: int
    version_id: int
    day: date
    kind: str
    station_id: int | None
    variant_id: int | None
    inspector_id: int | None


# What of a pair goes into sums, after its key: columns of `Comparison`.
SUMMED = (*Key._fields, "standing", "finding", "evidence", "slot", "shift", "score")
STANDING = SUMMED.index("standing")
summed: Callable[[Counted], tuple[Any, ...]] = attrgetter(*SUMMED)

Alike = tuple[str, str, str, int | None, int, int | None]  # standing, finding, evidence, slot, shift, bin of the score


def place_of(slot: int | None, shift: int) -> str:
    return f"{'-' if slot is None else slot}/{shift}"


def slot_and_shift(place: str) -> tuple[int | None, int]:
    """
    >>> slot_and_shift(place_of(3, 12)), slot_and_shift(place_of(None, 0))
    ((3, 12), (None, 0))
    """
    slot, shift = place.split("/")
    return None if slot == "-" else int(slot), int(shift)


def bars_of(thresholds: Sequence[float], threshold: float) -> list[float]:
    """The bars that slots are counted by: a version's order of thresholds and its operating one, rising.

    A score in slot s reaches the first s bars: it lies below bar j (from 0) where s <= j.
    """
    return sorted({*thresholds, threshold})


@dataclass
class Sums:
    """Pairs by standing, findings by cell and who was right, and by bin of the scores [judged ok, scratched, millionths];
    the evidence among them by slot and shift, [how many count as each of CountsAs].

    Bins and places are texts, as JSON keeps them. Zeros may stand for nothing: compare with `tidy`.
    """

    standing: Counter[str] = field(default_factory=Counter)
    findings: dict[str, Counter[str]] = field(default_factory=dict)
    scores: dict[str, list[int]] = field(default_factory=dict)
    evidence: dict[str, list[int]] = field(default_factory=dict)

    def add(self, alike: "Alike", pairs: int, millionths: int) -> None:
        """Count some pairs that differ in no more than their scores within a bin, of which `millionths` is the sum."""
        standing, finding, counts_as, slot, shift, bin = alike
        self.standing[standing] += pairs
        if counts_as:
            place = self.evidence.setdefault(place_of(slot, shift), [0] * len(COUNTS))
            place[COUNTS.index(counts_as)] += pairs
        if bin is not None:
            counts = self.scores.setdefault(str(bin), [0, 0, 0])
            counts[1 if standing in SCRATCHED else 0] += pairs
            counts[2] += millionths
            if finding:
                self.findings.setdefault(standing, Counter())[finding] += pairs

    def move(self, other: "Sums", *, scores: bool = True, times: int = 1) -> None:
        """Add another's counts to these, or with -1 take them away. Scores are many: leave them where nobody asks."""
        for standing, n in other.standing.items():
            self.standing[standing] += times * n
        for cell, found in other.findings.items():
            mine_found = self.findings.setdefault(cell, Counter())
            for who, n in found.items():
                mine_found[who] += times * n
        for place, (ok, scratched, micro) in other.scores.items() if scores else ():
            mine = self.scores.setdefault(place, [0, 0, 0])
            mine[0] += times * ok
            mine[1] += times * scratched
            mine[2] += times * micro
        for place, counts in other.evidence.items():
            known = self.evidence.get(place, [0] * len(COUNTS))
            self.evidence[place] = [mine + times * more for mine, more in zip(known, counts, strict=True)]

    def tidy(self) -> "Sums":
        """The same without zeros."""
        findings = {cell: +found for cell, found in self.findings.items() if any(found.values())}
        scores = {place: bin for place, bin in self.scores.items() if any(bin)}
        evidence = {place: counts for place, counts in self.evidence.items() if any(counts)}
        return Sums(+self.standing, findings, scores, evidence)

    @property
    def confusion(self) -> Confusion:
        return Confusion(*(self.standing[cell] for cell in ("both_ok", "overkill", "escape", "both_scratched")))

    @property
    def score_counts(self) -> ScoreCounts:
        return ScoreCounts.from_bins({int(place): (bin[0], bin[1], bin[2]) for place, bin in self.scores.items()})


def sums_of(rows: Iterable[Sequence[Any]]) -> dict[Key, Sums]:
    """The sums of pairs by their keys; a row has the columns of SUMMED.

    Like ones are counted first and summed then, for of a day's pairs of one inspector most are alike.
    """
    alike: dict[tuple[tuple[Any, ...], int | None], list[int]] = {}
    for row in rows:
        score, bin = row[-1], None
        if score is not None and row[STANDING] in CELL_NAMES:
            bin = bin_of(score)
        counts = alike.setdefault((tuple(row[:-1]), bin), [0, 0])
        counts[0] += 1
        if bin is not None:
            counts[1] += round(score * MILLION)
    found: dict[Key, Sums] = defaultdict(Sums)
    for (fields, bin), (pairs, millionths) in alike.items():
        found[Key(*fields[:STANDING])].add((*fields[STANDING:], bin), pairs, millionths)
    return found


ROW = (
    "inspection_id", "pk", "inspection__line_id", "version_id", "inspection__station_id", "inspection__variant_id",
    "inspection__lot", "inspection__received_at", "score", "outcome", "retrospective", "inspection__draw__blind",
    "inspection__origin", "novelty", "inspection__draw__audited", "inspection__state", "inspection__serial", "late",
    "repeated",
)  # fmt: skip


def compared(predictions: QuerySet[Prediction], calendars: Mapping[int, Calendar]) -> Iterator[Counted]:
    """The pairs of these predictions as they are counted; calendars are by line.

    The queryset is used as a subquery: it must not be sliced.
    """
    judged, findings = judged_of(predictions), findings_of(predictions)
    bars = {version.pk: bars_of(version.thresholds, version.threshold) for version in _versions(predictions)}
    for (
        part, pk, line, version, station, variant, lot, received, score, answer, again, blind, origin, novelty, audited,
        state, serial, late, repeated,
    ) in predictions.order_by().annotate(repeated=Exists(EARLIER)).values_list(*ROW).iterator(chunk_size=5000):  # fmt: skip
        said, calendar = judged.get(part, NOT_JUDGED), calendars[line]
        day, shift = calendar.day_and_shift(received)
        live = counts_as_live(origin, calendar.demo)
        evidence, slot = "", None
        if live and blind and not again and not repeated:
            said_of_it = said.evidence_outcome
            if state == State.RETAKE and not said.served_before:
                said_of_it = outcome_after_cleaning(line, version, serial)
            evidence = counts_as(said_of_it, served=said.served_before, audited=bool(audited))
            slot = slot_of(score, novelty, bars[version])
            if late:
                evidence, slot = against(evidence, slot, len(bars[version]))
        yield Counted(
            pk, part, line, version, station, variant, said.inspector_id, lot, day, received,
            said.judged_at, kind_of(origin, live, again, bool(blind) and not said.served_before and not late),
            standing_of(said.outcome, answer), score, findings.get(pk, ""),
            evidence, slot,
            shift if evidence else 0,
        )  # fmt: skip


# A serial counts once, by its first live inspection on the line: the same part again is no second piece of evidence.
# By the serial's index: SQLite, without statistics, would take one that begins with the line.
EARLIER = (
    Inspection.objects.live()
    .alias(on_line=unindexed("line"))
    .filter(on_line=OuterRef("inspection__line"), serial=OuterRef("inspection__serial"), pk__lt=OuterRef("inspection"))
)


def _versions(predictions: QuerySet[Prediction]) -> QuerySet[ModelVersion]:
    return ModelVersion.objects.filter(pk__in=predictions.order_by().values("version")).only("thresholds", "threshold")


def slot_of(score: float | None, novelty: float | None, bars: Sequence[float]) -> int | None:
    """How many of the bars a score reaches; None where there is none, or the part is out of distribution."""
    return None if score is None or is_out_of_distribution(novelty) else bisect_right(bars, score)


def counts_as(said: str | None, *, served: bool, audited: bool) -> str:
    """What a part that was drawn blind counts as. `said` is what was said of it before anything was served.

    Served although drawn blind is an escape, and so is an audit of which nobody could tell. Until somebody can tell, any
    other part waits; what anybody says after they have seen something never counts.

    >>> counts_as("ok", served=False, audited=True), counts_as("unsure", served=False, audited=False)
    ('ok', 'pending')
    """
    if served:
        return CountsAs.SERVED.value
    if said in (Outcome.OK, Outcome.SCRATCHED):
        return str(said)
    if audited:
        return (CountsAs.UNSURE if said else CountsAs.DUE).value
    return CountsAs.PENDING.value


def against(evidence: str, slot: int | None, bars: int) -> tuple[str, int | None]:
    """What an answer that was recorded after a verdict counts as, and in which slot: it may have been made from the verdict,
    so it never speaks for its version. Not to count it at all would: people are quickest with what nobody could miss.

    Where it passes the part at any bar and the part is not known to be good, it passed it at all of them; where it rejects a
    good part at any bar, it rejected it at all. Everything else is nothing.

    >>> against("scratched", 1, 3), against("ok", 1, 3), against("ok", 0, 3), against("scratched", 3, 3)
    (('scratched', 0), ('ok', 3), ('', None), ('', None))
    """
    if slot is None:
        return "", None
    if evidence == CountsAs.OK:
        return (evidence, bars) if slot > 0 else ("", None)
    return (evidence, 0) if slot < bars else ("", None)


def outcome_after_cleaning(line: int, version: int, serial: str) -> str | None:
    """What the next blind inspection of a part that was sent to be cleaned says of it: that one answers for it, unless
    its judges had been served what the model said of the serial before."""
    same = Inspection.objects.alias(on_line=unindexed("line")).filter(on_line=line, serial=serial)
    theirs = same.live().exclude(state=State.RETAKE)
    answers = Prediction.objects.filter(
        inspection__in=theirs, inspection__draw__blind=True, version=version, retrospective=False
    )
    judged = judged_of(answers, besides=same)
    parts = answers.order_by("inspection__received_at", "inspection_id").values_list("inspection_id", flat=True)
    unserved = (judged.get(part, NOT_JUDGED) for part in parts)
    return next((said.evidence_outcome for said in unserved if not said.served_before), None)


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
