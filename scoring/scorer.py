"""From photos to answers: the one code by which a server and a station score, whatever runs the two networks."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Self

import numpy as np

from scoring.answers import Answer, Failure, WeightsRefused
from scoring.calibration import Calibration
from scoring.graph import Engine, Graph
from scoring.grid import ARCHITECTURE
from scoring.marks import heat_map, marks_of
from scoring.novelty import Floats, Novelty
from scoring.photos import Photo
from scoring.running import Seen, heat_by, photo_logit, run
from scoring.views import Timings, View, read_view, timed

MAX_VIEWS = 8


@dataclass
class Prepared:
    """An inspection whose photos are read; `failure` is of the first view that cannot be scored."""

    views: list[View]
    failure: Failure | None = None


class Scorer:
    """One model version, ready to score: its two networks, and what was frozen with it.

    `figures` are the text fields that its weights carry: architecture, slope, offset, threshold, thresholds and quality
    (the last two JSON). Raises WeightsRefused where one lacks or makes no sense.
    """

    def __init__(self, network: Engine, locator: Engine, figures: Mapping[str, str], novelty: Novelty) -> None:
        try:
            self.calibration = Calibration(float(figures["slope"]), float(figures["offset"]))
            self.threshold = float(figures["threshold"])
            self.thresholds: list[float] = json.loads(figures["thresholds"])
            self.limits = {name: (low, high) for name, (low, high) in json.loads(figures["quality"]).items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise WeightsRefused(f"weights lack a sound calibration or threshold: {error}") from error
        self.network, self.locator, self.novelty = network, locator, novelty
        self.locate = heat_by(locator)

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


class BundleScorer(Scorer):
    """A version made of the files that a server has exported: the same graphs, so the same scores to the last bit."""

    @classmethod
    def from_files(
        cls, *, network: bytes, locator: bytes, figures: Mapping[str, str], novelty: tuple[Floats, Floats]
    ) -> Self:
        """Of two ONNX graphs, the figures, and the mean and whitening of the novelty. Raises WeightsRefused."""
        must_fit(figures)
        try:
            mean, whiten = novelty
            known = Novelty(mean, whiten, float(figures["novelty_limit"]))
            graphs = Graph(network), Graph(locator)
        except Exception as error:  # ONNX Runtime's errors have no class in common
            raise WeightsRefused(f"the files are no version that this code runs: {error}") from error
        return cls(*graphs, figures, known)

    @classmethod
    def from_bundle(cls, files: Mapping[str, bytes]) -> Self:
        """Of network.onnx, locator.onnx, figures.json and figures.npz. Raises WeightsRefused."""
        try:
            figures = {str(name): str(value) for name, value in json.loads(files["figures.json"]).items()}
            with np.load(io.BytesIO(files["figures.npz"]), allow_pickle=False) as arrays:
                novelty = arrays["mean"].astype(np.float64), arrays["whiten"].astype(np.float64)
            network, locator = files["network.onnx"], files["locator.onnx"]
        except (KeyError, AttributeError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise WeightsRefused(f"the files are no version that this code runs: {error}") from error
        return cls.from_files(network=network, locator=locator, figures=figures, novelty=novelty)


def must_fit(figures: Mapping[str, str]) -> None:
    """Raises WeightsRefused for weights of another architecture."""
    if figures.get("architecture") != ARCHITECTURE:
        found = figures.get("architecture", "none")
        raise WeightsRefused(f"weights are for architecture {found}, this code runs {ARCHITECTURE}")
