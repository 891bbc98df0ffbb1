"""From photos of any size to tiles of one size: what the network looks at in each epoch, and what it should say.

A small photo is one tile. Of a large photo tiles are cut where they teach most: round known scratches, where the
network of a moment ago is hottest (the likeliest scratch of a scratched photo, the likeliest false alarm of a good
one), and anywhere.
"""

import math
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from scoring.grid import COLD, MAP_STRIDE
from scoring.photos import Pixels
from scoring.views import Locate, View, read_view
from shadow.vision.network import photo_logits
from shadow.vision.splits import TrainingItem

TILE = 256  # pixels a side
SMALL = 352  # pixels; a photo with no longer side is one tile
TILE_IN = 6 * TILE * TILE  # pixels of a large photo for each of its tiles in an epoch
LEAST_CELLS, SCRATCHED_CELLS = 1, 6  # of a tile's map: under the first it is good, from the second on scratched
MIXED = 0.5  # share of the tiles of which a patch is moved onto another phone
PATCH = (14, 72)  # pixels from its spot to each edge of such a patch
FRAMED = 0.4  # share of the tiles that are given a piece of another phone's frame
FRAME_FROM = (12, 160)  # pixels from the tile's spot to the frame
FRAME_TONES = (1.2, 0.6)  # of a beta distribution over the grey levels: mostly bright ones
LEAST_BOX = 32  # pixels a side
SCRATCHED_SHARE = 0.25  # of an epoch's tiles at least, by repeating scratched photos up to `REPEATED` times
REPEATED = 8  # times at most; a training's own photos too, up to half of an epoch's tiles: for both reasons up to 64
KEPT_BYTES = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4  # of photos; what is over is read again

Rng = np.random.Generator
Planes = NDArray[np.uint8]  # (h, w, 3): scratch, known, here; 255 = yes


@dataclass
class Stock:
    """The photos of a training, read through the same door as at the line."""

    items: Sequence[TrainingItem]
    locate: Locate
    further: int = 0  # so many of the last items are renderings or the like, beside what the training is about
    hottest: dict[int, tuple[int, int]] = field(default_factory=dict)  # item: pixel (y, x) of its window
    heat: dict[int, float] = field(default_factory=dict)  # item: logit there
    unfit: dict[int, str] = field(default_factory=dict)
    _kept: dict[int, View] = field(default_factory=dict)
    _scratches: dict[int, NDArray[np.int32]] = field(default_factory=dict)
    _bytes: int = 0

    def read(self, threads: int, heed: Callable[[], None] = lambda: None) -> None:
        """Read all photos there is room for. Raises ValueError when one cannot be read, and what `heed` raises."""
        pool = ThreadPoolExecutor(threads, "photos")
        try:
            for _ in pool.map(self.view, range(len(self.items))):
                heed()
        finally:
            pool.shutdown(cancel_futures=True)

    def view(self, index: int) -> View:
        """The item's view. Raises ValueError when the photo cannot be read."""
        if index in self._kept:
            return self._kept[index]
        item = self.items[index]
        source = Image.fromarray(item.photo) if isinstance(item.photo, np.ndarray) else item.photo
        view = read_view(source, self.locate, {})
        if view.failure.startswith("unreadable"):
            raise ValueError(f"cannot read the photo {item.photo!s:.120}: {view.failure}")
        if view.failure:
            self.unfit[index] = view.failure
        elif self._bytes < KEPT_BYTES:
            assert view.pixels is not None
            self._bytes += view.pixels.nbytes
            self._kept[index] = view
        return view

    def planes(self, index: int, top: int, left: int) -> Planes:
        """What is known of each pixel of a tile: scratched, whether that is known, whether the photo's scratch may be
        here, nobody having said where."""
        item, view = self.items[index], self.view(index)
        assert view.pixels is not None
        height, width = view.pixels.shape[:2]
        planes = np.zeros((TILE, TILE, 3), np.uint8)
        inside = _shifted(slice(0, height), top), _shifted(slice(0, width), left)
        if not item.label or item.mask is not None:
            planes[(*inside, 1)] = 255
        if item.label and item.mask is not None:
            spots = self.scratch(index) - (top, left)
            y, x = spots[((spots >= 0) & (spots < TILE)).all(axis=1)].T
            planes[y, x, 0] = 255
        elif item.label and item.boxes:
            for rows, columns in (_window_of(box, view) for box in item.boxes):
                planes[_shifted(rows, top), _shifted(columns, left), 2] = 255
        elif item.label:
            planes[(*inside, 2)] = 255
        return planes

    def scratch(self, index: int) -> NDArray[np.int32]:
        """The pixels (n, 2) of the item's view, as (y, x), that its mask says are scratched."""
        if index not in self._scratches:
            marked = np.argwhere(self._mask(self.items[index], self.view(index)))
            self._scratches[index] = marked.astype(np.int32)
        return self._scratches[index]

    def _mask(self, item: TrainingItem, view: View) -> NDArray[np.uint8]:
        """The item's scratch pixels in its view's window, 255 = scratch."""
        try:
            if isinstance(item.mask, np.ndarray):
                mask = Image.fromarray(item.mask.astype(np.uint8) * 255)
            else:
                assert item.mask is not None
                with Image.open(item.mask) as opened:
                    mask = opened.convert("L").point(lambda level: 255 * (level > 127))
        except (OSError, SyntaxError, ValueError) as error:
            raise ValueError(f"cannot read the mask {item.mask!s:.120}: {error}") from error
        if mask.size != view.size:
            mask = mask.resize(view.size, Image.Resampling.BOX).point(lambda level: 255 * (level > 24))
        left, top, across, down = view.window
        assert view.pixels is not None
        plane = np.zeros(view.pixels.shape[:2], np.uint8)
        plane[:down, :across] = np.asarray(mask.crop((left, top, left + across, top + down)))
        return plane

    def tiles(self, index: int) -> int:
        """How many tiles an epoch cuts from the photo."""
        pixels = self.view(index).pixels
        return 1 if pixels is None else max(1, round(pixels.shape[0] * pixels.shape[1] / TILE_IN))

    def is_large(self, index: int) -> bool:
        pixels = self.view(index).pixels
        return pixels is not None and max(pixels.shape[:2]) > SMALL


