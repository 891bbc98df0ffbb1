"""Pairs: what people judged of a part beside what one version answered, joined in five set queries."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal, NamedTuple

from django.db.models import Min, Q, QuerySet

from inspection.judging import finding_of
from inspection.models import Correction, Inspection, Line, ModelOutputShown, Origin, Outcome, User, Verdict
from inspection.models.judgement import Occasion
from inspection.people import usernames_for
from scoring.novelty import is_out_of_distribution
from shadow.as_of import AsOf
from shadow.models import Adjudication, ModelVersion, Prediction

Kind = Literal["blind", "assisted", "retrospective", "seeded"]
Cell = Literal["both_ok", "overkill", "escape", "both_scratched"]

KINDS: tuple[Kind, ...] = ("blind", "assisted", "retrospective")  # those that a report may be asked for
CELLS: dict[tuple[str, str], Cell] = {  # (the person, the model): the person is held right
    ("ok", "ok"): "both_ok",
    ("ok", "scratched"): "overkill",
    ("scratched", "ok"): "escape",
    ("scratched", "scratched"): "both_scratched",
}


class Pair(NamedTuple):
    """One prediction and what people said of its part.

    `outcome` is what reports count: the last verdict that is not unsure, as last corrected ('unsure' while all are,
    None before any). `evidence_outcome` is what certificates count: the first judge's own answer, with the
    corrections made before anything of the model was served; where that is unsure, the next unseeing judge's.
    `served_before`: something of the model was served to a judge before a verdict that one of the two rests on.
    `late`: the answer was recorded when a verdict was there already, so it is no blind pair whatever was drawn.
    `inspector` is nobody's name until `seen_by` tells it to a reader.
    """

    inspection_id: int
    prediction_id: int
    serial: str
    line: str
    station: str | None
    variant: str | None
    lot: str
    received_at: datetime
    model: str
    score: float | None
    novelty: float | None
    predicted: str | None
    null_reason: str
    inspector_id: int | None
    inspector: str | None
    judged_at: datetime | None
    outcome: str | None
    evidence_outcome: str | None
    drawn_blind: bool
    served_before: bool
    origin: str
    live: bool
    retrospective: bool
    finding: str | None
    late: bool = False

    @property
    def usable_score(self) -> float | None:
        """The score by which a part may be routed; None where there is none, or the part is out of distribution."""
        return None if is_out_of_distribution(self.novelty) else self.score

    @property
    def evidence_kind(self) -> Kind:
        """What the pair is evidence of: only blind pairs of live parts speak for or against the model."""
        return kind_of(
            self.origin, self.live, self.retrospective, self.drawn_blind and not self.served_before and not self.late
        )

    @property
    def cell(self) -> Cell | None:
        """Where the pair stands in the 2x2 table; None while one of the two has not answered ok or scratched."""
        return CELLS.get((self.outcome or "", self.predicted or ""))

    @property
    def differs(self) -> bool:
        return self.cell in ("escape", "overkill")


def kind_of(origin: str, live: bool, retrospective: bool, blind: bool) -> Kind:
    """What a pair is evidence of. `blind`: drawn blind, nothing of the model was served to its judges before, and nothing of
    their verdict was there when the model's answer was recorded."""
    if origin == Origin.SEEDED:
        return "seeded"  # it measures the inspectors
    if retrospective or not live:
        return "retrospective"
    return "blind" if blind else "assisted"


def counts_as_live(origin: str, demo: bool) -> bool:
    return origin == Origin.LIVE or (origin == Origin.SIMULATED and demo)


class Judged(NamedTuple):
    """What a part's verdicts come to."""

    inspector_id: int | None
    judged_at: datetime | None
    outcome: str | None
    evidence_outcome: str | None
    served_before: bool


class _Verdict(NamedTuple):
    pk: int
    inspection_id: int
    inspector_id: int | None
    outcome: str
    at: datetime


