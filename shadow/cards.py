"""What a reader needs to trust a version: its card in rows, and how it has done over its latest parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from django.utils.safestring import SafeString

from inspection.models import Line, User
from shadow.agreement import Rate
from shadow.charts import curves
from shadow.models import Assignment, ModelVersion, Prediction

RECENT = 200  # parts that say how a version does now
SECTIONS = ("calibration", "novelty", "export")  # flat facts, each group under a heading of its own
IN_TABLES = {
    "figures", "data", "curve", "curves", "gallery", "thresholds", "name", "threshold", "weights_sha256", "says",
    *SECTIONS,
}  # fmt: skip


class Spread(NamedTuple):
    """Median and 95th percentile."""

    median: float
    high: float


@dataclass(frozen=True)
class Health:
    """A version's latest parts: answers that failed, milliseconds of work, seconds from arrival to answer."""

    nulls: Rate
    work_ms: Spread | None
    answer_s: Spread | None
    reasons: tuple[tuple[str, int], ...]


class Table(NamedTuple):
    """A heading row and rows of cells, each row headed by its first."""

    head: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Card:
    """A version's card as it can be shown, whatever of it is there."""

    figures: Table | None
    data: Table | None
    curve: Table | None
    chart: SafeString
    facts: tuple[tuple[str, str], ...]
    sections: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


def health(version: ModelVersion) -> Health:
    """The latest answers of a version. Replayed parts say nothing of the time that a part waited."""
    rows = Prediction.objects.filter(version=version).order_by("-pk").values_list(
        "score", "null_reason", "timings", "at", "inspection__received_at", "retrospective"
    )[:RECENT]  # fmt: skip
    reasons: dict[str, int] = {}
    for _, reason, *_ in rows:
        if reason:
            reasons[reason] = reasons.get(reason, 0) + 1
    work = [sum(timings.values()) for _, _, timings, *_ in rows if timings]
    waited = [(at - received).total_seconds() for _, _, _, at, received, retrospective in rows if not retrospective]
    common = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return Health(Rate(sum(reasons.values()), len(rows)), _spread(work), _spread(waited), tuple(common))


def _spread(values: Sequence[float]) -> Spread | None:
    return Spread(float(np.median(values)), float(np.percentile(values, 95))) if values else None


def current_assignments(version: ModelVersion, by: User):
    """The lines that a version scores now, of those that the reader may see."""
    lines = Line.objects.for_user(by)
    current = Assignment.objects.current().filter(version=version, line__in=lines)
    return current.select_related("line").order_by("line__slug")


def read_card(card: Any) -> Card:
    """A card in rows. What is missing or of another shape is left out; nothing is made up."""
    card = as_mapping(card)
    epochs = [row for row in as_sequence(card.get("curve")) if isinstance(row, Mapping)]
    best = as_mapping(card.get("epochs")).get("best")
    return Card(
        figures=_turned(as_mapping(card.get("figures"))),
        data=_data(as_mapping(card.get("data"))),
        curve=_rows(epochs),
        chart=curve_chart(epochs, best if isinstance(best, int) else None),
        facts=_facts({key: value for key, value in card.items() if key not in IN_TABLES}),
        sections=tuple((name, _facts(as_mapping(card[name]))) for name in SECTIONS if as_mapping(card.get(name))),
    )


def curve_chart(epochs: Sequence[Mapping[str, Any]], best: int | None) -> SafeString:
    """The losses of a training by epoch."""
    series = {"train loss": _column(epochs, "loss"), "surprise on the calibrate part": _column(epochs, "calibrate_nll")}
    return curves("Loss by epoch", series, best=best)


def _facts(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((str(key).replace("_", " "), _words(value)) for key, value in values.items())


def as_mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def as_sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else []


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> list[float | None]:
    return [row[name] if isinstance(row.get(name), int | float) else None for row in rows]


def _turned(figures: Mapping[str, Any]) -> Table | None:
    """Figures by split as a table with a row for each figure; figures of no split as one column."""
    splits = {name: value for name, value in figures.items() if isinstance(value, Mapping)}
    if not splits and figures:
        splits = {"value": figures}
    names = list(dict.fromkeys(name for values in splits.values() for name in values))
    if not names:
        return None
    rows = [(name.replace("_", " "), *(splits[split].get(name) for split in splits)) for name in names]
    return Table(("figure", *splits), tuple(rows))


def _data(data: Mapping[str, Any]) -> Table | None:
    photos = {split: counts for split, counts in as_mapping(data.get("photos")).items() if isinstance(counts, Mapping)}
    if not photos:
        return None
    groups = as_mapping(data.get("groups"))
    names = list(dict.fromkeys(name for counts in photos.values() for name in counts))
    rows = [
        (split, *(counts.get(name) for name in names), len(as_sequence(groups.get(split))) or None)
        for split, counts in photos.items()
    ]
    return Table(("split", *(name.replace("_", " ") for name in names), "parts or phones"), tuple(rows))


def _rows(epochs: Sequence[Mapping[str, Any]]) -> Table | None:
    names = [name for name in dict.fromkeys(name for row in epochs for name in row) if name != "of"]
    if not names:
        return None
    head = tuple(name.replace("_", " ") for name in names)
    return Table(head, tuple(tuple(row.get(name) for name in names) for row in epochs))


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_words(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        more = f" and {len(value) - 12} more" if len(value) > 12 else ""
        return ", ".join(_words(inner) for inner in value[:12]) + more
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) and value >= 10_000 else str(value)
