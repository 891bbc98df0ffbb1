"""Every write of the shadow about versions and trainings, by name."""

from shadow.actions.earlier import give_up, record_answers, register_earlier
from shadow.actions.training import (
    cancel_training,
    let_shadow,
    resume_training,
    set_training_policy,
    start_training,
)
from shadow.actions.versions import (
    assign,
    assign_blue_green,
    check_name,
    end_assignment,
    end_assignments,
    heat_map_png,
    keep_picture,
    load_scorer,
    picture_path,
    record_evaluation,
    register_version,
    weights_path,
)

__all__ = [
    "assign",
    "assign_blue_green",
    "cancel_training",
    "check_name",
    "end_assignment",
    "end_assignments",
    "give_up",
    "heat_map_png",
    "keep_picture",
    "let_shadow",
    "load_scorer",
    "picture_path",
    "record_answers",
    "record_evaluation",
    "register_earlier",
    "register_version",
    "resume_training",
    "set_training_policy",
    "start_training",
    "weights_path",
]
