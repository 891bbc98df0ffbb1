"""Scoring at the line: for each inspection an answer, or the reason why there is none."""

import hashlib
import io
import json
import time
from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as tensors_of
from scipy.special import expit, logsumexp
from torch import Tensor
from torch.nn import Module

from shadow.vision.answers import Answer, Failure, WeightsRefused
from shadow.vision.calibration import Calibration
from shadow.vision.locate import GRID, THUMBNAIL, Locator
from shadow.vision.marks import Mark, heat_map, marks_of
from shadow.vision.network import ARCHITECTURE, COLD, MAP_STRIDE, PEAKS, ScratchNet
from shadow.vision.novelty import Novelty
from shadow.vision.photos import Photo, Pixels
from shadow.vision.serving import Engine, Graph, engine_of
from shadow.vision.views import Locate, Timings, View, read_view, timed

MAX_VIEWS = 8
SMALL_PIXELS = 512 * 512  # of a view: up to here it is looked at from `SIDES` sides
SIDES = 4  # as it is, mirrored, upside down, and both
CHUNK_PIXELS = 2_000_000  # per forward pass: two photos of a large camera at once take 3 % longer each than alone
KEPT = 2  # scorers per process: the live version and one more
CHECKED_ON = (256, 512)  # pixels of the photos on which graph and weights are compared

__all__ = ["Answer", "Failure", "Mark", "Scorer", "WeightsRefused", "load", "metadata_of"]


@dataclass
class Prepared:
    """An inspection whose photos are read; `failure` is of the first view that cannot be scored."""

    views: list[View]
    failure: Failure | None = None


class Seen(NamedTuple):
    """What the network saw in a view."""

    cells: NDArray[np.float32]  # (h, w) logits, cold outside the phone
    features: NDArray[np.float32]  # (120,)


