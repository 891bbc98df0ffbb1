"""The quality gate: figures of a photo's light and focus, and why a photo is not one to judge by."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BLANK_SPREAD = 1.2  # grey levels; sensor noise alone comes to 0.1, a black phone in a dim rig to twice this
MOST_CLIPPED = 0.75  # share of pixels at white: a white phone that fills the photo comes to 0.4
PATCH = 160  # pixels a side; sharpness is measured on a few places at the photo's own resolution
WATCHED = ("brightness", "contrast", "sharpness")  # the figures that have limits of the version's own
ROOM = 2.0  # how far outside of what a version was calibrated on its limits lie, as a factor
NO_SHARPER = 8.0  # and for sharpness upwards: a cleaner lens is no reason to refuse

Limits = Mapping[str, tuple[float, float]]


def measure(image: Image.Image, small: NDArray[np.uint8]) -> dict[str, float]:
    """Figures of an RGB photo and its small copy (h, w, 3): all but `clipped` in grey levels, 0..255.

    Returns
    -------
    dict
        `brightness` the mean, `contrast` the standard deviation, `sharpness` the standard deviation of the 4-neighbour
        Laplacian at the photo's own resolution (the largest of five places), `spread` the standard deviation between
        8 x 8 patches of the small copy, in which sensor noise cancels out: near 0 for a photo of nothing; `clipped`
        the share of white pixels and `cast` the largest distance of a colour's mean from the grey mean.
    """
    colours = small.reshape(-1, 3).mean(axis=0, dtype=np.float64)  # (3,)
    grey = small.mean(axis=2, dtype=np.float32)  # (h, w)
    height, width = (side - side % 8 for side in grey.shape)
    patches = grey[:height, :width].reshape(height // 8, 8, width // 8, 8).mean(axis=(1, 3))
    found = {
        "brightness": grey.mean(),
        "contrast": grey.std(),
        "sharpness": _sharpness(_places(image)).max(),
        "spread": patches.std(),
        "clipped": (grey >= 252).mean(),
        "cast": np.abs(colours - colours.mean()).max(),
    }
    return {name: round(float(value), 4) for name, value in found.items()}


def _places(image: Image.Image) -> NDArray[np.float32]:
    """The grey middle and middles of the four quarters, `PATCH` pixels a side at most: (5, h, w)."""
    width, height = image.size
    half_w, half_h = min(PATCH, width) // 2, min(PATCH, height) // 2
    centres = [(0.5, 0.5), (0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)]
    patches = []
    for x, y in centres:
        left = min(max(0, int(x * width - half_w)), width - 2 * half_w)
        top = min(max(0, int(y * height - half_h)), height - 2 * half_h)
        patches.append(np.asarray(image.crop((left, top, left + 2 * half_w, top + 2 * half_h)).convert("L")))
    return np.stack(patches).astype(np.float32)


def _sharpness(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Standard deviation of the Laplacian of patches (n, h, w): (n,)."""
    middle = grey[:, 1:-1, 1:-1]
    around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    laplacian = around - 4 * middle
    return laplacian.std(axis=(1, 2))  # type: ignore[no-any-return]


def refusal(figures: Mapping[str, float], limits: Limits) -> str:
    """Why the photo is refused; empty: it is fit to judge."""
    if not figures["spread"] >= BLANK_SPREAD:
        return "blank photo"
    if figures["clipped"] > MOST_CLIPPED:
        return f"overexposed photo: {100 * figures['clipped']:.0f} % of it is white"
    for name, (low, high) in limits.items():
        if not low <= figures[name] <= high:
            word = "low" if figures[name] < low else "high"
            return f"{name} is too {word}: {figures[name]:.1f}, the version knows {low:.1f} to {high:.1f}"
    return ""


def limits_of(figures: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    """Limits round the photos that a version was trained and calibrated on, `ROOM` times as wide; none without photos."""
    limits = {}
    for name in WATCHED if figures else ():
        low, high = np.quantile([photo[name] for photo in figures], [0.001, 0.999])
        room = NO_SHARPER if name == "sharpness" else ROOM
        limits[name] = (round(float(low) / ROOM, 4), round(float(high) * room, 4))
    return limits
