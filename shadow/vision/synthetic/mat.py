"""The mat under the phone."""

import numpy as np

from shadow.vision.synthetic.arrays import Array, Rng
from shadow.vision.synthetic.scene import Scene
from shadow.vision.synthetic.smooth import coarse_grid, cut_grain, enlarged

_LEVEL = 74.0  # of the demos' mat


def draw_mat(scene: Scene, rng: Rng, outline: Array) -> None:
    """A woven mat, lit from above, with the phone's soft shadow on it."""
    rig = scene.rig
    x, y = coarse_grid(scene.size)
    lamp = _LEVEL - 8 * y + float(rng.normal(0, 2)) * x - 20 * rig.vignette * (x * x + y * y)
    light = enlarged((np.maximum(lamp, 8) * (rig.mat_level / _LEVEL)).astype(np.float32), scene.size)
    coarseness = np.float32(rig.mat_texture * np.clip(rig.mat_level / _LEVEL, 0.3, 1.8))
    light = light + (np.float32(2.6) * cut_grain(rng, scene.size) + _weave(rng, scene.size)) * coarseness
    light *= 1 - np.float32(rig.shadow) * np.exp(np.minimum(-outline, 0) * np.float32(1 / 34))
    scene.add(scene.everything, np.maximum(light, 0), rig.mat_tint)


def _weave(rng: Rng, size: tuple[int, int]) -> Array:
    """The mat's coarser grain, a few units across."""
    half = (size[0] // 2, size[1] // 2)
    return np.float32(2.2) * enlarged(np.ascontiguousarray(cut_grain(rng, half)), size)
