"""What is fixed with the weights when they have been learnt: calibration, thresholds, limits, and the figures of it all.

Everything is measured by the graph that will serve. Calibration and thresholds are fitted on the calibrate part as
of other days, limits and figures are of the photos as they are; the test part is looked at here for the first time.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from scoring import calibration, novelty, quality
from scoring.calibration import Calibration
from scoring.graph import Graph
from scoring.grid import ARCHITECTURE
from scoring.running import hottest_of, is_small, photo_logit, run
from shadow.vision import evaluation, gallery, sampling
from shadow.vision.another_day import on_another_day
from shadow.vision.locator import Locator
from shadow.vision.network import FEATURES, ScratchNet
from shadow.vision.serving import export
from shadow.vision.splits import SPLITS, TrainingItem, inspections_of

DAYS = 2  # other days on which the calibrate part is shown


@dataclass(frozen=True)
class Frozen:
    """What is fixed with the weights, and the scores by which it was."""

    calibration: Calibration
    novelty: novelty.Novelty
    limits: dict[str, tuple[float, float]]
    threshold: float
    thresholds: list[float]
    parts: dict[str, list[list[int]]]  # photos of each inspection, by split
    scores: dict[str, list[float | None]]
    labels: dict[str, list[bool]]
    novelties: dict[str, list[float]]

    def metadata(self, version: str) -> dict[str, str]:
        return {
            "architecture": ARCHITECTURE,
            "code_version": version,
            "slope": repr(self.calibration.slope),
            "offset": repr(self.calibration.offset),
            "threshold": repr(self.threshold),
            "thresholds": json.dumps(self.thresholds),
            "quality": json.dumps(self.limits),
            "novelty_limit": repr(self.novelty.limit),
        }

    def card(self) -> dict[str, Any]:
        looked_at = ("calibrate", "test")
        return {
            "calibration": {
                "method": f"Platt, on the calibrate part as on {DAYS} other days",
                "slope": self.calibration.slope,
                "offset": self.calibration.offset,
            },
            "novelty": {
                "method": "Mahalanobis distance of the network's features",
                "limit": self.novelty.limit,
                **{f"beyond_it_in_{split}": sum(d >= 1 for d in self.novelties[split]) for split in looked_at},
            },
            "quality": {name: list(limits) for name, limits in self.limits.items()},
            "threshold": self.threshold,
            "thresholds": self.thresholds,
            "figures": {
                split: evaluation.figures(self.scores[split], self.labels[split], self.threshold) for split in looked_at
            },
            "curves": {
                split: evaluation.curves_of(self.scores[split], self.labels[split], self.thresholds)
                for split in looked_at
            },
        }


def freeze(
    network: ScratchNet,
    stock: sampling.Stock,
    members: dict[str, NDArray[np.intp]],
    items: Sequence[TrainingItem],
    seed: int,
    heed: Callable[[], None] = lambda: None,
) -> Frozen:
    """Fit what goes with the weights, of the items by their splits; further photos in the stock are left out."""
    graph = Graph(export(network, ["maps", "features"]), threads=torch.get_num_threads())
    own = {
        split: [int(i) for i in members[split] if i < len(items) and not stock.view(int(i)).failure] for split in SPLITS
    }
    logits: dict[int, float] = {}
    features: dict[int, NDArray[np.float32]] = {}
    hottest: dict[int, tuple[int, int]] = {}
    for i in (i for split in SPLITS for i in own[split]):
        heed()
        (seen,) = run(graph, [stock.view(i)])
        logits[i], features[i], hottest[i] = photo_logit(seen.cells), seen.features, hottest_of(seen.cells)
    parts = {split: inspections_of(items, [int(i) for i in members[split] if i < len(items)]) for split in SPLITS}
    labels = {split: [items[views[0]].label for views in parts[split]] for split in SPLITS}

    rng = np.random.default_rng([seed, 29])
    days = [_another_day(graph, stock, {i: hottest[i] for i in own["calibrate"]}, rng) for _ in range(DAYS)]
    pairs = [
        (max(day[i] for i in views if i in day), label)
        for day in days
        for views, label in zip(parts["calibrate"], labels["calibrate"], strict=True)
        if any(i in day for i in views)
    ]
    answers, truth = np.array([z for z, _ in pairs], float), np.array([label for _, label in pairs], bool)
    fit = calibration.fit(answers, truth)
    calibrated = np.asarray(fit.probabilities(answers), np.float64)
    threshold = calibration.operating_threshold(calibrated, truth)

    scores = {
        split: [
            float(fit.probabilities(np.array(max(logits[i] for i in views))))
            if all(i in logits for i in views)
            else None
            for views in parts[split]
        ]
        for split in SPLITS
    }
    known, apart = (_stacked([features[i] for i in own[split]]) for split in ("train", "calibrate"))
    strange = novelty.fit(known, apart, [is_small(stock.view(i)) for i in own["train"]])
    figures = [stock.view(i).figures["quality"] for split in ("train", "calibrate") for i in own[split]]
    return Frozen(
        fit, strange, quality.limits_of(figures), threshold,
        calibration.threshold_order(calibrated, truth, threshold), parts, scores, labels,
        {split: strange.of(_stacked([features[i] for i in own[split]])).tolist() for split in SPLITS},
    )  # fmt: skip


def _another_day(
    graph: Graph, stock: sampling.Stock, hottest: Mapping[int, tuple[int, int]], rng: np.random.Generator
) -> dict[int, float]:
    """The logits of these photos, each disturbed round its hottest place."""
    logits = {}
    for i, spot in hottest.items():
        (seen,) = run(graph, [on_another_day(stock.view(i), spot, rng)])
        logits[i] = photo_logit(seen.cells)
    return logits


def _stacked(features: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    return np.stack(features).astype(float) if features else np.zeros((0, FEATURES))


def tensors_of(network: ScratchNet, locator: Locator, strange: novelty.Novelty) -> dict[str, Tensor]:
    """Everything that a version consists of, by name."""
    parts = {f"network.{name}": value for name, value in network.state_dict().items()}
    parts |= {f"locator.{name}": value for name, value in locator.state_dict().items()}
    parts |= {
        "novelty.mean": torch.from_numpy(strange.mean).float(),
        "novelty.whiten": torch.from_numpy(strange.whiten).float(),
    }
    return {name: value.contiguous().cpu() for name, value in parts.items()}


def gallery_of(items: Sequence[TrainingItem], frozen: Frozen) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """The test part's worst misses and false alarms as pictures."""
    parts, scores = frozen.parts["test"], frozen.scores["test"]
    found = gallery.worst(scores, frozen.labels["test"], frozen.threshold)
    pictures: dict[str, bytes] = {}
    entries: list[dict[str, Any]] = []
    for kind, rows in (("miss", found.misses), ("false_alarm", found.false_alarms)):
        for row in rows:
            item = items[parts[row][0]]
            photo = Image.fromarray(item.photo) if isinstance(item.photo, np.ndarray) else item.photo
            picture = gallery.picture_of(photo)
            digest = hashlib.sha256(picture).hexdigest()
            pictures[digest] = picture
            entries.append({"kind": kind, "score": scores[row], "photo": item.name, "picture": digest, "marks": []})
    return pictures, entries
