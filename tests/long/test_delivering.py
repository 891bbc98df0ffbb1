"""Notices of alarms: who is told what and when; sent to a real mail server and a real webhook; failures are tried again."""

import json
import socket
from datetime import datetime, time, timedelta
from email import message_from_bytes, policy
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from aiosmtpd.controller import Controller
from django.db import connection
from django.utils import timezone
from structlog.testing import capture_logs

from inspection.models import Line
from monitoring import delivering, notices, tasks
from monitoring.actions import acknowledge_alarm, close_alarm, deliver_again, open_alarm, write_channel
from monitoring.delivering import WAITS, deliver_to, due_channels
from monitoring.models import Channel, Delivery
from tests.long.test_webhooks import serving

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def channel(ada):
    def make(name="Line lead", *, kind="email", target="lead@example.com", **fields):
        return write_channel(channel=Channel(name=name, kind=kind, target=target, **fields), by=ada)

    return make


@pytest.fixture
def raised(line):
    def open_one(rule="drift", *, on=line, severity="alarm", message="Brightness rose 11 %.", **fields):
        return open_alarm(line=on, rule=rule, severity=severity, message=message, **fields)

    return open_one


@pytest.fixture
def hook(channel, settings):
    """A webhook on a real server: `hook(status=500)` gives the channel and the bodies that it was sent."""
    settings.WEBHOOK_ALLOW = ["127.0.0.1"]
    servers = []

    def start(status=200, **fields):
        server = serving(status=status)
        port, got = server.__enter__()
        servers.append(server)
        return channel("Hook", kind="webhook", target=f"http://127.0.0.1:{port}/", **fields), got

    yield start
    for server in servers:
        server.__exit__(None, None, None)


class Taken(list):
    """What a mail server took, and the box that takes it."""


@pytest.fixture
def mailbox(settings):
    """A real mail server that the settings name, and what it took."""
    taken = Taken()

    class Box:
        async def handle_DATA(self, server, session, envelope):
            taken.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default)))
            return "250 OK"

    # aiosmtpd makes its own loop; asyncio would warn of one that a test left behind.
    taken.box = Box()
    controller = Controller(taken.box, hostname="127.0.0.1", port=0)
    controller.port = free_port()
    controller.start()
    settings.EMAIL_SET = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", controller.port
    yield taken
    controller.stop()


def free_port():
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return place.getsockname()[1]


def deliver(now=None):
    now = now or timezone.now()
    return sum(deliver_to(pk, now=now) for pk in due_channels(now=now))


def rows(**fields):
    return list(Delivery.objects.filter(**fields).values_list("event", "state"))


# ---- Who is told


def test_who_is_told_of_what(channel, raised, line):
    other = Line.objects.create(slug="line-b", name="Line B")
    everything = channel("all", least="warning")
    grave = channel("grave", least="critical")
    channel("paused", least="warning", paused=True)
    elsewhere = channel("elsewhere", least="warning", line=other)
    here = channel("here", line=line)
    raised(severity="warning")
    raised("other", severity="alarm")
    raised("worst", severity="critical")
    told = {row.name: row.deliveries.count() for row in (everything, grave, elsewhere, here)}
    assert told == {"all": 3, "grave": 1, "elsewhere": 0, "here": 2}


def test_each_event_is_told_once(channel, raised, sam):
    channel(least="warning")
    alarm = raised(severity="warning")
    raised(severity="critical")
    raised(severity="critical")
    acknowledge_alarm(alarm=alarm, by=sam)
    acknowledge_alarm(alarm=alarm, by=sam)
    close_alarm(alarm=alarm, by=sam, comment="lamp")
    assert [event for event, _ in rows()] == ["opened", "worse", "acknowledged", "closed"]