def _window_of(box: tuple[float, float, float, float], view: View) -> tuple[slice, slice]:
    """A box of the photo in the pixels of its view, at least `LEAST_BOX` a side: a person may have set a point."""
    assert view.pixels is not None
    sides = []
    for axis, (start, length) in enumerate(zip(box[1::-1], box[:1:-1], strict=True)):
        size, offset, end = view.size[1 - axis], view.window[1 - axis], view.pixels.shape[axis]
        middle, half = (start + length / 2) * size - offset, max(LEAST_BOX, length * size) / 2
        sides.append(slice(min(max(0, int(middle - half)), end), min(max(0, int(middle + half)), end)))
    return sides[0], sides[1]


def _shifted(side: slice, start: int) -> slice:
    """A side of a rectangle as a tile that begins at `start` has it; empty where it lies beside the tile."""
    return slice(*(min(max(0, at - start), TILE) for at in (side.start, side.stop)))


def plan(stock: Stock, members: NDArray[np.intp], rng: Rng) -> list[int]:
    """The items of an epoch's tiles in a random order, scratched ones and the training's own repeated where they are rare.

    Of a scratched part whose photos have neither mask nor box, only the hottest photo is taken: the label is the
    part's, and the other photos may show nothing.
    """
    usable = [int(i) for i in members if stock.view(int(i)).failure == ""]
    taken = set(usable) - _other_views(stock, usable)
    tiles = [i for i in usable if i in taken for _ in range(stock.tiles(i))]
    own = [i for i in tiles if i < len(stock.items) - stock.further]
    if own:
        tiles += own * (min(REPEATED, math.ceil((len(tiles) - len(own)) / len(own))) - 1)
    scratched = [i for i in tiles if stock.items[i].label]
    good = len(tiles) - len(scratched)
    if scratched and good:
        wanted = SCRATCHED_SHARE / (1 - SCRATCHED_SHARE) * good
        tiles += scratched * (min(REPEATED, math.ceil(wanted / len(scratched))) - 1)
    return [tiles[i] for i in rng.permutation(len(tiles))]


def _other_views(stock: Stock, members: Sequence[int]) -> set[int]:
    parts: dict[str, list[int]] = defaultdict(list)
    for i in members:
        item = stock.items[i]
        if item.part and item.label and item.mask is None and not item.boxes:
            parts[item.part].append(i)
    return {i for views in parts.values() for i in views if i != max(views, key=lambda v: stock.heat.get(v, 0.0))}


