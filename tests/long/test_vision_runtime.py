"""Scoring: answers in order, failures that stay alone, and heat maps that are what the score is made of."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from scoring.marks import HEAT_SHAPE
from scoring.running import run
from scoring.views import View
from shadow.vision import runtime
from shadow.vision.heatmap import colourise
from shadow.vision.network import FEATURES
from shadow.vision.runtime import Answer, Failure, WeightsRefused, load
from shadow.vision.synthetic import render
from tests.conftest import KEPT_AT_A_SITE, untrained_weights


def weights(folder, name="w", seed=1, **metadata):
    """Untrained weights in a file: what scores are made of does not depend on how good they are."""
    (folder / f"{name}.safetensors").write_bytes(untrained_weights(seed, **metadata))
    return folder / f"{name}.safetensors"


@pytest.fixture
def scorer(tmp_path):
    return load(weights(tmp_path, threshold="0.0"))


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
    assert together.novelty == max(first.novelty, second.novelty)
    assert [h.shape for h in together.heatmaps] == [HEAT_SHAPE] * 2
    assert together.heatmaps[0].dtype == np.uint8
    assert list(together.timings) == ["decode", "locate", "quality", "network", "score"]
    assert list(together.figures[1]) == ["decode", "locate", "quality", "network", "score"]


def test_views_are_read_apart_from_being_answered_and_photos_of_one_size_share_a_pass(scorer, monkeypatch):
    passes = []
    network = scorer.network
    monkeypatch.setattr(scorer, "network", lambda pixels: passes.append(pixels.shape[0]) or network(pixels))
    photo, other = (Image.fromarray(render(2, size=size).image) for size in ((960, 540), (1280, 720)))
    ready = scorer.read([[photo], [other], [photo, photo]])
    assert len(scorer.answer(ready)) == 3
    assert sorted(passes) == [1, 3]


def test_a_small_view_is_looked_at_from_four_sides_and_is_the_same_from_each(scorer, monkeypatch):
    passes = []
    network = scorer.network
    monkeypatch.setattr(scorer, "network", lambda pixels: passes.append(pixels.shape[0]) or network(pixels))
    small, large = (Image.fromarray(render(3, flaw="scratch", size=size).image) for size in ((256, 256), (1280, 720)))
    views = [scorer.read([[photo]])[0].views[0] for photo in (small, large)]
    seen = run(scorer.network, views)
    assert sorted(passes) == [1, 4]
    mirrored = replace(views[0], pixels=np.ascontiguousarray(views[0].pixels[:, ::-1]))
    monkeypatch.setattr(View, "background", lambda view: False)
    plain, turned = run(scorer.network, [views[0]])[0], run(scorer.network, [mirrored])[0]
    assert np.allclose(plain.cells, turned.cells[:, ::-1], atol=1e-4)
    assert np.allclose(plain.features, turned.features, atol=1e-4)
    assert (plain.cells >= run(scorer.network, [views[0]], sides=1)[0].cells - 1e-5).all()
    assert seen[0].cells.shape == plain.cells.shape


def test_the_heat_map_is_what_the_score_is_made_of(scorer, photo):
    (answer,) = scorer.score([[photo]])
    assert answer.heatmaps[0].max() / 255 >= answer.score - 1 / 255
    hot = max(answer.marks, key=lambda mark: mark.score)
    assert hot.score * 255 == pytest.approx(answer.heatmaps[0].max(), abs=1)


def test_a_photo_under_the_threshold_has_no_marks(tmp_path, photo):
    (answer,) = load(weights(tmp_path, threshold="1.0")).score([[photo]])
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
    assert (failure.reason, failure.photo) == ("blank photo", 0)


@pytest.mark.parametrize("variant", ["slab", "classic", "fold"])
def test_a_dim_phone_is_not_nothing(scorer, variant):
    dim = render(4, variant=variant, lighting=0.35, size=(480, 270))
    assert isinstance(scorer.score([[Image.fromarray(dim.image)]])[0], Answer)


def test_a_score_that_is_no_number_is_a_failure(scorer, photo, monkeypatch):
    def network(pixels):
        return [np.full((len(pixels), 8, 8), np.nan), np.zeros((len(pixels), FEATURES))]

    monkeypatch.setattr(scorer, "network", network)
    monkeypatch.setattr(View, "background", lambda view: np.zeros((8, 8), bool))
    (failure,) = scorer.score([[photo]])
    assert failure.reason == "score is not a number"


def test_an_empty_batch_has_no_answers(scorer):
    assert scorer.score([]) == []


def test_scorers_are_kept_by_content_and_only_two(tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "_kept", type(runtime._kept)())
    monkeypatch.setattr(runtime, "KEPT", KEPT_AT_A_SITE)
    paths = [weights(tmp_path, str(seed), seed) for seed in (1, 2, 3)]
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
    with pytest.raises(WeightsRefused, match="sound calibration"):
        load(weights(tmp_path, slope="warm"))
    with pytest.raises(WeightsRefused, match="sound calibration"):
        load(weights(tmp_path, slope="-1"))
    torn = weights(tmp_path)
    torn.write_bytes(torn.read_bytes()[:-1000])
    with pytest.raises(WeightsRefused, match="cannot be read"):
        load(torn)


def test_two_versions_run_side_by_side_and_each_keeps_its_answers(tmp_path, photo):
    blue, green = load(weights(tmp_path, "blue", 1)), load(weights(tmp_path, "green", 2))
    alone = [scorer.score([[photo]])[0].score for scorer in (blue, green)]
    assert alone[0] != alone[1]
    assert [scorer.score([[photo]])[0].score for scorer in (blue, green)] == alone


def test_the_graph_that_serves_answers_as_the_weights_do(scorer):
    assert scorer.engine == "ONNX Runtime, float32"
    assert scorer.largest_difference < 1e-5


def test_the_veil_is_clear_where_cold_and_violet_where_hot():
    heat = np.zeros((64, 64), np.uint8)
    heat[32:, :] = 200
    veil = np.asarray(colourise(heat, (320, 180)))
    assert veil.shape == (180, 320, 4)
    assert veil[0, 0, 3] == 0
    red, green, blue, alpha = veil[-1, -1]
    assert blue > red > green
    assert 100 < alpha < 255
