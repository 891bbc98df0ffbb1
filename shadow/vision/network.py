"""The scratch network, whole: a small fully convolutional net whose heat map is what its score is made of.

A photo of any size becomes a map of one logit per 4 x 4 pixels: "is there a scratch here?". The photo's logit
is nothing but the soft maximum (log-mean-exp) of the map's `PEAKS` hottest cells, whatever the photo's size, so
what the heat map shows is exactly what the score is made of, a scratch of some length outweighs a speck, and
empty glass around it changes nothing. Beside it stand the features by which a photo unlike any seen before is known.

Five resolutions, 1/2 to 1/32: the fine ones see a line of one pixel, the coarse ones whether it is the rim of
a drop, a letter or the edge of the phone.

Papers:
- fully convolutional scoring: Long, Shelhamer and Darrell, CVPR 2015, arXiv:1411.4038
- residual blocks: He, Zhang, Ren and Sun, CVPR 2016, arXiv:1512.03385
- batch normalisation: Ioffe and Szegedy, ICML 2015, arXiv:1502.03167
- coarse features merged into fine ones: Lin et al. (feature pyramids), CVPR 2017, arXiv:1612.03144
- a photo's score from its hottest cells alone: Li and Vasconcelos (top-k instances), CVPR 2015; their soft maximum:
  Pinheiro and Collobert, CVPR 2015, arXiv:1411.6228
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from scoring.grid import PEAKS

WITHOUT_CONTEXT = 0.5  # share of training tiles that are judged without the widest view
WIDTHS = (16, 24, 32, 64, 96)  # channels at 1/2, 1/4, 1/8, 1/16 and 1/32
FEATURES = WIDTHS[1] + WIDTHS[4]


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut; the first may halve the resolution."""

    def __init__(self, inside: int, outside: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(outside)
        self.second = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(outside)
        self.same = stride == 1 and inside == outside
        self.shortcut = nn.Identity() if self.same else nn.Conv2d(inside, outside, 1, bias=False)
        self.shrink = nn.Identity() if stride == 1 else nn.AvgPool2d(stride)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.first_norm(self.first(x)))  # (B, outside, H / stride, W / stride)
        y = self.second_norm(self.second(y))
        return functional.relu(y + self.shortcut(self.shrink(x)))


class ScratchNet(nn.Module):
    """Photos (B, 3, H, W) in 0..1, sides multiples of 32, to map logits (B, H/4, W/4) and features (B, 120)."""

    def __init__(self) -> None:
        super().__init__()
        half, fine, middle, coarse, deep = WIDTHS
        self.stem = nn.Sequential(nn.Conv2d(3, half, 3, 2, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU())
        self.fine = Residual(half, fine, stride=2)
        self.middle = nn.Sequential(Residual(fine, middle, stride=2), Residual(middle, middle))
        self.coarse = nn.Sequential(Residual(middle, coarse, stride=2), Residual(coarse, coarse))
        self.deep = nn.Sequential(Residual(coarse, deep, stride=2), Residual(deep, deep))
        self.deep_to_coarse = nn.Conv2d(deep, coarse, 1)
        self.coarse_to_middle = nn.Conv2d(coarse, middle, 1)
        self.middle_to_fine = nn.Conv2d(middle, fine, 1)
        self.merge = nn.Sequential(  # a 3 x 3 look at each channel, then across channels: a full one costs a quarter more
            nn.Conv2d(fine, fine, 3, 1, 1, groups=fine, bias=False), nn.BatchNorm2d(fine), nn.ReLU(),
            nn.Conv2d(fine, fine, 1), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Conv2d(fine, 1, 1)
        nn.init.constant_(self.head.bias, -4.0)  # type: ignore[arg-type]  # scratches are rare: start cold

    def kept_often(self, context: Tensor) -> Tensor:
        """While training, none of the widest context for some photos (stochastic depth: Huang et al., ECCV 2016).

        What a scratch is has to be told from near by: the wide view knows phones again, and of a phone that was always
        good it would not believe any scratch. Afterwards the context counts by how often it was there.
        """
        if not self.training:
            return context * (1 - WITHOUT_CONTEXT)
        return context * (torch.rand(len(context), 1, 1, 1, device=context.device) >= WITHOUT_CONTEXT)

    def forward(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        x = (photos.sqrt() - 0.4) * 4  # (B, 3, H, W); the root spreads the dark levels, where glass and scratches are
        fine = self.fine(self.stem(x))  # (B, 24, H/4, W/4)
        middle = self.middle(fine)  # (B, 32, H/8, W/8)
        coarse = self.coarse(middle)  # (B, 64, H/16, W/16)
        deep = self.deep(coarse)  # (B, 96, H/32, W/32)
        coarse = coarse + doubled(self.kept_often(self.deep_to_coarse(deep)))
        middle = middle + doubled(self.coarse_to_middle(coarse))
        fine = fine + doubled(self.middle_to_fine(middle))  # (B, 24, H/4, W/4)
        merged = self.merge(fine)
        features = torch.cat([merged.mean(dim=(2, 3)), deep.mean(dim=(2, 3))], dim=1)  # (B, 120)
        return self.head(merged).squeeze(1), features


def doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")  # (B, C, 2H, 2W)


def photo_logits(maps: Tensor) -> Tensor:
    """Log-mean-exp of each map's hottest `PEAKS` cells (of all its cells where there are fewer): (B, h, w) to (B,).

    Never above the map's maximum, and it moves with the map: a short scratch of a small photo is not outvoted by the
    cells around it, as it would be in their mean.
    """
    flat = maps.flatten(1)  # (B, h * w)
    many = min(PEAKS, flat.shape[1])
    return flat.topk(many, dim=1).values.logsumexp(dim=1) - math.log(many)


def channels_last(network: ScratchNet) -> ScratchNet:
    """The same network with its weights laid out as the CPU's convolutions like them: a quarter faster."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def to_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """uint8 (..., H, W, 3) to float32 (..., 3, H, W) in 0..1."""
    return torch.from_numpy(pixels).movedim(-1, -3).float().div_(255)  # (..., 3, H, W)
