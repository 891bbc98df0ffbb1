"""What scoring comes to. Without torch, so that what only handles answers need not bring it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scoring.marks import Mark
    from scoring.views import Figures, Timings


class WeightsRefused(ValueError):
    """The file is not a set of weights that this code can run."""


@dataclass(frozen=True)
class Answer:
    """What the model says about one inspection."""

    score: float  # calibrated P(scratched), of its hottest view
    novelty: float  # of its strangest view, as a multiple of the version's limit: from 1 on, out of distribution
    photo_scores: list[float]
    heatmaps: list[NDArray[np.uint8]]  # (72, 128) each, over the whole photo; 255 = surely scratched
    marks: list[Mark]
    timings: Timings  # milliseconds by stage: decode, locate, quality, network, score
    figures: list[Figures]  # per photo, by stage


@dataclass(frozen=True)
class Failure:
    """Why there is no answer: the part is a person's."""

    reason: str
    photo: int | None = None
    timings: Timings = field(default_factory=dict)
    figures: list[Figures] = field(default_factory=list)