def test_every_step_up_in_severity_is_told(channel, raised):
    channel(least="warning")
    alarm, now = raised(severity="warning"), timezone.now()
    for severity in ("alarm", "critical", "critical"):
        alarm.severity = severity
        notices.announce(alarm, "worse", now=now)
    assert [event for event, _ in rows()] == ["opened", "worse", "worse"]


def test_an_acknowledgement_that_ran_out_is_told_each_time(channel, raised, sam, later):
    channel()
    alarm = raised()
    for start, end in ((0, 60), (100, 200)):
        acknowledge_alarm(alarm=alarm, by=sam, until=later(end), now=later(start))
        due_channels(now=later(start))
        for _ in range(2):
            due_channels(now=later(end + 1))
    assert [event for event, _ in rows()] == ["opened", "acknowledged", "lapsed", "acknowledged", "lapsed"]


@pytest.mark.parametrize(
    ("start", "end", "clock", "until"),
    [
        ("22:00", "06:00", "2026-03-04 23:30", "2026-03-05 06:00"),
        ("22:00", "06:00", "2026-03-05 05:59", "2026-03-05 06:00"),
        ("22:00", "06:00", "2026-03-05 06:00", None),
        ("22:00", "06:00", "2026-03-05 12:00", None),
        ("12:00", "13:00", "2026-03-05 12:00", "2026-03-05 13:00"),
        ("12:00", "13:00", "2026-03-05 13:00", None),
        ("22:00", "06:00", "2026-03-28 23:00", "2026-03-29 06:00"),  # an hour is left out that night
        (None, None, "2026-03-05 12:00", None),
        ("12:00", "12:00", "2026-03-05 12:00", None),
    ],
)
def test_quiet_hours(start, end, clock, until):
    clock_of = lambda words: time.fromisoformat(words) if words else None  # noqa: E731
    local = lambda words: datetime.fromisoformat(words).replace(tzinfo=BERLIN) if words else None  # noqa: E731
    assert notices.quiet_until(clock_of(start), clock_of(end), now=local(clock), zone=BERLIN) == local(until)


def test_quiet_hours_hold_back_all_but_critical_alarms_and_what_was_over_by_then(channel, raised, sam, mailbox):
    night, morning = datetime(2026, 3, 4, 23, tzinfo=ZoneInfo("UTC")), datetime(2026, 3, 5, 6, tzinfo=ZoneInfo("UTC"))
    channel(quiet_from=time(22), quiet_to=time(6))
    waits, grave, over = (
        raised("a", now=night), raised("b", severity="critical", now=night), raised("c", now=night),
    )  # fmt: skip
    close_alarm(alarm=over, by=sam, comment="lamp", now=night + timedelta(hours=1))
    assert deliver(night + timedelta(minutes=1)) == 1
    assert deliver(morning - timedelta(seconds=1)) == 0
    assert deliver(morning) == 1
    assert rows(alarm=waits) == [("opened", "sent")]
    assert rows(alarm=grave) == [("opened", "sent")]
    assert {state for _, state in rows(alarm=over)} == {"moot"}
    assert len(mailbox) == 2


# ---- What they are told


def test_an_e_mail_says_what_moved_what_to_do_and_where(channel, raised, mailbox, settings, sam):
    settings.SITE_URL = "https://shadowline.example/"
    channel(target="lead@example.com, shift@example.com")
    alarm = raised(suggestion="Check the lamp.")
    assert deliver() == 1
    [(to, mail)] = mailbox
    text = mail.get_content()
    assert to == ["lead@example.com", "shift@example.com"]
    assert mail["Subject"] == "Alarm, Line A: Brightness rose 11 %."
    assert "shift@example.com" not in str(mail)
    assert "Check the lamp." in text
    assert f"https://shadowline.example/alarms/{alarm.pk}/" in text
    acknowledge_alarm(alarm=alarm, by=sam, comment="on my way")
    deliver()
    assert "sam: on my way" in mailbox[1][1].get_content()
    assert deliver() == 0


