"""What the admin's page of a line shows: where it stands, what the next step needs, the bound, the ramp, who agreed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import takewhile
from typing import Any

from django.db.models import QuerySet
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from automation import certificates, policies
from automation.actions.voiding import SYSTEM
from automation.charts import bound_chart
from automation.facts import looks_of
from automation.forecast import Likely, Pace, forecast, pace_of
from automation.forms import COUNT_WORDS, PERCENT_WORDS, to_percent
from automation.gates import Facts, Gate, Limits, gates_to, percent
from automation.levels import Level
from automation.looks import Look
from automation.models import Change, Policy, Void
from automation.progress import Bar, bar_of, ramp_bars
from automation.ramp import reasons_to_wait
from automation.ramp_facts import STEP, is_ramped, ramp_facts
from automation.reports import Standing
from inspection.models import Line, User
from inspection.prepared import Given, Prepared
from inspection.roles import May, may
from shadow.models import ModelVersion

LEVEL_WORDS = {
    Level.HUMAN_ONLY: gettext_lazy("People judge every part."),
    Level.SHADOW: gettext_lazy("The model answers beside people; nobody sees it."),
    Level.ASSIST: gettext_lazy("People judge every part, most with the model's advice."),
    Level.PARTIAL: gettext_lazy("The machine decides the clear parts, people the rest."),
    Level.FULL: gettext_lazy("The machine decides every part that it can score."),
}
FIELD_WORDS: dict[str, str | Promise] = {
    "pass_below": gettext_lazy("Pass below"),
    "reject_from": gettext_lazy("Reject from"),
    "audit_share": gettext_lazy("Audit share"),
    "blind_share": gettext_lazy("Blind share"),
    "hold_seconds": gettext_lazy("Hold (s)"),
    "assist_wait": gettext_lazy("Assist wait (s)"),
    "quorum": gettext_lazy("Quorum"),
    "signed": gettext_lazy("Changes are signed"),
    "ramp": gettext_lazy("Ramp"),
    "sensitivity_from_seeds": gettext_lazy("Measure inspectors by seeded parts"),
    **COUNT_WORDS,
    **PERCENT_WORDS,
}
IN_PERCENT = {"audit_share", "blind_share", *PERCENT_WORDS}
HISTORY = 20  # policies on the page; the others stand one link away


def history_of(line: Line, most: int | None = None) -> list[Policy]:
    """The line's policies, newest first; `most` at most."""
    return _NEWEST(line=line.pk) if most == HISTORY + 1 else list(_history(line.pk)[:most])


def _history(line: int | Given) -> QuerySet[Policy]:
    rows = Policy.objects.filter(line=line).order_by("-number").select_related("version", "change__by")
    return rows.defer("version__card")


_NEWEST = Prepared(lambda: _history(Given("line"))[: HISTORY + 1])


def voids_of(line: Line) -> list[Void]:
    """What voided certificates of versions on the line, oldest first; as a rule very little."""
    return _VOIDS(line=line.pk)


_VOIDS = Prepared(lambda: Void.objects.filter(line=Given("line")).select_related("version").defer("version__card"))


def is_lowered_for(policy: Policy, void: Void | None) -> bool:
    """Whether the system wrote the policy as the certificate was voided."""
    return void is not None and policy.by == SYSTEM and policy.number == void.number + 1


# ---- The gates


@dataclass(frozen=True)
class GateRow:
    """A gate with its bar, and the day on which it is likely met or why none can be said; both empty once it is met."""

    gate: Gate
    bar: Bar | None
    day: str = ""
    why_none: str = ""


def gate_rows(gates: Sequence[Gate], likely: dict[str, Likely], today: date) -> list[GateRow]:
    """What is missing comes first."""
    rows = []
    for gate in sorted(gates, key=lambda gate: gate.met):
        when = likely.get(gate.name, "")
        if isinstance(when, date):
            rows.append(GateRow(gate, bar_of(gate), day=day_words(when, today)))
        else:
            rows.append(GateRow(gate, bar_of(gate), why_none=when))
    return rows


def day_words(day: date, today: date) -> str:
    if day <= today:
        return _("likely today")
    return _("likely on {day}").format(day=name_of(day, today))


def name_of(day: date, today: date) -> str:
    """'Mon 30 Nov', with the year where it is another one."""
    return date_format(day, "D j M" if day.year == today.year else "j M Y")


def ready_words(likely: dict[str, Likely], today: date) -> str:
    """On which day the last of the gates is likely met; empty where one of them hangs on something else."""
    days = [when for when in likely.values() if isinstance(when, date)]
    if not days or len(days) < len(likely):
        return ""
    if max(days) <= today:
        return _("Every gate is likely met today, if the line goes on as it does.")
    words = _("Every gate is likely met on {day}, if the line goes on as it does.")
    return words.format(day=name_of(max(days), today))


