"""The network's shapes, and the two properties of its pooling that scores, marks and the prior rely upon."""

import pytest
import torch

from shadow.vision.network import MAP_STRIDE, ScratchNet, soft_maximum


@pytest.mark.parametrize("size", [64, 256])
def test_a_photo_becomes_a_map_and_one_logit(size):
    with torch.inference_mode():
        maps, logits = ScratchNet().eval()(torch.rand(2, 3, size, size))
    assert maps.shape == (2, size // MAP_STRIDE, size // MAP_STRIDE)
    assert logits.shape == (2,)
    assert torch.equal(logits, soft_maximum(maps))


def test_it_stays_small():
    assert sum(p.numel() for p in ScratchNet().parameters()) < 1_000_000


def test_the_photo_is_never_hotter_than_its_hottest_patch_and_follows_it():
    maps = torch.randn(5, 64, 64, generator=torch.Generator().manual_seed(1)) * 3
    pooled = soft_maximum(maps)
    assert (pooled <= maps.flatten(1).max(dim=1).values).all()
    assert (pooled >= maps.flatten(1).mean(1)).all()
    assert torch.allclose(soft_maximum(maps + 2.5), pooled + 2.5, atol=1e-5)
    hotter = maps.clone()
    hotter[:, 3, 4] += 20
    assert (soft_maximum(hotter) > pooled).all()
