"""Photos that a small training can learn from, and that training."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from shadow.vision import training
from shadow.vision.runtime import locator_of
from shadow.vision.synthetic import render
from shadow.vision.training import TrainingItem
from tests.conftest import untrained_weights


def train(items, **options):
    """A training whose locator takes the whole photo for the phone."""
    return training.train(items, locator=locator_of(untrained_weights()), device="cpu", **options)


def photo(seed, scratched):
    """Dark glass with noise and, when scratched, a bright line; with the line's mask."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(40, 4, (256, 256, 3))
    pixels[:20] = 120  # a frame, so that it is not blank
    mask = np.zeros((256, 256), bool)
    if scratched:
        row, column = rng.integers(40, 180, 2)
        mask[row : row + 3, column : column + 60] = True
    pixels[mask] = 220
    return np.clip(pixels, 0, 255).astype(np.uint8), mask


def items(count, per_group=1):
    made = []
    for seed in range(count):
        pixels, mask = photo(seed, seed % 2 == 0)
        group = f"part-{seed // 2 // per_group}-{seed % 2}"
        made.append(TrainingItem(pixels, seed % 2 == 0, group, mask if seed % 2 == 0 else None))
    return made


def list_of_photos(folder: Path) -> str:
    """A CSV of small renderings, scratched and clean by turns."""
    with (folder / "photos.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", "split"])
        for number in range(12):
            flaw = "scratch" if number % 2 else "none"
            image = render(number, flaw=flaw, hardness=0.0, size=(240, 135)).image
            Image.fromarray(image).save(folder / f"{number}.png")
            rows.writerow([f"{number}.png", "scratched" if number % 2 else "ok", "a" if number < 8 else "b"])
    return str(folder / "photos.csv")
