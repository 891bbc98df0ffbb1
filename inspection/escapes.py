"""What counts as a found escape: a pure rule over the dispositions that a part has had, oldest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest

from django.utils.translation import gettext as _

from inspection.models import Containment, Disposition, DispositionOutcome, Inspection, Outcome
from inspection.moves import State

PASS, REJECT = DispositionOutcome.PASS, DispositionOutcome.REJECT


@dataclass(frozen=True)
class Passing:
    """A stretch of time in which a part counted as passed; `end` is None while it still does."""

    start: datetime
    end: datetime | None
    by_machine: bool

    def left(self, undo: timedelta) -> bool:
        """Whether the part has gone on: at once after the machine's pass, after a person's when it can be undone no more."""
        return self.by_machine or self.end is None or self.end - self.start > undo


@dataclass(frozen=True)
class Escape:
    """When a contained part passed and by whom, and when it was found to be scratched."""

    passed_at: datetime
    by_machine: bool
    found_at: datetime

    @property
    def out_for(self) -> timedelta:
        return max(self.found_at - self.passed_at, timedelta(0))


def passings(dispositions: Sequence[Disposition]) -> list[Passing]:
    """The stretches in which a part with these dispositions, oldest first, counted as passed."""
    pairs = zip_longest(dispositions, dispositions[1:])
    return [Passing(row.at, _end(row, after), row.by_machine) for row, after in pairs if row.outcome == PASS]


def _end(row: Disposition, after: Disposition | None) -> datetime | None:
    """A pass ends with the next disposition, or before it when its verdict is taken back to unsure."""
    ends = [after.at] if after else []
    if row.verdict:
        seconds = row.verdict.corrections.all()
        ends += [again.at for again in seconds if again.outcome != Outcome.OK and again.at >= row.at]
    return min(ends, default=None)


def passing_that_left(part: Inspection) -> Passing | None:
    """The first stretch after which the part had gone on, or None: it never passed, or only for the time to undo."""
    undo = timedelta(seconds=part.line.undo_seconds)
    return next((passing for passing in passings([*part.dispositions.all()]) if passing.left(undo)), None)


def found_escape(part: Inspection) -> Passing | None:
    """The stretch in which the part left, when people reject it now and it is the line's own production; else None."""
    holds = part.disposition
    rejected = bool(holds) and not holds.by_machine and holds.outcome == REJECT
    if not rejected or part.state != State.DECIDED or not part.counts_as_live:
        return None
    return passing_that_left(part)


def why_not_contained(part: Inspection) -> list[str]:
    """Why this part cannot have escaped, as sentences; none: it can be contained."""
    reasons = []
    if not part.counts_as_live:
        words = _("Part {serial} is not one of the line's own ({origin}): nothing of it has left.")
        reasons.append(words.format(serial=part.serial, origin=str(part.get_origin_display()).lower()))
    elif not passings([*part.dispositions.all()]):
        words = _("Part {serial} never passed, so it has not escaped. Judge it, or correct its verdict.")
        reasons.append(words.format(serial=part.serial))
    return reasons


def escape_of(containment: Containment) -> Escape | None:
    """What the containment is about, as things stood when it was opened. None when the part never passed."""
    part = containment.inspection
    rows = [row for row in part.dispositions.all() if row.at <= containment.opened_at]
    undo = timedelta(seconds=part.line.undo_seconds)
    known = passings(rows)
    passing = next((one for one in known if one.left(undo)), known[-1] if known else None)
    if passing is None:
        return None
    found = (row.at for row in rows if row.outcome == REJECT and row.at >= passing.start)
    return Escape(passing.start, passing.by_machine, next(found, containment.opened_at))
