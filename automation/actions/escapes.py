"""The watch over what the machine passed: audits that people have judged go to its detectors, and an alarm lowers the line.

What is fed is given by the rows alone, in the order of the verdicts, so that a restart or a second watcher changes
nothing. An audit of which nobody could tell, one that is overdue and one whose judge was served the model's answer never
enter a detector; they are escapes in the evidence, at which the watch looks too.
"""

import math
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from automation import policies
from automation.actions.changing import ESCAPES, came_back
from automation.actions.voiding import void_evidence
from automation.apart import apart
from automation.audits import newest_before, unheard, waiting, watch_of
from automation.evidence import BurstDetector, EscapeDetector, e_harm
from automation.facts import decides_since, evidence_of
from automation.gates import Limits, percent
from automation.levels import Level
from automation.models import EscapeWatch, Policy
from inspection import seals
from inspection.models import Correction, Line, Verdict
from monitoring.actions import open_alarm
from monitoring.models import Alarm, AlarmAction, Severity
from shadow.jobs import LATE_COMMITS
from shadow.models import ModelVersion

AT_ONCE = 20_000  # verdicts that one look goes through
LOOK_AGAIN = timedelta(minutes=1)  # at the evidence, where no audit was judged meanwhile: audits become overdue
SUGGESTION = (
    "People judge every part now. Look at the parts that escaped and at what else left with them, find what has changed, "
    "and close this alarm with what was found."
)


def watch_escapes(*, now: datetime) -> int:
    """Look at the audits that people have judged since the last look; return how many alarms were opened."""
    return sum(apart(lambda line: _watch_line(line, now), Line.objects.all(), doing="watching"))


def _watch_line(line: Line, now: datetime) -> int:
    """The version that decides, and those of earlier policies while their audits trickle in."""
    policy = policies.in_force(line)
    rows = EscapeWatch.objects.filter(line=line).select_related("version").defer("version__card")
    versions = {row.version_id: row.version for row in rows if not row.state.get("done")}
    if Level(policy.level).machine_decides and policy.version:
        versions[policy.version.pk] = policy.version
    return sum(_watch(line, version, policy, now) for version in versions.values())


def _watch(line: Line, version: ModelVersion, policy: Policy, now: datetime) -> bool:
    """One look at one version; whether it opened an alarm. Where nothing is new it only reads."""
    decides = Level(policy.level).machine_decides and policy.version_id == version.pk
    since = decides_since(line, version) if decides else None
    row = watch_of(line, version)
    if row:
        row.line, row.version = line, version
    if row is None or not _has_news(row, since, now):
        return False
    harm = _harm(line, version, policy, now) if decides else ""
    with transaction.atomic():
        starts = {"seen_to": row.seen_to, "corrected_to": row.corrected_to}
        EscapeWatch.objects.get_or_create(line=line, version=version, defaults=starts)
        # Of two watchers at once one waits here, and then finds that the other has seen it all.
        row = EscapeWatch.objects.select_for_update().get(line=line, version=version)
        row.line, row.version = line, version
        _begin_anew(row, since, policy)
        _feed(row, now)
        row.state["looked"] = now.isoformat()
        row.state["done"] = not decides and _is_over(row)
        new = _raise_alarm(row, harm, critical=decides or not Level(policy.level).machine_decides, now=now)
        row.save()
        return new


# ---- What is new


def _has_news(row: EscapeWatch, since: Policy | None, now: datetime) -> bool:
    looked = row.state.get("looked")
    if row.pk is None or looked is None or abs(now - datetime.fromisoformat(looked)) >= LOOK_AGAIN:
        return True
    return (
        _end(row) is not None
        or _anew(row, since) != _known(row)
        or any(_settled(row, told.at, now) for stream in unheard(row, upto=_end(row)) for told in stream)
    )


def _end(row: EscapeWatch) -> int | None:
    """The last verdict of the stretch that one look goes through; None: it goes through all that there are."""
    later = Verdict.objects.filter(pk__gt=row.seen_to).order_by("pk").values_list("pk", flat=True)
    return next(iter(later[AT_ONCE - 1 : AT_ONCE]), None)


def _settled(row: EscapeWatch, at: datetime, now: datetime) -> bool:
    """Whether a verdict can be undone no more. One from far ahead was given before the clock was set back."""
    return abs(now - at) > timedelta(seconds=row.line.undo_seconds)


def _feed(row: EscapeWatch, now: datetime) -> None:
    """Count what is new, and let the detectors have the machine's passes of it, in the order of the verdicts; after them
    what corrections told."""
    state = row.state
    escapes, burst = EscapeDetector.from_json(state["escapes"]), BurstDetector.from_json(state["burst"])
    by_verdict, by_correction = unheard(row, upto=_end(row))
    heard = [("recent", told) for told in by_verdict] + [("corrected", told) for told in by_correction]
    state.setdefault("corrected", [])  # none in the state of an earlier release
    for stream, told in heard:
        if not _settled(row, told.at, now):
            continue
        state[stream].append(told.key)
        row.judged += 1
        if told.passed and told.counts:
            row.passes, row.escapes = row.passes + 1, row.escapes + told.scratched
            state["passes"], state["found"] = state["passes"] + 1, state["found"] + told.scratched
            escapes.update(told.scratched)
            burst.update(told.scratched)
    row.seen_to = _seen_to(row, _stretch(row), row.seen_to, now)
    row.corrected_to = _seen_to(row, Correction.objects.filter(pk__gt=row.corrected_to), row.corrected_to, now)
    state["recent"] = [verdict for verdict in state["recent"] if verdict > row.seen_to]
    state["corrected"] = [correction for correction in state["corrected"] if correction > row.corrected_to]
    state["escapes"], state["burst"] = escapes.to_json(), burst.to_json()


