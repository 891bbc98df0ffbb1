"""Finds the parts where person and model differ, newest first, at a cost that does not grow with the history."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from django.db.models import Exists, OuterRef, Q, QuerySet

from inspection.actions.intake import find_line
from inspection.models import Line, User
from inspection.refusals import BadInput, Unknown
from shadow.days import EVERYTHING, Calendar, Span, read_span
from shadow.models import Adjudication, ModelVersion, Prediction
from shadow.pairs import CELLS, KINDS, Cell, Pair, pairs_of, seen_by
from shadow.reports import one_of
from shadow.versions import find_version

DIFFERING: tuple[Cell, ...] = ("escape", "overkill")
CELL_NAMES: tuple[Cell, ...] = tuple(CELLS.values())
PAGE = 24
BATCH = 200  # predictions looked at together
MOST = 5000  # predictions looked at for one page; a page with rare hits ends here and its `next` goes on


@dataclass(frozen=True)
class Sought:
    """Which pairs are listed. `lines` are the ones that the reader may see."""

    lines: tuple[Line, ...]
    cells: tuple[Cell, ...] = DIFFERING
    adjudicated: bool | None = None
    version: ModelVersion | None = None
    evidence: str = ""
    span: Span = EVERYTHING

    def keeps(self, pair: Pair, calendars: Mapping[str, Calendar]) -> bool:
        return (
            pair.cell in self.cells
            and self.evidence in ("", pair.evidence_kind)
            and self.adjudicated in (None, pair.finding is not None)
            and self.span.holds(pair.received_at, calendars[pair.line])
        )


@dataclass(frozen=True)
class Page:
    """Pairs, newest prediction first, and where the next page goes on (None: this is the last)."""

    pairs: tuple[Pair, ...]
    next: int | None


def read_sought(params: Mapping[str, str], by: User, *, kinds: tuple[str, ...] = DIFFERING) -> Sought:
    """What a query string asks for. Raises BadInput with the allowed values, Unknown or NotAllowed."""
    kind, adjudicated = params.get("kind", ""), params.get("adjudicated", "")
    evidence, model = params.get("evidence", ""), params.get("model", "")
    lines = (find_line(params["line"], by),) if params.get("line") else tuple(Line.objects.for_user(by))
    dates = (params.get("from", ""), params.get("to", ""))
    return Sought(
        lines=lines,
        cells=(one_of("kind", kind, kinds),) if kind else DIFFERING,  # type: ignore[arg-type]
        adjudicated={"": None, "yes": True, "no": False}[one_of("adjudicated", adjudicated, ("yes", "no", ""))],
        version=find_version(model) if model else None,
        evidence=one_of("evidence", evidence, KINDS) if evidence else "",
        span=read_span(*dates, lines[0]) if lines else EVERYTHING,
    )


def read_cursor(text: str) -> int | None:
    """The prediction that a page starts before. Raises BadInput."""
    if not text:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise BadInput("'before' is the number of a prediction, as 'next' gave it.")
    return int(text)


def find_pairs(sought: Sought, *, before: int | None = None, limit: int | None = None) -> Page:
    """The next pairs with a prediction older than `before`, at most `limit` (a page when not given)."""
    limit = limit or PAGE
    calendars = {line.slug: Calendar(line) for line in sought.lines}
    candidates = _candidates(sought)
    older = candidates if before is None else candidates.filter(pk__lt=before)
    keys = list(older.values_list("pk", flat=True)[:MOST])
    found: list[Pair] = []
    for start in range(0, len(keys), BATCH):
        batch = pairs_of(Prediction.objects.filter(pk__in=keys[start : start + BATCH]))
        newest_first = sorted(batch, key=lambda pair: -pair.prediction_id)
        found += [pair for pair in newest_first if sought.keeps(pair, calendars)]
        if len(found) > limit:
            return Page(tuple(found[:limit]), found[limit - 1].prediction_id)
    return Page(tuple(found), keys[-1] if len(keys) == MOST else None)


def _candidates(sought: Sought) -> QuerySet[Prediction]:
    """Predictions that may be wanted: the database's rough sieve before the pairs' own exact rule."""
    sieve = Q(pk__in=[])
    for (person, model), cell in CELLS.items():
        if cell in sought.cells:
            said = Q(inspection__verdicts__outcome=person) | Q(inspection__verdicts__corrections__outcome=person)
            sieve |= Q(said, outcome=model)
    found = Prediction.objects.filter(sieve, inspection__line__in=sought.lines).order_by("-pk").distinct()
    if sought.version:
        found = found.filter(version=sought.version)
    if sought.adjudicated is not None:
        settled = Exists(Adjudication.objects.filter(prediction=OuterRef("pk")))
        found = found.filter(settled if sought.adjudicated else ~settled)
    if sought.lines:
        starts, ends = zip(*(sought.span.moments(line) for line in sought.lines), strict=True)
        if all(starts):
            found = found.filter(inspection__received_at__gte=min(starts))
        if all(ends):
            found = found.filter(inspection__received_at__lt=max(ends))
    return found


def find_judged_pair(prediction_id: int, by: User) -> Pair:
    """The pair of one prediction, on a line of the reader's and after a verdict. Raises Unknown."""
    on_their_lines = Prediction.objects.filter(pk=prediction_id, inspection__line__in=Line.objects.for_user(by))
    pair = next(iter(pairs_of(on_their_lines)), None)
    if pair is None:
        raise Unknown(f"There is no prediction {prediction_id} on your lines.")
    if pair.cell is None:
        raise Unknown(f"Part {pair.serial} cannot be compared: it needs a verdict of ok or scratched and a score.")
    return seen_by(by, [pair])[0]


def next_open(sought: Sought, *, after: int) -> Pair | None:
    """The next unsettled discrepancy in the list's order, from the top again at its end; None when all are settled."""
    unsettled = replace(sought, adjudicated=False, cells=tuple(cell for cell in sought.cells if cell in DIFFERING))
    for before in (after, None):
        for pair in find_pairs(unsettled, before=before, limit=2).pairs:
            if pair.prediction_id != after:
                return pair
    return None
