"""The renderer: equal seeds give equal photos, and its truth agrees with its pixels."""

import numpy as np
import pytest

from shadow.vision.synthetic import CONTAMINATIONS, FLAWS, NUISANCES, VARIANTS, Rig, render

SMALL = (480, 270)
QUIET = Rig(noise=0)  # two renderings that differ in one thing differ in its pixels alone


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


def _gain(seed, *, size=SMALL, lighting=1.0, variant=None, **what):
    """What `what` adds to the light of a part, pixel by pixel."""
    photo = {"size": size, "lighting": lighting, "variant": variant, "rig": QUIET}
    with_it, without = render(seed, **photo, **what), render(seed, **photo)
    return with_it, with_it.image.astype(float).mean(axis=2) - without.image.astype(float).mean(axis=2)


@pytest.mark.parametrize("size", [(240, 135), (960, 540)])
@pytest.mark.parametrize("seed", range(3))
def test_hairlines_are_faint_and_a_pixel_or_two_wide_at_any_size(seed, size):
    drawn, gain = _gain(seed, flaw="scratch", hairline=True, hardness=0.3, size=size)
    assert 1 <= len(drawn.boxes) <= 3
    assert 12 < gain.max() < 45
    assert gain[~drawn.mask].max() < 0.5 * gain.max()
    longest = max(max(w * size[0], h * size[1]) for _, _, w, h in drawn.boxes)
    assert drawn.mask.sum() < 4 * 1.5 * longest * len(drawn.boxes)


def test_hardness_steers_the_contrast_of_hairlines_between_its_limits():
    strong, weak = (_gain(5, flaw="scratch", hairline=True, hardness=hardness)[1].max() for hardness in (0.0, 1.0))
    assert weak < 16 < 22 < strong < 40


def test_hairlines_keep_their_contrast_in_other_light():
    line = {"flaw": "scratch", "hairline": True, "hardness": 0.5}
    full, dim = (_gain(5, lighting=lighting, **line)[1].max() for lighting in (1.0, 0.4))
    assert dim == pytest.approx(full, abs=2)


@pytest.mark.parametrize("kind", NUISANCES)
def test_each_nuisance_is_seen_named_and_no_scratch(kind):
    differences = []
    for seed in range(4):
        drawn, gain = _gain(seed, nuisances=[kind])
        assert drawn.nuisances == (kind,)
        assert not drawn.scratched
        assert not drawn.mask.any()
        assert np.abs(gain[~drawn.phone]).max() == 0
        differences.append(np.abs(gain).max())
    assert max(differences) > 5


@pytest.mark.parametrize("kind", ["reflection", "streak"])
def test_reflections_and_streaks_have_soft_edges(kind):
    for seed in range(3):
        _, gain = _gain(seed, nuisances=[kind], variant="fold", size=(960, 540))
        steps = max(np.abs(np.diff(gain[150:-150, 300:-300], axis=axis)).max() for axis in (0, 1))
        assert steps < 3 + 0.3 * np.abs(gain).max()


def test_nuisances_leave_the_truth_of_scratches_alone():
    plain = render(9, flaw="scratch", size=SMALL)
    disturbed = render(9, flaw="scratch", nuisances=NUISANCES, size=SMALL)
    assert np.array_equal(plain.mask, disturbed.mask)
    assert plain.boxes == disturbed.boxes
    assert not np.array_equal(plain.image, disturbed.image)


def test_the_default_rig_is_the_rig_of_the_demos():
    assert np.array_equal(render(7, flaw="oil", size=SMALL).image, render(7, flaw="oil", size=SMALL, rig=Rig()).image)


def test_drawn_rigs_differ_and_equal_ones_give_equal_pixels():
    rigs = [Rig.drawn(np.random.default_rng(number)) for number in (1, 1, 2)]
    first, again, other = (render(3, flaw="scratch", size=SMALL, rig=rig).image for rig in rigs)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_phone_and_its_scratches_follow_the_pose():
    seen = {"flaw": "scratch", "hardness": 0.1, "variant": "slab", "size": (960, 540)}
    plain = render(4, **seen)
    turned = render(4, rig=Rig(turn=90, zoom=0.5), **seen)
    assert turned.variant == plain.variant
    assert len(turned.boxes) == len(plain.boxes) > 1
    assert turned.phone.sum() == pytest.approx(plain.phone.sum() / 4, rel=0.02)
    (x, y), (to_x, to_y) = (_from_first_to_second(drawn) for drawn in (plain, turned))
    assert (to_x, to_y) == pytest.approx((-y / 2, x / 2), abs=3)


def _from_first_to_second(drawn):
    height, width = drawn.mask.shape
    centres = [((x + w / 2) * width, (y + h / 2) * height) for x, y, w, h in drawn.boxes[:2]]
    return tuple(np.subtract(centres[1], centres[0]))


def test_the_outline_parts_the_phone_from_a_black_mat_and_from_a_light_one():
    for level, sign in ((5, -1), (200, 1)):
        drawn = render(2, variant="hole", size=SMALL, rig=Rig(mat_level=level, shadow=0))
        grey = drawn.image.mean(axis=2)
        assert sign * (grey[~drawn.phone].mean() - grey[drawn.phone].mean()) > 5


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_phone_outside_the_photo_shows_no_scratch(flaw):
    away = Rig(zoom=1.6, turn=30, shift=(2400, 1500))
    drawn = render(4, flaw=flaw, nuisances=NUISANCES, size=(160, 90), rig=away)
    assert not drawn.phone.any()
    assert not drawn.scratched
    assert not drawn.mask.any()


@pytest.mark.parametrize(
    ("field", "value"),
    [("zoom", 0.4), ("zoom", 1.7), ("mat_level", 300), ("noise", -1), ("shadow", 2), ("lamp", (0.9, 0))],
)
def test_an_impossible_rig_is_refused_with_a_sentence(field, value):
    with pytest.raises(ValueError, match=r"\w+ .*"):
        Rig(**{field: value})


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
        {"nuisances": ["sticker"]},
        {"variant": "brick"},
        {"size": (4000, 3000)},
        {"lighting": 0.0},
        {"hardness": 1.5},
    ],
)
def test_nonsense_is_refused_with_a_sentence(wrong):
    with pytest.raises(ValueError, match=r"\w+ .*"):
        render(1, **wrong)
