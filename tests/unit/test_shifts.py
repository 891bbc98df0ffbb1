"""Shifts: which clock times they cover, over midnight too, and which day a night belongs to."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from inspection.models import Line, Shift
from inspection.models.floor import real_time_zone

LINE = Line(slug="line-a", name="Line A", time_zone="Asia/Shanghai")
DAY = Shift(line=LINE, name="day", starts_at=time(6), ends_at=time(14))
NIGHT = Shift(line=LINE, name="night", starts_at=time(22), ends_at=time(6))


@pytest.mark.parametrize(
    ("shift", "clock", "inside"),
    [
        (DAY, time(5, 59), False), (DAY, time(6), True), (DAY, time(13, 59), True), (DAY, time(14), False),
        (NIGHT, time(21, 59), False), (NIGHT, time(22), True), (NIGHT, time(0), True), (NIGHT, time(5, 59), True),
        (NIGHT, time(6), False),
    ],
)  # fmt: skip
def test_a_shift_has_its_first_minute_and_not_its_last(shift, clock, inside):
    assert shift.covers(clock) is inside


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 3, 4, 15, 0, tzinfo=UTC), date(2026, 3, 4)),  # 23:00 in Shanghai
        (datetime(2026, 3, 4, 21, 59, tzinfo=UTC), date(2026, 3, 4)),  # 05:59 the next morning there
        (datetime(2026, 3, 4, 16, 0, tzinfo=UTC), date(2026, 3, 4)),  # midnight there
    ],
)
def test_a_night_belongs_to_the_day_it_began_on(moment, day):
    assert NIGHT.day_of(moment) == day


def test_a_day_shift_belongs_to_the_lines_own_date():
    assert DAY.day_of(datetime(2026, 3, 4, 23, 0, tzinfo=UTC)) == date(2026, 3, 5)


def test_the_night_of_the_change_of_clocks():
    berlin = Shift(line=Line(time_zone="Europe/Berlin"), name="n", starts_at=time(22), ends_at=time(6))
    moment = datetime(2026, 3, 29, 3, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert berlin.day_of(moment) == date(2026, 3, 28)


def test_a_time_zone_is_a_real_one():
    real_time_zone("Asia/Shanghai")
    with pytest.raises(ValidationError, match="Mars"):
        real_time_zone("Mars/Olympus")


def test_a_shift_has_a_length(line):
    with pytest.raises(IntegrityError):
        Shift.objects.create(line=line, name="none", starts_at=time(6), ends_at=time(6))
