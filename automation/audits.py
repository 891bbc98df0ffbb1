"""Audits, which people judge blind after the machine has decided: what each was found to be, once, and how many wait."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import BigIntegerField, Exists, Min, OuterRef

from automation.levels import Level
from automation.models import EscapeWatch, Policy, Routing
from inspection.models import Correction, Inspection, Line, ModelOutputShown, Outcome, Verdict
from inspection.models.judgement import Occasion
from inspection.moves import State
from inspection.planning import unindexed
from inspection.prepared import Given, GivenKeys, Prepared
from shadow.models import ModelVersion

MACHINE_DECIDES = [level for level in Level if level.machine_decides]
WAITS = (State.AUDIT_DUE, State.SECOND_OPINION, State.WITH_SUPERVISOR)


class Told(NamedTuple):
    """An audit of which somebody could tell, by the first verdict that did, or the first correction of one that was unsure:
    its key, when, what the machine had decided, and what was found. `counts`: nothing of the model was served to its
    judges, and it is the serial's first inspection."""

    key: int
    at: datetime
    passed: bool
    scratched: bool
    counts: bool


class Audits(NamedTuple):
    """How many of a version's audits are due or done, and how many are done."""

    due: int
    judged: int


class _Said(NamedTuple):
    verdict: int
    inspector: int | None
    outcome: str
    at: datetime


class _Correction(NamedTuple):
    verdict: int
    correction: int
    by: int
    outcome: str
    at: datetime


class _Telling(NamedTuple):
    verdict: int
    correction: int  # 0: the verdict told of itself, as it stood when it could be undone no more
    at: datetime
    outcome: str
    blind: bool


Served = dict[tuple[int, int | None], datetime]  # (part, person): when something of the model was first served to them


def told_after(line: Line, version: ModelVersion, verdict: int, *, upto: int | None = None) -> list[Told]:
    """The audits that were told by verdicts after one (and up to another), by their keys, in the order of the verdicts.

    Each audit is told once, for ever: by the first verdict that was not unsure when it could be undone no more, or by the
    correction of an unsure one, if that came before. What anybody says of the part later changes reports and evidence; a
    detector has heard of it already.
    """
    # The line is compared here: asked for it, SQLite would read all parts of the line.
    rows = _GIVEN(verdict=verdict, upto=BigIntegerField.MAX_BIGINT if upto is None else upto)
    told = _told_of({part for part, its_line in rows if its_line == line.pk}, line, version)
    return sorted(
        audit
        for telling, audit in told
        if not telling.correction and telling.verdict > verdict and (upto is None or telling.verdict <= upto)
    )


_GIVEN = Prepared(
    lambda: (
        Verdict.objects.filter(pk__gt=Given("verdict"), pk__lte=Given("upto"), inspection__draw__audited=True)
        .exclude(occasion=Occasion.ADVISED)
        .order_by()
        .values_list("inspection_id", "inspection__line_id")
    )
)


def corrected_after(line: Line, version: ModelVersion, correction: int) -> list[Told]:
    """The same for the audits that were told by corrections after one: of the verdicts on them all had been unsure."""
    rows = _MADE(correction=correction)
    told = _told_of({part for part, its_line in rows if its_line == line.pk}, line, version)
    return sorted(audit for telling, audit in told if telling.correction > correction)


_MADE = Prepared(
    lambda: (
        Correction.objects.filter(pk__gt=Given("correction"), verdict__inspection__draw__audited=True)
        .order_by()
        .values_list("verdict__inspection_id", "verdict__inspection__line_id")
    )
)


def _told_of(parts: set[int], line: Line, version: ModelVersion) -> Iterator[tuple[_Telling, Told]]:
    """By what each of the parts was told that the version decided and of which somebody could tell."""
    if not parts:
        return
    # A serial counts once, by its first live inspection on the line, as it does for evidence.
    earlier = Inspection.objects.live().alias(on_line=unindexed("line"))
    earlier = earlier.filter(
        on_line=line.pk, serial=OuterRef("inspection__serial"), pk__lt=OuterRef("inspection")
    )  # fmt: skip
    decided = Routing.objects.filter(inspection__in=parts, decided=True, prediction__version=version)
    decided = decided.annotate(repeated=Exists(earlier))
    said, corrections, served = _said(parts), _corrections(parts), _served(parts)
    undo = timedelta(seconds=line.undo_seconds)
    for part, decision, repeated in decided.values_list("inspection_id", "decision", "repeated"):
        if telling := _telling(part, said[part], corrections, served, undo):
            key, scratched = telling.correction or telling.verdict, telling.outcome == Outcome.SCRATCHED
            yield telling, Told(key, telling.at, decision == "pass", scratched, telling.blind and not repeated)


def _telling(
    part: int,
    said: Sequence[_Said],
    corrections: dict[int, list[_Correction]],
    served: Served,
    undo: timedelta,
) -> _Telling | None:
    """The first verdict that was not unsure when it could be undone no more, or a correction of an unsure one before it."""
    blind = True
    corrected: list[_Telling] = []
    for verdict in said:
        blind = blind and not _saw(part, verdict.inspector, verdict.at, served)
        told = _thoughts(part, verdict, corrections[verdict.verdict], served, undo, blind)
        if told.outcome != Outcome.UNSURE and not told.correction:
            return min([told, *(one for one in corrected if one.at < told.at)], key=lambda one: one.at)
        if told.outcome != Outcome.UNSURE:
            corrected.append(told)
    return min(corrected, key=lambda one: one.at, default=None)


