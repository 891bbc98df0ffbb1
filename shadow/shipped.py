"""The starter model that comes with the product: trained by its own code on renderings alone."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "starter"


def weights() -> bytes:
    return (FOLDER / "starter.safetensors").read_bytes()


def card() -> dict[str, Any]:
    return dict(json.loads((FOLDER / "starter.json").read_text()))


def pictures() -> dict[str, bytes]:
    """The renderings on which it was most wrong, by SHA-256."""
    return {path.stem: path.read_bytes() for path in FOLDER.glob("*.webp")}
