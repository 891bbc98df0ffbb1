"""What closing an alarm teaches the watch: which adaptations go with a cause, and what each of them means."""

from dataclasses import dataclass

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from monitoring.figures import BY_NAME
from monitoring.models import Alarm, Cause, Finding, Stream, WatchPolicy

RARER = 10.0  # times as many parts to a false alarm
MOST = 1e4  # a figure that needs more than this is better not watched


class Adapt(models.TextChoices):
    """What happens to the watch of the figures of an alarm when it is closed. In each case its detectors begin anew:
    what still goes on is found again."""

    KEEP = "keep", gettext_lazy("Watch on as before, from now")
    RARER = "rarer", gettext_lazy("Ask for ten times more evidence of these figures")
    WIDER = "wider", gettext_lazy("Take what moved as usual, too: the baseline widens")
    RELEARN = "relearn", gettext_lazy("Learn anew what is usual, from the next parts on")


# The first of a cause is what happens when nothing is chosen.
GOES_WITH: dict[Cause, tuple[Adapt, ...]] = {
    Cause.FIXED: (Adapt.KEEP,),
    Cause.FALSE_ALARM: (Adapt.KEEP, Adapt.RARER, Adapt.WIDER),
    Cause.NEW_NORMAL: (Adapt.RELEARN,),
    Cause.RULE_CHANGED: (Adapt.KEEP, Adapt.RELEARN),
    Cause.OTHER: (Adapt.KEEP,),
}

MEANS = {
    Cause.FIXED: gettext_lazy("The cause is put right: the same baseline goes on, and the detectors begin afresh."),
    Cause.FALSE_ALARM: gettext_lazy("Nothing was different. Choose whether the watch is to learn from it."),
    Cause.NEW_NORMAL: gettext_lazy("It is to stay so: what is usual is learned anew from the next parts on, and until then these"
                        " figures are not watched."),
    Cause.RULE_CHANGED: gettext_lazy("What counts as scratched has changed: review it with the inspectors, relabel and retrain."),
    Cause.OTHER: gettext_lazy("The watch goes on as before. If what moved goes on, the alarm opens again."),
}  # fmt: skip


@dataclass(frozen=True)
class Factor:
    """How much more evidence a figure at a station takes: by the name that a policy keeps it under, and in words."""

    name: str
    words: str
    now: float
    then: float


def streams_moved(alarm: Alarm) -> list[Stream]:
    """The streams of an alarm's findings."""
    found = Finding.objects.filter(alarm=alarm).order_by().values("stream")
    return list(Stream.objects.filter(pk__in=found).select_related("line", "station", "version"))


def factors_after(policy: WatchPolicy, streams: list[Stream]) -> list[Factor]:
    """The factors of the streams' figures at their stations once more evidence is asked for."""
    found = {name_of(stream): words_of(stream) for stream in streams}
    return [
        Factor(name, words, now := factor_of(policy, name), min(MOST, now * RARER))
        for name, words in sorted(found.items())
    ]


def name_of(stream: Stream) -> str:
    """`figure@station`, as policies keep it; without a station the figure alone."""
    return f"{stream.figure}@{stream.station.slug}" if stream.station else stream.figure


def words_of(stream: Stream) -> str:
    label = str(BY_NAME[stream.figure].label) if stream.figure in BY_NAME else stream.figure
    return _("{figure} at {station}").format(figure=label, station=stream.station.name) if stream.station else label


def factor_of(policy: WatchPolicy, name: str) -> float:
    """What a policy says of a figure at a station, else of the figure anywhere, else 1."""
    return float(policy.factors.get(name, policy.factors.get(name.partition("@")[0], 1.0)))
