"""The parts on which two versions differ, and what people found of them: counted by the database.

Two kinds are counted, both by what was frozen with the versions at registration, so that nobody can choose a threshold
by its result. Of the parts *drawn* for a blind verdict, which do not depend on any score, those that the two answer
differently. Of those *sent* to a person because the two decided oppositely, those where both were sure: one below its
strictest threshold, the other from its loosest on. Whatever the policy, all such parts are sent; of others that differ by
less it would depend on the thresholds in force, and on which of the two was live, whether anybody judged them.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from datetime import datetime
from typing import NamedTuple

from django.db.models import Exists, OuterRef, QuerySet

from automation.models import Routing
from automation.versus import VERSIONS_DISAGREE
from inspection.models import Correction, Inspection, Line, Outcome
from shadow.certifying import WAITING, IsOpenEvidence
from shadow.comparisons import EARLIER, bars_of
from shadow.models import Comparison, Differs, ModelVersion, Prediction, Unseeded
from shadow.models.counted import CountsAs
from shadow.pairs import judged_of

SCRATCHED = CountsAs.SCRATCHED
NEWEST = 1_000  # answers to good parts: enough to tell which of two rejects more of them


class Span(NamedTuple):
    """Parts of a line that arrived from `since` on (None: from the first), and not after `until`."""

    line: Line
    since: datetime | None
    until: datetime

    def pairs(self, *versions: ModelVersion) -> QuerySet[Comparison]:
        rows = Comparison.objects.filter(line=self.line, version__in=versions, received_at__lte=self.until).order_by()
        return rows.filter(received_at__gte=self.since) if self.since else rows


def _slot(version: ModelVersion) -> int:
    """From this slot on the version answers scratched, below it ok."""
    return bisect_right(bars_of(version.thresholds, version.threshold), version.threshold)


def drawn_apart(span: Span, missing: ModelVersion, finding: ModelVersion) -> tuple[int, int]:
    """Parts, drawn for a blind verdict, that one version answers ok and the other scratched: how many of them are
    scratched, and of how many nobody has said."""
    # The few that are missed are read first: a database that joins may begin with the many that are found. By their kind,
    # and what they count as is asked of the other's row, or PostgreSQL would read all evidence from an index that has it.
    missed = span.pairs(missing).filter(IsOpenEvidence(), slot__lt=_slot(missing), kind="blind")
    found = Comparison.objects.filter(inspection__in=_parts_of(missed), version=finding, slot__gte=_slot(finding))
    words = Counter(found.values_list("evidence", flat=True))
    return words[SCRATCHED], sum(words[word] for word in WAITING)


def _parts_of(rows: QuerySet[Comparison]) -> list[int]:
    return list(rows.values_list("inspection_id", flat=True))


def drawn_good(span: Span, blue: ModelVersion, green: ModelVersion) -> Counter[int]:
    """Good parts, drawn for a blind verdict, that one version alone answers scratched, by that version's key: of the
    newest that either has so answered."""
    # Those that differ from a person who found nothing; said so, they are found in their order, newest first.
    rejected = span.pairs(blue, green).filter(Differs(), evidence=CountsAs.OK)
    parts = {*_parts_of(rejected.order_by("-prediction_id")[:NEWEST])}
    rows = Comparison.objects.filter(inspection__in=parts, version__in=[blue, green], evidence=CountsAs.OK)
    by_part: dict[int, dict[int, bool]] = defaultdict(dict)
    bars = {version.pk: _slot(version) for version in (blue, green)}
    for part, version, slot in rows.values_list("inspection_id", "version_id", "slot"):
        if slot is not None:
            by_part[part][version] = slot >= bars[version]
    both = [rejects for rejects in by_part.values() if len(rejects) == 2 and len({*rejects.values()}) == 2]
    return Counter(version for rejects in both for version, rejected in rejects.items() if rejected)


def sent_scratched(span: Span, blue: ModelVersion, green: ModelVersion) -> Counter[int]:
    """Scratched parts that people got because the two disagreed, not drawn, of which both were sure: how many each would
    have passed, by the version's key. Nothing of either was shown before the verdict: the rules of evidence hold here
    too."""
    answers = Prediction.objects.filter(pk__in=_judged_scratched(span, blue, green))
    said_of = judged_of(answers)
    unrepeated = answers.exclude(Exists(EARLIER)).values_list("inspection_id", "version_id")
    judged = [(version, said_of[part]) for part, version in unrepeated if part in said_of]
    return Counter(
        version for version, said in judged if said.evidence_outcome == Outcome.SCRATCHED and not said.served_before
    )


def _judged_scratched(span: Span, blue: ModelVersion, green: ModelVersion) -> list[int]:
    """The answers that passed such parts, where somebody found a scratch; or where a verdict was corrected since."""
    sent = _disagreements(blue, green)
    corrected = Correction.objects.order_by().values_list("verdict__inspection", flat=True)
    doubted = sent.filter(inspection__in=[*corrected])
    parts = [*doubted.values_list("inspection", flat=True)]
    found: list[int] = []
    for missing, finding in ((blue, green), (green, blue)):
        sure = Comparison.objects.filter(inspection=OuterRef("inspection"), version=finding)
        sure = sure.filter(score__gte=max(finding.thresholds, default=finding.threshold))
        rows = span.pairs(missing).filter(Exists(sure), evidence="", kind="assisted")
        rows = rows.filter(score__lt=min(missing.thresholds, default=missing.threshold))
        escaped = rows.filter(Differs(), Unseeded(), standing="escape")
        for some in (
            escaped.filter(Exists(sent.filter(inspection=OuterRef("inspection")))),
            rows.filter(inspection__in=parts),
        ):
            found += some.values_list("prediction_id", flat=True)
    return found


def _disagreements(one: ModelVersion, other: ModelVersion) -> QuerySet[Routing]:
    pair = [one.pk, other.pk]
    return Routing.objects.filter(reason=VERSIONS_DISAGREE, policy__version__in=pair, policy__standby__in=pair)


def sent_waiting(span: Span, blue: ModelVersion, green: ModelVersion) -> int:
    """Parts that were sent to a person because the two disagreed, not drawn, and wait."""
    sent = _disagreements(blue, green).filter(inspection=OuterRef("pk"), inspection__draw__blind=False)
    return Inspection.objects.queued([span.line.pk]).filter(Exists(sent)).count()
