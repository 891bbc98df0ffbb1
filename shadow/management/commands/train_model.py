"""Trains a network on labelled photos and registers it as a version."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.utils import timezone

from inspection import command
from inspection.actions.intake import find_line
from inspection.refusals import BadInput, Conflict
from shadow.actions import check_name, register_version
from shadow.models import ModelVersion, Stage
from shadow.retraining import learn, start_weights
from shadow.snapshots import items_of, take_snapshot
from shadow.training_data import items_of_csv
from shadow.training_options import EPOCHS, FROM_CHANCE, RENDERINGS, check_options
from shadow.vision.training import Epoch, TrainingItem


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
        check_options(epochs=epochs, seed=seed, renderings=renderings, minutes=minutes)
        begin = start_weights(start)
        source = data.name if data else f"line {line}"
        try:
            items, origin = self._items(data, line, split, seed)
            trained = learn(
                items, self, epochs=epochs, seed=seed, minutes=minutes, start=begin, renderings=renderings,
                sources=[f"{source}, split {split}" if split else source],
                checkpoint=Path(settings.DATA_DIR) / "training" / f"{name}.pt",
            )  # fmt: skip
        except ValueError as error:
            raise BadInput(f"These photos cannot be trained on: {error}.") from None
        self.progress("", last=True)
        version = register_version(
            name=name, weights=trained.weights, card=trained.card | origin, pictures=trained.pictures, by="train_model"
        )
        return {
            "model": version.name,
            "id": version.pk,
            "threshold": version.threshold,
            **trained.card["figures"]["test"],
        }

    def _items(
        self, data: Path | None, line: str | None, split: str | None, seed: int
    ) -> tuple[list[TrainingItem], dict[str, Any]]:
        """The photos, and what the card tells of where they are from."""
        if data:
            return items_of_csv(data, split), {}
        place, now = find_line(str(line)), timezone.now()
        snapshot = take_snapshot(line=place, by="train_model", now=now, seed=seed, only=split)
        return items_of(snapshot), {"snapshot": snapshot.pk}

    def heed(self) -> None:
        """Nobody cancels a command but by ending it."""

    def stage(self, stage: Stage, done: int = 0, of: int = 0) -> None:
        counted = {Stage.DRAWING: "renderings", Stage.READING: "photos"}.get(stage)
        self.progress(f"{done} of {of} {counted}" if counted else f"{stage.label}")

    def epoch(self, epoch: Epoch) -> None:
        auroc = "undefined" if epoch.calibrate_auroc is None else f"{epoch.calibrate_auroc:.4f}"
        self.progress(
            f"epoch {epoch.number} of {epoch.of}: loss {epoch.loss:.4f}, AUROC of the calibrate part {auroc}, "
            f"{epoch.seconds:.0f} s"
        )
