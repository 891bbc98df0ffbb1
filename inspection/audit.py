"""Writes the audit trail."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from inspection.models import AuditEvent, User
from inspection.prepared import insert

# What the events of all apps are called, for those who translate: a row keeps the English word.
ACTIONS = (
    gettext_noop("verdict recorded"), gettext_noop("verdict corrected"), gettext_noop("retake asked"),
    gettext_noop("part skipped"), gettext_noop("lease freed"), gettext_noop("second opinion overdue"),
    gettext_noop("lot marked urgent"), gettext_noop("lot urgency ended"), gettext_noop("containment opened"),
    gettext_noop("containment taken"),
    gettext_noop("containment closed"), gettext_noop("history imported"), gettext_noop("history purged"), gettext_noop("rows moved to their month"),
    gettext_noop("hold set"), gettext_noop("own keys set"), gettext_noop("own language set"),
    gettext_noop("pseudonyms read"), gettext_noop("inspector figures read"), gettext_noop("token issued"), gettext_noop("password reset"),
    gettext_noop("person exported"), gettext_noop("erasure begun"), gettext_noop("person erased"),
    gettext_noop("sample added"), gettext_noop("sample removed"), gettext_noop("line set up"),
    gettext_noop("line changed"), gettext_noop("line removed"), gettext_noop("station set up"),
    gettext_noop("station changed"), gettext_noop("station removed"), gettext_noop("variant set up"),
    gettext_noop("variant changed"), gettext_noop("variant removed"), gettext_noop("shift set up"),
    gettext_noop("shift changed"), gettext_noop("shift removed"), gettext_noop("defect kind set up"),
    gettext_noop("defect kind changed"), gettext_noop("defect kind removed"), gettext_noop("sample changed"),
    gettext_noop("user set up"), gettext_noop("user changed"), gettext_noop("alarm opened"),
    gettext_noop("alarm became critical"), gettext_noop("alarm acknowledged"), gettext_noop("alarm closed"),
    gettext_noop("earlier system registered"), gettext_noop("earlier answers recorded"),
    gettext_noop("version registered"), gettext_noop("version evaluated"), gettext_noop("version assigned"),
    gettext_noop("assignments ended"), gettext_noop("discrepancy adjudicated"), gettext_noop("change proposed"),
    gettext_noop("change approved"), gettext_noop("level raise"), gettext_noop("level lower"),
    gettext_noop("level switch"), gettext_noop("level edit"), gettext_noop("rolled back"), gettext_noop("fell back"),
    gettext_noop("evidence voided"),
    gettext_noop("standby set"), gettext_noop("standby ended"),
    gettext_noop("part taught"), gettext_noop("part untaught"), gettext_noop("halted"), gettext_noop("resumed"),
    gettext_noop("halt requested"), gettext_noop("halt request granted"), gettext_noop("halt request declined"),
    gettext_noop("demo seeded"),
    gettext_noop("draw key noted"), gettext_noop("draw key rotated"),
    gettext_noop("trail exported"), gettext_noop("data set exported"),
    gettext_noop("reference kept"),
    gettext_noop("reference retired"), gettext_noop("part seeded"), gettext_noop("second look asked"),
    gettext_noop("seeded part withdrawn"), gettext_noop("study started"), gettext_noop("study closed"),
    gettext_noop("ramp advanced"), gettext_noop("ramp held"), gettext_noop("ramp let go on"),
    gettext_noop("training started"), gettext_noop("training cancelled"), gettext_noop("training resumed"),
    gettext_noop("training finished"), gettext_noop("training failed"), gettext_noop("training policy set"),
    gettext_noop("ramp stepped back"), gettext_noop("holds ended"), gettext_noop("seeds raised"),
    gettext_noop("watch policy written"), gettext_noop("figures relearned"), gettext_noop("alarm became worse"),
    gettext_noop("baseline widened"), gettext_noop("channel set up"), gettext_noop("channel changed"),
    gettext_noop("channel removed"), gettext_noop("channel secret renewed"),
    gettext_noop("dead letters sent again"), gettext_noop("dead letter dropped"),
    gettext_noop("token withdrawn"), gettext_noop("own password set"), gettext_noop("second factor set up"),
    gettext_noop("second factor turned off"), gettext_noop("second factor reset"), gettext_noop("recovery codes renewed"),
    gettext_noop("recovery code used"),
    gettext_noop("bundle exported"), gettext_noop("bundle ended"),
)  # fmt: skip


def name_of(by: User | str) -> str:
    """The actor as text: a username, or what the system calls itself."""
    return by if isinstance(by, str) else by.username


def record(action: str, *, by: User | str, line: str = "", subject: Any = "", **data: Any) -> AuditEvent:
    """One row. Call it inside the transaction of the change that it tells of."""
    if subject and not isinstance(subject, str):
        subject = f"{type(subject).__name__.lower()} {subject.pk}"
    event = AuditEvent(by=name_of(by), action=action, line=line, subject=subject, data=data)
    insert(event)
    return event


def words_of(event: AuditEvent) -> str:
    """What happened, in the reader's language."""
    return _(event.action.replace("_", " "))