def test_a_storm_is_one_mail_that_counts(channel, raised, mailbox):
    channel()
    for number in range(60):
        raised(f"rule-{number}")
    assert deliver() == 60
    [(_, mail)] = mailbox
    assert mail["Subject"] == "60 events of alarms on Line A"
    assert "And 40 more" in mail.get_content()


def test_a_message_of_two_lines_is_no_header(channel, raised, mailbox):
    channel()
    raised(message="Brightness\nBcc: eve@example.com")
    deliver()
    [(to, mail)] = mailbox
    assert to == ["lead@example.com"]
    assert mail["Bcc"] is None


def test_a_webhook_gets_each_event_with_a_number_that_stays(hook, raised):
    _, got = hook()
    alarm = raised(suggestion="Check the lamp.")
    assert deliver() == 1
    body = json.loads(got[0][2])
    [event] = body["events"]
    assert (event["id"], event["event"]) == (Delivery.objects.get().pk, "opened")
    told = {name: event["alarm"][name] for name in ("id", "line", "severity", "suggestion")}
    assert told == {"id": alarm.pk, "line": "line-a", "severity": "alarm", "suggestion": "Check the lamp."}


# ---- What does not arrive


def test_without_a_mail_server_the_notice_waits_and_says_why(channel, raised):
    channel()
    raised()
    assert deliver() == 0
    assert "EMAIL_URL" in Delivery.objects.get().error


def test_a_mail_server_that_is_gone_is_tried_again(channel, raised, settings):
    settings.EMAIL_SET, settings.EMAIL_BACKEND = True, "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    channel()
    raised()
    assert deliver() == 0
    assert "did not take it" in Delivery.objects.get().error


@pytest.mark.parametrize(
    ("step", "words"),
    [("RCPT", "takes none of the addresses (550)"), ("MAIL", "answer was 550"), ("DATA", "answer was 550")],
)
def test_what_a_mail_server_refuses_is_kept_and_logged_without_an_address(
    channel, raised, mailbox, page, ada, monkeypatch, step, words
):
    async def refuse(self, server, session, envelope, *_):
        return "550 5.7.1 <lead@example.com>: no mailbox 'lead' for shadowline@localhost"

    monkeypatch.setattr(type(mailbox.box), f"handle_{step}", refuse, raising=False)
    told = channel(target="lead@example.com, second@example.com")
    raised()
    with capture_logs() as logged:
        assert deliver() == 0
        answer = page(ada).post(f"/setup/channels/{told.pk}/test/", follow=True).content.decode()
    error = Delivery.objects.get().error
    assert words in error
    assert words in answer.split("</main>")[0]
    for kept in (error, str(logged)):
        assert not any(name in kept for name in ("lead@", "'lead'", "second", "@localhost"))
    assert logged, "it is told of in the log"


def test_what_is_refused_to_some_is_seen_and_not_sent_twice(channel, raised, mailbox, page, ada, monkeypatch):
    async def refuse(self, server, session, envelope, address, options):
        if address.startswith("gone"):
            return "550 5.1.1 <gone@example.com>: no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    monkeypatch.setattr(type(mailbox.box), "handle_RCPT", refuse, raising=False)
    told = channel(target="lead@example.com, gone@example.com, third@example.com")
    raised()
    with capture_logs() as logged:
        assert deliver() == 1
    row, words = Delivery.objects.get(), "The mail server refused 1 of 3 addresses (550): the others have it."
    assert (row.state, row.error) == ("sent", words)
    assert words in str(logged)
    assert [to for to, _mail in mailbox] == [["lead@example.com", "third@example.com"]]
    browser = page(ada)
    assert words in browser.get(f"/setup/channels/{told.pk}/log/").content.decode()
    assert words in browser.post(f"/setup/channels/{told.pk}/test/", follow=True).content.decode()
    assert deliver() == 0


