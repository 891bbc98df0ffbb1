"""How a version did on photos with known answers, as its page shows it: figures, charts with tables, failures.

A study is a part of the training data (from the card) or an evaluation kept later. It is read from JSON: what is
missing or of another shape is left out.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any, NamedTuple, TypeVar

from django.utils.safestring import SafeString

from shadow.agreement import Rate
from shadow.cards import Table, as_mapping, as_sequence
from shadow.charts import interval_bar, percent, reach
from shadow.models import ModelVersion
from shadow.plots import Bar, Place, curve, reliability, scores

CONFIDENCE = 0.95
PERCENT = "\u00a0%"
SHOWN = 5  # evaluations on the page
FIGURES = {
    "auroc": "AUROC", "average_precision": "average precision", "miss_rate": "of scratched missed",
    "false_alarm_rate": "of good called scratched", "ece": "calibration error", "coverage": "scored", "n": "photos",
}  # fmt: skip
IN_PERCENT = {"miss_rate", "false_alarm_rate", "coverage"}
KINDS = {
    "miss": ("Worst misses", "scratched, and scored as good; the lowest score first"),
    "false_alarm": ("Worst false alarms", "good, and scored as scratched; the highest score first"),
}
T = TypeVar("T")
DIGEST = re.compile(r"[0-9a-f]{64}")


class Plot(NamedTuple):
    """A chart, how to read it, and its numbers."""

    name: str
    reading: str
    svg: SafeString
    table: Table


class Share(NamedTuple):
    """A rate as a table shows it: value, counts, interval in words and drawn."""

    value: str
    counts: str
    between: str
    bar: SafeString


class PointRow(NamedTuple):
    """One threshold of the frozen order."""

    threshold: float
    note: str
    shares: tuple[Share, ...]  # passed, escapes among the passed, misses, false alarms


class Failure(NamedTuple):
    """A photo on which the model was wrong."""

    photo: str
    score: float
    picture: str
    marks: tuple[tuple[float, float, float, float], ...]


class Shelf(NamedTuple):
    title: str
    meaning: str
    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class Study:
    """One part or file of photos."""

    title: str
    at: datetime | None
    by: str
    figures: tuple[tuple[str, str], ...]
    excluded: tuple[tuple[str, int], ...]
    sentence: str
    plots: tuple[Plot, ...]
    points: tuple[PointRow, ...]
    shelves: tuple[Shelf, ...]
    open: bool

    @property
    def empty(self) -> bool:
        return not (self.plots or self.points or self.shelves)


def studies_of(version: ModelVersion) -> list[Study]:
    """The parts of the training data first, then the latest evaluations, newest first."""
    card = as_mapping(version.card)
    curves, figures = as_mapping(card.get("curves")), as_mapping(card.get("figures"))
    kept = [
        _study(
            version, f"At training, {part} part", figures=figures.get(part), curves=curves.get(part),
            gallery=card.get("gallery") if part == "test" else None, opened=part == "test",
        )
        for part in dict.fromkeys(("test", "calibrate", *curves))
    ]  # fmt: skip
    kept += [
        _study(
            version, row.source, figures=row.figures, curves=row.curves, gallery=row.gallery, at=row.at, by=row.by,
            retrospective=row.retrospective, opened=not place,
        )
        for place, row in enumerate(version.evaluations.all()[:SHOWN])
    ]  # fmt: skip
    return [study for study in kept if study.by or not study.empty]


def pictures_of(version: ModelVersion) -> set[str]:
    """The digests that the version's card and all of its evaluations name."""
    galleries = [as_mapping(version.card).get("gallery"), *version.evaluations.values_list("gallery", flat=True)]
    return {failure.picture for gallery in galleries for shelf in _shelves(gallery) for failure in shelf.failures}


def retrospective_sentence(held: Any) -> str:
    """What `safe_coverage` found, in words."""
    held = as_mapping(held)
    limit, originals = _share(held.get("limit")), _count(held.get("originals"))
    if limit is None or originals is None:
        return ""
    words = f"at R <= {100 * limit:.3g} %: "
    threshold, coverage, bound = (_share(held.get(name)) for name in ("threshold", "coverage", "bound"))
    if threshold is not None and coverage is not None and bound is not None:
        words += f"{_plain(coverage)} of {originals:,} originals pass below {threshold:.3g}, "
        words += f"at most {_plain(bound)} of them scratched"
    else:
        words += f"no threshold holds on {originals:,} originals"
        n, k = _count(held.get("n")), _count(held.get("k"))
        if n and k is not None and bound is not None:
            words += f" (of {n:,} below the strictest {k:,} are scratched, so up to {_plain(bound)} may be)"
    return f"{words}; retrospective, certifies nothing"


