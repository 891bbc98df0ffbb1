"""What a cloth leaves: very faint, wide, parallel, soft bands."""

import numpy as np

from shadow.vision.synthetic.arrays import Array, Rng
from shadow.vision.synthetic.scene import Scene
from shadow.vision.synthetic.smooth import enlarged, tint

_TABLE = 4.0  # units between the values of a band's profile


def draw_streaks(scene: Scene, rng: Rng) -> None:
    for _ in range(int(rng.integers(1, 4))):
        _wipe(scene, rng)


def _wipe(scene: Scene, rng: Rng) -> None:
    """One sweep of the cloth: bands along a slight arc, fading out at the sweep's ends and sides."""
    at_u, at_v = scene.spot(rng, 80)
    u, v = scene.coarse_coordinates(480)
    turn, bend = np.float32(rng.uniform(0, np.pi)), np.float32(rng.normal(0, 1.6e-4))
    long, wide = np.float32(rng.uniform(350, 1100)), np.float32(rng.uniform(110, 380))
    du, dv = u - np.float32(at_u), v - np.float32(at_v)
    a, b = du * np.cos(turn) + dv * np.sin(turn), dv * np.cos(turn) - du * np.sin(turn)
    b = b + bend * a * a
    fade = np.exp(-np.square(np.square(a / long))) * np.exp(-np.square(np.square(b / wide)))
    bands = np.interp(b, *_profile(rng, float(wide))).astype(np.float32)
    light = enlarged((bands * fade * np.float32(rng.uniform(2.5, 9))).astype(np.float32), scene.size)
    scene.add(scene.everything, light * scene.front, tint(rng, 0.9, 1.1))


def _profile(rng: Rng, wide: float) -> tuple[Array, Array]:
    """Where and how bright the bands are: noise smoothed until none is narrower than some 20 units."""
    half = int(1.5 * wide / _TABLE)
    sigma = float(rng.uniform(8, 20)) / _TABLE
    bell = np.exp(-0.5 * np.square(np.arange(-20, 21) / sigma))
    rough = np.convolve(rng.standard_normal(2 * half + 1), bell / np.sqrt(np.square(bell).sum()), "same")
    return np.arange(-half, half + 1) * _TABLE, np.clip(0.45 + 0.8 * rough, -0.4, 2.2)
