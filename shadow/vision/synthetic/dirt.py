"""Contaminations: oil, stains and dust, which wipe off and are no scratches."""

from collections.abc import Callable

import numpy as np

from shadow.vision.synthetic.arrays import Array, Rng, Window
from shadow.vision.synthetic.lines import Path, stamp, stroke
from shadow.vision.synthetic.scene import Scene
from shadow.vision.synthetic.shapes import inside
from shadow.vision.synthetic.smooth import clouds, tint

CONTAMINATIONS = ("oil", "stain", "dust")


def _oil(scene: Scene, rng: Rng) -> None:
    for _ in range(int(rng.integers(1, 4))):
        kind = rng.random()
        if kind < 0.28:
            _fingerprint(scene, rng)
        elif kind < 0.5:
            _smear(scene, rng)
        elif kind < 0.9:
            _beads(scene, rng)
        else:
            _bead(scene, rng, *scene.spot(rng, 160), float(rng.uniform(80, 170)), 0.24)


def _fingerprint(scene: Scene, rng: Rng) -> None:
    at_u, at_v = scene.spot(rng, 100)
    radius, turn = float(rng.uniform(75, 120)), float(rng.uniform(0, np.pi))
    window = scene.around(at_u, at_v, radius * 1.5)
    u, v = scene.coordinates(window)
    a = ((u - at_u) * np.float32(np.cos(turn)) + (v - at_v) * np.float32(np.sin(turn))) / np.float32(radius)
    b = ((v - at_v) * np.float32(np.cos(turn)) - (u - at_u) * np.float32(np.sin(turn))) / np.float32(radius * 0.72)
    shape = (a.shape[1], a.shape[0])
    whorl = np.hypot(a * 1.15, b - 0.25) + 0.10 * np.arctan2(b - 0.25, a) + 0.035 * clouds(rng, shape)
    ridges = 0.5 + 0.5 * np.sin(whorl * np.float32(2 * np.pi * radius / rng.uniform(9.5, 13)))
    touch = np.exp(-np.square(np.square(a) + np.square(b))) * np.clip(0.75 + 0.3 * clouds(rng, shape), 0.1, 1.2)
    strength = np.float32(rng.uniform(18, 46))
    scene.add(window, touch * (0.3 + 0.7 * ridges) * strength, (1.0, 0.98, 0.92))


def _smear(scene: Scene, rng: Rng) -> None:
    """A wiped film whose colours come from its thickness, as on any thin film."""
    at_u, at_v = scene.spot(rng, 90)
    long, wide, turn = float(rng.uniform(110, 260)), float(rng.uniform(45, 110)), float(rng.uniform(0, np.pi))
    window = scene.around(at_u, at_v, long * 1.6)
    u, v = scene.coordinates(window)
    a = ((u - at_u) * np.float32(np.cos(turn)) + (v - at_v) * np.float32(np.sin(turn))) / np.float32(long)
    b = ((v - at_v) * np.float32(np.cos(turn)) - (u - at_u) * np.float32(np.sin(turn))) / np.float32(wide)
    b = b + np.float32(rng.normal(0, 0.5)) * a * a
    uneven = clouds(rng, (a.shape[1], a.shape[0]))
    film = np.exp(-np.square(a * a + b * b)) * np.clip(0.8 + 0.25 * uneven, 0.1, 1.3)
    streaks = 0.8 + 0.2 * np.interp(b, np.linspace(-2, 2, 41), rng.standard_normal(41)).astype(np.float32)
    thickness = film * np.float32(rng.uniform(0.9, 1.8)) + 0.1 * uneven
    strength = float(rng.uniform(18, 46))
    for plane, wave in zip(scene.planes, (1.0, 1.18, 1.38), strict=True):
        colour = 0.55 + 0.45 * np.cos(np.float32(2 * np.pi * wave) * thickness)
        plane[window] += film * streaks * colour * np.float32(strength)


def _beads(scene: Scene, rng: Rng) -> None:
    left, top, right, bottom = scene.display()
    at_u, at_v = scene.spot(rng, 90)
    for _ in range(int(rng.integers(1, 4))):
        _bead(scene, rng, at_u, at_v, float(rng.uniform(12, 52)), 0.10)
        at_u = float(np.clip(at_u + rng.normal(0, 110), left + 30, right - 30))
        at_v = float(np.clip(at_v + rng.normal(0, 80), top + 30, bottom - 30))


def _bead(scene: Scene, rng: Rng, at_u: float, at_v: float, radius: float, wobble: float) -> None:
    """A clear drop: the lamp glares in its lower rim, fainter and greenish in the upper one, now and then inside."""
    edge, angle, window = _blob(scene, rng, at_u, at_v, radius, wobble, float(rng.uniform(1.0, 1.9)))
    lit = angle + np.float32(scene.angle)  # the direction in the photo: light comes from the rig, not from the phone
    thick = np.float32(rng.uniform(1.6, 5.0))
    lower = _facing(lit, float(rng.normal(np.pi / 2, 0.4)), float(rng.uniform(1.5, 5)))
    upper = _facing(lit, float(rng.normal(-np.pi / 2, 0.4)), float(rng.uniform(2, 6)))
    glare = np.exp(-np.square((edge + thick) / thick)) * np.float32(rng.uniform(110, 250))
    bow = np.exp(-np.square((edge + 3 * thick) / (np.float32(1.6) * thick))) * np.float32(rng.uniform(25, 110))
    broken = np.clip(0.75 + 0.5 * np.cos(angle * int(rng.integers(2, 7)) + np.float32(rng.uniform(0, 6.3))), 0.1, 1.2)
    scene.add(window, -3 * inside(edge, scene.scale), (1, 1, 1))
    scene.add(window, glare * (lower * broken + np.float32(0.06)), (0.95, 0.98, 1.1))
    scene.add(window, bow * upper, (0.78, 1.0, 0.92))
    scene.add(window, bow * lower * np.float32(rng.uniform(0, 0.7)), (0.7, 0.8, 1.2))


