"""Finding the phone: the outline from a map, the window to score, and the shipped locator on renderings."""

import numpy as np
import pytest
from PIL import Image

from scoring.grid import COARSEST, MAP_STRIDE
from scoring.locate import GRID, background, place_of, thumbnail, window_of
from shadow import shipped
from shadow.vision.runtime import locate_with, locator_of
from shadow.vision.synthetic import Rig, render

SIZE = (1280, 640)


def heat(top, left, bottom, right):
    cells = np.zeros((GRID, GRID), np.float32)
    cells[top:bottom, left:right] = 1.0
    return cells


def test_a_rectangle_is_found_as_it_lies():
    place = place_of(heat(16, 8, 48, 56), SIZE)
    assert place.share == pytest.approx(0.5 * 0.75)
    assert place.turn == pytest.approx(0)
    assert place.sure == pytest.approx(1)
    assert place.outline.min(axis=0) == pytest.approx([8 / GRID, 16 / GRID])
    assert place.outline.max(axis=0) == pytest.approx([56 / GRID, 48 / GRID])


@pytest.mark.parametrize("turn", [-60, -20, 10, 35, 90])
def test_its_turn_is_that_of_its_long_edge(turn):
    angle = np.deg2rad(turn)
    y, x = np.mgrid[0:GRID, 0:GRID] - GRID / 2 + 0.5
    along, across = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    place = place_of(((abs(along) < 24) & (abs(across) < 10)).astype(np.float32), (640, 640))
    assert place.turn == pytest.approx(turn, abs=4)


def test_there_may_be_no_phone_or_none_to_be_sure_of():
    assert place_of(np.zeros((GRID, GRID), np.float32), SIZE) is None
    assert place_of(heat(10, 10, 14, 14), SIZE) is None  # a coin
    ragged = heat(8, 8, 56, 56)
    ragged[8:40, 20:44] = 0  # a horseshoe is no phone
    assert not place_of(ragged, SIZE).is_sure
    assert window_of(place_of(ragged, SIZE), SIZE) == (0, 0, *SIZE) == window_of(None, SIZE)


def test_the_window_holds_the_phone_in_sides_that_need_no_padding():
    left, top, width, height = window_of(place_of(heat(16, 8, 48, 56), SIZE), SIZE)
    assert left <= 160 < 1120 <= left + width <= SIZE[0]
    assert top <= 160 < 480 <= top + height <= SIZE[1]
    assert width % COARSEST == height % COARSEST == 0


def test_what_lies_outside_the_outline_is_background():
    place = place_of(heat(16, 8, 48, 56), SIZE)
    outside = background(place, SIZE, (0, 0, *SIZE), (SIZE[1] // MAP_STRIDE, SIZE[0] // MAP_STRIDE), MAP_STRIDE)
    assert not outside[40:120, 40:280].any()
    assert outside[:30].all() and outside[:, :30].all() and outside[-30:].all()


def test_the_shipped_locator_finds_rendered_phones_at_any_angle_and_nothing_on_a_bare_mat():
    locate = locate_with(locator_of(shipped.weights()))
    overlaps, bare = [], []
    for seed in range(40):
        rig = Rig.drawn(np.random.default_rng(seed))
        drawn = render(seed, size=(480, 270), rig=rig)
        place = place_of(locate(thumbnail(Image.fromarray(drawn.image))[None])[0], (480, 270))
        outside = (
            background(place, (480, 270), (0, 0, 480, 270), (68, 120), MAP_STRIDE)
            if place
            else np.ones((68, 120), bool)
        )
        phone = drawn.phone[: 67 * 4].reshape(67, 4, 120, 4).mean(axis=(1, 3)) > 0.5
        overlaps.append((phone & ~outside[:67]).sum() / max(1, phone.sum()))
        mat = render(seed, size=(480, 270), rig=Rig(mat_level=rig.mat_level, shift=(3200.0, 0.0)))
        bare.append(place_of(locate(thumbnail(Image.fromarray(mat.image))[None])[0], (480, 270)) is None)
    assert np.quantile(overlaps, 0.1) > 0.97  # of the phone is looked at
    assert np.mean(bare) >= 0.9
