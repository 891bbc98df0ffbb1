"""One photo with its truth: who draws what, in which order and from which random stream."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shadow.vision.synthetic.arrays import Box, Colour, Mask
from shadow.vision.synthetic.camera import expose
from shadow.vision.synthetic.dirt import CONTAMINATIONS, DIRT
from shadow.vision.synthetic.models import VARIANTS
from shadow.vision.synthetic.nuisances import NUISANCES, draw_nuisance
from shadow.vision.synthetic.phone import draw_edge_light, draw_phone, light_unevenly
from shadow.vision.synthetic.rig import Rig
from shadow.vision.synthetic.scene import Scene
from shadow.vision.synthetic.scratches import draw_hardness, hairlines, scratches

FLAWS = ("none", "scratch", *CONTAMINATIONS)
MAX_SIZE = (1920, 1080)
_EDGE_LIGHT = 0.5  # share of views in which an edge of the glass mirrors the lamp


@dataclass(frozen=True)
class Rendering:
    """A rendered photo and its truth; `hardness` is 0 for an obvious scratch, 1 for one barely visible."""

    image: NDArray[np.uint8]  # (H, W, 3)
    mask: Mask  # (H, W), True on scratch pixels
    phone: Mask  # (H, W), True inside the phone's outline
    boxes: list[Box]  # x, y, w, h of each scratch, in 0..1
    flaw: str
    contaminations: tuple[str, ...]
    nuisances: tuple[str, ...]
    variant: str
    hardness: float

    @property
    def scratched(self) -> bool:
        """Whether the photo shows a scratch."""
        return bool(self.boxes)


def render(
    seed: int,
    *,
    flaw: str = "none",
    contaminations: Sequence[str] = (),
    variant: str | None = None,
    view: int = 0,
    hardness: float | None = None,
    size: tuple[int, int] = (960, 540),
    lighting: float = 1.0,
    cast: Colour = (1.0, 1.0, 1.0),
    blur: float = 0.0,
    hairline: bool = False,
    nuisances: Sequence[str] = (),
    rig: Rig | None = None,
) -> Rendering:
    """Render one photo of one phone; equal arguments give equal pixels.

    Parameters
    ----------
    seed : int >= 0
        The part. Phone, dirt and scratches depend on it alone; pose and noise also on `view`.
    flaw : str
        One of `FLAWS`: what the part mainly has. `none` and the contaminations are good parts.
    contaminations : sequence of str
        Further dirt, from `CONTAMINATIONS`, under the scratches where there are any.
    variant : str, optional
        One of `VARIANTS`; drawn from the seed when not given.
    view : int >= 0
        Which photo of the part.
    hardness : float in 0..1, optional
        How hard the scratches are to see; drawn from the seed when not given.
    size : (int, int)
        Width and height in pixels, from 64 x 36 up to `MAX_SIZE`.
    lighting : float > 0
        Exposure factor, 1 = the rig as set up.
    cast : (float, float, float)
        Gain of red, green and blue.
    blur : float >= 0
        Standard deviation of a defocus in units.
    hairline : bool
        With flaw `scratch`: every scratch is a faint line of 1 to 2 pixels at any size, and hardness steers its
        contrast from 35 down to 8 grey levels.
    nuisances : sequence of str
        Things that are no scratches but look like some, from `NUISANCES`.
    rig : Rig, optional
        Another rig; the seed still fixes the phone and its flaws. Of a phone that overflows the photo the
        scratches may lie outside; the mask is empty then and `scratched` is false.

    Raises
    ------
    ValueError
        For an unknown flaw, contamination, nuisance or variant, and for a value out of range.
    """
    _check(flaw, contaminations, nuisances, variant, size, lighting, blur, hardness)
    phone_rng, flaw_rng = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
    view_rng = np.random.default_rng([seed, 2, view])
    names = list(VARIANTS)
    drawn = names[int(phone_rng.integers(len(names)))]
    chosen = variant or drawn
    scene = Scene(VARIANTS[chosen], size, view_rng, rig or Rig())
    draw_phone(scene, phone_rng, view_rng)
    edge_rng = np.random.default_rng([seed, 5, view])
    if edge_rng.random() < _EDGE_LIGHT:
        draw_edge_light(scene, edge_rng)
    light_unevenly(scene)
    disturbing = tuple(kind for kind in NUISANCES if kind in nuisances)
    for kind in disturbing:
        draw_nuisance(scene, kind, seed, view)
    dirt = tuple(kind for kind in CONTAMINATIONS if kind == flaw or kind in contaminations)
    for kind in dirt:
        DIRT[kind](scene, np.random.default_rng([seed, 3, CONTAMINATIONS.index(kind)]))
    hard = 0.0
    if flaw == "scratch" and hairline:
        hard = float(flaw_rng.random()) if hardness is None else hardness
        hairlines(scene, flaw_rng, hard, lighting * float(np.mean(cast)))
    elif flaw == "scratch":
        hard = draw_hardness(flaw_rng) if hardness is None else hardness
        scratches(scene, flaw_rng, hard)
    image = expose(scene, view_rng, lighting, cast, blur)
    return Rendering(image, scene.mask, scene.phone, scene.boxes, flaw, dirt, disturbing, chosen, hard)


def _check(
    flaw: str,
    contaminations: Sequence[str],
    nuisances: Sequence[str],
    variant: str | None,
    size: tuple[int, int],
    lighting: float,
    blur: float,
    hardness: float | None,
) -> None:
    if flaw not in FLAWS:
        raise ValueError(f"unknown flaw {flaw!r}: expected one of {', '.join(FLAWS)}")
    if unknown := set(contaminations) - set(CONTAMINATIONS):
        raise ValueError(f"unknown contamination {unknown}: expected some of {', '.join(CONTAMINATIONS)}")
    if unknown := set(nuisances) - set(NUISANCES):
        raise ValueError(f"unknown nuisance {unknown}: expected some of {', '.join(NUISANCES)}")
    if variant is not None and variant not in VARIANTS:
        raise ValueError(f"unknown variant {variant!r}: expected one of {', '.join(VARIANTS)}")
    if not (64 <= size[0] <= MAX_SIZE[0] and 36 <= size[1] <= MAX_SIZE[1]):
        raise ValueError(f"size {size} is not between 64 x 36 and {MAX_SIZE[0]} x {MAX_SIZE[1]}")
    if not lighting > 0 or blur < 0 or not 0 <= (hardness or 0) <= 1:
        raise ValueError("lighting must be above 0, blur at least 0 and hardness in 0..1")
