"""What a training may be told; apart from the training itself, which brings torch, so that the web need not."""

from inspection.refusals import BadInput

EPOCHS = 24
RENDERINGS = 288
FROM_CHANCE = "none"


def check_options(*, epochs: int, seed: int, renderings: int, minutes: float | None = None) -> None:
    """Raise BadInput for what no training takes."""
    if epochs < 1 or seed < 0 or renderings < 0 or (minutes is not None and not minutes > 0):
        raise BadInput("--epochs is at least 1, --seed and --renderings at least 0, and --minutes above 0.")
