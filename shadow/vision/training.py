"""Training: labelled photos in, weights with their card out.

Photos are split by group (a part or a phone), never one by one, so that no copy of a part stands on two
sides. The weights learn from the train part; the calibrate part stops the training and fits temperature and
thresholds; the test part is looked at once, at the end.
"""

import hashlib
import io
import json
import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor
from torch.nn import functional

from shadow.vision import calibration, evaluation
from shadow.vision.network import ARCHITECTURE, INPUT_SIZE, MAP_STRIDE, ScratchNet, channels_last
from shadow.vision.photos import Photo, open_photo, squeeze, to_tensor

SPLITS = ("train", "calibrate", "test")
SHARES = {"train": 0.70, "calibrate": 0.16, "test": 0.14}
BATCH = 16
PATIENCE = 8  # epochs without a better calibrate part
LEARNING_RATE = 3e-3
FEWEST_CELLS = 20.0  # the map's loss is per scratched cell; so many a photo where there are fewer
MAX_BALANCE = 10.0  # a scratched photo weighs at most this many good ones

FLIPS = (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.TRANSPOSE)

Rng = np.random.Generator
Pixels = NDArray[np.uint8]
Progress = Callable[["Epoch"], None]


class NotEnoughData(ValueError):
    """The items cannot be split into parts that each hold good and scratched groups."""


@dataclass(frozen=True)
class TrainingItem:
    """A labelled photo. `group` is the part or phone that it shows; `mask` marks its scratch pixels."""

    photo: Photo | Pixels
    label: bool
    group: str
    mask: Path | str | NDArray[np.bool_] | None = None
    split: str | None = None  # one of SPLITS; None leaves the choice to the training


@dataclass(frozen=True)
class Epoch:
    """What one pass over the train part came to; told to `progress` and kept as the card's curve."""

    number: int
    of: int
    loss: float
    calibrate_nll: float
    calibrate_auroc: float | None
    seconds: float


@dataclass(frozen=True)
class Trained:
    """Weights as safetensors bytes (what runs them is in their metadata) and the card with their story."""

    weights: bytes
    card: dict[str, Any]


