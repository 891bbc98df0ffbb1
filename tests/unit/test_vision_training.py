"""What a training begins with: no group ever stands on two sides of the split, and what cannot be learnt from is refused."""

import numpy as np
import pytest

from scoring.grid import MAP_STRIDE
from shadow import shipped
from shadow.vision import sampling
from shadow.vision.another_day import on_another_day
from shadow.vision.runtime import locate_with, locator_of
from shadow.vision.training import SPLITS, NotEnoughData, TrainingItem, split_by_group
from tests.lessons import items, train


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


def test_an_unreadable_photo_is_named(tmp_path):
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8 no photo")
    made = [*items(12), TrainingItem(tmp_path / "torn.jpg", True, "torn")]
    with pytest.raises(ValueError, match=r"torn\.jpg"):
        train(made, epochs=1, seed=1)
