"""From a map to what people see: boxes round the marks found, and a small heat map over the whole photo."""

from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from scoring.grid import MAP_STRIDE
from scoring.locate import Window

MAX_MARKS = 12  # per photo; a person is helped by the strongest few
HEAT_SHAPE = (72, 128)  # rows and columns over the whole photo, whatever its size
GAP = 2  # cells between pieces of one scratch

Box = tuple[float, float, float, float]
Heat = NDArray[np.float32]  # (h, w) in 0..1


@dataclass(frozen=True)
class Mark:
    """A place that made the score: which photo, box (x, y, w, h) in 0..1, and its hottest cell's heat."""

    photo: int
    box: Box
    score: float


def marks_of(heat: Heat, photo: int, window: Window, size: tuple[int, int]) -> list[Mark]:
    """Boxes round the hot patches of a window's map, hottest first, at most `MAX_MARKS`.

    A cell is hot from 0.5, or from half of the map's peak where the peak itself is below 1: so a map that scored at
    all always has a mark. Cells within `GAP` of each other are one patch.
    """
    hot = heat >= min(0.5, float(heat.max()) / 2)
    rows, columns = (np.flatnonzero(hot.any(axis=axis)) for axis in (1, 0))
    near = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)  # most of a map is cold
    patches = _patches(hot[near])
    found = ndimage.find_objects(patches)
    peaks = ndimage.maximum(heat[near], patches, np.arange(1, len(found) + 1))
    order = sorted(range(len(found)), key=lambda n: -float(peaks[n]))[:MAX_MARKS]
    places = [[_moved(side, start) for side, start in zip(found[n], near, strict=True)] for n in order]
    return [
        Mark(photo, _box(place[0], place[1], window, size), float(peaks[n]))
        for n, place in zip(order, places, strict=True)
    ]


def _patches(hot: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The number, from 1 on, of each hot cell's patch, and 0 for cold ones."""
    joined = ndimage.binary_dilation(hot, np.ones((3, 3)), GAP // 2 + GAP % 2)
    patches: NDArray[np.int32] = ndimage.label(joined, np.ones((3, 3)))[0]
    patches[~hot] = 0
    return patches


def _moved(cells: slice, inside: slice) -> slice:
    return slice(cells.start + int(inside.start), cells.stop + int(inside.start))


def _box(rows: slice, columns: slice, window: Window, size: tuple[int, int]) -> Box:
    """Cells of the window's map as a box in the photo, cut where the padding begins."""
    left, top, across, down = window
    x0, x1 = (min(across, cell * MAP_STRIDE) + left for cell in (columns.start, columns.stop))
    y0, y1 = (min(down, cell * MAP_STRIDE) + top for cell in (rows.start, rows.stop))
    return x0 / size[0], y0 / size[1], (x1 - x0) / size[0], (y1 - y0) / size[1]


def heat_map(heat: Heat, window: Window, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The window's map over the whole photo, `HEAT_SHAPE`, 255 = surely scratched; each cell keeps its hottest."""
    rows, columns = HEAT_SHAPE
    left, top, across, down = window
    x0, x1 = int(left / size[0] * columns), max(1, round((left + across) / size[0] * columns))
    y0, y1 = int(top / size[1] * rows), max(1, round((top + down) / size[1] * rows))
    real = heat[: -(-down // MAP_STRIDE), : -(-across // MAP_STRIDE)]
    pooled = _pooled(real, -(-real.shape[0] // max(1, y1 - y0)), -(-real.shape[1] // max(1, x1 - x0)))
    levels = Image.fromarray(np.rint(pooled * 255).astype(np.uint8))
    canvas = np.zeros(HEAT_SHAPE, np.uint8)
    x0, y0 = min(x0, columns - 1), min(y0, rows - 1)
    canvas[y0:y1, x0:x1] = np.asarray(levels.resize((x1 - x0, y1 - y0), Image.Resampling.NEAREST))
    return canvas


def _pooled(heat: Heat, down: int, across: int) -> Heat:
    """The hottest of each `down` x `across` cells; what is left over at the far sides is a row or column of its own.

    Whole strided planes are compared: numpy's own reductions over so few cells take seven times as long.
    """
    padded = np.zeros(
        [-(-side // step) * step for side, step in zip(heat.shape, (down, across), strict=True)], np.float32
    )
    padded[: heat.shape[0], : heat.shape[1]] = heat
    rows = reduce(np.maximum, [padded[start::down] for start in range(down)])
    return reduce(np.maximum, [rows[:, start::across] for start in range(across)])
