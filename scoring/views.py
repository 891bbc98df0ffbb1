"""One view on its way to the network: decoded, located, measured, cropped; or why it stops there.

Training and scoring read photos through this one door, so that a version is calibrated on what it will see.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring import locate, quality
from scoring.grid import COARSEST, MAP_STRIDE
from scoring.locate import Place, Window
from scoring.photos import Photo, Pixels, Unfit, open_photo

Locate = Callable[[NDArray[np.uint8]], NDArray[np.float32]]  # thumbnails (n, 128, 128, 3) to maps (n, 64, 64) in 0..1
Timings = dict[str, float]  # milliseconds by stage
Figures = dict[str, dict[str, Any]]  # by stage: numbers, and of the network's features a list


@dataclass
class View:
    """A photo and what each stage found; `failure` says why there is nothing to score."""

    pixels: Pixels | None = None  # (h, w, 3), the window's pixels, sides of multiples of `COARSEST`
    size: tuple[int, int] = (0, 0)  # width and height of the photo as decoded
    window: Window = (0, 0, 0, 0)  # before padding
    place: Place | None = None
    figures: Figures = field(default_factory=dict)
    timings: Timings = field(default_factory=dict)
    failure: str = ""

    def background(self) -> NDArray[np.bool_]:
        """Which cells of the network's map do not show the phone: (h / 4, w / 4)."""
        assert self.pixels is not None
        cells = (self.pixels.shape[0] // MAP_STRIDE, self.pixels.shape[1] // MAP_STRIDE)
        outside = locate.background(self.place, self.size, self.window, cells, MAP_STRIDE)
        outside[-(-self.window[3] // MAP_STRIDE) :] = True  # padding
        outside[:, -(-self.window[2] // MAP_STRIDE) :] = True
        return outside


def read_view(photo: Photo, locate_in: Locate, limits: quality.Limits) -> View:
    """Read one photo; never raises for what a photo may be, only ConnectionError when its store does not answer."""
    view = View()
    try:
        _read(view, photo, locate_in, limits)
    except Unfit as reason:
        view.failure = str(reason)
    except ConnectionError:
        raise  # nothing is known of the photo, so nothing is written about it
    except Exception as error:  # decoders raise anything on broken bytes
        view.failure = f"unreadable photo: {type(error).__name__}"
    return view


def _read(view: View, photo: Photo, locate_in: Locate, limits: quality.Limits) -> None:
    with timed(view.timings, "decode"):
        image = open_photo(photo)
        view.size = image.size
        view.figures["decode"] = {"width": image.width, "height": image.height}
    with timed(view.timings, "locate"):
        small = locate.thumbnail(image)
        view.place = locate.place_of(locate_in(small[None])[0], image.size)
        view.window = left, top, width, height = locate.window_of(view.place, image.size)
        if view.place:
            view.figures["locate"] = view.place.figures()
    with timed(view.timings, "quality"):
        view.figures["quality"] = quality.measure(image, small)
        view.failure = quality.refusal(view.figures["quality"], limits)
        if not view.failure and view.place is None:
            view.failure = "no phone in the photo"
        if not view.failure:
            cropped = image.crop((left, top, left + width, top + height))
            view.pixels = padded(np.asarray(cropped))


def padded(pixels: Pixels) -> Pixels:
    """The same pixels with black below and to the right, up to multiples of `COARSEST`."""
    height, width = (-(-side // COARSEST) * COARSEST for side in pixels.shape[:2])
    if (height, width) == pixels.shape[:2]:
        return pixels
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[: pixels.shape[0], : pixels.shape[1]] = pixels
    return canvas


@contextmanager
def timed(timings: dict[str, Any], stage: str) -> Iterator[None]:
    """Add the milliseconds spent inside to a stage."""
    started = time.perf_counter()
    yield
    timings[stage] = timings.get(stage, 0.0) + (time.perf_counter() - started) * 1000
