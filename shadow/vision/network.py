"""The scratch network, whole: a small fully convolutional net whose heat map is what its score is made of.

A photo of S x S pixels becomes a map of (S / 4) x (S / 4) logits, one per patch: "is there a scratch
here?". The photo's logit is nothing but a soft maximum (log-mean-exp) of that map, so what the heat map
shows is exactly what the score is made of, and a scratched photo always has a hot patch.

Papers:
- fully convolutional scoring: Long, Shelhamer and Darrell, CVPR 2015, arXiv:1411.4038
- residual blocks: He, Zhang, Ren and Sun, CVPR 2016, arXiv:1512.03385
- batch normalisation: Ioffe and Szegedy, ICML 2015, arXiv:1502.03167
- coarse features merged into fine ones: Lin et al. (feature pyramids), CVPR 2017, arXiv:1612.03144
- log-sum-exp pooling of a map to a photo's score: Pinheiro and Collobert, CVPR 2015, arXiv:1411.6228
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

ARCHITECTURE = "scratch-map-1"
INPUT_SIZE = 256
MAP_STRIDE = 4
SHARPNESS = 6.0  # of the soft maximum: 0 would be the map's mean, infinity its maximum


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
    """Photos (B, 3, S, S) in 0..1, S a multiple of 16, to logits: maps (B, S / 4, S / 4) and photos (B,)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(4, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True))
        self.fine = Residual(16, 24, stride=2)
        self.middle = nn.Sequential(Residual(24, 48, stride=2), Residual(48, 48))
        self.coarse = nn.Sequential(Residual(48, 72, stride=2), Residual(72, 72))
        self.coarse_to_middle = nn.Conv2d(72, 48, 1)
        self.middle_to_fine = nn.Conv2d(48, 24, 1)
        self.merge = nn.Sequential(nn.Conv2d(24, 24, 3, 1, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU(inplace=True))
        self.head = nn.Conv2d(24, 1, 1)
        nn.init.constant_(self.head.bias, -4.0)  # type: ignore[arg-type]  # scratches are rare: start cold

    def forward(self, photos: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.cat([(photos - 0.25) * 4, thin_light(photos)], dim=1)  # (B, 4, S, S)
        fine = self.fine(self.stem(x))  # (B, 24, S/4, S/4)
        middle = self.middle(fine)  # (B, 48, S/8, S/8)
        coarse = self.coarse(middle)  # (B, 72, S/16, S/16)
        middle = middle + doubled(self.coarse_to_middle(coarse))  # (B, 48, S/8, S/8)
        fine = fine + doubled(self.middle_to_fine(middle))  # (B, 24, S/4, S/4)
        logits = self.head(self.merge(fine)).squeeze(1)  # (B, S/4, S/4)
        return logits, soft_maximum(logits)


def thin_light(photos: Tensor) -> Tensor:
    """How much each pixel outshines its neighbourhood: faint thin lines on dark glass, whatever the lamp."""
    grey = photos.mean(dim=1, keepdim=True)  # (B, 1, S, S)
    around = functional.avg_pool2d(grey, 7, stride=1, padding=3, count_include_pad=False)  # (B, 1, S, S)
    return torch.tanh((grey - around) * 12)  # (B, 1, S, S) in -1..1, steep near 0


def doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")  # (B, C, 2H, 2W)


def soft_maximum(logits: Tensor) -> Tensor:
    """Log-mean-exp of each map at `SHARPNESS`: never above its maximum, and it moves with the map.

    Both are relied upon: a photo above a threshold has a patch above it, and a correction of the photo's
    logit for the prior can be put into the head's bias.
    """
    flat = logits.flatten(1) * SHARPNESS  # (B, H * W)
    return (torch.logsumexp(flat, dim=1) - math.log(flat.shape[1])) / SHARPNESS  # (B,)


def channels_last(network: ScratchNet) -> ScratchNet:
    """The same network with its weights laid out as the CPU's convolutions like them: a quarter faster."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
