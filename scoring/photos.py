"""From a file or picture to pixels: decoded as 8-bit RGB, never larger than is needed, whatever it was.

Checking that a file is a safe photo happens at intake, long before; these photos were stored by the product, or
named by an operator on a command line.
"""

import warnings
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LONGEST_EDGE = 2048  # pixels; a larger photo is reduced: a hairline of a 48-megapixel photo is eight pixels wide
SMALLEST_EDGE = 64  # pixels
DOUBLED_TO = 640  # pixels; a photo whose longest edge has at most half of this is doubled: the network's first step
# halves, and a line of one pixel needs two to come through it
ORIENTATION = 0x0112  # the field of EXIF
MOST_PIXELS = 50_000_000  # as at intake; more are never decoded


class Kept(Protocol):
    """A photo in whatever store; `open` raises ConnectionError while that does not answer."""

    @property
    def name(self) -> str: ...

    def open(self, mode: str = ..., /) -> BinaryIO: ...


Photo = Image.Image | Path | Kept | str
Pixels = NDArray[np.uint8]  # (H, W, 3)

# Pillow only warns of a bomb from 89 megapixels on; here a limit of our own answers.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class Unfit(ValueError):
    """The photo can be read but is not one to judge; the text says why."""


def open_photo(source: Photo) -> Image.Image:
    """The photo as 8-bit RGB, its longest edge at most `LONGEST_EDGE`, a small one doubled.

    16-bit greys keep their upper eight bits; greyscale, CMYK and palettes are converted; transparency is dropped.

    Raises
    ------
    Unfit
        When an edge is under `SMALLEST_EDGE`, or there are more than `MOST_PIXELS` to hold.
    OSError, SyntaxError, ValueError
        When the file is missing, cut short or not a photo.
    ConnectionError
        When the store of the photo does not answer: it may be a good one.
    """
    if isinstance(source, Image.Image):
        return _fitted(source)
    try:
        kept = Path(source) if isinstance(source, str) else source
        with kept.open("rb") as file, Image.open(file) as image:
            _check_size(image)
            if max(image.size) >= 2 * LONGEST_EDGE:
                image.draft("RGB", (LONGEST_EDGE, LONGEST_EDGE))  # a JPEG is decoded at a half, quarter or eighth
            return _fitted(image)
    except Image.DecompressionBombError as error:
        raise Unfit(f"photo has more than {MOST_PIXELS:,} pixels") from error


def _fitted(image: Image.Image) -> Image.Image:
    _check_size(image)
    colour = _eight_bit_rgb(image)
    if max(colour.size) <= DOUBLED_TO // 2:
        return colour.resize((2 * colour.width, 2 * colour.height), Image.Resampling.BICUBIC)
    if max(colour.size) > LONGEST_EDGE:
        share = LONGEST_EDGE / max(colour.size)
        size = (max(SMALLEST_EDGE, round(colour.width * share)), max(SMALLEST_EDGE, round(colour.height * share)))
        colour = colour.resize(size, Image.Resampling.BOX)
    return colour


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if min(width, height) < SMALLEST_EDGE:
        raise Unfit(f"photo is too small: {width} x {height} pixels, at least {SMALLEST_EDGE} a side are needed")
    if width * height > MOST_PIXELS:
        raise Unfit(f"photo has more than {MOST_PIXELS:,} pixels")


def _eight_bit_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        image.load()
        return image
    if image.mode.startswith("I"):  # 16-bit greyscale, which a plain conversion would clip to white
        return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")


def why_not_as_sent(path: Path) -> str:
    """Why a server would not score these bytes as they are; empty: it would.

    Intake keeps a photo's pixels, but turns upright what EXIF says lies on its side, and takes no file of several
    pictures. Whoever scores before it has to leave such photos to it.
    """
    try:
        with Image.open(path, formats=["JPEG", "PNG", "WEBP"]) as image:
            if image.getexif().get(ORIENTATION, 1) in range(2, 9):
                return "the camera marks the photo as turned, and the server turns it upright first"
            return "the file holds several pictures" if getattr(image, "n_frames", 1) > 1 else ""
    except Exception as error:  # decoders raise anything on broken bytes
        return f"unreadable photo: {type(error).__name__}"
