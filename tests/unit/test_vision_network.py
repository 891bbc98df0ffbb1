"""The network's shapes, and the properties of its pooling that scores, marks and photos of any size rely upon."""

import pytest
import torch

from scoring.grid import MAP_STRIDE, PEAKS
from shadow.vision.network import FEATURES, ScratchNet, photo_logits


@pytest.mark.parametrize("size", [(64, 64), (96, 256)])
def test_a_photo_of_any_size_becomes_a_map_and_features(size):
    with torch.inference_mode():
        maps, features = ScratchNet().eval()(torch.rand(2, 3, *size))
    assert maps.shape == (2, size[0] // MAP_STRIDE, size[1] // MAP_STRIDE)
    assert features.shape == (2, FEATURES)


def test_it_stays_small():
    assert sum(p.numel() for p in ScratchNet().parameters()) < 1_000_000


def test_the_photo_is_never_hotter_than_its_hottest_cell_and_follows_it():
    maps = torch.randn(5, 64, 64, generator=torch.Generator().manual_seed(1)) * 3
    pooled = photo_logits(maps)
    assert (pooled <= maps.flatten(1).max(dim=1).values).all()
    assert (pooled >= maps.flatten(1).mean(1)).all()
    assert torch.allclose(photo_logits(maps + 2.5), pooled + 2.5, atol=1e-5)
    hotter = maps.clone()
    hotter[:, 3, 4] += 20
    assert (photo_logits(hotter) > pooled).all()


def test_clean_glass_round_a_scratch_changes_nothing():
    small, large = torch.full((1, 16, 16), -5.0), torch.full((1, 200, 300), -5.0)
    small[0, 4, : PEAKS + 2] = large[0, 90, 40 : 42 + PEAKS] = 3.0
    assert torch.equal(photo_logits(small), photo_logits(large))


def test_a_speck_weighs_less_than_a_line():
    speck, line = torch.full((1, 64, 64), -5.0), torch.full((1, 64, 64), -5.0)
    speck[0, 10:12, 10:12] = 4.0
    line[0, 10, 10 : 10 + PEAKS] = 4.0
    assert photo_logits(speck) < photo_logits(line) - 1
    assert photo_logits(torch.full((1, 2, 2), 1.5)) == pytest.approx(1.5)  # fewer cells than peaks


def test_in_training_the_widest_view_is_left_out_at_times_and_afterwards_it_counts_by_how_often_it_was_there():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network, context = ScratchNet(), torch.ones(400, 2, 1, 1)
        kept = network.train().kept_often(context)
    assert set(kept.unique().tolist()) == {0.0, 1.0}
    assert float(network.eval().kept_often(context).mean()) == pytest.approx(float(kept.mean()), abs=0.1)
