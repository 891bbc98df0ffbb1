"""Trains a network on labelled photos and registers it as a version."""

import tempfile
from pathlib import Path
from typing import Any

import torch
from django.conf import settings
from django.core.management.base import CommandParser

from inspection import command
from inspection.actions.intake import find_line
from inspection.refusals import BadInput, Conflict
from shadow import shipped
from shadow.actions import check_name, register_version, weights_path
from shadow.models import ModelVersion
from shadow.training_data import items_of_csv, items_of_line
from shadow.versions import find_version
from shadow.vision.drawn import reminders
from shadow.vision.runtime import locator_of
from shadow.vision.training import Epoch, NotEnoughData, Trained, TrainingItem, split_by_group, train

EPOCHS = 24
RENDERINGS = 288
FROM_CHANCE = "none"


class Command(command.Command):
    help = (
        "Train on the verdicts of a line, or on a CSV (path,label[,mask_path,split,...]); register the result under a "
        "name. Photos of one part or phone never straddle the train, calibrate and test parts. A training that was "
        "cut off goes on when the same command is given again."
    )

    def arguments(self, parser: CommandParser) -> None:
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("--line", help="slug of the line whose judged parts are the data")
        source.add_argument("--data", type=Path, help="a CSV of labelled photos")
        parser.add_argument("--name", required=True, help="name of the new version")
        parser.add_argument("--split", help="use only this split of the data")
        parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"at most; default {EPOCHS}")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument(
            "--start", metavar="NAME",
            help="begin from the weights of this version; default the starter that comes with the product, "
            f"{FROM_CHANCE!r} begins from chance",
        )  # fmt: skip
        parser.add_argument(
            "--renderings", type=int, default=RENDERINGS,
            help=f"renderings mixed into the train part, so that hairlines are not forgotten; default {RENDERINGS}",
        )  # fmt: skip
        parser.add_argument("--minutes", type=float, help="a budget of time; two runs may then differ")

    def run(
        self, *, line: str | None, data: Path | None, name: str, split: str | None, epochs: int, seed: int,
        minutes: float | None, start: str | None, renderings: int, **options: Any,
    ) -> dict[str, Any]:  # fmt: skip
        check_name(name)  # before the training, not after it
        if ModelVersion.objects.filter(name=name).exists():
            raise Conflict(f"The name {name!r} belongs to another version. Choose a new name.")
        if epochs < 1 or seed < 0 or renderings < 0 or (minutes is not None and not minutes > 0):
            raise BadInput("--epochs is at least 1, --seed and --renderings at least 0, and --minutes above 0.")
        begin = _weights(start)
        items = items_of_csv(data, split) if data else items_of_line(find_line(str(line)), split)
        source = data.name if data else f"line {line}"
        try:
            trained = self._train(
                items, renderings, epochs=epochs, seed=seed, minutes=minutes, start=begin,
                sources=[f"{source}, split {split}" if split else source],
                checkpoint=Path(settings.DATA_DIR) / "training" / f"{name}.pt",
            )  # fmt: skip
        except (NotEnoughData, ValueError) as error:
            raise BadInput(f"These photos cannot be trained on: {error}.") from None
        self.progress("", last=True)
        version = register_version(
            name=name, weights=trained.weights, card=trained.card, pictures=trained.pictures, by="train_model"
        )
        return {
            "model": version.name,
            "id": version.pk,
            "threshold": version.threshold,
            **trained.card["figures"]["test"],
        }

    def _train(
        self, items: list[TrainingItem], renderings: int, *, seed: int, start: bytes | None, **rest: Any
    ) -> Trained:
        _look_over(items, seed)
        locator = locator_of(start or shipped.weights())
        with tempfile.TemporaryDirectory() as folder:
            drawn: list[TrainingItem] = []
            if renderings:
                for item in reminders(seed, renderings, Path(folder), torch.get_num_threads()):
                    drawn.append(item)
                    self.progress(f"{len(drawn)} of {renderings} renderings")
            return train(items, extra=drawn, locator=locator, seed=seed, start=start, progress=self._tell, **rest)

    def _tell(self, epoch: Epoch) -> None:
        auroc = "undefined" if epoch.calibrate_auroc is None else f"{epoch.calibrate_auroc:.4f}"
        self.progress(
            f"epoch {epoch.number} of {epoch.of}: loss {epoch.loss:.4f}, AUROC of the calibrate part {auroc}, "
            f"{epoch.seconds:.0f} s"
        )


def _look_over(items: list[TrainingItem], seed: int) -> None:
    """Refuse at once what the training would refuse after minutes of drawing. Raises ValueError."""
    split_by_group(items, seed)
    for item in items:
        if isinstance(item.photo, str | Path) and not Path(item.photo).is_file():
            raise ValueError(f"cannot read the photo {item.photo!s:.120}: there is no such file")


def _weights(start: str | None) -> bytes | None:
    """What the training begins from; None: from chance."""
    if start == FROM_CHANCE:
        return None
    return weights_path(find_version(start)).read_bytes() if start else shipped.weights()
