"""Photos as they are kept: checked as if hostile, stripped of metadata, under their SHA-256, previewed once."""

import hashlib
import io
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _
from PIL import Image, ImageOps, UnidentifiedImageError

from inspection.bucket import Object
from inspection.metadata import without_metadata
from inspection.refusals import BadInput

FORMATS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
EXIF_ORIENTATION = 0x0112
PREVIEW_EDGE = 480  # pixels

Place = Path | Object  # a file or an object of a bucket: both have exists(), read_bytes() and open("rb")


@dataclass(frozen=True)
class CleanPhoto:
    """A photo fit to keep. `sha256` is of what was sent, `stored` of `data`, which is what is kept."""

    data: bytes
    sha256: str
    stored: str
    format: str
    width: int
    height: int


@contextmanager
def _opened(data: bytes) -> Iterator[Image.Image]:
    """The picture inside `data`, formats and pixels limited. Raises BadInput with what to do."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of what is refused or dropped here: bombs, broken EXIF
            with Image.open(io.BytesIO(data), formats=list(FORMATS)) as image:
                if image.width * image.height > settings.PHOTO_MAX_PIXELS:
                    raise BadInput(_too_many_pixels(f"{image.width} x {image.height}"))
                if getattr(image, "n_frames", 1) > 1:
                    raise BadInput(_("The file holds several pictures. Send one picture per photo."))
                yield image
    except BadInput:
        raise
    except UnidentifiedImageError:
        raise BadInput(_("The file is not a JPEG, PNG or WebP photo. Send the camera's picture itself.")) from None
    except Image.DecompressionBombError:
        raise BadInput(_too_many_pixels(_("far too many"))) from None
    except Exception as error:
        # Pillow's decoders meet hostile bytes with every kind of error; each means the same to the sender.
        raise BadInput(_("The photo is damaged or cut short. Send it again.")) from error


def _too_many_pixels(size: str) -> str:
    words = _("The photo has {size} pixels; at most {limit:,} are taken. Send a smaller one or raise PHOTO_MAX_PIXELS.")
    return words.format(size=size, limit=settings.PHOTO_MAX_PIXELS)


def clean_photo(data: bytes) -> CleanPhoto:
    """Check a photo and drop its metadata; a rotation that EXIF asks for is applied to the pixels.

    A photo that needs no rotation keeps its pixels bit for bit. Raises BadInput.
    """
    if not data:
        raise BadInput(_("The photo is empty. Send the camera's picture itself."))
    if len(data) > settings.PHOTO_MAX_BYTES:
        words = _("The photo has {size:,} bytes; at most {limit:,} are taken.")
        raise BadInput(words.format(size=len(data), limit=settings.PHOTO_MAX_BYTES))
    with _opened(data) as image:
        image.load()  # verify() misses a truncated file
        kept, size, format = _without_words(image, data)
    sha256 = hashlib.sha256(data).hexdigest()
    stored = sha256 if kept is data else hashlib.sha256(kept).hexdigest()
    return CleanPhoto(kept, sha256, stored, format, *size)


def _without_words(image: Image.Image, data: bytes) -> tuple[bytes, tuple[int, int], str]:
    format = str(image.format)
    if image.getexif().get(EXIF_ORIENTATION, 1) in range(2, 9):
        upright = ImageOps.exif_transpose(image)
        format = "JPEG" if format == "JPEG" else "PNG"  # a lossless picture stays one
        return _encoded(upright, format), upright.size, format
    kept = without_metadata(data, format)
    if kept is not data:
        with _opened(kept) as bare:
            bare.load()  # what is kept must open, however oddly its segments were laid out
    return kept, image.size, format


def _encoded(image: Image.Image, format: str) -> bytes:
    buffer = io.BytesIO()
    bare = image.copy()
    bare.info = {key: value for key, value in image.info.items() if key in {"icc_profile", "transparency"}}
    options = {"quality": 95, "subsampling": 0} if format == "JPEG" else {}
    bare.save(buffer, format, **options)
    return buffer.getvalue()


def path_of(digest: str, *, folder: str = "photos") -> Place:
    """Where the bytes of a digest lie: two levels of folders, so that none grows beyond reason."""
    key = f"{folder}/{digest[:2]}/{digest[2:4]}/{digest}"
    return settings.PHOTO_BUCKET.place(key) if settings.PHOTO_BUCKET else Path(settings.PHOTO_ROOT) / key


def keep(data: bytes, place: Place) -> None:
    """Write `data` so that a power cut leaves all of it or nothing. Keeping it twice is harmless.

    Raises StoreAway when the bucket cannot take it.
    """
    if isinstance(place, Object):
        place.write(data)
    else:
        _keep_file(data, place)


def _keep_file(data: bytes, path: Path) -> None:
    if path.exists():
        return
    new_folders = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    for folder in {path.parent, *(folder.parent for folder in new_folders)}:
        _sync(folder)  # the names, too, have to outlive a power cut


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def keep_photo(photo: CleanPhoto) -> None:
    keep(photo.data, path_of(photo.stored))


def preview_path(digest: str) -> Place:
    """The photo's WebP preview, made if a worker has not made it yet. Raises FileNotFoundError without the photo."""
    path = path_of(digest, folder="previews")
    if not path.exists():
        with _opened(path_of(digest).read_bytes()) as image:
            image.draft("RGB", (PREVIEW_EDGE, PREVIEW_EDGE))
            small = _eight_bits(image)
            small.thumbnail((PREVIEW_EDGE, PREVIEW_EDGE))
            buffer = io.BytesIO()
            small.save(buffer, "WEBP", quality=82)
        keep(buffer.getvalue(), path)
    return path


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit greyscale, which a plain conversion would clip to white
        image = image.point(lambda level: level * (1 / 256)).convert("L")
    return image.convert("RGB")
