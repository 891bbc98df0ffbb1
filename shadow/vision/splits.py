"""What a training is given, and who of it learns, calibrates and tests: by part or phone, never by photo."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # these bring torch, which who only deals parts out does not need
    from scoring.marks import Box
    from scoring.photos import Photo

SPLITS = ("train", "calibrate", "test")
SHARES = {"train": 0.70, "calibrate": 0.16, "test": 0.14}
PHOTOS_COUNT = 4  # times as much as groups, when groups are dealt


class NotEnoughData(ValueError):
    """The items cannot be split into parts that each hold good and scratched groups."""


@dataclass(frozen=True)
class TrainingItem:
    """A labelled photo.

    `group` is the phone or part by which the data are split; `part` the inspection whose verdict the label is, so
    that of several photos of a scratched part one may show the scratch and the others none (empty: the photo alone).
    `mask` marks its scratch pixels; `boxes` (x, y, w, h in 0..1) are places in each of which a person saw a scratch,
    and need not be all of them.
    """

    photo: Photo | NDArray[np.uint8]
    label: bool
    group: str
    mask: Path | str | NDArray[np.bool_] | None = None
    split: str | None = None  # one of SPLITS; None leaves the choice to the training
    part: str = ""
    boxes: tuple[Box, ...] = ()

    @property
    def name(self) -> str:
        named = Path(self.photo) if isinstance(self.photo, str) else self.photo
        return str(getattr(named, "name", self.group))  # pixels have none


def split_by_group(items: Sequence[TrainingItem], seed: int) -> dict[str, str]:
    """The split of each group: as its items say, else drawn so that photos and groups come near to `SHARES`.

    Groups with a scratched photo and groups without are dealt separately, the largest first among equals drawn by the
    seed, each to the split that is furthest behind its share. A group that would fill more than half of a held-out
    split learns, unless groups run out: what is calibrated or tested on one phone holds for that phone.
    """
    given, photos, scratched = _groups(items)
    splits = dict(given)
    order = np.random.default_rng([seed, 17])
    for stratum in (True, False):
        members = sorted(group for group in photos if scratched[group] == stratum)
        open_groups = [members[i] for i in order.permutation(len(members)) if members[i] not in given]
        open_groups.sort(key=lambda group: -photos[group])
        for at, group in enumerate(open_groups):
            splits[group] = _next_split(group, members, photos, splits, left=len(open_groups) - at)
    _check_classes(items, splits)
    return splits


def _next_split(
    group: str, members: Sequence[str], photos: Mapping[str, int], splits: Mapping[str, str], left: int
) -> str:
    """The split for the next of a stratum's groups, of which so many are left, this one among them."""
    total, usual = sum(photos[member] for member in members), median(photos[member] for member in members)
    held = {split: [member for member in members if splits.get(member) == split] for split in SPLITS}
    empty = [split for split in SPLITS if not held[split]]
    fitting = [s for s in SPLITS if s == "train" or photos[group] <= max(SHARES[s] * total / 2, usual)]
    behind = {
        split: PHOTOS_COUNT * (SHARES[split] - sum(photos[member] for member in held[split]) / total)
        + (SHARES[split] - len(held[split]) / len(members))
        for split in SPLITS
    }
    return max(empty if left <= len(empty) else fitting, key=lambda split: behind[split])


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


def data_card(items: Sequence[TrainingItem], splits: Mapping[str, str]) -> dict[str, Any]:
    """Counts of photos by split and class, and which group went where."""
    counts = {split: {"ok": 0, "scratched": 0, "with_mask": 0, "with_boxes": 0} for split in SPLITS}
    for item in items:
        row = counts[splits[item.group]]
        row["scratched" if item.label else "ok"] += 1
        row["with_mask"] += item.mask is not None
        row["with_boxes"] += bool(item.boxes)
    groups = {split: sorted(g for g, s in splits.items() if s == split) for split in SPLITS}
    return {"photos": counts, "groups": groups}


def inspections_of(items: Sequence[TrainingItem], indices: Sequence[int]) -> list[list[int]]:
    """The photos of each inspection; a photo that names no part is one alone."""
    parts: dict[tuple[str, int], list[int]] = defaultdict(list)
    for i in indices:
        parts[(items[i].part, 0) if items[i].part else ("", i)].append(i)
    return list(parts.values())
