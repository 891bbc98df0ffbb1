"""Alarms: one per line and rule while it is open, acknowledged by one, closed with what it was."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from inspection.models import AuditEvent, Line
from inspection.refusals import BadInput, Conflict, NotAllowed
from monitoring.actions import acknowledge_alarm, close_alarm, open_alarm
from monitoring.alarms import STATES, alarms_of, rows_of, sentence
from monitoring.models import Alarm, AlarmAction, Finding, Stream

URL = "/api/v1/alarms/"


@pytest.fixture
def raised(line):
    """Opens an alarm: `raised()`, `raised(severity="critical")`."""

    def open_one(rule="brightness", *, on=line, severity="warning", message="Brightness rose 11 %.", **fields):
        return open_alarm(line=on, rule=rule, severity=severity, message=message, **fields)

    return open_one


@pytest.fixture
def found():
    """Writes a finding of an alarm: `found(alarm, "quality.brightness", station=station)`."""

    def write(alarm, figure, *, station=None, version=None, **fields):
        key = f"{alarm.line.slug}/{station}/{version}/{figure}"
        stream, _ = Stream.objects.get_or_create(
            key=key, defaults={"line": alarm.line, "station": station, "version": version, "figure": figure}
        )
        fields = {"detector": "mean", "severity": "alarm", "moved_at": timezone.now()} | fields
        return Finding.objects.create(alarm=alarm, stream=stream, **fields)

    return write


def test_the_same_cause_again_adds_nothing(raised):
    first, again = raised(), raised(message="Brightness rose 12 %.")
    assert first == again
    assert again.message == "Brightness rose 11 %."
    assert AuditEvent.objects.filter(action="alarm_opened").count() == 1


def test_another_rule_or_line_is_another_alarm(raised):
    other = Line.objects.create(slug="line-b", name="Line B")
    assert len({raised().pk, raised("null_rate").pk, raised(on=other).pk}) == 3


def test_an_acknowledged_alarm_is_still_open_and_a_closed_one_makes_way(raised, sam):
    first = raised()
    acknowledge_alarm(alarm=first, by=sam)
    assert raised() == first
    close_alarm(alarm=first, by=sam, comment="new lamp")
    assert raised() != first


def test_a_warning_becomes_critical_where_it_stands_and_never_less(raised):
    first = raised(severity="warning")
    worse = raised(severity="critical", message="Brightness rose 40 %.")
    raised(severity="warning")
    first.refresh_from_db()
    assert (worse.pk, first.severity, first.message) == (first.pk, "critical", "Brightness rose 40 %.")
    assert AuditEvent.objects.filter(action="alarm_became_critical").count() == 1


def test_a_severity_that_does_not_exist_is_a_fault_of_the_caller(raised):
    with pytest.raises(ValueError, match="grave"):
        raised(severity="grave")


def test_acknowledging_twice_returns_the_first(raised, sam, ada):
    alarm = raised()
    first = acknowledge_alarm(alarm=alarm, by=sam, comment="on my way")
    assert acknowledge_alarm(alarm=alarm, by=ada) == first
    assert alarm.state == "acknowledged"
    assert AuditEvent.objects.filter(action="alarm_acknowledged", by="sam").count() == 1


def test_an_acknowledgement_holds_until_its_time(raised, sam, later):
    alarm, until = raised(severity="alarm"), later(3600)
    first = acknowledge_alarm(alarm=alarm, by=sam, until=until)
    assert acknowledge_alarm(alarm=alarm, by=sam, until=until) == first
    states = [alarm.state_at(until + timedelta(seconds=seconds)) for seconds in (-1, 0, 1)]
    assert states == ["acknowledged", "open", "open"]
    assert not alarms_of(sam, state="acknowledged", now=until)
    again = acknowledge_alarm(alarm=alarm, by=sam, comment="still on it", now=until)
    assert again != first
    assert alarms_of(sam, state="acknowledged", now=until).get() == alarm
    assert AuditEvent.objects.filter(action="alarm_acknowledged").first().data["until"] == str(until)


def test_a_shorter_acknowledgement_takes_the_place_of_a_longer(raised, sam, later):
    alarm = raised()
    acknowledge_alarm(alarm=alarm, by=sam)
    acknowledge_alarm(alarm=alarm, by=sam, until=later(60))
    assert (alarm.state_at(later(0)), alarm.state_at(later(61))) == ("acknowledged", "warning")
    assert not alarms_of(sam, state="acknowledged", now=later(61))


def test_an_acknowledgement_ends_in_the_time_to_come(raised, sam):
    with pytest.raises(BadInput, match="yet to come"):
        acknowledge_alarm(alarm=raised(), by=sam, until=timezone.now() - timedelta(seconds=1))


def test_a_cause_is_one_of_the_list_and_other_when_none_is_named(raised, sam):
    alarm = raised()
    with pytest.raises(BadInput, match="no cause 'ghosts'"):
        close_alarm(alarm=alarm, by=sam, comment="x", cause="ghosts")
    assert close_alarm(alarm=alarm, by=sam, comment="x").cause == "other"
    assert AuditEvent.objects.get(action="alarm_closed").data["cause"] == "other"


def test_closing_needs_what_it_was_and_happens_once(raised, sam):
    alarm = raised()
    with pytest.raises(BadInput, match="what was found"):
        close_alarm(alarm=alarm, by=sam, comment="  ")
    close_alarm(alarm=alarm, by=sam, comment="new lamp")
    for act in (close_alarm, acknowledge_alarm):
        with pytest.raises(Conflict, match="closed already, by sam: new lamp"):
            act(alarm=alarm, by=sam, comment="again")
    assert AlarmAction.objects.count() == 1
    assert AuditEvent.objects.get(action="alarm_closed").data["comment"] == "new lamp"


def test_another_lines_supervisor_may_not_act(raised, sam):
    alarm = raised()
    sam.lines.add(Line.objects.create(slug="line-b", name="Line B"))
    with pytest.raises(NotAllowed):
        close_alarm(alarm=alarm, by=sam, comment="x")


def test_states_and_lines_are_told_apart(raised, sam):
    waiting, grave, taken, over = raised("a"), raised("d", severity="alarm"), raised("b"), raised("c")
    acknowledge_alarm(alarm=taken, by=sam)
    close_alarm(alarm=over, by=sam, comment="x")
    found = {state: set(alarms_of(sam, state=state)) for state in ("", *STATES)}
    assert found == {
        "": {waiting, grave, taken, over},
        "open": {waiting, grave, taken},
        "warning": {waiting},
        "acknowledged": {taken},
        "closed": {over},
    }
    with pytest.raises(BadInput, match="Allowed: warning, open"):
        alarms_of(sam, state="loud")
    sam.lines.add(Line.objects.create(slug="line-b", name="Line B"))
    assert not alarms_of(sam)


@pytest.mark.parametrize(
    ("alarms", "acknowledged", "words"),
    [
        ([], 0, "All quiet: no alarm is open."),
        (["warning"], 0, "1 alarm is open; nobody is on it yet."),
        (["critical"], 1, "1 critical alarm is open, and somebody is on it."),
        (["warning", "critical"], 0, "2 alarms are open, 1 of them critical; 2 waiting for somebody."),
        (["warning", "warning"], 2, "2 alarms are open; none waiting for somebody."),
    ],
)
def test_the_sentence(raised, sam, alarms, acknowledged, words):
    opened = [raised(f"rule-{number}", severity=severity) for number, severity in enumerate(alarms)]
    for alarm in opened[:acknowledged]:
        acknowledge_alarm(alarm=alarm, by=sam)
    assert sentence(rows_of(alarms_of(sam, state="open"))) == words


def test_the_life_of_an_alarm_over_the_api(raised, sam, api):
    alarm = raised(suggestion="Check the lamp.")
    [row] = api(sam).get(URL).json()["results"]
    assert (row["id"], row["line"], row["state"], row["suggestion"]) == (
        alarm.pk, "line-a", "warning", "Check the lamp.",
    )  # fmt: skip
    assert api(sam).post(f"{URL}{alarm.pk}/acknowledge/").json()["state"] == "acknowledged"
    assert api(sam).post(f"{URL}{alarm.pk}/close/").status_code == 400
    body = api(sam).post(f"{URL}{alarm.pk}/close/", {"comment": "new lamp"}).json()
    assert (body["state"], body["actions"][-1]["comment"], body["actions"][-1]["by"]) == ("closed", "new lamp", "sam")
    assert api(sam).post(f"{URL}{alarm.pk}/close/", {"comment": "again"}).status_code == 409
    assert api(sam).post(f"{URL}{alarm.pk + 1}/close/", {"comment": "x"}).status_code == 404
    assert api(sam).get(URL, {"state": "open"}).json()["results"] == []


def test_an_alarm_over_the_api_tells_what_moved(raised, found, station, sam, api, later):
    alarm = raised()
    found(alarm, "quality.brightness", station=station, before=0.5, after=0.6, examples=[7])
    body = api(sam).get(f"{URL}{alarm.pk}/").json()
    [finding] = body["findings"]
    shown = {name: finding[name] for name in ("figure", "station", "version", "before", "after", "examples")}
    assert shown == {
        "figure": "quality.brightness", "station": "cam-1", "version": None, "before": 0.5, "after": 0.6, "examples": [7],
    }  # fmt: skip
    until = later(3600).isoformat()
    taken = api(sam).post(f"{URL}{alarm.pk}/acknowledge/", {"until": until}).json()["actions"][0]
    assert datetime.fromisoformat(taken["until"]) == datetime.fromisoformat(until)
    assert api(sam).post(f"{URL}{alarm.pk}/close/", {"comment": "x", "cause": "ghosts"}).status_code == 400
    body = api(sam).post(f"{URL}{alarm.pk}/close/", {"comment": "new lamp", "cause": "fixed"}).json()
    assert (body["state"], body["actions"][-1]["cause"]) == ("closed", "fixed")
    assert api(sam).get(f"{URL}{alarm.pk + 1}/").status_code == 404


@pytest.mark.parametrize(("person", "status"), [("ivy", 403), ("cam", 403), ("otto", 403), ("sam", 200), ("ada", 200)])
@pytest.mark.parametrize("act", ["", "{pk}/", "{pk}/acknowledge/", "{pk}/close/"])
def test_who_may_read_and_act(raised, api, request, person, status, act):
    alarm, client = raised(), api(request.getfixturevalue(person))
    url = URL + act.format(pk=alarm.pk)
    answer = client.post(url, {"comment": "x"}) if url.endswith(("acknowledge/", "close/")) else client.get(url)
    assert answer.status_code == status


def test_the_list_takes_as_many_queries_for_many(raised, sam, api, django_assert_max_num_queries):
    for number in range(5):
        acknowledge_alarm(alarm=raised(f"rule-{number}"), by=sam)
    client = api(sam)
    with django_assert_max_num_queries(8):
        assert len(client.get(URL).json()["results"]) == 5


def test_the_page_shows_open_ones_first_and_its_forms_work(raised, sam, page):
    alarm = raised()
    over = raised("null_rate", now=timezone.now() + timedelta(minutes=1))
    close_alarm(alarm=over, by=sam, comment="a lens was dirty")
    browser = page(sam)
    html = browser.get("/alarms/").content.decode()
    assert html.index("Brightness rose 11 %.") < html.index("a lens was dirty")
    assert "style=" not in html
    url, here = f"/alarms/{alarm.pk}/", "/alarms/?line=line-a"
    assert browser.post(f"{url}acknowledge/", {"next": here}).url == here
    assert browser.post(f"{url}close/", {"comment": ""}).status_code == 302
    assert Alarm.objects.open().count() == 1
    assert browser.post(f"{url}close/", {"comment": "lamp", "next": "https://elsewhere/"}).url == "/alarms/"
    assert "All quiet" in browser.get("/alarms/").content.decode()


def test_the_page_is_the_supervisors(raised, ivy, page, client):
    alarm = raised()
    assert client.get("/alarms/").status_code == 302
    assert page(ivy).get("/alarms/").status_code == 403
    assert page(ivy).post(f"/alarms/{alarm.pk}/close/", {"comment": "x"}).status_code == 403
