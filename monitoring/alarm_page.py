"""What the page of an alarm shows: what moved in the order of a part's way, photos beside usual ones, and the past."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from inspection.models import Inspection, Photo
from monitoring.actions.finding import moved_of
from monitoring.alarms import AlarmRow, findings_read, rows_of
from monitoring.course import course_of
from monitoring.diagnosis import named
from monitoring.figures import BY_NAME, STAGE_WORDS, STAGES, Figure, Kind, tells_answers
from monitoring.models import Alarm, Baseline, Delivery, Finding, Remedy, Severity, Stream
from monitoring.retraining import SUGGESTING
from monitoring.sources import source_of
from shadow.models import TrainingRun

PHOTOS = 6  # of each kind
TOLD_BY = {name: place for place, name in enumerate(("rate", "mean", "window", "features", "instant", "spread"))}
PAST = 8  # alarms of the same line


@dataclass(frozen=True)
class Mover:
    """One figure that moved: what was found of it first, and how far it has come since."""

    stream: Stream
    findings: tuple[Finding, ...]

    @property
    def figure(self) -> Figure | None:
        return BY_NAME.get(self.stream.figure)

    @property
    def told(self) -> Finding:
        """The finding whose figures are shown: of the surest kind, the latest. A spread's are another number's."""
        return min(self.findings, key=lambda finding: (TOLD_BY.get(finding.detector, len(TOLD_BY)), -finding.pk))

    @property
    def label(self) -> str:
        label = str(self.figure.label) if self.figure else self.stream.figure
        return _("The spread of: {figure}").format(figure=label) if self.told.detector == "spread" else label

    @property
    def stream_id(self) -> int:
        return self.stream.pk

    @property
    def stage(self) -> str:
        stage = self.stream.figure.partition(".")[0]
        return str(STAGE_WORDS.get(stage, stage))

    @property
    def first(self) -> Finding:
        return min(self.findings, key=lambda finding: (finding.moved_at, finding.pk))

    @property
    def severity(self) -> Severity:
        return max((Severity(finding.severity) for finding in self.findings), key=lambda severity: severity.rank)

    @property
    def before(self) -> str:
        return said(self.figure, self.told.before)

    @property
    def after(self) -> str:
        return said(self.figure, self.told.after)

    @property
    def change(self) -> str:
        """How far, in percent of what was usual; empty where that says nothing."""
        before, after = self.told.before, self.told.after
        if before is None or after is None or before == 0 or (self.figure and self.figure.kind == Kind.RATE):
            return ""
        return f"{100 * (after - before) / abs(before):+,.0f} %".replace("-", "\N{MINUS SIGN}")

    @property
    def examples(self) -> list[int]:
        """The farthest parts, the latest finding's first."""
        return list(dict.fromkeys(pk for finding in reversed(self.findings) for pk in finding.examples))


def said(figure: Figure | None, value: float | None) -> str:
    """A value with its unit; a rate in percent."""
    if value is None:
        return _("not known")
    if figure and figure.kind == Kind.RATE:
        return f"{100 * value:.3g} %"
    return f"{value:.4g} {figure.unit}".strip() if figure else f"{value:.4g}"


def movers_of(findings: Iterable[Finding]) -> list[Mover]:
    """What moved, one row a figure: the first stage first, and within it what moved first."""
    by_stream: dict[int, list[Finding]] = {}
    for finding in findings:
        by_stream.setdefault(finding.stream_id, []).append(finding)
    movers = [Mover(rows[0].stream, tuple(rows)) for rows in by_stream.values()]
    return sorted(movers, key=lambda mover: (_place(mover), mover.first.moved_at, mover.stream.key))


def named_of(movers: Sequence[Mover]) -> Mover | None:
    """The figure by which a diagnosis names the cause: not always the first on a part's way."""
    known = {moved_of(finding): mover for mover in movers if mover.figure for finding in mover.findings}
    return known[named([*known])] if known else next(iter(movers), None)


def _place(mover: Mover) -> int:
    stage = mover.stream.figure.partition(".")[0]
    return STAGES.index(stage) if stage in STAGES else len(STAGES)


@dataclass(frozen=True)
class Exhibit:
    """A part with its first photo."""

    part: Inspection
    photo: Photo | None


@dataclass(frozen=True)
class AlarmPage:
    row: AlarmRow
    movers: list[Mover]
    named: Mover | None  # of which the alarm's sentence tells
    chosen: Mover | None  # of whose parts the photos are
    farthest: list[Exhibit]
    usual: list[Exhibit]
    past: list[AlarmRow]

    @property
    def alarm(self) -> Alarm:
        return self.row.alarm

    @property
    def followed(self) -> Mover | None:
        """The figure whose course is told: the one whose photos are shown, else the one that the sentence tells of."""
        return self.chosen or self.named

    @property
    def shown(self) -> int:
        """How many figures have parts to show."""
        return sum(bool(mover.examples) for mover in self.movers)

    @property
    def shows_answers(self) -> bool:
        """Whether the photos were chosen by what a model answered of them."""
        return self.chosen is not None and tells_answers(self.chosen.stream.figure)