def _stretch(row: EscapeWatch) -> QuerySet[Verdict]:
    end = _end(row)
    return Verdict.objects.filter(pk__gt=row.seen_to, **({} if end is None else {"pk__lte": end}))


def _seen_to(row: EscapeWatch, stretch: QuerySet, last: int, now: datetime) -> int:
    """Up to which verdict or correction nothing more can come: rows commit out of the order of their keys, and are undone
    for a while. So it is the last one before the first that is young."""
    wait = timedelta(seconds=row.line.undo_seconds) + LATE_COMMITS
    young = stretch.filter(at__range=(now - wait, now + wait)).order_by("pk").values_list("pk", flat=True).first()
    old = stretch.filter(pk__lt=young) if young else stretch
    return old.order_by("-pk").values_list("pk", flat=True).first() or last


def _is_over(row: EscapeWatch) -> bool:
    """Whether no audit of a version that decides no more can come: none waits, and none was told that was not seen."""
    return _end(row) is None and not (any(unheard(row)) or waiting(row.line, row.version))


# ---- The detectors begin anew


def _anew(row: EscapeWatch, since: Policy | None) -> tuple[Any, Any]:
    """What the detectors began with last, if they were to begin now: the raise of the version, and the last closing of
    the alarm by a person. A version that only comes back goes on with what was heard of it."""
    closings = AlarmAction.objects.filter(
        alarm__line=row.line_id, alarm__rule=ESCAPES, action=AlarmAction.Action.CLOSED
    )  # fmt: skip
    closing = closings.last()
    raised = since.pk if since and not came_back(since) else row.state.get("raised")
    return raised, closing.pk if closing else None


def _known(row: EscapeWatch) -> tuple[Any, Any]:
    return row.state.get("raised"), row.state.get("closing")


def _begin_anew(row: EscapeWatch, since: Policy | None, policy: Policy) -> None:
    """Fresh detectors when the version was raised again, when a person has closed the alarm, and for another limit."""
    raised, closing = _anew(row, since)
    known = row.state.get("escapes", {}).get("alpha")
    alpha = Limits.from_json(policy.limits).alpha if since or known is None else known
    if since and row.state.get("done"):
        row.seen_to = max(row.seen_to, newest_before(since.at))  # nothing was missed since its last audit
        row.corrected_to = max(row.corrected_to, newest_before(since.at, Correction))
    if (raised, closing) != _known(row) or alpha != known:
        row.state = {
            "escapes": EscapeDetector(alpha).to_json(), "burst": BurstDetector(alpha).to_json(), "passes": 0, "found": 0,
            "raised": raised, "closing": closing, "recent": row.state.get("recent", []),
            "corrected": row.state.get("corrected", []),
        }  # fmt: skip


# ---- The alarm


def _harm(line: Line, version: ModelVersion, policy: Policy, now: datetime) -> str:
    """What the evidence as a whole refutes, in words; empty: it does not."""
    limits = Limits.from_json(policy.limits)
    evidence = evidence_of(line, version, now=now, audit_hours=limits.audit_hours)
    tally = evidence.below(math.nan if policy.pass_below is None else policy.pass_below)
    if e_harm(tally.judged, tally.escapes, limits.alpha) < -math.log(limits.delta):
        return ""
    return (
        f"Of {tally.judged:,} judged parts that {version.name} passes, {tally.escapes:,} count as escapes: "
        f"{tally.scratched:,} scratched, {tally.unsure:,} audits that nobody could tell or that are overdue, "
        f"{tally.served:,} judged by somebody who had seen the answer. The limit of {percent(limits.alpha)} is refuted."
    )


def _raise_alarm(row: EscapeWatch, harm: str, *, critical: bool, now: datetime) -> bool:
    """Open the alarm if there is a reason, and void the version's certificate by it; whether it is new.

    A warning only, when another version decides by now: it is not the one to be lowered. Its certificate is void all the
    same, or one switch would bring it back.
    """
    message = _message(row) or harm
    if not message:
        return False
    known = Alarm.objects.open().filter(line=row.line_id, rule=ESCAPES).exists()
    open_alarm(
        line=row.line, rule=ESCAPES, severity=Severity.CRITICAL if critical else Severity.WARNING, message=message,
        suggestion=SUGGESTION, now=now,
    )  # fmt: skip
    if not row.state.get("voided"):  # once for each time that the detectors begin anew
        void_evidence(line=row.line, version=row.version, reason=message, now=now)
        seals.seal_trail(line=row.line.slug)
        row.state["voided"] = True
    return not known


def _message(row: EscapeWatch) -> str:
    """What the detectors alarm at, in words; empty: they do not."""
    state, name = row.state, row.version.name
    escapes, burst = EscapeDetector.from_json(state["escapes"]), BurstDetector.from_json(state["burst"])
    limit = percent(escapes.alpha)
    if burst.alarm:
        many, window = sum(burst.recent), len(burst.recent)
        return f"{many} of the last {window} audited parts that {name} passed were scratched; the limit is {limit}."
    if escapes.alarm:
        share = percent(state["found"] / state["passes"])
        return (
            f"{state['found']:,} of {state['passes']:,} audited parts that {name} passed were scratched ({share}), and "
            f"more often of late than the limit of {limit} allows."
        )
    return ""
