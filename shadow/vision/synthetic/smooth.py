"""Smooth light and grain: computed coarse and enlarged, or cut from a piece made once, which is what keeps it fast."""

from functools import lru_cache

import numpy as np
from PIL import Image

from shadow.vision.synthetic.arrays import Array, Colour, Rng


def tint(rng: Rng, low: float, high: float) -> Colour:
    red, green, blue = rng.uniform(low, high, 3)
    return float(red), float(green), float(blue)


def enlarged(coarse: Array, size: tuple[int, int]) -> Array:
    if 0 in size:  # a window that lies outside the photo
        return np.zeros((size[1], size[0]), np.float32)
    return np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))


def coarse_grid(size: tuple[int, int], columns: int = 96) -> tuple[Array, Array]:
    """x in -1..1 and y in -1..1 over the photo, coarse."""
    rows = max(2, round(columns * size[1] / size[0]))
    x, y = np.meshgrid(np.linspace(-1, 1, columns), np.linspace(-1, 1, rows))
    return x.astype(np.float32), y.astype(np.float32)


def clouds(rng: Rng, size: tuple[int, int], cells: tuple[int, int] = (7, 5)) -> Array:
    """Smooth random light, mean about 0 and standard deviation about 1."""
    return enlarged(rng.standard_normal((cells[1], cells[0])).astype(np.float32), size)


@lru_cache(maxsize=4)
def grain(size: tuple[int, int]) -> Array:
    """Unit Gaussian noise larger than the photo, made once: each photo cuts its own pieces from it."""
    width, height = size
    return np.random.default_rng(20).standard_normal((height + 192, width + 192), dtype=np.float32)


def cut_grain(rng: Rng, size: tuple[int, int]) -> Array:
    x, y = rng.integers(0, 192, 2)
    cut = grain(size)[y : y + size[1], x : x + size[0]]
    return cut[:: int(rng.choice([-1, 1])), :: int(rng.choice([-1, 1]))]
