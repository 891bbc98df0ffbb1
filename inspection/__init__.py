"""The floor: parts, photos, people, verdicts, the queue and the audit trail. Knows nothing of any model."""
