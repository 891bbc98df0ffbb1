"""The product's settings with one view more: the bare one that inspecting is measured against."""

from config.settings import *  # noqa: F403 - the same middleware, database and logs

ROOT_URLCONF = "bench.rig.bare"
