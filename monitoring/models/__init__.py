"""The rows of watching: figures in windows, baselines and detectors; alarms; and who is told of them."""

from monitoring.models.alarms import Alarm, AlarmAction, AlarmQuerySet, Cause, Finding, Remedy, Severity, State
from monitoring.models.figures import (
    Baseline,
    Bucket,
    Cursor,
    DetectorState,
    Relearning,
    Span,
    Stream,
    WatchPolicy,
    Window,
)
from monitoring.models.notices import Channel, Delivery, Feed, Parcel, Sending

__all__ = [
    "Alarm", "AlarmAction", "AlarmQuerySet", "Baseline", "Bucket", "Cause", "Channel", "Cursor", "Delivery", "DetectorState",
    "Feed", "Finding", "Parcel", "Relearning", "Remedy", "Sending", "Severity", "Span", "State", "Stream", "WatchPolicy", "Window",
]  # fmt: skip
