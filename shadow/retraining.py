"""A training from its items to its weights: the one path of the command and of the trainings that a line starts."""

import itertools
import multiprocessing
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import torch

from shadow import shipped
from shadow.actions.versions import must_have_weights, weights_path
from shadow.models import Stage
from shadow.training_options import FROM_CHANCE
from shadow.versions import find_version
from shadow.vision.drawn import reminders
from shadow.vision.runtime import locator_of
from shadow.vision.training import Epoch, Trained, TrainingItem, split_by_group, train

THREADS = torch.get_num_threads()  # a scorer, once loaded, leaves its process one


class Watcher(Protocol):
    """Whom a training tells how far it is. `heed` is called often; what it raises ends the training."""

    def stage(self, stage: Stage, done: int = 0, of: int = 0) -> None: ...

    def epoch(self, epoch: Epoch) -> None: ...

    def heed(self) -> None: ...


def learn(
    items: Sequence[TrainingItem],
    watcher: Watcher,
    *,
    seed: int,
    epochs: int,
    renderings: int,
    start: bytes | None,
    sources: Sequence[str],
    checkpoint: Path,
    minutes: float | None = None,
) -> Trained:
    """Render the reminders, then train. Raises ValueError for items that cannot be trained on, at once where it can."""
    split_by_group(items, seed)
    _must_be_there(items)
    locator = locator_of(start or shipped.weights())
    with _threads(THREADS), tempfile.TemporaryDirectory() as folder:
        drawn: list[TrainingItem] = []
        if renderings:
            watcher.stage(Stage.DRAWING, 0, renderings)
            for item in reminders(seed, renderings, Path(folder), _processes()):
                drawn.append(item)
                watcher.stage(Stage.DRAWING, len(drawn), renderings)
        watcher.stage(Stage.READING, 0, len(items) + len(drawn))
        return train(
            items, extra=drawn, locator=locator, seed=seed, epochs=epochs, start=start, sources=sources,
            checkpoint=checkpoint, minutes=minutes, progress=watcher.epoch,
            heed=_counted(watcher, len(items) + len(drawn), epochs),
        )  # fmt: skip


def _counted(watcher: Watcher, photos: int, epochs: int) -> Callable[[], None]:
    """`heed` as a training calls it: once after each photo that it reads, before it learns from any."""
    calls = itertools.count(1)

    def heed() -> None:
        done = next(calls)
        if done < photos:
            watcher.stage(Stage.READING, done, photos)
        elif done == photos:
            watcher.stage(Stage.LEARNING, 0, epochs)
        else:
            watcher.heed()

    return heed


def _processes() -> int:
    """How many processes render: a worker's own child may have none of its own."""
    return 1 if multiprocessing.current_process().daemon else THREADS


@contextmanager
def _threads(wanted: int) -> Iterator[None]:
    """As many threads for torch, and then those that there were."""
    before = torch.get_num_threads()
    torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _must_be_there(items: Sequence[TrainingItem]) -> None:
    """Refuse at once what the training would refuse after minutes of drawing. Raises ValueError."""
    for item in items:
        if isinstance(item.photo, str | Path) and not Path(item.photo).is_file():
            raise ValueError(f"cannot read the photo {item.photo!s:.120}: there is no such file")


def start_weights(start: str | None) -> bytes | None:
    """What a training begins from: the weights of a version, of the starter that comes with the product, or chance. Raises
    Conflict for an earlier inspection system."""
    if start == FROM_CHANCE:
        return None
    if not start:
        return shipped.weights()
    version = find_version(start)
    must_have_weights(version)
    return weights_path(version).read_bytes()
