"""An inspector asks for a halt of the line; whoever supervises it halts it or declines, and says why."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, cast

from django.db import transaction
from django.db.models import BigIntegerField, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from inspection import audit
from inspection.models import HaltAnswer, HaltRequest, Line, User
from inspection.people import names_for
from inspection.prepared import GivenKeys, Prepared
from inspection.reasons import stated
from inspection.refusals import Conflict, Unknown
from inspection.roles import May, must


def open_halt_requests(lines: Iterable[Line]) -> QuerySet[HaltRequest]:
    """What is asked on these lines and not answered, oldest first."""
    return HaltRequest.objects.filter(line__in=lines, answer=None).select_related("line", "by")


def halts_asked(reader: User, lines: Iterable[Line]) -> list[tuple[HaltRequest, str]]:
    """The open requests on these lines, each with what the reader calls whoever asked."""
    found = _ASKED(lines=[line.pk for line in lines])
    names = names_for(reader, [asked.by for asked in found]) if found else {}
    return [(asked, names[asked.by_id]) for asked in found]


_ASKED = Prepared(lambda: open_halt_requests(cast(Any, GivenKeys("lines"))))


def find_halt_request(pk: int, user: User) -> HaltRequest:
    """A request on a line that the user works on. Raises Unknown, or NotAllowed on another line."""
    rows = HaltRequest.objects.select_related("line", "by")
    asked = rows.filter(pk=pk).first() if pk <= BigIntegerField.MAX_BIGINT else None
    if asked is None:
        raise Unknown(_("There is no request {number} for a halt.").format(number=pk))
    user.must_work_on(asked.line)
    return asked


@transaction.atomic
def request_halt(*, line: Line, by: User, reason: str, now: datetime | None = None) -> HaltRequest:
    """Ask that the line be halted. Who asks again before an answer gets what they asked first."""
    must(by, May.JUDGE)
    by.must_work_on(line)
    reason = stated(reason, _("Say what is wrong: whoever supervises the line reads it."))
    line = Line.objects.select_for_update().get(pk=line.pk)  # two at once ask once
    if asked := open_halt_requests([line]).filter(by=by).first():
        return asked
    asked = HaltRequest.objects.create(line=line, reason=reason, by=by, at=now or timezone.now())
    audit.record("halt_requested", by=by, line=line.slug, subject=asked, reason=reason)
    return asked


@transaction.atomic
def decline_halt(*, asked: HaltRequest, by: User, reason: str, now: datetime | None = None) -> HaltAnswer:
    """Let the line go on, and tell whoever asked why. Raises Conflict when it was answered already."""
    must(by, May.SUPERVISE)
    by.must_work_on(asked.line)
    reason = stated(reason, _("Say why the line goes on; whoever asked reads it."))
    line = Line.objects.select_for_update().get(pk=asked.line_id)
    if not open_halt_requests([line]).filter(pk=asked.pk).exists():
        raise Conflict(_("This request is answered already."))
    return _answer(asked, by, reason, granted=False, now=now or timezone.now())


def grant_halts(*, lines: Iterable[Line], by: User, reason: str, now: datetime) -> list[HaltAnswer]:
    """Answer what is asked on lines that are being halted. Call it in the transaction of the halt, with the lines locked."""
    return [_answer(asked, by, reason, granted=True, now=now) for asked in open_halt_requests(lines)]


def _answer(asked: HaltRequest, by: User, reason: str, *, granted: bool, now: datetime) -> HaltAnswer:
    answer = HaltAnswer.objects.create(request=asked, granted=granted, reason=reason, by=by, at=now)
    action = "halt_request_granted" if granted else "halt_request_declined"
    audit.record(action, by=by, line=asked.line.slug, subject=asked, reason=reason)
    return answer
