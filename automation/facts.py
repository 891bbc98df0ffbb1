"""Gathers what the gates ask about: blind evidence in arrival order, latency, nulls, days, alarms."""

from datetime import date, datetime, timedelta

import numpy as np
from django.db.models import Min, Q
from django.utils import timezone

from automation import policies
from automation.gates import Facts
from automation.levels import Level
from automation.models import Policy, Routing
from automation.routing import UNSURE_BAND
from automation.seeds import seeds_of
from inspection.models import Inspection, Line, Origin, Outcome, Shift
from inspection.moves import State
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

    Live, drawn blind, not retrospective; each serial once, its first live inspection on the line (trap 5). A part that
    was drawn blind and served all the same stays in: it counts as an escape (trap 1). A part that was sent to be
    cleaned has no verdict; its next blind inspection answers for it.
    """
    start = evidence_start(line, version)
    live = Inspection.objects.filter(line=line).live()
    first = set(live.order_by().values("serial").annotate(first=Min("pk")).values_list("first", flat=True))
    cleaned = set(live.filter(state=State.RETAKE).values_list("pk", flat=True))
    blind = [
        pair for pair in pairs(line=line, version=version) if pair.live and pair.drawn_blind and not pair.retrospective
    ]
    again = {
        pair.serial: pair.evidence_outcome
        for pair in reversed(blind)
        if pair.inspection_id not in cleaned and not pair.served_before
    }
    return [
        pair._replace(evidence_outcome=again.get(pair.serial)) if pair.inspection_id in cleaned else pair
        for pair in blind
        if pair.inspection_id in first and (start is None or pair.received_at >= start)
    ]


def scratched_of(pair: Pair) -> bool | None:
    """What a blind part counts as: served although drawn blind is an escape; not yet judged is pending.

    A first person's `unsure` is answered by the next person who has seen nothing of the model; until then the part is
    pending. What anybody says after they have seen something never counts (trap 10).
    """
    if pair.served_before:
        return True
    return None if pair.evidence_outcome in (None, "unsure") else pair.evidence_outcome == "scratched"


def facts_of(
    line: Line, version: ModelVersion | None, *, now: datetime | None = None, policy: Policy | None = None
) -> Facts:
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
        .exclude(inspection__origin=Origin.SEEDED)
        .order_by("-pk")
        .values_list("score", "at", "inspection__received_at", "retrospective")[:RECENT]
    )
    audits = Routing.objects.filter(inspection__line=line, prediction__version=version, inspection__draw__audited=True)
    answered = audits.filter(inspection__verdicts__outcome__in=[Outcome.OK, Outcome.SCRATCHED])
    return Facts(
        version=version.name, threshold=version.threshold, thresholds=version.thresholds,
        recent=len(recent), recent_nulls=sum(row[0] is None for row in recent), latency=_latency(recent),
        hold_seconds=policy.hold_seconds,
        scores=[pair.usable_score for pair in evidence], scratched=[scratched_of(pair) for pair in evidence],
        strata=[(pair.station or "", pair.variant or "") for pair in evidence],
        served=[pair.served_before for pair in evidence],
        shifts=_shift_days(line, judged), days=len(_days(line, judged)),
        held_days=held_days(line, version, now), escalated=_escalated(line, version),
        audits_due=audits.count(), audits_judged=answered.distinct().count(),
        critical_alarms=critical, seeds=seeds_of(line, version),
    )  # fmt: skip


def _latency(recent: list[tuple]) -> float | None:
    """Seconds from arrival to answer, 95th percentile of live answers; without any, replays ran and are in time."""
    seconds = [(at - received).total_seconds() for _, at, received, retrospective in recent if not retrospective]
    if seconds:
        return float(np.percentile(seconds, 95))
    return 0.0 if recent else None


def _days(line: Line, judged: list[Pair]) -> set[date]:
    return {pair.judged_at.astimezone(line.zone).date() for pair in judged if pair.judged_at}


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


def held_days(line: Line, version: ModelVersion, now: datetime) -> float:
    """Days since the machine decides on the line with this version, without a break."""
    since = None
    for policy in Policy.objects.filter(line=line).order_by("-number"):
        if not Level(policy.level).machine_decides or policy.version_id != version.pk:
            break
        since = policy
    return (now - since.at) / timedelta(days=1) if since else 0.0


def _escalated(line: Line, version: ModelVersion) -> float | None:
    """Of the last parts that were left to the score, the share in the unsure band. Parts outside the canary share,
    halted or not certified are not among them: they would hide a wide band."""
    routed = Routing.objects.filter(inspection__line=line, prediction__version=version)
    by_score = routed.filter(Q(decision__in=["pass", "reject"]) | Q(reason=UNSURE_BAND))
    recent = list(by_score.order_by("-pk").values_list("reason", flat=True)[:1000])
    return recent.count(UNSURE_BAND) / len(recent) if recent else None
