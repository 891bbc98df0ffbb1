"""Photos as they come: refused with a sentence, or kept without a word about them and with every pixel."""

import io
import struct
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from inspection import actions, photos
from inspection.metadata import without_metadata
from inspection.models import Inspection, Variant
from inspection.photos import clean_photo, keep_photo, path_of, preview_path
from inspection.previews import make_missing_previews
from inspection.refusals import BadInput
from tests.conftest import photo_bytes

GPS = b"48.137 N 11.575 E"


def exif(*, orientation: int = 1) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags[0x010E] = GPS.decode()
    tags.get_ifd(0x8825)[1] = "N"
    return tags


def encoded(image: Image.Image, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGBA").tobytes()


def refusal_of(data: bytes) -> str:
    with pytest.raises(BadInput) as refusal:
        clean_photo(data)
    return str(refusal.value)


@pytest.mark.parametrize("data", [b"not a photo", b"\xff\xd8\xff", b"<svg/>", b"%PDF-1.7"], ids=range(4))
def test_what_is_no_photo_is_refused(data):
    assert "not a JPEG, PNG or WebP" in refusal_of(data)


def test_an_empty_file_is_refused():
    assert "empty" in refusal_of(b"")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_photo_cut_short_is_refused(format, share):
    data = photo_bytes(seed=1, format=format)
    assert "damaged or cut short" in refusal_of(data[: int(len(data) * share)])


@pytest.mark.parametrize("format", ["GIF", "BMP", "TIFF", "PPM", "ICO"])
def test_other_formats_are_refused_by_name_of_the_ones_taken(format):
    assert "not a JPEG, PNG or WebP" in refusal_of(photo_bytes(size=(32, 32), format=format))


def test_too_many_bytes(settings):
    settings.PHOTO_MAX_BYTES = 500
    assert "at most 500" in refusal_of(photo_bytes())


def test_too_many_pixels(settings):
    settings.PHOTO_MAX_PIXELS = 100 * 100
    assert "101 x 100 pixels; at most 10,000" in refusal_of(photo_bytes(size=(101, 100)))
    clean_photo(photo_bytes(size=(100, 100)))


def test_a_bomb_is_refused_before_it_is_unpacked():
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )
    assert "far too many pixels" in refusal_of(bomb)


@pytest.mark.parametrize("format", ["WEBP", "PNG", "MPO"])
def test_several_pictures_in_one_file_are_refused(format):
    frames = [Image.new("RGB", (40, 30), (shade, 0, 0)) for shade in (0, 200)]
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:])
    assert "several pictures" in refusal_of(data)


MODES = [
    ("L", "JPEG"), ("CMYK", "JPEG"), ("L", "PNG"), ("I;16", "PNG"), ("P", "PNG"), ("1", "PNG"), ("LA", "PNG"),
    ("RGBA", "PNG"), ("RGBA", "WEBP"), ("L", "WEBP"),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "format"), MODES)
def test_every_colour_mode_is_taken_and_previewed(mode, format):
    with Image.open(io.BytesIO(photo_bytes(seed=3))) as source:
        grey = source.convert("L")
        image = (
            grey.convert("I").point(lambda level: level * 256).convert("I;16")
            if mode == "I;16"
            else source.convert(mode)
        )
    photo = clean_photo(encoded(image, format))
    keep_photo(photo)
    with Image.open(preview_path(photo.stored)) as preview:
        seen = preview.convert("L").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert seen == pytest.approx(grey.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)), abs=25), (
        "not white, not black"
    )