def train(
    items: Sequence[TrainingItem],
    *,
    epochs: int = 30,
    seed: int = 0,
    progress: Progress | None = None,
    device: str = "auto",
    minutes: float | None = None,
    sources: Sequence[str] = (),
    start: bytes | None = None,
) -> Trained:
    """Train a network; equal items, epochs and seed give equal weights on the same CPU and thread count.

    Parameters
    ----------
    items : sequence of TrainingItem
        At least three groups with and three without a scratched photo, unless their splits are given.
    epochs : int >= 1
        Passes over the train part at most; fewer when the calibrate part stops improving.
    seed : int >= 0
        Fixes the split, the first weights, the order and the augmentation.
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
    run = _Run(_loaded(items), splits, epochs, seed, _device(device), minutes, started)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network, curve = _fit(run, progress, start)
    frozen = _freeze(network, run)
    metadata = {
        "architecture": ARCHITECTURE,
        "input_size": str(INPUT_SIZE),
        "code_version": version,
        "temperature": repr(frozen["temperature"]),
        "threshold": repr(frozen["threshold"]),
        "thresholds": json.dumps(frozen["thresholds"]),
    }
    tensors = {name: value.contiguous().cpu() for name, value in network.state_dict().items()}
    weights = save(tensors, metadata)
    best = min(curve, key=lambda epoch: epoch.calibrate_nll)
    card = {
        "architecture": ARCHITECTURE,
        "code_version": version,
        "input_size": INPUT_SIZE,
        "parameters": sum(p.numel() for p in network.parameters()),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "sources": list(sources),
        "start_sha256": hashlib.sha256(start).hexdigest() if start else None,
        "seed": seed,
        "device": run.device.type,
        "epochs": {"asked": epochs, "run": len(curve), "best": best.number},
        "data": _data_card(items, splits),
        "curve": [vars(epoch) for epoch in curve],
        **frozen,
        "duration_s": round(time.monotonic() - started, 1),
    }
    return Trained(weights, card)


# ---- splitting ------------------------------------------------------------------------------------


def split_by_group(items: Sequence[TrainingItem], seed: int) -> dict[str, str]:
    """The split of each group: as its items say, else drawn so that photos come near to `SHARES`.

    Groups with a scratched photo and groups without are dealt separately, the largest first among equals
    drawn by the seed, each to the split that is furthest behind its share.
    """
    given, photos, scratched = _groups(items)
    splits = dict(given)
    order = np.random.default_rng([seed, 17])
    for stratum in (True, False):
        members = sorted(group for group in photos if scratched[group] == stratum)
        held = Counter(dict.fromkeys(SPLITS, 0))
        for group in members:
            if group in given:
                held[given[group]] += photos[group]
        open_groups = [members[i] for i in order.permutation(len(members)) if members[i] not in given]
        total = sum(photos[group] for group in members)
        for group in sorted(open_groups, key=lambda g: -photos[g]):
            behind = {split: SHARES[split] * total - held[split] for split in SPLITS}
            empty = [split for split in SPLITS if not held[split]]
            split = max(empty or SPLITS, key=lambda s: behind[s])
            splits[group] = split
            held[split] += photos[group]
    _check_classes(items, splits)
    return splits


def _groups(items: Sequence[TrainingItem]) -> tuple[dict[str, str], Counter[str], dict[str, bool]]:
    given: dict[str, str] = {}
    scratched: dict[str, bool] = defaultdict(bool)
    photos: Counter[str] = Counter()
    for item in items:
        photos[item.group] += 1
        scratched[item.group] |= item.label
        if item.split is None:
            continue
        if item.split not in SPLITS:
            raise ValueError(f"unknown split {item.split!r}: expected one of {', '.join(SPLITS)}")
        if given.setdefault(item.group, item.split) != item.split:
            raise ValueError(f"group {item.group!r} is given to two splits")
    return given, photos, scratched


def _check_classes(items: Sequence[TrainingItem], splits: Mapping[str, str]) -> None:
    seen = {(splits[item.group], item.label) for item in items}
    for split in ("train", "calibrate"):
        for label, word in ((True, "scratched"), (False, "ok")):
            if (split, label) not in seen:
                raise NotEnoughData(
                    f"no {word} photo is left for the {split} part: at least three groups (parts or "
                    "phones) with scratched photos and three without are needed"
                )


def _data_card(items: Sequence[TrainingItem], splits: Mapping[str, str]) -> dict[str, Any]:
    counts = {split: {"ok": 0, "scratched": 0, "with_mask": 0} for split in SPLITS}
    for item in items:
        row = counts[splits[item.group]]
        row["scratched" if item.label else "ok"] += 1
        row["with_mask"] += item.mask is not None
    groups = {split: sorted(g for g, s in splits.items() if s == split) for split in SPLITS}
    return {"photos": counts, "groups": groups}


# ---- photos in memory -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Photos:
    """Every photo squeezed once: 200 kB each, so 50,000 photos are 10 GB."""

    pixels: list[Image.Image]
    masks: list[Image.Image | None]  # mode L, 255 = scratch; None = not known where
    labels: NDArray[np.bool_]
    groups: list[str]


def _loaded(items: Sequence[TrainingItem]) -> _Photos:
    pixels, masks = [], []
    for item in items:
        try:
            photo = Image.fromarray(item.photo) if isinstance(item.photo, np.ndarray) else item.photo
            pixels.append(squeeze(open_photo(photo)))
            masks.append(_mask(item))
        except (OSError, SyntaxError, ValueError) as error:
            raise ValueError(f"cannot read the photo or mask of {item.photo!s:.120}: {error}") from error
    return _Photos(pixels, masks, np.array([item.label for item in items]), [item.group for item in items])


def _mask(item: TrainingItem) -> Image.Image | None:
    """The item's scratch pixels, squeezed; a good photo has none, whoever says so or not."""
    if not item.label:
        return Image.new("L", (INPUT_SIZE, INPUT_SIZE))
    if item.mask is None:
        return None
    if isinstance(item.mask, np.ndarray):
        mask = Image.fromarray(item.mask.astype(np.uint8) * 255)
    else:
        with Image.open(item.mask) as opened:
            mask = opened.convert("L").point(lambda level: 255 * (level > 127))
    return mask.resize((INPUT_SIZE, INPUT_SIZE), Image.Resampling.BOX).point(lambda level: 255 * (level > 24))


