"""The buttons of an alarm that change who decides: lower, roll back, halt, by the actions that the line's page calls."""

import pytest

from automation import policies
from automation.models import Policy
from automation.policies import halt_of
from monitoring.actions import close_alarm, open_alarm
from monitoring.models import Alarm


@pytest.fixture
def alarm(line):
    return open_alarm(line=line, rule="drift", severity="alarm", message="Brightness rose 11 %.")


@pytest.fixture
def at(set_level, line, version):
    """Puts line A on a level: `at("partial")`."""

    def put(level):
        deciding = {"pass_below": 0.2, "reject_from": 0.2} if level in ("partial", "full") else {}
        set_level(line, level, version, **deciding)

    return put


def carry_out(browser, alarm, remedy, **sent):
    """As the buttons of the page do, which name the policy that they were made for."""
    sent = {"remedy": remedy, "seen": policies.in_force(alarm.line).number} | sent
    return browser.post(f"/alarms/{alarm.pk}/remedies/", sent, follow=True).content.decode()


@pytest.mark.parametrize(
    ("level", "offered"),
    [
        ("human_only", None), ("shadow", None), ("assist", "Lower Line A to shadow"),
        ("partial", "Lower Line A to assist"), ("full", "Lower Line A to assist"),
    ],
)  # fmt: skip
def test_one_step_of_trust_down_is_offered(alarm, at, page, ada, level, offered):
    at(level)
    html = page(ada).get(f"/alarms/{alarm.pk}/remedies/").content.decode()
    assert "Halt Line A now" in html
    assert (offered in html) if offered else ("Lower Line A" not in html)


def test_an_admin_lowers_and_is_on_the_alarm(line, alarm, at, page, ada):
    at("partial")
    html = carry_out(page(ada), alarm, "lower")
    assert "Line A is lowered to assist." in html
    policy = policies.in_force(line)
    assert policy.level == "assist"
    assert policy.reason == f"alarm {alarm.pk}: Brightness rose 11 %."
    assert (alarm.state, alarm.actions.get().by) == ("acknowledged", ada)
    assert "not possible any more" not in html
    carry_out(page(ada), alarm, "lower", reason="still")
    assert policies.in_force(line).level == "shadow"
    assert "not possible any more" in carry_out(page(ada), alarm, "lower")
    assert alarm.actions.count() == 1


@pytest.mark.parametrize("remedy", ["lower", "roll_back"])
def test_a_button_that_is_pressed_twice_goes_one_step(
    line, alarm, version, other_version, set_level, page, ada, remedy
):
    set_level(line, "assist", version)
    set_level(line, "partial", other_version, pass_below=0.2, reject_from=0.2)
    seen = {"seen": policies.in_force(line).number}
    carry_out(page(ada), alarm, remedy, **seen)
    once = policies.in_force(line)
    assert "has changed since you read it" in carry_out(page(ada), alarm, remedy, **seen)
    assert policies.in_force(line) == once


def test_a_roll_back_leads_to_the_version_before(line, alarm, version, other_version, set_level, page, ada):
    set_level(line, "assist", version)
    set_level(line, "assist", other_version)
    set_level(line, "assist", other_version, blind_share=0.2)
    assert "Roll Line A back to v1" in page(ada).get(f"/alarms/{alarm.pk}/remedies/").content.decode()
    assert "Line A is back at v1, at assist." in carry_out(page(ada), alarm, "roll_back")
    assert policies.in_force(line).version == version


def test_without_a_version_before_there_is_no_way_back(line, alarm, version, set_level, page, ada):
    set_level(line, "assist", version)
    assert "Roll" not in page(ada).get(f"/alarms/{alarm.pk}/remedies/").content.decode()
    assert "not possible any more" in carry_out(page(ada), alarm, "roll_back")


def test_a_supervisor_halts_and_neither_lowers_nor_rolls_back(line, alarm, at, page, sam):
    at("partial")
    before = Policy.objects.count()
    browser = page(sam)
    assert "An admin lowers or rolls back" in browser.get(f"/alarms/{alarm.pk}/remedies/").content.decode()
    assert "This needs the role admin" in carry_out(browser, alarm, "lower")
    assert Policy.objects.count() == before
    assert "Line A is halted." in carry_out(browser, alarm, "halt")
    assert halt_of(line) is not None
    assert "Halt Line A now" not in browser.get(f"/alarms/{alarm.pk}/remedies/").content.decode()


def test_a_remedy_that_there_is_not_does_nothing(line, alarm, page, ada):
    assert "not possible any more" in carry_out(page(ada), alarm, "raise")
    assert halt_of(line) is None
    assert not alarm.actions.exists()


def test_a_closed_alarm_is_not_acknowledged(alarm, at, page, ada):
    at("partial")
    close_alarm(alarm=alarm, by=ada, comment="x")
    carry_out(page(ada), alarm, "lower")
    assert Alarm.objects.get().state == "closed"
