"""Closing an alarm teaches the watch what its cause says, and the replay of the last 30 days says what would have been."""

import re

import pytest
from django.utils import timezone

from inspection.models import AuditEvent
from inspection.refusals import BadInput
from monitoring import replaying
from monitoring.actions import close_alarm, open_alarm, policy_of, write_watch_policy
from monitoring.collecting import terms_of
from monitoring.models import Alarm, AlarmAction, Baseline, Cause, DetectorState, Finding, Relearning
from monitoring.tasks import watch
from tests.long.test_watching import parts, short_baseline  # noqa: F401 - fixtures

URL = "/alarms/{pk}/closing/"


@pytest.fixture
def moved(parts):  # noqa: F811 - the fixture
    """An alarm of real parts: the light of camera 1 fell, after a baseline of 100 parts."""
    parts(200)
    parts(300, brightness=94)
    watch()
    return Alarm.objects.get(rule="drift")


def brightness(**fields):
    return DetectorState.objects.get(stream__figure="quality.brightness", **fields)


def test_put_right_means_the_same_baseline_and_detectors_that_begin_again(moved, sam, parts):  # noqa: F811
    before = brightness().baseline_id
    assert brightness().state["watching"]["raised"]
    close_alarm(alarm=moved, by=sam, comment="new bulb", cause="fixed")
    parts(40)
    watch()
    assert brightness().baseline_id == before
    assert not brightness().state["watching"]["raised"]
    assert not Alarm.objects.open().exists()


def test_what_was_not_put_right_is_found_again(moved, sam, parts):  # noqa: F811
    close_alarm(alarm=moved, by=sam, comment="looked fine to me", cause="other")
    parts(100, brightness=94)
    watch()
    assert Alarm.objects.open().count() == 1


def test_a_false_alarm_may_ask_for_more_evidence_and_more_each_time(moved, sam):
    close_alarm(alarm=moved, by=sam, comment="glare", cause="false_alarm", adapt="rarer")
    policy = policy_of(moved.line)
    figures = set(Finding.objects.values_list("stream__figure", flat=True))
    assert policy.factors == {f"{figure}@cam-1": 10.0 for figure in figures}
    assert (policy.by, policy.reason) == ("sam", "glare")
    again = open_alarm(line=moved.line, rule="other", severity="alarm", message="x")
    Finding.objects.create(
        alarm=again, stream=brightness().stream, detector="mean", severity="alarm", moved_at=timezone.now()
    )
    close_alarm(alarm=again, by=sam, comment="glare again", cause="false_alarm", adapt="rarer")
    assert policy_of(moved.line).factors["quality.brightness@cam-1"] == 100.0
    assert AuditEvent.objects.filter(action="watch_policy_written").count() == 2
    assert AuditEvent.objects.filter(action="alarm_closed").last().data["adapt"] == "rarer"


def test_a_false_alarm_may_widen_the_baseline(moved, sam, parts):  # noqa: F811
    before = brightness().baseline
    close_alarm(alarm=moved, by=sam, comment="two lots of glass", cause="false_alarm", adapt="wider")
    wider = Baseline.objects.filter(stream=before.stream).last()
    assert wider.pk > before.pk
    assert (wider.n, wider.reason) == (500, "two lots of glass")
    assert wider.sd > 1.2 * before.sd
    assert AuditEvent.objects.filter(action="baseline_widened").exists()
    parts(100, brightness=94)
    watch()
    assert brightness().baseline_id == wider.pk
    assert not Alarm.objects.open().exists()


def test_a_wider_baseline_holds_also_where_a_look_was_under_way(moved, sam, parts):  # noqa: F811
    """A look that began before the closing writes the baseline that it had read; the next one takes the newest."""
    old = brightness().baseline_id
    close_alarm(alarm=moved, by=sam, comment="glass", cause="false_alarm", adapt="wider")
    DetectorState.objects.filter(stream=brightness().stream).update(baseline=old)
    parts(5)
    watch()
    assert brightness().baseline_id > old


def test_a_new_normal_is_learned_anew(moved, sam, parts):  # noqa: F811
    close_alarm(alarm=moved, by=sam, comment="the new lamp stays", cause="new_normal")
    event = Relearning.objects.get()
    assert (event.station, event.alarm, event.by) == (moved.station, moved.pk, sam)
    assert "quality.brightness" in event.figures
    parts(120, brightness=94)
    watch()
    assert brightness().baseline.reason == "the new lamp stays"
    assert not Alarm.objects.open().exists()


@pytest.fixture
def second_camera(line, parts):  # noqa: F811 - the fixture
    """Another station, whose light was learned as that of camera 1."""
    camera = line.stations.create(slug="cam-2", name="Camera 2")
    parts(200, station=camera)
    watch()
    return camera