def with_words(format: str) -> bytes:
    """A photo that carries its place in EXIF, and more words where the format has room for them."""
    image = Image.open(io.BytesIO(photo_bytes(seed=5)))
    options = {"exif": exif()}
    if format == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("Comment", GPS.decode())
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", GPS.decode())
    elif format == "WEBP":
        options |= {"xmp": GPS, "lossless": True}
    else:
        options |= {"comment": GPS, "xmp": GPS, "progressive": True, "quality": 90}
    return encoded(image, format, **options)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_metadata_is_dropped_and_every_pixel_kept(format):
    data = with_words(format)
    photo = clean_photo(data)
    assert GPS in data
    assert GPS not in photo.data
    assert (pixels(photo.data), photo.format) == (pixels(data), format)
    with Image.open(io.BytesIO(photo.data)) as image:
        assert not image.getexif()
        assert not {"exif", "xmp", "comment", "XML:com.adobe.xmp"} & set(image.info)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_what_hangs_behind_the_end_of_the_file_is_dropped(format):
    data = photo_bytes(seed=6, format=format)
    assert clean_photo(data + with_words("JPEG")).data == data


def test_words_between_the_scans_of_a_progressive_jpeg_are_dropped():
    data = encoded(Image.open(io.BytesIO(photo_bytes(seed=7))), "JPEG", progressive=True)
    second_scan = data.index(b"\xff\xda", data.index(b"\xff\xda") + 2)
    comment = b"\xff\xfe" + (len(GPS) + 2).to_bytes(2, "big") + GPS
    assert clean_photo(data[:second_scan] + comment + data[second_scan:]).data == data


def test_a_photo_without_words_is_kept_byte_for_byte():
    for format in ("JPEG", "PNG", "WEBP"):
        data = photo_bytes(seed=8, format=format)
        photo = clean_photo(data)
        assert photo.data is data
        assert photo.stored == photo.sha256


def test_the_colour_profile_stays():
    image = Image.open(io.BytesIO(photo_bytes()))
    for format in ("JPEG", "PNG", "WEBP"):
        data = encoded(image, format, icc_profile=b"a profile", exif=exif())
        with Image.open(io.BytesIO(clean_photo(data).data)) as kept:
            assert kept.info["icc_profile"] == b"a profile"


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_the_rotation_that_exif_asks_for_is_applied(format, orientation):
    lying = Image.new("RGB", (64, 32), "black")
    lying.paste("white", (0, 0, 16, 8))  # a mark in the upper left corner
    photo = clean_photo(encoded(lying, format, exif=exif(orientation=orientation)))
    corners = {2: "ne", 3: "se", 4: "sw", 5: "nw", 6: "ne", 7: "se", 8: "sw"}
    with Image.open(io.BytesIO(photo.data)) as upright:
        right, bottom = upright.width - 4, upright.height - 4
        points = {"nw": (3, 3), "ne": (right, 3), "sw": (3, bottom), "se": (right, bottom)}
        white = {name for name, point in points.items() if upright.convert("L").getpixel(point) > 127}
        assert white == {corners[orientation]}
        assert upright.format == photo.format
        assert upright.size == (photo.width, photo.height) == ((32, 64) if orientation > 4 else (64, 32))
    assert GPS not in photo.data


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_rotated_jpeg_keeps_its_colours(mode):
    image = Image.new(mode, (32, 16), 90 if mode == "L" else (10, 200, 90, 20))
    photo = clean_photo(encoded(image, "JPEG", exif=exif(orientation=6)))
    with Image.open(io.BytesIO(photo.data)) as upright:
        assert upright.mode == mode
        before, after = image.convert("RGB").getpixel((8, 8)), upright.convert("RGB").getpixel((8, 8))
    assert after == pytest.approx(before, abs=3)


def test_keeping_twice_is_harmless_and_leaves_no_scraps():
    photo = clean_photo(photo_bytes())
    keep_photo(photo)
    keep_photo(photo)
    folder = path_of(photo.stored).parent
    assert [file.name for file in folder.iterdir()] == [photo.stored]


