"""The kinds of numbers that the renderer passes around."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]  # float32 wherever a whole photo is held
Mask = NDArray[np.bool_]
Rng = np.random.Generator
Window = tuple[slice, slice]
Colour = tuple[float, float, float]
Box = tuple[float, float, float, float]  # x, y, w, h in 0..1
