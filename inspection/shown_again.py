"""What has come of parts that were shown again: second looks, and how far a study is."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from inspection.actions.judging import outcome_now
from inspection.models import Inspection, Purpose, SeededPart, Skip, Study, Verdict
from inspection.moves import OPEN
from inspection.sight import blind_judges


@dataclass(frozen=True)
class SecondLook:
    """A second look and one answer to it. `inspector_id`, `outcome` and `at` are None while nobody has answered."""

    inspection_id: int  # the seeded part under which it was judged
    asked_by: str
    asked_at: datetime
    waiting: bool
    inspector_id: int | None = None
    outcome: str | None = None
    at: datetime | None = None


def second_looks(inspection: Inspection) -> list[SecondLook]:
    """The second looks at a part in the order in which they were asked for, with each answer as last corrected.

    One that somebody was unsure of has a row for each answer.
    """
    asked = SeededPart.objects.filter(source=inspection, purpose=Purpose.SECOND_LOOK).select_related("inspection")
    found = []
    for seeded in asked.prefetch_related("inspection__verdicts__corrections").order_by("pk"):
        waits = seeded.inspection.state in OPEN
        look = SecondLook(seeded.pk, seeded.by, seeded.at, waits)
        answers = [_answered(look, verdict) for verdict in seeded.inspection.verdicts.all()]
        found += answers or [look]
    return found


def _answered(look: SecondLook, verdict: Verdict) -> SecondLook:
    return SecondLook(
        look.inspection_id, look.asked_by, look.asked_at, look.waiting, verdict.inspector_id, outcome_now(verdict),
        verdict.at,
    )  # fmt: skip


@dataclass(frozen=True)
class Progress:
    """How far an inspector is in one round of a study, in trials.

    `unanswered`: cleaned, passed on or withdrawn; of whoever may not judge there any more, all that is left.
    """

    inspector_id: int
    round: int
    judged: int
    unanswered: int
    total: int

    @property
    def done(self) -> bool:
        return self.judged + self.unanswered >= self.total


def progress_of(study: Study) -> list[Progress]:
    """Every inspector and round of a study, by inspector, then round; rounds to come stand at 0.

    Somebody who was deactivated, or lost the role or the line, keeps no round open.
    """
    trials = study.trials.values_list("pk", "reserved_for", "round", "inspection__state")
    of_study = {"inspection__seeded__study": study}
    judged = set(Verdict.objects.filter(**of_study).values_list("inspection_id", "inspector_id"))
    passed_on = set(Skip.objects.filter(**of_study).values_list("inspection_id", "by_id"))
    answered: Counter[tuple[int | None, int | None]] = Counter()
    ended: Counter[tuple[int | None, int | None]] = Counter()
    for part, person, number, state in trials:
        if (part, person) in judged:
            answered[person, number] += 1
        elif state not in OPEN or (part, person) in passed_on:
            ended[person, number] += 1
    total = study.references.count()
    here = set(blind_judges(study.line_id).values_list("pk", flat=True))
    found = []
    for person in study.inspectors.order_by("pk").values_list("pk", flat=True):
        for number in range(1, study.rounds + 1):
            done = answered[person, number]
            over = ended[person, number] if person in here else max(0, total - done)
            found.append(Progress(person, number, done, over, total))
    return found