def _facing(angle: Array, towards: float, narrowness: float) -> Array:
    """1 where the rim faces a direction, falling to 0 on the far side."""
    facing: Array = np.power(np.maximum(np.cos(angle - np.float32(towards)), 0), np.float32(narrowness))
    return facing


def _stain(scene: Scene, rng: Rng) -> None:
    kind = rng.random()
    if kind < 0.7:
        _crumbs(scene, rng)
    if kind > 0.5:
        _dried_splashes(scene, rng)


def _crumbs(scene: Scene, rng: Rng) -> None:
    """Small solid spots, brighter than anything else on the glass: paint, paste, food."""
    tint_of_all = (1.0, float(rng.uniform(0.93, 1.0)), float(rng.uniform(0.72, 1.12)))
    for _ in range(int(rng.integers(1, 7))):
        at_u, at_v = scene.spot(rng, 40)
        radius = float(rng.uniform(2.5, 10))
        edge, _, window = _blob(scene, rng, at_u, at_v, radius, 0.35, float(rng.uniform(1, 2)))
        solid = 1 / (1 + np.exp(np.clip(edge * np.float32(1.6), -20, 20)))
        body = solid * np.clip(0.85 + 0.3 * clouds(rng, (edge.shape[1], edge.shape[0]), (9, 9)), 0.3, 1.2)
        scene.add(window, body * np.float32(rng.uniform(90, 225)), tint_of_all)


def _dried_splashes(scene: Scene, rng: Rng) -> None:
    """Residue collects at a drop's edge as it dries (the coffee-ring effect)."""
    for _ in range(int(rng.integers(2, 8))):
        at_u, at_v = scene.spot(rng, 50)
        radius = float(rng.uniform(7, 26) if rng.random() < 0.65 else rng.uniform(26, 62))
        edge, angle, window = _blob(scene, rng, at_u, at_v, radius, 0.13)
        uneven = 0.72 + 0.28 * np.cos(angle * int(rng.integers(1, 4)) + np.float32(rng.uniform(0, 6)))
        rim = np.exp(-np.square((edge + 2) / np.float32(rng.uniform(2.0, 4.0)))) * uneven
        haze = inside(edge, scene.scale) * (0.22 + 0.10 * clouds(rng, (edge.shape[1], edge.shape[0])))
        strength = np.float32(rng.uniform(22, 85))
        brownish = (1.0, float(rng.uniform(0.93, 1.0)), float(rng.uniform(0.78, 1.0)))
        scene.add(window, (rim + haze) * strength, brownish)


def _blob(
    scene: Scene, rng: Rng, at_u: float, at_v: float, radius: float, wobble: float, stretch: float = 1.0
) -> tuple[Array, Array, Window]:
    """Distance to an uneven, stretched circle (negative inside) and the angle around it, with its window."""
    turn, grow = float(rng.uniform(0, np.pi)), float(np.sqrt(stretch))
    window = scene.around(at_u, at_v, radius * grow * 1.7 + 14)
    u, v = scene.coordinates(window)
    du, dv = u - np.float32(at_u), v - np.float32(at_v)
    a = (du * np.float32(np.cos(turn)) + dv * np.float32(np.sin(turn))) / np.float32(grow)
    b = (dv * np.float32(np.cos(turn)) - du * np.float32(np.sin(turn))) * np.float32(grow)
    around = np.arctan2(b, a)
    border = np.full_like(around, radius)
    for lobes in (2, 3, 4):
        phase = np.float32(rng.uniform(0, 6.3))
        border += np.float32(radius * wobble * rng.normal(0, 1) / lobes) * np.cos(lobes * around + phase)
    return np.hypot(a, b) - border, np.arctan2(dv, du), window


def _dust(scene: Scene, rng: Rng) -> None:
    count = int(rng.integers(12, 70))
    spots = np.array([scene.spot(rng, 12) for _ in range(count)], np.float32)
    sizes = np.minimum(rng.lognormal(0.9, 0.45, count), 6).astype(np.float32)
    specks = Path(spots[:, 0], spots[:, 1], sizes, rng.uniform(25, 150, count).astype(np.float32))
    window, light = stamp(scene, specks)
    scene.add(window, light, (1.0, 0.99, 0.96))
    for _ in range(int(rng.integers(1, 6))):
        _lint(scene, rng)


def _lint(scene: Scene, rng: Rng) -> None:
    """A fibre: even, soft and curled, with no dark flanks, in the colour of its cloth."""
    length, bend = float(rng.uniform(40, 130)), float(rng.choice([-1, 1]) * rng.uniform(0.4, 1.7))
    curl = stroke(scene, rng, length, float(rng.uniform(0, np.pi)), 3.2, float(rng.uniform(22, 60)), bend)
    even = Path(curl.u, curl.v, np.full_like(curl.width, rng.uniform(2.4, 4.0)), curl.strength)
    window, light = stamp(scene, even)
    scene.add(window, light, tint(rng, 0.75, 1.1))


DIRT: dict[str, Callable[[Scene, Rng], None]] = {"oil": _oil, "stain": _stain, "dust": _dust}
