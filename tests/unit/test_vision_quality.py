"""The quality gate: figures in stated units, and a reason for every refusal."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from scoring.locate import thumbnail
from scoring.quality import limits_of, measure, refusal
from shadow.vision.synthetic import render


def figures(image):
    return measure(image, thumbnail(image))


@pytest.fixture(scope="module")
def phone():
    return Image.fromarray(render(8, flaw="scratch", size=(960, 540)).image)


def test_figures_move_with_what_they_name(phone):
    pixels = np.asarray(phone).astype(float)
    before = figures(phone)
    lighter = figures(Image.fromarray((pixels * 0.8 + 50).clip(0, 255).astype(np.uint8)))
    softer = figures(phone.filter(ImageFilter.GaussianBlur(2)))
    redder = figures(Image.fromarray((pixels * [1.3, 1, 1]).clip(0, 255).astype(np.uint8)))
    assert lighter["brightness"] > before["brightness"] + 20
    assert lighter["contrast"] < before["contrast"]
    assert softer["sharpness"] < before["sharpness"] / 2
    assert redder["cast"] > before["cast"] + 3


def test_a_fit_photo_is_not_refused(phone):
    assert refusal(figures(phone), {}) == ""
    assert refusal(figures(phone), limits_of([figures(phone)])) == ""


@pytest.mark.parametrize(("factor", "word"), [(0.2, "low"), (4.0, "high")])
def test_a_photo_far_from_those_of_the_version_is_refused_with_both_figures(phone, factor, word):
    limits = limits_of([figures(phone)])
    strange = figures(phone) | {"brightness": figures(phone)["brightness"] * factor}
    assert refusal(strange, limits).startswith(f"brightness is too {word}: ")


def test_without_photos_there_are_no_limits():
    assert limits_of([]) == {}


def test_a_figure_that_is_no_number_is_refused():
    assert refusal({"spread": float("nan"), "clipped": 0.0}, {}) == "blank photo"
