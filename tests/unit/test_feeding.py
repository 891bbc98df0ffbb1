"""Dispositions go to a real receiver: all of them, in their order, again after a failure, and given up in the end."""

import json
from datetime import timedelta

import pytest
from django.db.models import QuerySet
from django.utils import timezone

from inspection import actions, append_only
from inspection.models import AuditEvent, Disposition, Inspection, Line
from inspection.refusals import BadInput, NotAllowed, Unknown
from monitoring import feeding, tasks
from monitoring.actions import deliver_again, drop_dead_letter, open_alarm, send_dead_letters_again, write_channel
from monitoring.dead_letters import dead_letters
from monitoring.delivering import LEASE, WAITS
from monitoring.feeding import SOON, fed_channels, feed
from monitoring.models import Channel, Delivery, Parcel
from tests.long.test_webhooks import serving


@pytest.fixture
def receiver():
    """A real server and what it was sent."""
    with serving() as (port, got):
        yield port, got


@pytest.fixture
def hook(ada, settings):
    settings.WEBHOOK_ALLOW = ["127.0.0.1"]

    def make(port, name="MES", **fields):
        fields = {"kind": "webhook", "tells_alarms": False, "tells_dispositions": True} | fields
        return write_channel(channel=Channel(name=name, target=f"http://127.0.0.1:{port}/", **fields), by=ada)

    return make


@pytest.fixture
def decided(make_part, judge, ivy):
    """A part that ivy has judged: `decided("ok")`."""

    def make(outcome="ok", **fields):
        return judge(make_part(**fields), ivy, outcome)

    return make


def told(got):
    return [event for _path, _headers, body in got for event in json.loads(body)["events"]]


def settled(seconds=31):
    return timezone.now() + timedelta(seconds=seconds)


def test_each_disposition_is_told_once_it_is_settled_in_order_and_changes_too(receiver, hook, decided, ivy, kinds):
    port, got = receiver
    channel = hook(port)
    first = decided("ok", serial="SN1", lot="L7")
    decided("scratched", serial="SN2")
    actions.correct_verdict(verdict=first, outcome="scratched", reason="saw it", by=ivy)
    assert feed(channel.pk, now=timezone.now()) == 0
    assert feed(channel.pk, now=settled()) == 3
    assert feed(channel.pk, now=settled()) == 0
    events = told(got)
    said = [(e["event"], e["disposition"]["serial"], e["disposition"]["disposition"]) for e in events]
    assert said == [
        ("disposition", "SN1", "pass"), ("disposition", "SN2", "reject"), ("disposition_changed", "SN1", "reject"),
    ]  # fmt: skip
    assert [event["disposition"]["holds"] for event in events] == [False, True, True]
    assert events[0]["id"] == f"disposition:{events[0]['disposition']['id']}"
    assert "ivy" not in json.dumps(events)


def test_a_message_has_at_most_a_hundred_and_all_go_out_at_one_wake_up(receiver, hook, decided, monkeypatch):
    port, got = receiver
    channel = hook(port)
    monkeypatch.setattr(feeding, "AT_ONCE", 2)
    for _ in range(5):
        decided()
    assert feed(channel.pk, now=settled()) == 5
    assert [len(json.loads(body)["events"]) for _, _, body in got] == [2, 2, 1]


def test_only_its_line_and_no_part_that_was_imported_or_shown_again(receiver, hook, decided, line):
    port, got = receiver
    channel = hook(port, line=line)
    decided(serial="SN1", on=Line.objects.create(slug="line-b", name="Line B"))
    for origin in ("seeded", "imported", "replay", "simulated"):
        decided(serial=origin)
        Inspection.objects.filter(serial=origin).update(origin=origin)
    decided(serial="SN2")
    feed(channel.pk, now=settled())
    assert [event["disposition"]["serial"] for event in told(got)] == ["SN2"]


def test_while_one_does_not_arrive_the_next_ones_wait_and_its_ids_stay(hook, decided):
    with serving(status=500) as (port, refused):
        channel = hook(port)
        decided(serial="SN1")
        start = settled()
        assert feed(channel.pk, now=start) == 0
        decided(serial="SN2")
        assert feed(channel.pk, now=start + timedelta(seconds=5)) == 0
        assert fed_channels(now=start + timedelta(seconds=5)) == []
    with serving() as (port, got):
        Channel.objects.update(target=f"http://127.0.0.1:{port}/")
        assert feed(channel.pk, now=start + timedelta(seconds=40)) == 2
    assert [event["id"] for event in told(got)][:1] == [event["id"] for event in told(refused)]
    assert [event["disposition"]["serial"] for event in told(got)] == ["SN1", "SN2"]


