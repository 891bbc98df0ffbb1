"""What happened on a line while it was counted: releases, level changes and alarms, read from the audit trail."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from inspection.models import AuditEvent, Line, OfNoPart
from shadow.days import Calendar, Span

RELEASE, LEVEL, ALARM = "release", "level", "alarm"
KINDS = {
    RELEASE: gettext_lazy("Release"),
    LEVEL: gettext_lazy("Level change"),
    ALARM: gettext_lazy("Alarm"),
}
ACTIONS = {
    "version_registered": RELEASE,
    "version_assigned": RELEASE,
    "level_raise": LEVEL,
    "level_lower": LEVEL,
    "level_switch": LEVEL,
    "rolled_back": LEVEL,
    "fell_back": LEVEL,
    "halted": LEVEL,
    "resumed": LEVEL,
    "alarm_opened": ALARM,
    "alarm_became_critical": ALARM,
}
# How the events read; the names in braces are those of the rows' data.
WORDS = {
    "version_registered": gettext_lazy("Version {version} registered"),
    "version_assigned": gettext_lazy("Version {version} assigned as {role}"),
    "level_raise": gettext_lazy("Level raised from {before} to {level}"),
    "level_lower": gettext_lazy("Level lowered from {before} to {level}"),
    "level_switch": gettext_lazy("Live version switched to {version}, at level {level}"),
    "rolled_back": gettext_lazy("Rolled back to level {level}, version {version}"),
    "fell_back": gettext_lazy("Fell back by itself from {before} to {level}"),
    "halted": gettext_lazy("Halted: {reason}"),
    "resumed": gettext_lazy("Resumed: {reason}"),
    "alarm_opened": gettext_lazy("Alarm ({severity}): {message}"),
    "alarm_became_critical": gettext_lazy("Alarm became critical: {message}"),
}
TRANSLATED = frozenset({"before", "level", "role", "severity"})  # words of the product in the data; the rest is a name
# The words that the data may hold, for those who translate.
IN_DATA = (
    gettext_noop("human only"), gettext_noop("shadow"), gettext_noop("assist"), gettext_noop("partial"),
    gettext_noop("full"), gettext_noop("live"), gettext_noop("standby"), gettext_noop("candidate"),
    gettext_noop("warning"), gettext_noop("critical"),
)  # fmt: skip
EVER = datetime(1970, 1, 1, tzinfo=UTC)
MOST = 200  # the newest; a chart with more marks tells nothing any more


@dataclass(frozen=True)
class Happening:
    """One event on the day of its line. `kind` is release, level or alarm; `line` is empty for the whole factory."""

    at: datetime
    day: date
    action: str
    line: str
    by: str
    data: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return ACTIONS[self.action]

    @property
    def words(self) -> str:
        """What happened, in the reader's language."""
        return str(WORDS[self.action]).format_map(_Said(self.data))

    def told(self) -> dict[str, Any]:
        """As the API tells it: no words of one language."""
        said = {name: value for name, value in self.data.items() if value not in ("", None)}
        return {
            "at": self.at.isoformat(), "day": self.day.isoformat(), "kind": self.kind, "action": self.action,
            "line": self.line or None, "by": self.by, **{name: said[name] for name in sorted(said)},
        }  # fmt: skip


class _Said(dict):
    """The data of an event as words; what a row does not say is a dash."""

    def __getitem__(self, name: str) -> str:
        value = str(self.get(name) or "-")
        return _(value.replace("_", " ")) if name in TRANSLATED and value != "-" else value

    def __missing__(self, name: str) -> str:
        return "-"


KEPT = ("before", "level", "version", "role", "reason", "severity", "message")


def happenings(lines: Iterable[Line], versions: Iterable[str], span: Span) -> tuple[Happening, ...]:
    """The events of these lines and of the whole factory within a span, oldest first, the newest 200 at most.

    A version that was registered is told of where it is among `versions`, by name. One query a line, whose cost is the
    number of events that tell of no single part.
    """
    found: dict[int, Happening] = {}
    for line in lines:
        calendar = Calendar(line)
        for event in _events(line, versions, span):
            if event.pk not in found and span.holds(event.at, calendar):
                found[event.pk] = _happening(event, calendar)
    oldest_first = sorted(found, key=lambda pk: (found[pk].at, pk))
    return tuple(found[pk] for pk in oldest_first[-MOST:])


def _events(line: Line, versions: Iterable[str], span: Span) -> QuerySet[AuditEvent]:
    start, end = span.moments(line)
    # A start is always named: without statistics SQLite takes the index of these events only for both its columns.
    rows = AuditEvent.objects.filter(OfNoPart(), line__in=[line.slug, ""], at__gte=start or EVER, action__in=ACTIONS)
    if end:
        rows = rows.filter(at__lt=end)
    theirs = [f"version {name}" for name in versions]
    return rows.filter(~Q(action="version_registered") | Q(subject__in=theirs)).order_by("-at")[:MOST]


def _happening(event: AuditEvent, calendar: Calendar) -> Happening:
    data = {name: event.data[name] for name in KEPT if name in event.data}
    if event.action.startswith("version_"):
        data["version"] = event.subject.removeprefix("version ")
    return Happening(event.at, calendar.day_of(event.at), event.action, event.line, event.by, data)
