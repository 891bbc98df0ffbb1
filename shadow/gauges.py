"""What people answered to parts that were shown again: the looks that measure inspectors as gauges, from the rows.

It costs what was shown again, not the line's history.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db.models import BigIntegerField, ExpressionWrapper, F, Min, Q, QuerySet, Value
from django.utils.translation import gettext as _

from inspection.actions.intake import find_line
from inspection.models import (
    Correction,
    Line,
    ModelOutputShown,
    Purpose,
    SeededPart,
    Shift,
    Study,
    Truth,
    User,
    Verdict,
)
from inspection.models.judgement import Occasion
from inspection.refusals import BadInput, Unknown
from shadow.agreement import Trial
from shadow.asked import one_of
from shadow.days import EVERYTHING, Calendar, Span, read_span
from shadow.keeping import as_far_as_kept

MIXED, STUDIES = "mixed", "study"
PURPOSES: dict[str, tuple[Purpose, ...]] = {
    "": (Purpose.REFERENCE, Purpose.REPEAT, Purpose.STUDY),
    MIXED: (Purpose.REFERENCE, Purpose.REPEAT),
    STUDIES: (Purpose.STUDY,),
}
# Whose own first verdict is set beside what was said when they were shown again.
COMPARED_WITH_FIRST = (Purpose.REPEAT, Purpose.SECOND_LOOK)
SHOWN = ("pk", "source_id", "purpose", "truth", "source__reference__truth", "study_id", "round")
UNHURRIED = (Purpose.STUDY, Purpose.SECOND_LOOK)  # these wait for their answer; others are withdrawn after a day
WAITED = timedelta(days=7)
HOUR = timedelta(hours=1)


class Look(NamedTuple):
    """One person's own answer to a part shown again, or to the part itself when it first came (`seeded_id` is None).

    `truth` True: scratched, None: not known, or known otherwise now than when it was shown; `answer` None: unsure.
    """

    inspector_id: int
    source_id: int
    seeded_id: int | None
    purpose: str
    truth: bool | None
    answer: bool | None
    at: datetime
    study_id: int | None = None
    round: int | None = None


@dataclass(frozen=True)
class Wanted:
    """Which looks are asked for: of a line, in a span by the moment of the answer, of one purpose, of one study."""

    line: Line
    span: Span = EVERYTHING
    purpose: str = ""
    study: Study | None = None

    def echo(self) -> dict[str, str]:
        """The filters as a reader may send them again."""
        return {
            "line": self.line.slug,
            "from": self.span.start.isoformat() if self.span.start else "",
            "to": self.span.end.isoformat() if self.span.end else "",
            "purpose": self.purpose,
            "study": str(self.study.pk) if self.study else "",
        }


def read_wanted(params: Mapping[str, str], by: User) -> Wanted:
    """What a query string asks for. Raises BadInput (a moment too: an hour alone would show a person's curve over the
    shift), Unknown or NotAllowed."""
    line = line_asked(params.get("line", ""), by)
    purpose = params.get("purpose", "")
    study = find_study(params["study"], by, line) if params.get("study") else None
    return Wanted(
        line=line,
        span=as_far_as_kept(read_span(params.get("from", ""), params.get("to", ""), line), line),
        purpose=STUDIES if study else one_of("purpose", purpose, (MIXED, STUDIES)) if purpose else "",
        study=study,
    )


def wanted_of(study: Study) -> Wanted:
    """The looks of a study, as far back as figures of persons are told."""
    return Wanted(study.line, as_far_as_kept(EVERYTHING, study.line), study=study)


def line_asked(slug: str, by: User) -> Line:
    """The line of that slug, or the reader's first. Raises Unknown or NotAllowed."""
    line = find_line(slug, by) if slug else Line.objects.for_user(by).first()
    if line is None:
        raise Unknown("There is no line yet. An admin sets up the first one.")
    return line


