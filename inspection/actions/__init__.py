"""Every write of the floor: one keyword-only function per verb, with `by` for the actor and `now` for the clock."""

from inspection.actions.containing import close_containment, contain_escapes, open_containment, take_containment
from inspection.actions.erasing import begin_erasure, erase_some, go_on_erasing
from inspection.actions.halting import decline_halt, grant_halts, request_halt
from inspection.actions.intake import MAX_PHOTOS, NewPhoto, import_history, receive_inspection
from inspection.actions.judging import (
    Judged,
    MarkedDefect,
    correct_verdict,
    escalate_overdue_opinions,
    judge,
    record_verdict,
    send_to_retake,
)
from inspection.actions.machine import (
    MachineDecision,
    decide_by_machine,
    decide_parts_by_machine,
    end_long_holds,
    hand_parts_to_people,
    hand_to_people,
    note_decisions_shown,
    note_model_output_shown,
    raise_seeds,
    release_holds,
    set_hold,
)
from inspection.actions.moving import lock_all
from inspection.actions.preferring import note_pseudonyms_read, set_own_keys, set_own_language
from inspection.actions.queue import (
    HeldLease,
    claim,
    end_long_leases,
    end_urgency,
    free_lease,
    leave,
    mark_lot_urgent,
    release,
    renew,
    renew_all,
    skip,
)
from inspection.actions.references import keep_reference, retire_reference
from inspection.actions.samples import add_sample, remove_sample
from inspection.actions.seeding import ask_second_look, mix_seeds, withdraw_seeds
from inspection.actions.setting_up import remove, reset_password, set_up, set_up_user
from inspection.actions.studies import close_study, open_rounds, start_study

__all__ = [
    "MAX_PHOTOS",
    "HeldLease",
    "Judged",
    "MachineDecision",
    "MarkedDefect",
    "NewPhoto",
    "add_sample",
    "ask_second_look",
    "begin_erasure",
    "claim",
    "close_containment",
    "close_study",
    "contain_escapes",
    "correct_verdict",
    "decide_by_machine",
    "decide_parts_by_machine",
    "decline_halt",
    "end_long_holds",
    "end_long_leases",
    "end_urgency",
    "erase_some",
    "escalate_overdue_opinions",
    "free_lease",
    "go_on_erasing",
    "grant_halts",
    "hand_parts_to_people",
    "hand_to_people",
    "import_history",
    "judge",
    "keep_reference",
    "leave",
    "lock_all",
    "mark_lot_urgent",
    "mix_seeds",
    "note_decisions_shown",
    "note_model_output_shown",
    "note_pseudonyms_read",
    "open_containment",
    "open_rounds",
    "raise_seeds",
    "receive_inspection",
    "record_verdict",
    "release",
    "release_holds",
    "remove",
    "remove_sample",
    "renew",
    "renew_all",
    "request_halt",
    "reset_password",
    "retire_reference",
    "send_to_retake",
    "set_hold",
    "set_own_keys",
    "set_own_language",
    "set_up",
    "set_up_user",
    "skip",
    "start_study",
    "take_containment",
    "withdraw_seeds",
]