def _plain(share: float) -> str:
    return percent(share).replace("\u00a0", " ")


def _study(
    version: ModelVersion, title: str, *, figures: Any, curves: Any, gallery: Any, opened: bool,
    retrospective: Any = None, at: datetime | None = None, by: str = "",
) -> Study:  # fmt: skip
    figures, curves = as_mapping(figures), as_mapping(curves)
    nulls = as_mapping(figures.get("nulls"))
    held = as_mapping(retrospective).get("threshold")
    rows = [row for row in map(as_mapping, as_sequence(curves.get("operating_points"))) if _counts_of(row)]
    return Study(
        title=title, at=at, by=by, figures=_figures(figures),
        excluded=tuple((str(reason), n) for reason, n in nulls.items() if _count(n)),
        sentence=retrospective_sentence(retrospective), plots=_plots(curves, rows, version.threshold),
        points=_points(rows, version.threshold, held), shelves=_shelves(gallery), open=opened,
    )  # fmt: skip


def _figures(figures: Any) -> tuple[tuple[str, str], ...]:
    found = []
    for name, words in FIGURES.items():
        value = figures.get(name)
        if name == "n" and _count(value) is not None:
            found.append((words, f"{value:,}"))
        elif name != "n" and (share := _share(value)) is not None:
            found.append((words, percent(share) if name in IN_PERCENT else f"{share:.3f}"))
        elif name in figures:
            found.append((words, "not defined"))
    return tuple(found)


# ---- Charts


def _plots(curves: Any, rows: Sequence[Any], operating: float) -> tuple[Plot, ...]:
    operating_rows = [row for row in rows if row["threshold"] == operating]
    made = [
        _reliability(curves.get("reliability")),
        _precision(_triples(curves.get("pr")), operating_rows),
        _risk(_triples(curves.get("risk_coverage")), operating_rows),
        _histogram(as_mapping(curves.get("histogram")), operating),
    ]
    return tuple(plot for plot in made if plot and plot.svg)


def _reliability(value: Any) -> Plot | None:
    bars = []
    for row in map(as_mapping, as_sequence(value)):
        low, high, mean, scratched = (_share(row.get(name)) for name in ("low", "high", "mean_score", "scratched"))
        n = _count(row.get("n"))
        if low is not None and high is not None and mean is not None and scratched is not None and n:
            bars.append(Bar(low, high, n, mean, scratched))
    rows = [(_between(bar.low, bar.high), bar.n, f"{bar.mean_score:.3f}", percent(bar.scratched)) for bar in bars]
    return Plot(
        "Calibration", "On the diagonal a score means what it says. Posts are 95 % intervals; a larger dot has more photos.",
        reliability(bars), Table(("score", "n", "mean", "scratched"), tuple(rows)),
    )  # fmt: skip


def _precision(points: Sequence[tuple[float, float, float]], operating_rows: Sequence[Any]) -> Plot | None:
    marks = []
    for row in operating_rows:
        found, alarms = row["scratched"] - row["k"], row["good"] - row["n"] + row["k"]
        if row["scratched"] and found + alarms > 0:
            recall, precision = found / row["scratched"], found / (found + alarms)
            marks.append(
                Place(recall, precision, f"operating: finds {percent(recall)}, {percent(precision)} of calls right")
            )
    svg = curve("Precision over recall", [(x, y) for x, y, _ in points], "recall", "precision", marks)
    return Plot(
        "Precision and recall", "Of what it calls scratched, the share that is; over the share of scratches found. Ring: at the operating threshold.",
        svg, _rates(("recall", "precision"), points),
    )  # fmt: skip


def _risk(points: Sequence[tuple[float, float, float]], operating_rows: Sequence[Any]) -> Plot | None:
    marks = []
    for row in operating_rows:
        coverage, escapes = _share(row.get("coverage")), _share(row.get("escape_rate"))
        if coverage is not None and escapes is not None:
            words = f"operating: {percent(coverage)} pass, {percent(escapes)} of them scratched"
            marks.append(Place(coverage, escapes, words))
    svg = curve("Risk over coverage", [(x, y) for x, y, _ in points], "passed, of all", "scratched, of passed", marks)
    return Plot(
        "Risk and coverage", "Passing the lowest scores first: how much passes, and how much of it is scratched. Ring: at the operating threshold.",
        svg, _rates(("passed", "scratched"), points),
    )  # fmt: skip