def augment(image: Image.Image, mask: Image.Image | None, rng: Rng) -> tuple[Image.Image, Image.Image | None]:
    """A photo as the station might have taken it another day, with its mask moved alike."""
    flips = [flip for flip in FLIPS if rng.random() < 0.5]
    turn, zoom = math.radians(float(rng.normal(0, 12))), float(rng.uniform(0.9, 1.12))
    cos, sin, half = math.cos(turn) / zoom, math.sin(turn) / zoom, INPUT_SIZE / 2
    shift = rng.normal(0, 5, 2)
    affine = (cos, sin, half - half * (cos + sin) + shift[0], -sin, cos, half - half * (cos - sin) + shift[1])

    def moved(picture: Image.Image, resample: Image.Resampling) -> Image.Image:
        for flip in flips:
            picture = picture.transpose(flip)
        return picture.transform(picture.size, Image.Transform.AFFINE, affine, resample)

    image = moved(image, Image.Resampling.BILINEAR)
    if mask is not None:
        mask = moved(mask, Image.Resampling.NEAREST)
    gain, lift = float(rng.lognormal(0, 0.3)), float(rng.normal(0, 7))
    image = image.point([int(min(255, max(0, level * gain + lift))) for level in range(256)] * 3)
    if rng.random() < 0.15:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.2, 0.7))))
    if rng.random() < 0.25:
        image = _as_jpeg(image, int(rng.integers(55, 95)))
    return image, mask