class _Correction(NamedTuple):
    verdict_id: int
    outcome: str
    by_id: int
    at: datetime


Served = dict[tuple[int, int], datetime]  # (inspection, person): when model output was first served to them
NOT_JUDGED = Judged(None, None, None, None, False)


def pairs(
    *,
    line: Line | None = None,
    version: ModelVersion | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> list[Pair]:
    """A pair for each prediction, by arrival (received_at, then id); `start` counts, `end` does not.

    Five queries however many pairs there are.
    """
    wanted = {"inspection__line": line, "version": version}
    span = {"inspection__received_at__gte": start, "inspection__received_at__lt": end}
    given = {name: value for name, value in (wanted | span).items() if value is not None}
    return pairs_of(Prediction.objects.filter(**given))


def pairs_of(
    predictions: QuerySet[Prediction], as_of: AsOf | None = None, besides: QuerySet[Inspection] | None = None
) -> list[Pair]:
    """The pairs of these predictions, by arrival; with `as_of` as they stood then (findings as they are now); `besides`
    as for `judged_of`.

    The queryset is used as a subquery: it must not be sliced.
    """
    if as_of:
        predictions = predictions.filter(as_of.q("prediction"))
    judged = judged_of(predictions, as_of, besides)
    findings = findings_of(predictions)
    by_arrival = predictions.order_by("inspection__received_at", "inspection_id", "pk")
    rows: QuerySet[Any, tuple[Any, ...]] = by_arrival.values_list(
        "inspection_id", "pk", "inspection__serial", "inspection__line__slug", "inspection__station__slug",
        "inspection__variant__slug", "inspection__lot", "inspection__received_at", "version__name", "score", "novelty",
        "outcome", "null_reason", "retrospective", "inspection__draw", "inspection__draw__blind", "inspection__origin",
        "inspection__line__demo", "late",
    )  # fmt: skip
    found = []
    for *fields, outcome, null_reason, retrospective, draw, blind, origin, demo, late in rows:
        inspector, *said, served_before = judged.get(fields[0], NOT_JUDGED)
        live, finding = counts_as_live(origin, demo), findings.get(fields[1])
        blind = bool(blind) and (as_of is None or as_of.has("draw", draw))
        told = (
            outcome or None,
            null_reason,
            inspector,
            None,
            *said,
            blind,
            served_before,
            origin,
            live,
            retrospective,
            finding,
            bool(late),
        )
        found.append(Pair._make((*fields, *told)))
    return found


def seen_by(reader: User, found: Iterable[Pair]) -> list[Pair]:
    """The pairs as this reader may read them: the inspector by their own name or a pseudonym."""
    found = list(found)
    called = usernames_for(reader, {pair.inspector_id for pair in found})
    return [pair._replace(inspector=called.get(pair.inspector_id)) for pair in found]


def judged_of(
    predictions: QuerySet[Prediction], as_of: AsOf | None = None, besides: QuerySet[Inspection] | None = None
) -> dict[int, Judged]:
    """What the verdicts on these predictions' parts come to, by part; a part that nobody judged is not in it. What was
    served of the parts `besides`, these among them, counts as served of each of these: they are one thing."""
    parts = predictions.order_by().values("inspection")
    corrections: dict[int, list[_Correction]] = defaultdict(list)
    made = Correction.objects.filter(_then("correction", as_of), verdict__inspection__in=parts).order_by("pk")
    for correction in made.values_list("verdict_id", "outcome", "by_id", "at"):
        corrections[correction[0]].append(_Correction(*correction))
    served = _served(parts, as_of)
    # A verdict after advice says how far person and model together agree with the model; it is nobody's control.
    given = Verdict.objects.filter(_then("verdict", as_of), inspection__in=parts).exclude(occasion=Occasion.ADVISED)
    given = given.order_by("pk")
    verdicts: dict[int, list[tuple]] = defaultdict(list)
    for row in given.values_list("pk", "inspection_id", "inspector_id", "outcome", "at"):
        verdicts[row[1]].append(row)
    if besides is not None:
        first = _first_served(besides, as_of)
        served |= {(part, person): at for part in verdicts for person, at in first.items()}
    disturbed = {part for part, _person in served}
    return {
        part: _said_once(rows[0])
        if len(rows) == 1 and rows[0][0] not in corrections and part not in disturbed
        else _judgement([_Verdict(*row) for row in rows], corrections, served)
        for part, rows in verdicts.items()
    }


def _said_once(row: tuple) -> Judged:
    """One verdict and nothing else, as nearly every part has: what `_judgement` says of it, at a tenth of the time."""
    _pk, _part, inspector_id, outcome, at = row
    return Judged(inspector_id, at, outcome, outcome, False)


def _then(table: str, as_of: AsOf | None) -> Q:
    """The rows of a table that were there at the moment asked for; without one all of them."""
    return as_of.q(table) if as_of else Q()


def _served(parts: QuerySet, as_of: AsOf | None) -> Served:
    shown = ModelOutputShown.objects.filter(_then("shown", as_of), inspection__in=parts)
    rows = shown.order_by().values("inspection_id", "user_id")
    return {(row["inspection_id"], row["user_id"]): row["first"] for row in rows.annotate(first=Min("at"))}


def _first_served(parts: QuerySet[Inspection], as_of: AsOf | None) -> dict[int, datetime]:
    """When something of any of some parts was first served, by person."""
    shown = ModelOutputShown.objects.filter(_then("shown", as_of), inspection__in=parts.order_by().values("pk"))
    return dict(shown.order_by().values_list("user_id").annotate(first=Min("at")))


def findings_of(predictions: QuerySet[Prediction]) -> dict[int, str]:
    """What supervisors found, by prediction."""
    settled = Adjudication.objects.filter(prediction__in=predictions.order_by().values("pk")).order_by("pk")
    return dict(settled.values_list("prediction_id", "finding"))  # the last row of a prediction holds


def _judgement(verdicts: list[_Verdict], corrections: dict[int, list[_Correction]], served: Served) -> Judged:
    outcomes = [corrections[v.pk][-1].outcome if v.pk in corrections else v.outcome for v in verdicts]
    finding = finding_of(outcomes)
    first, deciding = verdicts[0], verdicts[-1 if finding.index is None else finding.index]
    return Judged(
        inspector_id=deciding.inspector_id,
        judged_at=deciding.at,
        outcome=Outcome.UNSURE.value if finding.index is None else outcomes[finding.index],
        evidence_outcome=_evidence_outcome(verdicts, corrections, served),
        served_before=any(_was_served(v.inspection_id, v.inspector_id, v.at, served) for v in (first, deciding)),
    )


def _evidence_outcome(verdicts: list[_Verdict], corrections: dict[int, list[_Correction]], served: Served) -> str:
    for verdict in verdicts:
        if _was_served(verdict.inspection_id, verdict.inspector_id, verdict.at, served):
            continue
        outcome = _unseen_outcome(verdict, corrections.get(verdict.pk, ()), served)
        if outcome != Outcome.UNSURE:
            return outcome
    return Outcome.UNSURE.value


def _unseen_outcome(verdict: _Verdict, corrections: Iterable[_Correction], served: Served) -> str:
    """A verdict with the corrections that came before model output reached the judge or the correction's author.

    The judge too: somebody who has seen the model's answer could otherwise have a colleague write the correction.
    """
    outcome = verdict.outcome
    for correction in corrections:
        people = (verdict.inspector_id, correction.by_id)
        if any(_was_served(verdict.inspection_id, person, correction.at, served) for person in people):
            break
        outcome = correction.outcome
    return outcome


def _was_served(inspection_id: int, person: int | None, at: datetime, served: Served) -> bool:
    """Whether model output was served to the person by then. At the same moment counts as before: nobody can tell."""
    first = served.get((inspection_id, person)) if person is not None else None
    return first is not None and first <= at
