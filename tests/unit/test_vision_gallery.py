"""The worst failures of a model: which they are, and their small pictures."""

import io

import pytest
from PIL import Image

from shadow.vision.gallery import picture_of, worst
from tests.conftest import photo_bytes


def test_the_worst_come_first_and_what_has_no_score_is_no_failure():
    scores = [0.3, 0.1, None, 0.6, 0.9, 0.5, 0.4]
    labels = [True, True, True, False, False, False, False]
    assert worst(scores, labels, 0.5) == ([1, 0], [4, 3, 5])
    assert worst(scores, labels, 0.5, limit=1) == ([1], [4])
    assert worst([], [], 0.5) == ([], [])


@pytest.mark.parametrize(
    ("size", "small"), [((1280, 720), (640, 360)), ((300, 900), (213, 640)), ((80, 64), (160, 128))]
)
def test_a_picture_is_a_small_webp(tmp_path, size, small):
    (tmp_path / "a.jpg").write_bytes(photo_bytes(size=size))
    for photo in (tmp_path / "a.jpg", Image.new("L", size)):
        with Image.open(io.BytesIO(picture_of(photo))) as picture:
            assert (picture.format, picture.size) == ("WEBP", small)