def test_a_webhook_that_is_down_is_tried_again_ever_more_rarely_and_given_up_after_a_day(hook, raised):
    _, got = hook(status=500)
    raised()
    now, tries = timezone.now(), []
    while Delivery.objects.filter(state="due").exists():
        before = len(got)
        deliver(now)
        if len(got) > before:
            tries.append(now)
        now = max(now + timedelta(seconds=1), Delivery.objects.get().due_at)
    gaps = [(second - first).total_seconds() for first, second in pairwise(tries)]
    assert len(tries) == len(WAITS) + 1
    assert gaps == sorted(gaps)
    assert timedelta(hours=20) < tries[-1] - tries[0] < timedelta(hours=26)
    row = Delivery.objects.get()
    assert (row.state, row.attempts, row.error) == ("given_up", len(WAITS) + 1, "The answer was 500.")
    assert deliver(now + timedelta(days=1)) == 0


def test_what_was_given_up_can_be_tried_again(hook, raised, ada, settings):
    webhook, got = hook()
    raised()
    settings.WEBHOOK_ALLOW = []
    deliver()
    Delivery.objects.update(state="given_up")
    settings.WEBHOOK_ALLOW = ["127.0.0.1"]
    assert deliver_again(channel=webhook, by=ada) == 1
    assert deliver() == 1
    assert (len(got), rows()) == (1, [("opened", "sent")])


def test_after_a_failure_the_channel_rests_but_a_new_alarm_waits_minutes_not_hours(hook, raised, later):
    _, got = hook(status=500)
    raised("a")
    now = later(0)
    deliver(now)
    Delivery.objects.update(attempts=9, due_at=now)
    Channel.objects.update(rests_until=None)
    deliver(now)  # the tenth failure: itself tried again in an hour
    raised("b", now=now)
    assert len(got) == 2
    deliver(now + timedelta(seconds=299))
    assert len(got) == 2
    deliver(now + timedelta(seconds=301))
    assert len(got) == 3


def test_one_slow_channel_is_another_ones_business_and_no_lock_is_held_while_it_answers(hook, raised, monkeypatch):
    hook()
    raised()
    seen = []

    def look(channel, rows, now):
        seen.append(len(connection.savepoint_ids))
        return ""

    monkeypatch.setattr(delivering, "send", look)
    outside = len(connection.savepoint_ids)
    deliver()
    assert seen == [outside]


def test_two_workers_send_once(at_once, hook, raised):
    webhook, got = hook()
    raised()
    sent = at_once(lambda: deliver_to(webhook.pk), lambda: deliver_to(webhook.pk))
    assert sorted(sent) == [0, 1]
    assert len(got) == 1


def test_a_worker_that_is_killed_while_it_sends_loses_nothing(hook, raised, monkeypatch, later):
    _, got = hook()
    raised()

    def die(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(delivering, "send", die)
        with pytest.raises(KeyboardInterrupt):
            deliver()
    assert deliver(later(30)) == 0
    assert deliver(later(61)) == 1
    assert len(got) == 1


def test_a_sender_that_is_killed_each_time_is_given_up_too(hook, raised, monkeypatch, later):
    """A server that answers for ever byte by byte ends the worker at the task's time limit."""

    def die(*args, **kwargs):
        raise KeyboardInterrupt

    hook()
    raised()
    monkeypatch.setattr(delivering, "send", die)
    now, tries = later(0), 0
    while Delivery.objects.filter(state="due").exists():
        try:
            deliver(now)
        except KeyboardInterrupt:
            tries += 1
        now = Delivery.objects.get().due_at
    assert tries == len(WAITS) + 1
    assert Delivery.objects.get().error == "Sending it never came to an end."


def test_the_tasks_send(hook, raised, monkeypatch):
    _, got = hook()
    raised()
    monkeypatch.setattr(tasks.deliver_to, "delay", tasks.deliver_to)  # no broker here
    tasks.deliver()
    assert len(got) == 1
