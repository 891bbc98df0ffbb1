"""The camera: light to pixels."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from shadow.vision.synthetic.arrays import Colour, Rng
from shadow.vision.synthetic.scene import Scene
from shadow.vision.synthetic.smooth import cut_grain


def expose(scene: Scene, rng: Rng, lighting: float, cast: Colour, blur: float) -> NDArray[np.uint8]:
    """Exposure, colour cast, defocus, and sensor noise that grows with the light."""
    planes = scene.planes
    planes *= np.asarray(cast, np.float32)[:, None, None] * np.float32(lighting)
    if blur:
        soft = ImageFilter.GaussianBlur(blur * min(scene.size[0] / 1920, scene.size[1] / 1080))
        sharp = np.clip(planes, 0, 255).astype(np.uint8).transpose(1, 2, 0)
        planes = np.asarray(Image.fromarray(sharp).filter(soft), np.float32).transpose(2, 0, 1)
    out = np.empty((scene.size[1], scene.size[0], 3), np.uint8)
    floor, rise = np.float32(1.25 * scene.rig.noise), np.float32(0.011 * scene.rig.noise)
    for channel, plane in enumerate(planes):
        noise = cut_grain(rng, scene.size) * (floor + plane * rise)
        out[:, :, channel] = np.clip(plane + noise + np.float32(0.5), 0, 255)
    return out
