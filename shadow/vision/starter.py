"""The starter model: trained by the product's own code on renderings alone, so that it may ship with it.

`python -m shadow.vision.starter --out shadow/starter --seed 7` renders, trains the locator and the network, and
writes starter.safetensors and its card starter.json.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import torch

from shadow.vision.drawn import SEED_STEP, draw_fine, draw_plain, drawn_items, in_processes
from shadow.vision.locator import Locator
from shadow.vision.locator_training import sample, train_locator
from shadow.vision.runtime import locator_of
from shadow.vision.training import Epoch, train

PARTS = 1800  # in any rig: what the network learns from
FINE = 600  # at full size, for hairlines
PLAIN = 600  # in the rig of the demos: what it is calibrated and tested on too
EPOCHS = 16
PHONES, PHONE_EPOCHS = 2000, 10  # photos and epochs of the locator
THREADS = 2


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m shadow.vision.starter", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--parts", type=int, default=PARTS, help="how many parts in any rig to render")
    parser.add_argument("--plain", type=int, default=PLAIN, help="how many in the demos' rig")
    parser.add_argument("--fine", type=int, default=FINE, help="how many at full size, half of them with hairlines")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--phones", type=int, default=PHONES, help="how many photos to render for the locator")
    parser.add_argument("--processes", type=int, default=2, help="for the rendering")
    parser.add_argument(
        "--device", default="cpu", help="cpu (default), or cuda: the same command then gives other bytes"
    )
    parser.add_argument(
        "--threads", type=int, default=THREADS, help="sums over another number of threads round otherwise"
    )
    parser.add_argument("--minutes", type=float, help="a budget for the network's training; two runs may then differ")
    parser.add_argument("--start", type=Path, help="weights of an earlier starter to begin from; it keeps its locator")
    parser.add_argument("--checkpoint", type=Path, help="a file from which an interrupted training goes on")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    start = options.start.read_bytes() if options.start else None
    locator = locator_of(start) if start else _locator(options.seed, options.phones, options.processes)
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        plain = list(drawn_items(options.seed, options.plain, folder, options.processes, how=draw_plain))
        rendered = list(drawn_items(options.seed, options.parts, folder, options.processes))
        rendered += drawn_items(options.seed, options.fine, folder, options.processes, how=draw_fine)
        trained = train(
            plain, extra=rendered, locator=locator, epochs=options.epochs, seed=options.seed, progress=_tell, device=options.device, minutes=options.minutes,
            sources=["shadow.vision.synthetic"], checkpoint=options.checkpoint, start=start,
        )  # fmt: skip
    command = (
        f"python -m shadow.vision.starter --out shadow/starter --seed {options.seed} --parts {options.parts} "
        f"--fine {options.fine} --plain {options.plain} --epochs {options.epochs} --phones {options.phones} "
        f"--device {options.device} --threads {options.threads}" + (" --start STARTER" if start else "")
    )
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "starter.safetensors").write_bytes(trained.weights)
    card = {"name": "starter", "command": command, **trained.card}
    (options.out / "starter.json").write_text(json.dumps(card, indent=1) + "\n")
    for digest, picture in trained.pictures.items():
        (options.out / f"{digest}.webp").write_bytes(picture)
    return 0


def _locator(seed: int, phones: int, processes: int) -> Locator:
    """A locator from renderings at the end of the seed's range; the network's parts are at its start."""
    first = (seed + 1) * SEED_STEP - phones
    samples = list(in_processes(sample, [(first + i,) for i in range(phones)], processes))
    return train_locator(samples, epochs=PHONE_EPOCHS, seed=seed, tell=_say)


def _tell(epoch: Epoch) -> None:
    ranking = "undefined" if epoch.calibrate_auroc is None else f"{epoch.calibrate_auroc:.4f}"
    _say(
        f"epoch {epoch.number}/{epoch.of}: loss {epoch.loss:.4f}, calibrate part: surprise "
        f"{epoch.calibrate_nll:.4f}, AUROC {ranking}, {epoch.seconds} s"
    )


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")


if __name__ == "__main__":
    sys.exit(main())
