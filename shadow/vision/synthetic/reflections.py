"""The room mirrored in the glass: lamps, windows, a camera and a ceiling, bright, soft-edged and often straight."""

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from shadow.vision.synthetic.arrays import Array, Rng
from shadow.vision.synthetic.scene import Scene
from shadow.vision.synthetic.smooth import clouds, enlarged, tint

_STEP = 3.0  # units per pixel of the coarse picture of the room
_SOFTEST = 3.0  # smallest standard deviation of an edge, in units

Ink = ImageDraw.ImageDraw
Points = list[tuple[float, float]]


def draw_reflections(scene: Scene, rng: Rng) -> None:
    for _ in range(int(rng.integers(1, 4))):
        shape = _SHAPES[int(rng.choice(len(_SHAPES), p=_SHARES))]
        softness = _SOFTEST + float(rng.exponential(4))
        light = _room(scene.size, rng, shape, softness)
        level = float(rng.uniform(6, 34) if rng.random() < 0.6 else rng.uniform(34, 120))
        colour = np.asarray(tint(rng, 0.82, 1.08))
        scene.add(scene.everything, light * scene.front * np.float32(level), (colour[0], colour[1], colour[2]))


def _room(size: tuple[int, int], rng: Rng, shape: Callable[[Ink, Rng], None], softness: float) -> Array:
    """The blurred shape over the whole photo, in 0..1, a little uneven."""
    width, height = int(1920 / _STEP), int(1080 / _STEP)
    picture = Image.new("L", (width, height))
    shape(ImageDraw.Draw(picture), rng)
    soft = np.asarray(picture.filter(ImageFilter.GaussianBlur(softness / _STEP)), np.float32) / np.float32(255)
    uneven = np.clip(0.85 + 0.15 * clouds(rng, (width, height)), 0.3, 1.2)
    return enlarged(soft * uneven.astype(np.float32), size)


def _at(rng: Rng) -> tuple[float, float]:
    return float(rng.uniform(250, 1670)), float(rng.uniform(150, 930))


def _quad(x: float, y: float, long: float, wide: float, turn: float) -> Points:
    """The corners of a turned rectangle, in pixels of the coarse picture."""
    cos, sin = float(np.cos(turn)), float(np.sin(turn))
    corners = ((-long, -wide), (long, -wide), (long, wide), (-long, wide))
    return [((x + (a * cos - b * sin) / 2) / _STEP, (y + (a * sin + b * cos) / 2) / _STEP) for a, b in corners]


def _panel(ink: Ink, rng: Rng) -> None:
    """A lamp panel, its corners a little off the right angle."""
    turn = float(rng.normal(0, 0.2))
    corners = _quad(*_at(rng), float(rng.uniform(140, 800)), float(rng.uniform(70, 420)), turn)
    ink.polygon([(x + float(rng.normal(0, 4)), y + float(rng.normal(0, 4))) for x, y in corners], fill=255)


def _window(ink: Ink, rng: Rng) -> None:
    """Panes of sky between bars."""
    x, y = _at(rng)
    long, wide, turn = float(rng.uniform(200, 620)), float(rng.uniform(200, 520)), float(rng.normal(0, 0.22))
    ink.polygon(_quad(x, y, long, wide, turn), fill=255)
    bar, cos, sin = float(rng.uniform(9, 26)), float(np.cos(turn)), float(np.sin(turn))
    for share in _bars(rng, int(rng.integers(1, 4))):
        ink.polygon(_quad(x + share * long * cos, y + share * long * sin, bar, wide, turn), fill=20)
    for share in _bars(rng, int(rng.integers(1, 3))):
        ink.polygon(_quad(x - share * wide * sin, y + share * wide * cos, long, bar, turn), fill=20)


def _bars(rng: Rng, count: int) -> Sequence[float]:
    """Where the bars stand, as shares of the window from its middle."""
    return [(i + 1) / (count + 1) - 0.5 + float(rng.normal(0, 0.02)) for i in range(count)]


def _tube(ink: Ink, rng: Rng) -> None:
    """One or two tube lamps: long bars with straight edges."""
    (x, y), turn = _at(rng), float(rng.normal(0, 0.25) + (np.pi / 2 if rng.random() < 0.3 else 0))
    long, wide = float(rng.uniform(450, 2400)), float(rng.uniform(8, 48))
    ink.polygon(_quad(x, y, long, wide, turn), fill=255)
    if rng.random() < 0.45:
        off = wide * float(rng.uniform(1.8, 4))
        ink.polygon(_quad(x - off * np.sin(turn), y + off * np.cos(turn), long, wide, turn), fill=220)


def _camera(ink: Ink, rng: Rng) -> None:
    """The rig's camera: a lit body, its dark lens with a bright ring, its cable and two lamps."""
    x, y = 960 + float(rng.normal(0, 160)), 540 + float(rng.normal(0, 100))
    half = float(rng.uniform(90, 170))
    cable = float(rng.uniform(7, 20))
    ink.polygon(_quad(x, y / 2 - half / 2, cable, y - half, 0), fill=110)
    ink.polygon(_quad(x, y, 2 * half, 1.7 * half, float(rng.normal(0, 0.04))), fill=90)
    for radius, level in ((0.55, 255), (0.47, 30), (0.2, 150), (0.14, 20)):
        r = half * radius
        ink.ellipse([(x - r) / _STEP, (y - r) / _STEP, (x + r) / _STEP, (y + r) / _STEP], fill=level)
    for side in (-1, 1):
        ink.polygon(_quad(x + side * half * 0.8, y + half * 0.5, 22, 12, 0), fill=255)


def _ceiling(ink: Ink, rng: Rng) -> None:
    """The bars of a suspended ceiling, with a lit tile or two."""
    (x, y), turn = _at(rng), float(rng.normal(0, 0.3))
    tile, bar = float(rng.uniform(150, 380)), float(rng.uniform(5, 14))
    cos, sin = float(np.cos(turn)), float(np.sin(turn))
    for _ in range(int(rng.integers(0, 3))):
        a, b = (float(rng.integers(-2, 3)) + 0.5) * tile, (float(rng.integers(-2, 2)) + 0.5) * tile
        ink.polygon(_quad(x + a * cos - b * sin, y + a * sin + b * cos, tile, tile, turn), fill=255)
    for line in range(-9, 10):
        off = line * tile
        ink.polygon(_quad(x - off * sin, y + off * cos, 4400, bar, turn), fill=120)
        ink.polygon(_quad(x + off * cos, y + off * sin, bar, 4400, turn), fill=120)


_SHAPES: tuple[Callable[[Ink, Rng], None], ...] = (_panel, _window, _tube, _camera, _ceiling)
_SHARES = (0.24, 0.22, 0.28, 0.13, 0.13)
