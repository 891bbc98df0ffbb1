"""What a report is asked for: read from a query string once, for page, API and exports alike."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import prefetch_related_objects

from inspection.actions.intake import find_line
from inspection.models import Line, User
from inspection.refusals import BadInput, Unknown
from shadow.days import EVERYTHING, Span, read_span
from shadow.keeping import as_far_as_kept
from shadow.models import DayTally, ModelVersion, live_version
from shadow.narrowing import NOT_NARROWED, Narrow, read_narrow
from shadow.pairs import KINDS
from shadow.rollups import up_to_date
from shadow.versions import find_version

GROUPINGS = ("day", "week", "line", "station", "inspector", "model", "variant")


@dataclass(frozen=True)
class Asked:
    """What a report is asked for. A line or a model left open is open only where the report is grouped by it."""

    lines: tuple[Line, ...]
    versions: tuple[ModelVersion, ...]
    span: Span = EVERYTHING
    group_by: str = "day"
    evidence: str = "blind"
    narrow: Narrow = NOT_NARROWED
    reader: User | None = None  # who finds their own name among the inspectors; all others go by pseudonyms

    @property
    def line(self) -> Line | None:
        return self.lines[0] if len(self.lines) == 1 else None

    @property
    def version(self) -> ModelVersion | None:
        return self.versions[0] if len(self.versions) == 1 else None

    def echo(self) -> dict[str, str | None]:
        """The filters as a reader may send them again."""
        return {
            "line": self.line.slug if self.line else None,
            "model": self.version.name if self.version else None,
            "from": self.span.start.isoformat() if self.span.start else None,
            "to": self.span.end.isoformat() if self.span.end else None,
            "group_by": self.group_by,
            **{name: value for name, value in self.narrow.echo().items() if value},
        }


def read_asked(params: Mapping[str, str], by: User) -> Asked:
    """What a query string asks for, with what it leaves out filled in. Raises BadInput, Unknown or NotAllowed."""
    group_by = one_of("group_by", params.get("group_by") or "day", GROUPINGS)
    evidence = one_of("evidence", params.get("evidence") or "blind", KINDS)
    lines = _lines(params.get("line", ""), by, every=group_by == "line")
    prefetch_related_objects(lines, "shifts")  # several calendars of each line are asked for
    versions = _versions(params.get("model", ""), lines, every=group_by == "model")
    span = read_span(params.get("from", ""), params.get("to", ""), lines[0])
    narrow = read_narrow(params, lines, by)
    if narrow.inspector or group_by == "inspector":
        span = as_far_as_kept(span, lines[0])
    return Asked(lines, versions, span, group_by, evidence, narrow, reader=by)


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise BadInput(f"{name!r} is {value!r}. Allowed: {', '.join(allowed)}.")
    return value


def _lines(slug: str, by: User, *, every: bool) -> tuple[Line, ...]:
    if slug:
        return (find_line(slug, by),)
    lines = tuple(Line.objects.for_user(by))
    if not lines:
        raise Unknown("There is no line yet. An admin sets up the first one.")
    return lines if every else lines[:1]


def _versions(name: str, lines: tuple[Line, ...], *, every: bool) -> tuple[ModelVersion, ...]:
    if name:
        return (find_version(name),)
    if every:
        return tuple(_with_predictions(lines))
    version = live_version(lines[0]) or _with_predictions(lines).first()
    return (version,) if version else ()


def _with_predictions(lines: tuple[Line, ...]):
    """The versions that have answered on these lines."""
    up_to_date(lines)
    counted = DayTally.objects.filter(line__in=lines).order_by().values("version")
    return ModelVersion.objects.filter(pk__in=counted)