@dataclass(frozen=True)
class Tile:
    """A tile of an item, black and unknown where the photo does not reach."""

    pixels: Pixels  # (256, 256, 3)
    planes: Planes  # (256, 256, 3)
    label: bool
    spot: tuple[int, int] | None  # the pixel (y, x) where its scratch is, or is most likely; None: not in this tile


def tile_of(stock: Stock, index: int, rng: Rng) -> Tile:
    """A tile of an item for one epoch."""
    pixels = stock.view(index).pixels
    assert pixels is not None
    top, left = _start(stock, index, rng) if stock.is_large(index) else _anywhere(pixels.shape, rng)
    cut = stock.planes(index, top, left)
    return Tile(_cut(pixels, top, left), cut, stock.items[index].label, _spot(stock, index, cut, top, left, rng))


def _spot(stock: Stock, index: int, cut: Planes, top: int, left: int, rng: Rng) -> tuple[int, int] | None:
    if not stock.items[index].label:
        y, x = rng.integers(0, TILE, 2)
        return int(y), int(x)
    if len(marked := np.flatnonzero(cut[..., 0])):
        return divmod(int(marked[rng.integers(len(marked))]), TILE)
    y, x = (at - start for at, start in zip(stock.hottest.get(index, (-1, -1)), (top, left), strict=True))
    return (y, x) if 0 <= y < TILE and 0 <= x < TILE and cut[y, x, 2] else None


def mixed(tiles: Sequence[Tile], rng: Rng) -> list[Tile]:
    """The same tiles, some with a patch of theirs, where its scratch is, moved onto a good tile of the batch.

    Without it a network learns which phones were scratched instead of what a scratch is: all photos of a phone have
    one label (after CutMix: Yun et al., ICCV 2019, arXiv:1905.04899). Good patches are moved too, or the seam itself
    would tell.
    """
    hosts = [tile for tile in tiles if not tile.label]
    return [
        _pasted(tile, hosts[rng.integers(len(hosts))], rng) if hosts and tile.spot and rng.random() < MIXED else tile
        for tile in tiles
    ]


def _pasted(donor: Tile, host: Tile, rng: Rng) -> Tile:
    assert donor.spot is not None
    pixels, planes = host.pixels.copy(), host.planes.copy()
    up, down, before, behind = rng.integers(*PATCH, 4)
    y, x = donor.spot
    window = slice(max(0, y - up), y + down), slice(max(0, x - before), x + behind)
    pixels[window], planes[window] = donor.pixels[window], donor.planes[window]
    return Tile(pixels, planes, donor.label, donor.spot)


def framed(tile: Tile, rng: Rng) -> Tile:
    """The same tile, perhaps with one side of it covered by another phone's frame.

    Few phones are white, and those of a training may all be scratched or all be good: what stands beside the glass must
    not count for or against what is on it.
    """
    if tile.spot is None or rng.random() >= FRAMED:
        return tile
    pixels, covered = frame(tile.pixels, tile.spot, rng)
    planes = tile.planes.copy()
    planes[covered] = (0, 255 if tile.planes[..., 1].any() else 0, 0)
    return Tile(pixels, planes, tile.label, tile.spot)


def frame(pixels: Pixels, spot: tuple[int, int], rng: Rng) -> tuple[Pixels, NDArray[np.bool_]]:
    """Pixels (h, w, 3) with a frame of any tone beyond a straight edge that passes the spot at any angle, some way off.

    Returns
    -------
    Pixels, bool (h, w)
        The new pixels, and which of them the frame covers.
    """
    angle, away = rng.uniform(0, 2 * np.pi), rng.uniform(*FRAME_FROM)
    y, x = np.ogrid[: pixels.shape[0], : pixels.shape[1]]
    beyond = (x - spot[1]) * np.cos(angle) + (y - spot[0]) * np.sin(angle) - away  # pixels
    beyond = beyond.astype(np.float32)[..., None]  # (h, w, 1)
    cover = np.clip(beyond + 0.5, 0, 1)
    tone = rng.beta(*FRAME_TONES) * 255 + rng.normal(0, 5, 3) + rng.normal(0, 0.1) * beyond.clip(0)
    made = pixels * (1 - cover) + tone.clip(0, 255) * cover
    return (made + 0.5).astype(np.uint8), cover[..., 0] > 0.5


