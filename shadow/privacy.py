"""What is on record of who read figures of persons."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from inspection import audit
from inspection.models import AuditEvent, Line, User

READ = "inspector_figures_read"
WORDS = gettext_noop("inspector figures read")  # as the audit trail calls it
ONCE = timedelta(days=1)


@transaction.atomic
def note_figures_read(*, line: Line, by: User, now: datetime | None = None) -> None:
    """Somebody opened figures of single inspectors of a line. Written at most once a day for each reader and line."""
    now = now or timezone.now()
    subject = f"inspectors of {line.slug}"
    lately = AuditEvent.objects.filter(subject=subject, action=READ, by=by.username, at__gt=now - ONCE, at__lte=now)
    if not lately.exists():
        audit.record(READ, by=by, line=line.slug, subject=subject)
