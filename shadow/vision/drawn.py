"""Renderings as training photos: what a starter learns from, and what a site's own training is reminded of."""

import io
import itertools
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from shadow.vision.splits import TrainingItem
from shadow.vision.synthetic import CONTAMINATIONS, NUISANCES, Rendering, Rig, render

FLAW_SHARES = {"none": 0.30, "scratch": 0.40, "oil": 0.10, "stain": 0.10, "dust": 0.10}
HAIRLINES = 0.4  # of the scratched, in photos that are not squeezed: squeezing wipes hairlines out
WHITE = 0.35  # share of phones with a white front; most variants are black, and white ones must not mean "no scratch"
FURTHER_DIRT = 0.2  # the chance of each contamination beside the main flaw
NUISANCE = 0.3  # and of each thing that looks like a scratch and is none
OTHER_RIG = 0.7
FINE_SHARE = (
    1 / 6
)  # of a site's reminders; more found every hairline, but streaks of oil were taken for scratches again
# Width and height of the photo, and to what it is squeezed then: a line has to be known at any scale.
SIZES: tuple[tuple[float, tuple[int, int], tuple[int, int] | None], ...] = (
    (0.30, (1920, 1080), None),
    (0.20, (960, 540), None),
    (0.15, (1280, 720), (640, 360)),
    (0.35, (960, 540), (256, 256)),
)
T = TypeVar("T")
Draw = Callable[[int, Path], TrainingItem]
Rng = np.random.Generator
SEED_STEP = 1_000_000  # parts of seed n are rendered from n * SEED_STEP on, clear of the small seeds of demos


def part(seed: int, size: tuple[int, int], hairlines: float = HAIRLINES) -> Rendering:
    """One part as any line might bring it, in a rig of its own, among things that look like scratches and are none."""
    rng = np.random.default_rng([seed, 11])
    flaw = str(rng.choice(list(FLAW_SHARES), p=list(FLAW_SHARES.values())))
    return render(
        seed, flaw=flaw, size=size, hairline=flaw == "scratch" and rng.random() < hairlines,
        **_surroundings(rng), blur=float(max(0.0, rng.normal(-0.7, 1.0))),
    )  # fmt: skip


def _surroundings(rng: Rng) -> dict[str, Any]:
    """What phone it is, in whose light, and what else is on it."""
    return {
        "variant": "classic" if rng.random() < WHITE else None,
        "contaminations": [kind for kind in CONTAMINATIONS if rng.random() < FURTHER_DIRT],
        "nuisances": [kind for kind in NUISANCES if rng.random() < NUISANCE],
        "rig": Rig.drawn(rng) if rng.random() < OTHER_RIG else None,
        "lighting": float(rng.lognormal(0, 0.15)),
    }


def plain_part(seed: int) -> Rendering:
    """One part in the rig of the demos, whose lamp and focus wander a little."""
    rng = np.random.default_rng([seed, 11])
    flaw = str(rng.choice(list(FLAW_SHARES), p=list(FLAW_SHARES.values())))
    return render(
        seed, flaw=flaw, size=SIZES[int(rng.integers(2))][1], hairline=flaw == "scratch" and rng.random() < 0.25,
        contaminations=[kind for kind in CONTAMINATIONS if rng.random() < FURTHER_DIRT],
        lighting=float(rng.lognormal(0, 0.08)), blur=float(max(0.0, rng.normal(-0.5, 1.0))),
    )  # fmt: skip


def fine_part(seed: int) -> Rendering:
    """One part at full size, with hairlines or with nothing but what looks like them."""
    rng = np.random.default_rng([seed, 11])
    scratched = bool(rng.random() < 0.5)
    return render(
        seed, flaw="scratch" if scratched else "none", size=SIZES[0][1], hairline=scratched,
        **_surroundings(rng), blur=float(max(0.0, rng.normal(-1.0, 1.0))),
    )  # fmt: skip


def draw(seed: int, folder: Path) -> TrainingItem:
    """Render one part into a folder: a photo that has been through JPEG, and a mask beside it."""
    rng = np.random.default_rng([seed, 13])
    _, size, squeezed = SIZES[int(rng.choice(len(SIZES), p=[share for share, _, _ in SIZES]))]
    return _kept(part(seed, size, HAIRLINES if squeezed is None else 0.0), squeezed, f"rendering-{seed}", folder, rng)


def draw_plain(seed: int, folder: Path) -> TrainingItem:
    """As `draw`, of a plain part."""
    return _kept(plain_part(seed), None, f"plain-rendering-{seed}", folder, np.random.default_rng([seed, 13]))


def draw_fine(seed: int, folder: Path) -> TrainingItem:
    """As `draw`, of a part at full size that has hairlines or none of a scratch, in equal shares."""
    rng = np.random.default_rng([seed, 13])
    return _kept(fine_part(seed), None, f"fine-rendering-{seed}", folder, rng)


def _kept(drawn: Rendering, squeezed: tuple[int, int] | None, name: str, folder: Path, rng: Rng) -> TrainingItem:
    photo, mask = Image.fromarray(drawn.image), Image.fromarray(drawn.mask.astype(np.uint8) * 255)
    if squeezed:
        photo = photo.resize(squeezed, Image.Resampling.BOX)
        mask = mask.resize(squeezed, Image.Resampling.BOX).point(lambda level: 255 * (level > 40))
    path, mask_path = folder / f"{name}.jpg", folder / f"{name}.png"
    path.write_bytes(_as_jpeg(photo, int(rng.integers(82, 97))))
    mask.save(mask_path)
    scratched = mask.getbbox() is not None
    return TrainingItem(path, scratched, name, mask_path if scratched else None)


def _as_jpeg(photo: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=quality)
    return file.getvalue()


def drawn_items(seed: int, parts: int, folder: Path, processes: int = 2, *, how: Draw = draw) -> Iterator[TrainingItem]:
    """Training items of `parts` renderings in order; the files lie in the folder, and are made by several processes."""
    first = seed * SEED_STEP + (draw, draw_fine, draw_plain).index(how) * SEED_STEP // 4
    yield from in_processes(how, [(number, folder) for number in range(first, first + parts)], processes)


def reminders(seed: int, parts: int, folder: Path, processes: int = 2) -> Iterator[TrainingItem]:
    """Renderings for a site's own training, some at full size: a site may have had no hairline for weeks."""
    fine = round(parts * FINE_SHARE)
    yield from drawn_items(seed, parts - fine, folder, processes)
    if fine:
        yield from drawn_items(seed, fine, folder, processes, how=draw_fine)


def in_processes(work: Callable[..., T], calls: list[tuple[object, ...]], processes: int) -> Iterator[T]:
    """Results of `work` in order. Spawned, not forked: torch does not survive a fork. One process is this one."""
    if processes < 2:
        yield from itertools.starmap(work, calls)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=spawn) as pool:
        yield from pool.map(work, *zip(*calls, strict=True), chunksize=8)
