"""Where the phone lies in a photo: a small network on a thumbnail, then the outline round what it found.

The photo is cropped to the phone and what lies outside its outline never counts, so that the mat's grain, a
cable or the shadow's edge cannot be taken for a scratch. It is not turned upright: resampling a line of one
pixel takes away up to half of its contrast, and a fully convolutional network does not mind the angle
(docs/adr/0008). When the outline is not sure, the whole photo is judged; when there is none, nobody pretends.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from scoring.grid import COARSEST

Floats = NDArray[np.float32]
Points = NDArray[np.float64]  # (n, 2), x and y

THUMBNAIL = 128  # pixels a side: the photo squeezed to a square
GRID = 64  # cells a side of the locator's map
LEAST_SHARE = 0.04  # of the photo; a phone smaller than this is none
LEAST_SURE = 0.80  # how well the outline is filled, and how sure its cells are
MARGIN = 1.5  # cells round the outline that still count: a scratch may run over the edge

Window = tuple[int, int, int, int]  # left, top, width, height in pixels


@dataclass(frozen=True)
class Place:
    """A phone in a photo; lengths as shares of the photo's sides."""

    outline: Points  # (n, 2) corners of its convex hull, x and y in 0..1
    share: float  # of the photo that it covers
    turn: float  # degrees from level to its long edge, -90 < turn <= 90, in the photo's own pixels
    sure: float  # 0..1

    @property
    def is_sure(self) -> bool:
        return self.sure >= LEAST_SURE

    def figures(self) -> dict[str, float]:
        return {"share": round(self.share, 4), "turn": round(self.turn, 2), "sure": round(self.sure, 4)}


def thumbnail(image: Image.Image) -> NDArray[np.uint8]:
    """The photo squeezed to (128, 128, 3)."""
    return np.asarray(image.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BILINEAR, reducing_gap=1.0))


def place_of(heat: Floats, size: tuple[int, int]) -> Place | None:
    """The phone in the locator's map (64, 64) in 0..1 of a photo of `size` (width, height); None: there is none."""
    parts, count = ndimage.label(heat > 0.5)
    if not count:
        return None
    areas = np.bincount(parts.ravel())[1:]
    inside = parts == 1 + int(areas.argmax())
    hull = _hull(inside)
    filled = _painted(hull, GRID)
    if filled.sum() < LEAST_SHARE * GRID * GRID:
        return None
    outline = hull / GRID
    solid = inside.sum() / filled.sum()
    return Place(outline, float(filled.mean()), _turn(outline * size), float(min(solid, heat[filled].mean())))


def _hull(inside: NDArray[np.bool_]) -> Points:
    """Corners of the convex hull of the cells, in cells (Andrew's monotone chain, 1979).

    Of each row only the first and the last cell can be on it.
    """
    rows = np.flatnonzero(inside.any(axis=1))
    first = inside[rows].argmax(axis=1)
    last = inside.shape[1] - inside[rows, ::-1].argmax(axis=1)  # the cell behind the last one
    ends = [
        (int(x), int(y) + below)
        for x, y in (*zip(first, rows, strict=True), *zip(last, rows, strict=True))
        for below in (0, 1)
    ]
    points = sorted(set(ends))
    return np.array(_chain(points) + _chain(points[::-1]), float)


def _chain(points: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """One side of the hull of sorted points, without its last corner."""
    side: list[tuple[int, int]] = []
    for x, y in points:
        while len(side) > 1:
            (ax, ay), (bx, by) = side[-2:]
            if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                break
            side.pop()
        side.append((x, y))
    return side[:-1]


def _painted(polygon: Points, cells: int) -> NDArray[np.bool_]:
    """Which cells of a square grid a polygon covers; it is given in cells."""
    canvas = Image.new("L", (cells * 4, cells * 4))
    ImageDraw.Draw(canvas).polygon([(x * 4, y * 4) for x, y in polygon], fill=255)
    return np.asarray(canvas.resize((cells, cells), Image.Resampling.BOX)) > 127


def _turn(corners: Points) -> float:
    """The angle of the long side of the smallest rectangle round the corners: one side lies on the hull's."""
    edges = np.diff(np.vstack([corners, corners[:1]]), axis=0)
    best = (math.inf, 0.0)
    for angle in np.unique(np.arctan2(edges[:, 1], edges[:, 0]) % (np.pi / 2)):
        turned = corners @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        width, height = np.ptp(turned, axis=0)
        best = min(best, (float(width * height), float(angle if width >= height else angle + np.pi / 2)))
    degrees = math.degrees(best[1])
    return degrees if degrees <= 90 else degrees - 180


def window_of(place: Place | None, size: tuple[int, int]) -> Window:
    """The pixels to score: the phone with a margin, sides of multiples of `COARSEST` where the photo has room for them.

    The whole photo where the phone's place is not sure.
    """
    width, height = size
    if place is None or not place.is_sure:
        return 0, 0, width, height
    low = np.maximum(place.outline.min(axis=0) - MARGIN / GRID, 0) * size
    high = np.minimum(place.outline.max(axis=0) + MARGIN / GRID, 1) * size
    left, across = _side(low[0], high[0], width)
    top, down = _side(low[1], high[1], height)
    return left, top, across, down


def _side(low: float, high: float, most: int) -> tuple[int, int]:
    length = min(most, math.ceil((high - low) / COARSEST) * COARSEST)
    start = int(np.clip(round((low + high - length) / 2), 0, most - length))
    return start, length


def background(
    place: Place | None, size: tuple[int, int], window: Window, cells: tuple[int, int], stride: int
) -> NDArray[np.bool_]:
    """Which cells of a map over the window lie outside the phone: (h, w); none where its place is not sure."""
    if place is None or not place.is_sure:
        return np.zeros(cells, np.bool_)
    canvas = Image.new("1", (cells[1], cells[0]), 1)
    corners = (place.outline * size - window[:2]) / stride
    reach = MARGIN / GRID * np.array(size) / stride
    middle = corners.mean(axis=0)
    grown = corners + np.sign(corners - middle) * reach
    ImageDraw.Draw(canvas).polygon([(float(x), float(y)) for x, y in grown], fill=0)
    return np.array(canvas)
