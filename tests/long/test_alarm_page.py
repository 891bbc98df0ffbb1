"""The page of an alarm: what moved in the order of a part's way, the photos, what to do; and the list that stays one screen."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django.utils.html import escape
from django.utils.http import urlencode

from inspection.models import ModelOutputShown
from monitoring.actions import acknowledge_alarm, close_alarm, open_alarm, policy_of
from monitoring.course import Course
from monitoring.models import Alarm, Baseline, Finding, Remedy, Stream
from monitoring.proposals import proposals_for
from monitoring.retraining import SUGGESTING
from shadow.models import Snapshot, TrainingRun

NOW = timezone.now()


@pytest.fixture
def raised(line, station):
    def open_one(rule="drift", *, severity="alarm", message="Brightness rose 11 %.", remedy="look", **fields):
        alarm = open_alarm(line=line, rule=rule, severity=severity, message=message, **fields)
        Alarm.objects.filter(pk=alarm.pk).update(remedy=remedy, station=station)
        alarm.refresh_from_db()
        return alarm

    return open_one


@pytest.fixture
def found(line, station):
    def write(alarm, figure, *, version=None, **fields):
        key = f"{line.pk}/{station.pk}/{version}/{figure}"
        stream, _ = Stream.objects.get_or_create(
            key=key, defaults={"line": line, "station": station, "version": version, "figure": figure}
        )
        return Finding.objects.create(
            **{"alarm": alarm, "stream": stream, "detector": "mean", "severity": "alarm", "moved_at": NOW} | fields
        )

    return write


def text(browser, url, **query):
    answer = browser.get(url, query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_what_moved_stands_in_the_order_of_a_parts_way_with_how_far(raised, found, page, sam, version):
    alarm = raised()
    found(alarm, "judge.disagreement", before=0.03, after=0.1)
    found(alarm, "score.logit", version=version, before=-2, after=-1, moved_at=NOW - timedelta(hours=1))
    found(alarm, "quality.brightness", before=100, after=111)
    found(alarm, "quality.brightness", before=100, after=112, severity="critical")
    html = text(page(sam), f"/alarms/{alarm.pk}/")
    places = [html.index(label) for label in ("<strong>Brightness", "<strong>Score", "<strong>Blind verdicts")]
    assert places == sorted(places)
    assert html.count("<strong>Brightness") == 1
    assert "+12 %" in html
    assert "10 %" in html
    assert "not known yet" in text(page(sam), f"/alarms/{alarm.pk}/course/")
    assert "style=" not in html


def test_the_farthest_photos_stand_beside_usual_ones(raised, found, page, sam, make_part):
    far, usual = make_part("FAR1"), make_part("USUAL1")
    alarm = raised()
    finding = found(alarm, "quality.brightness", examples=[far.pk, 999_999])
    Baseline.objects.create(
        stream=finding.stream, n=1000, mean=1, sd=1, batch=20, batch_sd=1, parts=[usual.pk], reason="x",
        learned_from=NOW - timedelta(days=2), learned_to=NOW - timedelta(days=1),
    )  # fmt: skip
    html = text(page(sam), f"/alarms/{alarm.pk}/")
    assert html.index("FAR1") < html.index("USUAL1")
    assert not ModelOutputShown.objects.exists(), "how bright a photo is tells nothing of the model"


def test_the_figure_that_the_sentence_tells_of_stands_out_and_its_photos_are_shown(raised, found, page, sam, make_part):
    """Not the size of the file, which comes first on a part's way and moves with whatever a photo shows."""
    alarm, large, dark = raised(), make_part("LARGE"), make_part("DARK")
    found(alarm, "intake.size", examples=[large.pk])
    found(alarm, "quality.brightness", examples=[dark.pk])
    html = text(page(sam), f"/alarms/{alarm.pk}/")
    assert html.count('<tr class="named">') == 1
    assert "<strong>Brightness</strong>" in html.split('<tr class="named">')[1].split("</tr>")[0]
    assert html.index("Size of the file") < html.index('<tr class="named">'), "in the order of a part's way"
    assert ("DARK" in html, "LARGE" in html) == (True, False)


def test_whoever_sees_parts_chosen_by_their_score_judges_them_blind_no_more(
    raised, found, page, sam, make_part, version
):
    far = make_part()
    alarm = raised()
    found(alarm, "score.logit", version=version, examples=[far.pk])
    text(page(sam), f"/alarms/{alarm.pk}/")
    assert ModelOutputShown.objects.get().inspection_id == far.pk