def run(engine: Engine, views: Sequence[View], sides: int = SIDES) -> list[Seen]:
    """Run the network over views, those of one size together, within `CHUNK_PIXELS` a pass.

    A small view is looked at from several sides and its map is the hottest of theirs: a scratch of a few cells hangs
    on where the grid of pixels happens to cut it, and four small looks are no more pixels than a whole photo.
    """
    by_size: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for number, view in enumerate(views):
        assert view.pixels is not None
        by_size[view.pixels.shape].append(number)
    seen: dict[int, Seen] = {}
    for shape, alike in by_size.items():
        looks = sides if is_small(views[alike[0]]) else 1
        many = max(1, CHUNK_PIXELS // (looks * shape[0] * shape[1]))
        for start in range(0, len(alike), many):
            chunk = alike[start : start + many]
            began = time.perf_counter()
            maps, features = _looked_at(engine, _stacked([views[number] for number in chunk]), looks)
            each = (time.perf_counter() - began) * 1000 / len(chunk)
            for number, cells, feature in zip(chunk, maps, features, strict=True):
                views[number].timings["network"] = each
                seen[number] = Seen(np.where(views[number].background(), np.float32(COLD), cells), feature)
    return [seen[number] for number in range(len(views))]


def is_small(view: View) -> bool:
    """Whether the view is looked at from several sides."""
    assert view.pixels is not None
    return bool(view.pixels.shape[0] * view.pixels.shape[1] <= SMALL_PIXELS)


def _looked_at(engine: Engine, pixels: Pixels, looks: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The hottest map (B, h, w) and the mean features (B, 120) of the first `looks` sides of photos (B, H, W, 3)."""
    if looks == 1:
        maps, features = engine(pixels)
        return maps, features
    turns = (slice(None), slice(None, None, -1))
    sides = [(slice(None), down, across) for down in turns for across in turns][:looks]
    maps, features = engine(np.concatenate([pixels[side] for side in sides]))
    count = len(pixels)
    turned = [maps[count * at : count * (at + 1)][side] for at, side in enumerate(sides)]
    return np.maximum.reduce(turned), features.reshape(looks, count, -1).mean(axis=0)


def _stacked(views: Sequence[View]) -> NDArray[np.uint8]:
    """The pixels of views of one size: (B, h, w, 3)."""
    pixels = [view.pixels for view in views if view.pixels is not None]
    return pixels[0][None] if len(pixels) == 1 else np.stack(pixels)


def photo_logit(cells: NDArray[np.float32]) -> float:
    """As `network.photo_logits`, of one map (h, w)."""
    flat = cells.ravel()
    many = min(PEAKS, flat.size)
    return float(logsumexp(np.partition(flat, flat.size - many)[flat.size - many :].astype(float)) - np.log(many))


def hottest_of(cells: NDArray[np.float32]) -> tuple[int, int]:
    """The first pixel (y, x) of a map's hottest cell."""
    row, column = divmod(int(cells.argmax()), cells.shape[1])
    return row * MAP_STRIDE, column * MAP_STRIDE


def heat_by(engine: Engine) -> Locate:
    """The locator run by an engine."""

    def locate(thumbnails: NDArray[np.uint8]) -> NDArray[np.float32]:
        (logits,) = engine(thumbnails)
        return np.asarray(expit(logits.reshape(-1, GRID, GRID)), np.float32)

    return locate


def locate_with(locator: Locator) -> Locate:
    """The locator as it will be run at the line."""
    return heat_by(engine_of(locator, ["maps"], (THUMBNAIL, THUMBNAIL))[0])


class Scorer:
    """One model version, ready to score; made by `load`."""

    def __init__(self, content: bytes) -> None:
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.metadata = metadata_of(content)
        if self.metadata.get("architecture") != ARCHITECTURE:
            found = self.metadata.get("architecture", "none")
            raise WeightsRefused(f"weights are for architecture {found}, this code runs {ARCHITECTURE}")
        try:
            self.calibration = Calibration(float(self.metadata["slope"]), float(self.metadata["offset"]))
            self.threshold = float(self.metadata["threshold"])
            self.thresholds: list[float] = json.loads(self.metadata["thresholds"])
            self.limits = {name: (low, high) for name, (low, high) in json.loads(self.metadata["quality"]).items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise WeightsRefused(f"weights lack a sound calibration or threshold: {error}") from error
        parts = _parts_of(content)
        network = _filled(ScratchNet(), parts["network"])
        locator = _filled(Locator(), parts["locator"])
        self.novelty = _novelty_of(parts["novelty"], self.metadata)
        try:
            self.network, self.largest_difference = engine_of(network, ["maps", "features"], CHECKED_ON)
            self.locator, _ = engine_of(locator, ["maps"], (THUMBNAIL, THUMBNAIL))
            self.locate = heat_by(self.locator)
        except ArithmeticError as error:
            raise WeightsRefused(str(error)) from error

    @property
    def engine(self) -> str:
        return self.network.engine

    def score(self, batch: Sequence[Sequence[Photo]]) -> list[Answer | Failure]:
        """Score inspections of 1 to 8 views each; the answers stand in the batch's order.

        A view that cannot be read, or that is not fit to judge by, fails its own inspection and no other. Only a
        fault of the network itself is raised: it would hold for every part, so the whole batch is to be tried again.
        """
        return self.answer(self.read(batch))

    def read(self, batch: Sequence[Sequence[Photo]]) -> list[Prepared]:
        """Decode, locate and measure; needs no network of its own thread, so it may run beside `answer`."""
        return [self._read(photos) for photos in batch]

    def _read(self, photos: Sequence[Photo]) -> Prepared:
        if not 1 <= len(photos) <= MAX_VIEWS:
            return Prepared([], Failure(f"{len(photos)} photos: an inspection has 1 to {MAX_VIEWS}"))
        ready = Prepared([])
        for number, photo in enumerate(photos):
            view = read_view(photo, self.locate, self.limits)
            ready.views.append(view)
            if view.failure:
                figures = [seen.figures for seen in ready.views]
                ready.failure = Failure(view.failure, number, _together(ready.views), figures)
                break
        return ready

    def answer(self, batch: Sequence[Prepared]) -> list[Answer | Failure]:
        """Run the network over what was read, photos of one size together, and say what it saw."""
        views = [view for ready in batch if ready.failure is None for view in ready.views]
        seen = iter(run(self.network, views))
        return [ready.failure or self._answer(ready.views, list(islice(seen, len(ready.views)))) for ready in batch]

    def _answer(self, views: list[View], found: list[Seen]) -> Answer | Failure:
        timings = _together(views)
        with timed(timings, "score"):
            logits = np.array([photo_logit(seen.cells) for seen in found])
            if not np.isfinite(logits).all():
                return Failure("score is not a number", timings=timings)
            scores = self.calibration.probabilities(logits)
            features = np.stack([seen.features for seen in found])  # (photos, 120)
            novelties, leading = self.novelty.of(features), self.novelty.coordinates(features)
            heats = [self.calibration.probabilities(seen.cells).astype(np.float32) for seen in found]
            marks = [
                mark
                for number, (view, heat) in enumerate(zip(views, heats, strict=True))
                if scores[number] >= self.threshold
                for mark in marks_of(heat, number, view.window, view.size)
            ]
            heatmaps = [heat_map(heat, view.window, view.size) for view, heat in zip(views, heats, strict=True)]
        figures = [
            {
                **view.figures,
                "network": {"features": [round(float(x), 4) for x in place]},
                "score": {"logit": round(float(z), 4), "novelty": round(float(d), 4)},
            }
            for view, place, z, d in zip(views, leading, logits, novelties, strict=True)
        ]
        return Answer(
            float(scores.max()), float(novelties.max()), [float(s) for s in scores], heatmaps, marks, timings, figures
        )


def _together(views: Sequence[View]) -> Timings:
    return {
        stage: sum(view.timings.get(stage, 0.0) for view in views)
        for stage in dict.fromkeys(stage for view in views for stage in view.timings)
    }


FIGURES = ("architecture", "slope", "offset", "threshold", "thresholds", "quality", "novelty_limit")


def files_of(scorer: Scorer) -> dict[str, bytes]:
    """What a station needs to score as this version does: the two graphs, the novelty's figures, and what else the weights
    say. Raises WeightsRefused where the version runs in torch itself, without a graph."""
    graphs = {"network.onnx": scorer.network, "locator.onnx": scorer.locator}
    found = {name: graph.content for name, graph in graphs.items() if isinstance(graph, Graph)}
    if len(found) < len(graphs):
        raise WeightsRefused("this process runs the version on a GPU; export it where there is none")
    figures = io.BytesIO()
    np.savez(figures, mean=scorer.novelty.mean, whiten=scorer.novelty.whiten)
    told = {name: scorer.metadata[name] for name in FIGURES}
    return found | {"figures.npz": figures.getvalue(), "figures.json": json.dumps(told, sort_keys=True).encode()}


def load(weights: Path) -> Scorer:
    """The scorer of a weights file; the last two are kept per process, by the file's SHA-256.

    Sets torch to one thread first: workers are one process per core, and a multi-threaded operation before a
    fork hangs the child.

    Raises
    ------
    OSError
        When the file cannot be read.
    WeightsRefused
        When it is not a set of weights for this code.
    """
    torch.set_num_threads(1)
    return scorer_of(Path(weights).read_bytes())


def scorer_of(content: bytes) -> Scorer:
    """The scorer of the bytes of a weights file; see `load`."""
    key = hashlib.sha256(content).hexdigest()
    with _lock:
        if key not in _kept:
            _kept[key] = Scorer(content)
        _kept.move_to_end(key)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
        return _kept[key]


_kept: OrderedDict[str, Scorer] = OrderedDict()
_lock = Lock()


def metadata_of(content: bytes) -> dict[str, str]:
    """The text fields of a safetensors file: 8 bytes of length, then a JSON header that holds them."""
    try:
        header: dict[str, Any] = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        return dict(header.get("__metadata__", {}))
    except (ValueError, AttributeError) as error:
        raise WeightsRefused("not a safetensors file") from error


def locator_of(content: bytes) -> Locator:
    """What finds the phone in a version's photos, for a training that begins from it. Raises WeightsRefused."""
    locator: Locator = _filled(Locator(), _parts_of(content)["locator"])
    return locator


def _parts_of(content: bytes) -> dict[str, dict[str, Tensor]]:
    """The file's tensors by the first word of their names: network, locator, novelty."""
    try:
        tensors = tensors_of(content)
    except SafetensorError as error:
        raise WeightsRefused(f"weights cannot be read: {error}") from error
    parts: dict[str, dict[str, Tensor]] = defaultdict(dict)
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = tensor
    return parts


def _filled(module: Module, tensors: dict[str, Tensor]) -> Any:
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise WeightsRefused(f"weights do not fit the network: {error}") from error
    return module.eval()


def _novelty_of(tensors: dict[str, Tensor], metadata: dict[str, str]) -> Novelty:
    try:
        mean, whiten = (tensors[name].double().numpy() for name in ("mean", "whiten"))
        return Novelty(mean, whiten, float(metadata["novelty_limit"]))
    except (KeyError, ValueError) as error:
        raise WeightsRefused(f"weights lack the features of their training: {error}") from error
