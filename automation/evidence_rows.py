"""The evidence of a version by the rows alone: slow and plain, so that what the tallies say can be held against it.

A part is evidence when it is the serial's first live inspection on the line, was drawn blind and was scored as it came.
It counts as what was said of it by somebody who had been served nothing of the model. Everything is kept for good, so
the same can be asked of a moment that is long past.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from django.db.models import Max, Min, Model, Q, QuerySet

from automation.counts import Evidence, Tally
from automation.edge_gaps import gaps_of
from automation.routing import Stratum
from automation.seeds import KNOWN
from inspection.models import (
    Correction,
    Draw,
    Inspection,
    Line,
    ModelOutputShown,
    Outcome,
    Reference,
    SeededPart,
    Truth,
    User,
    Verdict,
)  # fmt: skip
from inspection.models.judgement import Occasion
from inspection.moves import State
from scoring.novelty import is_out_of_distribution
from shadow.as_of import AsOf
from shadow.models import ModelVersion, Prediction, TrainingPart
from shadow.pairs import Pair, pairs_of

M = TypeVar("M", bound=Model)

WAITING = ("pending", "due")
LATE = {"pending": "overdue", "due": "unsure"}  # what a part counts as that nobody has judged in time
AT_ONCE = 20_000  # keys of answers whose pairs are in memory together


class Counted(NamedTuple):
    """A part that is evidence: when it arrived, of which stratum, how many bars it reaches, and what it counts as."""

    arrived: datetime
    stratum: Stratum
    slot: int | None
    word: str


def evidence_by_rows(
    line: Line,
    version: ModelVersion,
    *,
    now: datetime,
    audit_hours: float,
    since: datetime | None = None,
    as_of: AsOf | None = None,
) -> Evidence:
    """What `automation.facts.evidence_of` says, walked part by part; with `as_of` as it stood at that moment."""
    bars = sorted({*version.thresholds, version.threshold})
    floor = _Floor(line, version, as_of)
    overdue = now - timedelta(hours=audit_hours)
    found = []
    for pair in floor.pairs():
        if floor.is_evidence(pair) and (since is None or pair.received_at >= since):
            word = floor.counts_as(pair)
            if word in WAITING and pair.received_at < overdue:
                word = LATE[word]
            stratum = (pair.station or "", pair.variant or "")
            counted = Counted(pair.received_at, stratum, _slot(pair.usable_score, bars), word)
            if pair.late:
                found += _against(counted, len(bars))
            else:
                found.append(counted)
    gaps = gaps_of(line, version, since=since, upto=as_of.at if as_of else None)
    found += [Counted(gap.arrived, gap.stratum, 0, "overdue") for gap in gaps]
    return Evidence(tuple(bars), everything_of(found), settled_of(found, len(bars)))


class _Floor:
    """The pairs of a version on a line with what else their parts are asked."""

    def __init__(self, line: Line, version: ModelVersion, as_of: AsOf | None):
        self.line, self.as_of = line, as_of
        self.answers = Prediction.objects.filter(inspection__line=line, version=version)
        draws = Draw.objects.filter(as_of.q("draw") if as_of else Q(), inspection__line=line)
        self.audited = set(draws.filter(audited=True).values_list("inspection_id", flat=True))
        sent = Inspection.objects.filter(line=line, state=State.RETAKE)
        if as_of:
            sent = sent.filter(state_since__lte=as_of.at)
        self.cleaned = set(sent.values_list("pk", flat=True))
        self.first: dict[str, int] = {}
        for serial, part in Inspection.objects.live().filter(line=line).order_by("pk").values_list("serial", "pk"):
            self.first.setdefault(serial, part)

    def pairs(self) -> Iterator[Pair]:
        """All of them, some at a time in memory."""
        keys = self.answers.aggregate(first=Min("pk"), last=Max("pk"))
        if keys["first"] is not None:
            for start in range(keys["first"], keys["last"] + 1, AT_ONCE):
                yield from pairs_of(self.answers.filter(pk__gte=start, pk__lt=start + AT_ONCE), self.as_of)

    def is_evidence(self, pair: Pair) -> bool:
        return self._speaks(pair) and self.first[pair.serial] == pair.inspection_id

    def _speaks(self, pair: Pair) -> bool:
        return pair.live and pair.drawn_blind and not pair.retrospective

    def counts_as(self, pair: Pair) -> str:
        """Served although drawn blind is an escape, whatever was said; an audit of which nobody could tell is one too."""
        if pair.served_before:
            return "served"
        said = self._said_after_cleaning(pair) if pair.inspection_id in self.cleaned else pair.evidence_outcome
        if said in ("ok", "scratched"):
            return str(said)
        if pair.inspection_id in self.audited:
            return "due" if said is None else "unsure"
        return "pending"

    def _said_after_cleaning(self, sent: Pair) -> str | None:
        """A part that was sent to be cleaned is answered for by its next blind inspection that nobody spoilt, by showing
        its judges what the model said of the serial."""
        same = Inspection.objects.filter(line=self.line, serial=sent.serial)
        for pair in pairs_of(self.answers.filter(inspection__serial=sent.serial), self.as_of, same):  # by arrival
            if self._speaks(pair) and pair.inspection_id not in self.cleaned and not pair.served_before:
                return pair.evidence_outcome
        return None


def _slot(score: float | None, bars: Sequence[float]) -> int | None:
    return None if score is None else sum(score >= bar for bar in bars)


def _against(part: Counted, bars: int) -> list[Counted]:
    """What an answer that came after a verdict counts as: wrong at every bar where it is wrong at one, else nothing."""
    passes, rejects = part.slot is not None and part.slot < bars, bool(part.slot)
    wrong = rejects if part.word == "ok" else passes
    return [part._replace(slot=bars if part.word == "ok" else 0)] if wrong else []


def everything_of(parts: Iterable[Counted]) -> Mapping[Stratum, Mapping[int | None, Tally]]:
    counts: dict[Stratum, dict[int | None, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for part in parts:
        counts[part.stratum][part.slot][part.word] += 1
    return {stratum: {slot: Tally(**words) for slot, words in slots.items()} for stratum, slots in counts.items()}


def settled_of(parts: Sequence[Counted], bars: int) -> Mapping[int, Mapping[Stratum, tuple[int, int]]]:
    """For each bar below which somebody waits: (parts, escapes) below it that arrived before the oldest of those."""
    found: dict[int, dict[Stratum, tuple[int, int]]] = {}
    for bar in range(bars):
        below = [part for part in parts if part.slot is not None and part.slot <= bar]
        waiting = [part.arrived for part in below if part.word in WAITING]
        if waiting:
            before = [part for part in below if part.arrived < min(waiting)]
            escapes = Counter(part.stratum for part in before if part.word != "ok")
            judged = Counter(part.stratum for part in before)
            found[bar] = {stratum: (n, escapes[stratum]) for stratum, n in judged.items()}
    return found


def seeds_by_rows(line: Line, version: ModelVersion, as_of: AsOf | None = None) -> list[tuple[float, bool]]:
    """What `automation.seeds.seeds_of` says, walked verdict by verdict; with `as_of` as it stood at that moment.

    A reference that was kept anew since was then what it was shown as; one that the version may have learned from is
    told by what is known of it now.
    """
    said: dict[int, tuple[int, bool]] = {}
    for verdict in _then(Verdict, as_of, inspection__line=line, inspection__seeded__purpose__in=KNOWN).order_by("pk"):
        seeded = verdict.inspection.seeded
        if seeded.source_id not in said and _measures(verdict, seeded, as_of):
            found = _last_said(verdict, seeded, as_of) == Outcome.SCRATCHED
            said[seeded.source_id] = (verdict.inspection_id, found)
    usable = [
        (_score((part, source), version, as_of), found)
        for source, (part, found) in said.items()
        if not _learned(source, line, version, as_of)
    ]
    return [(score, found) for score, found in usable if score is not None]


def _then(model: type[M], as_of: AsOf | None, *which: Q, **fields: Any) -> QuerySet[M]:
    rows = model._default_manager.filter(*which, **fields)
    return rows.filter(as_of.q_of(model)) if as_of else rows


def _measures(verdict: Verdict, seeded: SeededPart, as_of: AsOf | None) -> bool:
    """Whether a verdict on a seeded part tells how well its judge sees a scratch that they had not met before."""
    reference = Reference.objects.filter(inspection=seeded.source_id).first()
    if seeded.truth != Truth.SCRATCHED or reference is None or verdict.inspector is None:
        return False
    known = reference.truth == Truth.SCRATCHED or (as_of is not None and reference.at > as_of.at)
    advised = verdict.advice_shown_at is not None or verdict.occasion == Occasion.ADVISED
    judged = _then(Verdict, as_of, inspection=seeded.source_id, inspector=verdict.inspector).exists()
    return known and not advised and not judged and not _was_shown(seeded, verdict.inspector, verdict.at, as_of)


def _was_shown(seeded: SeededPart, person: User, at: datetime, as_of: AsOf | None) -> bool:
    parts = (seeded.inspection_id, seeded.source_id)
    return _then(ModelOutputShown, as_of, inspection__in=parts, user=person, at__lte=at).exists()


def _last_said(verdict: Verdict, seeded: SeededPart, as_of: AsOf | None) -> str:
    """A verdict with its judge's own second thoughts, as long as nothing of the model was shown to them."""
    said = verdict.outcome
    for correction in _then(Correction, as_of, verdict=verdict, by=verdict.inspector_id).order_by("pk"):
        if not _was_shown(seeded, correction.by, correction.at, as_of):
            said = correction.outcome
    return said


def _score(parts: Iterable[int], version: ModelVersion, as_of: AsOf | None) -> float | None:
    """Of the seeded part, else of the one behind it."""
    for part in parts:
        answer = _then(Prediction, as_of, inspection=part, version=version).first()
        if answer and version.is_imported and (answer.late or answer.retrospective):
            continue  # it may have been made from what was known by then
        if answer and answer.score is not None and not is_out_of_distribution(answer.novelty):
            return answer.score
    return None


def _learned(source: int, line: Line, version: ModelVersion, as_of: AsOf | None) -> bool:
    """Whether the version may have learned from a part: it was taught, or no reference, when that was registered."""
    taught = _then(TrainingPart, as_of, inspection=source, at__lte=version.at).order_by("pk").last()
    if taught and taught.label:
        return True
    reference = Reference.objects.select_related("inspection").get(inspection=source)
    there = reference.inspection.received_at <= version.at
    kept = reference.at <= version.at and (reference.retired_at is None or reference.retired_at > version.at)
    of_the_line = any(name.split(",")[0] == f"line {line.slug}" for name in version.card.get("sources", ()))
    return of_the_line and there and not kept
