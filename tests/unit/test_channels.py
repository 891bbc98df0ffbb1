"""Who is told of alarms is set up by an admin beside lines and users; the trail holds no address and no secret."""

import pytest

from inspection.models import AuditEvent
from inspection.refusals import BadInput, NotAllowed
from monitoring.actions import open_alarm, remove_channel, write_channel
from monitoring.models import Channel, Delivery
from tests.long.test_webhooks import serving

MAIL = {
    "name": "Lead",
    "kind": "email",
    "target": "lead@example.com, b@example.com",
    "least": "alarm",
    "tells_alarms": True,
}
HOOK = {
    "name": "Hook",
    "kind": "webhook",
    "target": "https://hooks.example/T0/token",
    "least": "warning",
    "tells_alarms": True,
}


def made(page, ada, sent):
    answer = page(ada).post("/setup/channels/new/", sent)
    return answer.status_code, Channel.objects.first()


def test_an_admin_sets_up_changes_and_removes_a_channel(page, ada, line):
    status, channel = made(page, ada, MAIL | {"line": line.pk, "quiet_from": "22:00", "quiet_to": "06:00"})
    assert (status, channel.line, f"{channel.quiet_from:%H}") == (302, line, "22")
    browser = page(ada)
    assert "Lead" in browser.get("/setup/channels/").content.decode()
    assert browser.post(f"/setup/channels/{channel.pk}/", MAIL | {"paused": "on"}).status_code == 302
    channel.refresh_from_db()
    assert (channel.paused, channel.line) == (True, None)
    assert browser.post(f"/setup/channels/{channel.pk}/remove/").url == "/setup/channels/"
    assert not Channel.objects.exists()
    actions = list(AuditEvent.objects.filter(action__startswith="channel").values_list("action", flat=True))
    assert actions == ["channel_set_up", "channel_changed", "channel_removed"]


@pytest.mark.parametrize("sent", [MAIL, HOOK])
def test_the_trail_tells_where_it_leads_but_no_address_token_or_secret(page, ada, sent):
    _, channel = made(page, ada, sent)
    said = str(AuditEvent.objects.get(action="channel_set_up").data)
    assert ("example.com" in said) or ("hooks.example" in said)
    for hidden in ("lead@", "token", channel.secret or "never"):
        assert hidden not in said


def test_a_webhook_gets_a_secret_of_its_own_and_another_on_demand(page, ada):
    _, channel = made(page, ada, HOOK)
    assert len(channel.secret) > 30
    browser, url = page(ada), f"/setup/channels/{channel.pk}/"
    assert channel.secret in browser.get(f"{url}log/").content.decode()
    assert channel.secret not in browser.get(url).content.decode()
    browser.post(url, HOOK | {"name": "Other"})
    kept = Channel.objects.get()
    assert (kept.name, kept.secret) == ("Other", channel.secret)
    browser.post(f"{url}secret/")
    assert Channel.objects.get().secret != channel.secret


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"target": "nobody"}, "valid email"),
        ({"target": " , "}, "valid email"),
        ({"kind": "webhook"}, "begins with https"),
        ({"kind": "webhook", "target": "https://sam:pw@hooks.example/"}, "no user name"),
        ({"quiet_from": "22:00"}, "give both, or neither"),
        ({"least": "grave"}, "valid choice"),
        ({"name": ""}, "required"),
    ],
)
def test_what_makes_no_sense_is_said_beside_its_field(page, ada, fields, words):
    answer = page(ada).post("/setup/channels/new/", MAIL | fields)
    assert answer.status_code == 400
    assert words in answer.content.decode()
    assert not Channel.objects.exists()


def test_a_name_stands_for_one_channel(page, ada):
    made(page, ada, MAIL)
    assert "of this name already" in page(ada).post("/setup/channels/new/", MAIL).content.decode()


def test_only_an_admin_may(sam, ada):
    channel = write_channel(channel=Channel(**MAIL), by=ada)
    for act in (write_channel, remove_channel):
        with pytest.raises(NotAllowed):
            act(channel=channel, by=sam)
    with pytest.raises(BadInput):
        write_channel(channel=Channel(**MAIL | {"least": "grave", "name": "x"}), by=ada)


def test_a_test_message_says_whether_it_arrives(page, ada, settings):
    settings.WEBHOOK_ALLOW = ["127.0.0.1"]
    browser = page(ada)
    with serving() as (port, got):
        channel = write_channel(channel=Channel(**HOOK | {"target": f"http://127.0.0.1:{port}/"}), by=ada)
        answer = browser.post(f"/setup/channels/{channel.pk}/test/", follow=True)
    assert "taken by the other side" in answer.content.decode()
    assert len(got) == 1
    answer = browser.post(f"/setup/channels/{channel.pk}/test/", follow=True)
    assert "did not arrive" in answer.content.decode()


def test_what_does_not_arrive_is_shown_and_can_be_tried_again(page, ada, line):
    channel = write_channel(channel=Channel(**HOOK), by=ada)
    open_alarm(line=line, rule="drift", severity="alarm", message="Brightness rose 11 %.")
    Delivery.objects.update(state="given_up", attempts=9, error="The answer was 500.")
    browser = page(ada)
    assert "1 given up" in browser.get("/setup/channels/").content.decode()
    html = browser.get(f"/setup/channels/{channel.pk}/log/").content.decode()
    assert "The answer was 500." in html
    assert "Brightness rose 11 %." in html
    assert "The answer was 500." in browser.get(f"/alarms/{Delivery.objects.get().alarm_id}/").content.decode()
    browser.post(f"/setup/channels/{channel.pk}/retry/")
    assert Delivery.objects.get().state == "due"


def test_the_set_up_pages_show_channels_beside_the_rest(page, ada):
    browser = page(ada)
    assert "Channels" in browser.get("/setup/").content.decode()
    assert "Channels" in browser.get("/setup/lines/").content.decode()
    assert "Add the first channel" in browser.get("/setup/channels/").content.decode()
