"""What runs a network at the line: the exported graph in ONNX Runtime, or torch itself where there is a GPU.

The graph is made from the weights when a version is loaded and checked against torch there and then, so that
what serves a version cannot drift from the weights whose SHA-256 is its identity. Measured alternatives and
why they are not here: docs/adr/0007.
"""

import io
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from scoring.graph import Graph, Outputs, Photos
from scoring.grid import COARSEST

LARGEST_DIFFERENCE = 1e-3  # of any output between graph and torch on the check's photos, as a share of its range


class Served(nn.Module):
    """A network that takes photos as they lie in memory, uint8 (B, H, W, 3)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, photos: Tensor) -> Tensor | tuple[Tensor, ...]:
        found: Tensor | tuple[Tensor, ...] = self.network(photos.permute(0, 3, 1, 2).float() / 255)
        return found


class Eager:
    """A network in torch: on the GPU, and as the reference."""

    def __init__(self, network: nn.Module, device: str = "cpu") -> None:
        self.engine = f"torch on {device}, float32"
        self.device = device
        self.network = Served(network).to(device).eval()

    def __call__(self, photos: Photos) -> Outputs:
        with torch.inference_mode():
            found = self.network(torch.from_numpy(np.require(photos, requirements="W")).to(self.device))
        return [output.cpu().numpy() for output in (found if isinstance(found, tuple) else (found,))]


def export(network: nn.Module, names: Sequence[str]) -> bytes:
    """The network as an ONNX graph for photos of any size, with outputs of these names.

    torch's older exporter: on this network it takes 0.15 s where the newer one takes 7 and two packages more, for a
    graph that runs as fast.
    """
    buffer = io.BytesIO()
    photos = torch.zeros((1, 2 * COARSEST, 4 * COARSEST, 3), dtype=torch.uint8)
    sizes = {0: "batch", 1: "height", 2: "width"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Served(network).eval(), (photos,), buffer, dynamo=False,  # type: ignore[arg-type]  # it does take a file
             input_names=["photos"], output_names=list(names),
            dynamic_axes={"photos": sizes} | {name: {0: "batch"} for name in names},
        )  # fmt: skip
    return buffer.getvalue()


def difference(graph: Graph, network: nn.Module, size: tuple[int, int]) -> float:
    """The largest difference of any output between graph and torch, on three made photos (noise, dark, lines)."""
    rng = np.random.default_rng(0)
    photos = np.stack([rng.integers(0, 256, (*size, 3)), rng.integers(0, 24, (*size, 3)), np.zeros((*size, 3))])
    photos[2, ::7] = 60
    pixels = photos.astype(np.uint8)
    pairs = zip(graph(pixels), Eager(network)(pixels), strict=True)
    return max(float(np.abs(ours - theirs).max() / max(1.0, np.abs(theirs).max())) for ours, theirs in pairs)


def engine_of(network: nn.Module, names: Sequence[str], size: tuple[int, int]) -> tuple[Graph | Eager, float]:
    """The fastest engine here for a network, and how far its answers are from torch's.

    Raises
    ------
    ArithmeticError
        When the exported graph does not answer as torch does.
    """
    if torch.cuda.is_available():
        return Eager(network, "cuda"), 0.0
    graph = Graph(export(network, names))
    largest = difference(graph, network, size)
    if not largest <= LARGEST_DIFFERENCE:
        raise ArithmeticError(f"the exported graph differs from the weights by {largest:.2g}")
    return graph, largest
