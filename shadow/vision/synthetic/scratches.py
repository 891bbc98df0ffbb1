"""Scratches: cuts, rubs and hairlines, each with its mask and box."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from shadow.vision.synthetic.arrays import Rng
from shadow.vision.synthetic.lines import SIGMA, Path, broken, covered, moved, rugged, stamp, stroke, thinned, wander
from shadow.vision.synthetic.scene import Scene

HAIRLINE_CONTRAST = (8.0, 35.0)  # grey levels over the glass after exposure
HAIRLINE_WIDTH = (1.0, 2.0)  # pixels of the photo, at half the peak
_FULL_WIDTH = 2.3548  # of a Gaussian at half its peak, in standard deviations


def draw_hardness(rng: Rng) -> float:
    """Mostly plain to see, one in twelve hard, some of these next to invisible."""
    return float(rng.uniform(0.5, 0.85) if rng.random() < 1 / 12 else rng.beta(1.2, 3.0) * 0.5)


def scratches(scene: Scene, rng: Rng, hardness: float) -> None:
    if rng.random() < 0.2:
        _scratch_cluster(scene, rng, hardness)
        return
    count = 1 if hardness > 0.75 else 1 + int(rng.binomial(4, 0.3))
    for _ in range(count):
        _scratch(scene, rng, hardness)


def _scratch(scene: Scene, rng: Rng, hardness: float) -> None:
    ease = 1 - hardness
    length = (45 + 420 * ease**1.4) * float(rng.lognormal(0, 0.35))
    width = 1.1 + 2.9 * ease * float(rng.uniform(0.4, 1.0))
    strength = 26 + 190 * ease * float(rng.uniform(0.7, 1.1))
    path = stroke(scene, rng, length, float(rng.uniform(0, np.pi)), width, strength, float(rng.normal(0, 0.22)))
    if rng.random() < 0.5:
        path = rugged(path, rng, length)
    path = broken(path, rng, int(rng.integers(0, 5)))
    paths = [path]
    if ease > 0.4 and rng.random() < 0.4:  # the tool skids: a fainter companion beside the cut
        off = np.float32(rng.choice([-1, 1]) * rng.uniform(5, 9))
        companion = Path(path.u + off, path.v + off, path.width * 0.6, path.strength * 0.3)
        paths.append(broken(companion, rng, 4))
    _engrave(scene, paths)


def _scratch_cluster(scene: Scene, rng: Rng, hardness: float) -> None:
    """Micro-scratches of one rub: many short, thin, nearly parallel lines with one box around them."""
    ease = 1 - hardness
    heading, (at_u, at_v) = float(rng.uniform(0, np.pi)), scene.spot(rng, 110)
    paths = []
    for _ in range(int(rng.integers(5, 9 + int(12 * ease)))):
        line = stroke(
            scene, rng, float(rng.uniform(22, 50 + 70 * ease)), heading + float(rng.normal(0, 0.16)),
            1.2 + 1.4 * ease, (26 + 165 * ease) * float(rng.uniform(0.5, 1.0)), float(rng.normal(0, 0.1)),
        )  # fmt: skip
        paths.append(moved(line, at_u + float(rng.normal(0, 34)), at_v + float(rng.normal(0, 26))))
    _engrave(scene, paths)


def hairlines(scene: Scene, rng: Rng, hardness: float, exposure: float) -> None:
    """One to three lines of a pixel or two, so faint that `exposure` is taken out of their strength again."""
    for _ in range(int(rng.integers(1, 4))):
        faintest, strongest = HAIRLINE_CONTRAST
        contrast = np.clip(strongest - hardness * (strongest - faintest) + rng.normal(0, 2.5), faintest, strongest)
        width = float(rng.uniform(*HAIRLINE_WIDTH)) / _FULL_WIDTH / SIGMA / scene.scale
        length = 60 * 10 ** float(rng.uniform(0, 1))
        heading, bend = float(rng.uniform(0, np.pi)), float(rng.normal(0, 0.18))
        line = stroke(scene, rng, length, heading, width, 1.0, bend, inset=70)
        count = len(line.u)
        uneven = np.clip(0.82 + 0.2 * wander(rng, count, max(5, int(length / 30))), 0.4, 1.0)
        ends = np.clip(np.minimum(np.arange(count), np.arange(count)[::-1]) / (0.12 * count), 0.35, 1.0)
        strength = (uneven * ends * (float(contrast) / exposure)).astype(np.float32)
        _engrave(scene, [replace(line, width=np.full(count, width, np.float32), strength=strength)], flanked=False)


def _engrave(scene: Scene, paths: Sequence[Path], flanked: bool = True) -> None:
    """Draw cuts with a bright core between dark flanks, and record their mask and one box around them."""
    mask = np.zeros_like(scene.mask)
    for path in paths:
        if flanked:
            window, flanks = stamp(scene, thinned(scene, path, spread=2.3), spread=2.3)
            for plane in scene.planes:
                plane[window] *= 1 - np.minimum(flanks * np.float32(1 / 420), 0.45)
        path = thinned(scene, path)
        window, core = stamp(scene, path)
        scene.add(window, core, (0.97, 0.99, 1.04))
        window, under = covered(scene, path, seen=3.0 if flanked else 0.0)
        mask[window] |= under
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):  # outside the photo
        return
    width, height = scene.size
    top, left = int(rows[0]), int(columns[0])
    box = (left / width, top / height, (columns[-1] + 1 - left) / width, (rows[-1] + 1 - top) / height)
    scene.mask |= mask
    scene.boxes.append((box[0], box[1], float(box[2]), float(box[3])))
