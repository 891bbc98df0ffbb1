"""Photos as the station might have taken them another day: moved, relit, blurred, noisy, compressed.

Works on whole batches of tiles, since a tile at a time would take longer than the network's step.
"""

import io
import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

Rng = np.random.Generator

TURN = 12.0  # degrees, standard deviation
ZOOM = (0.85, 1.2)
BLURRED, JPEGGED, NOISY = 0.2, 0.25, 0.3  # shares of a batch


def augment(tiles: Tensor, marks: Tensor, rng: Rng) -> tuple[Tensor, Tensor]:
    """Tiles (B, 3, S, S) in 0..1 and their mark planes (B, C, S, S) in 0..1, moved alike; light changes on tiles only."""
    tiles, marks = _moved(tiles, marks, rng)
    tiles = _relit(tiles, rng)
    tiles = _blurred(tiles, rng)
    tiles = _noisy(tiles, rng)
    return _compressed(tiles.clamp_(0, 1), rng), marks


def _moved(tiles: Tensor, marks: Tensor, rng: Rng) -> tuple[Tensor, Tensor]:
    """Flips, quarter turns, a small turn, zoom and shift, in one resampling; what comes from outside is black."""
    count = len(tiles)
    turn = np.deg2rad(rng.normal(0, TURN, count)) + rng.integers(0, 4, count) * (math.pi / 2)
    zoom, flip = rng.uniform(*ZOOM, count), rng.choice([-1.0, 1.0], count)
    shift = rng.normal(0, 0.04, (count, 2))
    cos, sin = np.cos(turn) / zoom, np.sin(turn) / zoom
    affine = np.stack(
        [np.stack([cos * flip, -sin, shift[:, 0]], 1), np.stack([sin * flip, cos, shift[:, 1]], 1)], axis=1
    )  # (B, 2, 3)
    both = torch.cat([tiles, marks], dim=1)
    grid = functional.affine_grid(
        torch.from_numpy(affine).float().to(both.device), list(both.shape), align_corners=False
    )
    both = functional.grid_sample(both, grid, mode="bilinear", align_corners=False)
    return both[:, :3], both[:, 3:]


def _relit(tiles: Tensor, rng: Rng) -> Tensor:
    """Exposure, colour cast, black level and contrast of another lamp and camera."""
    count = len(tiles)
    gain = rng.lognormal(0, 0.3, (count, 1)) * rng.lognormal(0, 0.06, (count, 3))
    lift = rng.normal(0, 0.025, (count, 1))
    gamma = rng.lognormal(0, 0.12, (count, 1))
    planes = [torch.from_numpy(a).float().to(tiles.device)[:, :, None, None] for a in (gain, lift, gamma)]
    return (tiles * planes[0] + planes[1]).clamp_(1e-4, 1).pow_(planes[2])


def _blurred(tiles: Tensor, rng: Rng) -> Tensor:
    for i in np.flatnonzero(rng.random(len(tiles)) < BLURRED):
        sigma = float(rng.uniform(0.3, 0.9))
        x = torch.arange(-2, 3, dtype=torch.float32, device=tiles.device)
        bell = torch.exp(-x.square() / (2 * sigma * sigma))
        bell = bell / bell.sum()
        row = functional.conv2d(tiles[i][:, None], bell[None, None, None, :], padding=(0, 2))
        tiles[i] = functional.conv2d(row, bell[None, None, :, None], padding=(2, 0))[:, 0]
    return tiles


def _noisy(tiles: Tensor, rng: Rng) -> Tensor:
    """Sensor noise of a higher gain, in up to 3 grey levels."""
    for i in np.flatnonzero(rng.random(len(tiles)) < NOISY):
        noise = rng.standard_normal(tiles[i].shape, dtype=np.float32) * float(rng.uniform(0.2, 3.0) / 255)
        tiles[i] += torch.from_numpy(noise).to(tiles.device)
    return tiles


def _compressed(tiles: Tensor, rng: Rng) -> Tensor:
    chosen = np.flatnonzero(rng.random(len(tiles)) < JPEGGED)
    if not len(chosen):
        return tiles
    pixels = (tiles[chosen] * 255 + 0.5).to(torch.uint8).movedim(1, -1).cpu().numpy()  # (k, S, S, 3)
    for each in pixels:
        file = io.BytesIO()
        Image.fromarray(each).save(file, "JPEG", quality=int(rng.integers(50, 95)))
        each[:] = np.asarray(Image.open(file))
    tiles[chosen] = torch.from_numpy(pixels).to(tiles.device).movedim(-1, 1).float().div_(255)
    return tiles
