"""Photos of phones that never existed: a procedural renderer for demos, tests and the starter model.

Everything is drawn in *units* (1 unit = 1 pixel of a 1920 x 1080 photo) in the phone's own coordinates (u
along its length, v across, origin in its middle) and laid into the photo by the view's pose, so that a second
view of a seed shows the same phone with the same flaws. Smooth light is computed coarse and enlarged, thin
things are stamped as Gaussians along their path; that keeps a photo of 960 x 540 within some 70 ms.
"""

from shadow.vision.synthetic.dirt import CONTAMINATIONS
from shadow.vision.synthetic.models import VARIANTS
from shadow.vision.synthetic.nuisances import NUISANCES
from shadow.vision.synthetic.rendering import FLAWS, MAX_SIZE, Rendering, render
from shadow.vision.synthetic.rig import Rig

__all__ = ["CONTAMINATIONS", "FLAWS", "MAX_SIZE", "NUISANCES", "VARIANTS", "Rendering", "Rig", "render"]
