"""Scoring at the line: a version's weights, loaded, checked and kept as a scorer of `scoring`."""

import hashlib
import io
import json
from collections import OrderedDict, defaultdict
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as tensors_of
from torch import Tensor
from torch.nn import Module

from scoring import scorer
from scoring.answers import Answer, Failure, WeightsRefused
from scoring.graph import Graph
from scoring.locate import THUMBNAIL
from scoring.marks import Mark
from scoring.novelty import Novelty
from scoring.running import heat_by
from scoring.views import Locate
from shadow.vision.locator import Locator
from shadow.vision.network import ScratchNet
from shadow.vision.serving import Eager, engine_of

KEPT = 2  # scorers per process: the live version and one more
CHECKED_ON = (256, 512)  # pixels of the photos on which graph and weights are compared

__all__ = ["Answer", "Failure", "Mark", "Scorer", "WeightsRefused", "files_of", "load", "metadata_of"]


def locate_with(locator: Locator) -> Locate:
    """The locator as it will be run at the line."""
    return heat_by(engine_of(locator, ["maps"], (THUMBNAIL, THUMBNAIL))[0])


class Scorer(scorer.Scorer):
    """One model version, ready to score; made by `load`."""

    network: Graph | Eager
    locator: Graph | Eager

    def __init__(self, content: bytes) -> None:
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.metadata = metadata_of(content)
        scorer.must_fit(self.metadata)
        parts = _parts_of(content)
        network = _filled(ScratchNet(), parts["network"])
        locator = _filled(Locator(), parts["locator"])
        novelty = _novelty_of(parts["novelty"], self.metadata)
        try:
            served, self.largest_difference = engine_of(network, ["maps", "features"], CHECKED_ON)
            finder, _ = engine_of(locator, ["maps"], (THUMBNAIL, THUMBNAIL))
        except ArithmeticError as error:
            raise WeightsRefused(str(error)) from error
        super().__init__(served, finder, self.metadata, novelty)

    @property
    def engine(self) -> str:
        return self.network.engine


FIGURES = ("architecture", "slope", "offset", "threshold", "thresholds", "quality", "novelty_limit")


def files_of(made: Scorer) -> dict[str, bytes]:
    """What a station needs to score as this version does: the two graphs, the novelty's figures, and what else the weights
    say. Raises WeightsRefused where the version runs in torch itself, without a graph."""
    graphs = {"network.onnx": made.network, "locator.onnx": made.locator}
    found = {name: graph.content for name, graph in graphs.items() if isinstance(graph, Graph)}
    if len(found) < len(graphs):
        raise WeightsRefused("this process runs the version on a GPU; export it where there is none")
    figures = io.BytesIO()
    np.savez(figures, mean=made.novelty.mean, whiten=made.novelty.whiten)
    told = {name: made.metadata[name] for name in FIGURES}
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
