"""Training: labelled photos in, weights with their card out.

Photos are split by group (a part or a phone), never one by one, so that no copy of a part stands on two
sides. The weights learn from the train part; the calibrate part stops the training and fits calibration,
thresholds and limits; the test part is looked at once, at the end.
"""

import hashlib
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from scoring import calibration, grid
from scoring.graph import Graph
from scoring.grid import ARCHITECTURE
from scoring.running import hottest_of, photo_logit, run
from shadow.vision import evaluation, sampling
from shadow.vision.augmentation import augment
from shadow.vision.freezing import freeze, gallery_of, tensors_of
from shadow.vision.locator import Locator
from shadow.vision.network import ScratchNet, channels_last
from shadow.vision.runtime import locate_with
from shadow.vision.serving import Eager, export
from shadow.vision.splits import SPLITS, NotEnoughData, TrainingItem, data_card, inspections_of, split_by_group

__all__ = ["SPLITS", "Epoch", "NotEnoughData", "Trained", "TrainingItem", "split_by_group", "train"]

BATCH = 32
PATIENCE = 8  # epochs in a row that were worse on the calibrate part than chance explains
CHANCE = 2  # standard errors
LEARNING_RATE = 3e-3
FINE_TUNING = 1e-3  # from the weights of an earlier version
WEIGHT_DECAY = 1e-2
AVERAGED = 0.995  # of the weights is kept each step: their moving average is what is measured and kept
AHEAD = 4  # batches that are cut while one is learnt from
LOOKED_OVER = 4  # epochs between two looks over the large photos for their hottest places

Rng = np.random.Generator
Progress = Callable[["Epoch"], None]
Heed = Callable[[], None]


@dataclass(frozen=True)
class Epoch:
    """What one pass over the train part came to; told to `progress` and kept as the card's curve."""

    number: int
    of: int
    loss: float
    calibrate_nll: float
    calibrate_auroc: float | None
    kept: bool  # its weights are the training's, unless a later epoch's are
    seconds: float


@dataclass(frozen=True)
class Trained:
    """Weights as safetensors bytes (what runs them is in their metadata), their card, and its pictures by SHA-256."""

    weights: bytes
    card: dict[str, Any]
    pictures: dict[str, bytes] = field(default_factory=dict)


def train(
    items: Sequence[TrainingItem],
    *,
    locator: Locator,
    extra: Sequence[TrainingItem] = (),
    epochs: int = 20,
    seed: int = 0,
    progress: Progress | None = None,
    device: str = "auto",
    minutes: float | None = None,
    sources: Sequence[str] = (),
    start: bytes | None = None,
    checkpoint: Path | None = None,
    heed: Heed = lambda: None,
) -> Trained:
    """Train a network; equal items, epochs and seed give equal weights on the same CPU and thread count.

    Parameters
    ----------
    items : sequence of TrainingItem
        At least three groups with and three without a scratched photo, unless their splits are given.
    locator : Locator
        What finds the phone; it becomes part of the version.
    extra : sequence of TrainingItem
        Further photos to learn from, such as renderings; they neither calibrate nor test.
    epochs : int >= 1
        Passes over the train part at most; fewer when the calibrate part stops improving.
    seed : int >= 0
        Fixes the split, the first weights, the tiles and the augmentation.
    progress : callable, optional
        Called with an `Epoch` after each.
    device : str
        "auto" (CUDA where there is one), "cpu" or "cuda".
    minutes : float, optional
        A budget of wall-clock time; the learning rate is led down within it. Two runs may then differ.
    sources : sequence of str
        Where the items came from, for the card.
    start : bytes, optional
        Weights of an earlier version to begin from, such as the starter's; otherwise it begins from chance.
    checkpoint : Path, optional
        A file written after each epoch. A training of the same items, settings and code that finds it there goes on
        from it and ends with the same weights as one that was never cut off; it is removed at the end.
    heed : callable
        Called between photos and between batches. What it raises ends the training; the checkpoint stays.

    Raises
    ------
    NotEnoughData
        When a part would lack a class.
    ValueError
        When a photo or mask cannot be read, a group is given to two splits, there is no epoch, or the
        weights to start from do not fit.
    """
    if epochs < 1:
        raise ValueError("a training has at least one epoch")
    started, version = time.monotonic(), code_version()
    splits = split_by_group(items, seed)
    stock = sampling.Stock([*items, *extra], locate_with(locator), further=len(extra))
    stock.read(torch.get_num_threads(), heed)
    members = _members(items, extra, splits)
    training = _Training(stock, members, epochs, seed, _device(device), minutes, started, checkpoint, heed)
    training.mark = _mark(version, stock.items, splits, epochs, seed, start)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network, curve = training.fit(progress, start)
    frozen = freeze(network, stock, members, items, seed, heed)
    weights = save(tensors_of(network, locator, frozen.novelty), frozen.metadata(version))
    best = _last_kept(curve)
    pictures, failures = gallery_of(items, frozen)
    card = {
        "architecture": ARCHITECTURE,
        "code_version": version,
        "parameters": sum(p.numel() for p in network.parameters()),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "sources": list(sources),
        "start_sha256": hashlib.sha256(start).hexdigest() if start else None,
        "seed": seed,
        "device": training.device.type,
        "epochs": {"asked": epochs, "run": len(curve), "best": best},
        "data": {**data_card(items, splits), "further_photos": len(extra), "unfit": len(stock.unfit)},
        "curve": [asdict(epoch) for epoch in curve],
        **frozen.card(),
        "gallery": failures,
        "duration_s": round(time.monotonic() - started, 1),
    }
    if checkpoint:
        checkpoint.unlink(missing_ok=True)
    return Trained(weights, card, pictures)