def alarm_page(alarm: Alarm, *, of: int | None, now: datetime) -> AlarmPage:
    """The page of an alarm; `of` chooses the stream whose farthest parts are shown, else the one that its sentence tells
    of, else the first that has some."""
    movers = movers_of(findings_read().filter(alarm=alarm))
    main = named_of(movers)
    shown = sorted((mover for mover in movers if mover.examples), key=lambda mover: mover != main)
    chosen = next((mover for mover in shown if mover.stream.pk == of), shown[0] if shown else None)
    past = Alarm.objects.filter(line=alarm.line).exclude(pk=alarm.pk).prefetch_related("actions__by")
    return AlarmPage(
        rows_of([alarm], now)[0], movers, main, chosen, exhibits(chosen.examples[:PHOTOS]) if chosen else [],
        exhibits(_usual(chosen)) if chosen else [], rows_of(past.select_related("line", "station")[:PAST], now),
    )  # fmt: skip


def course_words(alarm: Alarm, *, of: int | None, now: datetime) -> str:
    """How a figure of an alarm goes on since it moved; empty where its parts cannot be read again."""
    movers = movers_of(findings_read().filter(alarm=alarm))
    mover = next((mover for mover in movers if mover.stream_id == of), named_of(movers))
    return _course_words(mover, now) if mover else ""


def _course_words(mover: Mover, now: datetime) -> str:
    if source_of(mover.stream.figure) is None:
        return ""
    course = course_of(mover.first, now=now)
    if course.shape == "unknown":
        words = _("{figure}: not known yet whether it moved at once or goes on; that takes 1,000 parts after it.")
        return words.format(figure=mover.label)
    slope = f"{course.slope_per_day:+.3g}".replace("-", "\N{MINUS SIGN}")
    if course.shape == "gradual":
        words = _("{figure}: it goes on, by {slope} a day (95 %: {low} to {high}).")
    else:
        words = _("{figure}: it moved at once; beside that it changes by {slope} a day (95 %: {low} to {high}).")
    low, high = (f"{end:+.3g}".replace("-", "\N{MINUS SIGN}") for end in (course.low, course.high))
    return words.format(figure=mover.label, slope=slope, low=low, high=high)


def _usual(mover: Mover) -> Sequence[int]:
    """Parts of the baseline that the figure moved away from."""
    learned = Baseline.objects.filter(stream=mover.stream, learned_to__lte=mover.findings[-1].at).last()
    return learned.parts[:PHOTOS] if learned else []


def exhibits(parts: Sequence[int]) -> list[Exhibit]:
    found = Inspection.objects.filter(pk__in=parts).select_related("line").prefetch_related("photos").in_bulk()
    return [Exhibit(found[pk], next(iter(found[pk].photos.all()), None)) for pk in parts if pk in found]


def trainings_from(alarm: Alarm) -> list[TrainingRun]:
    """What was trained because of it, the first one first."""
    return list(TrainingRun.objects.filter(alarm=alarm.pk).order_by("pk"))


def notices_of(alarm: Alarm) -> list[Delivery]:
    """What channels were told of it, or could not be told."""
    return list(alarm.deliveries.select_related("channel").order_by("-pk")[:PAST])


@dataclass(frozen=True)
class Way:
    """Where a remedy is carried out; without an address it is done at the line and said here."""

    words: str
    url: str


def way_of(alarm: Alarm) -> Way | None:
    """The button beside the suggestion. What changes a level is a form of automation's own, for which the page has a
    place; what a person does at the station begins with an acknowledgement."""
    line = alarm.line
    query = urlencode({"line": line.slug, "from": alarm.opened_at.astimezone(line.zone).date().isoformat()})
    match alarm.remedy:
        case Remedy.REVIEW_RULE:
            return _way(_("Review the discrepancies"), "discrepancies", f"?{query}")
        case Remedy.LOOK:
            return _way(_("Look at the parts"), "parts", "")
    return None


def training_of(alarm: Alarm) -> Way | None:
    """The second step where the words of the suggestion name a training: its form, which takes the alarm along."""
    if alarm.remedy not in SUGGESTING:
        return None
    query = urlencode({"alarm": str(alarm.pk), "reason": alarm.message})
    return _way(_("Start a training"), "start_training", f"?{query}", line=alarm.line.slug)


def _way(words: str, name: str, query: str, **kwargs: str) -> Way:
    return Way(words, reverse(name, kwargs=kwargs or None) + query)
