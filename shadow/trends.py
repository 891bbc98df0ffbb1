"""The report's figures over days or weeks, with the releases, level changes and alarms of that time marked on them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.utils.dateformat import format as date_words
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from shadow.agreement import Confusion
from shadow.asked import one_of
from shadow.charts import Mark, Point, shape, trend
from shadow.dossier import Dossier
from shadow.report_page import FIGURES, Row, Shown, rows, shown
from shadow.reports import Group, week_of
from shadow.timeline import KINDS, Happening

TRENDS = ("miss_rate", "false_alarm_rate", "agreement")
STEPS = ("day", "week")
MOST_DAYS = 60  # of more, weeks are drawn where nobody asks for days
NAMES = {**KINDS, "several": gettext_lazy("Several kinds at once")}
THURSDAY = timedelta(days=3)  # the middle of a week, by which ISO 8601 gives the week its year
TITLES = {"day": gettext_lazy("{figure} by day"), "week": gettext_lazy("{figure} by week")}


@dataclass(frozen=True)
class Trend:
    """A figure over days or weeks, drawn, with the figure of the whole span beside it."""

    title: str
    whole: Shown
    chart: SafeString


@dataclass(frozen=True)
class Marked:
    """One mark: what happened on a day or in a week, told once in words. `kind` is several where kinds differ."""

    when: str
    kind: str
    shape: SafeString
    events: tuple[Happening, ...]


@dataclass(frozen=True)
class Course:
    """The trend of a report by `step`: its points as rows, the charts, and what is marked on them."""

    step: str
    rows: list[Row]
    trends: list[Trend]
    marks: list[Marked]


def course(found: Dossier, step: str = "") -> Course:
    """The trends by day or week; an empty `step` takes weeks where there are more than 60 days. Raises BadInput."""
    days = found.report.days
    step = one_of("trend", step or _fitting(days), STEPS)
    points = rows(days if step == "day" else weeks(days))
    places = _places(found.happened, step)
    marks = [_mark(place, events) for place, events in places.items()]
    return Course(
        step=step,
        rows=points,
        trends=[_trend(found, points, number, step, marks) for number in range(len(TRENDS))],
        marks=[_marked(place, events, step) for place, events in places.items()],
    )


def _fitting(days: Sequence[Group]) -> str:
    if not days:
        return "day"
    first, last = date.fromisoformat(days[0].key), date.fromisoformat(days[-1].key)
    return "week" if (last - first).days >= MOST_DAYS else "day"


def weeks(days: Sequence[Group]) -> tuple[Group, ...]:
    """Days summed to ISO weeks, in order."""
    sums: dict[str, Confusion] = defaultdict(Confusion)
    for day in days:
        sums[week_of(date.fromisoformat(day.key))] += day.confusion
    return tuple(Group(key, key, sums[key]) for key in sorted(sums))


def _trend(found: Dossier, points: Sequence[Row], number: int, step: str, marks: Sequence[Mark]) -> Trend:
    name = TRENDS[number]
    title = TITLES[step].format(figure=FIGURES[name][0])
    drawn = [_point(row, row.figures[number], step) for row in points]
    chart = trend(title, drawn, from_top=name == "agreement", marks=marks)
    return Trend(title, shown(name, found.report.confusion), chart)


def _point(row: Row, figure: Shown, step: str) -> Point:
    words = f"{figure.words}, {figure.between} (n {figure.n:,})" if figure.defined else figure.words
    day = date.fromisoformat(row.group.key) if step == "day" else monday_of(row.group.key) + THURSDAY
    label = day_words(day) if step == "day" else week_words(row.group.key)
    return Point(day.toordinal(), label, figure.value, figure.low, figure.high, words)


def monday_of(week: str) -> date:
    """The first day of a week such as 2026-W10."""
    year, number = week.split("-W")
    return date.fromisocalendar(int(year), int(number), 1)


def day_words(day: date) -> str:
    """A day as people write it on an axis: 3 Nov."""
    return date_words(day, pgettext("the format of a day on an axis, as Django's date filter takes it", "j M"))


def week_words(week: str) -> str:
    """A week as people write it on an axis: week 10."""
    return _("week {number}").format(number=int(week.split("-W")[1]))


def _places(happened: Sequence[Happening], step: str) -> Mapping[date, list[Happening]]:
    """What happened in each day or week, at its first day on which something did."""
    buckets: dict[str, list[Happening]] = defaultdict(list)
    for event in happened:
        buckets[event.day.isoformat() if step == "day" else week_of(event.day)].append(event)
    return {min(event.day for event in events): events for events in buckets.values()}


def _kind(events: Sequence[Happening]) -> str:
    kinds = {event.kind for event in events}
    return kinds.pop() if len(kinds) == 1 else "several"


def _mark(place: date, events: Sequence[Happening]) -> Mark:
    words = "; ".join(dict.fromkeys(f"{day_words(event.day)}: {event.words}" for event in events))
    return Mark(place.toordinal(), _kind(events), len(events), words)


def _marked(place: date, events: Sequence[Happening], step: str) -> Marked:
    when = day_words(place) if step == "day" else week_words(week_of(place))
    return Marked(when, _kind(events), shape(_kind(events)), tuple(events))


def legend(marks: Sequence[Marked]) -> list[tuple[SafeString, str]]:
    """The shapes that stand on the charts, with their names."""
    return [(shape(kind), str(NAMES[kind])) for kind in dict.fromkeys(mark.kind for mark in marks)]
