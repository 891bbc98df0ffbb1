"""From a photo to a score: decoded, located, measured, run through the version's graphs. No torch, no Django."""
