"""The photos on which a model was most wrong, as small pictures for its card."""

import io
from collections.abc import Sequence
from typing import NamedTuple

from scoring.photos import Photo, open_photo

WORST = 12  # of each kind
EDGE = 640  # pixels of the longer side
QUALITY = 80


class Worst(NamedTuple):
    """Rows of an evaluation by how wrong they were, the worst first."""

    misses: list[int]
    false_alarms: list[int]


def worst(scores: Sequence[float | None], labels: Sequence[bool], threshold: float, limit: int = WORST) -> Worst:
    """The scratched photos that score lowest below the threshold, and the good ones that score highest from it on."""
    known = [(score, row) for row, score in enumerate(scores) if score is not None]
    misses = sorted((score, row) for score, row in known if labels[row] and score < threshold)
    alarms = sorted((-score, row) for score, row in known if not labels[row] and score >= threshold)
    return Worst([row for _, row in misses[:limit]], [row for _, row in alarms[:limit]])


def picture_of(photo: Photo) -> bytes:
    """The photo as a small WebP, turned as the network sees it, so that its marks lie right."""
    small = open_photo(photo).copy()
    small.thumbnail((EDGE, EDGE))
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=QUALITY)
    return buffer.getvalue()
