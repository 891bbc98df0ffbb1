"""Mutated image files through intake's decoding and the scorer's: nothing crashes, and memory stays bounded.

    python bench/fuzz_photos.py --files 10000 --seed 1

Prints how many of each kind were taken or refused and with which words, and the peak of memory; exits 1 when anything but
a refusal in words came out, or a photo that was taken could not be opened by the scorer, or memory passed the limit.
"""

import argparse
import io
import os
import random
import resource
import struct
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("DEBUG", "1")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import django

django.setup()

from PIL import Image, ImageDraw  # noqa: E402

from inspection.photos import clean_photo  # noqa: E402
from inspection.refusals import BadInput  # noqa: E402
from scoring.photos import Unfit, open_photo  # noqa: E402

MODES = {"JPEG": ["RGB", "L", "CMYK"], "PNG": ["RGB", "L", "P", "RGBA", "I;16", "1", "LA"], "WEBP": ["RGB", "RGBA"]}
MOST_MIB = (
    700  # above what the program has when it starts: a photo of 50 megapixels with the copy that turns it upright
)


def picture(draw: random.Random) -> tuple[bytes, str]:
    """A sound photo of a drawn format, mode, size and rotation, with an ICC profile of junk now and then."""
    format = draw.choice(list(MODES))
    mode = draw.choice(MODES[format])
    size = draw.randint(1, 300), draw.randint(1, 300)
    image = Image.new("RGB", size, tuple(draw.randbytes(3)))
    ImageDraw.Draw(image).line([0, 0, *size], fill=tuple(draw.randbytes(3)), width=3)
    image = image.convert("L").convert("I;16") if mode == "I;16" else image.convert(mode)
    exif = Image.Exif()
    if draw.random() < 0.4:
        exif[0x0112] = draw.randint(0, 12)
        exif[0x010E] = "about the part" * draw.randint(0, 99)
    options = {"exif": exif} | ({"icc_profile": draw.randbytes(draw.randint(1, 5000))} if draw.random() < 0.3 else {})
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue(), format


def cut(data: bytes, draw: random.Random) -> bytes:
    return data[: draw.randrange(len(data))]


def flipped(data: bytes, draw: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(draw.choice([1, 3, 20])):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def head_edited(data: bytes, draw: random.Random) -> bytes:
    changed = bytearray(data)
    at = draw.randrange(min(200, len(changed)))
    changed[at : at + 4] = draw.choice([b"\xff" * 4, b"\0" * 4, draw.randbytes(4), b"\x7f\xff\xff\xff"])
    return bytes(changed)


def spliced(data: bytes, draw: random.Random) -> bytes:
    other, _ = picture(draw)
    return data[: draw.randrange(len(data))] + other[draw.randrange(len(other)) :]


def polyglot(data: bytes, draw: random.Random) -> bytes:
    foreign = draw.choice([b"PK\x03\x04" + draw.randbytes(200), b"<script>alert(1)</script>", b"%PDF-1.7\n", b"GIF89a"])
    return foreign + data if draw.random() < 0.5 else data + foreign


def other_format(data: bytes, draw: random.Random) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 40)).save(buffer, draw.choice(["GIF", "BMP", "TIFF", "ICO", "PPM", "TGA"]))
    return buffer.getvalue()


def animated(data: bytes, draw: random.Random) -> bytes:
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (40, 40), (n * 40, 0, 0)) for n in range(draw.randint(2, 5))]
    frames[0].save(buffer, draw.choice(["PNG", "WEBP"]), save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def bomb(data: bytes, draw: random.Random) -> bytes:
    """A PNG that says it is huge, or whose text or pixels unpack to far more than its size tells."""
    width, height = draw.choice([(60_000, 60_000), (2**31 - 1, 1), (1, 2**31 - 1), (7000, 7000), (300, 300)])
    head = struct.pack(">IIBBBBB", width, height, 8, draw.choice([0, 2, 3, 6]), 0, 0, draw.choice([0, 1]))
    packed = zlib.compress(b"\0" * draw.choice([1000, 40_000_000]))
    words = chunk(b"zTXt", b"k\0\0" + packed) if draw.random() < 0.5 else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + words + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def rotated(data: bytes, draw: random.Random) -> bytes:
    """EXIF in a PNG's text or as broken bytes, where the rotation is read from."""
    junk = b"Exif\0\0" + draw.choice([b"II*\0", b"MM\0*", b"junk"]) + draw.randbytes(draw.randint(0, 300))
    image = Image.open(io.BytesIO(data))
    buffer = io.BytesIO()
    image.save(buffer, image.format, exif=junk)
    return buffer.getvalue()


KINDS: list[Callable[[bytes, random.Random], bytes]] = [
    lambda data, draw: data, cut, flipped, head_edited, spliced, polyglot, other_format, animated, bomb, rotated,
]  # fmt: skip


def peak() -> float:
    """The peak of this process's memory in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def outcome(data: bytes) -> str:
    """`taken`, `taken, unfit` or `refused: words`; anything else that is raised is a fault."""
    try:
        photo = clean_photo(data)
    except BadInput as refusal:
        if not str(refusal):
            raise ValueError("a refusal without words") from None
        return "refused: " + "".join(letter for letter in str(refusal) if not letter.isdigit())[:60]
    with tempfile.NamedTemporaryFile() as file:
        file.write(photo.data)
        file.flush()
        try:
            open_photo(file.name).load()
        except Unfit:
            return "taken, unfit to score"
    return "taken"


def run(files: int, seed: int) -> tuple[Counter[tuple[str, str]], list[str]]:
    """The outcomes by kind of mutation, and the faults."""
    outcomes: Counter[tuple[str, str]] = Counter()
    faults = []
    for number in range(files):
        draw = random.Random(f"{seed}/{number}")
        mutate = KINDS[number % len(KINDS)]
        name = mutate.__name__.replace("<lambda>", "sound")
        data = mutate(picture(draw)[0], draw)
        try:
            outcomes[name, outcome(data)] += 1
        except Exception as error:
            faults.append(f"file {number} ({name}): {type(error).__name__}: {error}")
    return outcomes, faults


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    before, started = peak(), time.process_time()
    outcomes, faults = run(asked.files, asked.seed)
    for (name, said), number in sorted(outcomes.items()):
        print(f"{number:6}  {name:14} {said}")
    grown = peak() - before
    print(f"{asked.files} files, seed {asked.seed}: {len(faults)} faults, {time.process_time() - started:.0f} s of CPU")
    print(f"memory: {before:.0f} MiB before, {before + grown:.0f} MiB at the peak")
    print(*faults[:20], sep="\n")
    sys.exit(bool(faults) or grown > MOST_MIB)
