"""Scoring: answers in order, failures that stay alone, and heat maps that are what the score is made of."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from shadow.vision import runtime
from shadow.vision.heatmap import colourise
from shadow.vision.network import ARCHITECTURE, ScratchNet
from shadow.vision.photos import prepare
from shadow.vision.runtime import Answer, Failure, WeightsRefused, load, marks_of
from shadow.vision.synthetic import render


def weights(folder, name="w", seed=0, threshold=0.0, **metadata):
    """Untrained weights: what scores are made of does not depend on how good they are."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ScratchNet()
    fields = {"architecture": ARCHITECTURE, "temperature": "1.5", "threshold": str(threshold)}
    save_file(
        network.state_dict(), folder / f"{name}.safetensors",
        {**fields, "thresholds": json.dumps([0.1, 0.5]), **metadata},
    )  # fmt: skip
    return folder / f"{name}.safetensors"


@pytest.fixture
def scorer(tmp_path):
    return load(weights(tmp_path))


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    Image.fromarray(render(1, flaw="scratch", size=(480, 270)).image).save(path)
    return path


def test_an_answer_is_the_hottest_of_its_views(scorer, photo):
    other = Image.fromarray(render(2, size=(480, 270)).image)
    together, first, second = scorer.score([[photo, other], [photo], [other]])
    assert together.photo_scores == pytest.approx([first.score, second.score], abs=1e-6)
    assert together.score == max(together.photo_scores)
    assert [h.shape for h in together.heatmaps] == [(64, 64)] * 2
    assert together.heatmaps[0].dtype == np.uint8
    assert set(together.timings) == {"decode", "prepare", "network", "marks"}
    assert set(together.figures[1]) == {"brightness", "contrast", "sharpness", "spread"}


def test_the_heat_map_is_what_the_score_is_made_of(scorer, photo):
    (answer,) = scorer.score([[photo]])
    assert answer.heatmaps[0].max() / 255 >= answer.score - 1 / 255
    hot = max(answer.marks, key=lambda mark: mark.score)
    assert hot.score * 255 == pytest.approx(answer.heatmaps[0].max(), abs=1)


def test_a_photo_under_the_threshold_has_no_marks(tmp_path, photo):
    (answer,) = load(weights(tmp_path, threshold=1.0)).score([[photo]])
    assert answer.marks == []


def broken_photos(folder):
    (folder / "text.jpg").write_text("not a photo")
    whole = folder / "whole.jpg"
    Image.fromarray(render(3, size=(480, 270)).image).save(whole)
    (folder / "torn.jpg").write_bytes(whole.read_bytes()[:4000])
    return [folder / "text.jpg", folder / "torn.jpg", folder / "missing.jpg", None]


def test_a_broken_inspection_fails_alone(scorer, photo, tmp_path):
    broken = broken_photos(tmp_path)
    batch = [[photo], *([bad] for bad in broken), [photo, broken[0]], [], [photo] * 9, [photo]]
    answers = scorer.score(batch)
    assert [type(a) for a in answers] == [Answer, *[Failure] * 7, Answer]
    assert answers[0].score == pytest.approx(answers[-1].score)
    assert all(a.reason.startswith("unreadable photo: ") for a in answers[1:6])
    assert answers[5].photo == 1
    assert answers[6].reason.startswith("0 photos")
    assert answers[7].reason.startswith("9 photos")


@pytest.mark.parametrize("level", [0, 30, 255])
def test_a_photo_of_nothing_is_a_failure_never_an_ok(scorer, level):
    noise = np.random.default_rng(0).normal(level, 3, (540, 960, 3)).clip(0, 255).astype(np.uint8)
    (failure,) = scorer.score([[Image.fromarray(noise)]])
    assert failure == Failure("blank photo", 0, failure.timings)


@pytest.mark.parametrize("variant", ["slab", "classic", "fold"])
def test_a_dim_phone_is_not_nothing(scorer, variant):
    dim = render(4, variant=variant, lighting=0.35, size=(480, 270))
    assert isinstance(scorer.score([[Image.fromarray(dim.image)]])[0], Answer)


def test_a_score_that_is_no_number_is_a_failure(scorer, photo, monkeypatch):
    monkeypatch.setattr(scorer, "temperature", float("nan"))
    (failure,) = scorer.score([[photo]])
    assert failure.reason == "score is not a number"


def test_an_empty_batch_has_no_answers(scorer):
    assert scorer.score([]) == []


def test_scorers_are_kept_by_content_and_only_two(tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "_kept", type(runtime._kept)())
    paths = [weights(tmp_path, str(seed), seed) for seed in range(3)]
    first = load(paths[0])
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(paths[0].read_bytes())
    assert load(copy) is first
    assert torch.get_num_threads() == 1
    load(paths[1]), load(paths[2])
    assert load(paths[0]) is not first
    assert len(runtime._kept) == 2


def test_weights_that_do_not_fit_are_refused(tmp_path):
    (tmp_path / "noise").write_bytes(b"\x08\0\0\0\0\0\0\0nonsense")
    with pytest.raises(WeightsRefused, match="not a safetensors file"):
        load(tmp_path / "noise")
    with pytest.raises(WeightsRefused, match="architecture other"):
        load(weights(tmp_path, architecture="other"))
    with pytest.raises(WeightsRefused, match="sound temperature"):
        load(weights(tmp_path, temperature="warm"))
    torn = weights(tmp_path)
    torn.write_bytes(torn.read_bytes()[:-1000])
    with pytest.raises(WeightsRefused, match="do not fit"):
        load(torn)


def test_marks_box_each_patch_hottest_first():
    heat = np.zeros((64, 64), np.float32)
    heat[8, 16:32] = 0.7  # one long patch
    heat[40, 40] = heat[41, 41] = 0.9  # two cells that touch at a corner
    first, second = marks_of(heat, photo=2)
    assert first.box == (40 / 64, 40 / 64, 2 / 64, 2 / 64)
    assert first.score == pytest.approx(0.9)
    assert second.box == (0.25, 0.125, 0.25, 1 / 64)
    assert second.photo == 2


def test_marks_are_few_and_a_weak_map_still_has_one():
    dots = np.zeros((64, 64), np.float32)
    dots[::4, ::4] = 0.9
    assert len(marks_of(dots, 0)) == runtime.MAX_MARKS
    weak = np.full((64, 64), 0.01, np.float32)
    weak[5, 5] = 0.3
    assert [mark.box[:2] for mark in marks_of(weak, 0)] == [(5 / 64, 5 / 64)]


def test_a_photo_is_squeezed_whole_whatever_its_mode():
    for mode in ("RGB", "L", "RGBA", "P"):
        tensor = prepare(Image.new(mode, (1920, 1080)))
        assert tensor.shape == (3, 256, 256)
        assert tensor.dtype == torch.float32
    left_white = Image.new("RGB", (1000, 500))
    left_white.paste((255, 255, 255), (0, 0, 500, 500))
    assert prepare(left_white)[:, :, :100].min() == 1
    assert prepare(left_white)[:, :, 156:].max() == 0


def test_the_veil_is_clear_where_cold_and_violet_where_hot():
    heat = np.zeros((64, 64), np.uint8)
    heat[32:, :] = 200
    veil = np.asarray(colourise(heat, (320, 180)))
    assert veil.shape == (180, 320, 4)
    assert veil[0, 0, 3] == 0
    red, green, blue, alpha = veil[-1, -1]
    assert blue > red > green
    assert 100 < alpha < 255
