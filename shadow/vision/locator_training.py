"""Trains the locator on renderings: phones on any mat, at any angle, cut by the photo's edge, or not there at all."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional

from scoring.locate import GRID, THUMBNAIL, thumbnail
from shadow.vision import augmentation
from shadow.vision.locator import Locator
from shadow.vision.network import to_tensor
from shadow.vision.synthetic import CONTAMINATIONS, FLAWS, NUISANCES, Rig, render

ABSENT = 0.12  # share of photos without a phone
BATCH = 32
LEARNING_RATE = 3e-3
AWAY = (3200.0, 0.0)  # units: a phone moved by this is out of the photo

Rng = np.random.Generator
Sample = tuple[NDArray[np.uint8], NDArray[np.uint8]]  # thumbnail (128, 128, 3) and phone (128, 128), 255 = phone


def sample(seed: int) -> Sample:
    """One rendered photo as the locator sees it."""
    rng = np.random.default_rng([seed, 31])
    rig = Rig.drawn(rng)
    if rng.random() < ABSENT:
        if rng.random() < 0.4:
            return _nothing(rng), np.zeros((THUMBNAIL, THUMBNAIL), np.uint8)
        rig = Rig(**{**vars(rig), "shift": AWAY})
    drawn = render(
        seed, flaw=str(rng.choice(FLAWS)), size=(480, 270), rig=rig,
        contaminations=[kind for kind in CONTAMINATIONS if rng.random() < 0.2],
        nuisances=[kind for kind in NUISANCES if rng.random() < 0.3],
        lighting=float(rng.lognormal(0, 0.35)), blur=float(max(0.0, rng.normal(0, 2))),
    )  # fmt: skip
    phone = Image.fromarray(drawn.phone.astype(np.uint8) * 255).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return thumbnail(Image.fromarray(drawn.image)), np.asarray(phone)


def _nothing(rng: Rng) -> NDArray[np.uint8]:
    """Clouds, noise or an even grey: what a covered or wrongly aimed camera sees."""
    cells = int(rng.integers(2, 24))
    clouds = rng.normal(rng.uniform(20, 200), rng.uniform(0, 60), (cells, cells, 3)).clip(0, 255).astype(np.uint8)
    smooth = np.asarray(Image.fromarray(clouds).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BICUBIC), np.float32)
    noisy: NDArray[np.uint8] = (smooth + rng.normal(0, rng.uniform(0, 40), smooth.shape)).clip(0, 255).astype(np.uint8)
    return noisy


def train_locator(
    samples: Sequence[Sample], *, epochs: int, seed: int, tell: Callable[[str], None] = lambda words: None
) -> Locator:
    """Fit a locator; equal samples, epochs and seed give equal weights on the same CPU and thread count."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        locator = Locator()
    optimiser = torch.optim.AdamW(locator.parameters(), lr=LEARNING_RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, LEARNING_RATE, total_steps=epochs * -(-len(samples) // BATCH)
    )
    rng = np.random.default_rng([seed, 37])
    for epoch in range(1, epochs + 1):
        losses = []
        for batch in _batches(len(samples), rng):
            losses.append(_step(locator, optimiser, [samples[i] for i in batch], rng))
            schedule.step()
        tell(f"locator, epoch {epoch} of {epochs}: loss {np.mean(losses):.4f}")
    return locator.eval()


def _batches(count: int, rng: Rng) -> list[NDArray[np.intp]]:
    order = rng.permutation(count)
    return [order[at : at + BATCH] for at in range(0, count, BATCH)]


def _step(locator: Locator, optimiser: torch.optim.Optimizer, batch: Sequence[Sample], rng: Rng) -> float:
    photos = to_tensor(np.stack([photo for photo, _ in batch]))  # (B, 3, 128, 128)
    phones = torch.from_numpy(np.stack([phone for _, phone in batch]))[:, None].float() / 255  # (B, 1, 128, 128)
    photos, phones = augmentation.augment(photos, phones, rng)
    target = functional.avg_pool2d(phones, THUMBNAIL // GRID)[:, 0]  # (B, 64, 64)
    loss = functional.binary_cross_entropy_with_logits(locator(photos), target)
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return float(loss.detach())
