"""Watching what moves: alarms and the detectors that raise them."""