@pytest.mark.parametrize(
    ("figure", "noted"), [("score.reject", True), ("quality.brightness", False), ("gone.figure", True)]
)
def test_whoever_reads_them_over_the_api_does_no_more_either(raised, found, api, sam, make_part, figure, noted):
    alarm, part, example = raised(), make_part("SN1"), make_part("SN2")
    found(alarm, figure, part=part.pk, examples=[example.pk])
    assert api(sam).get(f"/api/v1/alarms/{alarm.pk}/").status_code == 200
    shown = set(ModelOutputShown.objects.filter(user=sam).values_list("inspection", flat=True))
    assert shown == ({part.pk, example.pk} if noted else set())


def test_another_figures_photos_are_a_click_away(raised, found, page, sam, make_part):
    first, second = make_part("ONE"), make_part("TWO")
    alarm = raised()
    found(alarm, "quality.brightness", examples=[first.pk])
    other = found(alarm, "quality.contrast", examples=[second.pk])
    html = text(page(sam), f"/alarms/{alarm.pk}/", of=other.stream_id)
    assert "TWO" in html
    assert "ONE" not in html
    assert text(page(sam), f"/alarms/{alarm.pk}/", of="nonsense")


@pytest.mark.parametrize(
    ("remedy", "button"),
    [
        ("look", "Look at the parts"), ("review_rule", "Review the discrepancies"),
        ("fix_station", "I fix the station: acknowledge for an hour"),
        ("fix_server", "I look after the server: acknowledge for an hour"), ("lower", "/remedies/"),
    ],
)  # fmt: skip
def test_the_suggestion_has_a_button(raised, page, sam, remedy, button):
    alarm = raised(remedy=remedy, suggestion="Check the lamp.")
    html = text(page(sam), f"/alarms/{alarm.pk}/")
    assert "Check the lamp." in html
    assert button in html


@pytest.mark.parametrize("remedy", Remedy.values)
def test_where_the_words_name_a_training_its_form_is_a_click_away(raised, page, sam, remedy):
    alarm = raised(remedy=remedy, message="People disagree & more.")
    html = text(page(sam), f"/alarms/{alarm.pk}/")
    query = escape(urlencode({"alarm": alarm.pk, "reason": alarm.message}))
    form = f'href="/lines/line-a/trainings/new/?{query}"'
    assert (form in html) == ("Start a training" in html) == (remedy in SUGGESTING)


def test_what_was_trained_because_of_it_stands_under_what_was_done(raised, page, sam, line):
    alarm = raised(remedy="review_rule")
    taken = Snapshot.objects.create(line=line, digest="x", size=1, by="sam", at=NOW)
    given = {"line": line, "snapshot": taken, "by": "sam", "at": NOW, "options": {}}
    run = TrainingRun.objects.create(name="fresh", alarm=alarm.pk, **given)
    TrainingRun.objects.create(name="other", state="done", **given)
    html = text(page(sam), f"/alarms/{alarm.pk}/")
    assert f'<a href="/lines/line-a/trainings/{run.pk}/">sam started a training of fresh</a>: Waiting' in html
    assert "training of other" not in html


def test_an_alarm_that_is_over_offers_no_training(raised, page, sam):
    alarm = raised(remedy="review_rule")
    close_alarm(alarm=alarm, by=sam, comment="reviewed", cause="rule_changed")
    assert "Start a training" not in text(page(sam), f"/alarms/{alarm.pk}/")


def test_the_button_of_the_station_says_that_one_is_on_it(raised, page, sam):
    alarm = raised(remedy="fix_station")
    here = f"/alarms/{alarm.pk}/"
    sent = {"span": "hour", "comment": "Fix the station", "next": here}
    assert page(sam).post(f"{here}acknowledge/", sent).url == here
    [action] = alarm.actions.all()
    assert timedelta(minutes=59) < action.until - timezone.now() <= timedelta(hours=1)
    html = text(page(sam), here)
    assert "sam is on it" in html
    assert page(sam).post(f"{here}acknowledge/", {"span": "for ever"}).status_code == 302
    assert alarm.actions.count() == 1


def test_a_closed_alarm_asks_for_nothing_and_stands_beside_the_next(raised, page, sam):
    alarm = raised()
    close_alarm(alarm=alarm, by=sam, comment="a lamp was dying", cause="fixed")
    html = text(page(sam), f"/alarms/{alarm.pk}/")
    assert "What to do" not in html
    again = raised()
    assert "a lamp was dying" in text(page(sam), f"/alarms/{again.pk}/")


