"""Whatever a photo may be, its outcome is stated: a score, or a refusal with its reason; never a crash.

Scored by the starter, whose locator knows what a phone is.
"""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from scoring.photos import LONGEST_EDGE, open_photo
from shadow import shipped
from shadow.vision.runtime import Answer, Failure, scorer_of
from shadow.vision.synthetic import Rig, render


@pytest.fixture(scope="module")
def scorer():
    return scorer_of(shipped.weights())


@pytest.fixture(scope="module")
def scratched():
    return Image.fromarray(render(34, flaw="scratch", hardness=0.1, size=(960, 540)).image)


def one(scorer, photo):
    (answer,) = scorer.score([[photo]])
    return answer


def saved(image, path, format, **options):
    image.save(path, format, **options)
    return path


def sixteen_bit(image, path):
    grey = np.asarray(image.convert("L"), np.uint16)
    Image.fromarray(grey * 257).save(path, "PNG")
    return path


SCORED = {
    "greyscale": lambda photo, path: saved(photo.convert("L"), path, "JPEG"),
    "16 bits": sixteen_bit,
    "CMYK": lambda photo, path: saved(photo.convert("CMYK"), path, "JPEG"),
    "palette": lambda photo, path: saved(photo.convert("P", palette=Image.Palette.ADAPTIVE), path, "PNG"),
    "alpha": lambda photo, path: saved(photo.convert("RGBA"), path, "PNG"),
    "portrait": lambda photo, path: saved(photo.transpose(Image.Transpose.ROTATE_90), path, "JPEG", quality=95),
    "upside down": lambda photo, path: saved(photo.transpose(Image.Transpose.ROTATE_180), path, "JPEG", quality=95),
    "mirrored": lambda photo, path: saved(ImageOps.mirror(photo), path, "WEBP", quality=95),
}


@pytest.mark.parametrize("kind", SCORED)
def test_a_photo_of_another_kind_is_scored_as_the_photo_that_it_is(scorer, scratched, tmp_path, kind):
    answer = one(scorer, SCORED[kind](scratched, tmp_path / "photo"))
    assert isinstance(answer, Answer)
    assert answer.score >= scorer.threshold


def test_a_torn_photo_has_no_answer(scorer, scratched, tmp_path):
    whole = saved(scratched, tmp_path / "whole.jpg", "JPEG").read_bytes()
    for share in (0.01, 0.3, 0.9):
        (tmp_path / "torn.jpg").write_bytes(whole[: int(len(whole) * share)])
        answer = one(scorer, tmp_path / "torn.jpg")
        assert isinstance(answer, Failure)
        assert answer.reason.startswith("unreadable photo")


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (63, 500)])
def test_a_photo_of_too_few_pixels_is_refused(scorer, size):
    answer = one(scorer, Image.new("RGB", size, (90, 90, 90)))
    assert answer.reason.startswith(f"photo is too small: {size[0]} x {size[1]} pixels")


def test_a_large_jpeg_is_decoded_small_and_scored(scorer, scratched, tmp_path):
    path = saved(scratched.resize((7680, 4320), Image.Resampling.NEAREST), tmp_path / "large.jpg", "JPEG", quality=60)
    answer = one(scorer, path)
    assert isinstance(answer, Answer)
    assert answer.score >= scorer.threshold
    assert max(answer.figures[0]["decode"].values()) <= LONGEST_EDGE


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_a_huge_photo_is_refused_before_its_pixels_are_held(scorer, tmp_path, format):
    mode = "1" if format == "PNG" else "L"  # made in a tenth of the time
    path = saved(Image.new(mode, (12_000, 9_000)), tmp_path / "huge", format)
    assert one(scorer, path).reason == "photo has more than 50,000,000 pixels"
    bomb = saved(Image.new(mode, (20_000, 13_000)), tmp_path / "bomb", format)
    assert one(scorer, bomb).reason == "photo has more than 50,000,000 pixels"


@pytest.mark.parametrize(("level", "reason"), [(0, "blank photo"), (255, "blank photo"), (128, "blank photo")])
def test_an_even_photo_is_blank(scorer, level, reason):
    assert one(scorer, Image.new("RGB", (1920, 1080), (level,) * 3)).reason == reason


def test_an_overexposed_photo_says_so(scorer, scratched):
    washed = np.array(scratched)
    washed[:, 150:] = 255
    washed = Image.fromarray(washed)
    assert one(scorer, washed).reason.startswith("overexposed photo")


def strange():
    rng = np.random.default_rng(5)
    bare = render(3, size=(960, 540), rig=Rig(shift=(3200.0, 0.0))).image
    clouds = rng.normal(120, 60, (12, 20, 3)).clip(0, 255).astype(np.uint8)
    noise = rng.integers(0, 256, (540, 960, 3), dtype=np.uint8)
    ramp = np.tile(np.linspace(0, 255, 960).astype(np.uint8)[None, :, None], (540, 1, 3))
    return {"mat": Image.fromarray(bare), "noise": Image.fromarray(noise),
            "clouds": Image.fromarray(clouds).resize((960, 540), Image.Resampling.BICUBIC),
            "ramp": Image.fromarray(ramp)}  # fmt: skip


@pytest.mark.parametrize("kind", strange())
def test_a_photo_without_a_phone_is_never_a_confident_ok(scorer, kind):
    answer = one(scorer, strange()[kind])
    assert isinstance(answer, Failure) or answer.novelty >= 1 or answer.score >= scorer.threshold


def test_opening_keeps_sixteen_bits_apart(scratched, tmp_path):
    opened = np.asarray(open_photo(sixteen_bit(scratched, tmp_path / "deep.png")))
    assert np.array_equal(opened[..., 0], np.asarray(scratched.convert("L")))


def test_a_file_that_is_a_photo_in_name_only_has_no_answer(scorer, tmp_path):
    for content in (b"", b"GIF89a", b"\x89PNG\r\n\x1a\n" + b"\0" * 50, io.BytesIO(b"x" * 10_000).read()):
        (tmp_path / "name.jpg").write_bytes(content)
        assert isinstance(one(scorer, tmp_path / "name.jpg"), Failure)
