"""A planned attribute study: each reference to each inspector in each round, in an order of their own, few at a time."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from inspection import audit
from inspection.actions.disguise import CHANCE, recent_parts, show_again
from inspection.actions.seeding import withdraw
from inspection.models import Line, ModelOutputShown, Purpose, Reference, SeededPart, Skip, Study, User, Verdict
from inspection.moves import OPEN
from inspection.people import names_for
from inspection.refusals import BadInput
from inspection.roles import May, must
from inspection.seeds import PORTION, against_study
from inspection.sight import blind_judges


@transaction.atomic
def start_study(
    *,
    line: Line,
    name: str,
    references: Sequence[Reference],
    inspectors: Sequence[User],
    rounds: int,
    by: User,
    now: datetime | None = None,
) -> Study:
    """Plan a study and put the first trials of its first round into the queue. Raises BadInput with all that is wrong.

    An inspector takes part who judges on the line, does not oversee it, and knows nothing of the references.
    """
    must(by, May.SUPERVISE)
    by.must_work_on(line)
    now, name = now or timezone.now(), name.strip()
    people = {person.pk: person for person in inspectors}
    kept = list(
        Reference.objects.filter(pk__in={row.pk for row in references}, inspection__line=line, retired_at=None)
    )  # fmt: skip
    called = names_for(by, people.values())
    cannot = people.keys() - set(blind_judges(line.pk).values_list("pk", flat=True))
    know = _knowing(kept, people)
    reasons = against_study(
        name=name, rounds=rounds, truths=[reference.truth for reference in kept], inspectors=len(people),
        cannot=sorted(called[pk] for pk in cannot), know=sorted(called[pk] for pk in know),
    )  # fmt: skip
    if reasons:
        raise BadInput(*reasons)
    study = Study.objects.create(line=line, name=name, rounds=rounds, at=now, by=by)
    study.references.set(kept)
    study.inspectors.set(people.values())
    audit.record(
        "study_started", by=by, line=line.slug, subject=study, name=name, rounds=rounds, references=len(kept),
        inspectors=len(people),
    )  # fmt: skip
    _top_up(study, now)
    return study


def _knowing(references: Sequence[Reference], people: dict[int, User]) -> set[int]:
    """Those to whom a reference would never be offered: they named its truth, or were served the model's answer to it."""
    sources = [reference.inspection_id for reference in references]
    served = ModelOutputShown.objects.filter(inspection__in=sources, user__in=people)
    return ({reference.by_id for reference in references} & people.keys()) | set(
        served.values_list("user_id", flat=True)
    )


def open_rounds(*, now: datetime | None = None) -> int:
    """Put further trials of the running studies into the queue where few wait; return how many.

    A round begins for an inspector when they have answered the one before it; none does for whoever may not judge
    there any more. A worker calls it every few seconds.
    """
    now = now or timezone.now()
    running = list(Study.objects.filter(closed_at=None).order_by("pk"))
    return sum(_top_up_alone(study, now) for study in running if _all_due(study))


@transaction.atomic
def _top_up_alone(study: Study, now: datetime) -> int:
    """Behind a lock on the study: two workers at once would show a reference twice."""
    study = _lock(study)
    return _top_up(study, now) if study.closed_at is None else 0


def _lock(study: Study) -> Study:
    rows = Study.objects.select_for_update(of=("self",), no_key=True).select_related("line")
    return rows.get(pk=study.pk)


def _top_up(study: Study, now: datetime) -> int:
    due, recent = _all_due(study), recent_parts(study.line)
    for reference, inspector, number in due:
        show_again(
            source=reference.inspection, purpose=Purpose.STUDY, truth=reference.truth, study=study, round=number,
            reserved_for=inspector, by="system", now=now, recent=recent,
        )  # fmt: skip
    return len(due)


def _all_due(study: Study) -> list[tuple[Reference, User, int]]:
    """The trials that are to be put into the queue now: reference, inspector, round."""
    references = list(study.references.select_related("inspection__line"))
    return [
        (reference, inspector, number)
        for inspector in study.inspectors.filter(pk__in=blind_judges(study.line_id))
        for reference, number in _due(study, references, inspector)
    ]


def _due(study: Study, references: Sequence[Reference], inspector: User) -> list[tuple[Reference, int]]:
    """The references that this inspector is to be shown now, in random order, each with its round."""
    trials = study.trials.filter(reserved_for=inspector)
    waiting, shown = _unanswered(trials).count(), set(trials.values_list("round", "source_id"))
    for number in range(1, study.rounds + 1):
        left = [reference for reference in references if (number, reference.inspection_id) not in shown]
        began = len(left) < len(references)
        if left and (began or not waiting):
            CHANCE.shuffle(left)
            return [(reference, number) for reference in left[: max(0, PORTION - waiting)]]
    return []


def _unanswered(trials: QuerySet[SeededPart]) -> QuerySet[SeededPart]:
    """The trials that wait for their inspector: open, and neither judged nor passed on by them."""
    judged = Verdict.objects.filter(inspection=OuterRef("pk"), inspector=OuterRef("reserved_for"))
    skipped = Skip.objects.filter(inspection=OuterRef("pk"), by=OuterRef("reserved_for"))
    return trials.filter(~Q(Exists(judged)), ~Q(Exists(skipped)), inspection__state__in=OPEN)


@transaction.atomic
def close_study(*, study: Study, by: User, now: datetime | None = None) -> Study:
    """End a study: what was answered stays, what waits is withdrawn; a trial in somebody's hands may still be answered.

    A second call is harmless.
    """
    must(by, May.SUPERVISE)
    study, now = _lock(study), now or timezone.now()
    by.must_work_on(study.line)
    if study.closed_at is None:
        study.closed_at, study.closed_by = now, by
        study.save()
        audit.record("study_closed", by=by, line=study.line.slug, subject=study, name=study.name)
        for trial in _unanswered(study.trials.all()).select_related("inspection"):
            withdraw(trial.inspection, now=now)
    return study
