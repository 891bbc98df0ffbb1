"""How the machines are that run the watch: memory, processor, disk, GPU; and of each line its queue and its pace.

Every look notes one value of each, in windows as all figures are. A machine is known by its name: one that runs no worker
is not seen here. A load has no baseline; above its limit it is an alarm of every line that a version works on.
"""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

import psutil
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from inspection.models import Line
from monitoring import windows
from monitoring.actions.finding import add_finding
from monitoring.actions.watching import policy_of
from monitoring.figures import BY_NAME
from monitoring.models import Alarm, Finding, Severity, Span, Stream, Window
from shadow.models import Assignment, Prediction, ScoringJob

MINUTE = timedelta(minutes=1)
# A moment's peak is no alarm: held against the limit is the mean of a window with so many looks, or else of it and the one
# before. A machine that looks seldom, for others take most looks, then needs two, in windows of a day at most.
LOOKS = 10
TOGETHER = timedelta(days=1)
ASK_GPU = ("nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits")
GPU_SECONDS = 5.0


class Load(NamedTuple):
    """One value of one figure, of a host or of a line."""

    figure: str
    host: str
    line: Line | None
    value: float

    @property
    def key(self) -> str:
        return f"{self.line.pk if self.line else '-'}/-/-/{self.figure}" + (f"@{self.host}" if self.host else "")


def loads(now: datetime) -> Iterator[Load]:
    """What can be told of this machine, and of each line that a version works on."""
    host = socket.gethostname()
    yield Load("server.memory", host, None, psutil.virtual_memory().percent)
    yield Load("server.processor", host, None, psutil.cpu_percent(interval=None))  # since this process asked last
    yield Load("server.disk", host, None, max(_full(folder) for folder in (settings.DATA_DIR, settings.PHOTO_ROOT)))
    if (gpu := gpu_load()) is not None:
        yield Load("server.gpu", host, None, gpu)
    for line in served():
        yield Load("server.queue_age", "", line, queue_age(line, now))
        yield Load("server.throughput", "", line, throughput(line, now))


def _full(folder) -> float:
    """In percent of what an ordinary user may fill."""
    return psutil.disk_usage(str(folder)).percent if folder.exists() else 0.0


def gpu_load() -> float | None:
    """The busiest GPU's load in percent; None where there is none, or it does not answer."""
    if shutil.which(ASK_GPU[0]) is None:
        return None
    try:
        said = subprocess.run(ASK_GPU, capture_output=True, text=True, timeout=GPU_SECONDS, check=True).stdout  # noqa: S603 - no argument from outside
        return max(float(row) for row in said.split())
    except (subprocess.SubprocessError, OSError, ValueError):
        return None


def served() -> list[Line]:
    """The lines that a version works on."""
    return list(Line.objects.filter(pk__in=Assignment.objects.current().values("line")))


def queue_age(line: Line, now: datetime) -> float:
    """How long the oldest job has waited, in seconds; 0 when none waits. Replays may wait as long as they like."""
    waiting = ScoringJob.objects.filter(inspection__line=line, state__in=["pending", "leased"], retrospective=False)
    since = waiting.order_by("pk").values_list("inspection__received_at", flat=True).first()
    return max(0.0, (now - since).total_seconds()) if since else 0.0


def throughput(line: Line, now: datetime) -> float:
    """Answers of the last minute."""
    recent = Prediction.objects.filter(at__gt=now - MINUTE, at__lte=now, retrospective=False)
    return float(recent.filter(inspection__line=line).count())


def note_loads(now: datetime) -> int:
    """Add one value of each to its windows, and return how many findings rest on it."""
    seen = list(loads(now))
    found = _streams(seen)
    zone = timezone.get_default_timezone()
    with transaction.atomic():
        for load in seen:
            at = load.line.zone if load.line else zone
            windows.add_values([(found[load.key].pk, now, load.value)], at)
    return sum(_held_against_limit(stream, now) for stream in found.values())


def _streams(seen: list[Load]) -> dict[str, Stream]:
    known = {row.key: row for row in Stream.objects.filter(key__in=[load.key for load in seen])}
    for load in seen:
        if load.key not in known:
            made = {"line": load.line, "figure": load.figure}
            known[load.key] = Stream.objects.get_or_create(key=load.key, defaults=made)[0]
    return known


def _held_against_limit(stream: Stream, now: datetime) -> int:
    """An alarm on each line served, once: while it is open nothing more is said of the same load."""
    figure = BY_NAME[stream.figure]
    held = _held(stream, now) if figure.limit is not None else []
    load = windows.mean_of(held)
    if load is None:
        return 0
    told = 0
    for line in [stream.line] if stream.line else served():
        policy = policy_of(line)
        limit = policy.limit_of(figure)
        if limit is None or load <= limit or stream.figure in policy.unwatched:
            continue
        if Finding.objects.filter(alarm__in=Alarm.objects.open().filter(line=line), stream=stream).exists():
            continue
        critical = stream.figure in policy.critical
        add_finding(
            line=line, station=None, stream=stream, detector="limit",
            severity=Severity.CRITICAL if critical else Severity.ALARM, part=None, before=limit,
            after=load, moved_at=held[-1].start, examples=[], now=now,
        )  # fmt: skip
        told += 1
    return told


def _held(stream: Stream, now: datetime) -> list[Window]:
    """The last window, and the one before where the last has few looks; none where that makes no more than one window."""
    rows = Window.objects.filter(stream=stream, span=Span.MINUTES, start__gt=now - TOGETHER)
    last = list(rows.order_by("-start")[:2])
    if last and last[0].n >= LOOKS:
        return last[:1]
    return last if len(last) == 2 else []
