"""The write of a finding: what a detector saw, filed under the one alarm of its cause."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from django.db import transaction

from inspection import audit
from inspection.models import AuditEvent, Line, OfNoPart, Station
from monitoring.diagnosis import Diagnosis, Moved, diagnose
from monitoring.models import Alarm, DetectorState, Finding, Severity, Stream
from monitoring.notices import announce
from shadow.models import Role

RULE = "drift"
TOGETHER = timedelta(hours=1)  # what moved within that time of each other has one cause, as far as anyone knows
TOLD = ("severity", "message", "suggestion", "remedy")


@transaction.atomic
def add_finding(
    *,
    line: Line,
    station: Station | None,
    stream: Stream,
    detector: str,
    severity: str,
    part: int | None,
    before: float | None,
    after: float | None,
    moved_at: datetime,
    examples: Sequence[int] = (),
    now: datetime,
) -> Alarm:
    """File a finding under the open alarm of its line and station, or open one; the alarm's words are found anew.

    What is of the whole line joins the one alarm that moved at about the same time, if there is exactly one.
    """
    line = Line.objects.select_for_update().get(pk=line.pk)  # two detectors at once open one alarm
    known = _alarm_for(line, station, moved_at)
    alarm = known or Alarm(line=line, rule=RULE, station=station, opened_at=now)
    finding = Finding(
        stream=stream, detector=detector, severity=severity, part=part, before=before, after=after, moved_at=moved_at,
        examples=list(examples), at=now,
    )  # fmt: skip
    earlier = list(alarm.findings.select_related("stream__station")) if known else []
    diagnosis = _diagnosis(line, [*earlier, finding])
    worse = known is not None and Severity(diagnosis.severity).rank > Severity(alarm.severity).rank
    for name in TOLD:
        setattr(alarm, name, getattr(diagnosis, name))
    alarm.save()
    finding.alarm = alarm
    finding.save()
    if known is None:
        _tell(alarm, "alarm_opened", "opened", now)
    elif worse:
        critical = alarm.severity == Severity.CRITICAL
        _tell(alarm, "alarm_became_critical" if critical else "alarm_became_worse", "worse", now)
    return alarm


def _alarm_for(line: Line, station: Station | None, moved_at: datetime) -> Alarm | None:
    alarms = Alarm.objects.open().filter(line=line, rule=RULE)
    own = alarms.filter(station=station).first()
    if own or station:
        return own
    near = alarms.filter(findings__moved_at__range=(moved_at - TOGETHER, moved_at + TOGETHER)).distinct()[:2]
    return near[0] if len(near) == 1 else None


def _diagnosis(line: Line, findings: Sequence[Finding]) -> Diagnosis:
    return diagnose(
        [moved_of(finding) for finding in findings],
        _releases(line),
        agreement_watched=DetectorState.objects.filter(
            stream__line=line, stream__figure="judge.disagreement", baseline__isnull=False
        ).exists(),
        zone=line.zone,
    )


def moved_of(finding: Finding) -> Moved:
    """A row as the diagnosis takes it."""
    station = finding.stream.station
    return Moved(
        finding.stream.figure, station.name if station else "", finding.detector, finding.severity, finding.before,
        finding.after, finding.moved_at,
    )  # fmt: skip


def _releases(line: Line) -> list[datetime]:
    """When a version became live in place of another: the first one replaced nobody.

    By the trail: an assignment that only changes its role keeps its row. A version that comes back as the last one was
    live before replaced nobody either.
    """
    told = AuditEvent.objects.filter(OfNoPart(), line=line.slug, action="version_assigned", data__role=Role.LIVE)
    lived = told.order_by("at", "pk").values_list("subject", "at")
    return [at for (before, _at), (version, at) in pairwise(lived) if version != before]


def _tell(alarm: Alarm, action: str, event: str, now: datetime) -> None:
    audit.record(
        action, by="system", line=alarm.line.slug, subject=alarm, rule=alarm.rule, severity=alarm.severity,
        message=alarm.message,
    )  # fmt: skip
    announce(alarm, event, now=now)