def _as_jpeg(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def _batch(images: Sequence[Image.Image]) -> Tensor:
    photos = to_tensor(np.stack([np.asarray(image) for image in images]))  # (B, 3, S, S)
    return photos.contiguous(memory_format=torch.channels_last)


def _targets(masks: Sequence[Image.Image | None]) -> tuple[Tensor, Tensor]:
    """Which cells of the map are scratched, (B, S/4, S/4) in {0, 1}, and which photos say so, (B,)."""
    blank = np.zeros((INPUT_SIZE, INPUT_SIZE), np.uint8)
    pixels = np.stack([blank if mask is None else np.asarray(mask) for mask in masks]) > 0
    dense = torch.from_numpy(pixels).float()  # (B, S, S)
    cells = functional.max_pool2d(dense[:, None], MAP_STRIDE)[:, 0]  # (B, S/4, S/4)
    return cells, torch.tensor([mask is not None for mask in masks])


# ---- fitting --------------------------------------------------------------------------------------


@dataclass
class _Run:
    """What a training holds on to from its start to its end."""

    photos: _Photos
    splits: dict[str, str]
    epochs: int
    seed: int
    device: torch.device
    minutes: float | None
    started: float
    members: dict[str, NDArray[np.intp]] = field(init=False)

    def __post_init__(self) -> None:
        where = np.array([self.splits[group] for group in self.photos.groups])
        self.members = {split: np.flatnonzero(where == split) for split in SPLITS}

    @property
    def balance(self) -> float:
        """How many good train photos one scratched photo weighs."""
        labels = self.photos.labels[self.members["train"]]
        return float(np.clip((~labels).sum() / labels.sum(), 1 / MAX_BALANCE, MAX_BALANCE))

    def spent(self, epoch: float) -> float:
        """The share of the training that is over, by epochs or by the clock, whichever is further."""
        clock = (time.monotonic() - self.started) / (60 * self.minutes) if self.minutes else 0.0
        return min(1.0, max(epoch / self.epochs, clock))


def _device(name: str) -> torch.device:
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


def _begin(start: bytes | None) -> ScratchNet:
    network = ScratchNet()
    if start is not None:
        try:
            network.load_state_dict(load(start))
        except (SafetensorError, RuntimeError) as error:
            raise ValueError(f"the weights to start from do not fit the network: {error}") from error
    return channels_last(network)


def _fit(run: _Run, progress: Progress | None, start: bytes | None) -> tuple[ScratchNet, list[Epoch]]:
    """The weights of the epoch with the least calibrated surprise on the calibrate part, and the curve."""
    network = _begin(start).to(run.device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=1e-3)
    rng = np.random.default_rng([run.seed, 23])
    labels = run.photos.labels[run.members["calibrate"]]
    best: dict[str, Tensor] = {}
    curve: list[Epoch] = []
    for number in range(1, run.epochs + 1):
        began = time.monotonic()
        loss = _one_epoch(network, optimiser, run, rng, number - 1)
        logits = _logits(network, run, "calibrate")
        surprise = calibration.negative_log_likelihood(logits, labels, calibration.fit_temperature(logits, labels))
        if not curve or surprise < min(epoch.calibrate_nll for epoch in curve):
            best = {name: value.clone() for name, value in network.state_dict().items()}
        ranking = evaluation.auroc(logits, labels)
        seconds = round(time.monotonic() - began, 1)
        curve.append(Epoch(number, run.epochs, loss, surprise, ranking, seconds))
        if progress:
            progress(curve[-1])
        if _is_over(run, curve):
            break
    network.load_state_dict(best)
    return network, curve


def _is_over(run: _Run, curve: Sequence[Epoch]) -> bool:
    least = min(range(len(curve)), key=lambda i: curve[i].calibrate_nll)
    return run.spent(len(curve)) >= 1 or len(curve) - 1 - least >= PATIENCE


def _one_epoch(network: ScratchNet, optimiser: torch.optim.Optimizer, run: _Run, rng: Rng, epoch: int) -> float:
    """One pass over the train part in a new order; the mean loss."""
    network.train()
    order = rng.permutation(run.members["train"])
    size = min(BATCH, max(4, len(order) // 8))
    batches = [order[at : at + size] for at in range(0, len(order), size)]
    losses: list[float] = []
    for done, batch in enumerate(batches):
        share = run.spent(epoch + done / len(batches))
        if len(batch) < 2 or (losses and share >= 1):  # batch normalisation needs two photos
            break
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * _schedule(share)
        loss = _loss(network, run, batch, rng)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(float(loss.detach()))
    return float(np.mean(losses))


def _schedule(share: float) -> float:
    """Up over the first tenth, then down along a cosine (Loshchilov and Hutter, arXiv:1608.03983)."""
    return share / 0.1 + 0.02 if share < 0.1 else 0.5 * (1 + math.cos(math.pi * (share - 0.1) / 0.9))


def _loss(network: ScratchNet, run: _Run, batch: NDArray[np.intp], rng: Rng) -> Tensor:
    """Balanced cross-entropy of the photos, and of the map's cells where the scratches' places are known."""
    pairs = [augment(run.photos.pixels[i], run.photos.masks[i], rng) for i in batch]
    photos = _batch([image for image, _ in pairs]).to(run.device)
    labels = torch.from_numpy(run.photos.labels[batch]).float().to(run.device)
    cells, known = (t.to(run.device) for t in _targets([mask for _, mask in pairs]))
    maps, logits = network(photos)
    weight = torch.tensor(run.balance, device=run.device)
    loss = functional.binary_cross_entropy_with_logits(logits, labels, pos_weight=weight)
    each = functional.binary_cross_entropy_with_logits(maps, cells, reduction="none")  # (B, S/4, S/4)
    many = torch.maximum(cells.sum(), FEWEST_CELLS * known.sum()).clamp(min=1)
    return loss + (each * known[:, None, None]).sum() / many


def _logits(network: ScratchNet, run: _Run, split: str) -> NDArray[np.float64]:
    """Logits of a split's photos as they are, with the prior that the class balance bent put right."""
    network.eval()
    members = run.members[split]
    found = []
    with torch.inference_mode():
        for at in range(0, len(members), BATCH):
            photos = _batch([run.photos.pixels[i] for i in members[at : at + BATCH]]).to(run.device)
            found.append(network(photos)[1].cpu().double().numpy())
    return np.concatenate(found or [np.zeros(0)]) - math.log(run.balance)


def _freeze(network: ScratchNet, run: _Run) -> dict[str, Any]:
    """Temperature, thresholds and figures; puts the prior's correction into the head's bias for good."""
    logits = {split: _logits(network, run, split) for split in SPLITS}
    labels = {split: run.photos.labels[run.members[split]] for split in SPLITS}
    assert network.head.bias is not None
    with torch.no_grad():
        network.head.bias -= math.log(run.balance)
    temperature = calibration.fit_temperature(logits["calibrate"], labels["calibrate"])
    scores = {split: 1 / (1 + np.exp(-logits[split] / temperature)) for split in SPLITS}
    threshold = calibration.operating_threshold(scores["calibrate"], labels["calibrate"])
    return {
        "temperature": temperature,
        "threshold": threshold,
        "thresholds": calibration.threshold_order(scores["calibrate"], labels["calibrate"], threshold),
        "figures": {
            split: evaluation.figures(scores[split].tolist(), labels[split].tolist(), threshold)
            for split in ("calibrate", "test")
        },
    }


def code_version() -> str:
    """Twelve hexadecimal digits that change with the code that decides what the weights become."""
    here = Path(__file__).parent
    sources = ("network.py", "photos.py", "calibration.py", "training.py")
    return hashlib.sha256(b"".join((here / name).read_bytes() for name in sources)).hexdigest()[:12]
