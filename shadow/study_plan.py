"""Plans an attribute study: which parts to propose, who may take part, what it costs, and what it could show."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from statistics import median
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from inspection.models import Line, ModelOutputShown, Reference, User, Verdict
from inspection.people import usernames_for
from inspection.roles import OVERSEERS, Role
from inspection.seeds import against_study
from shadow.agreement import needed_without_one
from shadow.agreement.rates import Rate
from shadow.charts import percent
from shadow.reference_pool import PoolRow

ADVISED_PARTS = 50  # AIAG, Measurement Systems Analysis, 4th edition, chapter III C
ADVISED_INSPECTORS, ADVISED_ROUNDS = 3, 3
LEAST_SCRATCHED, MOST_SCRATCHED = 1 / 3, 1 / 2  # of the parts
MISS_LIMIT = 0.02
PACED_BY = 200  # verdicts of each inspector that tell how long one takes


@dataclass(frozen=True)
class Draft:
    """A plan as far as it has come, kept in the session between the steps."""

    references: list[int] | None = None  # None: not chosen yet
    inspectors: list[int] = field(default_factory=list)
    rounds: int = ADVISED_ROUNDS
    name: str = ""

    @classmethod
    def from_session(cls, kept: Mapping[str, Any]) -> "Draft":
        return cls(**kept)

    def to_session(self) -> dict[str, Any]:
        return asdict(self)


# ---- Parts


def suggested(rows: Sequence[PoolRow], size: int = ADVISED_PARTS) -> list[int]:
    """Half scratched where there are enough, of each kind those first that people answered both ways, then the least
    shown."""

    def first(row: PoolRow) -> tuple[bool, int, int]:
        return not row.borderline, row.shown, row.reference.pk

    scratched = sorted((row for row in rows if row.scratched), key=first)
    good = sorted((row for row in rows if not row.scratched), key=first)
    few = min(len(scratched), size // 2)
    chosen = [*scratched[:few], *good[: size - few]]
    return [row.reference.pk for row in chosen]


def advice(rows: Collection[PoolRow]) -> list[str]:
    """What is advised and not met. None of it forbids the study."""
    if not rows:
        return []
    scratched, found = sum(row.scratched for row in rows), []
    if len(rows) < ADVISED_PARTS:
        words = _("About {advised} parts are advised; with {n} the bounds stay wide.")
        found.append(words.format(advised=ADVISED_PARTS, n=len(rows)))
    if not LEAST_SCRATCHED <= scratched / len(rows) <= MOST_SCRATCHED:
        words = _("A third to a half of the parts should be scratched; here it is {share}.")
        found.append(words.format(share=percent(scratched / len(rows))))
    if not any(row.borderline for row in rows):
        found.append(
            _("None is known to be borderline: parts that are easy to tell show inspectors better than they are.")
        )
    return found


# ---- People


@dataclass(frozen=True)
class Candidate:
    """An inspector who could take part. `knows`: they named the truth of a chosen part, or were served the model's
    answer to it."""

    person: User
    called: str
    last: datetime | None
    knows: bool


def candidates(line: Line, reader: User, references: Sequence[Reference]) -> list[Candidate]:
    """Those who judge on the line and do not oversee, by the names that the reader knows them by."""
    people = list(_fit(line).annotate(last=_last_judged()))
    called = usernames_for(reader, [person.pk for person in people])
    know = _knowing(references)
    found = [Candidate(person, called[person.pk], person.last, person.pk in know) for person in people]
    return sorted(found, key=lambda one: one.called)


def _fit(line: Line) -> QuerySet[User]:
    inspects = Group.objects.filter(user=OuterRef("pk"), name=Role.INSPECTOR)
    oversees = Group.objects.filter(user=OuterRef("pk"), name__in=[role.value for role in OVERSEERS])
    bound = User.lines.through.objects.filter(user=OuterRef("pk"))
    people = User.objects.filter(Exists(inspects), is_active=True, is_superuser=False)
    return people.exclude(Exists(oversees)).filter(Exists(bound.filter(line=line)) | ~Exists(bound))


def _last_judged():
    return Verdict.objects.filter(inspector=OuterRef("pk")).order_by("-at").values("at")[:1]


def _knowing(references: Sequence[Reference]) -> set[int]:
    served = ModelOutputShown.objects.filter(inspection__in=[row.inspection_id for row in references])
    return {row.by_id for row in references} | {*served.order_by().values_list("user_id", flat=True).distinct()}


# ---- What it costs and could show


@dataclass(frozen=True)
class Plan:
    """A plan to look over: its parts and people, and why it may not begin (empty: it may)."""

    name: str
    rows: tuple[PoolRow, ...]
    people: tuple[Candidate, ...]
    rounds: int
    seconds: float | None  # of a verdict, the median; None: nobody was timed yet

    @property
    def scratched(self) -> int:
        return sum(row.scratched for row in self.rows)

    @property
    def good(self) -> int:
        return len(self.rows) - self.scratched

    @property
    def borderline(self) -> int:
        return sum(row.borderline for row in self.rows)

    @property
    def each(self) -> int:
        """Verdicts of each inspector."""
        return len(self.rows) * self.rounds

    @property
    def verdicts(self) -> int:
        return self.each * len(self.people)

    @property
    def minutes_each(self) -> int | None:
        return max(1, round(self.each * self.seconds / 60)) if self.seconds else None

    @property
    def minutes(self) -> int | None:
        return max(1, round(self.verdicts * self.seconds / 60)) if self.seconds else None

    @property
    def reasons(self) -> list[str]:
        return against_study(
            name=self.name, rounds=self.rounds, truths=[row.reference.truth for row in self.rows],
            inspectors=len(self.people), cannot=[], know=sorted(one.called for one in self.people if one.knows),
        )  # fmt: skip

    @property
    def advice(self) -> list[str]:
        found = advice(self.rows)
        if len(self.people) < ADVISED_INSPECTORS:
            words = _("{advised} inspectors are advised; {n} are chosen.")
            found.append(words.format(advised=ADVISED_INSPECTORS, n=len(self.people)))
        if self.rounds < ADVISED_ROUNDS:
            words = _("{advised} rounds are advised: they tell how far an inspector agrees with themselves.")
            found.append(words.format(advised=ADVISED_ROUNDS))
        return found

    @property
    def could_show(self) -> str:
        """What the best possible result would prove of each inspector's misses."""
        looks = self.scratched * self.rounds
        words = _(
            "An inspector who misses none of {n} is shown to miss at most {share} (95 % confidence); "
            "2 % takes {needed} without a miss."
        )
        needed = needed_without_one(MISS_LIMIT, 0.95)
        return words.format(n=looks, share=percent(Rate(0, looks).upper(0.95)), needed=needed) if looks else ""


def median_seconds(line: Line, people: Sequence[User]) -> float | None:
    """How long a verdict takes on the line, by the last ones of these people together."""
    timed: list[int] = []
    for person in people:
        mine = Verdict.objects.filter(Q(inspector=person), inspection__line=line, duration_ms__gt=0)
        timed += mine.order_by("-at").values_list("duration_ms", flat=True)[:PACED_BY]
    return median(timed) / 1000 if timed else None