def _start(stock: Stock, index: int, rng: Rng) -> tuple[int, int]:
    """Where a tile of a large photo begins."""
    item, view = stock.items[index], stock.view(index)
    assert view.pixels is not None
    if item.label and item.mask is not None and len(stock.scratch(index)) and rng.random() < 0.7:
        spots = stock.scratch(index)
        y, x = spots[rng.integers(len(spots))]
        return _round(int(y), int(x), rng)
    if item.label and item.mask is None and item.boxes:
        rows, columns = _window_of(item.boxes[rng.integers(len(item.boxes))], view)
        y, x = (int(rng.integers(side.start, max(side.stop, side.start + 1))) for side in (rows, columns))
        return _round(y, x, rng)
    surest = item.label and item.mask is None
    if index in stock.hottest and (surest or rng.random() < 0.5):
        return _round(*stock.hottest[index], rng)
    return _anywhere(view.pixels.shape, rng)


def _round(y: int, x: int, rng: Rng) -> tuple[int, int]:
    """A tile that has the pixel well inside, so that a small turn does not lose it."""
    down, across = rng.integers(TILE // 4, 3 * TILE // 4, 2)
    return y - int(down), x - int(across)


def _anywhere(shape: tuple[int, ...], rng: Rng) -> tuple[int, int]:
    top, left = (int(rng.integers(min(0, side - TILE), max(0, side - TILE) + 1)) for side in shape[:2])
    return top, left


def _cut(pixels: NDArray[np.uint8], top: int, left: int) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    tile = np.zeros((TILE, TILE, pixels.shape[2]), np.uint8)
    y0, x0, y1, x1 = max(0, top), max(0, left), min(height, top + TILE), min(width, left + TILE)
    if y1 > y0 and x1 > x0:
        tile[y0 - top : y1 - top, x0 - left : x1 - left] = pixels[y0:y1, x0:x1]
    return tile


@dataclass(frozen=True)
class Targets:
    """What a batch of maps (B, h, w) should say."""

    cells: Tensor  # (B, h, w): 1 = scratched
    known: Tensor  # (B, h, w): 1 = the cell's truth is known
    here: Tensor  # (B, h, w): 1 = where the photo's label has to be seen
    labels: Tensor  # (B,)
    weights: Tensor  # (B,): 0 where the tile's label is not known


def targets_of(planes: Tensor, labels: Tensor) -> Targets:
    """Targets from planes (B, 3, S, S) in 0..1, moved with their tiles, and the photos' labels (B,)."""
    scratch, known, here = (
        (functional.max_pool2d(planes[:, i : i + 1], MAP_STRIDE)[:, 0] > 0.35).float() for i in range(3)
    )
    count = scratch.sum(dim=(1, 2))  # (B,)
    somewhere = (labels > 0) & (here.sum(dim=(1, 2)) >= SCRATCHED_CELLS)  # nobody said where
    place = torch.where(somewhere[:, None, None], here, torch.ones_like(here))
    scratched = (somewhere | (count >= SCRATCHED_CELLS)).float()
    between = (count >= LEAST_CELLS) & (count < SCRATCHED_CELLS)
    lost = (labels > 0) & (known.mean(dim=(1, 2)) < 0.25)  # the augmentation moved it out of the tile
    return Targets(scratch, known, place, scratched, (somewhere | ~(between | lost)).float())


def loss_of(maps: Tensor, targets: Targets) -> Tensor:
    """Cross-entropy of the tiles by their hottest cells, and of the cells whose truth is known.

    The cells' loss is per scratched cell, of which a tile is taken to have at least 20, so that the few scratched ones
    weigh as much as all of the glass around them.
    """
    masked = torch.where(targets.here > 0, maps, torch.full_like(maps, COLD))
    tiles = functional.binary_cross_entropy_with_logits(photo_logits(masked), targets.labels, reduction="none")
    each = functional.binary_cross_entropy_with_logits(maps, targets.cells, reduction="none")
    many = torch.maximum(targets.cells.sum(), 20.0 * targets.known.amax(dim=(1, 2)).sum()).clamp(min=1)
    return (tiles * targets.weights).sum() / targets.weights.sum().clamp(min=1) + (each * targets.known).sum() / many