def test_what_is_learned_anew_at_one_station_is_as_before_at_the_others(moved, second_camera, sam, parts):  # noqa: F811
    before = brightness(stream__station=second_camera).baseline_id
    close_alarm(alarm=moved, by=sam, comment="the new lamp stays", cause="new_normal")
    parts(10, brightness=94)
    parts(10, station=second_camera)
    watch()
    assert brightness(stream__station=moved.station).baseline is None
    assert brightness(stream__station=second_camera).baseline_id == before


def test_more_evidence_is_asked_for_at_the_station_that_cried_wolf_alone(moved, second_camera, sam):
    streams = [brightness(stream__station=station).stream for station in (moved.station, second_camera)]

    def every():
        terms = terms_of(moved.line, now=timezone.now())
        return [terms.every(stream, stream.station.slug)[0] for stream in streams]

    here, there = every()
    close_alarm(alarm=moved, by=sam, comment="glare", cause="false_alarm", adapt="rarer")
    assert every() == [10 * here, there]


def test_a_wider_baseline_is_that_of_its_station(moved, second_camera, sam):
    close_alarm(alarm=moved, by=sam, comment="two lots of glass", cause="false_alarm", adapt="wider")
    widened = Baseline.objects.filter(reason="two lots of glass")
    assert {baseline.stream.station for baseline in widened} == {moved.station}


def test_a_way_that_does_not_go_with_the_cause_is_refused_and_nothing_is_closed(moved, sam):
    with pytest.raises(BadInput, match="one of: keep"):
        close_alarm(alarm=moved, by=sam, comment="x", cause="fixed", adapt="wider")
    assert not AlarmAction.objects.exists()


def test_too_few_parts_make_no_wider_baseline_and_nothing_is_closed(moved, sam, monkeypatch):
    monkeypatch.setattr("monitoring.learning.LEAST", 1000)
    with pytest.raises(BadInput, match="too few parts"):
        close_alarm(alarm=moved, by=sam, comment="x", cause="false_alarm", adapt="wider")
    assert Alarm.objects.open().exists()
    assert not AlarmAction.objects.exists()


def test_an_alarm_without_figures_is_closed_with_any_cause(line, sam):
    for number, cause in enumerate(Cause):
        alarm = open_alarm(line=line, rule=f"r{number}", severity="alarm", message="x")
        close_alarm(alarm=alarm, by=sam, comment="x", cause=cause)
    assert not Relearning.objects.exists()


# ---- What would have been


def ways(alarm, cause, **fields):
    found = replaying.replay_of(alarm, Cause(cause), now=timezone.now())
    return found, {choice.adapt.value: choice.alarms for choice in found.choices}


def test_the_replay_tells_what_each_way_would_have_done(moved):
    found, alarms = ways(moved, "false_alarm")
    assert (found.parts, found.whole, found.alarms) == (500, True, 1)
    assert alarms["keep"] == 1
    assert alarms["wider"] == 0
    assert alarms["rarer"] <= 1


def test_the_replay_of_a_new_normal_begins_where_it_was_seen(moved):
    found, alarms = ways(moved, "new_normal")
    assert alarms == {"relearn": 0}
    assert found.alarms == 1
    assert 200 < found.parts < 300


def test_the_replay_says_when_there_are_too_few_parts(moved, monkeypatch):
    monkeypatch.setattr("monitoring.learning.LEAST", 1000)
    [choice] = replaying.replay_of(moved, Cause.NEW_NORMAL, now=timezone.now()).choices
    assert choice.alarms is None
    assert choice.parts < choice.needed == 1000


def test_the_replay_is_of_as_many_parts_as_a_person_waits_for(moved, monkeypatch):
    monkeypatch.setattr(replaying, "MOST", 200)
    found, _ = ways(moved, "false_alarm")
    assert (found.parts, found.whole) == (200, False)


def test_the_replay_changes_nothing(moved):
    before = DetectorState.objects.values_list("pk", "state", "baseline")
    kept = list(before)
    ways(moved, "false_alarm")
    assert list(before.all()) == kept
    assert Baseline.objects.count() == len({row[2] for row in kept if row[2]})


def test_a_replay_is_of_the_watch_as_it_is_set_now(moved, ada):
    for name, starts, ends in (("day", "06:00", "18:00"), ("night", "18:00", "06:00")):
        moved.line.shifts.create(name=name, starts_at=starts, ends_at=ends)
    assert ways(moved, "false_alarm")[0].alarms == 1
    write_watch_policy(line=moved.line, by=ada, reason="windows in the hall", by_shift=True)
    assert ways(moved, "false_alarm")[0].alarms == 0, "no shift has a baseline of its own yet"


