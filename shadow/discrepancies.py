"""Finds the parts where person and model differ, in order, at a cost that does not grow with the history."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import product

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from inspection.actions.intake import find_line
from inspection.models import Line, User
from inspection.refusals import BadInput, Unknown
from shadow.asked import one_of
from shadow.days import EVERYTHING, Calendar, Span, read_span
from shadow.keeping import as_far_as_kept
from shadow.models import DIFFERING, Comparison, Differs, Finding, ModelVersion, Prediction, Unseeded, Unsettled
from shadow.narrowing import NOT_NARROWED, Narrow, read_narrow, within
from shadow.pairs import CELLS, KINDS, Pair, pairs_of, seen_by
from shadow.rollups import up_to_date
from shadow.versions import find_version

CELL_NAMES: tuple[str, ...] = tuple(CELLS.values())
PAGE = 24
MOST_COUNTED = 10_000  # a count beyond it says only that there are more
ORDERS = ("newest", "surest")
AGES = ("today", "1", "7", "30")  # received on the line's day of today, or more than so many days ago
FINDINGS = ("", *Finding.values)


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
    age: Span = EVERYTHING
    order: str = "newest"

    @property
    def line(self) -> Line | None:
        return self.lines[0] if len(self.lines) == 1 else None


@dataclass(frozen=True)
class Page:
    """Pairs in the list's order, and where the next page goes on (None: this is the last)."""

    pairs: tuple[Pair, ...]
    next: int | None


def read_sought(
    params: Mapping[str, str], by: User, *, kinds: tuple[str, ...] = DIFFERING, now: datetime | None = None
) -> Sought:
    """What a query string asks for. Raises BadInput with the allowed values, Unknown or NotAllowed.

    Parts of agreement are always listed newest first: of a sure answer that both gave there is nothing to settle.
    """
    kind, adjudicated = params.get("kind", ""), params.get("adjudicated", "")
    evidence, model = params.get("evidence", ""), params.get("model", "")
    lines = (find_line(params["line"], by),) if params.get("line") else tuple(Line.objects.for_user(by))
    dates = (params.get("from", ""), params.get("to", ""))
    order = one_of("order", params.get("order") or "newest", ORDERS)
    span = read_span(*dates, lines[0]) if lines else EVERYTHING
    narrow = read_narrow(params, lines, by)
    if narrow.inspector and lines:
        span = as_far_as_kept(span, lines[0], now)
    return Sought(
        lines=lines,
        cells=(one_of("kind", kind, kinds),) if kind else DIFFERING,
        adjudicated={"": None, "yes": True, "no": False}[one_of("adjudicated", adjudicated, ("yes", "no", ""))],
        version=find_version(model) if model else None,
        evidence=one_of("evidence", evidence, KINDS) if evidence else "",
        span=span,
        narrow=narrow,
        least=_score("score_from", params),
        most=_score("score_below", params),
        age=_read_age(params.get("age", ""), lines, now or timezone.now()),
        order=order if not kind or kind in DIFFERING else "newest",
    )


def _read_age(text: str, lines: tuple[Line, ...], now: datetime) -> Span:
    """Today, or longer ago than some days; days are those of the first line."""
    age = one_of("age", text, ("", *AGES))
    if not age or not lines:
        return EVERYTHING
    return Span(start=Calendar(lines[0]).day_of(now)) if age == "today" else Span(end=now - timedelta(days=int(age)))


def _score(name: str, params: Mapping[str, str]) -> float | None:
    text = params.get(name, "").strip()
    if not text:
        return None
    try:
        score = float(text)
    except ValueError:
        score = -1.0
    if not 0 <= score <= 1:
        raise BadInput(_("{name!r} is {text!r}. A score is a number from 0 to 1.").format(name=name, text=text))
    return score


def read_cursor(text: str) -> int | None:
    """The prediction that a page starts before. Raises BadInput."""
    if not text:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise BadInput("'before' is the number of a prediction, as 'next' gave it.")
    return int(text)


def find_pairs(sought: Sought, *, before: int | None = None, limit: int | None = None) -> Page:
    """The pairs that follow the prediction `before` in the list, at most `limit` (a page when not given)."""
    limit = limit or PAGE
    keys = find_keys(sought, before=before, limit=limit + 1)
    found = {pair.prediction_id: pair for pair in pairs_of(Prediction.objects.filter(pk__in=keys[:limit]))}
    in_order = tuple(found[key] for key in keys[:limit] if key in found)
    return Page(in_order, keys[limit - 1] if len(keys) > limit else None)


def find_keys(sought: Sought, *, before: int | None = None, limit: int) -> list[int]:
    """The predictions of the pairs that follow `before` in the list, at most `limit`.

    Newest first; or the surest mistakes first: escapes from the lowest score, then overkill from the highest. Each run
    of an index is asked by itself and the runs are merged, so that only what is listed is read, however many match.
    """
    up_to_date(sought.lines)
    if sought.order == "surest":
        return _surest(sought, before, limit)
    older = Q() if before is None else Q(prediction__lt=before)
    runs = (comparisons(replace(sought, lines=(line,))).filter(older).order_by("-prediction") for line in sought.lines)
    keys = [key for run in runs for key in run.values_list("prediction", flat=True)[:limit]]
    return sorted(keys, reverse=True)[:limit]


