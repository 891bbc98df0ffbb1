"""The calibrate part as another lamp, camera and phone might have shown it: what calibration is fitted on.

A handful of phones are soon told apart without a doubt, and a calibration fitted on them is too sure of the next phone.
Photos that are disturbed as in the training stand for phones and days to come (Tomani et al., CVPR 2021,
arXiv:2012.10988).
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from scoring.grid import MAP_STRIDE
from scoring.views import View
from shadow.vision.augmentation import augment
from shadow.vision.network import to_tensor
from shadow.vision.sampling import frame

Rng = np.random.Generator


@dataclass
class Disturbed(View):
    """A view whose pixels were moved, and its background along with them."""

    outside: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((0, 0), np.bool_))

    def background(self) -> NDArray[np.bool_]:
        return self.outside


def on_another_day(view: View, spot: tuple[int, int], rng: Rng) -> Disturbed:
    """The view relit, moved, blurred and compressed as in training, with a frame on one side of the spot (y, x)."""
    assert view.pixels is not None
    pixels, _ = frame(view.pixels, spot, rng)
    inside = (~view.background()).repeat(MAP_STRIDE, 0).repeat(MAP_STRIDE, 1)  # (h, w)
    tiles, planes = augment(to_tensor(pixels[None]), torch.from_numpy(inside).float()[None, None], rng)
    moved = (tiles[0].movedim(0, -1).numpy() * 255 + 0.5).astype(np.uint8)
    return Disturbed(moved, view.size, view.window, outside=planes[0, 0, ::MAP_STRIDE, ::MAP_STRIDE].numpy() < 0.5)