def test_a_changed_policy_takes_a_new_replay(moved, sam, ada, page):
    """Two people at once: what would have been was reckoned for another watch than the one that would be changed."""
    replay, close = f"{URL.format(pk=moved.pk)}replay/", f"/alarms/{moved.pk}/close/"
    sent = {"cause": "false_alarm", "adapt": "rarer", "comment": "glare"}

    def seen():
        html = page(sam).get(replay, {"cause": "false_alarm"}).content.decode()
        return re.search(r'name="seen" value="(\d+)"', html)[1]

    before = seen()
    write_watch_policy(line=moved.line, by=ada, reason="rarer", warn_every=20_000)
    answer = page(sam).post(close, sent | {"seen": before}, follow=True)
    assert "Line A is watched otherwise since you read" in answer.content.decode()
    assert not AlarmAction.objects.exists()
    assert not policy_of(moved.line).factors
    page(sam).post(close, sent | {"seen": seen()})
    assert AlarmAction.objects.get().action == "closed"


def test_closing_page_asks_and_the_replay_stands_beside_each_way(moved, sam, page):
    browser, url = page(sam), URL.format(pk=moved.pk)
    html = browser.get(url, {"cause": "false_alarm"}).content.decode()
    assert 'value="rarer"' in html
    assert "is being reckoned" in html
    replayed = browser.get(f"{url}replay/", {"cause": "false_alarm"}).content.decode()
    assert "0 alarms instead of 1" in replayed
    assert "1 to 10 times" in replayed
    assert 'name="adapt"' not in browser.get(url, {"cause": "fixed"}).content.decode()
    assert browser.get(url, {"cause": "ghosts"}).status_code == 400
    sent = {"cause": "false_alarm", "adapt": "rarer", "comment": "glare"}
    assert browser.post(f"/alarms/{moved.pk}/close/", sent).status_code == 302
    assert policy_of(moved.line).factors
    assert browser.get(url, {"cause": "fixed"}).url == f"/alarms/{moved.pk}/"


def test_an_alarm_whose_figures_are_not_kept_by_part_has_no_replay(line, sam, page):
    alarm = open_alarm(line=line, rule="escapes", severity="alarm", message="x")
    assert replaying.replay_of(alarm, Cause.FALSE_ALARM, now=timezone.now()) is None
    assert page(sam).get(URL.format(pk=alarm.pk), {"cause": "false_alarm"}).status_code == 200


def test_over_the_api_the_watch_is_adapted_too(moved, sam, api):
    url = f"/api/v1/alarms/{moved.pk}/close/"
    assert api(sam).post(url, {"comment": "x", "cause": "fixed", "adapt": "relearn"}).status_code == 400
    assert api(sam).post(url, {"comment": "x", "cause": "new_normal"}).status_code == 200
    assert Relearning.objects.count() == 1


def test_what_was_written_outlives_a_refusal(moved, page, sam, ada):
    """The line was watched otherwise meanwhile: one reads again what would have been, and types nothing again."""
    browser = page(sam)
    html = browser.get(URL.format(pk=moved.pk), {"cause": "false_alarm"}).content.decode()
    seen = re.search(r'name="seen" value="(\d+)"', html).group(1)
    write_watch_policy(line=moved.line, by=ada, reason="so", warn_every=20_000)
    sent = {"cause": "false_alarm", "adapt": "rarer", "comment": "Glare & <dust>.", "seen": seen}
    answer = browser.post(f"/alarms/{moved.pk}/close/", sent)
    html = answer.content.decode()
    assert answer.status_code == 409
    assert "is watched otherwise since you read" in html
    assert "Glare &amp; &lt;dust&gt;.</textarea>" in html
    assert re.search(r'value="rarer" checked', html)
    sent["seen"] = re.search(r'name="seen" value="(\d+)"', html).group(1)
    assert browser.post(f"/alarms/{moved.pk}/close/", sent).url == "/alarms/"
    assert AlarmAction.objects.get().comment == "Glare & <dust>."


def test_the_api_refuses_a_choice_that_was_read_under_another_policy(moved, api, sam, ada):
    write_watch_policy(line=moved.line, by=ada, reason="so", warn_every=20_000)
    sent, where = {"comment": "glare", "cause": "false_alarm"}, f"/api/v1/alarms/{moved.pk}/close/"
    assert api(sam).post(where, sent | {"seen": 0}, "json").status_code == 409
    assert not AlarmAction.objects.exists()
    assert api(sam).post(where, sent | {"seen": 1}, "json").status_code == 200
