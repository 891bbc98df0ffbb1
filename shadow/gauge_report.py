"""The inspectors of a line as gauges: the attribute study, the consensus where three or more judged, misses by hour."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from inspection.models import Disposition, DispositionOutcome, Inspection, User
from inspection.people import usernames_for
from shadow.agreement import AttributeStudy, Hour, Rate, Trend, attribute_study, misses_by_hour, trend
from shadow.consensus import Consensus, PartConsensus, consensus
from shadow.days import Calendar
from shadow.gauges import Look, Wanted, by_hour, looks, measuring, trials

FEWEST_DAYS = 7  # of answers: fewer would let a reader put one shift after the other and see who stood where
SCRATCHED_BY = {DispositionOutcome.REJECT.value: True, DispositionOutcome.PASS.value: False}


@dataclass(frozen=True)
class ConsensusPart:
    """A part that three people or more judged, beside what is on record of it: True scratched, None nothing yet.

    `known`: what is on record is a reference's truth; else it is what became of the part.
    """

    part: PartConsensus
    serial: str
    recorded: bool | None
    known: bool
    scratched: int  # of the answers

    @property
    def says_scratched(self) -> bool:
        return self.part.p_scratched >= 0.5

    @property
    def differs(self) -> bool:
        return self.recorded is not None and self.recorded != self.says_scratched


@dataclass(frozen=True)
class GaugeReport:
    """What was asked for. `found` holds every look, those of second looks too, which enter the consensus alone."""

    wanted: Wanted
    reader: User
    found: tuple[Look, ...]
    called: dict[int | None, str]
    study: AttributeStudy

    @property
    def sensitivity(self) -> Rate:
        """Scratched parts that were found, of those shown; unsure answers are left out."""
        miss = self.study.confusion.miss_rate
        return Rate(miss.n - miss.k, miss.n)

    @property
    def people(self) -> int:
        return len({look.inspector_id for look in self.found if look.truth is not None})

    @cached_property
    def consensus(self) -> Consensus:
        return consensus(trials(self.found, self.called))

    @cached_property
    def agreed(self) -> tuple[ConsensusPart, ...]:
        """The parts that have a consensus, the least certain ones first."""
        parts = sorted(self.consensus.enough, key=lambda part: (abs(part.p_scratched - 0.5), part.part))
        return tuple(_with_record(parts, self.found))

    @cached_property
    def timed(self) -> list[tuple[float, bool | None, bool | None, int]]:
        return by_hour((look for look in measuring(self.found) if look.truth is not None), self.wanted.line)

    @cached_property
    def hours(self) -> tuple[Hour, ...]:
        """Misses by the hour of the shift, of everybody together: no person is a group. None while withheld."""
        return () if self.hours_withheld else tuple(misses_by_hour(self.timed))

    @cached_property
    def hours_withheld(self) -> str | None:
        """Why no hour is told, or None: answers to scratched parts must come from 7 working days at least."""
        told = [look.at for look in measuring(self.found) if look.truth and look.answer is not None]
        calendar = Calendar(self.wanted.line)
        days = {calendar.day_of(at) for at in told}
        return "too few days" if 0 < len(days) < FEWEST_DAYS else None

    @property
    def trend(self) -> Trend | None:
        return trend(self.hours)


def gauge_report(wanted: Wanted, reader: User) -> GaugeReport:
    found = tuple(looks(wanted, second_looks=True))
    called = usernames_for(reader, {look.inspector_id for look in found})
    one_study = wanted.study is not None
    return GaugeReport(
        wanted=wanted,
        reader=reader,
        found=found,
        called=called,
        study=attribute_study(trials(measuring(found), called, rounds=one_study)),
    )


def _with_record(parts: Iterable[PartConsensus], found: Iterable[Look]) -> Iterable[ConsensusPart]:
    parts = list(parts)
    truths = {look.source_id: look.truth for look in found if look.truth is not None}
    scratched = Counter(look.source_id for look in found if look.answer)
    keys = [int(part.part) for part in parts]
    serials = dict(Inspection.objects.filter(pk__in=keys).values_list("pk", "serial"))
    rows = Disposition.objects.filter(inspection__in=keys).order_by("pk")
    became = dict(rows.values_list("inspection_id", "outcome"))  # the last row of a part holds
    for part, key in zip(parts, keys, strict=True):
        recorded = truths.get(key, SCRATCHED_BY.get(became.get(key, "")))
        yield ConsensusPart(part, serials[key], recorded, key in truths, scratched[key])
