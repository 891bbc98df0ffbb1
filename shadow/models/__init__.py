"""The rows of the shadow."""

from shadow.models.answers import Adjudication, Answer, Finding, HeatMap, JobState, Prediction, ScoringJob
from shadow.models.counted import DIFFERING, Calendared, ChangedPart, Comparison, DayTally, Differs, Unseeded, Unsettled
from shadow.models.teaching import TrainingPart
from shadow.models.training import (
    Every,
    HeldOut,
    RunState,
    Snapshot,
    SnapshotPart,
    Split,
    Stage,
    TrainingPolicy,
    TrainingRun,
    training_policy,
)
from shadow.models.versions import (
    Assignment,
    AssignmentQuerySet,
    Evaluation,
    ModelVersion,
    Role,
    live_version,
)

__all__ = [
    "DIFFERING",
    "Adjudication",
    "Answer",
    "Assignment",
    "AssignmentQuerySet",
    "Calendared",
    "ChangedPart",
    "Comparison",
    "DayTally",
    "Differs",
    "Evaluation",
    "Every",
    "Finding",
    "HeatMap",
    "HeldOut",
    "JobState",
    "ModelVersion",
    "Prediction",
    "Role",
    "RunState",
    "ScoringJob",
    "Snapshot",
    "SnapshotPart",
    "Split",
    "Stage",
    "TrainingPart",
    "TrainingPolicy",
    "TrainingRun",
    "Unseeded",
    "Unsettled",
    "live_version",
    "training_policy",
]