def _histogram(value: Any, operating: float) -> Plot | None:
    edges = _known(_share, value.get("edges"))
    ok, scratched = _known(_count, value.get("ok")), _known(_count, value.get("scratched"))
    if len(edges) < 2 or not len(ok) == len(scratched) == len(edges) - 1:
        return None
    rows = [
        (_between(low, high), up, down) for low, high, up, down in zip(edges, edges[1:], ok, scratched, strict=False)
    ]
    return Plot(
        "Scores", "Good photos upwards, scratched ones downwards. The dotted line is the operating threshold.",
        scores(edges, ok, scratched, operating), Table(("score", "ok", "scratched"), tuple(rows)),
    )  # fmt: skip


def _known(read: Callable[[Any], T | None], value: Any) -> list[T]:
    """The list if all of it can be read, else nothing."""
    found = [part for part in map(read, as_sequence(value)) if part is not None]
    return found if len(found) == len(as_sequence(value)) else []


def _between(low: float, high: float) -> str:
    return f"{low:.3g}\u2013{high:.3g}"


def _rates(names: tuple[str, str], points: Sequence[tuple[float, float, float]]) -> Table:
    return Table((*names, "score"), tuple((percent(x), percent(y), f"{score:.4g}") for x, y, score in points))


def _triples(value: Any) -> list[tuple[float, float, float]]:
    found = []
    for row in as_sequence(value):
        first, second, third = (_share(part) for part in (*as_sequence(row)[:3], None, None, None)[:3])
        if first is not None and second is not None and third is not None:
            found.append((first, second, third))
    return found


# ---- Operating points


def _counts_of(row: Any) -> bool:
    """Whether a row has its threshold and counts that can stand together."""
    n, k, scratched, good = (_count(row.get(name)) for name in ("n", "k", "scratched", "good"))
    if n is None or k is None or scratched is None or good is None or _share(row.get("threshold")) is None:
        return False
    return k <= min(n, scratched) and n - k <= good


def _points(rows: Sequence[Any], operating: float, held: Any) -> tuple[PointRow, ...]:
    columns = [
        (Rate(row["k"], row["n"]), Rate(row["k"], row["scratched"]), Rate(row["good"] - row["n"] + row["k"], row["good"]))
        for row in rows
    ]  # fmt: skip
    tops = [_top(column) for column in zip(*columns, strict=True)]
    return tuple(
        PointRow(
            row["threshold"], _note(row["threshold"], operating, held),
            (_passed(row), *(_shown(rate, top) for rate, top in zip(rates, tops, strict=True))),
        )
        for row, rates in zip(rows, columns, strict=True)
    )  # fmt: skip


def _note(threshold: float, operating: float, held: Any) -> str:
    names = {"operating": threshold == operating, "held": threshold == held}
    return ", ".join(name for name, true in names.items() if true)


def _top(rates: Iterable[Rate]) -> float:
    """The end of a column's scale: most intervals fit, a far wider one is cut at the edge."""
    known = [rate for rate in rates if rate.n]
    if not known:
        return 1.0
    return reach(max(*(rate.k / rate.n for rate in known), median(rate.interval(CONFIDENCE)[1] for rate in known)))


def _passed(row: Any) -> Share:
    return Share(percent(_share(row.get("coverage"))), f"{row['n']:,}", "", SafeString(""))


def _shown(rate: Rate, top: float) -> Share:
    low, high = rate.interval(CONFIDENCE)
    between = f"{percent(low).rstrip(PERCENT)} to {percent(high)}" if rate.n else ""
    return Share(
        percent(rate.value), f"{rate.k:,} of {rate.n:,}", between, interval_bar(rate.value, low, high, top=top)
    )


# ---- Failures


def _shelves(gallery: Any) -> tuple[Shelf, ...]:
    found: dict[str, list[Failure]] = {kind: [] for kind in KINDS}
    for row in map(as_mapping, as_sequence(gallery)):
        score, picture = _share(row.get("score")), row.get("picture")
        if (
            row.get("kind") in list(KINDS)
            and score is not None
            and isinstance(picture, str)
            and DIGEST.fullmatch(picture)
        ):
            found[row["kind"]].append(Failure(str(row.get("photo", "")), score, picture, _boxes(row.get("marks"))))
    return tuple(Shelf(*KINDS[kind], tuple(failures)) for kind, failures in found.items() if failures)


def _boxes(value: Any) -> tuple[tuple[float, float, float, float], ...]:
    found = [_known(_share, box) for box in as_sequence(value)]
    return tuple((box[0], box[1], box[2], box[3]) for box in found if len(box) == 4)


# ---- Numbers from JSON


def _share(value: Any) -> float | None:
    """A number in 0..1, or None; NaN is none."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
    return float(value) if known else None


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 10**12 else None
