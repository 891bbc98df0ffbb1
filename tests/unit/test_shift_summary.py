"""A person's own figures of the running shift, by the line's clock."""

from datetime import UTC, datetime, time, timedelta
from html import unescape
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse

from inspection import actions
from inspection.models import Inspection, Line, Shift, Skip, Verdict
from inspection.shift import percentile, running_shift, shift_summary

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.fixture
def judged(line, ivy):
    """Files a verdict of the past: `judged("ok", at=NOON)`."""

    def write(outcome="ok", *, at=NOON, by=ivy, on=line, **fields):
        number = Inspection.objects.count()
        part = Inspection.objects.create(
            line=on, serial=f"S{number}", captured_at=at, received_at=at, hold_until=at, state="decided"
        )
        return Verdict.objects.create(inspection=part, inspector=by, outcome=outcome, at=at, **fields)

    return write


def hours_before(hours: float) -> datetime:
    return NOON - timedelta(hours=hours)


def test_without_a_shift_the_day_begins_at_the_lines_midnight(line):
    line.time_zone = "Asia/Shanghai"
    name, start = running_shift(line, NOON)
    assert (name, start) == ("", datetime(2026, 3, 3, 16, tzinfo=UTC))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2026, 3, 4, 13, 59, tzinfo=UTC), ("", datetime(2026, 3, 3, 16, tzinfo=UTC))),  # 21:59, between shifts
        (datetime(2026, 3, 4, 14, 0, tzinfo=UTC), ("Night", datetime(2026, 3, 4, 14, tzinfo=UTC))),
        (datetime(2026, 3, 4, 21, 59, tzinfo=UTC), ("Night", datetime(2026, 3, 4, 14, tzinfo=UTC))),  # 05:59 next day
        (datetime(2026, 3, 4, 22, 0, tzinfo=UTC), ("Early", datetime(2026, 3, 4, 22, tzinfo=UTC))),
    ],
)
def test_a_shift_may_cross_midnight(line, now, expected):
    line.time_zone = "Asia/Shanghai"
    line.save()
    line.shifts.create(name="Night", starts_at=time(22), ends_at=time(6))
    line.shifts.create(name="Early", starts_at=time(6), ends_at=time(14))
    assert running_shift(line, now) == expected


def test_of_two_shifts_that_overlap_the_later_one_runs(line):
    line.shifts.create(name="Day", starts_at=time(6), ends_at=time(18))
    line.shifts.create(name="Noon", starts_at=time(11), ends_at=time(20))
    assert running_shift(line, NOON)[0] == "Noon"


def test_a_shift_over_the_night_of_the_clocks_is_counted_in_real_hours(line, ivy, judged):
    line.time_zone = "Europe/Berlin"
    line.save()
    Shift.objects.create(line=line, name="Night", starts_at=time(22), ends_at=time(6))
    morning = datetime(2026, 10, 25, 5, 30, tzinfo=ZoneInfo("Europe/Berlin"))  # the clock was put back at 3
    for minutes in (0, 60):
        judged(at=datetime(2026, 10, 25, 0, 30, tzinfo=UTC) + timedelta(minutes=minutes))  # 02:30 twice
    summary = shift_summary(user=ivy, line=line, now=morning)
    assert len(summary.hours) == 9
    assert [hour.judged for hour in summary.hours] == [0, 0, 0, 0, 1, 1, 0, 0, 0]


def test_the_figures_are_the_persons_own(line, ivy, ian, judged):
    other = Line.objects.create(slug="line-b", name="Line B")
    for seconds, outcome in enumerate(["ok", "ok", "scratched", "unsure"], 1):
        judged(outcome, at=hours_before(1), duration_ms=1000 * seconds)
    judged("ok", occasion="second")
    judged("ok", occasion="audit")
    judged("ok", by=ian)
    judged("ok", on=other)
    judged("ok", at=hours_before(30))
    summary = shift_summary(user=ivy, line=line, now=NOON)
    assert (summary.judged, summary.ok, summary.scratched, summary.unsure) == (6, 4, 1, 1)
    assert summary.second_opinions == 1
    assert (summary.timed, summary.median_seconds, summary.p90_seconds) == (4, 2.5, 4.0)
    assert [(hour.at.hour, hour.judged) for hour in summary.hours[-2:]] == [(11, 4), (12, 2)]
    assert [hour.share for hour in summary.hours[-2:]] == [100, 50]
    assert sum(hour.judged for hour in summary.hours) == summary.judged


def test_a_look_after_advice_is_not_another_part(line, ivy, judged):
    verdict = judged("ok")
    Verdict.objects.create(
        inspection=verdict.inspection, inspector=ivy, outcome="scratched", occasion="advised", at=NOON
    )
    summary = shift_summary(user=ivy, line=line, now=NOON)
    assert (summary.judged, summary.ok, summary.scratched) == (1, 1, 0)


def test_an_empty_shift_has_no_times(line, ivy):
    summary = shift_summary(user=ivy, line=line, now=NOON)
    assert (summary.judged, summary.median_seconds, summary.p90_seconds, summary.timed) == (0, None, None, 0)


def test_what_was_corrected_skipped_and_cleaned(line, ivy, sam, make_part, later):
    def take():
        make_part()
        return actions.claim(line=line, by=ivy)

    for _ in range(2):
        lease = take()
        verdict = actions.record_verdict(inspection=lease.inspection, by=ivy, lease=lease.token, outcome="ok")
        author = sam if verdict.pk % 2 else ivy
        actions.correct_verdict(verdict=verdict, outcome="scratched", reason="seen again", by=author)
    lease = take()
    actions.skip(inspection=lease.inspection, by=ivy, token=lease.token, reason="too dark")
    Skip.objects.create(inspection=lease.inspection, by=sam, reason="not mine")
    lease = take()
    actions.send_to_retake(inspection=lease.inspection, by=ivy, lease=lease.token, reason="oil")
    summary = shift_summary(user=ivy, line=line, now=later(1))
    # A supervisor's correction is none of these figures: it would tell which verdict somebody looked at again.
    assert (summary.judged, summary.corrected, summary.ok, summary.scratched) == (2, 1, 1, 1)
    assert (summary.skipped, summary.cleaned) == (1, 1)


def test_the_nearest_rank():
    assert percentile([], 0.9) is None
    assert percentile([5.0], 0.9) == 5.0
    assert percentile([float(n) for n in range(1, 11)], 0.9) == 9.0


def test_the_cost_follows_the_shift(line, ivy, judged, django_assert_max_num_queries):
    for _ in range(5):
        judged()
    with django_assert_max_num_queries(6):
        shift_summary(user=ivy, line=line, now=NOON)


def test_the_page_and_its_fragment(page, ivy, line, make_part, judge):
    judge(make_part(), ivy, "ok", duration_ms=4200)
    url = reverse("shift_summary", args=[line.slug])
    whole = unescape(page(ivy).get(url).content.decode())
    fragment = unescape(page(ivy).get(f"{url}?fragment").content.decode())
    assert "<title>Your shift so far" in whole
    assert "<html" not in fragment
    for text in (whole, fragment):
        assert "half within 4.2 s, nine of ten within 4.2 s" in text
    for word in ("audit", "agree", "model", "rank", "target"):
        assert word not in fragment.lower()


def test_another_line_than_ones_own_is_refused(page, ivy, line):
    ivy.lines.add(Line.objects.create(slug="line-b", name="Line B"))
    assert page(ivy).get(reverse("shift_summary", args=[line.slug])).status_code in (403, 404)
