"""From a photo to what the network eats: opening, squeezing to a square, and the photo's own figures.

Checking that a file is a safe photo happens at intake, long before; these photos were stored by the product.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from shadow.vision.network import INPUT_SIZE

BLANK_SPREAD = 1.2  # grey levels; sensor noise alone comes to 0.1, a black phone in a dim rig to twice this

Photo = Image.Image | Path | str


def open_photo(source: Photo) -> Image.Image:
    """The photo as decoded RGB; a JPEG file is decoded at the smallest scale that still holds the square.

    Raises
    ------
    OSError, SyntaxError, ValueError
        When the file is missing, cut short or not a photo.
    """
    if isinstance(source, Image.Image):
        return source if source.mode == "RGB" else source.convert("RGB")
    with Image.open(source) as image:
        image.draft("RGB", (INPUT_SIZE, INPUT_SIZE))
        return image.convert("RGB")


def squeeze(image: Image.Image, size: int = INPUT_SIZE) -> Image.Image:
    """The whole photo as a square of `size` pixels; its aspect is given up, thin lines are averaged in."""
    return image.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=1.0)


def prepare(image: Image.Image) -> Tensor:
    """An RGB photo as the network's input: float32 (3, INPUT_SIZE, INPUT_SIZE) in 0..1."""
    return to_tensor(np.array(squeeze(open_photo(image))))


def to_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """uint8 (..., H, W, 3) to float32 (..., 3, H, W) in 0..1."""
    return torch.from_numpy(pixels).movedim(-1, -3).float().div_(255)  # (..., 3, H, W)


def measure(prepared: Tensor) -> dict[str, float]:
    """Figures of a prepared photo for watching the station: all in grey levels, 0..255.

    Returns
    -------
    dict
        `brightness` the mean, `contrast` the standard deviation, `sharpness` the standard deviation of the
        4-neighbour Laplacian, and `spread` the standard deviation between 8 x 8 pixel patches, in which
        sensor noise cancels out: near 0 for a photo of nothing.
    """
    grey = prepared.mean(dim=0) * 255  # (S, S)
    laplacian = (
        grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
    )  # (S - 2, S - 2)
    patches = torch.nn.functional.avg_pool2d(grey[None], 8)  # (1, S / 8, S / 8)
    values = {"brightness": grey.mean(), "contrast": grey.std(), "sharpness": laplacian.std()}
    return {name: round(float(value), 4) for name, value in {**values, "spread": patches.std()}.items()}


def is_blank(figures: dict[str, float]) -> bool:
    """Whether the photo shows nothing: a covered lens, a dead or a blinded camera."""
    return not figures["spread"] >= BLANK_SPREAD
