"""Watching: an alarm when a rate changes, once, whoever restarts; each answer is looked at once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from inspection.models import Draw, Inspection, Verdict
from monitoring import watching
from monitoring.actions import close_alarm
from monitoring.models import Alarm, DetectorState
from monitoring.tasks import watch
from monitoring.watching import watch_lines
from shadow.models import Prediction


@pytest.fixture(autouse=True)
def short_baseline(monkeypatch):
    """A hundred events are the baseline here; a thousand are in earnest."""
    monkeypatch.setattr(watching, "BASELINE", 100)


@pytest.fixture
def parts(shadowed, version, ivy):
    """Files answers in one go: `parts(100)`, `parts(5, score=None)`, `parts(5, outcome="scratched")`, `parts(5, outcome=None)`."""

    def file(count, *, score=0.05, outcome="ok", blind=True, **fields):
        now, start = timezone.now(), Inspection.objects.count()
        fields = {"captured_at": now, "received_at": now, "hold_until": now} | fields
        rows = Inspection.objects.bulk_create(
            Inspection(line=shadowed, serial=f"W{start + n}", **fields) for n in range(count)
        )
        Draw.objects.bulk_create(
            Draw(inspection=row, key="k", u_canary=0.5, u_audit=0.5, u_blind=0.5, blind=blind) for row in rows
        )
        answer = {
            "score": score,
            "outcome": "" if score is None else "ok",
            "null_reason": "blank" if score is None else "",
        }
        Prediction.objects.bulk_create(Prediction(inspection=row, version=version, **answer) for row in rows)
        if outcome:
            Verdict.objects.bulk_create(Verdict(inspection=row, inspector=ivy, outcome=outcome) for row in rows)
        return rows

    return file


def state(rule):
    return DetectorState.objects.get(rule=rule)


def test_nothing_is_watched_without_a_live_version(line):
    assert watch_lines() == 0
    assert not DetectorState.objects.exists()


def test_a_steady_line_opens_no_alarm(parts):
    parts(300)
    watch()
    assert not Alarm.objects.exists()


def test_a_few_parts_are_a_baseline_and_no_alarm(parts):
    parts(99, score=None)
    assert watch_lines() == 0
    assert len(state("null rate warning").state["first"]) == 99


def test_parts_without_an_answer_open_a_warning_and_more_make_it_critical(parts):
    parts(100)
    watch_lines()
    parts(6, score=None)
    assert watch_lines() == 1
    alarm = Alarm.objects.get()
    assert (alarm.rule, alarm.severity, alarm.line.slug) == ("null rate", "warning", "line-a")
    assert alarm.message == "The share of parts without an answer of v1 has changed."
    parts(20, score=None)
    assert watch_lines() == 0  # it is the same alarm
    alarm.refresh_from_db()
    assert (alarm.severity, Alarm.objects.count()) == ("critical", 1)


def test_people_who_disagree_more_than_before_open_an_alarm(parts):
    parts(100)
    parts(30, outcome="scratched")
    assert watch_lines() == 1
    assert Alarm.objects.get().rule == "disagreement"


def test_nothing_is_seen_twice_and_a_restart_loses_nothing(parts):
    """Looking after every part comes to the same as looking once."""
    parts(103)
    watch_lines()
    before = state("null rate warning")
    watch_lines()
    after = state("null rate warning")
    assert (after.seen_to, after.state) == (before.seen_to, before.state)
    for _ in range(4):
        parts(1, score=None)
        watch_lines()
    in_steps = state("null rate warning").state
    DetectorState.objects.all().delete()
    watch_lines()
    assert state("null rate warning").state["detector"] == in_steps["detector"]


def test_an_open_alarm_is_not_opened_again(parts):
    parts(100)
    for _ in range(3):
        parts(30, score=None)
        watch_lines()
    assert Alarm.objects.count() == 1


def test_a_baseline_stays_frozen_until_a_person_names_what_happened(parts, sam):
    """Else a change that nobody has looked at would be the new normal by itself."""
    parts(100)
    parts(150, score=None)
    watch_lines()
    assert state("null rate warning").state["detector"]["rate"] < 0.01
    close_alarm(alarm=Alarm.objects.get(), by=sam, comment="New camera: these parts have no photo.")
    parts(100, score=None)
    assert watch_lines() == 0
    assert state("null rate warning").state["detector"]["rate"] > 0.99
    assert state("null rate critical").state["detector"]["rate"] > 0.99


def test_a_part_that_is_not_judged_yet_is_waited_for(parts, ivy):
    parts(60)
    [late] = parts(1, outcome=None)
    parts(60)
    watch_lines()
    assert len(state("disagreement warning").state["first"]) == 60
    Verdict.objects.create(inspection=late, inspector=ivy, outcome="ok")
    watch_lines()
    assert "detector" in state("disagreement warning").state


def test_a_part_that_nobody_judges_in_eight_hours_is_passed_over(parts):
    parts(1, outcome=None, received_at=timezone.now() - timedelta(hours=9))
    parts(60)
    watch_lines()
    assert len(state("disagreement warning").state["first"]) == 60


@pytest.mark.parametrize(
    "left", [{"blind": False}, {"blind": False, "outcome": None}, {"score": None, "outcome": None}]
)
def test_parts_that_are_no_control_neither_count_nor_hold_up_the_rest(parts, left):
    """Judged with advice, decided by the machine alone, or without an answer."""
    parts(30, **left)
    parts(60)
    watch_lines()
    assert len(state("disagreement warning").state["first"]) == 60


def test_a_long_backlog_is_worked_off_look_by_look(parts, monkeypatch):
    monkeypatch.setattr(watching, "PER_LOOK", 20)
    parts(50, blind=False)
    parts(20)
    for _ in range(4):
        watch_lines()
    assert len(state("disagreement warning").state["first"]) == 20
    assert len(state("null rate warning").state["first"]) == 70


def test_retrospective_answers_are_not_watched(shadowed, version, make_part, answer):
    answer(make_part(), version, None, retrospective=True)
    watch_lines()
    assert state("null rate warning").state == {"first": []}


def test_another_version_is_watched_from_its_own_beginning(shadowed, other_version, parts, set_level):
    parts(100)
    watch_lines()
    set_level(shadowed, "shadow", other_version)
    watch_lines()
    assert DetectorState.objects.filter(subject="v2", state={"first": []}).count() == len(watching.RULES)
