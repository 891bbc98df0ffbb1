"""The photo being drawn, and the pose that lays a phone into it."""

from dataclasses import dataclass, field

import numpy as np

from shadow.vision.synthetic.arrays import Array, Box, Colour, Mask, Rng, Window
from shadow.vision.synthetic.models import PhoneModel
from shadow.vision.synthetic.rig import Rig


@dataclass
class Scene:
    """Float planes, the truth about phone and scratches, and the pose that maps phone coordinates to pixels."""

    model: PhoneModel
    size: tuple[int, int]
    rng: Rng
    rig: Rig
    planes: Array = field(init=False)  # (3, H, W), grey levels before exposure
    front: Array = field(init=False)  # (H, W) in [0, 1], how much of each pixel is front glass
    phone: Mask = field(init=False)  # (H, W), True inside the phone's outline
    mask: Mask = field(init=False)  # (H, W), True on scratches
    boxes: list[Box] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        width, height = self.size
        flip = np.deg2rad(self.rng.normal(0.0, 1.0)) + (np.pi if self.rng.random() < 0.5 else 0.0)
        unit = min(width / 1920, height / 1080)
        self.scale = unit * float(self.rng.uniform(0.96, 1.04)) * self.rig.zoom  # pixels per unit
        self.angle = float(flip + np.deg2rad(self.rig.turn))
        self.cos, self.sin = float(np.cos(self.angle)), float(np.sin(self.angle))
        self.cx = width / 2 + float(self.rng.normal(0, 16)) * unit + self.rig.shift[0] * unit
        self.cy = height / 2 + float(self.rng.normal(0, 14)) * unit + self.rig.shift[1] * unit
        self.planes = np.zeros((3, height, width), np.float32)
        self.front = np.zeros((height, width), np.float32)
        self.phone = np.zeros((height, width), np.bool_)
        self.mask = np.zeros((height, width), np.bool_)

    @property
    def everything(self) -> Window:
        return slice(0, self.size[1]), slice(0, self.size[0])

    def coordinates(self, window: Window) -> tuple[Array, Array]:
        """Phone coordinates u, v of the pixel centres of a window."""
        x = np.arange(window[1].start, window[1].stop, dtype=np.float32) + np.float32(0.5)
        y = np.arange(window[0].start, window[0].stop, dtype=np.float32) + np.float32(0.5)
        return self._to_phone(x, y)

    def coarse_coordinates(self, columns: int) -> tuple[Array, Array]:
        """Phone coordinates of a coarse grid over the whole photo, for light that is enlarged afterwards."""
        width, height = self.size
        columns = min(columns, width)
        rows = max(2, round(columns * height / width))
        x = (np.arange(columns, dtype=np.float32) + np.float32(0.5)) * np.float32(width / columns)
        y = (np.arange(rows, dtype=np.float32) + np.float32(0.5)) * np.float32(height / rows)
        return self._to_phone(x, y)

    def _to_phone(self, x: Array, y: Array) -> tuple[Array, Array]:
        x, y = (x - np.float32(self.cx)) / np.float32(self.scale), (y - np.float32(self.cy)) / np.float32(self.scale)
        u = x[None, :] * np.float32(self.cos) + y[:, None] * np.float32(self.sin)  # (h, w)
        v = -x[None, :] * np.float32(self.sin) + y[:, None] * np.float32(self.cos)  # (h, w)
        return u, v

    def pixels(self, u: Array, v: Array) -> tuple[Array, Array]:
        x = (u * self.cos - v * self.sin) * self.scale + self.cx
        y = (u * self.sin + v * self.cos) * self.scale + self.cy
        return x.astype(np.float32), y.astype(np.float32)

    def around(self, u: float, v: float, reach: float) -> Window:
        """The pixels within `reach` units of a point, cut to the photo; empty where the point lies far outside."""
        x, y = self.pixels(np.array([u], np.float32), np.array([v], np.float32))
        return self.cut(float(x[0]), float(y[0]), float(x[0]), float(y[0]), reach * self.scale + 1)

    def cut(self, left: float, top: float, right: float, bottom: float, reach: float) -> Window:
        width, height = self.size
        x0, x1 = np.clip([int(left - reach), int(right + reach) + 2], 0, width)
        y0, y1 = np.clip([int(top - reach), int(bottom + reach) + 2], 0, height)
        return slice(int(y0), int(y1)), slice(int(x0), int(x1))

    def display(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the display in phone coordinates."""
        m, (left, right, top, bottom) = self.model, self.model.margins
        return -m.length / 2 + left, -m.width / 2 + top, m.length / 2 - right, m.width / 2 - bottom

    def spot(self, rng: Rng, inset: float) -> tuple[float, float]:
        left, top, right, bottom = self.display()
        return float(rng.uniform(left + inset, right - inset)), float(rng.uniform(top + inset, bottom - inset))

    def add(self, window: Window, light: Array, tint: Colour) -> None:
        for plane, gain in zip(self.planes, tint, strict=True):
            plane[window] += light * np.float32(gain)

    def cover(self, window: Window, alpha: Array, colour: Colour, shade: Array | None = None) -> None:
        for plane, level in zip(self.planes, colour, strict=True):
            target = np.float32(level) if shade is None else shade * np.float32(level)
            plane[window] += (target - plane[window]) * alpha
