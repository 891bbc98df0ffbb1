"""The pages of the watch over HTTP: a line, a figure, all lines, the wall, and the two forms."""

import csv
import math
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from bench.rig import watched
from inspection.models import AuditEvent, Line
from monitoring.actions import acknowledge_alarm
from monitoring.collecting import terms_of
from monitoring.figures import FIGURES, Kind
from monitoring.models import Alarm, AlarmAction, Relearning, Stream, WatchPolicy

pytestmark = pytest.mark.django_db
WATCH = "/lines/line-a/watch/"


@pytest.fixture
def furnished(line, station, version):
    now = timezone.now()
    watched.furnish(line, version, [station], now=now, days=3, minutes=6)
    watched.looked(line, at=now)
    return line


@pytest.fixture
def moved(furnished):
    now = timezone.now()
    alarm = Alarm.objects.create(
        line=furnished, rule="drift", severity="alarm", message="Brightness <rose> 11 %.", suggestion="Check the lamp.",
    )  # fmt: skip
    stream = Stream.objects.get(figure="quality.brightness")
    watched.find(alarm, stream, at=now - timedelta(minutes=30), before=131, after=145, now=now)
    return alarm


def test_a_line_says_one_sentence_then_shows_every_figure(page, sam, moved):
    text = page(sam).get(WATCH).content.decode()
    assert "Brightness &lt;rose&gt; 11 %." in text
    assert "Check the lamp." in text
    assert text.index("Check the lamp.") < text.index('class="way"')
    assert text.count('<svg class="spark"') == len(FIGURES) + 1, "what moved stands on top, too"
    assert "style=" not in text


@pytest.mark.parametrize("query", ["?period=90", "?period=14", "?period=nonsense&station=nowhere&version=none"])
def test_periods_and_nonsense(page, sam, furnished, query):
    assert page(sam).get(WATCH + query).status_code == 200


def test_a_line_without_parts_says_what_will_appear(page, sam, line):
    text = page(sam).get(WATCH).content.decode()
    assert "Nothing has been counted yet" in text
    assert "Line A is not watched yet." in text


def test_what_is_live_is_the_same_without_its_frame(page, sam, moved):
    answer = page(sam).get(f"{WATCH}live/?period=14")
    text = answer.content.decode()
    assert "<html" not in text
    assert "Brightness &lt;rose&gt;" in text
    assert "no-cache" in answer["Cache-Control"]


def test_what_is_shown_leaves_as_a_table(page, sam, furnished):
    answer = page(sam).get(f"{WATCH}?period=14&station=cam-1&format=csv")
    rows = list(csv.DictReader(b"".join(answer.streaming_content).decode().splitlines()))
    assert answer["Content-Disposition"] == 'attachment; filename="watch-line-a-14.csv"'
    assert {row["figure"] for row in rows} == {figure.name for figure in FIGURES}
    [first, *_rest] = [row for row in rows if row["figure"] == "quality.brightness"]
    assert 120 < float(first["mean"]) < 142
    assert first["seconds"] == "86400"


def test_one_figure_with_its_windows_and_what_is_usual(page, sam, moved):
    stream = Stream.objects.get(figure="quality.brightness")
    text = page(sam).get(f"{WATCH}figures/{stream.pk}/").content.decode()
    assert "Brightness, Camera 1" in text
    assert "(+11" in text
    assert "from 1,000 parts" in text
    assert text.count("<tr>") == 6 + 1


def test_a_figure_of_another_line_is_unknown(page, sam, furnished, version):
    other = Line.objects.create(slug="line-b", name="Line B")
    watched.furnish(other, version, [], now=timezone.now(), days=1, minutes=1)
    stream = Stream.objects.filter(line=other).first()
    assert page(sam).get(f"{WATCH}figures/{stream.pk}/").status_code == 404
    assert page(sam).get(f"/lines/line-b/watch/figures/{stream.pk}/").status_code == 200


def test_a_line_that_is_not_ones_own_is_unknown(page, sam, furnished):
    other = Line.objects.create(slug="line-b", name="Line B")
    sam.lines.add(other)
    assert page(sam).get(WATCH).status_code == 403
    for path in ("/watch/", "/watch/wall/", "/watch/live/", "/watch/wall/live/"):
        assert "Line A" not in page(sam).get(path).content.decode()


def test_all_lines_stand_in_the_order_of_their_need(page, sam, moved):
    Line.objects.create(slug="line-0", name="Line Zero")
    text = page(sam).get("/watch/").content.decode()
    assert "Line A: Brightness &lt;rose&gt;" in text
    assert text.index('/lines/line-a/watch/">Line A') < text.index('/lines/line-0/watch/">Line Zero')


