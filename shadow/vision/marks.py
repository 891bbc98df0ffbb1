"""From a map to what people see: boxes round the marks found, and a small heat map over the whole photo."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from shadow.vision.locate import Window
from shadow.vision.network import MAP_STRIDE

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
    joined = ndimage.binary_dilation(hot, np.ones((3, 3)), GAP // 2 + GAP % 2)
    patches, count = ndimage.label(joined, np.ones((3, 3)))
    patches[~hot] = 0
    numbers = np.arange(1, count + 1)
    peaks = ndimage.maximum(heat, patches, numbers)
    marks = []
    for number in sorted(numbers, key=lambda n: -float(peaks[n - 1]))[:MAX_MARKS]:
        rows, columns = ndimage.find_objects(patches, int(number))[int(number) - 1]
        marks.append(Mark(photo, _box(rows, columns, window, size), float(peaks[number - 1])))
    return marks


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
    """The hottest of each `down` x `across` cells; what is left over at the far sides is a row or column of its own."""
    rows = np.maximum.reduceat(heat, np.arange(0, heat.shape[0], down), axis=0)
    pooled: Heat = np.maximum.reduceat(rows, np.arange(0, heat.shape[1], across), axis=1)
    return pooled