def pace_words(pace: Pace) -> str:
    if not pace.per_day:
        return _("no blind verdict in the last week")
    n = round(pace.per_day)
    return ngettext("{n} blind verdict a day", "{n} blind verdicts a day", n).format(n=f"{n:,}")


def next_step(standing: Standing, now: datetime) -> dict[str, Any]:
    """The gates of the next step up as they are judged now."""
    return _judged(standing, standing.gates, standing.limits, standing.facts, now)


def _judged(standing: Standing, gates: Sequence[Gate], limits: Limits, facts: Facts, now: datetime) -> dict[str, Any]:
    local = now.astimezone(standing.line.zone)
    pace = pace_of(standing.line, standing.version, facts, gates, limits, now=local, counted=standing.counted)
    likely = forecast(gates, pace, local)
    return {
        "rows": gate_rows(gates, likely, local.date()),
        "met": sum(gate.met for gate in gates),
        "pace": pace_words(pace),
        "ready_on": ready_words(likely, local.date()),
    }


def blocked(standing: Standing) -> str:
    """Why the line cannot be raised now; empty: it can."""
    if standing.pending:
        return _("A change of this line awaits approval.")
    return next((gate.reason for gate in standing.gates if not gate.met), "")


def choices(standing: Standing) -> dict[str, Any]:
    """What a step up may choose: the version from human only on, thresholds where the machine is to decide."""
    upper, version = standing.next_level, standing.version
    return {
        "version": standing.level is Level.HUMAN_ONLY,
        "thresholds": version.thresholds if version and upper and upper.machine_decides else [],
        "one_threshold": upper is Level.FULL,
        **bars(standing.gates),
    }


def bars(gates: Sequence[Gate]) -> dict[str, float | None]:
    """The thresholds that gates were judged for."""
    figures = next((gate.figures for gate in gates if gate.name == "thresholds"), {})
    return {name: figures.get(name) for name in ("pass_below", "reject_from")}


# ---- What awaits approval


@dataclass(frozen=True)
class Approval:
    """A change that awaits another person: what it changes, who has agreed, and its gates as they are judged now."""

    change: Change
    level: Level
    changed: list[tuple[str, str, str]]  # field, before, after
    gates: list[Gate]
    signatures: list[certificates.Signature]
    allowed: bool  # whether this reader may approve
    judged: dict[str, Any]
    unmet: str  # the first gate that is no longer met: an approval would be refused


def approval_of(standing: Standing, user: User, now: datetime) -> Approval | None:
    change = standing.pending
    if change is None:
        return None
    agreed = certificates.signatures(change)
    gates = gates_now(standing, change)
    by = {change.by_id, *change.approvals.values_list("by_id", flat=True)}
    limits = Limits.from_json(change.proposed["limits"])
    return Approval(
        change=change, level=Level(change.proposed["level"]), changed=changes_of(standing.policy, change.proposed),
        gates=gates, signatures=agreed, allowed=user.pk not in by and may(user, May.SUPERVISE),
        judged=_judged(standing, gates, limits, standing.facts, now),
        unmet=next((gate.reason for gate in gates if not gate.met), ""),
    )  # fmt: skip


def gates_now(standing: Standing, change: Change) -> list[Gate]:
    """The gates of a proposed change on the facts of now; none where the change took none, or names another version."""
    fields = change.proposed
    version = standing.version
    if not change.certificate.get("gates") or version is None or fields["version_id"] != version.pk:
        return []
    facts = replace(standing.facts, hold_seconds=fields["hold_seconds"])
    limits = Limits.from_json(fields["limits"])
    return gates_to(Level(fields["level"]), facts, limits, fields["pass_below"], fields["reject_from"])


