"""The starter model as shipped: it tells scratched renderings from dirty ones, and its card is true."""

import hashlib
import json
from pathlib import Path

import pytest
from PIL import Image

from shadow.vision import evaluation, runtime, starter
from shadow.vision.training import SPLITS

FOLDER = Path(runtime.__file__).parents[1] / "starter"


@pytest.fixture(scope="module")
def card():
    return json.loads((FOLDER / "starter.json").read_text())


def test_it_separates_renderings_that_it_never_saw(card):
    parts = [starter.part(seed) for seed in range(60)]
    assert not {f"rendering-{seed}" for seed in range(60)} & {
        g for split in SPLITS for g in card["data"]["groups"][split]
    }
    scorer = runtime.load(FOLDER / "starter.safetensors")
    answers = scorer.score([[Image.fromarray(part.image)] for part in parts])
    labels = [part.scratched for part in parts]
    found = evaluation.figures([a.score for a in answers], labels, scorer.threshold)
    assert found["auroc"] > 0.9
    assert found["coverage"] == 1


def test_its_card_belongs_to_its_weights(card):
    weights = (FOLDER / "starter.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == card["weights_sha256"]
    assert len(weights) < 10_000_000
    assert runtime.metadata_of(weights)["code_version"] == card["code_version"]
    assert card["command"].startswith("python -m shadow.vision.starter --out shadow/starter --seed 7")


def test_its_split_is_by_group_and_its_thresholds_are_in_order(card):
    groups = [group for split in SPLITS for group in card["data"]["groups"][split]]
    assert len(set(groups)) == len(groups) == starter.PARTS
    assert card["thresholds"] == sorted(card["thresholds"])
    assert card["threshold"] in card["thresholds"]


def test_a_training_item_of_the_starter_is_small_and_true():
    item = starter.item(5)
    assert item.photo.shape == (256, 256, 3)
    assert item.mask.shape == (256, 256)
    assert item.label == starter.part(5).scratched == bool(item.mask.any())
