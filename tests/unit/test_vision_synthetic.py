"""The renderer: equal seeds give equal photos, and its truth agrees with its pixels."""

import numpy as np
import pytest

from shadow.vision.synthetic import CONTAMINATIONS, FLAWS, VARIANTS, render

SMALL = (480, 270)


def test_equal_seeds_give_equal_pixels_and_others_do_not():
    first = render(5, flaw="scratch", size=SMALL)
    assert np.array_equal(first.image, render(5, flaw="scratch", size=SMALL).image)
    assert not np.array_equal(first.image, render(6, flaw="scratch", size=SMALL).image)


@pytest.mark.parametrize("flaw", FLAWS)
def test_only_scratches_are_masked(flaw):
    drawn = render(11, flaw=flaw, size=SMALL)
    assert drawn.image.shape == (270, 480, 3)
    assert drawn.image.dtype == np.uint8
    assert drawn.mask.shape == (270, 480)
    assert drawn.mask.dtype == bool
    assert drawn.scratched == (flaw == "scratch") == bool(drawn.mask.any()) == bool(drawn.boxes)


@pytest.mark.parametrize("seed", range(12))
def test_boxes_hold_the_mask_and_each_holds_a_part_of_it(seed):
    drawn = render(seed, flaw="scratch", contaminations=["dust"])
    height, width = drawn.mask.shape
    covered = np.zeros_like(drawn.mask)
    for x, y, w, h in drawn.boxes:
        assert 0 <= x < x + w <= 1
        assert 0 <= y < y + h <= 1
        inside = np.s_[round(y * height) : round((y + h) * height), round(x * width) : round((x + w) * width)]
        assert drawn.mask[inside].any()
        covered[inside] = True
    assert not (drawn.mask & ~covered).any()


def test_a_plain_scratch_is_brighter_than_the_glass_around_it():
    with_scratch = render(3, flaw="scratch", hardness=0.1)
    without = render(3, flaw="none")
    gain = with_scratch.image.astype(float) - without.image
    assert gain[with_scratch.mask].mean() > 40
    assert abs(gain[~with_scratch.mask].mean()) < 1


def test_hard_scratches_are_fainter_and_shorter():
    plain, hard = (
        [render(seed, flaw="scratch", hardness=hardness).mask.sum() for seed in range(6)] for hardness in (0.1, 1.0)
    )
    assert sum(hard) < sum(plain) / 3


@pytest.mark.parametrize("kind", CONTAMINATIONS)
def test_each_contamination_is_seen_and_named(kind):
    clean, dirty = render(8, size=SMALL), render(8, contaminations=[kind], size=SMALL)
    assert dirty.contaminations == (kind,)
    assert not dirty.scratched
    assert np.abs(dirty.image.astype(int) - clean.image).max() > 15


def test_another_view_is_the_same_phone_lying_otherwise():
    first, second = (render(21, flaw="scratch", view=view, size=SMALL) for view in (0, 1))
    assert first.variant == second.variant
    assert len(first.boxes) == len(second.boxes)
    assert not np.array_equal(first.mask, second.mask)


def test_lighting_cast_and_blur_change_the_photo_as_named():
    plain = render(4, size=SMALL).image.astype(float)
    assert render(4, size=SMALL, lighting=0.5).image.mean() == pytest.approx(plain.mean() / 2, rel=0.05)
    red = render(4, size=SMALL, cast=(1.3, 1.0, 1.0)).image.astype(float)
    assert red[..., 0].mean() > 1.2 * plain[..., 0].mean()
    assert np.array_equal(red[..., 1], plain[..., 1])
    soft = render(4, size=SMALL, blur=8).image.astype(float)
    assert np.abs(np.diff(soft, axis=1)).mean() < 0.9 * np.abs(np.diff(plain, axis=1)).mean()


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_is_drawn_at_any_size(variant):
    for size in ((64, 36), (540, 960), (1280, 720)):
        drawn = render(2, variant=variant, size=size, flaw="scratch")
        assert drawn.variant == variant
        assert drawn.image.shape == (size[1], size[0], 3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"flaw": "crack"},
        {"contaminations": ["mud"]},
        {"variant": "brick"},
        {"size": (4000, 3000)},
        {"lighting": 0.0},
        {"hardness": 1.5},
    ],
)
def test_nonsense_is_refused_with_a_sentence(wrong):
    with pytest.raises(ValueError, match=r"\w+ .*"):
        render(1, **wrong)