def _thoughts(
    part: int, verdict: _Said, corrections: Sequence[_Correction], served: Served, undo: timedelta, blind: bool
) -> _Telling:
    """What a verdict came to say once it could be undone no more, and while it was unsure then, what a correction of it
    did. What anybody says after they have seen something of the model does not count."""
    told = _Telling(verdict.verdict, 0, verdict.at, verdict.outcome, blind)
    for second in corrections:
        judge_saw = _saw(part, verdict.inspector, second.at, served)
        if judge_saw or _saw(part, second.by, second.at, served):
            break
        if second.at <= told.at + undo:
            told = told._replace(outcome=second.outcome)
        elif told.outcome == Outcome.UNSURE:
            told = told._replace(correction=second.correction, at=second.at, outcome=second.outcome)
        else:
            break
    return told


def _saw(part: int, person: int | None, at: datetime, served: Served) -> bool:
    """Whether something of the model was served to the person by then."""
    first = served.get((part, person))
    return first is not None and first <= at


def _said(parts: Iterable[int]) -> dict[int, list[_Said]]:
    found: dict[int, list[_Said]] = defaultdict(list)
    given = Verdict.objects.filter(inspection__in=parts).exclude(occasion=Occasion.ADVISED).order_by("pk")
    for part, verdict, inspector, outcome, at in given.values_list(
        "inspection_id", "pk", "inspector_id", "outcome", "at"
    ):
        found[part].append(_Said(verdict, inspector, outcome, at))
    return found


def _corrections(parts: Iterable[int]) -> dict[int, list[_Correction]]:
    found: dict[int, list[_Correction]] = defaultdict(list)
    made = Correction.objects.filter(verdict__inspection__in=parts).order_by("pk")
    for row in made.values_list("verdict_id", "pk", "by_id", "outcome", "at"):
        found[row[0]].append(_Correction(*row))
    return found


def _served(parts: Iterable[int]) -> Served:
    rows = ModelOutputShown.objects.filter(inspection__in=parts).order_by()
    first = rows.values("inspection_id", "user_id").annotate(first=Min("at"))
    return {(row["inspection_id"], row["user_id"]): row["first"] for row in first}


def waiting(line: Line, version: ModelVersion) -> int:
    """The version's audits that wait for a person: found in the queue, which is short however long the history."""
    parts = [part for (part,) in _WAITING(line=line.pk)]
    # The version is compared here: asked for it, SQLite would read all that it has answered.
    return sum(its == version.pk for (its,) in _ANSWERED_BY(parts=parts)) if parts else 0


_WAITING = Prepared(
    lambda: (
        Inspection.objects.queued([Given("line")])
        .filter(state__in=WAITS, draw__audited=True)
        .order_by()
        .values_list("pk")
    )
)
_ANSWERED_BY = Prepared(
    lambda: Routing.objects.filter(inspection__in=GivenKeys("parts")).order_by().values_list("prediction__version")
)


def first_decided(line: Line, version: ModelVersion) -> Policy | None:
    """The policy by which the machine first decided on the line with this version."""
    return _FIRST_DECIDED.first(line=line.pk, version=version.pk)


_FIRST_DECIDED = Prepared(
    lambda: Policy.objects.filter(line=Given("line"), version=Given("version"), level__in=MACHINE_DECIDES).order_by(
        "number"
    )[:1]
)


def newest_before(moment: datetime, of: type[Verdict] | type[Correction] = Verdict) -> int:
    """The last verdict or correction before a moment; 0: none. It is looked for from the newest on."""
    return of.objects.filter(at__lt=moment).order_by("-pk").values_list("pk", flat=True).first() or 0


def watch_of(line: Line, version: ModelVersion) -> EscapeWatch | None:
    """The watch over a version's audits, or what it will be at its first look; None: the version never decided here."""
    known = _WATCH.first(line=line.pk, version=version.pk)
    if known:
        return known
    first = first_decided(line, version)
    if first is None:
        return None
    seen_to, corrected_to = newest_before(first.at), newest_before(first.at, Correction)
    return EscapeWatch(line=line, version=version, seen_to=seen_to, corrected_to=corrected_to)


_WATCH = Prepared(lambda: EscapeWatch.objects.filter(line=Given("line"), version=Given("version")))


def unheard(watch: EscapeWatch, *, upto: int | None = None) -> tuple[list[Told], list[Told]]:
    """The audits that the watch has not heard of yet: told by verdicts (up to one), and by corrections."""
    seen, corrected = set(watch.state.get("recent", ())), set(watch.state.get("corrected", ()))
    told = told_after(watch.line, watch.version, watch.seen_to, upto=upto)
    late = corrected_after(watch.line, watch.version, watch.corrected_to)
    return [one for one in told if one.key not in seen], [one for one in late if one.key not in corrected]


def audits_of(line: Line, version: ModelVersion) -> Audits:
    """From the watch's counters, and what it has not seen yet: the same however long the history."""
    watch = watch_of(line, version)
    if watch is None:
        return Audits(0, 0)
    judged = watch.judged
    if not watch.state.get("done"):
        watch.line, watch.version = line, version
        judged += sum(len(told) for told in unheard(watch))
    return Audits(judged + waiting(line, version), judged)
