"""Thin things: paths in phone coordinates, stamped into the photo as Gaussians."""

from dataclasses import dataclass, replace

import numpy as np

from shadow.vision.synthetic.arrays import Array, Mask, Rng, Window
from shadow.vision.synthetic.scene import Scene

SIGMA = 0.42  # standard deviation of a line's Gaussian as a share of its width; also the thinnest one in pixels
SPACING = 0.45  # pixels between the points of a stroke


@dataclass(frozen=True)
class Path:
    """Points in phone coordinates with the line's width in units and its strength at each."""

    u: Array
    v: Array
    width: Array
    strength: Array


def stamp(scene: Scene, path: Path, spread: float = 1.0) -> tuple[Window, Array]:
    """Light of a path: at each pixel the strongest of the Gaussians along it, with its window."""
    x, y = scene.pixels(path.u, path.v)
    true_sigma = path.width * np.float32(SIGMA * scene.scale * spread)
    sigma = np.maximum(true_sigma, np.float32(SIGMA))
    return _stamped(scene, x, y, sigma, path.strength * true_sigma / sigma)  # thinner than a pixel: fainter, not wider


def thinned(scene: Scene, path: Path, spread: float = 1.0) -> Path:
    """The path without the points that its width makes needless: neighbours stay a standard deviation apart."""
    sigma = np.maximum(path.width * np.float32(SIGMA * scene.scale * spread), np.float32(SIGMA))
    passed = np.floor(np.cumsum(SIGMA / sigma))
    keep = np.diff(passed, prepend=-1.0) > 0
    return Path(path.u[keep], path.v[keep], path.width[keep], path.strength[keep])


def covered(scene: Scene, path: Path, seen: float) -> tuple[Window, Mask]:
    """The pixels under the parts of a path that are seen: at least `seen` grey levels, or its strongest half."""
    x, y = scene.pixels(path.u, path.v)
    true_sigma = path.width * np.float32(SIGMA * scene.scale)
    sigma = np.maximum(true_sigma, np.float32(SIGMA))
    light = path.strength * true_sigma / sigma
    keep = light >= min(seen, float(np.median(light)))
    window, shape = _stamped(scene, x[keep], y[keep], sigma[keep], np.ones(int(keep.sum()), np.float32))
    return window, shape > np.float32(0.28)


def _stamped(scene: Scene, x: Array, y: Array, sigma: Array, strength: Array) -> tuple[Window, Array]:
    reach = int(np.ceil(2.6 * float(sigma.max()))) + 1
    seen = (x > -reach) & (x < scene.size[0] + reach) & (y > -reach) & (y < scene.size[1] + reach)
    if not seen.any():
        return (slice(0, 0), slice(0, 0)), np.zeros((0, 0), np.float32)
    x, y, sigma, strength = x[seen], y[seen], sigma[seen], strength[seen]
    window = scene.cut(float(x.min()), float(y.min()), float(x.max()), float(y.max()), reach + 1)
    rows, columns = window[0].stop - window[0].start, window[1].stop - window[1].start
    steps = np.arange(-reach, reach + 1)
    column = np.floor(x).astype(np.intp)[:, None] + steps  # (P, K)
    row = np.floor(y).astype(np.intp)[:, None] + steps  # (P, K)
    tight = np.float32(-0.5) / np.square(sigma)[:, None]
    bell_x = np.exp(np.square(column + np.float32(0.5) - x[:, None]) * tight)
    bell_y = np.exp(np.square(row + np.float32(0.5) - y[:, None]) * tight) * strength[:, None]
    bells = (bell_y[:, :, None] * bell_x[:, None, :]).astype(np.float32)  # (P, K, K)
    light = np.zeros((rows + 2) * (columns + 2), np.float32)  # the rim takes what falls outside the photo
    at_row = np.clip(row - window[0].start + 1, 0, rows + 1) * (columns + 2)
    at_column = np.clip(column - window[1].start + 1, 0, columns + 1)
    np.maximum.at(light, (at_row[:, :, None] + at_column[:, None, :]).ravel(), bells.ravel())
    return window, light.reshape(rows + 2, columns + 2)[1:-1, 1:-1]


def wander(rng: Rng, count: int, knots: int) -> Array:
    """A smooth random curve of `count` values, standard deviation about 1."""
    at = np.linspace(0, knots - 1, count)
    return np.interp(at, np.arange(knots), rng.standard_normal(knots)).astype(np.float32)


def stroke(
    scene: Scene, rng: Rng, length: float, heading: float, width: float, strength: float, bend: float, inset: float = 34
) -> Path:
    """A bent, tapering line through a random spot of the display, cut where it leaves the display."""
    count = max(12, int(length * scene.scale / SPACING))
    along = np.linspace(0, 1, count, dtype=np.float32)
    turn = heading + bend * (along - 0.5) * 2 + 0.25 * bend * wander(rng, count, 6) + 0.05 * wander(rng, count, 9)
    step = np.float32(length / count)
    u, v = np.cumsum(np.cos(turn)) * step, np.cumsum(np.sin(turn)) * step
    at_u, at_v = scene.spot(rng, inset)
    u, v = u - u[count // 2] + np.float32(at_u), v - v[count // 2] + np.float32(at_v)
    taper = np.power(np.sin(np.pi * np.clip(along, 0.02, 0.98)), 0.45)
    widths = width * (0.35 + 0.65 * taper) * (1 + 0.22 * wander(rng, count, 14))
    strengths = strength * taper * np.clip(1 + 0.28 * wander(rng, count, 20), 0.25, 1.5)
    left, top, right, bottom = scene.display()
    keep = (u > left + 6) & (u < right - 6) & (v > top + 6) & (v < bottom - 6)
    as_float = [np.asarray(a[keep], np.float32) for a in (u, v, np.maximum(widths, 0.3), strengths)]
    return Path(*as_float)


def moved(path: Path, u: float, v: float) -> Path:
    middle = len(path.u) // 2
    to_u, to_v = np.float32(u) - path.u[middle], np.float32(v) - path.v[middle]
    return replace(path, u=path.u + to_u, v=path.v + to_v)


def broken(path: Path, rng: Rng, breaks: int) -> Path:
    """The same path with short stretches where the tool lifted off."""
    count = len(path.u)
    strength = path.strength.copy()
    for _ in range(breaks):
        start, share = int(rng.random() * count), float(rng.uniform(0.02, 0.09))
        strength[start : start + max(2, int(count * share))] *= np.float32(rng.uniform(0.0, 0.15))
    return replace(path, strength=strength)


def rugged(path: Path, rng: Rng, length: float) -> Path:
    """The same path as a hard point leaves it: jumping a little sideways, flaring up and dying down along the way."""
    count, knots = len(path.u), max(6, int(length / 9))
    flare = np.exp(0.42 * wander(rng, count, knots) + 0.25 * wander(rng, count, max(4, knots // 4)))
    widths = path.width * np.clip(1 + 0.34 * wander(rng, count, knots), 0.4, 1.9)
    du, dv = 0.8 * wander(rng, count, knots), 0.8 * wander(rng, count, knots)
    strength = path.strength * np.clip(flare, 0.15, 1.45)
    return Path(path.u + du, path.v + dv, widths.astype(np.float32), strength.astype(np.float32))
