"""Scoring at the line: for each inspection an answer, or the reason why there is none."""

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load as tensors_of

from shadow.vision.network import ARCHITECTURE, ScratchNet, channels_last
from shadow.vision.photos import is_blank, measure, open_photo, prepare

MAX_VIEWS = 8
MAX_MARKS = 12  # per photo; a person is helped by the strongest few
CHUNK = 16  # photos per forward pass; bounds the memory of a large batch
KEPT = 2  # scorers per process: the live version and one more

Box = tuple[float, float, float, float]
Timings = dict[str, float]


class WeightsRefused(ValueError):
    """The file is not a set of weights that this code can run."""


@dataclass(frozen=True)
class Mark:
    """A place that made the score: which photo, box (x, y, w, h) in 0..1, and its hottest cell's heat."""

    photo: int
    box: Box
    score: float


@dataclass(frozen=True)
class Answer:
    """What the model says about one inspection."""

    score: float  # calibrated P(scratched): the largest over the views
    photo_scores: list[float]
    heatmaps: list[NDArray[np.uint8]]  # (64, 64) each; 255 = surely scratched
    marks: list[Mark]
    timings: Timings  # milliseconds by stage: decode, prepare, network, marks
    figures: list[dict[str, float]]  # per photo: brightness, contrast, sharpness, spread in grey levels


@dataclass(frozen=True)
class Failure:
    """Why there is no answer: the part is a person's."""

    reason: str
    photo: int | None = None
    timings: Timings = field(default_factory=dict)


@dataclass
class _Views:
    """An inspection on its way through the stages."""

    tensors: list[torch.Tensor] = field(default_factory=list)
    figures: list[dict[str, float]] = field(default_factory=list)
    timings: Timings = field(default_factory=dict)
    failure: Failure | None = None


class Scorer:
    """One model version, ready to score; made by `load`."""

    def __init__(self, content: bytes) -> None:
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.metadata = metadata_of(content)
        if self.metadata.get("architecture") != ARCHITECTURE:
            found = self.metadata.get("architecture", "none")
            raise WeightsRefused(f"weights are for architecture {found}, this code runs {ARCHITECTURE}")
        try:
            self.temperature = float(self.metadata["temperature"])
            self.threshold = float(self.metadata["threshold"])
            self.thresholds: list[float] = json.loads(self.metadata["thresholds"])
        except (KeyError, ValueError) as error:
            raise WeightsRefused(f"weights lack a sound temperature or threshold: {error}") from error
        self.network = channels_last(ScratchNet().eval())
        try:
            self.network.load_state_dict(tensors_of(content))
        except (SafetensorError, RuntimeError) as error:
            raise WeightsRefused(f"weights do not fit the network: {error}") from error

    def score(self, batch: Sequence[Sequence[Image.Image | Path | str]]) -> list[Answer | Failure]:
        """Score inspections of 1 to 8 views each; the answers stand in the batch's order.

        A view that cannot be read, or that shows nothing, fails its own inspection and no other. Only a
        fault of the network itself is raised: it would hold for every part, so the whole batch is to be
        tried again.
        """
        inspections = [_read(views) for views in batch]
        tensors = [tensor for views in inspections if not views.failure for tensor in views.tensors]
        started = time.perf_counter()
        heat, scores = self._run(tensors)
        each = (time.perf_counter() - started) * 1000 / max(1, len(tensors))
        answers: list[Answer | Failure] = []
        at = 0
        for views in inspections:
            if views.failure:
                answers.append(views.failure)
                continue
            end = at + len(views.tensors)
            views.timings["network"] = each * len(views.tensors)
            answers.append(self._answer(views, heat[at:end], scores[at:end]))
            at = end
        return answers

    def _run(self, tensors: list[torch.Tensor]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Calibrated heat (N, 64, 64) and scores (N,) of prepared photos."""
        heat, scores = [np.zeros((0, 1, 1), np.float32)], [np.zeros(0, np.float32)]
        with torch.inference_mode():
            for start in range(0, len(tensors), CHUNK):
                photos = torch.stack(tensors[start : start + CHUNK])  # (B, 3, S, S)
                maps, logits = self.network(photos.contiguous(memory_format=torch.channels_last))
                heat.append(torch.sigmoid(maps / self.temperature).numpy())
                scores.append(torch.sigmoid(logits / self.temperature).numpy())
        return np.concatenate(heat[1:] or heat), np.concatenate(scores)

    def _answer(self, views: _Views, heat: NDArray[np.float32], scores: NDArray[np.float32]) -> Answer | Failure:
        if not np.isfinite(scores).all():
            return Failure("score is not a number", timings=views.timings)
        with _timed(views.timings, "marks"):
            marks = [
                mark
                for photo, score in enumerate(scores)
                if score >= self.threshold
                for mark in marks_of(heat[photo], photo)
            ]
            heatmaps = [np.rint(photo * 255).astype(np.uint8) for photo in heat]
        return Answer(float(scores.max()), [float(s) for s in scores], heatmaps, marks, views.timings, views.figures)


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
    content = Path(weights).read_bytes()
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


def marks_of(heat: NDArray[np.float32], photo: int) -> list[Mark]:
    """Boxes round the hot patches of a map (h, w) in 0..1, hottest first, at most `MAX_MARKS`.

    A cell is hot from 0.5, or from half of the map's peak where the peak itself is below 1: so a map that
    scored at all always has a mark. Cells that touch, corners included, are one patch.
    """
    hot = {(int(r), int(c)) for r, c in np.argwhere(heat >= min(0.5, float(heat.max()) / 2))}
    marks = []
    while hot:
        patch = _patch_around(hot.pop(), hot)
        rows, columns = [r for r, _ in patch], [c for _, c in patch]
        top, left = min(rows), min(columns)
        box = (
            left / heat.shape[1],
            top / heat.shape[0],
            (max(columns) + 1 - left) / heat.shape[1],
            (max(rows) + 1 - top) / heat.shape[0],
        )
        marks.append(Mark(photo, box, float(heat[rows, columns].max())))
    return sorted(marks, key=lambda mark: (-mark.score, mark.box))[:MAX_MARKS]


def _patch_around(cell: tuple[int, int], hot: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Takes the cells connected with `cell` out of `hot`."""
    patch, edge = [cell], [cell]
    while edge:
        row, column = edge.pop()
        touching = {(row + dr, column + dc) for dr in (-1, 0, 1) for dc in (-1, 0, 1)} & hot
        hot -= touching
        patch += touching
        edge += touching
    return patch


def _read(photos: Sequence[Image.Image | Path | str]) -> _Views:
    views = _Views()
    if not 1 <= len(photos) <= MAX_VIEWS:
        views.failure = Failure(f"{len(photos)} photos: an inspection has 1 to {MAX_VIEWS}")
        return views
    for index, photo in enumerate(photos):
        try:
            _read_one(views, photo)
        except Exception as error:  # decoders raise anything on broken bytes
            views.failure = Failure(f"unreadable photo: {type(error).__name__}", index, views.timings)
            return views
        if is_blank(views.figures[-1]):
            views.failure = Failure("blank photo", index, views.timings)
            return views
    return views


def _read_one(views: _Views, photo: Image.Image | Path | str) -> None:
    with _timed(views.timings, "decode"):
        image = open_photo(photo)
    with _timed(views.timings, "prepare"):
        tensor = prepare(image)
        views.figures.append(measure(tensor))
    views.tensors.append(tensor)


@contextmanager
def _timed(timings: Timings, stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    timings[stage] = timings.get(stage, 0.0) + (time.perf_counter() - started) * 1000
