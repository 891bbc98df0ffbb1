"""An alarm in a real browser: read, acknowledged, its line halted, closed with what it was; axe finds nothing on the way."""

import pytest
from playwright.sync_api import expect

from inspection.models import AuditEvent
from monitoring.actions import close_alarm, open_alarm, policy_of, write_channel
from monitoring.models import Alarm, Channel, Finding, Stream
from shadow.models import HeldOut, TrainingRun
from tests.journeys.test_accessibility import faults, told

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def alarm(line, station, make_part, version, set_level, sam):
    """Brightness moved at camera 1, and an alarm before it was closed."""
    set_level(line, "assist", version)
    before = open_alarm(line=line, rule="before", severity="warning", message="Sharpness at Camera 1 fell 7 %.")
    close_alarm(alarm=before, by=sam, comment="lens cleaned", cause="fixed")
    found = open_alarm(
        line=line, rule="drift", severity="alarm", message="Brightness at Camera 1 rose 11 %; agreement holds.",
        suggestion="Fix the station and keep the level: check the lamp.",
    )  # fmt: skip
    Alarm.objects.filter(pk=found.pk).update(station=station, remedy="fix_station")
    stream = Stream.objects.create(key="x", line=line, station=station, figure="quality.brightness")
    Finding.objects.create(
        alarm=found, stream=stream, detector="mean", severity="alarm", before=100, after=111, moved_at=found.opened_at,
        examples=[make_part(station="cam-1").pk for _ in range(3)],
    )  # fmt: skip
    return found


def test_from_the_first_look_to_the_cause(sign_in, alarm, line, ada):
    page = sign_in("ada")
    page.goto("/alarms/")
    page.get_by_role("link", name="Brightness at Camera 1 rose 11 %").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Brightness at Camera 1")
    page.get_by_role("button", name="I fix the station").click()
    expect(page.get_by_role("heading", name="ada is on it")).to_be_visible()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Halt Line A now").click()
    expect(page.get_by_text("Line A is halted. People judge every part.")).to_be_visible()
    page.get_by_role("link", name="False alarm: nothing was different").click()
    expect(page.get_by_text("cannot be reckoned")).to_be_visible()
    page.get_by_label("Ask for ten times more evidence").check()
    page.get_by_label("What was found").fill("glare of the sun")
    page.get_by_role("button", name="Close the alarm").click()
    expect(page.get_by_text("All quiet")).to_be_visible()
    assert policy_of(line).factors == {"quality.brightness@cam-1": 10.0}


@pytest.fixture
def judged(make_part, judge, ivy):
    """Twelve judged parts, none of them held out: as many as a training begins with."""
    HeldOut.objects.create(pk=1, key="k", share=0)
    for number in range(12):
        judge(make_part(), ivy, ("ok", "scratched")[number % 2])


def test_from_an_alarm_that_the_rule_moved_to_a_training_that_names_it(sign_in, judged, alarm, line, sam):
    Alarm.objects.filter(pk=alarm.pk).update(
        remedy="review_rule", message="People disagree with the model more than before.",
        suggestion="Review the rule with the inspectors, relabel, retrain.",
    )  # fmt: skip
    page = sign_in("sam")
    page.goto(f"/alarms/{alarm.pk}/")
    expect(page.get_by_role("link", name="Review the discrepancies")).to_be_visible()
    page.get_by_role("link", name="Start a training").click()
    expect(page.get_by_label("Reason")).to_have_value("People disagree with the model more than before.")
    expect(page.get_by_text(f"From alarm {alarm.pk}")).to_be_visible()
    page.get_by_role("button", name="Start the training").click()
    expect(page.get_by_text("is next for the worker that trains")).to_be_visible()
    run = TrainingRun.objects.get()
    assert (run.alarm, run.by, run.reason) == (alarm.pk, "sam", "People disagree with the model more than before.")
    assert AuditEvent.objects.get(action="training_started").data["alarm"] == alarm.pk


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_axe_finds_nothing(sign_in, alarm, ada, scheme):
    channel = write_channel(channel=Channel(name="Hook", kind="webhook", target="https://hooks.example/"), by=ada)
    page, wrong = sign_in("ada", color_scheme=scheme), {}
    pages = ["/alarms/", f"/alarms/{alarm.pk}/", f"/alarms/{alarm.pk}/closing/?cause=false_alarm"]
    for path in [*pages, "/alarms/?state=closed", "/setup/channels/", f"/setup/channels/{channel.pk}/log/"]:
        page.goto(path)
        wrong[path] = faults(page)
    assert told(wrong) == ""
