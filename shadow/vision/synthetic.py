"""Photos of phones that never existed: a procedural renderer for demos, tests and the starter model.

Everything is drawn in *units* (1 unit = 1 pixel of a 1920 x 1080 photo) in the phone's own coordinates (u
along its length, v across, origin in its middle) and laid into the photo by the view's pose, so that a second
view of a seed shows the same phone with the same flaws. Smooth light is computed coarse and enlarged, thin
things are stamped as Gaussians along their path; that keeps a photo of 960 x 540 within some 50 ms.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Array = NDArray[np.floating[Any]]  # float32 wherever a whole photo is held
Rng = np.random.Generator
Window = tuple[slice, slice]
Colour = tuple[float, float, float]

CONTAMINATIONS = ("oil", "stain", "dust")
FLAWS = ("none", "scratch", *CONTAMINATIONS)
MAX_SIZE = (1920, 1080)


@dataclass(frozen=True)
class Feature:
    """A slot, hole or button of the front: a rounded bar centred on (u, v), in units."""

    u: float
    v: float
    length: float
    width: float
    level: float
    ring: float = 0.0


@dataclass(frozen=True)
class PhoneModel:
    """One variant: outline, display and front in units, colours as grey levels 0..255 per channel."""

    length: float
    width: float
    radius: float
    margins: tuple[float, float, float, float]  # left, right, top, bottom: outline to display
    corner: float  # radius of the display's corners
    front: Colour
    frame: Colour
    glass: Colour
    features: tuple[Feature, ...] = ()


VARIANTS: dict[str, PhoneModel] = {
    "slab": PhoneModel(
        1640, 790, 70, (86, 86, 22, 22), 8, (15, 15, 16), (96, 97, 101), (19, 20, 23),
        (Feature(-782, 0, 90, 9, 6), Feature(-782, 96, 15, 15, 5, 26), Feature(-782, 128, 9, 9, 12)),
    ),
    "notch": PhoneModel(
        1590, 762, 104, (26, 30, 26, 26), 80, (9, 9, 10), (118, 116, 112), (17, 18, 22),
        (Feature(-760, 0, 230, 46, 8), Feature(-764, 0, 70, 8, 30), Feature(-762, 78, 19, 19, 4, 34)),
    ),
    "hole": PhoneModel(
        1620, 756, 112, (24, 30, 24, 24), 90, (8, 8, 9), (74, 80, 94), (15, 17, 24),
        (Feature(-716, 0, 34, 34, 3, 40),),
    ),
    "classic": PhoneModel(
        1600, 778, 84, (168, 172, 22, 22), 4, (224, 225, 228), (176, 177, 182), (18, 18, 19),
        (
            Feature(-716, 0, 128, 12, 34), Feature(-716, -112, 26, 26, 24, 60),
            Feature(-716, 104, 14, 14, 46), Feature(716, 0, 116, 58, 40, 84),
        ),
    ),
    "fold": PhoneModel(
        1320, 900, 58, (34, 34, 34, 34), 26, (11, 11, 12), (132, 124, 112), (20, 19, 22),
        (Feature(-600, 330, 26, 26, 3, 32),),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Rendering:
    """A rendered photo and its truth; `hardness` is 0 for an obvious scratch, 1 for one barely visible."""

    image: NDArray[np.uint8]  # (H, W, 3)
    mask: NDArray[np.bool_]  # (H, W), True on scratch pixels
    boxes: list[tuple[float, float, float, float]]  # x, y, w, h of each scratch, in 0..1
    flaw: str
    contaminations: tuple[str, ...]
    variant: str
    hardness: float

    @property
    def scratched(self) -> bool:
        return self.flaw == "scratch"


def render(
    seed: int,
    *,
    flaw: str = "none",
    contaminations: Sequence[str] = (),
    variant: str | None = None,
    view: int = 0,
    hardness: float | None = None,
    size: tuple[int, int] = (960, 540),
    lighting: float = 1.0,
    cast: Colour = (1.0, 1.0, 1.0),
    blur: float = 0.0,
) -> Rendering:
    """Render one photo of one phone; equal arguments give equal pixels.

    Parameters
    ----------
    seed : int >= 0
        The part. Phone, dirt and scratches depend on it alone; pose and noise also on `view`.
    flaw : str
        One of `FLAWS`: what the part mainly has. `none` and the contaminations are good parts.
    contaminations : sequence of str
        Further dirt, from `CONTAMINATIONS`, under the scratches where there are any.
    variant : str, optional
        One of `VARIANTS`; drawn from the seed when not given.
    view : int >= 0
        Which photo of the part.
    hardness : float in 0..1, optional
        How hard the scratches are to see; drawn from the seed when not given.
    size : (int, int)
        Width and height in pixels, from 64 x 36 up to `MAX_SIZE`.
    lighting : float > 0
        Exposure factor, 1 = the rig as set up.
    cast : (float, float, float)
        Gain of red, green and blue.
    blur : float >= 0
        Standard deviation of a defocus in units.

    Raises
    ------
    ValueError
        For an unknown flaw, contamination or variant, and for a value out of range.
    """
    _check(flaw, contaminations, variant, size, lighting, blur, hardness)
    phone_rng, flaw_rng = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
    view_rng = np.random.default_rng([seed, 2, view])
    names = list(VARIANTS)
    drawn = names[int(phone_rng.integers(len(names)))]
    chosen = variant or drawn
    scene = _Scene(VARIANTS[chosen], size, view_rng)
    _draw_phone(scene, phone_rng, view_rng)
    dirt = tuple(kind for kind in CONTAMINATIONS if kind == flaw or kind in contaminations)
    for kind in dirt:
        _DIRT[kind](scene, np.random.default_rng([seed, 3, CONTAMINATIONS.index(kind)]))
    hard = 0.0
    if flaw == "scratch":
        hard = _draw_hardness(flaw_rng) if hardness is None else hardness
        _scratches(scene, flaw_rng, hard)
    image = _expose(scene, view_rng, lighting, cast, blur)
    return Rendering(image, scene.mask, scene.boxes, flaw, dirt, chosen, hard)


def _check(
    flaw: str,
    contaminations: Sequence[str],
    variant: str | None,
    size: tuple[int, int],
    lighting: float,
    blur: float,
    hardness: float | None,
) -> None:
    if flaw not in FLAWS:
        raise ValueError(f"unknown flaw {flaw!r}: expected one of {', '.join(FLAWS)}")
    if unknown := set(contaminations) - set(CONTAMINATIONS):
        raise ValueError(f"unknown contamination {unknown}: expected some of {', '.join(CONTAMINATIONS)}")
    if variant is not None and variant not in VARIANTS:
        raise ValueError(f"unknown variant {variant!r}: expected one of {', '.join(VARIANTS)}")
    if not (64 <= size[0] <= MAX_SIZE[0] and 36 <= size[1] <= MAX_SIZE[1]):
        raise ValueError(f"size {size} is not between 64 x 36 and {MAX_SIZE[0]} x {MAX_SIZE[1]}")
    if not lighting > 0 or blur < 0 or not 0 <= (hardness or 0) <= 1:
        raise ValueError("lighting must be above 0, blur at least 0 and hardness in 0..1")


# ---- the scene -----------------------------------------------------------------------------------


@dataclass
class _Scene:
    """The photo being drawn: float planes, the scratch mask and the pose that maps phone to pixels."""

    model: PhoneModel
    size: tuple[int, int]
    rng: Rng
    planes: Array = field(init=False)  # (3, H, W), grey levels before exposure
    mask: NDArray[np.bool_] = field(init=False)
    boxes: list[tuple[float, float, float, float]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        width, height = self.size
        angle = np.deg2rad(self.rng.normal(0.0, 1.0)) + (np.pi if self.rng.random() < 0.5 else 0.0)
        self.scale = min(width / 1920, height / 1080) * float(self.rng.uniform(0.96, 1.04))
        self.cos, self.sin = float(np.cos(angle)), float(np.sin(angle))
        self.cx = width / 2 + float(self.rng.normal(0, 16)) * self.scale
        self.cy = height / 2 + float(self.rng.normal(0, 14)) * self.scale
        self.planes = np.zeros((3, height, width), np.float32)
        self.mask = np.zeros((height, width), np.bool_)

    def phone(self, window: Window) -> tuple[Array, Array]:
        """Phone coordinates u, v of the pixel centres of a window."""
        x = (np.arange(window[1].start, window[1].stop, dtype=np.float32) + 0.5 - self.cx) / self.scale
        y = (np.arange(window[0].start, window[0].stop, dtype=np.float32) + 0.5 - self.cy) / self.scale
        u = x[None, :] * self.cos + y[:, None] * self.sin  # (h, w)
        v = -x[None, :] * self.sin + y[:, None] * self.cos  # (h, w)
        return u.astype(np.float32), v.astype(np.float32)

    def pixels(self, u: Array, v: Array) -> tuple[Array, Array]:
        x = (u * self.cos - v * self.sin) * self.scale + self.cx
        y = (u * self.sin + v * self.cos) * self.scale + self.cy
        return x.astype(np.float32), y.astype(np.float32)

    def around(self, u: float, v: float, reach: float) -> Window:
        """The pixels within `reach` units of a point, cut to the photo."""
        x, y = self.pixels(np.array([u], np.float32), np.array([v], np.float32))
        return self.cut(float(x[0]), float(y[0]), float(x[0]), float(y[0]), reach * self.scale + 1)

    def cut(self, left: float, top: float, right: float, bottom: float, reach: float) -> Window:
        width, height = self.size
        x0, x1 = np.clip([int(left - reach), int(right + reach) + 2], 0, width)
        y0, y1 = np.clip([int(top - reach), int(bottom + reach) + 2], 0, height)
        return slice(int(y0), int(y1)), slice(int(x0), int(x1))

    @property
    def everything(self) -> Window:
        return slice(0, self.size[1]), slice(0, self.size[0])

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


def _tint(rng: Rng, low: float, high: float) -> Colour:
    red, green, blue = rng.uniform(low, high, 3)
    return float(red), float(green), float(blue)


def _rounded(u: Array, v: Array, half_u: float, half_v: float, radius: float) -> Array:
    """Signed distance to a rounded rectangle, negative inside."""
    qu, qv = np.abs(u) - np.float32(half_u - radius), np.abs(v) - np.float32(half_v - radius)
    outside = np.hypot(np.maximum(qu, 0), np.maximum(qv, 0))
    distance: Array = outside + np.minimum(np.maximum(qu, qv), 0) - np.float32(radius)
    return distance


def _inside(distance: Array, scale: float) -> Array:
    """Coverage of each pixel by the shape, from the distance in units: one pixel of soft edge."""
    coverage: Array = np.clip(np.float32(0.5) - distance * np.float32(scale), 0, 1)
    return coverage


def _enlarged(coarse: Array, size: tuple[int, int]) -> Array:
    return np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))


def _coarse_grid(size: tuple[int, int], columns: int = 96) -> tuple[Array, Array]:
    """x in -1..1 and y in -1..1 over the photo, coarse."""
    rows = max(2, round(columns * size[1] / size[0]))
    x, y = np.meshgrid(np.linspace(-1, 1, columns), np.linspace(-1, 1, rows))
    return x.astype(np.float32), y.astype(np.float32)


def _clouds(rng: Rng, size: tuple[int, int], cells: tuple[int, int] = (7, 5)) -> Array:
    """Smooth random light, mean about 0 and standard deviation about 1."""
    return _enlarged(rng.standard_normal((cells[1], cells[0])).astype(np.float32), size)


@lru_cache(maxsize=4)
def _grain(size: tuple[int, int]) -> Array:
    """Unit Gaussian noise larger than the photo, made once: each photo cuts its own pieces from it."""
    width, height = size
    return np.random.default_rng(20).standard_normal((height + 192, width + 192), dtype=np.float32)


def _cut_grain(rng: Rng, size: tuple[int, int]) -> Array:
    x, y = rng.integers(0, 192, 2)
    cut = _grain(size)[y : y + size[1], x : x + size[0]]
    return cut[:: int(rng.choice([-1, 1])), :: int(rng.choice([-1, 1]))]


# ---- the phone on its mat ------------------------------------------------------------------------


def _draw_phone(scene: _Scene, phone_rng: Rng, view_rng: Rng) -> None:
    model, whole = scene.model, scene.everything
    u, v = scene.phone(whole)
    outline = _rounded(u, v, model.length / 2, model.width / 2, model.radius)
    _draw_mat(scene, view_rng, outline)
    _draw_body(scene, phone_rng, outline, v)
    _draw_display(scene, phone_rng, view_rng, u, v, outline)
    for feature in model.features:
        _draw_feature(scene, feature)


def _draw_mat(scene: _Scene, rng: Rng, outline: Array) -> None:
    """A dark woven mat, lit from above, with the phone's soft shadow on it."""
    x, y = _coarse_grid(scene.size)
    lamp = 74 - 8 * y + float(rng.normal(0, 2)) * x - 20 * (x * x + y * y)
    light = _enlarged(np.maximum(lamp, 8).astype(np.float32), scene.size)
    light = light + np.float32(2.6) * _cut_grain(rng, scene.size) + _weave(rng, scene.size)
    light *= 1 - np.float32(0.62) * np.exp(np.minimum(-outline, 0) * np.float32(1 / 34))
    scene.add(scene.everything, light, (1.0, 1.0, 1.035))


