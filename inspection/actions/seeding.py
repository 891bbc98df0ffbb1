"""Seeded parts: references and repeats are mixed in after live parts, second looks are asked for, spent ones closed."""

from collections.abc import Container, Sequence
from datetime import datetime, timedelta
from itertools import takewhile

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from inspection import audit
from inspection.actions.disguise import CHANCE, Recent, recent_parts, show_again
from inspection.actions.moving import lock, move
from inspection.models import (
    Inspection,
    Lease,
    Line,
    Origin,
    Purpose,
    Reference,
    SeededPart,
    Skip,
    Study,
    User,
    Verdict,
)
from inspection.models.judgement import Occasion
from inspection.moves import OPEN, State
from inspection.refusals import Conflict
from inspection.roles import May, must
from inspection.seeds import MOST_WAITING, STALE, Candidate, drawn, is_spent, pick
from inspection.sight import blind_judges

AT_ONCE = 1000  # live parts of a line for which is drawn in one go
SETTLED = timedelta(seconds=5)  # rows commit out of the order of their keys; after so long each is there
MISSED = timedelta(minutes=10)  # for parts that came before that nothing is drawn any more
LATELY = timedelta(days=30)
KEYS = 500  # keys at random among which a part to repeat is looked for
REPEAT_AFTER, REPEAT_WITHIN = timedelta(hours=1), timedelta(days=14)


def mix_seeds(*, now: datetime | None = None) -> int:
    """Draw for every live part that came since the last call whether a seeded one follows it; return how many do.

    A worker calls it every few seconds. Each live part is drawn for once, however many workers there are.
    """
    now = now or timezone.now()
    lines = Line.objects.filter(Q(seed_percent__gt=0) | Q(repeat_percent__gt=0))
    return sum(_mix_into(line, arrived, now) for line in lines if (arrived := _arrived(line, now)))


def _arrived(line: Line, now: datetime) -> list[int]:
    """The live parts to draw for, by their keys: from where the last call ended to the first that may not be alone."""
    rows = line.inspections.live().filter(pk__gt=line.seeded_to, received_at__gt=now - MISSED).order_by("pk")
    keys = rows.values_list("pk", "received_at")[:AT_ONCE]
    return [pk for pk, _at in takewhile(lambda row: row[1] <= now - SETTLED, keys)]


def _mix_into(line: Line, arrived: list[int], now: datetime) -> int:
    """What is to be shown is looked for before anything is locked: verdicts wait for whoever writes."""
    planned, recent = _planned(line, len(arrived), now)
    with transaction.atomic():
        mine = Line.objects.filter(pk=line.pk, seeded_to=line.seeded_to).update(seeded_to=arrived[-1])
        if not mine:
            return 0  # another worker has drawn for these
        for source, purpose, truth in planned:
            show_again(source=source, purpose=purpose, truth=truth, by="system", now=now, recent=recent)
    return len(planned)


Planned = tuple[Inspection, str, str]  # what is shown again, why, and its truth if that is known
Made = Container[tuple[int | None, int | None]]  # stations with the variants that they see now


def _planned(line: Line, parts: int, now: datetime) -> tuple[list[Planned], list[Recent]]:
    """What follows so many live parts, by the line's shares and as far as there is room, and what it is to look like.

    Only what the line makes now is shown again: a variant that is gone, or at another station, would tell.
    """
    references = sum(drawn(line.seed_percent, CHANCE.random()) for _ in range(parts))
    repeats = sum(drawn(line.repeat_percent, CHANCE.random()) for _ in range(parts))
    if not (references or repeats):
        return [], []
    recent = recent_parts(line)
    made = {(one.station_id, one.variant_id) for one in recent}
    waiting = Inspection.objects.queued([line.pk]).filter(origin=Origin.SEEDED, seeded__study=None).count()
    planned = [*_references(line, references, made, now), *_repeats(line, repeats, made, now)]
    CHANCE.shuffle(planned)
    return planned[: max(0, MOST_WAITING - waiting)], recent


def _references(line: Line, count: int, made: Made, now: datetime) -> list[Planned]:
    """References of the line that are neither on their way through the queue now nor part of a running study."""
    if not count:
        return []
    lately = Q(inspection__shown_again__purpose=Purpose.REFERENCE, inspection__shown_again__at__gt=now - LATELY)
    queued = Inspection.objects.open().filter(seeded__source=OuterRef("inspection"))
    rows = Reference.objects.filter(~Exists(queued), inspection__line=line, retired_at=None)
    rows = rows.exclude(studies__in=Study.objects.filter(closed_at=None))
    rows = rows.annotate(shown=Count("inspection__shown_again", filter=lately)).order_by()
    found = rows.values_list("inspection__station", "inspection__variant", "inspection_id", "truth", "shown")
    pool = [Candidate(*row[2:]) for row in found if row[:2] in made]
    chosen: list[Candidate] = []
    while len(chosen) < count and (picked := pick(pool, CHANCE)):
        pool.remove(picked)
        chosen.append(picked)
    parts = _parts({candidate.source for candidate in chosen})
    return [(parts[candidate.source], Purpose.REFERENCE, candidate.truth) for candidate in chosen]


