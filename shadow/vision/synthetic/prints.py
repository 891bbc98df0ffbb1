"""What is printed on glass and bezel or stuck to it: words, small print, frame lines, icons, a barcode."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from shadow.vision.synthetic.arrays import Colour, Rng
from shadow.vision.synthetic.scene import Scene

_SYLLABLES = ("no", "va", "li", "ra", "mex", "tor", "ki", "zen", "al", "pho", "dy", "lux", "on", "se", "vi", "qu")
_SMALL_PRINT = (
    "Designed in", "Assembled in", "Model", "FCC ID:", "IC:", "CE", "IMEI", "S/N", "Rated 5V 2A", "Do not discard",
    "Made for inspection", "Type",
)  # fmt: skip
_FINEST = 5  # pixels; no font is drawn smaller


def draw_prints(scene: Scene, rng: Rng) -> None:
    for kind in rng.choice(len(_KINDS), size=int(rng.integers(1, 4)), p=_SHARES):
        _KINDS[int(kind)](scene, rng)


@lru_cache(maxsize=64)
def _font(pixels: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=pixels)


def _lay(scene: Scene, patch: Image.Image, u: float, v: float, alpha: float, level: Colour) -> None:
    """Lay a picture of how much ink there is, drawn at the scene's scale, upon the glass around (u, v)."""
    long, wide = patch.width / scene.scale, patch.height / scene.scale
    window = scene.around(u, v, float(np.hypot(long, wide)) / 2)
    height, width = window[0].stop - window[0].start, window[1].stop - window[1].start
    if not height or not width:
        return
    x, y = window[1].start - scene.cx, window[0].start - scene.cy
    left, top = (u - long / 2) * scene.scale, (v - wide / 2) * scene.scale
    to_patch = (
        scene.cos, scene.sin, x * scene.cos + y * scene.sin - left,
        -scene.sin, scene.cos, -x * scene.sin + y * scene.cos - top,
    )  # fmt: skip
    laid = patch.transform((width, height), Image.Transform.AFFINE, to_patch, Image.Resampling.BICUBIC)
    ink = np.asarray(laid, np.float32) * np.float32(alpha / 255) * scene.front[window]
    scene.cover(window, ink, level)


def _ink(scene: Scene, rng: Rng, on_bezel: bool) -> Colour:
    """Light on dark glass, dark on a white front."""
    dark = on_bezel and scene.model.front[1] > 128
    level = float(rng.uniform(30, 120)) if dark else float(rng.uniform(60, 235))
    red, green, blue = np.clip(level * rng.normal(1, 0.06, 3), 0, 255)
    return float(red), float(green), float(blue)


def _place(scene: Scene, rng: Rng, thickness: float) -> tuple[float, float, bool]:
    """A spot on the bezel where it is wide enough, now and then and otherwise on the display."""
    left, top, right, bottom = scene.display()
    half = scene.model.length / 2
    ends = [(a, b) for a, b in ((-half, left), (right, half)) if b - a > thickness + 12]
    if ends and rng.random() < 0.6:
        a, b = ends[int(rng.integers(len(ends)))]
        return (a + b) / 2, float(rng.uniform(0.6 * top, 0.6 * bottom)), True
    u, v = scene.spot(rng, 70)
    return u, v, False


