"""Gathers what the gates ask about: blind evidence in arrival order, latency, nulls, days, alarms."""

from datetime import datetime, timedelta

import numpy as np
from django.utils import timezone

from automation import policies
from automation.gates import Facts
from automation.models import Policy, Routing
from inspection.models import Draw, Line, Shift
from monitoring.models import Alarm, Severity
from shadow.models import ModelVersion, Prediction
from shadow.pairs import Pair, pairs

RECENT = 200  # answers that say whether a version is healthy


def evidence_start(line: Line, version: ModelVersion) -> datetime | None:
    """Evidence counts from the last alarm that voided the certificate; None: from the version's first part."""
    void = Policy.objects.filter(line=line, version=version, voids_evidence=True).order_by("-number").first()
    return void.at if void else None


def evidence_pairs(line: Line, version: ModelVersion) -> list[Pair]:
    """The parts that count for or against a version, in arrival order.

    Live, drawn blind, not retrospective; each serial once, its first live inspection (trap 5). A part that was drawn
    blind and served all the same stays in: it counts as an escape (trap 1).
    """
    start = evidence_start(line, version)
    seen: set[str] = set()
    kept = []
    for pair in pairs(line=line, version=version, start=start):
        if not pair.live or pair.retrospective or pair.serial in seen:
            continue
        seen.add(pair.serial)
        if pair.drawn_blind:
            kept.append(pair)
    return kept


def scratched_of(pair: Pair) -> bool | None:
    """What a blind part counts as: served although drawn blind is an escape; not yet judged is pending.

    A first person's `unsure` is answered by the second opinion; until then the part is pending.
    """
    if pair.served_before:
        return True
    answer = pair.outcome if pair.evidence_outcome == "unsure" else pair.evidence_outcome
    return None if answer in (None, "unsure") else answer == "scratched"


def facts_of(line: Line, version: ModelVersion | None, *, now: datetime | None = None, policy: Policy | None = None) -> Facts:
    """All the facts of a line and a version at this moment. Without a version: nothing is known."""
    now = now or timezone.now()
    policy = policy or policies.in_force(line)
    critical = Alarm.objects.open().filter(line=line, severity=Severity.CRITICAL).count()
    if version is None:
        return Facts(critical_alarms=critical)
    evidence = evidence_pairs(line, version)
    judged = [pair for pair in evidence if scratched_of(pair) is not None]
    recent = list(
        Prediction.objects.filter(version=version, inspection__line=line)
        .order_by("-pk")
        .values_list("score", "at", "inspection__received_at", "retrospective")[:RECENT]
    )
    audits = Draw.objects.filter(inspection__line=line, audited=True)
    return Facts(
        version=version.name, threshold=version.threshold, thresholds=version.thresholds,
        recent=len(recent), recent_nulls=sum(row[0] is None for row in recent), latency=_latency(recent),
        hold_seconds=policy.hold_seconds,
        scores=[pair.score for pair in evidence], scratched=[scratched_of(pair) for pair in evidence],
        strata=[(pair.station or "", pair.variant or "") for pair in evidence],
        shifts=_shift_days(line, judged), days=len({pair.judged_at.astimezone(line.zone).date() for pair in judged if pair.judged_at}),
        held_days=held_days(line, now), escalated=_escalated(line, version),
        audits_due=audits.count(), audits_judged=audits.filter(inspection__verdicts__isnull=False).distinct().count(),
        critical_alarms=critical,
    )  # fmt: skip


def _latency(recent: list[tuple]) -> float | None:
    """Seconds from arrival to answer, 95th percentile of live answers; without any, replays ran and are in time."""
    seconds = [(at - received).total_seconds() for _, at, received, retrospective in recent if not retrospective]
    if seconds:
        return float(np.percentile(seconds, 95))
    return 0.0 if recent else None


def _shift_days(line: Line, judged: list[Pair]) -> int:
    """Distinct (shift, day) that have blind verdicts; a line without shifts counts days."""
    shifts: list[Shift] = list(line.shifts.all())
    days = set()
    for pair in judged:
        if pair.judged_at is None:
            continue
        local = pair.judged_at.astimezone(line.zone)
        shift = next((shift for shift in shifts if shift.covers(local.time())), None)
        days.add((shift.pk, shift.day_of(local)) if shift else (0, local.date()))
    return len(days)


def held_days(line: Line, now: datetime) -> float:
    """Days since the line came to its present level."""
    since = None
    for policy in Policy.objects.filter(line=line).order_by("-number"):
        if since is not None and policy.level != since.level:
            break
        since = policy
    return (now - since.at) / timedelta(days=1) if since else 0.0


def _escalated(line: Line, version: ModelVersion) -> float | None:
    recent = list(
        Routing.objects.filter(
            inspection__line=line, prediction__version=version, policy__level__in=["partial", "full"]
        ).order_by("-pk").values_list("reason", flat=True)[:1000]
    )  # fmt: skip
    return sum(reason == "score in the unsure band" for reason in recent) / len(recent) if recent else None