def _repeats(line: Line, count: int, made: Made, now: datetime) -> list[Planned]:
    """Live parts that people judged lately, unseeing, and that were not shown again since; any such part alike.

    Keys are drawn first and then looked up, so that it costs the same however long the history.
    """
    span = line.inspections.filter(received_at__range=(now - REPEAT_WITHIN, now - REPEAT_AFTER)).order_by("received_at")
    ends = [row.pk for row in (span.first(), span.last()) if row] if count else []
    if not ends:
        return []
    keys = range(min(ends), max(ends) + 1)
    judged = Verdict.objects.filter(inspection=OuterRef("pk"), inspector__isnull=False)
    seeing = judged.filter(Q(advice_shown_at__isnull=False) | Q(occasion=Occasion.ADVISED))
    again = SeededPart.objects.filter(source=OuterRef("pk"), at__gt=now - REPEAT_WITHIN)
    fit = Inspection.objects.live().filter(Exists(judged), ~Exists(seeing), ~Exists(again), state=State.DECIDED)
    fit = fit.filter(
        state_since__range=(now - REPEAT_WITHIN, now - REPEAT_AFTER),
        pk__in=CHANCE.sample(keys, min(KEYS, len(keys))),
    )
    # The line is compared here: asked for it, SQLite would read all parts of the line.
    found = fit.values_list("pk", "line_id", "station_id", "variant_id")
    fitting = [row[0] for row in found if row[1] == line.pk and row[2:] in made]
    parts = _parts(set(CHANCE.sample(fitting, min(count, len(fitting)))))
    return [(part, Purpose.REPEAT, "") for part in parts.values()]


def _parts(keys: set[int]) -> dict[int, Inspection]:
    return Inspection.objects.select_related("line").prefetch_related("photos").in_bulk(keys)


@transaction.atomic
def ask_second_look(*, inspection: Inspection, by: User, reason: str = "", now: datetime | None = None) -> SeededPart:
    """Have a judged part judged blind once more, by somebody who has neither judged it nor seen the model's answer.

    The part's own disposition never changes by it. While one look is open, asking again returns that one.
    """
    must(by, May.SUPERVISE)
    part = lock(inspection)
    by.must_work_on(part.line)
    if part.origin == Origin.SEEDED:
        words = _("Part {serial} is itself shown again. Ask for the part behind it.")
        raise Conflict(words.format(serial=part.serial))
    if part.state in OPEN or not part.verdicts.exists():
        words = _("Nobody has judged part {serial} yet, so there is no second look to ask for.")
        raise Conflict(words.format(serial=part.serial))
    asked = SeededPart.objects.filter(source=part, purpose=Purpose.SECOND_LOOK, inspection__state__in=OPEN).first()
    if asked:
        return asked
    audit.record(
        "second_look_asked", by=by, line=part.line.slug, subject=part, reason=reason.strip()[:300]
    )  # fmt: skip
    return show_again(source=part, purpose=Purpose.SECOND_LOOK, by=by, now=now or timezone.now())


def withdraw_seeds(*, now: datetime | None = None) -> int:
    """Close the seeded parts that need no answer any more, or would become a supervisor's work; return how many."""
    now = now or timezone.now()
    rows = SeededPart.objects.filter(inspection__in=Inspection.objects.open().filter(origin=Origin.SEEDED))
    seeds = list(rows.select_related("inspection__line", "study"))
    lost = _lost(seeds)
    return sum(withdraw(seed.inspection, now=now) for seed in seeds if _is_spent(seed, seed.pk in lost, now))


def _lost(seeds: Sequence[SeededPart]) -> set[int]:
    """Those kept for one person who has passed them on, or may not judge on their line any more."""
    kept = [seed for seed in seeds if seed.reserved_for_id]
    passed_on = set(Skip.objects.filter(inspection__in=[seed.pk for seed in kept]).values_list("inspection", "by"))
    here = {line: _judges(line) for line in {seed.inspection.line_id for seed in kept}}
    return {
        seed.pk
        for seed in kept
        if (seed.pk, seed.reserved_for_id) in passed_on or seed.reserved_for_id not in here[seed.inspection.line_id]
    }


def _judges(line: int) -> set[int]:
    return set(blind_judges(line).values_list("pk", flat=True))


def _is_spent(seed: SeededPart, lost: bool, now: datetime) -> bool:
    part = seed.inspection
    return is_spent(
        part.state, now - part.state_since, undo=timedelta(seconds=part.line.undo_seconds),
        second_opinion=timedelta(minutes=part.line.second_opinion_minutes), wanted=not lost and _is_wanted(seed, now),
    )  # fmt: skip


def _is_wanted(seed: SeededPart, now: datetime) -> bool:
    """A trial is while its study runs, a part mixed in for a day, a second look until it is given."""
    if seed.study:
        return seed.study.closed_at is None
    return seed.purpose == Purpose.SECOND_LOOK or now - seed.at <= STALE


@transaction.atomic
def withdraw(seed: Inspection, *, now: datetime) -> bool:
    """Close an open seeded part, unless somebody holds it or it has moved on since it was read; say whether it was."""
    part = lock(seed)
    if part.state != seed.state or part.state not in OPEN or Lease.objects.filter(inspection=part, expires_at__gt=now):
        return False
    Lease.objects.filter(inspection=part).delete()
    move(part, State.CLOSED, now=now)
    audit.record("seeded_part_withdrawn", by="system", line=part.line.slug, subject=part)
    return True
