"""The rows of the floor."""

from inspection.models.floor import DefectKind, Line, Sample, Shift, Station, UrgentLot, Variant
from inspection.models.halting import HaltAnswer, HaltRequest
from inspection.models.judgement import (
    Containment,
    Correction,
    Defect,
    Disposition,
    DispositionOutcome,
    Draw,
    ModelOutputShown,
    Outcome,
    Severity,
    Skip,
    Verdict,
)
from inspection.models.part import Inspection, Lease, Origin, Photo, StationDecision
from inspection.models.people import ApiToken, Erasure, RecoveryCode, Scope, SecondFactor, User
from inspection.models.reading import FiguresRead, Where
from inspection.models.seeded import Purpose, Reference, SeededPart, Study, Truth
from inspection.models.trail import AuditEvent, AuditSeal, OfNoPart

__all__ = [
    "ApiToken",
    "AuditEvent",
    "AuditSeal",
    "Containment",
    "Correction",
    "Defect",
    "DefectKind",
    "Disposition",
    "DispositionOutcome",
    "Draw",
    "Erasure",
    "FiguresRead",
    "HaltAnswer",
    "HaltRequest",
    "Inspection",
    "Lease",
    "Line",
    "ModelOutputShown",
    "OfNoPart",
    "Origin",
    "Outcome",
    "Photo",
    "Purpose",
    "RecoveryCode",
    "Reference",
    "Sample",
    "Scope",
    "SecondFactor",
    "SeededPart",
    "Severity",
    "Shift",
    "Skip",
    "Station",
    "StationDecision",
    "Study",
    "Truth",
    "UrgentLot",
    "User",
    "Variant",
    "Verdict",
    "Where",
]