def test_all_quiet_is_one_sentence(page, sam, furnished):
    assert '<h1 class="sentence">All quiet.</h1>' in page(sam).get("/watch/live/").content.decode()


def test_the_wall_has_no_controls_and_lives_on(page, sam, moved):
    client = page(sam)
    text = client.get("/watch/wall/").content.decode()
    for control in ("<form", "<button", "<nav", "<select"):
        assert control not in text.split("<main")[1]
    assert 'http-equiv="refresh"' in text, "without scripts the whole page is loaded again"
    answer = client.get("/watch/wall/live/")
    assert "sessionid" in answer.cookies, "each look moves the end of the session on"


def test_an_acknowledgement_that_has_run_out_is_told_nowhere(page, api, sam, moved):
    """The last one alone holds, and until its time: an earlier one for good does not come back."""
    acknowledge_alarm(alarm=moved, by=sam)
    AlarmAction.objects.create(
        alarm=moved, action="acknowledged", by=sam, until=timezone.now() - timedelta(seconds=1), at=timezone.now()
    )
    for path in (WATCH, f"{WATCH}live/", "/watch/", "/watch/wall/", "/watch/wall/live/", "/alarms/"):
        text = page(sam).get(path).content.decode()
        assert "obody is on it" in text, path
        assert "sam is on it" not in text, path
    alarm = page(sam).get(f"/alarms/{moved.pk}/").content.decode()
    assert "Nobody is on it yet" in alarm
    assert '<span class="badge">Acknowledged</span>' not in alarm
    assert api(sam).get("/api/v1/alarms/").json()["results"][0]["state"] == "open"
    assert api(sam).get("/api/v1/alarms/", {"state": "acknowledged"}).json()["results"] == []
    assert ",open," in b"".join(page(sam).get("/alarms/?format=csv").streaming_content).decode()


# Something was changed on purpose


def test_what_is_usual_is_learned_anew_after_a_named_event(page, sam, furnished, station):
    sent = {"reason": "new lamp at station 1", "station": station.pk, "group": "input"}
    answer = page(sam).post(f"{WATCH}learn/", sent, follow=True)
    event = Relearning.objects.get()
    assert (event.reason, event.station, event.by) == ("new lamp at station 1", station, sam)
    assert "quality.brightness" in event.figures
    assert "judge.disagreement" not in event.figures
    assert "learned anew" in answer.content.decode()
    assert AuditEvent.objects.filter(action="figures_relearned", line="line-a").exists()


@pytest.mark.parametrize("group", ["input", ""])
def test_an_event_at_one_station_is_of_that_station_alone(page, sam, furnished, station, group):
    other = furnished.stations.create(slug="cam-2", name="Camera 2")
    page(sam).post(f"{WATCH}learn/", {"reason": "new lamp", "station": station.pk, "group": group})
    terms = terms_of(furnished, now=timezone.now())
    here, there, whole = (
        Stream(line=furnished, station=place, figure=figure)
        for place, figure in ((station, "quality.cast"), (other, "quality.cast"), (None, "decode.ms"))
    )
    assert [bool(terms.relearned(stream, 0)) for stream in (here, there, whole)] == [True, False, False]


def test_everything_there_means_no_names(page, sam, furnished):
    page(sam).post(f"{WATCH}learn/", {"reason": "moved the line", "station": "line", "group": ""})
    assert Relearning.objects.get().figures == []


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"reason": " "}, "What was changed: This field is required"),
        ({"reason": "new lamp", "group": "moon"}, "What it may have moved: Select a valid choice"),
        ({"reason": "new lamp", "station": 999}, "Where: Select a valid choice"),
    ],
)
def test_an_event_without_a_name_or_place_is_refused(page, sam, furnished, sent, words):
    answer = page(sam).post(f"{WATCH}learn/", sent)
    assert (answer.status_code, Relearning.objects.exists()) == (400, False)
    assert words in answer.content.decode()


def test_what_was_written_of_an_event_is_still_there_after_a_refusal(page, sam, furnished, station):
    sent = {"reason": "more memory", "station": station.pk, "group": "software"}
    text = page(sam).post(f"{WATCH}learn/", sent).content.decode()
    assert "These figures are of the whole line: choose no station." in text
    assert 'name="reason" value="more memory"' in text
    assert '<option value="software" selected>' in text


def test_an_inspector_may_not_name_events(page, ivy, furnished):
    assert page(ivy).post(f"{WATCH}learn/", {"reason": "x"}).status_code == 403