def find_study(number: int | str, by: User, line: Line | None = None) -> Study:
    """A study of the person's lines, or of one of them. Raises BadInput or Unknown."""
    if not str(number).isdecimal() or len(str(number)) > 18:
        raise BadInput("'study' is the number of a study.")
    lines = Line.objects.for_user(by).filter(pk=line.pk) if line else Line.objects.for_user(by)
    study = Study.objects.select_related("line").filter(pk=int(number), line__in=lines).first()
    if study is None:
        raise Unknown(_("There is no study {number} on your lines.").format(number=number))
    return study


def looks(wanted: Wanted, *, second_looks: bool = False) -> list[Look]:
    """The looks asked for, oldest first. `second_looks` adds what was judged once more at a supervisor's wish: such
    parts are chosen because they are in doubt, so they help a consensus and would make any rate worse."""
    purposes = PURPOSES[wanted.purpose]
    if second_looks and wanted.purpose != STUDIES:
        purposes = (*purposes, Purpose.SECOND_LOOK)
    shown = shown_on(wanted.line).filter(purpose__in=purposes)
    if wanted.study:
        shown = shown.filter(study=wanted.study)
    if start := wanted.span.moments(wanted.line)[0]:
        shown = shown.filter(Q(at__gte=start - WAITED) | Q(purpose__in=UNHURRIED))
    return looks_at(shown, wanted.line, wanted.span)


def shown_on(line: Line) -> QuerySet[SeededPart]:
    """The parts shown again on a line. The line is asked by an expression: without statistics SQLite would take the
    index of the line's parts, and read its whole history."""
    of_line = ExpressionWrapper(F("inspection__line_id") + Value(0), output_field=BigIntegerField())
    return SeededPart.objects.alias(of_line=of_line).filter(of_line=line.pk).order_by()


def looks_at(shown: QuerySet[SeededPart], line: Line, span: Span = EVERYTHING) -> list[Look]:
    """What each person answered to these parts themselves, oldest first, in five queries.

    A verdict counts as its own judge last corrected it; nobody's counts who had been served the model's answer to the
    part or to what it shows again, nor a correction made after that. To repeats and second looks the first verdict on
    the part itself is added, if its judge was unseeing then.
    """
    rows = {row[0]: row for row in shown.values_list(*SHOWN)}
    served, corrected = _served(shown), _corrected(shown)
    start, end = span.moments(line)
    given = _verdicts(Q(inspection__in=shown.values("pk")))
    given = given.filter(at__gte=start) if start else given
    given = given.filter(at__lt=end) if end else given
    found, calendar = [], Calendar(line)
    for pk, part, person, outcome, at in given.values_list("pk", "inspection_id", "inspector_id", "outcome", "at"):
        _part, source, purpose, truth, truth_now, study, round = rows[part]
        first_served = min(filter(None, (served.get((part, person)), served.get((source, person)))), default=None)
        if span.holds(at, calendar) and not _seen(first_served, at):
            answer = _own_answer(outcome, corrected.get(pk, ()), first_served)
            known = _said(truth) if truth == (truth_now or truth) else None
            found.append(Look(person, source, part, purpose, known, answer, at, study, round))
    return sorted([*found, *_first_looks(shown, found, served, corrected)], key=lambda look: look.at)


def _verdicts(which: Q) -> QuerySet[Verdict]:
    """People's own verdicts. One after advice says nothing of the person alone, an imported label nothing at all."""
    judged = Verdict.objects.filter(which, inspector__isnull=False)
    return judged.exclude(occasion__in=(Occasion.ADVISED, Occasion.HISTORY)).order_by("pk")


