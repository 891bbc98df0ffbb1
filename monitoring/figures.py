"""What is watched: each figure with its stage, its unit, what kind of number it is and what it tells of."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

STAGE_WORDS: dict[str, str | Promise] = {
    "server": pgettext_lazy("stage", "Server"),
    "intake": pgettext_lazy("stage", "Intake"),
    "decode": pgettext_lazy("stage", "Decode"),
    "locate": pgettext_lazy("stage", "Locate"),
    "quality": pgettext_lazy("stage", "Quality"),
    "network": pgettext_lazy("stage", "Network"),
    "score": pgettext_lazy("stage", "Score"),
    "settle": pgettext_lazy("stage", "Settle"),
    "judge": pgettext_lazy("stage", "People"),
}
STAGES = tuple(STAGE_WORDS)  # a part's way


class Group(StrEnum):
    """What a figure tells of; from which groups moved follows what to do."""

    SOFTWARE = "software"  # the server: slow, full, failing
    INPUT = "input"  # the photos
    OUTPUT = "output"  # the model's answers, and what is done with them
    AGREEMENT = "agreement"  # people against the model


class Kind(StrEnum):
    """What sort of number, and so which detectors watch it."""

    MEAN = "mean"  # a number per part: its mean and its spread
    RATE = "rate"  # yes or no per part
    LOAD = "load"  # a number per look at a server: drawn, and alarmed at a limit that a person sets; no baseline


@dataclass(frozen=True)
class Figure:
    """A number that every part has (or every look at a server); `limit` is the alarm's of a LOAD."""

    name: str  # `stage.word`, as windows and baselines keep it
    group: Group
    kind: Kind
    label: str | Promise
    unit: str = ""
    of_version: bool = False  # a new version has a stream, and a baseline, of its own
    by_station: bool = True
    batch: int = 20  # parts to a batch mean; 50 where neighbours correlate
    by_group: bool = False  # each group of readings (a policy, for one) has a baseline of its own
    critical: bool = False  # whether its alarm lowers the level by itself, unless the line says otherwise
    watched: bool = True
    limit: float | None = None  # infinite: none until a person sets one

    @property
    def stage(self) -> str:
        return self.name.partition(".")[0]

    @property
    def is_latency(self) -> bool:
        """A time that the software takes for a part: how it is spread is kept, too."""
        return self.group == Group.SOFTWARE and self.kind == Kind.MEAN


def _times(stages: Iterable[str]) -> list[Figure]:
    return [
        Figure(f"{stage}.ms", Group.SOFTWARE, Kind.MEAN, _("Time of the stage"), "ms", of_version=True, by_station=False,
               batch=100)
        for stage in stages
    ]  # fmt: skip


FIGURES: tuple[Figure, ...] = (
    Figure("server.memory", Group.SOFTWARE, Kind.LOAD, _("Memory in use"), "%", by_station=False, limit=95),
    Figure("server.processor", Group.SOFTWARE, Kind.LOAD, _("Load of the processor"), "%", by_station=False,
           limit=math.inf),
    Figure("server.disk", Group.SOFTWARE, Kind.LOAD, _("Disk in use"), "%", by_station=False, limit=90),
    Figure("server.gpu", Group.SOFTWARE, Kind.LOAD, _("Load of the GPU"), "%", by_station=False, limit=math.inf),
    Figure("server.queue_age", Group.SOFTWARE, Kind.LOAD, _("Age of the oldest waiting job"), "s", by_station=False,
           limit=math.inf),
    Figure("server.throughput", Group.SOFTWARE, Kind.LOAD, _("Parts scored per minute"), by_station=False),
    Figure("server.errors", Group.SOFTWARE, Kind.RATE, _("Answers that failed for a fault of the software"),
           of_version=True, by_station=False),
    Figure("intake.views", Group.INPUT, Kind.MEAN, _("Photos per part")),
    Figure("intake.size", Group.INPUT, Kind.MEAN, _("Size of the file"), "kB"),
    *_times(["decode", "locate", "quality", "network", "score"]),
    Figure("decode.pixels", Group.INPUT, Kind.MEAN, _("Size of the photo"), "Mpx"),
    Figure("locate.found", Group.INPUT, Kind.RATE, _("Photos without a phone")),
    Figure("locate.share", Group.INPUT, Kind.MEAN, _("Share of the photo that the phone fills"), "%"),
    Figure("quality.unfit", Group.INPUT, Kind.RATE, _("Parts with a photo that is blank, missing or unfit")),
    Figure("quality.brightness", Group.INPUT, Kind.MEAN, _("Brightness")),
    Figure("quality.contrast", Group.INPUT, Kind.MEAN, _("Contrast")),
    Figure("quality.sharpness", Group.INPUT, Kind.MEAN, _("Sharpness")),
    Figure("quality.cast", Group.INPUT, Kind.MEAN, _("Colour cast")),
    Figure("quality.clipped", Group.INPUT, Kind.MEAN, _("Share of white pixels"), "%"),
    Figure("network.features", Group.INPUT, Kind.MEAN, _("Features that the network sees"), of_version=True),
    Figure("score.novelty", Group.INPUT, Kind.MEAN, _("Distance from the photos of the training"), of_version=True),
    Figure("score.logit", Group.OUTPUT, Kind.MEAN, _("Score"), of_version=True),
    Figure("score.null", Group.OUTPUT, Kind.RATE, _("Parts without an answer"), of_version=True, critical=True),
    Figure("score.reject", Group.OUTPUT, Kind.RATE, _("Parts that the model holds scratched"), of_version=True),
    Figure("settle.seconds", Group.SOFTWARE, Kind.MEAN, _("From intake to the answer"), "s", of_version=True,
           by_station=False, batch=100),
    Figure("settle.escalated", Group.OUTPUT, Kind.RATE, _("Parts that the machine leaves to people"), of_version=True,
           by_group=True),
    Figure("judge.seconds", Group.OUTPUT, Kind.MEAN, _("Time to judge"), "s", batch=50),
    Figure("judge.scratched", Group.AGREEMENT, Kind.RATE, _("Parts that people hold scratched")),
    Figure("judge.undone", Group.AGREEMENT, Kind.RATE, _("Verdicts that their judge took back")),
    Figure("judge.override", Group.AGREEMENT, Kind.RATE, _("Suggestions that people did not follow"), of_version=True),
    Figure("judge.disagreement", Group.AGREEMENT, Kind.RATE, _("Blind verdicts that differ from the model"),
           of_version=True, critical=True),
)  # fmt: skip

BY_NAME = {figure.name: figure for figure in FIGURES}
LIMITED = tuple(figure for figure in FIGURES if figure.limit is not None)


def tells_answers(name: str) -> bool:
    """Whether parts that were chosen by a figure tell what a model made of them; of an unknown one nobody knows."""
    figure = BY_NAME.get(name)
    return figure is None or figure.of_version or figure.group in (Group.OUTPUT, Group.AGREEMENT)