def _text(scene: Scene, lines: list[str], height: float) -> Image.Image:
    """Lines of text, `height` units high each."""
    pixels = max(_FINEST, round(height * scene.scale))
    font, text = _font(pixels), "\n".join(lines)
    ruler = ImageDraw.Draw(Image.new("L", (1, 1)))
    left, top, right, bottom = ruler.multiline_textbbox((0, 0), text, font=font, spacing=pixels // 3)
    patch = Image.new("L", (int(right - left) + 5, int(bottom - top) + 5))
    ImageDraw.Draw(patch).multiline_text((2 - left, 2 - top), text, fill=255, font=font, spacing=pixels // 3)
    return patch


def _turned(patch: Image.Image, quarters: int) -> Image.Image:
    turns = (None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
    turn = turns[quarters % 4]
    return patch if turn is None else patch.transpose(turn)


def _word(scene: Scene, rng: Rng) -> None:
    """A maker's name."""
    name = "".join(str(s) for s in rng.choice(_SYLLABLES, int(rng.integers(2, 4))))
    name = (name.upper(), name.title(), name)[int(rng.integers(3))]
    height = float(rng.uniform(24, 80))
    u, v, on_bezel = _place(scene, rng, height)
    patch = _turned(_text(scene, [name], height), int(rng.choice([1, 3])) if on_bezel else int(rng.integers(4)))
    _lay(scene, patch, u, v, float(rng.uniform(0.35, 1.0)), _ink(scene, rng, on_bezel))


def _small_print(scene: Scene, rng: Rng) -> None:
    lines = []
    for _ in range(int(rng.integers(2, 7))):
        words = [str(s) for s in rng.choice(_SMALL_PRINT, int(rng.integers(1, 3)))]
        lines.append(" ".join([*words, str(int(rng.integers(1000, 10**9)))]))
    height = float(rng.uniform(9, 17))
    u, v, on_bezel = _place(scene, rng, len(lines) * height * 1.4)
    patch = _turned(_text(scene, lines, height), int(rng.choice([1, 3])) if on_bezel else int(rng.integers(4)))
    _lay(scene, patch, u, v, float(rng.uniform(0.3, 0.9)), _ink(scene, rng, on_bezel))


def _frame(scene: Scene, rng: Rng) -> None:
    """Thin straight lines printed around the display, or one across it."""
    left, top, right, bottom = scene.display()
    inset = float(rng.uniform(6, 60))
    long, wide = int((right - left - 2 * inset) * scene.scale), int((bottom - top - 2 * inset) * scene.scale)
    patch = Image.new("L", (long + 5, wide + 5))
    draw, width = ImageDraw.Draw(patch), max(1, round(float(rng.uniform(1, 3.2)) * scene.scale))
    kind = rng.random()
    if kind < 0.6:
        radius = float(rng.uniform(0, 70)) * scene.scale
        draw.rounded_rectangle((2, 2, long + 2, wide + 2), radius, outline=255, width=width)
    elif kind < 0.8:
        y = int(rng.uniform(0.05, 0.95) * wide)
        draw.line((2, y, long + 2, y), fill=255, width=width)
    else:
        x = int(rng.uniform(0.03, 0.97) * long)
        draw.line((x, 2, x, wide + 2), fill=255, width=width)
    alpha = float(rng.uniform(0.1, 0.8))
    _lay(scene, patch, (left + right) / 2, (top + bottom) / 2, alpha, _ink(scene, rng, False))


def _icons(scene: Scene, rng: Rng) -> None:
    """Marks of the keys: a circle, a triangle, a square, a cross, in a row across the phone."""
    across, size = float(rng.uniform(90, 230)), float(rng.uniform(16, 46))
    u, v, on_bezel = _place(scene, rng, size)
    v = 0.0 if on_bezel else v
    level, alpha = _ink(scene, rng, on_bezel), float(rng.uniform(0.3, 0.9))
    for place, mark in enumerate(rng.permutation(4)[:3]):
        _lay(scene, _mark(scene, int(mark), size), u, v + (place - 1) * across, alpha, level)


def _mark(scene: Scene, mark: int, size: float) -> Image.Image:
    pixels = max(_FINEST, round(size * scene.scale))
    patch, last = Image.new("L", (pixels + 4, pixels + 4)), pixels + 1
    draw, width = ImageDraw.Draw(patch), max(1, round(2.5 * scene.scale))
    if mark == 0:
        draw.ellipse((2, 2, last, last), outline=255, width=width)
    elif mark == 1:
        draw.polygon(((2, last // 2 + 1), (last, 2), (last, last)), outline=255, width=width)
    elif mark == 2:
        draw.rectangle((2, 2, last, last), outline=255, width=width)
    else:
        draw.line((2, 2, last, last), fill=255, width=width)
        draw.line((2, last, last, 2), fill=255, width=width)
    return patch


def _barcode(scene: Scene, rng: Rng) -> None:
    """A paper label with bars and their number."""
    long, wide = float(rng.uniform(130, 300)), float(rng.uniform(60, 130))
    size = (max(8, round(long * scene.scale)), max(8, round(wide * scene.scale)))
    (u, v), quarters, level = scene.spot(rng, 160), int(rng.integers(4)), float(rng.uniform(150, 225))
    paper, bars = Image.new("L", size), Image.new("L", size)
    ImageDraw.Draw(paper).rectangle((2, 2, size[0] - 3, size[1] - 3), fill=255)  # a margin, for a smooth border
    draw, at = ImageDraw.Draw(bars), 0.08
    while at < 0.92:
        thick = float(rng.choice([1, 1, 2, 3])) * 0.008
        left = int(at * size[0])
        draw.rectangle((left, size[1] // 10, max(left, int((at + thick) * size[0]) - 1), 2 * size[1] // 3), fill=255)
        at += thick + float(rng.choice([1, 1, 2, 3])) * 0.008
    number = str(int(rng.integers(10**9, 10**10)))
    draw.text((0.1 * size[0], 0.7 * size[1]), number, fill=255, font=_font(max(_FINEST, size[1] // 5)))
    _lay(scene, _turned(paper, quarters), u, v, 1.0, (level, level, level * 0.97))
    _lay(scene, _turned(bars, quarters), u, v, 0.85, (25, 25, 27))


_KINDS: tuple[Callable[[Scene, Rng], None], ...] = (_word, _small_print, _frame, _icons, _barcode)
_SHARES = (0.24, 0.2, 0.3, 0.16, 0.1)
