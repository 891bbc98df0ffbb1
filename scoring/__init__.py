"""From a photo to a score: decoded, located, measured, run through the version's graphs. No torch, no Django."""

import os

# From its import on ONNX Runtime (1.32) keeps a device's number and a log of events in the home folder, and its library names an
# address of its maker's for them. A factory's computer tells nobody anything that it was not asked to.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