def test_what_a_killed_worker_had_in_hand_another_sends_under_the_same_ids(receiver, hook, decided, monkeypatch):
    port, got = receiver
    channel, now = hook(port), settled()
    decided()

    def die(parcel, *, now):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(feeding, "send", die)
        with pytest.raises(KeyboardInterrupt):
            feed(channel.pk, now=now)
    assert feed(channel.pk, now=now + LEASE - timedelta(seconds=1)) == 0
    assert feed(channel.pk, now=now + LEASE) == 1
    assert len(told(got)) == 1


def test_what_the_receiver_will_not_have_is_given_up_soon_and_holds_up_neither_parts_nor_alarms(hook, decided):
    with serving(status=422) as (port, got):
        channel, now = hook(port), settled()
        decided(serial="SN1")
        feed(channel.pk, now=now)
        decided(serial="SN2")
        assert feed(channel.pk, now=settled()) == 0  # the next one waits for this one's turn
        assert (len(got), Parcel.objects.count()) == (1, 1)
        now += timedelta(hours=1)
        for _ in range(len(SOON)):
            feed(channel.pk, now=now)
            assert Channel.objects.get().rests_until is None
            now += timedelta(hours=1)
        assert (len(got), Parcel.objects.get().state) == (len(SOON) + 1, "given_up")
        now += timedelta(hours=1)
    with serving() as (port, got):
        Channel.objects.update(target=f"http://127.0.0.1:{port}/")
        assert feed(channel.pk, now=now) == 1
    assert [event["disposition"]["serial"] for event in told(got)] == ["SN2"]


def test_a_receiver_that_is_away_is_tried_for_a_day(hook, decided):
    with serving(status=503) as (port, got):
        channel, now = hook(port), settled()
        decided()
        while not Parcel.objects.filter(state="given_up").exists():
            feed(channel.pk, now=now)
            now = max(Parcel.objects.get().due_at, now + timedelta(seconds=301))
    assert len(got) == len(WAITS) + 1
    assert now - settled() > timedelta(hours=22)


def test_a_pause_loses_no_disposition_and_who_leaves_them_out_begins_anew(receiver, hook, decided, ada):
    port, _got = receiver
    channel = hook(port)
    channel.paused = True
    write_channel(channel=channel, by=ada)
    decided(serial="SN1")
    assert feed(channel.pk, now=settled()) == 0
    channel.paused = False
    write_channel(channel=channel, by=ada)
    assert feed(channel.pk, now=settled()) == 1
    channel.tells_dispositions, channel.tells_alarms = False, True
    write_channel(channel=channel, by=ada)
    decided(serial="SN2")
    assert feed(channel.pk, now=settled()) == 0
    assert fed_channels(now=settled()) == []
    with append_only.open_door():
        QuerySet(Disposition).update(at=timezone.now() - timedelta(hours=1))
    channel.tells_dispositions = True
    write_channel(channel=channel, by=ada)
    assert feed(channel.pk, now=settled()) == 0


def test_two_senders_at_once_send_each_disposition_once(at_once, receiver, hook, decided):
    port, got = receiver
    channel, now = hook(port), settled()
    decided()
    assert sorted(at_once(*[lambda: feed(channel.pk, now=now)] * 2)) == [0, 1]
    assert len(told(got)) == 1


def test_a_channel_of_dispositions_alone_is_told_of_no_alarm_and_mail_of_no_disposition(receiver, hook, line, ada):
    hook(receiver[0])
    open_alarm(line=line, rule="drift", severity="critical", message="Brightness rose 11 %.")
    assert not Delivery.objects.exists()
    with pytest.raises(BadInput, match="webhook"):
        hook(receiver[0], name="Mail", kind="email")


def test_the_task_wakes_a_sender_for_each_channel_that_is_fed(receiver, hook, monkeypatch):
    channel, woken = hook(receiver[0]), []
    monkeypatch.setattr(tasks.feed, "delay", woken.append)
    tasks.deliver()
    assert woken == [channel.pk]


# ---- Dead letters


