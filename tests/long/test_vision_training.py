"""Training: it learns, it is seeded, it goes on where it was cut off, and its card is true."""

import json

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load

from shadow import shipped
from shadow.vision import evaluation, runtime, training
from shadow.vision.training import SPLITS, TrainingItem
from tests.lessons import items, photo, train


@pytest.fixture(scope="module")
def learnt():
    told = []
    return train(items(36), epochs=3, seed=3, progress=told.append, sources=["lines"], start=shipped.weights()), told


def test_a_tiny_set_is_learnt(learnt):
    trained, told = learnt
    assert trained.card["figures"]["test"]["auroc"] == 1.0
    assert told[-1].loss < told[0].loss


def test_the_weights_carry_what_runs_them_and_the_card_tells_their_story(learnt, tmp_path):
    trained, told = learnt
    (tmp_path / "w.safetensors").write_bytes(trained.weights)
    scorer = runtime.load(tmp_path / "w.safetensors")
    card = json.loads(json.dumps(trained.card))
    assert (scorer.calibration.slope, scorer.threshold) == (card["calibration"]["slope"], card["threshold"])
    assert scorer.calibration.offset == card["calibration"]["offset"]
    assert scorer.novelty.limit == card["novelty"]["limit"]
    assert scorer.thresholds == card["thresholds"]
    assert scorer.sha256 == card["weights_sha256"]
    assert scorer.metadata["code_version"] == card["code_version"]
    assert [e["number"] for e in card["curve"]] == [e.number for e in told]
    assert card["sources"] == ["lines"]
    assert card["seed"] == 3
    assert card["duration_s"] > 0


def test_the_weights_give_the_cards_figures(learnt, tmp_path):
    trained, _ = learnt
    (tmp_path / "w.safetensors").write_bytes(trained.weights)
    scorer = runtime.load(tmp_path / "w.safetensors")
    for part in ("calibrate", "test"):
        held_out = set(trained.card["data"]["groups"][part])
        members = [item for item in items(36) if item.group in held_out]
        scores = [a.score for a in scorer.score([[Image.fromarray(item.photo)] for item in members])]
        found = evaluation.figures(scores, [item.label for item in members], scorer.threshold)
        assert found == pytest.approx(trained.card["figures"][part], abs=1e-3)


def test_the_cards_split_is_by_group(learnt):
    data = learnt[0].card["data"]
    groups = [set(data["groups"][split]) for split in SPLITS]
    assert sum(map(len, groups)) == len(set().union(*groups)) == 36
    assert sum(n["ok"] + n["scratched"] for n in data["photos"].values()) == 36


def test_equal_seeds_give_equal_weights_and_others_do_not():
    runs = [load(train(items(12), epochs=1, seed=seed).weights) for seed in (1, 1, 2)]
    same, other = ([np.array_equal(runs[0][k], run[k]) for k in runs[0]] for run in runs[1:])
    assert all(same)
    assert not all(other)


def test_batches_of_scratches_without_a_mask_teach_the_photo_alone(learnt):
    bare = [TrainingItem(item.photo, item.label, item.group) for item in items(36)]
    mostly = [item for i, item in enumerate(bare) if item.label or i % 6 == 1]
    curve = train(mostly, epochs=1, seed=2, start=learnt[0].weights).card["curve"]
    assert np.isfinite(curve[0]["loss"]) and np.isfinite(curve[0]["calibrate_nll"])


def test_it_can_begin_from_earlier_weights(learnt):
    again = train(items(36), epochs=1, seed=5, start=learnt[0].weights)
    assert again.card["curve"][0]["calibrate_auroc"] == 1.0
    assert again.card["start_sha256"] == learnt[0].card["weights_sha256"]


def test_the_last_epoch_that_is_as_good_as_any_is_kept(monkeypatch):
    """Of a calibrate part that is solved from the first epoch on, the first is no better than the last."""
    bad = np.where(np.arange(100) % 2, 8.0, -8.0)
    told = iter([0.0, 0.1, 9.0, 0.05])  # how much of the parts' order is wrong

    def part(training, network):
        wrong = np.random.default_rng(0).normal(0, 1, 100)
        return bad + wrong * next(told), np.arange(100) % 2 == 1

    monkeypatch.setattr(training._Training, "_calibrate_part", part)
    curve = train(items(12), epochs=4, seed=1).card["curve"]
    assert [epoch["kept"] for epoch in curve] == [True, True, False, True]


def test_a_budget_that_is_spent_at_once_still_ends_with_finite_figures():
    card = train(items(12), epochs=5, seed=1, minutes=1e-6).card
    assert card["epochs"]["run"] == 1
    assert "NaN" not in json.dumps(card)


def test_a_training_that_was_cut_off_goes_on_and_ends_the_same(tmp_path):
    def stop(epoch):
        if epoch.number == 1:
            raise KeyboardInterrupt

    whole = train(items(12), epochs=2, seed=1)
    checkpoint = tmp_path / "run" / "half.pt"
    with pytest.raises(KeyboardInterrupt):
        train(items(12), epochs=2, seed=1, checkpoint=checkpoint, progress=stop)
    assert checkpoint.exists()
    told = []
    resumed = train(items(12), epochs=2, seed=1, checkpoint=checkpoint, progress=told.append)
    assert [epoch.number for epoch in told] == [2]
    ours, theirs = load(resumed.weights), load(whole.weights)
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)
    assert not checkpoint.exists()


def test_the_checkpoint_of_another_training_and_a_broken_one_are_not_taken(tmp_path):
    checkpoint = tmp_path / "half.pt"
    checkpoint.write_bytes(b"broken")
    told = []
    train(items(12), epochs=1, seed=1, checkpoint=checkpoint, progress=told.append)
    assert [epoch.number for epoch in told] == [1]


def test_further_photos_teach_and_neither_calibrate_nor_test():
    extra = [
        TrainingItem(*photo(seed, True)[:1], True, f"rendering-{seed}", photo(seed, True)[1]) for seed in range(90, 94)
    ]
    card = train(items(12), extra=extra, epochs=1, seed=1).card
    assert card["data"]["further_photos"] == 4
    assert not [g for split in SPLITS for g in card["data"]["groups"][split] if g.startswith("rendering")]


def test_the_card_shows_curves_and_its_failures_have_pictures(learnt):
    card = learnt[0].card
    assert set(card["curves"]) == {"calibrate", "test"}
    assert {entry["picture"] for entry in card["gallery"]} == set(learnt[0].pictures)