def test_of_several_stations_all_are_learned_anew_only_when_somebody_says_so(page, sam, furnished):
    browser = page(sam)
    assert re.search(r'<option value="line"( selected)?>Whole line</option>', browser.get(WATCH).content.decode())
    furnished.stations.create(slug="cam-2", name="Camera 2")
    text = browser.get(WATCH).content.decode()
    assert '<option value="" selected>Choose where</option>' in text
    assert '<option value="line">Whole line: every station</option>' in text
    browser.post(f"{WATCH}learn/", {"reason": "new lamp", "station": ""})
    assert not Relearning.objects.exists()
    browser.post(f"{WATCH}learn/", {"reason": "new lamp", "station": "line"})
    assert Relearning.objects.get().station is None


# How the line is watched

ALL = [figure.name for figure in FIGURES if figure.kind != Kind.LOAD or figure.limit]
SENT = {"alarm_every": 2_000_000, "warn_every": 20_000, "watched": ALL, "critical": ["score.null"], "reason": "fewer"}


def test_an_admin_sets_how_rarely_it_may_cry_wolf(page, ada, furnished):
    sent = SENT | {"by_shift": "on", "watched": [name for name in ALL if name != "quality.cast"]}
    answer = page(ada).post(f"{WATCH}policy/", sent, follow=True)
    policy = WatchPolicy.objects.get()
    assert (policy.alarm_every, policy.warn_every, policy.by_shift) == (2_000_000, 20_000, True)
    assert (policy.unwatched, policy.critical) == (["quality.cast"], ["score.null"])
    assert (policy.by, policy.reason) == ("ada", "fewer")
    assert "one in 2,000,000 parts" in answer.content.decode()


def test_an_admin_sets_the_limits_of_loads(page, ada, sam, furnished):
    """Empty is the default; what is set is drawn, told and shown to those who may not set it."""
    sent = SENT | {"limit_server.disk": "60", "limit_server.memory": "95", "limit_server.queue_age": "120"}
    page(ada).post(f"{WATCH}policy/", sent)
    assert WatchPolicy.objects.get().limits == {"server.disk": 60, "server.queue_age": 120}
    text = page(ada).get(f"{WATCH}policy/").content.decode()
    assert re.search(r'name="limit_server.disk" value="60.0"[^>]*placeholder="90"', text)
    assert re.search(r'name="limit_server.processor"[^>]*placeholder="none"', text)
    text = page(sam).get(WATCH).content.decode()
    assert "limit 60" in text
    assert "over its limit" in text
    assert "60 %" in page(sam).get(f"{WATCH}policy/").content.decode()


def test_a_load_without_a_limit_is_not_said_to_raise_alarms(page, ada, sam, furnished):
    """Watched or not, nobody has said how much is too much: the row says what it waits for, until there is a limit."""
    row = r"<td>Load of the processor</td>\s*<td>(.*?)</td>"
    for person in (ada, sam):
        text = page(person).get(f"{WATCH}policy/").content.decode()
        assert "once it has a limit" in re.search(row, text)[1]
    assert text.count("once it has a limit") == sum(figure.limit == math.inf for figure in FIGURES)
    page(ada).post(f"{WATCH}policy/", SENT | {"limit_server.processor": "90"})
    assert re.search(row, page(sam).get(f"{WATCH}policy/").content.decode())[1] == "yes"


def test_the_form_shows_what_holds(page, ada, furnished):
    WatchPolicy.objects.create(
        line=furnished, number=1, unwatched=["quality.cast"], critical=["score.null"], reason="noise", by="sam"
    )
    text = page(ada).get(f"{WATCH}policy/").content.decode()
    assert 'value="quality.cast" aria-label="Colour cast raises alarms">' in text
    assert 'value="score.null" aria-label="Parts without an answer raises alarms" checked>' in text
    assert 'value="score.null" aria-label="An alarm of Parts without an answer is critical" checked>' in text
    assert "Policy 1 by sam" in text


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"warn_every": 3_000_000}, "at least as often"), ({"reason": ""}, "required"), ({"alarm_every": 10}, "1000"),
     ({"critical": ["score.null"], "watched": []}, "cannot be critical"), ({"watched": ["moon"]}, "moon"),
     ({"limit_server.disk": "full"}, "Limit of Disk in use: Enter a number"), ({"limit_server.disk": 101}, "at most 100")],
)  # fmt: skip
def test_nonsense_is_said_and_kept_in_the_form(page, ada, furnished, wrong, words):
    answer = page(ada).post(f"{WATCH}policy/", SENT | wrong)
    assert answer.status_code == 400
    assert words in answer.content.decode()
    assert not WatchPolicy.objects.exists()


def test_a_supervisor_reads_the_policy_and_cannot_change_it(page, sam, furnished):
    client = page(sam)
    assert "<form method" not in client.get(f"{WATCH}policy/").content.decode().split('id="content"')[1]
    assert client.post(f"{WATCH}policy/", SENT).status_code == 403
    assert not WatchPolicy.objects.exists()