def _weave(rng: Rng, size: tuple[int, int]) -> Array:
    """The mat's coarser grain, a few units across."""
    half = (size[0] // 2, size[1] // 2)
    return np.float32(2.2) * _enlarged(np.ascontiguousarray(_cut_grain(rng, half)), size)


def _draw_body(scene: _Scene, rng: Rng, outline: Array, v: Array) -> None:
    """The metal frame with its bright chamfer, and the front glass from edge to edge."""
    model, whole = scene.model, scene.everything
    across = v * np.float32(1 / model.width)
    upright = -across if scene.cos > 0 else across  # the lamp stays above however the phone lies
    metal = np.float32(0.72) + np.float32(0.95) * np.maximum(upright, -0.3)
    scene.cover(whole, _inside(outline, scene.scale), model.frame, metal)
    chamfer = np.exp(-np.square((outline + 4.5) * np.float32(1 / 2.2)))
    scene.add(whole, chamfer * np.maximum(upright + 0.12, 0) * np.float32(190), (0.94, 0.97, 1.0))
    warmth = float(rng.normal(1, 0.012))
    front = (model.front[0] * warmth, model.front[1], model.front[2] / warmth)
    scene.cover(whole, _inside(outline + 9, scene.scale), front, 1 + upright * np.float32(0.10))


def _draw_display(scene: _Scene, phone_rng: Rng, view_rng: Rng, u: Array, v: Array, outline: Array) -> None:
    left, top, right, bottom = scene.display()
    middle_u, middle_v = np.float32((left + right) / 2), np.float32((top + bottom) / 2)
    edge = _rounded(u - middle_u, v - middle_v, (right - left) / 2, (bottom - top) / 2, scene.model.corner)
    alpha = _inside(edge, scene.scale)
    front = _inside(outline + 9, scene.scale)
    hue = phone_rng.normal(0, 0.7, 3)
    glass = (scene.model.glass[0] + hue[0], scene.model.glass[1] + hue[1], scene.model.glass[2] + hue[2])
    scene.cover(scene.everything, alpha, glass)
    light = _reflections(scene.size, view_rng)
    lip = np.exp(-np.square(edge * np.float32(1 / 2.4))) * np.float32(6)  # the display's edge catches light
    scene.add(
        scene.everything,
        light * (np.float32(0.6) + np.float32(0.4) * alpha) * front + lip,
        (0.95, 0.99, 1.07),
    )
    room = np.maximum(_clouds(view_rng, scene.size, (5, 4)), 0) * alpha  # colours of the room, mirrored
    scene.add(scene.everything, room, _tint(view_rng, 0.0, 2.4))


def _step(distance: Array, steepness: float) -> Array:
    """A soft step from 0 to 1 where the distance passes 0."""
    rise: Array = 1 / (1 + np.exp(-np.clip(distance * steepness, -20, 20)))
    return rise


def _reflections(size: tuple[int, int], rng: Rng) -> Array:
    """What black glass mirrors: the lamps' two bands, and the camera with its cable in the middle."""
    x, y = _coarse_grid(size, 160)
    across = x + float(rng.normal(0.5, 0.25)) * y - float(rng.uniform(-0.9, 0.9))
    broad = _step(across + 0.32, 14) * _step(0.30 - across, 10)
    narrow = _step(across - 0.42, 18) * _step(0.52 - across, 18)
    light = float(rng.uniform(4, 17)) * (broad + 0.5 * narrow) * (1.1 - 0.5 * y) + 5 - 6 * y + 2 * x * x
    dx, dy = x - float(rng.normal(0, 0.03)), y - float(rng.normal(0, 0.04))
    camera = _step(0.085 - np.abs(dx), 90) * _step(0.15 - np.abs(dy), 55)
    cable = _step(0.02 - np.abs(dx), 110) * _step(-0.1 - dy, 40)
    lens = np.exp(-np.square((np.hypot(dx / 0.034, dy / 0.06) - 1) * 2.2))
    light = light - 6 * np.maximum(camera, 0.6 * cable) + 3 * lens
    return _enlarged(np.maximum(light, -8).astype(np.float32), size)


def _draw_feature(scene: _Scene, feature: Feature) -> None:
    window = scene.around(feature.u, feature.v, max(feature.length, feature.width) + 6)
    u, v = scene.phone(window)
    half_u, half_v = feature.width / 2, feature.length / 2  # bars lie across the phone's length
    edge = _rounded(u - feature.u, v - feature.v, half_u, half_v, min(half_u, half_v))
    scene.cover(window, _inside(edge, scene.scale), (feature.level, feature.level, feature.level + 1))
    if feature.ring:
        ring = np.exp(-np.square((edge + 1.5) * np.float32(1 / 2.0))) * np.float32(feature.ring)
        scene.add(window, ring, (0.85, 0.95, 1.1))
        glint = np.exp(-(np.square(u - feature.u + half_u / 3) + np.square(v - feature.v + half_u / 3)) / 14)
        scene.add(window, glint * np.float32(feature.ring), (0.7, 0.8, 1.2))


# ---- thin things: paths stamped as Gaussians ------------------------------------------------------


@dataclass(frozen=True)
class _Path:
    """Points in phone coordinates with the line's width in units and its strength at each."""

    u: Array
    v: Array
    width: Array
    strength: Array


def _stamp(scene: _Scene, path: _Path, spread: float = 1.0) -> tuple[Window, Array]:
    """Light of a path: at each pixel the strongest of the Gaussians along it, with its window."""
    x, y = scene.pixels(path.u, path.v)
    true_sigma = path.width * np.float32(0.42 * scene.scale * spread)
    sigma = np.maximum(true_sigma, 0.42)
    strength = path.strength * true_sigma / sigma  # a line thinner than a pixel is fainter, not wider
    reach = int(np.ceil(2.6 * float(sigma.max()))) + 1
    window = scene.cut(float(x.min()), float(y.min()), float(x.max()), float(y.max()), reach + 1)
    rows, columns = window[0].stop - window[0].start, window[1].stop - window[1].start
    steps = np.arange(-reach, reach + 1)
    column = np.floor(x).astype(np.intp)[:, None] + steps  # (P, K)
    row = np.floor(y).astype(np.intp)[:, None] + steps  # (P, K)
    tight = np.float32(-0.5) / np.square(sigma)[:, None]
    bell_x = np.exp(np.square(column + np.float32(0.5) - x[:, None]) * tight)
    bell_y = np.exp(np.square(row + np.float32(0.5) - y[:, None]) * tight) * strength[:, None]
    light = np.zeros((rows + 2, columns + 2), np.float32)  # the rim takes what falls outside the photo
    at_row = np.clip(row - window[0].start + 1, 0, rows + 1)[:, :, None]
    at_column = np.clip(column - window[1].start + 1, 0, columns + 1)[:, None, :]
    np.maximum.at(light, (at_row, at_column), (bell_y[:, :, None] * bell_x[:, None, :]).astype(np.float32))
    return window, light[1:-1, 1:-1]


def _wander(rng: Rng, count: int, knots: int) -> Array:
    """A smooth random curve of `count` values, standard deviation about 1."""
    at = np.linspace(0, knots - 1, count)
    return np.interp(at, np.arange(knots), rng.standard_normal(knots)).astype(np.float32)


def _stroke(
    scene: _Scene, rng: Rng, length: float, heading: float, width: float, strength: float, bend: float
) -> _Path:
    """A bent, tapering line through a random spot of the display, cut where it leaves the display."""
    count = max(12, int(length * scene.scale / 0.45))
    along = np.linspace(0, 1, count, dtype=np.float32)
    turn = heading + bend * (along - 0.5) * 2 + 0.25 * bend * _wander(rng, count, 6) + 0.05 * _wander(rng, count, 9)
    step = np.float32(length / count)
    u, v = np.cumsum(np.cos(turn)) * step, np.cumsum(np.sin(turn)) * step
    at_u, at_v = scene.spot(rng, 34)
    u, v = u - u[count // 2] + np.float32(at_u), v - v[count // 2] + np.float32(at_v)
    taper = np.power(np.sin(np.pi * np.clip(along, 0.02, 0.98)), 0.45)
    widths = width * (0.35 + 0.65 * taper) * (1 + 0.22 * _wander(rng, count, 14))
    strengths = strength * taper * np.clip(1 + 0.28 * _wander(rng, count, 20), 0.25, 1.5)
    left, top, right, bottom = scene.display()
    keep = (u > left + 6) & (u < right - 6) & (v > top + 6) & (v < bottom - 6)
    as_float = [np.asarray(a[keep], np.float32) for a in (u, v, np.maximum(widths, 0.3), strengths)]
    return _Path(*as_float)


def _moved(path: _Path, u: float, v: float) -> _Path:
    middle = len(path.u) // 2
    to_u, to_v = np.float32(u) - path.u[middle], np.float32(v) - path.v[middle]
    return _Path(path.u + to_u, path.v + to_v, path.width, path.strength)


def _broken(path: _Path, rng: Rng, breaks: int) -> _Path:
    """The same path with short stretches where the tool lifted off."""
    count = len(path.u)
    strength = path.strength.copy()
    for _ in range(breaks):
        start, share = int(rng.integers(count)), float(rng.uniform(0.02, 0.09))
        strength[start : start + max(2, int(count * share))] *= np.float32(rng.uniform(0.0, 0.15))
    return _Path(path.u, path.v, path.width, strength)


# ---- scratches -----------------------------------------------------------------------------------


def _draw_hardness(rng: Rng) -> float:
    """Mostly plain to see, one in twelve hard, some of these next to invisible."""
    return float(rng.uniform(0.5, 0.85) if rng.random() < 1 / 12 else rng.beta(1.2, 3.0) * 0.5)


def _scratches(scene: _Scene, rng: Rng, hardness: float) -> None:
    if rng.random() < 0.2:
        _scratch_cluster(scene, rng, hardness)
        return
    count = 1 if hardness > 0.75 else 1 + int(rng.binomial(4, 0.3))
    for _ in range(count):
        _scratch(scene, rng, hardness)


def _scratch(scene: _Scene, rng: Rng, hardness: float) -> None:
    ease = 1 - hardness
    length = (45 + 420 * ease**1.4) * float(rng.lognormal(0, 0.35))
    width = 1.1 + 2.9 * ease * float(rng.uniform(0.4, 1.0))
    strength = 26 + 190 * ease * float(rng.uniform(0.7, 1.1))
    path = _stroke(scene, rng, length, float(rng.uniform(0, np.pi)), width, strength, float(rng.normal(0, 0.22)))
    path = _broken(path, rng, int(rng.integers(0, 5)))
    paths = [path]
    if ease > 0.4 and rng.random() < 0.4:  # the tool skids: a fainter companion beside the cut
        off = np.float32(rng.choice([-1, 1]) * rng.uniform(5, 9))
        companion = _Path(path.u + off, path.v + off, path.width * 0.6, path.strength * 0.3)
        paths.append(_broken(companion, rng, 4))
    _engrave(scene, paths)


def _scratch_cluster(scene: _Scene, rng: Rng, hardness: float) -> None:
    """Micro-scratches of one rub: many short, thin, nearly parallel lines with one box around them."""
    ease = 1 - hardness
    heading, (at_u, at_v) = float(rng.uniform(0, np.pi)), scene.spot(rng, 110)
    paths = []
    for _ in range(int(rng.integers(5, 9 + int(12 * ease)))):
        line = _stroke(
            scene, rng, float(rng.uniform(22, 50 + 70 * ease)), heading + float(rng.normal(0, 0.16)),
            1.2 + 1.4 * ease, (26 + 165 * ease) * float(rng.uniform(0.5, 1.0)), float(rng.normal(0, 0.1)),
        )  # fmt: skip
        paths.append(_moved(line, at_u + float(rng.normal(0, 34)), at_v + float(rng.normal(0, 26))))
    _engrave(scene, paths)


def _engrave(scene: _Scene, paths: Sequence[_Path]) -> None:
    """Draw cuts with a bright core between dark flanks, and record their mask and one box around them."""
    mask = np.zeros_like(scene.mask)
    for path in paths:
        window, flanks = _stamp(scene, path, spread=2.3)
        for plane in scene.planes:
            plane[window] *= 1 - np.minimum(flanks * np.float32(1 / 420), 0.45)
        window, core = _stamp(scene, path)
        scene.add(window, core, (0.97, 0.99, 1.04))
        mask[window] |= core > max(0.28 * float(core.max()), 3.0)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return
    width, height = scene.size
    top, left = int(rows[0]), int(columns[0])
    box = (left / width, top / height, (columns[-1] + 1 - left) / width, (rows[-1] + 1 - top) / height)
    scene.mask |= mask
    scene.boxes.append((box[0], box[1], float(box[2]), float(box[3])))


# ---- contaminations: dirt that wipes off ---------------------------------------------------------


def _oil(scene: _Scene, rng: Rng) -> None:
    for _ in range(int(rng.integers(1, 4))):
        kind = rng.random()
        if kind < 0.45:
            _fingerprint(scene, rng)
        elif kind < 0.8:
            _smear(scene, rng)
        else:
            _droplets(scene, rng)


def _fingerprint(scene: _Scene, rng: Rng) -> None:
    at_u, at_v = scene.spot(rng, 100)
    radius, turn = float(rng.uniform(75, 120)), float(rng.uniform(0, np.pi))
    window = scene.around(at_u, at_v, radius * 1.5)
    u, v = scene.phone(window)
    a = ((u - at_u) * np.float32(np.cos(turn)) + (v - at_v) * np.float32(np.sin(turn))) / np.float32(radius)
    b = ((v - at_v) * np.float32(np.cos(turn)) - (u - at_u) * np.float32(np.sin(turn))) / np.float32(radius * 0.72)
    shape = (a.shape[1], a.shape[0])
    whorl = np.hypot(a * 1.15, b - 0.25) + 0.10 * np.arctan2(b - 0.25, a) + 0.035 * _clouds(rng, shape)
    ridges = 0.5 + 0.5 * np.sin(whorl * np.float32(2 * np.pi * radius / rng.uniform(9.5, 13)))
    touch = np.exp(-np.square(np.square(a) + np.square(b))) * np.clip(0.75 + 0.3 * _clouds(rng, shape), 0.1, 1.2)
    strength = np.float32(rng.uniform(18, 46))
    scene.add(window, touch * (0.3 + 0.7 * ridges) * strength, (1.0, 0.98, 0.92))


def _smear(scene: _Scene, rng: Rng) -> None:
    """A wiped film whose colours come from its thickness, as on any thin film."""
    at_u, at_v = scene.spot(rng, 90)
    long, wide, turn = float(rng.uniform(110, 260)), float(rng.uniform(45, 110)), float(rng.uniform(0, np.pi))
    window = scene.around(at_u, at_v, long * 1.6)
    u, v = scene.phone(window)
    a = ((u - at_u) * np.float32(np.cos(turn)) + (v - at_v) * np.float32(np.sin(turn))) / np.float32(long)
    b = ((v - at_v) * np.float32(np.cos(turn)) - (u - at_u) * np.float32(np.sin(turn))) / np.float32(wide)
    b = b + np.float32(rng.normal(0, 0.5)) * a * a
    clouds = _clouds(rng, (a.shape[1], a.shape[0]))
    film = np.exp(-np.square(a * a + b * b)) * np.clip(0.8 + 0.25 * clouds, 0.1, 1.3)
    streaks = 0.8 + 0.2 * np.interp(b, np.linspace(-2, 2, 41), rng.standard_normal(41)).astype(np.float32)
    thickness = film * np.float32(rng.uniform(0.9, 1.8)) + 0.1 * clouds
    strength = float(rng.uniform(18, 46))
    for plane, wave in zip(scene.planes, (1.0, 1.18, 1.38), strict=True):
        colour = 0.55 + 0.45 * np.cos(np.float32(2 * np.pi * wave) * thickness)
        plane[window] += film * streaks * colour * np.float32(strength)


def _droplets(scene: _Scene, rng: Rng) -> None:
    """Beads of oil: dark lenses with a bright rim on the lamp's side."""
    at_u, at_v = scene.spot(rng, 90)
    for _ in range(int(rng.integers(1, 5))):
        radius = float(rng.uniform(12, 34))
        edge, angle, window = _blob(scene, rng, at_u, at_v, radius, 0.08)
        rim = np.exp(-np.square((edge + 3) / np.float32(2.6)))
        lamp = np.power(np.maximum(np.cos(angle - np.float32(rng.uniform(-2.2, -0.9))), 0), 3) + 0.18
        scene.add(window, -6 * _inside(edge, scene.scale), (1, 1, 1))
        scene.add(window, rim * lamp * np.float32(rng.uniform(70, 170)), (0.95, 0.97, 1.08))
        at_u, at_v = at_u + float(rng.normal(0, 60)), at_v + float(rng.normal(0, 45))


def _stain(scene: _Scene, rng: Rng) -> None:
    """Dried splashes: residue collects at a drop's edge as it dries (the coffee-ring effect)."""
    for _ in range(int(rng.integers(2, 8))):
        at_u, at_v = scene.spot(rng, 50)
        radius = float(rng.uniform(7, 26) if rng.random() < 0.65 else rng.uniform(26, 62))
        edge, angle, window = _blob(scene, rng, at_u, at_v, radius, 0.13)
        uneven = 0.72 + 0.28 * np.cos(angle * int(rng.integers(1, 4)) + np.float32(rng.uniform(0, 6)))
        rim = np.exp(-np.square((edge + 2) / np.float32(rng.uniform(2.0, 4.0)))) * uneven
        clouds = _clouds(rng, (edge.shape[1], edge.shape[0]))
        haze = _inside(edge, scene.scale) * (0.22 + 0.10 * clouds)
        strength = np.float32(rng.uniform(22, 85))
        tint = (1.0, float(rng.uniform(0.93, 1.0)), float(rng.uniform(0.78, 1.0)))
        scene.add(window, (rim + haze) * strength, tint)


def _blob(
    scene: _Scene, rng: Rng, at_u: float, at_v: float, radius: float, wobble: float
) -> tuple[Array, Array, Window]:
    """Distance to an uneven circle (negative inside) and the angle around it, with its window."""
    window = scene.around(at_u, at_v, radius * 1.5 + 14)
    u, v = scene.phone(window)
    du, dv = u - np.float32(at_u), v - np.float32(at_v)
    angle = np.arctan2(dv, du)
    border = np.full_like(angle, radius)
    for lobes in (2, 3, 4):
        phase = np.float32(rng.uniform(0, 6.3))
        border += np.float32(radius * wobble * rng.normal(0, 1) / lobes) * np.cos(lobes * angle + phase)
    return np.hypot(du, dv) - border, angle, window


def _dust(scene: _Scene, rng: Rng) -> None:
    count = int(rng.integers(12, 70))
    spots = np.array([scene.spot(rng, 12) for _ in range(count)], np.float32)
    sizes = np.minimum(rng.lognormal(0.9, 0.45, count), 6).astype(np.float32)
    specks = _Path(spots[:, 0], spots[:, 1], sizes, rng.uniform(25, 150, count).astype(np.float32))
    window, light = _stamp(scene, specks)
    scene.add(window, light, (1.0, 0.99, 0.96))
    for _ in range(int(rng.integers(1, 6))):
        _lint(scene, rng)


def _lint(scene: _Scene, rng: Rng) -> None:
    """A fibre: even, soft and curled, with no dark flanks, in the colour of its cloth."""
    length, bend = float(rng.uniform(40, 130)), float(rng.choice([-1, 1]) * rng.uniform(0.4, 1.7))
    curl = _stroke(scene, rng, length, float(rng.uniform(0, np.pi)), 3.2, float(rng.uniform(22, 60)), bend)
    even = _Path(curl.u, curl.v, np.full_like(curl.width, rng.uniform(2.4, 4.0)), curl.strength)
    window, light = _stamp(scene, even)
    scene.add(window, light, _tint(rng, 0.75, 1.1))


_DIRT = {"oil": _oil, "stain": _stain, "dust": _dust}


# ---- the camera ----------------------------------------------------------------------------------


def _expose(scene: _Scene, rng: Rng, lighting: float, cast: Colour, blur: float) -> NDArray[np.uint8]:
    """Light to pixels: exposure, colour cast, defocus, sensor noise that grows with the light."""
    planes = scene.planes
    planes *= np.asarray(cast, np.float32)[:, None, None] * np.float32(lighting)
    if blur:
        soft = ImageFilter.GaussianBlur(blur * scene.scale)
        sharp = np.clip(planes, 0, 255).astype(np.uint8).transpose(1, 2, 0)
        planes = np.asarray(Image.fromarray(sharp).filter(soft), np.float32).transpose(2, 0, 1)
    out = np.empty((scene.size[1], scene.size[0], 3), np.uint8)
    for channel, plane in enumerate(planes):
        noise = _cut_grain(rng, scene.size) * (np.float32(1.25) + plane * np.float32(0.011))
        out[:, :, channel] = np.clip(plane + noise + np.float32(0.5), 0, 255)
    return out
