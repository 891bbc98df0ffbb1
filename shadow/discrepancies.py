"""Finds the parts where person and model differ, newest first, at a cost that does not grow with the history."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Q, QuerySet

from inspection.actions.intake import find_line
from inspection.models import Line, User
from inspection.refusals import BadInput, Unknown
from shadow.asked import one_of
from shadow.days import EVERYTHING, Span, read_span
from shadow.models import DIFFERING, Comparison, Differs, ModelVersion, Prediction
from shadow.narrowing import NOT_NARROWED, Narrow, read_narrow
from shadow.pairs import CELLS, KINDS, Pair, pairs_of, seen_by
from shadow.rollups import up_to_date
from shadow.versions import find_version

CELL_NAMES: tuple[str, ...] = tuple(CELLS.values())
PAGE = 24


@dataclass(frozen=True)
class Sought:
    """Which pairs are listed. `lines` are the ones that the reader may see; scores are from `least` up to below `most`."""

    lines: tuple[Line, ...]
    cells: tuple[str, ...] = DIFFERING
    adjudicated: bool | None = None
    version: ModelVersion | None = None
    evidence: str = ""
    span: Span = EVERYTHING
    narrow: Narrow = NOT_NARROWED
    least: float | None = None
    most: float | None = None


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
        cells=(one_of("kind", kind, kinds),) if kind else DIFFERING,
        adjudicated={"": None, "yes": True, "no": False}[one_of("adjudicated", adjudicated, ("yes", "no", ""))],
        version=find_version(model) if model else None,
        evidence=one_of("evidence", evidence, KINDS) if evidence else "",
        span=read_span(*dates, lines[0]) if lines else EVERYTHING,
        narrow=read_narrow(params, lines, by),
        least=_score("score_from", params),
        most=_score("score_below", params),
    )


def _score(name: str, params: Mapping[str, str]) -> float | None:
    text = params.get(name, "").strip()
    if not text:
        return None
    try:
        score = float(text)
    except ValueError:
        score = -1.0
    if not 0 <= score <= 1:
        raise BadInput(f"{name!r} is {text!r}. A score is a number from 0 to 1.")
    return score


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
    up_to_date(sought.lines)
    found = comparisons(sought).order_by("-prediction")
    older = found if before is None else found.filter(prediction__lt=before)
    keys = list(older.values_list("prediction", flat=True)[: limit + 1])
    pairs = pairs_of(Prediction.objects.filter(pk__in=keys[:limit]))
    newest_first = tuple(sorted(pairs, key=lambda pair: -pair.prediction_id))
    return Page(newest_first, keys[limit - 1] if len(keys) > limit else None)


def comparisons(sought: Sought) -> QuerySet[Comparison]:
    """The pairs as they were counted that are wanted. Seeded parts, which measure the inspectors, are never among them."""
    found = Comparison.objects.filter(line__in=sought.lines, **sought.narrow.groups()).exclude(kind="seeded")
    found = found.filter(Differs()) if set(sought.cells) <= set(DIFFERING) else found
    if sought.cells != DIFFERING:
        found = found.filter(standing__in=sought.cells)
    if sought.adjudicated is not None:
        found = found.exclude(finding="") if sought.adjudicated else found.filter(finding="")
    given = {
        "version": sought.version, "kind": sought.evidence or None, "lot": sought.narrow.lot or None,
        "score__gte": sought.least, "score__lt": sought.most,
    }  # fmt: skip
    found = found.filter(**{name: value for name, value in given.items() if value is not None})
    return found.filter(_held(sought.span))


def _held(span: Span) -> Q:
    """A span as a condition: whole days by the line's own days, moments by the arrival."""
    wanted = Q()
    if span.start:
        wanted &= Q(received_at__gte=span.start) if isinstance(span.start, datetime) else Q(day__gte=span.start)
    if span.end:
        wanted &= Q(received_at__lt=span.end) if isinstance(span.end, datetime) else Q(day__lte=span.end)
    return wanted


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