def changes_of(policy: Policy, proposed: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What a proposal changes of the policy in force: each field with its value before and after."""
    found = []
    before, after = Limits.from_json(policy.limits).to_json(), Limits.from_json(proposed["limits"]).to_json()
    pairs = [(name, getattr(policy, name), proposed[name]) for name in policies.FIELDS if name != "limits"]
    if policy.version_id != proposed["version_id"]:
        version = ModelVersion.objects.filter(pk=proposed["version_id"]).only("name").first()
        found.append((_("Version"), str(policy.version or "-"), str(version or "-")))
    for name, old, new in [*pairs, *((name, before[name], after[name]) for name in after)]:
        if old != new:
            found.append((str(FIELD_WORDS.get(name, name)), value_words(name, old), value_words(name, new)))
    return found


def changed_meanwhile(read: Policy, current: Policy) -> list[str]:
    """What has changed of a policy since a person read it, for them who were about to change it: a sentence each."""
    fields = {name: getattr(current, name) for name in (*policies.FIELDS, "version_id")}
    changes = changes_of(read, fields)
    if read.level != current.level:
        changes.insert(0, (_("Level"), read.get_level_display(), current.get_level_display()))
    first = _(
        "{line} has changed since you opened this form: policy {number} is in force, by {by}: {reason} What you typed is kept "
        "below. Read it again, then send it."
    ).format(line=current.line.name, number=current.number, by=current.by, reason=current.reason.rstrip(".") + ".")
    return [
        first,
        *(
            _("{field}: {before} before, {now} now.").format(field=name, before=old, now=new)
            for name, old, new in changes
        ),
    ]


def value_words(name: str, value: Any) -> str:
    if value is None or value == []:
        return "-"
    if name in IN_PERCENT:
        return f"{to_percent(value):f} %"
    if name == "ramp":
        return ", ".join(f"{percent(share)}: {percent(audited)}" for share, audited in value)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return f"{value:g}" if isinstance(value, float) else str(value)


# ---- The certificate in force

TOLD = ("certificate", "miss limit", "overkill limit", "strata", "blind pairs", "miss rate", "false alarm rate")


def proven(held: certificates.Held | None) -> list[str]:
    """What a certificate says of the version, in the words of its gates as they were frozen."""
    said = {gate["name"]: gate["reason"] for gate in held.gates} if held else {}
    return [said[name] for name in TOLD if name in said]


# ---- The bound


@dataclass(frozen=True)
class Bound:
    """The running bound at the threshold that passes parts, or would at the next step."""

    at: float
    last: Look
    share: str
    limit: str
    proven: bool
    chart: SafeString
    looks: list[tuple[Look, str]]


def bound_of(standing: Standing, gates: Sequence[Gate]) -> Bound | None:
    """None: the version has no thresholds, or nothing that it passes was judged blind."""
    version = standing.version
    if version is None or not version.thresholds:
        return None
    certificate = next((gate.figures for gate in gates if gate.name == "certificate"), {})
    at = certificate.get("tested") or bars(gates)["pass_below"] or standing.policy.pass_below or version.thresholds[0]
    limits = standing.limits
    alpha, delta = certificate.get("alpha", limits.alpha), certificate.get("delta", limits.delta)
    looks = looks_of(standing.line, version, at, delta, counted=standing.counted)
    if not looks:
        return None
    share, limit = (percent(value).replace(" ", "\u00a0") for value in (looks[-1].bound, alpha))
    chart = bound_chart(looks, alpha, certificate.get("more"))
    table = [(look, percent(look.bound)) for look in reversed(looks)]
    return Bound(at, looks[-1], share, limit, looks[-1].bound <= alpha, chart, table)


# ---- The ramp


@dataclass(frozen=True)
class RampStep:
    share: str
    audits: str
    state: str  # done, now, or empty: ahead


@dataclass(frozen=True)
class RampPage:
    """The steps of a ramp as a small ladder, and what the next one waits for."""

    steps: list[RampStep]
    number: int
    held: bool
    last: bool
    reasons: list[str]
    bars: list[tuple[str, Bar]]
    since: datetime


def ramp_page(standing: Standing, now: datetime, history: Sequence[Policy]) -> RampPage | None:
    """None where no ramp leads anywhere: the level has none. `history`: the line's policies, newest first."""
    policy = standing.policy
    if not is_ramped(policy):
        return None
    own = standing.version == policy.version  # a reader may ask of another version, which this ramp is none of
    facts = ramp_facts(
        standing.line, policy, now, facts=standing.facts if own else None, counted=standing.counted if own else None
    )
    step = min(policy.step, len(policy.ramp) - 1)
    states = ["done"] * step + ["now"] + [""] * (len(policy.ramp) - step - 1)
    steps = [
        RampStep(percent(share), percent(max(audits, policy.audit_share)), state)
        for (share, audits), state in zip(policy.ramp, states, strict=True)
    ]
    last = step == len(policy.ramp) - 1
    shown = [] if last else [(name, bar) for name, bar in ramp_bars(facts, standing.limits) if bar]
    reasons = [] if last else reasons_to_wait(facts, standing.limits)
    alike = takewhile(lambda row: all(getattr(row, name) == getattr(policy, name) for name in STEP), history)
    since = min((row.at for row in alike), default=policy.at)
    return RampPage(steps, step + 1, policy.ramp_held, last, reasons, shown, since)
