"""Renderings to learn from: each kind has what it is for, and no part is drawn twice."""

import numpy as np
from PIL import Image

from shadow.vision import drawn
from shadow.vision.drawn import draw_fine, draw_plain, drawn_items, reminders


def test_a_sixth_of_the_reminders_is_at_full_size(tmp_path):
    items = list(reminders(1, 12, tmp_path, processes=1))
    fine = [item for item in items if item.name.startswith("fine")]
    assert (len(items), len(fine)) == (12, 2)
    for item in fine:
        with Image.open(item.photo) as photo:
            assert photo.size == (1920, 1080)


def test_parts_at_full_size_have_hairlines_or_no_scratch(tmp_path):
    items = [draw_fine(seed, tmp_path) for seed in range(12)]
    assert {item.label for item in items} == {True, False}
    for item in items:
        assert (item.mask is not None) == item.label
        if item.label:
            with Image.open(item.mask) as mask:
                assert np.asarray(mask).any()


def test_kinds_and_seeds_share_no_part(tmp_path):
    taken = [
        int(item.name.split("-")[-1].split(".")[0])
        for seed in (1, 2)
        for how in (drawn.draw, draw_fine, draw_plain)
        for item in drawn_items(seed, 2, tmp_path, 1, how=how)
    ]
    assert len(set(taken)) == len(taken)
