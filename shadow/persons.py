"""Whose figures a report shows, for the record of who read them."""

from collections.abc import Iterable

from django.db.models import Q

from inspection.models import Study, User
from inspection.people import usernames_for
from shadow.asked import Asked
from shadow.gauge_report import GaugeReport
from shadow.keeping import first_day
from shadow.models import DayTally
from shadow.narrowing import Narrow
from shadow.reports import AgreementReport
from shadow.rollups import up_to_date


def persons_narrowed(narrow: Narrow) -> set[int]:
    """The one person to whom a list or report is narrowed, or nobody."""
    return {narrow.inspector.pk} if narrow.inspector else set()


def persons_of_report(report: AgreementReport) -> set[int]:
    """Those with a row of their own, and the one to whom all of it is narrowed; a report of everybody shows nobody's."""
    rows = {group.key for group in report.groups} if report.asked.group_by == "inspector" else set()
    return persons_narrowed(report.asked.narrow) | persons_called(rows, report.asked.reader)


def persons_called(words: Iterable[str], reader: User | None) -> set[int]:
    """The ids behind the words by which reports and the API call persons to this reader."""
    words = set(words)
    ids = User.objects.filter(Q(pseudonym__in=words) | Q(username__in=words)).values_list("pk", flat=True)
    return {pk for pk, word in usernames_for(reader, ids).items() if pk is not None and word in words}


def persons_of_pairs(asked: Asked) -> set[int]:
    """Everybody whose verdicts may be among the pairs that are asked for."""
    up_to_date(asked.lines)
    rows = DayTally.objects.filter(line__in=asked.lines, version__in=asked.versions, **asked.narrow.groups())
    if since := first_day(asked.lines[0]):
        rows = rows.filter(day__gte=since)
    return {pk for pk in rows.order_by().values_list("inspector", flat=True).distinct() if pk is not None}


def persons_of_study(report: GaugeReport, study: Study) -> set[int]:
    """Those who take part, how far each is, and whoever answered."""
    return {*study.inspectors.values_list("pk", flat=True), *(pk for pk in report.called if pk is not None)}