def test_a_thousand_alarms_stay_one_screen(line, raised, page, sam, django_assert_max_num_queries):
    Alarm.objects.bulk_create(
        Alarm(line=line, rule=f"r{n}", severity="critical" if n == 500 else "warning", message=f"message {n}")
        for n in range(1000)
    )
    acknowledge_alarm(alarm=Alarm.objects.get(rule="r999"), by=sam)
    browser = page(sam)
    with django_assert_max_num_queries(40):
        html = text(browser, "/alarms/")
    assert html.count("<article") == 20
    assert html.index("message 500") < html.index("message 998")
    assert "1000 alarms are open, 1 of them critical; 999 waiting for somebody." in html
    assert "message 999" not in html
    assert "message 999" in text(browser, "/alarms/", page=50)


def test_the_list_is_a_file_too(raised, page, sam):
    alarm = raised(message="=cmd()")
    close_alarm(alarm=alarm, by=sam, comment="lamp", cause="fixed")
    body = b"".join(page(sam).get("/alarms/", {"format": "csv", "state": "closed"}).streaming_content).decode()
    assert "'=cmd()" in body
    assert "closed" in body
    assert "fixed,lamp" in body


def test_closed_alarms_have_pages_of_their_own(line, page, sam):
    for number in range(25):
        alarm = open_alarm(line=line, rule=f"r{number}", severity="warning", message=f"message {number} of all")
        close_alarm(alarm=alarm, by=sam, comment="x")
    assert text(page(sam), "/alarms/").count(" of all</a>") == 10
    assert text(page(sam), "/alarms/", state="closed").count(" of all</a>") == 20
    assert text(page(sam), "/alarms/", state="closed", page=2).count(" of all</a>") == 5


# ---- What nobody acts on


@pytest.fixture
def long_watched(found):
    """An alarm of a figure that has been watched for longer than 90 days."""

    def make(alarm, figure):
        finding = found(alarm, figure)
        Baseline.objects.create(
            stream=finding.stream, n=1000, mean=1, sd=1, batch=20, batch_sd=1, reason="x",
            learned_from=NOW - timedelta(days=101), learned_to=NOW - timedelta(days=100),
        )  # fmt: skip
        return alarm

    return make


def test_a_figure_whose_alarms_are_ignored_or_false_is_proposed(line, raised, found, long_watched, sam):
    ignored = long_watched(raised("a"), "quality.cast")
    false = long_watched(raised("b"), "quality.contrast")
    useful = long_watched(raised("c"), "quality.brightness")
    taken = long_watched(raised("d"), "quality.sharpness")
    long_watched(raised("e"), "score.null")  # lowers by itself
    found(raised("f"), "quality.clipped")  # watched since yesterday
    close_alarm(alarm=false, by=sam, comment="glare", cause="false_alarm")
    close_alarm(alarm=useful, by=sam, comment="lamp", cause="fixed")
    acknowledge_alarm(alarm=taken, by=sam)
    assert [one.figure for one in proposals_for(line, now=NOW + timedelta(days=6))] == ["quality.contrast"], "too young"
    found_now = proposals_for(line, now=NOW + timedelta(days=8))
    assert [(one.figure, one.alarms) for one in found_now] == [("quality.cast", 1), ("quality.contrast", 1)]
    acknowledge_alarm(alarm=ignored, by=sam)
    assert [one.figure for one in proposals_for(line, now=NOW + timedelta(days=8))] == ["quality.contrast"]
    assert not proposals_for(line, now=NOW + timedelta(days=91))


def test_an_admin_watches_it_no_more_with_one_button(line, raised, long_watched, page, sam, ada):
    long_watched(raised(), "quality.cast")
    Alarm.objects.update(opened_at=NOW - timedelta(days=8))
    sent = {"line": line.slug, "figure": "quality.cast"}
    assert "An admin decides" in text(page(sam), "/alarms/")
    assert page(sam).post("/alarms/unwatch/", sent).status_code == 403
    browser = page(ada)
    assert "Watch it no more" in text(browser, "/alarms/")
    for _ in range(2):
        assert browser.post("/alarms/unwatch/", sent).url == "/alarms/"
    assert (policy_of(line).unwatched, policy_of(line).number) == (["quality.cast"], 1)
    assert "Nobody acts on these" not in text(browser, "/alarms/")
    browser.post("/alarms/unwatch/", {"line": line.slug, "figure": "ghosts"})
    assert policy_of(line).number == 1


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ("gradual", "it goes on, by −2.5 a day (95 %: −3 to −2)"),
        ("sudden", "it moved at once; beside that it changes by −2.5 a day"),
        ("unknown", "not known yet whether it moved at once or goes on"),
    ],
)
def test_how_it_goes_on_is_said_in_a_sentence(raised, found, page, sam, monkeypatch, shape, words):
    alarm = raised()
    found(alarm, "quality.brightness")
    monkeypatch.setattr("monitoring.alarm_page.course_of", lambda *args, **kwargs: Course(shape, -2.5, -3, -2))
    assert words in text(page(sam), f"/alarms/{alarm.pk}/course/")
