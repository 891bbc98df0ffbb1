"""Trainings of a line: start one, end it, let it go on, let what came of it shadow, and say when they begin by themselves."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from inspection import audit, seals
from inspection.models import AuditEvent, Line, OfNoPart, User
from inspection.refusals import BadInput, Conflict
from inspection.roles import May, must
from inspection.wake import send_on_commit
from shadow import training_options
from shadow.actions.versions import assign, check_name, must_have_weights
from shadow.models import (
    Assignment,
    Every,
    ModelVersion,
    Role,
    RunState,
    TrainingPolicy,
    TrainingRun,
    live_version,
    training_policy,
)
from shadow.models.training import UNDER_WAY
from shadow.snapshots import Dealt, dealt_parts, written
from shadow.versions import find_version

WORKER = "shadow.tasks.train_waiting"


def start_training(
    *,
    line: Line,
    by: User | str,
    reason: str,
    name: str = "",
    alarm: int | None = None,
    start: str = "",
    epochs: int = training_options.EPOCHS,
    renderings: int = training_options.RENDERINGS,
    seed: int = 0,
    now: datetime | None = None,
) -> TrainingRun:
    """Take a snapshot of the line's judged parts and let a version be trained on it.

    `by` is a person, or what begins it by itself. It changes nothing at the line: what comes of it is a version, which an
    admin may let shadow. Raises Conflict while another training of the line is under way, BadInput for options that no
    training takes, for parts that cannot be trained on, for an alarm that is none of the line and without a reason.
    """
    _may(by, line, May.SUPERVISE)
    if not reason.strip():
        raise BadInput(_("Say why a version is trained: whoever reads its lineage asks."))
    now = now or timezone.now()
    _must_be_alarm_of(line, alarm)
    name = name.strip() or name_for(line, now)
    check_name(name)
    training_options.check_options(epochs=epochs, seed=seed, renderings=renderings)
    if start and start != training_options.FROM_CHANCE:
        must_have_weights(find_version(start))
    _must_be_free(line, name)
    try:
        dealt = dealt_parts(line, seed=seed)
    except ValueError as error:
        raise BadInput(_("These photos cannot be trained on: {why}.").format(why=error)) from None
    options = {"epochs": epochs, "renderings": renderings, "seed": seed, "start": start}
    return _start(line, dealt, by=by, reason=reason.strip()[:500], name=name, alarm=alarm, options=options, now=now)


def alarm_is_of(line: Line, alarm: int) -> bool:
    """By the trail: what raises alarms stands further right."""
    opened = AuditEvent.objects.filter(OfNoPart(), action="alarm_opened", line=line.slug, subject=f"alarm {alarm}")
    return opened.exists()


def _must_be_alarm_of(line: Line, alarm: int | None) -> None:
    if alarm is not None and not alarm_is_of(line, alarm):
        words = _("There is no alarm {number} on {line}: begin at the alarm's own page.")
        raise BadInput(words.format(number=alarm, line=line.name))


@transaction.atomic
def _start(
    line: Line, dealt: Dealt, *, by: User | str, reason: str, name: str, alarm: int | None, options: dict[str, Any],
    now: datetime,
) -> TrainingRun:  # fmt: skip
    line = Line.objects.select_for_update(no_key=True).get(pk=line.pk)  # parts go on coming in meanwhile
    _must_be_free(line, name)  # again: somebody may have been quicker
    snapshot = written(dealt, line=line, by=by, now=now)
    run = TrainingRun.objects.create(
        line=line, snapshot=snapshot, name=name, reason=reason, alarm=alarm, by=audit.name_of(by), at=now,
        options=options,
    )  # fmt: skip
    told: dict[str, Any] = {"alarm": alarm} if alarm else {}
    audit.record(
        "training_started",
        by=by,
        line=line.slug,
        subject=run,
        version=name,
        snapshot=snapshot.pk,
        reason=run.reason,
        **told,
    )
    send_on_commit(WORKER)
    return run


def name_for(line: Line, now: datetime) -> str:
    """A name that no version has: the line, the day, and a number where the day has several."""
    stem = f"{line.slug}-{now.astimezone(line.zone):%Y-%m-%d}"
    taken = {*ModelVersion.objects.filter(name__startswith=stem).values_list("name", flat=True)}
    names = [stem, *(f"{stem}-{number}" for number in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken)


def _may(by: User | str, line: Line, what: May) -> None:
    if isinstance(by, User):
        must(by, what)
        by.must_work_on(line)


def _must_be_free(line: Line, name: str) -> None:
    if ModelVersion.objects.filter(name=name).exists():
        raise Conflict(_("The name {name} belongs to another version. Choose a new one.").format(name=name))
    known = TrainingRun.objects.under_way().filter(line=line).first()
    if known:
        words = _("{name} is being trained for {line}. Wait for it, or cancel it.")
        raise Conflict(words.format(name=known.name, line=line.name))
    if TrainingRun.objects.under_way().filter(name=name).exists():
        raise Conflict(_("Another line trains a version of the name {name}. Choose a new one.").format(name=name))


@transaction.atomic
def cancel_training(*, run: TrainingRun, by: User, now: datetime | None = None) -> TrainingRun:
    """End a training that waits or runs; its worker lets go of it within seconds. A second time is harmless."""
    _may(by, run.line, May.SUPERVISE)
    run = TrainingRun.objects.select_for_update().get(pk=run.pk)
    if run.state == RunState.CANCELLED:
        return run
    if not run.is_under_way:
        words = _("{name} is over: {state}. There is nothing to cancel.")
        raise Conflict(words.format(name=run.name, state=run.get_state_display().lower()))
    run.state, run.leased_until = RunState.CANCELLED, None
    run.ended_at, run.ended_by = now or timezone.now(), by.username
    run.save(update_fields=["state", "leased_until", "ended_at", "ended_by"])
    audit.record("training_cancelled", by=by, line=run.line.slug, subject=run, version=run.name)
    return run


@transaction.atomic
def resume_training(*, run: TrainingRun, by: User, now: datetime | None = None) -> TrainingRun:
    """Let a training that failed or was cancelled go on from its last epoch, with the data that it began with."""
    _may(by, run.line, May.SUPERVISE)
    line = Line.objects.select_for_update().get(pk=run.line_id)
    run = TrainingRun.objects.select_for_update().get(pk=run.pk)
    if run.is_under_way:
        return run
    if not run.may_go_on:
        raise Conflict(_("{name} is done: there is nothing to go on with.").format(name=run.name))
    if run.version is None:
        _must_be_free(line, run.name)
    elif TrainingRun.objects.filter(line=line, state__in=UNDER_WAY).exists():
        raise Conflict(_("Another training of {line} is under way. Wait for it, or cancel it.").format(line=line.name))
    run.state, run.tries, run.failure, run.ended_at, run.ended_by = RunState.WAITING, 0, "", None, ""
    run.save(update_fields=["state", "tries", "failure", "ended_at", "ended_by"])
    audit.record("training_resumed", by=by, line=line.slug, subject=run, version=run.name)
    send_on_commit(WORKER)
    return run


@transaction.atomic
def let_shadow(*, run: TrainingRun, by: User, reason: str, now: datetime | None = None) -> Assignment:
    """Let the version that came of a training score the line's new parts, as a candidate: it decides nothing.

    Raises Conflict before it is trained, where it scores the line already, and where no version is live.
    """
    _may(by, run.line, May.PROPOSE)
    if not reason.strip():
        raise BadInput(_("Say why the line's versions change; the reason stands in the audit trail."))
    line = Line.objects.select_for_update().get(pk=run.line_id)
    if run.version is None:
        raise Conflict(_("{name} is not trained yet.").format(name=run.name))
    if live_version(line) is None:
        raise Conflict(_("No version is live on {line}. Raise it to shadow first.").format(line=line.name))
    known = Assignment.objects.current().filter(line=line, version=run.version).first()
    if known:
        words = _("{version} scores the parts of {line} already, as {role}.")
        told = {"version": run.version, "line": line.name, "role": known.get_role_display().lower()}
        raise Conflict(words.format(**told))
    assigned = assign(line=line, version=run.version, role=Role.CANDIDATE, by=by, reason=reason.strip(), now=now)
    seals.seal_trail(line=line.slug)
    return assigned


@transaction.atomic
def set_training_policy(
    *, line: Line, by: User, reason: str, every: str, on_alarm: bool, now: datetime | None = None
) -> TrainingPolicy:
    """Say when trainings of the line begin by themselves. What comes of them never goes live by itself."""
    _may(by, line, May.PROPOSE)
    if every not in Every.values:
        raise BadInput(_("'every' is one of {known}.").format(known=", ".join(Every.values)))
    if not reason.strip():
        raise BadInput(_("Say why trainings begin so; the reason stands in the audit trail."))
    line = Line.objects.select_for_update().get(pk=line.pk)
    current = training_policy(line)
    if (current.every, current.on_alarm) == (every, on_alarm):
        return current
    policy = TrainingPolicy.objects.create(
        line=line, number=current.number + 1, every=every, on_alarm=on_alarm, reason=reason.strip()[:500],
        by=by.username, at=now or timezone.now(),
    )  # fmt: skip
    audit.record(
        "training_policy_set",
        by=by,
        line=line.slug,
        subject=policy,
        every=every,
        on_alarm=on_alarm,
        reason=policy.reason,
    )
    return policy
