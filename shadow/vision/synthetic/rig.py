"""The rig that took the photo: mat, lamp, glass, noise and pose, fixed for demos or drawn at random for training."""

from dataclasses import dataclass

import numpy as np

from shadow.vision.synthetic.arrays import Colour, Rng

ZOOMS = (0.5, 1.6)

# The mats of drawn rigs: lowest and highest level, tint, lowest and highest texture.
_MATS: tuple[tuple[tuple[float, float], Colour, tuple[float, float]], ...] = (
    ((48, 100), (1.0, 1.0, 1.035), (0.7, 2.0)),  # dark woven
    ((125, 205), (1.0, 1.0, 0.99), (0.4, 1.4)),  # light grey
    ((9, 30), (1.0, 1.0, 1.0), (0.1, 0.6)),  # plain black
    ((55, 135), (0.74, 0.95, 1.28), (0.3, 1.5)),  # bluish
)


@dataclass(frozen=True)
class Rig:
    """How a photo is taken; the defaults are the rig of the demos.

    The pose adds to the small one that each view draws: `turn` in degrees, `zoom` as a factor (the phone may
    overflow the photo), `shift` to the right and down in units.
    """

    mat_level: float = 74.0  # grey level 0..255
    mat_tint: Colour = (1.0, 1.0, 1.035)
    mat_texture: float = 1.0  # strength of weave and grain, 1 = the demos' mat
    shadow: float = 0.62  # share of the mat's light that the phone takes away beside it
    vignette: float = 1.0  # strength of the mat's darkening towards the corners, 1 = the demos' lamp
    rim: float = 1.0  # brightness of the phone's metal frame under this lamp, 1 = the demos' lamp
    lamp: tuple[float, float] = (0.0, 0.0)  # share of light gained from the middle to the right and lower border
    glass: Colour = (0.0, 0.0, 0.0)  # grey levels added to the display's red, green and blue
    noise: float = 1.0  # factor on the sensor's noise
    turn: float = 0.0
    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if not ZOOMS[0] <= self.zoom <= ZOOMS[1]:
            raise ValueError(f"zoom {self.zoom} is not between {ZOOMS[0]} and {ZOOMS[1]}")
        if not (0 <= self.mat_level <= 255 and 0 <= self.shadow <= 1):
            raise ValueError("mat_level must be in 0..255 and shadow in 0..1")
        if min(self.mat_texture, self.vignette, self.rim, self.noise) < 0:
            raise ValueError("mat_texture, vignette, rim and noise must be at least 0")
        if max(np.abs(self.lamp)) > 0.5:
            raise ValueError("lamp must be in -0.5..0.5 in both directions")

    @classmethod
    def drawn(cls, rng: Rng) -> "Rig":
        """A random rig: any mat, mostly upright or square to the photo, mostly the whole phone in it."""
        levels, tint, textures = _MATS[int(rng.choice(len(_MATS), p=(0.45, 0.2, 0.15, 0.2)))]
        zoom = float(np.clip(rng.normal(1.04, 0.11) if rng.random() < 0.7 else rng.uniform(*ZOOMS), *ZOOMS))
        roam = 30 + 260 * abs(zoom - 1)  # a small phone may lie anywhere, of a large one any part may show
        level, hue = float(rng.exponential(9)) - 4, rng.normal(0, 2.5, 3)
        return cls(
            mat_level=float(rng.uniform(*levels)),
            mat_tint=_near(rng, tint),
            mat_texture=float(rng.uniform(*textures)),
            shadow=float(rng.uniform(0.0, 0.65)),
            vignette=float(rng.uniform(0.0, 1.2)),
            rim=float(rng.uniform(0.1, 1.2)),
            lamp=(float(np.clip(rng.normal(0, 0.12), -0.4, 0.4)), float(np.clip(rng.normal(0, 0.12), -0.4, 0.4))),
            glass=(level + float(hue[0]), level + float(hue[1]), level + float(hue[2])),
            noise=float(rng.lognormal(0, 0.4)),
            turn=_drawn_turn(rng),
            zoom=zoom,
            shift=(float(rng.normal(0, roam)), float(rng.normal(0, roam * 0.6))),
        )


def _near(rng: Rng, tint: Colour) -> Colour:
    red, green, blue = np.asarray(tint) * rng.normal(1, 0.025, 3)
    return float(red), float(green), float(blue)


def _drawn_turn(rng: Rng) -> float:
    """Square to the photo within a few degrees, upright now and then, anyhow for the rest."""
    kind = rng.random()
    if kind < 0.3:
        return float(rng.uniform(-180, 180))
    return float(rng.normal(0, 3)) + (90.0 if kind < 0.4 else 0.0)
