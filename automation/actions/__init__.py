"""Every write of automation: settle a part, and change who decides on a line."""

from automation.actions.answering import end_waiting, take_answers
from automation.actions.changing import apply_fallbacks, approve_change, propose_change, roll_back
from automation.actions.edge import end_bundle, export_bundle, ticket_for
from automation.actions.escapes import watch_escapes
from automation.actions.halting import may_halt_factory, set_halt
from automation.actions.ramping import advance_ramps, move_ramp
from automation.actions.settling import (
    advice_for,
    score_and_settle,
    serve_advice,
    settle,
    settle_batch,
    settle_missing,
)
from automation.actions.switching import add_candidate, end_candidate, set_standby, switch_version

__all__ = [
    "add_candidate",
    "advance_ramps",
    "advice_for",
    "apply_fallbacks",
    "approve_change",
    "end_bundle",
    "end_candidate",
    "end_waiting",
    "export_bundle",
    "may_halt_factory",
    "move_ramp",
    "propose_change",
    "roll_back",
    "score_and_settle",
    "serve_advice",
    "set_halt",
    "set_standby",
    "settle",
    "settle_batch",
    "settle_missing",
    "switch_version",
    "take_answers",
    "ticket_for",
    "watch_escapes",
]
