"""Scoring without torch: a process that has only a bundle's files comes to the server's scores, to the last bit."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from scoring.answers import Answer, Failure, WeightsRefused
from scoring.scorer import BundleScorer
from shadow.vision.runtime import files_of, load
from shadow.vision.synthetic import render

ROOT = Path(__file__).parents[2]
ALONE = """
import json, sys
from pathlib import Path
from scoring.scorer import BundleScorer
folder, *photos = map(Path, sys.argv[1:])
scorer = BundleScorer.from_bundle({path.name: path.read_bytes() for path in folder.iterdir()})
answers = scorer.score([[photo] for photo in photos] + [photos])
told = [[a.score.hex(), a.novelty.hex(), [m.box for m in a.marks], [h.tolist() for h in a.heatmaps]] for a in answers]
heavy = sorted({"torch", "django", "safetensors", "shadow", "inspection"} & {name.split(".")[0] for name in sys.modules})
print(json.dumps({"heavy": heavy, "told": told}))
"""


@pytest.fixture(scope="module")
def starter():
    return load(ROOT / "shadow" / "starter" / "starter.safetensors")


@pytest.fixture(scope="module")
def files(starter):
    return files_of(starter)


def test_a_bundles_files_score_as_the_server_does_to_the_last_bit_and_without_torch(starter, files, tmp_path):
    photos = [tmp_path / f"{number}.png" for number in range(3)]
    for number, (photo, flaw) in enumerate(zip(photos, ("none", "scratch", "none"), strict=True)):
        Image.fromarray(render(40 + number, flaw=flaw).image).save(photo)
    folder = tmp_path / "bundle"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    command = [sys.executable, "-c", ALONE, str(folder), *map(str, photos)]
    told = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
    assert told["heavy"] == []
    answers = starter.score([[photo] for photo in photos] + [photos])
    assert all(isinstance(answer, Answer) for answer in answers) and answers[1].marks
    assert told["told"] == [
        [a.score.hex(), a.novelty.hex(), [[*m.box] for m in a.marks], [h.tolist() for h in a.heatmaps]] for a in answers
    ]


def test_a_photo_that_cannot_be_scored_fails_with_its_reason(files, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    (failure,) = BundleScorer.from_bundle(files).score([[tmp_path / "broken.jpg"]])
    assert isinstance(failure, Failure) and "unreadable photo" in failure.reason


@pytest.mark.parametrize(
    "broken",
    [
        {"network.onnx": b""}, {"locator.onnx": b"onnx"}, {"figures.json": b"{}"}, {"figures.json": b"[]"},
        {"figures.json": b"{"}, {"figures.npz": b""}, {"figures.npz": b"PK\x03\x04"},
    ],
)  # fmt: skip
def test_files_that_are_no_version_are_refused(files, broken):
    with pytest.raises(WeightsRefused):
        BundleScorer.from_bundle(files | broken)