def test_a_failed_write_leaves_nothing(monkeypatch):
    photo = clean_photo(photo_bytes())
    monkeypatch.setattr("os.fsync", lambda descriptor: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        keep_photo(photo)
    assert list(path_of(photo.stored).parent.iterdir()) == []


def test_a_preview_is_a_small_webp_made_once(monkeypatch):
    photo = clean_photo(photo_bytes(size=(2000, 1200)))
    keep_photo(photo)
    first = preview_path(photo.stored)
    made = first.stat().st_mtime_ns
    with Image.open(first) as preview:
        assert (preview.format, preview.size) == ("WEBP", (480, 288))
    monkeypatch.setattr(photos, "_eight_bits", lambda image: pytest.fail("made twice"))
    assert preview_path(photo.stored).stat().st_mtime_ns == made


def test_a_small_photo_is_not_blown_up():
    photo = clean_photo(photo_bytes(size=(100, 60)))
    keep_photo(photo)
    with Image.open(preview_path(photo.stored)) as preview:
        assert preview.size == (100, 60)


def test_a_preview_without_its_photo():
    with pytest.raises(FileNotFoundError):
        preview_path("0" * 64)


def test_one_bad_photo_among_good_ones_stores_nothing_at_all(line, tmp_path):
    sent = [actions.NewPhoto(data) for data in (photo_bytes(seed=1), b"no photo", photo_bytes(seed=2))]
    with pytest.raises(BadInput, match=r"^Photo 2: The file is not"):
        actions.receive_inspection(line=line, serial="A1", photos_sent=sent, by=None, variant="New phone")
    assert not Inspection.objects.exists()
    assert not Variant.objects.exists()
    assert not (tmp_path / "photos").exists()


SEEDS = [photo_bytes(size=(48, 32), seed=9, format="JPEG", exif=exif(orientation=6)), with_words("JPEG")[:4000]]
SEEDS += [photo_bytes(size=(48, 32), seed=9, format=format, exif=exif()) for format in ("PNG", "WEBP")]
CHANGES = st.lists(st.tuples(st.integers(0, 10**9), st.binary(max_size=4), st.integers(0, 8)), min_size=1, max_size=6)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.sampled_from(SEEDS), changes=CHANGES)
def test_hostile_bytes_are_kept_as_a_photo_or_refused(seed, changes):
    data = bytearray(seed)
    for at, inserted, removed in changes:
        place = at % (len(data) + 1)
        data[place : place + removed] = inserted
    try:
        photo = clean_photo(bytes(data))
    except BadInput:
        return
    with Image.open(io.BytesIO(photo.data)) as kept:
        kept.load()
        assert (kept.size, kept.format) == ((photo.width, photo.height), photo.format)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(format=st.sampled_from(["JPEG", "PNG", "WEBP"]), data=st.binary(max_size=200))
def test_the_strippers_end_on_any_bytes(format, data):
    head = {"JPEG": b"\xff\xd8", "PNG": b"\x89PNG\r\n\x1a\n", "WEBP": b"RIFF\xff\xff\0\0WEBPVP8X"}[format]
    assert len(without_metadata(head + data, format)) <= len(head + data) + 16


def test_a_worker_makes_the_previews_of_new_photos_and_passes_over_what_is_gone(make_part):
    kept, gone = make_part(photos=2), make_part()
    path_of(gone.photos.get().stored).unlink()
    assert [make_missing_previews() for _ in range(2)] == [2, 0]
    assert all(path_of(photo.stored, folder="previews").exists() for photo in kept.photos.all())


def test_behind_nginx_a_photo_is_left_to_the_proxy_by_the_same_permission(make_part, client, sam, ivy, settings):
    settings.PHOTO_DELIVERY = "accel"
    photo = make_part().photos.get()
    client.force_login(ivy)
    assert client.get(f"/photos/{photo.pk}/").status_code == 404
    client.force_login(sam)
    answer = client.get(f"/photos/{photo.pk}/")
    assert (answer.content, answer["Content-Type"]) == (b"", "image/jpeg")
    assert settings.PHOTO_ROOT / answer["X-Accel-Redirect"].removeprefix("/stored-photos/") == path_of(photo.stored)
    assert "immutable" in answer["Cache-Control"]
    path_of(photo.stored).unlink()
    assert client.get(f"/photos/{photo.pk}/").status_code == 404
