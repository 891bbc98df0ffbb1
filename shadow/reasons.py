"""The reasons that a line's supervisors give most, offered as choices by digit."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy

from inspection.models import Line, Truth, User
from inspection.planning import unindexed
from inspection.prepared import Given, Prepared
from shadow.models import Adjudication
from shadow.truth import truth_of

LOOKED_AT = 300  # findings of the line
SEARCHED = 5000  # findings of all lines among which they are looked for, so that it costs the same at any age
CHOICES = 9  # digits
AMBIGUOUS = "ambiguous"

# What every line is offered first, by what the part is found to be.
FIRST = {
    "ok": (gettext_lazy("Dust"), gettext_lazy("Reflection"), gettext_lazy("Fingerprint")),
    "scratched": (
        gettext_lazy("Hairline scratch"),
        gettext_lazy("Short scratch"),
        gettext_lazy("Scratch at the edge"),
    ),
    AMBIGUOUS: (gettext_lazy("The photo does not show it"), gettext_lazy("Right at the limit")),
}


@dataclass(frozen=True)
class Reasons:
    """What is offered for one finding, in the order of the digits, and the one that this person gave last."""

    choices: tuple[str, ...]
    last: str


def reasons_for(line: Line, reader: User) -> Mapping[str, Reasons]:
    """The reasons on a line by what the part is found to be: ok, scratched or ambiguous.

    A few common ones, then the line's most frequent in the order in which they were first given: a digit that hands
    have learned keeps its reason.
    """
    given: dict[str, list[str]] = defaultdict(list)
    last: dict[str, str] = {}
    for meaning, reason, by in _given(line):
        given[meaning].append(reason)
        if by == reader.pk:
            last.setdefault(meaning, reason)
    return {
        meaning: Reasons(_offered(given[meaning], first), last.get(meaning, "")) for meaning, first in FIRST.items()
    }


def _given(line: Line) -> Iterable[tuple[str, str, int]]:
    """(what it says of the part, reason, by whom) of the line's last findings, newest first."""
    (newest,) = _NEWEST.first() or (0,)
    for finding, reason, by, answer in _LATELY(line=line.pk, after=newest - SEARCHED):
        # They differed when it was settled, whatever became of the verdict since.
        verdict = Truth.OK if answer == Truth.SCRATCHED else Truth.SCRATCHED
        yield truth_of(finding, verdict, answer) or AMBIGUOUS, reason, by


def _lately() -> QuerySet[Adjudication, tuple[str, str, int, str]]:
    # Without statistics SQLite would begin with all parts of the line.
    lately = Adjudication.objects.alias(on_line=unindexed("prediction__inspection__line"))
    lately = lately.filter(pk__gt=Given("after"), on_line=Given("line")).order_by("-pk")
    return lately.values_list("finding", "reason", "by", "prediction__outcome")[:LOOKED_AT]


_NEWEST = Prepared(lambda: Adjudication.objects.order_by("-pk").values_list("pk")[:1])
_LATELY = Prepared(_lately)


def _offered(given: list[str], first: Iterable[object]) -> tuple[str, ...]:
    """The common ones first, then the line's own; both keep their places."""
    common = [str(reason) for reason in first]
    own = Counter(reason for reason in given if reason not in common)
    often = {reason for reason, _times in own.most_common(CHOICES - len(common))}
    return (*common, *(reason for reason in dict.fromkeys(reversed(given)) if reason in often))
