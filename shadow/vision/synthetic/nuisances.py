"""Things that are no scratches and look like some: which there are, and what each depends on."""

import numpy as np

from shadow.vision.synthetic.prints import draw_prints
from shadow.vision.synthetic.reflections import draw_reflections
from shadow.vision.synthetic.scene import Scene
from shadow.vision.synthetic.streaks import draw_streaks

NUISANCES = ("reflection", "print", "streak")


def draw_nuisance(scene: Scene, kind: str, seed: int, view: int) -> None:
    """Prints and streaks are the phone's, so that they depend on the seed alone; reflections are the view's."""
    if kind == "reflection":
        draw_reflections(scene, np.random.default_rng([seed, 4, 0, view]))
    elif kind == "print":
        draw_prints(scene, np.random.default_rng([seed, 4, 1]))
    else:
        draw_streaks(scene, np.random.default_rng([seed, 4, 2]))
