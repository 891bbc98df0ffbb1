"""Every write about what is usual and how a line is watched: policies, and events after which it is learned anew."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from inspection import audit
from inspection.models import Line, Station, User
from inspection.refusals import BadInput
from monitoring.figures import BY_NAME, FIGURES, LIMITED
from monitoring.models import Alarm, Relearning, WatchPolicy

FIELDS = ("warn_every", "alarm_every", "by_shift", "unwatched", "critical", "factors", "limits")
LEAST_EVERY = 100  # parts to a false alarm: below that it would be one an hour
MOST_SECONDS = 86_400  # of a limit: a day
MOST_EVERY = 2_000_000_000  # as many as a column holds


def policy_of(line: Line) -> WatchPolicy:
    """How a line is watched: the last policy that somebody wrote, or the defaults, which are no row."""
    found = WatchPolicy.objects.filter(line=line).order_by("-number").first()
    if found:
        return found
    critical = [figure.name for figure in FIGURES if figure.critical]
    return WatchPolicy(line=line, number=0, critical=critical, reason="", by="")


@transaction.atomic
def write_watch_policy(
    *, line: Line, by: User | str, reason: str, now: datetime | None = None, **fields: Any
) -> WatchPolicy:
    """Write the next policy: what `fields` do not name stays. Raises BadInput for what cannot be meant."""
    if isinstance(by, User):
        by.must_work_on(line)
    line = Line.objects.select_for_update().get(pk=line.pk)  # of two at once the second builds on the first
    current = policy_of(line)
    if unknown := sorted(set(fields) - set(FIELDS)):
        raise BadInput(_("A watch policy has no {names}.").format(names=", ".join(unknown)))
    kept = {name: fields.get(name, getattr(current, name)) for name in FIELDS}
    _refuse_nonsense(line, kept, reason)
    policy = WatchPolicy.objects.create(
        line=line, number=current.number + 1, reason=reason.strip()[:500], by=audit.name_of(by),
        at=now or timezone.now(), **kept,
    )  # fmt: skip
    changed = {name: value for name, value in kept.items() if value != getattr(current, name)}
    audit.record("watch_policy_written", by=by, line=line.slug, subject=policy, reason=policy.reason, **changed)
    return policy


def _refuse_nonsense(line: Line, fields: dict[str, Any], reason: str) -> None:
    _need_reason(reason)
    for name in ("warn_every", "alarm_every"):
        if not isinstance(fields[name], int) or not LEAST_EVERY <= fields[name] <= MOST_EVERY:
            raise BadInput(
                _("One false alarm per {least} to {most} parts can be set.").format(least=LEAST_EVERY, most=MOST_EVERY)
            )
    if fields["alarm_every"] < fields["warn_every"]:
        raise BadInput(_("An alarm is surer than a warning: it cannot be false more often."))
    _need_figures([*fields["unwatched"], *fields["critical"], *(name.partition("@")[0] for name in fields["factors"])])
    _need_limits(fields["limits"])
    stations = {*line.stations.values_list("slug", flat=True), ""}
    for name, factor in fields["factors"].items():
        if name.partition("@")[2] not in stations:
            raise BadInput(_("{line} has no station of {name}.").format(line=line.name, name=name))
        if not isinstance(factor, int | float) or not 0 < factor <= 1e6 or not math.isfinite(factor):
            raise BadInput(_("The factor of {name} is above 0, and at most a million.").format(name=name))


def _need_limits(limits: dict[str, Any]) -> None:
    loads = {figure.name: figure for figure in LIMITED}
    if unknown := sorted(set(limits) - set(loads)):
        raise BadInput(_("No limit can be set for {names}.").format(names=", ".join(unknown)))
    for name, limit in limits.items():
        most = 100 if loads[name].unit == "%" else MOST_SECONDS
        if not isinstance(limit, int | float) or isinstance(limit, bool) or not 0 < limit <= most:
            words = _("The limit of {name} is above 0, and at most {most}.")
            raise BadInput(words.format(name=loads[name].label, most=most))


def _need_reason(reason: str) -> None:
    if not reason.strip():
        raise BadInput(_("Say why."))


def _need_figures(names: Sequence[str]) -> None:
    if unknown := sorted(set(names) - set(BY_NAME)):
        raise BadInput(_("There is no figure {names}.").format(names=", ".join(unknown)))


@transaction.atomic
def relearn(
    *,
    line: Line,
    station: Station | None = None,
    figures: Sequence[str] = (),
    reason: str,
    by: User,
    alarm: Alarm | None = None,
    now: datetime | None = None,
) -> Relearning:
    """Name an event after which what is usual is learned anew, of some figures or (none named) of all.

    The next look begins to learn with the parts that it has not read yet.
    """
    by.must_work_on(line)
    _need_reason(reason)
    _need_figures(figures)
    if station and station.line_id != line.pk:
        raise BadInput(_("{station} is not a station of {line}.").format(station=station.name, line=line.name))
    event = Relearning.objects.create(
        line=line, station=station, figures=sorted(set(figures)), reason=reason.strip()[:300],
        alarm=alarm.pk if alarm else None, by=by, at=now or timezone.now(),
    )  # fmt: skip
    audit.record(
        "figures_relearned", by=by, line=line.slug, subject=event, station=station.slug if station else "",
        figures=event.figures, reason=event.reason, alarm=event.alarm,
    )  # fmt: skip
    return event
