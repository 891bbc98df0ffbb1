"""From a map to boxes and a heat map over the whole photo, wherever in it the phone lay."""

import numpy as np
import pytest

from scoring.marks import HEAT_SHAPE, MAX_MARKS, heat_map, marks_of

WHOLE = (0, 0, 256, 256)
SIZE = (256, 256)


def test_marks_box_each_patch_hottest_first():
    heat = np.zeros((64, 64), np.float32)
    heat[8, 16:32] = 0.7  # one long patch
    heat[40, 40] = heat[41, 41] = 0.9  # two cells that touch at a corner
    first, second = marks_of(heat, 2, WHOLE, SIZE)
    assert first.box == (40 / 64, 40 / 64, 2 / 64, 2 / 64)
    assert first.score == pytest.approx(0.9)
    assert second.box == (0.25, 0.125, 0.25, 1 / 64)
    assert second.photo == 2


def test_the_pieces_of_a_broken_scratch_are_one_mark():
    heat = np.zeros((64, 64), np.float32)
    heat[8, 10:20] = heat[8, 22:30] = 0.8
    assert [mark.box for mark in marks_of(heat, 0, WHOLE, SIZE)] == [(10 / 64, 8 / 64, 20 / 64, 1 / 64)]


def test_marks_lie_in_the_photo_not_in_the_window():
    heat = np.zeros((8, 16), np.float32)
    heat[2, 4:6] = 1.0
    (mark,) = marks_of(heat, 0, (100, 50, 60, 30), (400, 200))
    assert mark.box == (116 / 400, 58 / 200, 8 / 400, 4 / 200)
    heat[:] = 1.0  # the padding right and below shows nothing
    (mark,) = marks_of(heat, 0, (100, 50, 60, 30), (400, 200))
    assert mark.box == (100 / 400, 50 / 200, 60 / 400, 30 / 200)


def test_marks_are_few_and_a_weak_map_still_has_one():
    dots = np.zeros((64, 64), np.float32)
    dots[::6, ::6] = 0.9
    assert len(marks_of(dots, 0, WHOLE, SIZE)) == MAX_MARKS
    weak = np.full((64, 64), 0.01, np.float32)
    weak[5, 5] = 0.3
    assert [mark.box[:2] for mark in marks_of(weak, 0, WHOLE, SIZE)] == [(5 / 64, 5 / 64)]


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (256, 256), (65, 2000), (2048, 64)])
def test_a_heat_map_covers_the_photo_and_keeps_its_hottest_cell(size):
    window = (0, 0, *size)
    heat = np.zeros((-(-size[1] // 32) * 8, -(-size[0] // 32) * 8), np.float32)
    row, column = (size[1] // 4) // 2, (size[0] // 4) // 3
    heat[row, column] = 0.6
    found = heat_map(heat, window, size)
    assert found.shape == HEAT_SHAPE
    assert found.max() == 153
    at_row, at_column = np.argwhere(found == 153).mean(axis=0) + 0.5
    assert at_row / HEAT_SHAPE[0] == pytest.approx((row + 0.5) * 4 / size[1], abs=0.05)
    assert at_column / HEAT_SHAPE[1] == pytest.approx((column + 0.5) * 4 / size[0], abs=0.05)


def test_a_heat_map_is_cold_outside_its_window():
    found = heat_map(np.ones((32, 32), np.float32), (128, 128, 128, 128), (512, 512))
    assert found[: HEAT_SHAPE[0] // 4].max() == 0 == found[:, HEAT_SHAPE[1] // 2 + 1 :].max()
    assert found.max() == 255
