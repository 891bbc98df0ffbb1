"""From photos to tiles and targets: masks, boxes and bare labels each say what they know and no more."""

import numpy as np
import pytest
import torch

from shadow.vision import sampling
from shadow.vision.augmentation import augment
from shadow.vision.network import to_tensor
from shadow.vision.runtime import locate_with, locator_of
from shadow.vision.sampling import FRAME_FROM, TILE, Stock, framed, loss_of, mixed, plan, targets_of, tile_of
from shadow.vision.splits import TrainingItem
from tests.conftest import untrained_weights

BOX = (0.25, 0.5, 0.05, 0.05)


def pixels(height, width):
    glass = np.random.default_rng(1).normal(40, 4, (height, width, 3)).clip(0, 255).astype(np.uint8)
    glass[: height // 8] = 120
    return glass


def stock_of(*items):
    return Stock(items, locate_with(locator_of(untrained_weights())))


def large(label=True, **known):
    return TrainingItem(pixels(640, 960), label, "phone", **known)


def mask_at(y, x):
    mask = np.zeros((640, 960), bool)
    mask[y : y + 3, x : x + 60] = True
    return mask


def test_a_tile_holds_the_scratch_that_a_mask_or_a_box_names():
    stock = stock_of(large(mask=mask_at(300, 500)), large(boxes=(BOX,)))
    rng = np.random.default_rng(0)
    masked = [tile_of(stock, 0, rng).planes for _ in range(30)]
    assert np.mean([planes[..., 0].any() for planes in masked]) > 0.6
    assert all((planes[..., 1] == 255).any() for planes in masked)
    for _ in range(10):
        tile = tile_of(stock, 1, rng)
        assert tile.pixels.shape == (TILE, TILE, 3)
        assert tile.planes[..., 2].any() and not tile.planes[..., 1].any()


def test_a_bare_label_is_looked_for_where_the_network_was_hottest():
    stock = stock_of(large(), large(False))
    stock.hottest = {0: (600, 900), 1: (600, 900)}
    tile = tile_of(stock, 0, np.random.default_rng(0))
    assert tile.planes[..., 2].any() and not tile.planes[..., :2].any()
    assert tile.planes[tile.spot][2] == 255
    assert not tile.pixels[-1].any()  # a tile near the corner reaches over the photo's end


def test_the_targets_of_each_kind():
    planes = torch.zeros(4, 3, TILE, TILE)
    planes[0, :, 100:103, 50:150] = 1  # a known scratch ...
    planes[:2, 1] = 1  # ... and a known good tile
    planes[2, 2] = 1  # somewhere here
    planes[3, 1, :20] = 1  # hardly anything of the photo is left
    targets = targets_of(planes, torch.tensor([1.0, 0.0, 1.0, 1.0]))
    assert targets.labels.tolist()[:3] == [1, 0, 1]
    assert targets.weights.tolist() == [1, 1, 1, 0]  # the last one was moved out of its tile
    assert targets.cells[0].sum() > 20
    assert targets.known[2].sum() == 0


def test_the_loss_asks_for_the_scratch_where_it_may_be():
    planes = torch.zeros(1, 3, TILE, TILE)
    planes[0, 2, :64, :64] = 1
    targets = targets_of(planes, torch.ones(1))
    inside, outside = torch.full((1, 64, 64), -5.0), torch.full((1, 64, 64), -5.0)
    inside[0, 4, :14] = 5.0
    outside[0, 40, 20:34] = 5.0
    assert loss_of(inside, targets) < 0.1 < 5 < loss_of(outside, targets)


def test_a_patch_takes_its_scratch_to_another_phone_and_its_truth_along(monkeypatch):
    monkeypatch.setattr(sampling, "MIXED", 1.0)
    stock = stock_of(large(), large(False), large(mask=mask_at(300, 500)))
    stock.hottest = {0: (300, 500)}
    rng = np.random.default_rng(2)
    bare, good = tile_of(stock, 0, rng), tile_of(stock, 1, rng)
    mixed_bare, mixed_good = mixed([bare, good], rng)
    assert mixed_bare.label and not mixed_good.label
    here = mixed_bare.planes[..., 2] == 255
    assert 0 < here.mean() < 0.5 and here[bare.spot]
    assert np.array_equal(mixed_bare.pixels[here], bare.pixels[here])
    assert np.array_equal(mixed_bare.pixels[~here], good.pixels[~here])
    assert (mixed_bare.planes[~here, 1] == 255).all()
    masked = next(tile for tile in (tile_of(stock, 2, rng) for _ in range(50)) if tile.spot)
    moved = mixed([masked, good], rng)[0]
    assert moved.planes[..., 0].any() and (moved.planes[..., 1] == 255).all()


def test_without_a_good_tile_nothing_is_mixed():
    stock = stock_of(large())
    tile = tile_of(stock, 0, np.random.default_rng(0))
    assert mixed([tile], np.random.default_rng(0)) == [tile]


def test_a_frame_covers_one_side_and_never_the_scratch(monkeypatch):
    monkeypatch.setattr(sampling, "FRAMED", 1.0)
    stock = stock_of(large(), large(False), large(mask=mask_at(300, 500)))
    stock.hottest = {0: (300, 500)}
    rng = np.random.default_rng(3)
    near = FRAME_FROM[0] - 2
    for index in (0, 1, 2) * 20:
        tile = tile_of(stock, index, rng)
        if tile.spot is None:
            assert framed(tile, rng) is tile
            continue
        made = framed(tile, rng)
        y, x = tile.spot
        kept = slice(max(0, y - near // 2), y + near // 2), slice(max(0, x - near // 2), x + near // 2)
        assert np.array_equal(made.pixels[kept], tile.pixels[kept])
        assert np.array_equal(made.planes[kept], tile.planes[kept])
        changed = (made.pixels != tile.pixels).any(axis=2)
        assert not made.planes[..., 0][changed & ~(tile.planes[..., 0] > 0)].any()
        assert not (made.planes[..., 2] > tile.planes[..., 2]).any()
        if index == 0:  # nobody said where its scratch is, so nothing of it becomes known
            assert not made.planes[..., 1].any()


def test_of_a_part_with_several_views_only_the_hottest_is_said_to_show_the_scratch():
    views = [TrainingItem(pixels(200, 200), True, "p", part="7") for _ in range(3)]
    good = [TrainingItem(pixels(200, 200), False, "q", part="8") for _ in range(3)]
    stock = stock_of(*views, *good)
    stock.heat = {0: -3.0, 1: 2.0, 2: -4.0}
    planned = plan(stock, np.arange(6), np.random.default_rng(0))
    assert set(planned) == {1, 3, 4, 5}


def test_rare_scratches_are_repeated():
    items = [TrainingItem(pixels(96, 96), i == 0, f"g{i}") for i in range(21)]
    planned = plan(stock_of(*items), np.arange(21), np.random.default_rng(0))
    assert planned.count(0) == 7
    assert len(planned) == 27


def test_an_unfit_photo_is_left_out_and_an_unreadable_one_is_named(tmp_path):
    stock = stock_of(
        TrainingItem(np.zeros((200, 200, 3), np.uint8), False, "blank"), TrainingItem(pixels(96, 96), True, "g")
    )
    assert set(plan(stock, np.arange(2), np.random.default_rng(0))) == {1}
    assert stock.unfit == {0: "blank photo"}
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8")
    with pytest.raises(ValueError, match=r"torn\.jpg"):
        stock_of(TrainingItem(tmp_path / "torn.jpg", True, "t")).view(0)


@pytest.mark.parametrize("seed", range(4))
def test_augmentation_moves_photo_and_planes_alike(seed):
    tile = np.full((2, TILE, TILE, 3), 40, np.uint8)
    planes = np.zeros((2, TILE, TILE, 3), np.uint8)
    tile[:, 100:106, 80:170] = 220
    planes[:, 100:106, 80:170, 0] = 255
    moved, marks = augment(to_tensor(tile), to_tensor(planes), np.random.default_rng(seed))
    assert moved.min() >= 0 and moved.max() <= 1
    for photo, plane in zip(moved, marks, strict=True):
        marked = plane[0] > 0.9
        assert marked.any()
        assert photo.mean(0)[marked].mean() > photo.mean(0)[~marked].mean() + 0.2


def test_a_few_photos_of_its_own_are_half_of_what_a_training_sees():
    own, drawn = (
        [TrainingItem(pixels(200, 200), i == 0, str(i)) for i in range(4)],
        [TrainingItem(pixels(200, 200), False, "d")] * 24,
    )
    stock = stock_of(*own, *drawn)
    stock.further = len(drawn)
    planned = np.bincount(plan(stock, np.arange(28), np.random.default_rng(0)), minlength=28)
    assert (planned[1:4] == 6).all() and planned[0] >= 6 and (planned[4:] == 1).all()
