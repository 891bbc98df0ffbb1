"""The starter model: trained by the product's own code on renderings alone, so that it may ship with it.

`python -m shadow.vision.starter --out shadow/starter --seed 7` renders, trains and writes starter.safetensors
and its card starter.json.
"""

import argparse
import io
import json
import multiprocessing
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from shadow.vision.photos import squeeze
from shadow.vision.synthetic import CONTAMINATIONS, Rendering, render
from shadow.vision.training import Epoch, TrainingItem, train

PARTS = 2400
EPOCHS = 12
THREADS = 2  # fixed: sums over another number of threads round otherwise
FLAW_SHARES = {"none": 0.28, "scratch": 0.42, "oil": 0.10, "stain": 0.10, "dust": 0.10}
FURTHER_DIRT = 0.15  # the chance of each contamination beside the main flaw
SEED_STEP = 1_000_000  # parts of seed n are rendered from n * SEED_STEP on, clear of the small seeds of demos


def part(seed: int) -> Rendering:
    """One part as a line might bring it, in a rig whose lamp and focus wander a little."""
    rng = np.random.default_rng([seed, 11])
    flaw = str(rng.choice(list(FLAW_SHARES), p=list(FLAW_SHARES.values())))
    dirt = [kind for kind in CONTAMINATIONS if rng.random() < FURTHER_DIRT]
    lighting, blur = float(rng.lognormal(0, 0.08)), float(max(0.0, rng.normal(-0.5, 1.0)))
    return render(seed, flaw=flaw, contaminations=dirt, lighting=lighting, blur=blur)


def item(seed: int) -> TrainingItem:
    """The part as a training item: a photo that has been through JPEG, squeezed at once to save memory."""
    drawn = part(seed)
    file = io.BytesIO()
    Image.fromarray(drawn.image).save(file, "JPEG", quality=90)
    photo = squeeze(Image.open(file).convert("RGB"))
    mask = np.asarray(squeeze(Image.fromarray(drawn.mask.astype(np.uint8) * 255))) > 24
    return TrainingItem(np.asarray(photo), drawn.scratched, f"rendering-{seed}", mask)


def items(seed: int, parts: int, processes: int) -> Iterator[TrainingItem]:
    """Training items of `parts` renderings, in order, drawn by several processes."""
    seeds = range(seed * SEED_STEP, seed * SEED_STEP + parts)
    spawn = multiprocessing.get_context("spawn")  # torch does not survive a fork
    with ProcessPoolExecutor(processes, mp_context=spawn) as pool:
        yield from pool.map(item, seeds, chunksize=16)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m shadow.vision.starter", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--parts", type=int, default=PARTS, help="how many parts to render")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--processes", type=int, default=2, help="for the rendering")
    options = parser.parse_args(arguments)
    torch.set_num_threads(THREADS)
    rendered = list(items(options.seed, options.parts, options.processes))
    command = (
        f"python -m shadow.vision.starter --out shadow/starter --seed {options.seed} "
        f"--parts {options.parts} --epochs {options.epochs}"
    )
    trained = train(
        rendered,
        epochs=options.epochs,
        seed=options.seed,
        progress=_tell,
        device="cpu",
        sources=["shadow.vision.synthetic"],
    )
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "starter.safetensors").write_bytes(trained.weights)
    card = {"name": "starter", "command": command, **trained.card}
    (options.out / "starter.json").write_text(json.dumps(card, indent=1) + "\n")
    return 0


def _tell(epoch: Epoch) -> None:
    ranking = "undefined" if epoch.calibrate_auroc is None else f"{epoch.calibrate_auroc:.4f}"
    sys.stderr.write(
        f"epoch {epoch.number}/{epoch.of}: loss {epoch.loss:.4f}, calibrate part: surprise "
        f"{epoch.calibrate_nll:.4f}, AUROC {ranking}, {epoch.seconds} s\n"
    )


if __name__ == "__main__":
    sys.exit(main())
