"""Every write of automation: settle a part, and change who decides on a line."""

from automation.actions.changing import (
    apply_fallbacks,
    approve_change,
    propose_change,
    roll_back,
    set_halt,
)
from automation.actions.settling import (
    advice_for,
    score_and_settle,
    serve_advice,
    settle,
    settle_batch,
    settle_missing,
)

__all__ = [
    "advice_for",
    "apply_fallbacks",
    "approve_change",
    "propose_change",
    "roll_back",
    "score_and_settle",
    "serve_advice",
    "set_halt",
    "settle",
    "settle_batch",
    "settle_missing",
]
