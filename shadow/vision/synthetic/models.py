"""The phones that can be drawn: outline, display, colours and features of each variant."""

from dataclasses import dataclass

from shadow.vision.synthetic.arrays import Colour


@dataclass(frozen=True)
class Feature:
    """A slot, hole or button of the front: a rounded bar centred on (u, v), in units."""

    u: float
    v: float
    length: float
    width: float
    level: float
    ring: float = 0.0


@dataclass(frozen=True)
class PhoneModel:
    """One variant: outline, display and front in units, colours as grey levels 0..255 per channel."""

    length: float
    width: float
    radius: float
    margins: tuple[float, float, float, float]  # left, right, top, bottom: outline to display
    corner: float  # radius of the display's corners
    front: Colour
    frame: Colour
    glass: Colour
    features: tuple[Feature, ...] = ()


VARIANTS: dict[str, PhoneModel] = {
    "slab": PhoneModel(
        1640, 790, 70, (86, 86, 22, 22), 8, (15, 15, 16), (96, 97, 101), (19, 20, 23),
        (Feature(-782, 0, 90, 9, 6), Feature(-782, 96, 15, 15, 5, 26), Feature(-782, 128, 9, 9, 12)),
    ),
    "notch": PhoneModel(
        1590, 762, 104, (26, 30, 26, 26), 80, (9, 9, 10), (118, 116, 112), (17, 18, 22),
        (Feature(-760, 0, 230, 46, 8), Feature(-764, 0, 70, 8, 30), Feature(-762, 78, 19, 19, 4, 34)),
    ),
    "hole": PhoneModel(
        1620, 756, 112, (24, 30, 24, 24), 90, (8, 8, 9), (74, 80, 94), (15, 17, 24),
        (Feature(-716, 0, 34, 34, 3, 40),),
    ),
    "classic": PhoneModel(
        1600, 778, 84, (168, 172, 22, 22), 4, (224, 225, 228), (176, 177, 182), (18, 18, 19),
        (
            Feature(-716, 0, 128, 12, 34), Feature(-716, -112, 26, 26, 24, 60),
            Feature(-716, 104, 14, 14, 46), Feature(716, 0, 116, 58, 40, 84),
        ),
    ),
    "fold": PhoneModel(
        1320, 900, 58, (34, 34, 34, 34), 26, (11, 11, 12), (132, 124, 112), (20, 19, 22),
        (Feature(-600, 330, 26, 26, 3, 32),),
    ),
}  # fmt: skip
