"""Writes the audit trail."""

from typing import Any

from inspection.models import AuditEvent, User


def name_of(by: User | str) -> str:
    """The actor as text: a username, or what the system calls itself."""
    return by if isinstance(by, str) else by.username


def record(action: str, *, by: User | str, line: str = "", subject: Any = "", **data: Any) -> AuditEvent:
    """One row. Call it inside the transaction of the change that it tells of."""
    if subject and not isinstance(subject, str):
        subject = f"{type(subject).__name__.lower()} {subject.pk}"
    return AuditEvent.objects.create(by=name_of(by), action=action, line=line, subject=subject, data=data)
