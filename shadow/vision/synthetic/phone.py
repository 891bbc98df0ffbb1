"""The phone on its mat: frame, front, display and what its black glass always mirrors."""

import numpy as np

from shadow.vision.synthetic.arrays import Array, Rng
from shadow.vision.synthetic.lines import Path, stamp
from shadow.vision.synthetic.mat import draw_mat
from shadow.vision.synthetic.models import Feature
from shadow.vision.synthetic.scene import Scene
from shadow.vision.synthetic.shapes import inside, rounded, step
from shadow.vision.synthetic.smooth import clouds, coarse_grid, enlarged, tint


def draw_phone(scene: Scene, phone_rng: Rng, view_rng: Rng) -> None:
    model = scene.model
    u, v = scene.coordinates(scene.everything)
    outline = rounded(u, v, model.length / 2, model.width / 2, model.radius)
    scene.phone, scene.front = outline < 0, inside(outline + 9, scene.scale)
    draw_mat(scene, view_rng, outline)
    _draw_body(scene, phone_rng, outline)
    _draw_display(scene, phone_rng, view_rng, u, v)
    for feature in model.features:
        _draw_feature(scene, feature)


def draw_edge_light(scene: Scene, rng: Rng) -> None:
    """The lamp in the rounded edge of the glass: a thin blue-white line along one long side, mostly the lower."""
    model = scene.model
    side = (1 if scene.cos > 0 else -1) * (1 if rng.random() < 0.8 else -1)
    half = model.length / 2 - model.radius
    start, share = float(rng.uniform(0, 0.5)), float(rng.uniform(0.3, 1.0))
    count = max(2, int(2 * half * scene.scale / 0.6))
    along = np.linspace(0, 1, count, dtype=np.float32)
    ends = np.minimum(step(along - start, 60), step(min(start + share, 1.0) - along, 60))
    depth = float(rng.uniform(3, 9))
    line = Path(
        (along * 2 - 1) * np.float32(half),
        np.full(count, side * (model.width / 2 - depth), np.float32),
        np.full(count, rng.uniform(2.0, 5.0), np.float32),
        ends * np.float32(rng.uniform(70, 230)),
    )
    window, light = stamp(scene, line)
    scene.add(window, light, (0.80, 0.93, 1.25))


def light_unevenly(scene: Scene) -> None:
    """The gradient of the rig's lamp over all that lies under it."""
    right, down = scene.rig.lamp
    if right or down:
        width, height = scene.size
        across = 1 + np.linspace(-right, right, width, dtype=np.float32)
        scene.planes *= across[None, :] + np.linspace(-down, down, height, dtype=np.float32)[:, None]


def _draw_body(scene: Scene, rng: Rng, outline: Array) -> None:
    """The metal frame with its bright chamfer, and the front glass from edge to edge."""
    model, whole = scene.model, scene.everything
    extent = abs(scene.sin) * model.length + abs(scene.cos) * model.width
    y = np.arange(scene.size[1], dtype=np.float32)[:, None] + np.float32(0.5 - scene.cy)
    upright = y * np.float32(-1 / (scene.scale * extent))  # (H, 1): the lamp stays above however the phone lies
    metal = (np.float32(0.72) + np.float32(0.95) * np.maximum(upright, -0.3)) * np.float32(scene.rig.rim)
    scene.cover(whole, inside(outline, scene.scale), model.frame, metal)
    chamfer = np.exp(-np.square((outline + 4.5) * np.float32(1 / 2.2)))
    scene.add(
        whole,
        chamfer * (np.maximum(upright + np.float32(0.12), 0) * np.float32(190 * scene.rig.rim)),
        (0.94, 0.97, 1.0),
    )
    warmth = float(rng.normal(1, 0.012))
    front = (model.front[0] * warmth, model.front[1], model.front[2] / warmth)
    scene.cover(whole, scene.front, front, 1 + upright * np.float32(0.10))


def _draw_display(scene: Scene, phone_rng: Rng, view_rng: Rng, u: Array, v: Array) -> None:
    left, top, right, bottom = scene.display()
    middle_u, middle_v = np.float32((left + right) / 2), np.float32((top + bottom) / 2)
    edge = rounded(u - middle_u, v - middle_v, (right - left) / 2, (bottom - top) / 2, scene.model.corner)
    alpha = inside(edge, scene.scale)
    red, green, blue = np.maximum(np.add(scene.model.glass, phone_rng.normal(0, 0.7, 3)) + scene.rig.glass, 0)
    scene.cover(scene.everything, alpha, (float(red), float(green), float(blue)))
    light = _mirrored(scene.size, view_rng)
    lip = np.exp(-np.square(edge * np.float32(1 / 2.4))) * np.float32(6)  # the display's edge catches light
    scene.add(
        scene.everything,
        light * (np.float32(0.6) + np.float32(0.4) * alpha) * scene.front + lip,
        (0.95, 0.99, 1.07),
    )
    room = np.maximum(clouds(view_rng, scene.size, (5, 4)), 0) * alpha  # colours of the room, mirrored
    scene.add(scene.everything, room, tint(view_rng, 0.0, 2.4))


def _mirrored(size: tuple[int, int], rng: Rng) -> Array:
    """What black glass mirrors: the lamps' two bands, and the camera with its cable in the middle."""
    x, y = coarse_grid(size, 160)
    across = x + float(rng.normal(0.5, 0.25)) * y - float(rng.uniform(-0.9, 0.9))
    broad = step(across + 0.32, 14) * step(0.30 - across, 10)
    narrow = step(across - 0.42, 18) * step(0.52 - across, 18)
    light = float(rng.uniform(4, 17)) * (broad + 0.5 * narrow) * (1.1 - 0.5 * y) + 5 - 6 * y + 2 * x * x
    dx, dy = x - float(rng.normal(0, 0.03)), y - float(rng.normal(0, 0.04))
    camera = step(0.085 - np.abs(dx), 90) * step(0.15 - np.abs(dy), 55)
    cable = step(0.02 - np.abs(dx), 110) * step(-0.1 - dy, 40)
    lens = np.exp(-np.square((np.hypot(dx / 0.034, dy / 0.06) - 1) * 2.2))
    light = light - 6 * np.maximum(camera, 0.6 * cable) + 3 * lens
    return enlarged(np.maximum(light, -8).astype(np.float32), size)


def _draw_feature(scene: Scene, feature: Feature) -> None:
    window = scene.around(feature.u, feature.v, max(feature.length, feature.width) + 6)
    u, v = scene.coordinates(window)
    half_u, half_v = feature.width / 2, feature.length / 2  # bars lie across the phone's length
    edge = rounded(u - feature.u, v - feature.v, half_u, half_v, min(half_u, half_v))
    scene.cover(window, inside(edge, scene.scale), (feature.level, feature.level, feature.level + 1))
    if feature.ring:
        ring = np.exp(-np.square((edge + 1.5) * np.float32(1 / 2.0))) * np.float32(feature.ring)
        scene.add(window, ring, (0.85, 0.95, 1.1))
        glint = np.exp(-(np.square(u - feature.u + half_u / 3) + np.square(v - feature.v + half_u / 3)) / 14)
        scene.add(window, glint * np.float32(feature.ring), (0.7, 0.8, 1.2))
