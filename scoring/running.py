"""Running a network over views: photos of one size together, small ones from several sides, and a map's cells to a logit."""

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp

from scoring.graph import Engine
from scoring.grid import COLD, MAP_STRIDE, PEAKS
from scoring.locate import GRID
from scoring.photos import Pixels
from scoring.views import Locate, View

SMALL_PIXELS = 512 * 512  # of a view: up to here it is looked at from `SIDES` sides
SIDES = 4  # as it is, mirrored, upside down, and both
CHUNK_PIXELS = 2_000_000  # per forward pass: two photos of a large camera at once take 3 % longer each than alone


class Seen(NamedTuple):
    """What the network saw in a view."""

    cells: NDArray[np.float32]  # (h, w) logits, cold outside the phone
    features: NDArray[np.float32]  # (120,)


def run(engine: Engine, views: Sequence[View], sides: int = SIDES) -> list[Seen]:
    """Run the network over views, those of one size together, within `CHUNK_PIXELS` a pass.

    A small view is looked at from several sides and its map is the hottest of theirs: a scratch of a few cells hangs
    on where the grid of pixels happens to cut it, and four small looks are no more pixels than a whole photo.
    """
    by_size: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for number, view in enumerate(views):
        assert view.pixels is not None
        by_size[view.pixels.shape].append(number)
    seen: dict[int, Seen] = {}
    for shape, alike in by_size.items():
        looks = sides if is_small(views[alike[0]]) else 1
        many = max(1, CHUNK_PIXELS // (looks * shape[0] * shape[1]))
        for start in range(0, len(alike), many):
            chunk = alike[start : start + many]
            began = time.perf_counter()
            maps, features = _looked_at(engine, _stacked([views[number] for number in chunk]), looks)
            each = (time.perf_counter() - began) * 1000 / len(chunk)
            for number, cells, feature in zip(chunk, maps, features, strict=True):
                views[number].timings["network"] = each
                seen[number] = Seen(np.where(views[number].background(), np.float32(COLD), cells), feature)
    return [seen[number] for number in range(len(views))]


def is_small(view: View) -> bool:
    """Whether the view is looked at from several sides."""
    assert view.pixels is not None
    return bool(view.pixels.shape[0] * view.pixels.shape[1] <= SMALL_PIXELS)


def _looked_at(engine: Engine, pixels: Pixels, looks: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The hottest map (B, h, w) and the mean features (B, 120) of the first `looks` sides of photos (B, H, W, 3)."""
    if looks == 1:
        maps, features = engine(pixels)
        return maps, features
    turns = (slice(None), slice(None, None, -1))
    sides = [(slice(None), down, across) for down in turns for across in turns][:looks]
    maps, features = engine(np.concatenate([pixels[side] for side in sides]))
    count = len(pixels)
    turned = [maps[count * at : count * (at + 1)][side] for at, side in enumerate(sides)]
    return np.maximum.reduce(turned), features.reshape(looks, count, -1).mean(axis=0)


def _stacked(views: Sequence[View]) -> NDArray[np.uint8]:
    """The pixels of views of one size: (B, h, w, 3)."""
    pixels = [view.pixels for view in views if view.pixels is not None]
    return pixels[0][None] if len(pixels) == 1 else np.stack(pixels)


def photo_logit(cells: NDArray[np.float32]) -> float:
    """Log-mean-exp of the hottest `PEAKS` cells of a map (h, w), of all its cells where there are fewer."""
    flat = cells.ravel()
    many = min(PEAKS, flat.size)
    return float(logsumexp(np.partition(flat, flat.size - many)[flat.size - many :].astype(float)) - np.log(many))


def hottest_of(cells: NDArray[np.float32]) -> tuple[int, int]:
    """The first pixel (y, x) of a map's hottest cell."""
    row, column = divmod(int(cells.argmax()), cells.shape[1])
    return row * MAP_STRIDE, column * MAP_STRIDE


def heat_by(engine: Engine) -> Locate:
    """The locator run by an engine."""

    def locate(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
        (logits,) = engine(thumbnails)
        return np.asarray(expit(logits.reshape(-1, GRID, GRID)), np.float32)

    return locate