@pytest.fixture
def dead(hook, decided, line):
    """A parcel and a notice that were given up."""
    channel = hook(9, tells_alarms=True)
    decided(serial="SN1")
    open_alarm(line=line, rule="drift", severity="critical", message="Brightness rose 11 %.")
    feed(channel.pk, now=settled())
    for model in (Parcel, Delivery):
        model.objects.update(state="given_up", error="The answer was 500.", attempts=28)
    return channel


def test_the_page_says_what_was_given_up_and_why(dead, page, ada):
    browser = page(ada)
    html = browser.get("/setup/dead-letters/").content.decode()
    for words in ("1 disposition", "Brightness rose 11 %.", "The answer was 500.", "Send all again"):
        assert words in html
    assert "2 given up" in browser.get("/setup/channels/").content.decode()
    assert "2 messages were given up" in browser.get(f"/setup/channels/{dead.pk}/log/").content.decode()


def test_one_is_sent_again_or_dropped_with_a_reason_and_the_trail_holds_both(dead, page, ada):
    browser, parcel, notice = page(ada), Parcel.objects.get(), Delivery.objects.get()
    browser.post(f"/setup/dead-letters/dispositions/{parcel.pk}/send/")
    answer = browser.post(f"/setup/dead-letters/alarm/{notice.pk}/drop/", {"reason": " "}, follow=True)
    assert "Say why" in answer.content.decode()
    browser.post(f"/setup/dead-letters/alarm/{notice.pk}/drop/", {"reason": "was a test"})
    parcel.refresh_from_db()
    notice.refresh_from_db()
    assert (parcel.state, parcel.sent_again, parcel.attempts, notice.state) == ("due", True, 0, "dropped")
    events = AuditEvent.objects.filter(action__startswith="dead_letter")
    assert list(events.values_list("action", flat=True)) == ["dead_letters_sent_again", "dead_letter_dropped"]
    assert events.last().data["reason"] == "was a test"
    assert "Nothing was given up" in browser.get("/setup/dead-letters/").content.decode()


def test_all_are_sent_again_and_a_second_call_is_harmless(dead, ada):
    assert send_dead_letters_again(by=ada) == 2
    assert send_dead_letters_again(by=ada) == 0
    assert dead_letters() == []
    assert fed_channels(now=settled()) == [dead.pk]


def test_a_message_that_is_no_dead_letter_any_more_is_unknown_and_only_an_admin_may(dead, ada, sam):
    key = Parcel.objects.get().pk
    for act in (send_dead_letters_again, drop_dead_letter):
        said = {"reason": "x"} if act is drop_dead_letter else {}
        with pytest.raises(NotAllowed):
            act(by=sam, kind="dispositions", pk=key, **said)
    drop_dead_letter(by=ada, kind="dispositions", pk=key, reason="the MES has them by hand")
    with pytest.raises(Unknown):
        drop_dead_letter(by=ada, kind="dispositions", pk=key, reason="again")
    with pytest.raises(Unknown):
        send_dead_letters_again(by=ada, kind="dispositions", pk=key)


def test_one_that_is_sent_again_and_fails_again_holds_up_the_others_for_minutes_only(dead, ada):
    assert deliver_again(channel=dead, by=ada) == 2
    now = settled()
    for _ in range(len(SOON) + 1):
        feed(dead.pk, now=now)
        now += timedelta(hours=1)
    assert Parcel.objects.get().state == "given_up"


def test_dead_letters_over_http(dead, api, ada, sam):
    assert api(sam).get("/api/v1/dead-letters/").status_code == 403
    client, key = api(ada), Parcel.objects.get().pk
    found = client.get("/api/v1/dead-letters/", {"channel": "MES"}).json()["results"]
    assert {row["kind"] for row in found} == {"alarm", "dispositions"}
    assert client.get("/api/v1/dead-letters/", {"channel": "other"}).status_code == 404
    assert client.post(f"/api/v1/dead-letters/dispositions/{key}/send/").json() == {"sent_again": 1}
    assert client.post(f"/api/v1/dead-letters/dispositions/{key}/send/").status_code == 404
    assert client.post(f"/api/v1/dead-letters/nothing/{key}/send/").status_code == 404
    assert client.post(f"/api/v1/dead-letters/alarm/{Delivery.objects.get().pk}/drop/", {}).status_code == 400
    assert client.post("/api/v1/dead-letters/send/", {"channel": "MES"}).json() == {"sent_again": 1}