def _first_looks(
    shown: QuerySet[SeededPart], found: Sequence[Look], served: "Served", corrected: "Corrected"
) -> Iterable[Look]:
    """The first verdict on each part behind a repeat or second look that was answered."""
    purposes = {look.source_id: look.purpose for look in found if look.purpose in COMPARED_WITH_FIRST}
    sources = shown.filter(purpose__in=COMPARED_WITH_FIRST).values("source")
    given = _verdicts(Q(inspection__in=sources)) if purposes else Verdict.objects.none()
    seen: set[int] = set()
    for pk, part, person, outcome, at in given.values_list("pk", "inspection_id", "inspector_id", "outcome", "at"):
        first_served = served.get((part, person))
        if part in purposes and part not in seen and not _seen(first_served, at):
            answer = _own_answer(outcome, corrected.get(pk, ()), first_served)
            yield Look(person, part, None, purposes[part], None, answer, at)
        seen.add(part)


Served = dict[tuple[int, int], datetime]  # (inspection, person): when model output was first served to them
Corrected = dict[int, list[tuple[str, datetime]]]  # by verdict: its own judge's second thoughts, oldest first


def _served(shown: QuerySet[SeededPart]) -> Served:
    about = Q(inspection__in=shown.values("pk")) | Q(inspection__in=shown.values("source"))
    rows = ModelOutputShown.objects.filter(about).order_by().values("inspection_id", "user_id")
    return {(row["inspection_id"], row["user_id"]): row["first"] for row in rows.annotate(first=Min("at"))}


def _corrected(shown: QuerySet[SeededPart]) -> Corrected:
    about = Q(verdict__inspection__in=shown.values("pk")) | Q(verdict__inspection__in=shown.values("source"))
    own = Correction.objects.filter(about, by=F("verdict__inspector")).order_by("pk")
    found: Corrected = defaultdict(list)
    for verdict, outcome, at in own.values_list("verdict_id", "outcome", "at"):
        found[verdict].append((outcome, at))
    return dict(found)


def _seen(first_served: datetime | None, at: datetime) -> bool:
    """Whether something was served by then. At the same moment counts as before: nobody can tell."""
    return first_served is not None and first_served <= at


def _own_answer(
    outcome: str, corrections: Iterable[tuple[str, datetime]], first_served: datetime | None
) -> bool | None:
    for corrected, at in corrections:
        if _seen(first_served, at):
            break
        outcome = corrected
    return _said(outcome)


def _said(word: str) -> bool | None:
    """A truth or an answer: True is scratched; unsure, or not known, is None."""
    return {Truth.OK.value: False, Truth.SCRATCHED.value: True}.get(word)


def measuring(found: Iterable[Look]) -> list[Look]:
    """The looks without second looks, which are chosen for being in doubt."""
    return [look for look in found if look.purpose != Purpose.SECOND_LOOK]


def trials(found: Iterable[Look], called: Mapping[int | None, str], *, rounds: bool = False) -> list[Trial]:
    """The looks as the statistics take them, inspectors by the names that the reader knows them by. `rounds` keeps
    those of a study, which of several studies would be one another's."""
    return [
        Trial(called[look.inspector_id], str(look.source_id), look.answer, look.truth, look.round if rounds else None)
        for look in found
    ]


# ---- Hours of the shift


def hours_into_shift(moment: datetime, shifts: Sequence[Shift]) -> float | None:
    """Hours since the shift began in which a moment lies, of two that overlap the later one; None outside of all."""
    starts = []
    for shift in shifts:
        zone = shift.line.zone
        local = moment.astimezone(zone)
        if shift.covers(local.time()):
            starts.append(datetime.combine(shift.day_of(local), shift.starts_at, zone))
    # In UTC: between moments of one zone Python counts what the clock shows, not what passes.
    return (moment.astimezone(UTC) - max(starts)) / HOUR if starts else None


def by_hour(found: Iterable[Look], line: Line) -> list[tuple[float, bool | None, bool | None, int]]:
    """The looks as `misses_by_hour` takes them, without those outside every shift."""
    shifts = list(line.shifts.all())
    timed = ((hours_into_shift(look.at, shifts), look) for look in found)
    return [(hours, look.truth, look.answer, look.inspector_id) for hours, look in timed if hours is not None]