def _surest(sought: Sought, before: int | None, limit: int) -> list[int]:
    last = Comparison.objects.filter(Differs(), pk=before).first() if before is not None else None
    keys: list[int] = []
    for cell in (cell for cell in DIFFERING if cell in sought.cells):
        if last and DIFFERING.index(last.standing) > DIFFERING.index(cell):
            continue
        runs = _runs_by_score(sought, cell, last if last and last.standing == cell else None)
        rows = [row for run in runs for row in run[: limit - len(keys)]]
        keys += [key for _score, key in sorted(rows, reverse=cell == "overkill")][: limit - len(keys)]
    return keys


def _runs_by_score(sought: Sought, cell: str, last: Comparison | None) -> Iterator[QuerySet[Comparison, tuple]]:
    """(score, prediction) of one kind, a run for each line and finding: from the surest mistake, or on from `last`."""
    order, way, back = ("-score", "-prediction"), "lte", "gte"
    if cell == "escape":
        order, way, back = ("score", "prediction"), "gte", "lte"
    rest = Q()
    if last:
        rest = Q(**{f"score__{way}": last.score}) & ~Q(score=last.score, **{f"prediction__{back}": last.pk})
    findings = {None: FINDINGS, False: ("",), True: tuple(Finding.values)}[sought.adjudicated]
    for line, finding in product(sought.lines, findings):
        run = comparisons(replace(sought, lines=(line,), cells=(cell,), adjudicated=None))
        yield run.filter(rest, finding=finding).order_by(*order).values_list("score", "prediction")


def count(sought: Sought) -> int:
    """How many pairs are listed; MOST_COUNTED + 1 stands for more. As of the last `find_keys`."""
    return comparisons(sought).order_by().values("pk")[: MOST_COUNTED + 1].count()


def comparisons(sought: Sought) -> QuerySet[Comparison]:
    """The pairs as they were counted that are wanted. Seeded parts, which measure the inspectors, are never among them."""
    found = Comparison.objects.filter(Unseeded(), line__in=sought.lines, **sought.narrow.groups())
    found = found.filter(Differs()) if set(sought.cells) <= set(DIFFERING) else found
    if sought.cells != DIFFERING:
        found = found.filter(standing__in=sought.cells)
    if sought.adjudicated is not None:
        found = found.exclude(Unsettled()) if sought.adjudicated else found.filter(Unsettled())
    given = {
        "version": sought.version, "kind": sought.evidence or None, "lot": sought.narrow.lot or None,
        "score__gte": sought.least, "score__lt": sought.most,
    }  # fmt: skip
    found = found.filter(**{name: value for name, value in given.items() if value is not None})
    return found.filter(within(sought.span), within(sought.age))


def find_judged_pair(prediction_id: int, by: User) -> Pair:
    """The pair of one prediction, on a line of the reader's and after a verdict. Raises Unknown."""
    on_their_lines = Prediction.objects.filter(pk=prediction_id, inspection__line__in=Line.objects.for_user(by))
    pair = next(iter(pairs_of(on_their_lines)), None)
    if pair is None:
        raise Unknown(_("There is no prediction {number} on your lines.").format(number=prediction_id))
    if pair.cell is None:
        words = _("Part {serial} cannot be compared: it needs a verdict of ok or scratched and a score.")
        raise Unknown(words.format(serial=pair.serial))
    return seen_by(by, [pair])[0]


def find_prediction(pk: int, by: User) -> Prediction:
    """A prediction on a line of the person's, with its part. Raises Unknown."""
    on_their_lines = Prediction.objects.filter(inspection__line__in=Line.objects.for_user(by))
    found = on_their_lines.select_related("inspection__line", "inspection__variant").filter(pk=pk).first()
    if found is None:
        raise Unknown(_("There is no prediction {number} on your lines.").format(number=pk))
    return found


def open_ones(sought: Sought) -> Sought:
    """Those of a list that are still to be settled."""
    return replace(sought, adjudicated=False, cells=tuple(cell for cell in sought.cells if cell in DIFFERING))


def next_open(sought: Sought, *, after: int) -> int | None:
    """The next unsettled discrepancy in the list's order, from the top again at its end; None when all are settled."""
    for before in (after, None):
        for key in find_keys(open_ones(sought), before=before, limit=2):
            if key != after:
                return key
    return None


def following(sought: Sought, *, wanted: str, after: int) -> int | None:
    """What to settle next: the wanted one while it is open, or the next that is."""
    up_to_date(sought.lines)
    key = int(wanted) if wanted.isdecimal() and len(wanted) <= 18 else 0
    return key if comparisons(open_ones(sought)).filter(pk=key).exists() else next_open(sought, after=after)
