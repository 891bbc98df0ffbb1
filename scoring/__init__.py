"""From a photo to a score: decoded, located, measured, run through the version's graphs. No torch, no Django."""

import os

# ONNX Runtime (1.32) keeps a device's number in the home folder and reports its use to its maker from the import on.
# A factory's computer tells nobody anything that it was not asked to.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
