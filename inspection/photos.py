"""Photos on disk: checked as if hostile, stripped of metadata, kept under their SHA-256, previewed once."""

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
from PIL import Image, ImageOps, UnidentifiedImageError

from inspection.refusals import BadInput

FORMATS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
EXIF_ORIENTATION = 0x0112
PREVIEW_EDGE = 480  # pixels
# JPEG segments that carry words about the picture instead of the picture: APP1 (EXIF, XMP), APP3 to APP13, comments.
# APP0 (JFIF), APP2 (colour profile) and APP14 (Adobe's colour transform) change how it decodes and stay.
JPEG_METADATA = {0xE1, *range(0xE3, 0xEE), 0xEF, 0xFE}


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
    limit = settings.PHOTO_MAX_PIXELS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is ours, and an error
            with Image.open(io.BytesIO(data), formats=list(FORMATS)) as image:
                if image.width * image.height > limit:
                    raise BadInput(
                        f"The photo has {image.width} x {image.height} pixels; at most {limit:,} are taken. "
                        "Send a smaller one or raise PHOTO_MAX_PIXELS."
                    )
                if getattr(image, "n_frames", 1) > 1:
                    raise BadInput("The file holds several pictures. Send one picture per photo.")
                yield image
    except (UnidentifiedImageError, Image.DecompressionBombError):
        raise BadInput("The file is not a JPEG, PNG or WebP photo. Send the camera's picture itself.") from None
    except (OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError, OverflowError, MemoryError):
        # Pillow's decoders meet hostile bytes with many kinds of error; each means the same to the sender.
        raise BadInput("The photo is damaged or cut short. Send it again.") from None


def clean_photo(data: bytes) -> CleanPhoto:
    """Check a photo and drop its metadata; a rotation that EXIF asks for is applied to the pixels.

    A JPEG that needs no rotation keeps its pixels bit for bit. Raises BadInput.
    """
    if not data:
        raise BadInput("The photo is empty. Send the camera's picture itself.")
    if len(data) > settings.PHOTO_MAX_BYTES:
        raise BadInput(f"The photo has {len(data):,} bytes; at most {settings.PHOTO_MAX_BYTES:,} are taken.")
    with _opened(data) as image:
        image.load()  # verify() misses a truncated file
        kept, size, format = _without_metadata(image, data)
    sha256 = hashlib.sha256(data).hexdigest()
    stored = sha256 if kept is data else hashlib.sha256(kept).hexdigest()
    return CleanPhoto(kept, sha256, stored, format, *size)


def _without_metadata(image: Image.Image, data: bytes) -> tuple[bytes, tuple[int, int], str]:
    format = str(image.format)
    if image.getexif().get(EXIF_ORIENTATION, 1) != 1:
        upright = ImageOps.exif_transpose(image)
        return _encoded(upright, format), upright.size, format
    if format == "JPEG":
        return _strip_jpeg(data), image.size, format
    if set(image.info) & {"exif", "xmp", "XML:com.adobe.xmp", "photoshop", "comment"} or getattr(image, "text", None):
        return _encoded(image, "PNG"), image.size, "PNG"
    return data, image.size, format


def _encoded(image: Image.Image, format: str) -> bytes:
    buffer = io.BytesIO()
    bare = image.copy()
    bare.info = {key: value for key, value in image.info.items() if key in {"icc_profile", "transparency"}}
    if format == "JPEG":
        bare.save(buffer, "JPEG", quality=95, subsampling=0)
    else:
        bare.save(buffer, "PNG")
    return buffer.getvalue()


def _strip_jpeg(data: bytes) -> bytes:
    """Drop metadata segments; the compressed pixels are copied as they are. The file has decoded before."""
    kept = bytearray(data[:2])
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:  # until start of scan
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker not in JPEG_METADATA:
            kept += data[at : at + 2 + length]
        at += 2 + length
    kept += data[at:]
    return data if len(kept) == len(data) else bytes(kept)


def path_of(digest: str, *, folder: str = "photos") -> Path:
    """Where the bytes of a digest lie: two levels of folders, so that none grows beyond reason."""
    return Path(settings.PHOTO_ROOT) / folder / digest[:2] / digest[2:4] / digest


def keep(data: bytes, path: Path) -> None:
    """Write `data` to `path` so that a power cut leaves all of it or nothing. Keeping it twice is harmless."""
    if path.exists():
        return
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
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def keep_photo(photo: CleanPhoto) -> None:
    keep(photo.data, path_of(photo.stored))


def preview_path(digest: str) -> Path:
    """The photo's WebP preview, made when it is first asked for. Raises FileNotFoundError without the photo."""
    path = path_of(digest, folder="previews")
    if not path.exists():
        with Image.open(path_of(digest), formats=list(FORMATS)) as image:
            image.draft("RGB", (PREVIEW_EDGE, PREVIEW_EDGE))
            image.thumbnail((PREVIEW_EDGE, PREVIEW_EDGE))
            buffer = io.BytesIO()
            image.convert("RGB").save(buffer, "WEBP", quality=82)
        keep(buffer.getvalue(), path)
    return path