def _members(
    items: Sequence[TrainingItem], extra: Sequence[TrainingItem], splits: dict[str, str]
) -> dict[str, NDArray[np.intp]]:
    """The indices of each split's photos; the further ones, behind the items, are all to learn from."""
    where = np.array([splits[item.group] for item in items] + ["train"] * len(extra))
    return {split: np.flatnonzero(where == split) for split in SPLITS}


def _mark(
    version: str, items: Sequence[TrainingItem], splits: dict[str, str], epochs: int, seed: int, start: bytes | None
) -> str:
    """What a checkpoint has to agree with."""
    told = [(item.name, item.label, item.group, item.part) for item in items]
    return hashlib.sha256(
        repr((version, told, sorted(splits.items()), epochs, seed)).encode() + (start or b"")
    ).hexdigest()


def _device(name: str) -> torch.device:
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


# ---- fitting --------------------------------------------------------------------------------------


@dataclass
class _Training:
    """What a training holds on to from its start to its end."""

    stock: sampling.Stock
    members: dict[str, NDArray[np.intp]]
    epochs: int
    seed: int
    device: torch.device
    minutes: float | None
    started: float
    checkpoint: Path | None
    heed: Heed
    mark: str = ""

    def fit(self, progress: Progress | None, start: bytes | None) -> tuple[ScratchNet, list[Epoch]]:
        """The averaged weights of the last epoch that was as good as any on the calibrate part, and the curve.

        As good: its mean surprise, calibrated, is within `CHANCE` standard errors of the least (after Breiman et al.,
        CART, 1984, turned to the later epoch). A calibrate part that is all but solved tells epochs apart by a photo
        or two, and the first lucky one has learnt least.
        """
        network = _begin(start).to(self.device)
        average = _begin(None).to(self.device)
        average.load_state_dict(network.state_dict())
        rate = LEARNING_RATE if start is None else FINE_TUNING
        optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=WEIGHT_DECAY)
        best: dict[str, Tensor] = {}
        curve: list[Epoch] = []
        if saved := self._saved():
            network.load_state_dict(saved["network"])
            average.load_state_dict(saved["average"])
            optimiser.load_state_dict(saved["optimiser"])
            best, curve = saved["best"], [Epoch(**epoch) for epoch in saved["curve"]]
            self.stock.hottest, self.stock.heat = saved["hottest"], saved["heat"]
        while not self._is_over(curve):
            began, number = time.monotonic(), len(curve) + 1
            rng = np.random.default_rng([self.seed, 23, number])
            torch.manual_seed(self.seed * 10_000 + number)  # each epoch by itself, so that a training can go on
            if number % LOOKED_OVER == 1:
                self._look_over(average)
            loss = self._one_epoch(network, average, optimiser, rate, rng, number - 1)
            logits, labels = self._calibrate_part(average)
            surprises = calibration.fit(logits, labels).surprise(logits, labels)
            surprise, error = float(surprises.mean()), float(surprises.std() / math.sqrt(len(surprises)))
            if kept := not curve or surprise - CHANCE * error <= min(epoch.calibrate_nll for epoch in curve):
                best = {name: value.clone() for name, value in average.state_dict().items()}
            seconds = round(time.monotonic() - began, 1)
            curve.append(Epoch(number, self.epochs, loss, surprise, evaluation.auroc(logits, labels), kept, seconds))
            self._save(network, average, optimiser, best, curve)
            if progress:
                progress(curve[-1])
        average.load_state_dict(best)
        return average.cpu().eval(), curve

    def _is_over(self, curve: Sequence[Epoch]) -> bool:
        if not curve:
            return False
        return self._spent(len(curve)) >= 1 or len(curve) - _last_kept(curve) >= PATIENCE

    def _spent(self, epoch: float) -> float:
        """The share of the training that is over, by epochs or by the clock, whichever is further."""
        clock = (time.monotonic() - self.started) / (60 * self.minutes) if self.minutes else 0.0
        return min(1.0, max(epoch / self.epochs, clock))

    def _one_epoch(
        self,
        network: ScratchNet,
        average: ScratchNet,
        optimiser: torch.optim.Optimizer,
        rate: float,
        rng: Rng,
        epoch: int,
    ) -> float:
        """One pass over the train part in a new order; the mean loss."""
        network.train()
        order = sampling.plan(self.stock, self.members["train"], rng)
        size = min(BATCH, max(4, len(order) // 8))
        batches = [order[at : at + size] for at in range(0, len(order), size)]
        if len(batches[-1]) < 2:  # batch normalisation needs two photos
            batches.pop()
        losses: list[float] = []
        for done, (tiles, targets) in enumerate(self._prepared(batches, epoch)):
            share = self._spent(epoch + done / len(batches))
            if losses and share >= 1:
                break
            self.heed()
            for group in optimiser.param_groups:
                group["lr"] = rate * _schedule(share)
            loss = self._loss(network, tiles, targets)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            _follow(average, network, epoch * len(batches) + done)
            losses.append(float(loss.detach()))
        return float(np.mean(losses))

    def _prepared(self, batches: Sequence[Sequence[int]], epoch: int) -> Iterator[tuple[Tensor, sampling.Targets]]:
        """The batches in order: augmented tiles, (B, 3, S, S) in 0..1, and what the network should say of them.

        One thread cuts the next tiles meanwhile. Each batch has random numbers of its own, so that it is the same
        whoever makes it.
        """
        with ThreadPoolExecutor(1, "tiles") as pool:
            coming: deque[Future[list[sampling.Tile]]] = deque()
            for at in range(len(batches) + AHEAD):
                if at < len(batches):
                    rng = np.random.default_rng([self.seed, 31, epoch, at])
                    coming.append(pool.submit(self._cut, batches[at], rng))
                if at >= AHEAD:
                    rng = np.random.default_rng([self.seed, 37, epoch, at - AHEAD])
                    yield self._augmented(coming.popleft().result(), rng)

    def _cut(self, batch: Sequence[int], rng: Rng) -> list[sampling.Tile]:
        tiles = sampling.mixed([sampling.tile_of(self.stock, i, rng) for i in batch], rng)
        return [sampling.framed(tile, rng) for tile in tiles]

    def _augmented(self, cut: Sequence[sampling.Tile], rng: Rng) -> tuple[Tensor, sampling.Targets]:
        pixels, planes = (
            torch.from_numpy(np.stack(stack)).to(self.device).movedim(-1, 1).float().div_(255)  # (B, 3, S, S)
            for stack in ([tile.pixels for tile in cut], [tile.planes for tile in cut])
        )
        tiles, planes = augment(pixels, planes, rng)
        labels = torch.tensor([float(tile.label) for tile in cut], device=self.device)
        return tiles.contiguous(memory_format=torch.channels_last), sampling.targets_of(planes, labels)

    def _loss(self, network: ScratchNet, tiles: Tensor, targets: sampling.Targets) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=_has_fast_bfloat16(self.device)):
            maps, _ = network(tiles)
        return sampling.loss_of(maps.float(), targets)

    def _engine(self, network: ScratchNet) -> Graph | Eager:
        """What measures between epochs: the graph that serves at the line, on every core; or the GPU."""
        if self.device.type == "cuda":
            return Eager(network, "cuda")
        return Graph(export(network, ["maps", "features"]), threads=torch.get_num_threads())

    def _look_over(self, network: ScratchNet) -> None:
        """Where the network is hottest in each large or scratched photo, and how hot it is there."""
        usable = [int(i) for i in self.members["train"] if not self.stock.view(int(i)).failure]
        views = [i for i in usable if self.stock.items[i].label or self.stock.is_large(i)]
        for i, cells in self._maps(network, views):
            self.stock.hottest[i] = hottest_of(cells)
            self.stock.heat[i] = photo_logit(cells)

    def _maps(self, network: ScratchNet, indices: Sequence[int]) -> list[tuple[int, NDArray[np.float32]]]:
        engine = self._engine(network)
        maps = []
        for i in indices:
            self.heed()
            maps.append((i, run(engine, [self.stock.view(i)], sides=1)[0].cells))
        return maps

    def _calibrate_part(self, network: ScratchNet) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Logits and labels of the calibrate part's inspections."""
        usable = [int(i) for i in self.members["calibrate"] if not self.stock.view(int(i)).failure]
        seen = {i: photo_logit(cells) for i, cells in self._maps(network, usable)}
        parts = inspections_of(self.stock.items, usable)
        logits = np.array([max(seen[i] for i in views) for views in parts], float)
        return logits, np.array([self.stock.items[views[0]].label for views in parts], bool)

    def _save(
        self, network: ScratchNet, average: ScratchNet, optimiser: torch.optim.Optimizer, best: dict[str, Tensor],
        curve: Sequence[Epoch],
    ) -> None:  # fmt: skip
        if self.checkpoint is None:
            return
        state = {
            "mark": self.mark, "network": network.state_dict(), "average": average.state_dict(), "best": best,
            "optimiser": optimiser.state_dict(), "curve": [asdict(epoch) for epoch in curve],
            "hottest": self.stock.hottest, "heat": self.stock.heat,
        }  # fmt: skip
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        half = self.checkpoint.with_suffix(".half")
        torch.save(state, half)
        half.replace(self.checkpoint)

    def _saved(self) -> dict[str, Any] | None:
        """The state of the same training, where it was cut off."""
        if self.checkpoint is None or not self.checkpoint.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        except Exception:  # whatever a broken file makes torch raise: the training begins anew
            return None
        return state if state.get("mark") == self.mark else None


def _last_kept(curve: Sequence[Epoch]) -> int:
    """The number of the epoch whose weights a training ends with."""
    return max(epoch.number for epoch in curve if epoch.kept)


def _begin(start: bytes | None) -> ScratchNet:
    network = ScratchNet()
    if start is not None:
        try:
            tensors = {name: value for name, value in load(start).items() if name.startswith("network.")}
            network.load_state_dict({name.removeprefix("network."): value for name, value in tensors.items()})
        except (SafetensorError, RuntimeError) as error:
            raise ValueError(f"the weights to start from do not fit the network: {error}") from error
    return channels_last(network)


def _follow(average: ScratchNet, network: ScratchNet, step: int) -> None:
    """Move the averaged weights a little toward the network's; faster at the beginning."""
    kept = min(AVERAGED, (1 + step) / (10 + step))
    with torch.no_grad():
        for mine, theirs in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
            if mine.dtype.is_floating_point:
                mine.lerp_(theirs, 1 - kept)
            else:
                mine.copy_(theirs)


def _schedule(share: float) -> float:
    """Up over the first twentieth, then down along a cosine (Loshchilov and Hutter, arXiv:1608.03983)."""
    return share / 0.05 + 0.02 if share < 0.05 else 0.5 * (1 + math.cos(math.pi * (share - 0.05) / 0.95))


def _has_fast_bfloat16(device: torch.device) -> bool:
    """Whether products in bfloat16 are done by the processor itself; they halve a step's time."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    able = torch.cpu.get_capabilities()
    return bool(able.get("amx_bf16") or able.get("avx512_bf16"))


def code_version() -> str:
    """Twelve hexadecimal digits that change with the code that decides what the weights become."""
    here, shared = Path(__file__).parent, Path(grid.__file__).parent
    ours = (
        "network.py", "locator.py", "augmentation.py", "sampling.py", "splits.py", "another_day.py", "freezing.py",
        "training.py",
    )  # fmt: skip
    theirs = (
        "grid.py",
        "photos.py",
        "locate.py",
        "quality.py",
        "views.py",
        "running.py",
        "calibration.py",
        "novelty.py",
    )
    sources = [*(here / name for name in ours), *(shared / name for name in theirs)]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
