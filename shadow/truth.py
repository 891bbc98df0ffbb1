"""What a part is, as far as supervisors' findings tell: a pure rule, and the findings that hold on a part."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from inspection.models import Inspection, Truth
from shadow.models import Finding, Prediction
from shadow.pairs import Pair, pairs_of


def truth_of(finding: str | None, verdict: str | None, answer: str | None) -> str:
    """What a finding makes of the part: the person's verdict or the model's answer. Empty: it says nothing.

    >>> truth_of("person", "ok", "scratched"), truth_of("model", "ok", "scratched"), truth_of("ambiguous", "ok", "ok")
    ('ok', 'scratched', '')
    """
    said = {Finding.PERSON: verdict, Finding.MODEL: answer}.get(Finding(finding)) if finding else None
    return said if said in Truth.values else ""


def truth_of_pair(pair: Pair) -> str:
    return truth_of(pair.finding, pair.outcome, pair.predicted)


@dataclass(frozen=True)
class Found:
    """What the findings on a part come to: the truths that they name, and whether one of them is ambiguous."""

    serial: str
    settled: bool
    ambiguous: bool
    truths: frozenset[str]

    @property
    def truth(self) -> str:
        """What the part is; empty while `against` says why nobody can tell."""
        return next(iter(self.truths)) if not against(self) else ""


def found_on(part: Inspection) -> Found:
    """The findings that hold on a part, one for each version that a supervisor settled it against."""
    settled = Prediction.objects.filter(inspection=part, adjudications__isnull=False).distinct()
    return what_is_found(part.serial, pairs_of(settled))


def what_is_found(serial: str, pairs: Iterable[Pair]) -> Found:
    settled = [pair for pair in pairs if pair.finding]
    truths = frozenset(truth for pair in settled if (truth := truth_of_pair(pair)))
    return Found(serial, bool(settled), any(pair.finding == Finding.AMBIGUOUS for pair in settled), truths)


def against(found: Found) -> list[str]:
    """Why nobody can say what the part is, as sentences; none: its truth is known."""
    if not found.settled:
        return [_("Settle first who was right.")]
    if found.ambiguous:
        return [
            _("The finding is ambiguous: nobody can say what the part is. Find the person or the model right first.")
        ]
    if len(found.truths) > 1:
        words = _("The findings on part {serial} contradict each other. Settle them alike first.")
        return [words.format(serial=found.serial)]
    if not found.truths:
        return [_("The verdict that was found right is unsure now. Settle again who was right.")]
    return []
