"""The write of what an alarm teaches when it is closed: another threshold, a wider baseline, or learning anew."""

from collections.abc import Mapping
from datetime import datetime

from django.utils.translation import gettext as _

from inspection import audit
from inspection.models import User
from inspection.refusals import BadInput
from monitoring.actions.watching import policy_of, relearn, write_watch_policy
from monitoring.adapting import GOES_WITH, Adapt, factors_after, streams_moved
from monitoring.learning import Learning
from monitoring.models import Alarm, Cause, Stream

Lessons = Mapping[tuple[int, str], Learning]  # by stream and shift


def chosen(cause: Cause, adapt: str) -> Adapt:
    """What is to happen to the watch; nothing chosen is the cause's first. Raises BadInput for what does not go with it."""
    if not adapt:
        return GOES_WITH[cause][0]
    if adapt not in GOES_WITH[cause]:
        words = _("With this cause the watch goes on by one of: {ways}.")
        raise BadInput(words.format(ways=", ".join(GOES_WITH[cause])))
    return Adapt(adapt)


def lessons_for(alarm: Alarm, adapt: Adapt, *, now: datetime) -> Lessons:
    """What a wider baseline is learned from: read before the transaction, for it is many parts and no lock may wait for
    them. Raises BadInput when they are too few."""
    if adapt != Adapt.WIDER or not (streams := streams_moved(alarm)):
        return {}
    from monitoring.collecting import terms_of  # late: what collects files its findings by an action of this package
    from monitoring.replaying import learned_from, points_of_all, since_of

    since, _whole = since_of(alarm, now)
    lessons = learned_from(points_of_all(streams, since, now=now), streams, terms_of(alarm.line, now=now))
    if not lessons:
        raise BadInput(_("There are too few parts for a wider baseline. Watch on as before, or learn anew."))
    return lessons


def adapt_to(alarm: Alarm, adapt: Adapt, lessons: Lessons, *, by: User, reason: str, now: datetime) -> None:
    """Adapt the watch of the figures that an alarm rests on, in the transaction that closes it.

    To go on as before takes nothing: once the alarm is closed, its detectors begin again (monitoring.collecting).
    """
    streams = streams_moved(alarm)
    if not streams or adapt == Adapt.KEEP:
        return
    if adapt == Adapt.RARER:
        policy = policy_of(alarm.line)
        factors = policy.factors | {factor.name: factor.then for factor in factors_after(policy, streams)}
        write_watch_policy(line=alarm.line, by=by, reason=reason, factors=factors, now=now)
    elif adapt == Adapt.WIDER:
        _widen(alarm, streams, lessons, by=by, reason=reason)
    else:
        # Of a station, or of the whole line, each its own: what is of the line belongs to no station.
        for station in dict.fromkeys(stream.station for stream in streams):
            figures = sorted({stream.figure for stream in streams if stream.station == station})
            relearn(line=alarm.line, station=station, figures=figures, reason=reason, by=by, alarm=alarm, now=now)


def _widen(alarm: Alarm, streams: list[Stream], lessons: Lessons, *, by: User, reason: str) -> None:
    """Freeze another baseline per stream and shift; the next look takes the newest."""
    from monitoring.collecting import freeze  # late, as above

    by_key = {stream.pk: stream for stream in streams}
    for (stream, shift), learning in sorted(lessons.items(), key=lambda lesson: lesson[0]):
        baseline = freeze(by_key[stream], shift, learning, reason)
        audit.record(
            "baseline_widened", by=by, line=alarm.line.slug, subject=baseline, alarm=alarm.pk,
            figure=baseline.stream.figure, mean=baseline.mean, sd=baseline.sd, parts=baseline.n, reason=reason,
        )  # fmt: skip
