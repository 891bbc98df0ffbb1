"""The starter model as shipped: it tells scratched renderings from dirty ones, and its card is true."""

import hashlib
import json
from pathlib import Path

import pytest
from PIL import Image

from shadow.vision import drawn, evaluation, runtime
from shadow.vision.synthetic import FLAWS, render
from shadow.vision.training import SPLITS

FOLDER = Path(runtime.__file__).parents[1] / "starter"


@pytest.fixture(scope="module")
def card():
    return json.loads((FOLDER / "starter.json").read_text())


def figures_of(parts):
    scorer = runtime.load(FOLDER / "starter.safetensors")
    answers = scorer.score([[Image.fromarray(part.image)] for part in parts])
    return evaluation.figures([a.score for a in answers], [part.scratched for part in parts], scorer.threshold)


def test_it_separates_renderings_that_it_never_saw():
    dirt = [flaw for flaw in FLAWS if flaw != "scratch"]
    found = figures_of([render(seed, flaw="scratch" if seed % 2 else dirt[seed // 2 % 4]) for seed in range(60)])
    assert found["auroc"] > 0.94
    assert found["coverage"] == 1


def test_it_sees_hairlines_in_full_photos():
    parts = [
        render(seed, flaw="scratch" if seed % 2 else "dust", hairline=True, size=(1920, 1080)) for seed in range(24)
    ]
    assert figures_of(parts)["auroc"] > 0.97


def test_its_card_belongs_to_its_weights(card):
    weights = (FOLDER / "starter.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == card["weights_sha256"]
    assert len(weights) < 10_000_000
    assert runtime.metadata_of(weights)["code_version"] == card["code_version"]
    assert card["command"].startswith("python -m shadow.vision.starter --out shadow/starter --seed ")


def test_its_split_is_by_group_and_its_thresholds_are_in_order(card):
    groups = [group for split in SPLITS for group in card["data"]["groups"][split]]
    assert len(set(groups)) == len(groups) >= 200
    assert card["thresholds"] == sorted(card["thresholds"])
    assert card["threshold"] in card["thresholds"]


def test_a_drawn_item_is_true_and_its_group_is_its_own(tmp_path):
    items = [drawn.draw(seed, tmp_path) for seed in range(5_000_000, 5_000_012)]
    assert len({item.group for item in items}) == 12
    for item in items:
        assert item.label == (item.mask is not None)
        if item.mask:
            with Image.open(item.mask) as mask, Image.open(item.photo) as photo:
                assert mask.size == photo.size and mask.getbbox()
