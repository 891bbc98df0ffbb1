"""Distances to shapes, and the soft steps that turn a distance into light."""

import numpy as np

from shadow.vision.synthetic.arrays import Array


def rounded(u: Array, v: Array, half_u: float, half_v: float, radius: float) -> Array:
    """Signed distance to a rounded rectangle, negative inside."""
    qu, qv = np.abs(u) - np.float32(half_u - radius), np.abs(v) - np.float32(half_v - radius)
    outside = np.sqrt(np.square(np.maximum(qu, 0)) + np.square(np.maximum(qv, 0)))  # hypot is five times slower
    distance: Array = outside + np.minimum(np.maximum(qu, qv), 0) - np.float32(radius)
    return distance


def inside(distance: Array, scale: float) -> Array:
    """Coverage of each pixel by the shape, from the distance in units: one pixel of soft edge."""
    coverage: Array = np.clip(np.float32(0.5) - distance * np.float32(scale), 0, 1)
    return coverage


def step(distance: Array, steepness: float) -> Array:
    """A soft step from 0 to 1 where the distance passes 0."""
    rise: Array = 1 / (1 + np.exp(-np.clip(distance * steepness, -20, 20)))
    return rise
