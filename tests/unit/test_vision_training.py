"""Training: it learns, it is seeded, and no group ever stands on two sides of the split."""

import json

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load

from shadow import shipped
from shadow.vision import evaluation, runtime, sampling, training
from shadow.vision.another_day import on_another_day
from shadow.vision.network import MAP_STRIDE
from shadow.vision.runtime import locate_with, locator_of
from shadow.vision.training import SPLITS, NotEnoughData, TrainingItem, split_by_group
from tests.conftest import untrained_weights


def train(items, **options):
    """A training whose locator takes the whole photo for the phone."""
    return training.train(items, locator=locator_of(untrained_weights()), device="cpu", **options)


def photo(seed, scratched):
    """Dark glass with noise and, when scratched, a bright line; with the line's mask."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(40, 4, (256, 256, 3))
    pixels[:20] = 120  # a frame, so that it is not blank
    mask = np.zeros((256, 256), bool)
    if scratched:
        row, column = rng.integers(40, 180, 2)
        mask[row : row + 3, column : column + 60] = True
    pixels[mask] = 220
    return np.clip(pixels, 0, 255).astype(np.uint8), mask


def items(count, per_group=1):
    made = []
    for seed in range(count):
        pixels, mask = photo(seed, seed % 2 == 0)
        group = f"part-{seed // 2 // per_group}-{seed % 2}"
        made.append(TrainingItem(pixels, seed % 2 == 0, group, mask if seed % 2 == 0 else None))
    return made


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


def test_a_photo_of_another_day_keeps_its_size_and_its_background_moves_along():
    stock = sampling.Stock(items(2), locate_with(locator_of(shipped.weights())))
    view = stock.view(0)
    cells = tuple(side // MAP_STRIDE for side in view.pixels.shape[:2])
    view.background = lambda: np.ones(cells, bool)
    rng = np.random.default_rng(0)
    first, second = on_another_day(view, (40, 60), rng), on_another_day(view, (40, 60), rng)
    for made in (first, second):
        assert (made.pixels.shape, made.pixels.dtype) == (view.pixels.shape, np.uint8)
        assert made.background().shape == cells and made.background().all()
    assert not np.array_equal(first.pixels, second.pixels)


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


@pytest.mark.parametrize("seed", range(20))
def test_groups_never_straddle_splits_and_each_part_has_both_classes(seed):
    rng = np.random.default_rng(seed)
    made = [
        TrainingItem("x.jpg", bool(g % 3 == 0), f"phone-{g}")
        for g in range(18)
        for _ in range(int(rng.integers(1, 40)))
    ]
    splits = split_by_group(made, seed)
    assert set(splits) == {item.group for item in made}
    for split in SPLITS:
        assert {item.label for item in made if splits[item.group] == split} == {True, False}


@pytest.mark.parametrize("seed", range(5))
def test_a_phone_of_many_photos_learns_and_small_ones_are_held_out(seed):
    sizes = {"a": 200, "b": 120, "c": 80, "d": 60, "e": 50, "f": 30, "g": 10, "h": 10, "i": 5, "j": 5}
    made = [TrainingItem("x.jpg", True, group) for group, count in sizes.items() for _ in range(count)]
    made += [TrainingItem("x.jpg", False, f"block-{g}") for g in range(12) for _ in range(80)]
    made += [TrainingItem("x.jpg", False, f"single-{g}") for g in range(10)]
    splits = split_by_group(made, seed)
    assert {splits["a"], splits["b"], splits["c"]} == {"train"}
    for split in ("calibrate", "test"):
        held = [count for group, count in sizes.items() if splits[group] == split]
        assert len(held) >= 2 and max(held) <= 40


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


def test_a_given_split_is_kept_and_binds_its_whole_group():
    made = items(24, per_group=2)
    made[0] = TrainingItem(made[0].photo, True, made[0].group, split="test")
    assert split_by_group(made, 1)[made[0].group] == "test"
    made[2] = TrainingItem(made[2].photo, True, made[0].group, split="train")
    with pytest.raises(ValueError, match="two splits"):
        split_by_group(made, 1)


@pytest.mark.parametrize("keep", [lambda item: item.label, lambda item: not item.label, lambda item: False])
def test_a_missing_class_is_refused_with_what_is_needed(keep):
    with pytest.raises(NotEnoughData, match="at least three groups"):
        train([item for item in items(12) if keep(item)], epochs=1, seed=1)


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"epochs": 1, "start": b"no weights"}])
def test_a_training_that_cannot_begin_says_why(wrong):
    with pytest.raises(ValueError, match=r"at least one epoch|do not fit"):
        train(items(12), seed=1, **wrong)


def test_a_budget_that_is_spent_at_once_still_ends_with_finite_figures():
    card = train(items(12), epochs=5, seed=1, minutes=1e-6).card
    assert card["epochs"]["run"] == 1
    assert "NaN" not in json.dumps(card)


def test_an_unreadable_photo_is_named(tmp_path):
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8 no photo")
    made = [*items(12), TrainingItem(tmp_path / "torn.jpg", True, "torn")]
    with pytest.raises(ValueError, match=r"torn\.jpg"):
        train(made, epochs=1, seed=1)


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
