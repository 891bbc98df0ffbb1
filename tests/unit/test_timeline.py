"""What the trend is marked with: releases, level changes and alarms of the line, on its own days, at a bounded cost."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection

from inspection import audit
from inspection.models import AuditEvent, Line
from shadow.days import EVERYTHING, read_span
from shadow.timeline import ACTIONS, WORDS, _events, happenings

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def event(line):
    """Files an event of the trail: `event("halted", reason="lamp")`."""

    def write(action, *, at=NOON, on="line-a", subject="", **data):
        return AuditEvent.objects.create(action=action, at=at, by="ada", line=on, subject=subject, data=data)

    return write


def test_each_action_has_words_and_what_is_missing_in_them_is_a_dash(event, line):
    assert WORDS.keys() == ACTIONS.keys()
    for action in ACTIONS:
        event(action, subject="version v2" if action.startswith("version") else "")
    found = happenings([line], ["v2"], EVERYTHING)
    assert {happening.action for happening in found} == set(ACTIONS)
    assert all(happening.words and "{" not in happening.words for happening in found)


def test_the_words_say_what_changed(event, line):
    event("level_raise", before="human_only", level="shadow", version="v2", reason="gates met")
    event("version_assigned", subject="version v2", role="live")
    event("alarm_opened", severity="critical", message="Brightness rose")
    assert {happening.words for happening in happenings([line], [], EVERYTHING)} == {
        "Level raised from human only to shadow", "Version v2 assigned as live", "Alarm (critical): Brightness rose",
    }  # fmt: skip


def test_what_tells_of_a_part_or_of_another_line_or_version_is_no_mark(event, line):
    Line.objects.create(slug="line-b", name="Line B")
    event("verdict_recorded", subject="inspection 1")
    event("halted", on="line-b")
    event("version_registered", on="", subject="version old")
    event("halted", on="")
    event("version_registered", on="", subject="version v2")
    assert [happening.action for happening in happenings([line], ["v2"], EVERYTHING)] == [
        "halted",
        "version_registered",
    ]


def test_several_lines_tell_of_the_factory_once(event, line):
    other = Line.objects.create(slug="line-b", name="Line B")
    event("halted", on="")
    event("resumed", on="line-b", at=NOON + timedelta(hours=1))
    assert [happening.line for happening in happenings([line, other], [], EVERYTHING)] == ["", "line-b"]


def test_the_days_are_the_lines_own(event, line):
    line.time_zone = "Asia/Shanghai"
    line.save()
    event("halted", at=datetime(2026, 3, 2, 17, tzinfo=UTC))
    [found] = happenings([line], [], read_span("2026-03-03", "2026-03-03", line))
    assert found.day == date(2026, 3, 3)
    assert not happenings([line], [], read_span("", "2026-03-02", line))


def test_the_cost_is_that_of_the_events_that_tell_of_no_part(event, line):
    event("halted")
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
        sql, params = _events(line, [], EVERYTHING).query.sql_with_params()
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' if connection.vendor == 'sqlite' else ''}{sql}", params)
        assert "audit_of_no_part" in str(cursor.fetchall())


def test_no_action_is_named_that_nobody_writes(line, ada):
    """The words of the trail know every action that is marked."""
    known = {name.replace(" ", "_") for name in audit.ACTIONS} | {"resumed"}
    assert set(ACTIONS) <= known
