"""Heat maps for people: the network's map as a violet veil over the photo."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# heat 0..255 -> red, green, blue, alpha: clear, then deep violet, then a light core
STOPS = (0, 40, 128, 210, 255)
TONES = ((76, 29, 149, 0), (91, 33, 182, 40), (124, 58, 237, 150), (167, 139, 250, 190), (237, 233, 254, 215))
TABLE: NDArray[np.uint8] = np.stack(
    [np.interp(np.arange(256), STOPS, [tone[channel] for tone in TONES]) for channel in range(4)], axis=1
).astype(np.uint8)  # (256, 4)


def colourise(heatmap: NDArray[np.uint8], size: tuple[int, int]) -> Image.Image:
    """A heat map (h, w), uint8 with 255 = surely scratched, as an RGBA picture of `size` (width, height).

    Cold places are fully clear, so that the picture can be laid over the photo as it is.
    """
    heat = Image.fromarray(heatmap).resize(size, Image.Resampling.BICUBIC)
    return Image.fromarray(TABLE[np.asarray(heat)], "RGBA")
