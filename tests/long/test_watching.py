"""Watching: figures become windows and baselines, a change opens one alarm, and nothing is counted twice whoever restarts."""

import re
from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from automation.models import Routing
from inspection import append_only
from inspection.models import Correction, Draw, Inspection, Line, Photo, Verdict
from monitoring import collecting, detection, learning, sources, watching
from monitoring.actions import close_alarm, relearn, write_watch_policy
from monitoring.models import Alarm, Baseline, Bucket, Cursor, DetectorState, Finding, Stream, Window
from monitoring.watching import watch_line, watch_lines
from monitoring.watching import watch_lines as watch
from shadow.models import Prediction

START = timezone.now() - timedelta(days=1)


@pytest.fixture(autouse=True)
def short_baseline(monkeypatch):
    """A hundred parts are the baseline here; a thousand are in earnest."""
    monkeypatch.setattr(learning, "LEAST", 100)
    monkeypatch.setattr(learning, "LEAST_BATCHES", 5)


@pytest.fixture
def parts(shadowed, version, station, ivy):
    """Files answers in one go: `parts(100)`, `parts(5, score=None)`, `parts(5, outcome="scratched")`, `parts(5, outcome=None)`."""
    rng = np.random.default_rng(1)

    def file(
        count,
        *,
        score=0.05,
        brightness=100.0,
        outcome="ok",
        blind=True,
        model=version,
        retrospective=False,
        at=None,
        **fields,
    ):
        start, first = Inspection.objects.count(), at or START
        moments = [first + timedelta(seconds=10 * (start + n)) for n in range(count)]
        rows = Inspection.objects.bulk_create(
            Inspection(
                line=shadowed, serial=f"W{start + n}",
                **({"station": station, "captured_at": moment, "received_at": moment, "hold_until": moment} | fields),
            )
            for n, moment in enumerate(moments)
        )  # fmt: skip
        Draw.objects.bulk_create(
            Draw(inspection=row, key="k", u_canary=0.5, u_audit=0.5, u_blind=0.5, blind=blind) for row in rows
        )
        Photo.objects.bulk_create(
            Photo(
                inspection=row, position=0, sha256="a", stored="a", format="JPEG", width=10, height=10,
                size=int(300_000 + 20_000 * rng.normal()),
            )
            for row in rows
        )  # fmt: skip
        answer = {"score": score, "outcome": "ok", "null_reason": ""}
        if score is None:
            answer = {"score": None, "outcome": "", "null_reason": "blank photo"}
        Prediction.objects.bulk_create(
            Prediction(
                inspection=row, version=model, retrospective=retrospective, at=row.received_at, **answer,
                timings={"decode": 7 + rng.normal()}, figures=[figures(rng, brightness)],
            )
            for row in rows
        )  # fmt: skip
        if outcome:
            Verdict.objects.bulk_create(
                Verdict(inspection=row, inspector=ivy, outcome=outcome, at=row.received_at, duration_ms=2000)
                for row in rows
            )
        return rows

    return file


def figures(rng, brightness):
    quality = {"contrast": 40, "sharpness": 20, "cast": 5, "clipped": 0.01}
    return {
        "decode": {"width": 1920, "height": 1080},
        "locate": {"share": 0.4},
        "quality": {"brightness": None if brightness is None else brightness + 2 * rng.normal()}
        | {name: value * (1 + 0.05 * rng.normal()) for name, value in quality.items()},
    }


def state(figure, **fields):
    return DetectorState.objects.get(stream__figure=figure, **fields)


def learned(figure):
    return len(state(figure).state["learning"]["values"])


def test_photos_are_watched_without_a_version(line, make_part):
    make_part()
    watch()
    assert {stream.figure for stream in Stream.objects.all()} == {"intake.views", "intake.size"}
    assert not Alarm.objects.exists()


def test_a_steady_line_opens_no_alarm(parts):
    parts(600)
    watch()
    assert not Alarm.objects.exists()
    assert Baseline.objects.get(stream__figure="quality.brightness").n == 100


def test_figures_of_photos_are_of_the_station_and_those_of_answers_of_the_version(parts, station, version):
    parts(1)
    watch()
    places = {stream.figure: (stream.station_id, stream.version_id) for stream in Stream.objects.all()}
    assert places["quality.brightness"] == (station.pk, None)
    assert places["score.null"] == (station.pk, version.pk)
    assert places["decode.ms"] == (None, version.pk)


def test_how_times_are_spread_is_counted_once_in_the_transaction_of_the_look(parts, monkeypatch):
    parts(30)
    watch()
    parts(20)
    with monkeypatch.context() as broken:
        broken.setattr(collecting, "_write", lambda eyes: [1 / 0 for eye in eyes if eye.figure.is_latency])
        watch()
    assert sum(Bucket.objects.values_list("n", flat=True)) == 30, "a look that dies leaves nothing behind"
    watch()
    watch()
    rows = Bucket.objects.filter(stream__figure="decode.ms")
    days = Window.objects.filter(stream__figure="decode.ms", span="day")
    assert {row.start for row in rows} == {day.start for day in days}
    assert sum(row.n for row in rows) == 50
    assert sum(row.seconds for row in rows) == pytest.approx(sum(day.total for day in days) / 1000)
    assert {row.upto for row in rows} <= {0.005, 0.01, 0.025}, "about 7 ms"


def test_another_light_is_named_with_its_station_stage_and_time(parts):
    parts(200)
    watch()
    parts(60, brightness=88)
    watch()
    alarm = Alarm.objects.get()
    assert (alarm.rule, alarm.station.slug, alarm.remedy) == ("drift", "cam-1", "fix_station")
    assert re.match(r"Brightness at Camera 1 fell (8\.\d|9\.\d|1\d) % since ", alarm.message)
    assert alarm.message.endswith("agreement holds: check the lamp.")
    finding = alarm.findings.order_by("pk").first()
    assert finding.stream.figure == "quality.brightness"
    assert abs(finding.moved_at - (START + timedelta(seconds=2000))) <= timedelta(minutes=3)
    assert 85 < finding.after < 92
    assert 98 < finding.before < 102
    assert len(finding.examples) == 6


def test_parts_without_an_answer_are_critical(parts):
    parts(200)
    parts(60, score=None, outcome=None)
    watch()
    alarm = Alarm.objects.get()
    assert alarm.severity == "critical"
    assert {"score.null", "quality.unfit"} <= {finding.stream.figure for finding in alarm.findings.all()}


def test_fewer_parts_without_an_answer_lower_no_line(parts):
    for _ in range(25):
        parts(2)
        parts(2, score=None)
    watch()
    parts(300)
    watch()
    assert "alarm" in Finding.objects.filter(stream__figure="score.null").values_list("severity", flat=True)
    assert not Finding.objects.filter(severity="critical").exists()
    assert Alarm.objects.get().severity == "alarm"


def test_people_who_disagree_more_than_before_are_concept_drift(parts):
    parts(200)
    parts(100, outcome="scratched")
    watch()
    alarm = Alarm.objects.get()
    assert (alarm.severity, alarm.remedy) == ("critical", "review_rule")


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "with the version before as standby"])
def test_another_version_that_people_disagree_with_is_to_be_rolled_back(
    parts, shadowed, other_version, version, set_level, beside
):
    """Its own baseline is not learned yet: it is held against that of the version before."""
    parts(200)
    watch()
    set_level(shadowed, "shadow", other_version, standby_id=version.pk if beside else None)
    parts(60, model=other_version, outcome="scratched", at=timezone.now() + timedelta(hours=1))
    watch()
    assert Alarm.objects.get().remedy == "roll_back"


def test_the_first_version_replaced_nobody(parts, shadowed, version, set_level):
    """It is no release to roll back from, whether it was a candidate before, or comes back after a pause."""
    set_level(shadowed, "human_only")
    set_level(shadowed, "shadow", version)
    later = timezone.now() + timedelta(hours=1)
    parts(200, at=later)
    parts(60, outcome="scratched", at=later)
    watch()
    assert Alarm.objects.get().remedy == "review_rule"


@pytest.mark.parametrize("named", ["before the release", "while it learns"])
def test_a_baseline_that_is_learned_anew_is_no_measure_of_another_version(
    parts, shadowed, other_version, set_level, sam, named
):
    """People named an event: what was usual of the version before holds no more, in this look and in all that follow."""
    parts(200)
    watch()
    later = timezone.now() + timedelta(hours=1)
    if named == "while it learns":
        set_level(shadowed, "shadow", other_version)
        parts(5, model=other_version, at=later)
        watch()
    relearn(line=shadowed, figures=["judge.disagreement"], reason="new rule", by=sam)
    set_level(shadowed, "shadow", other_version)
    for _ in range(2):
        parts(40, model=other_version, outcome="scratched", at=later)
        watch()
    assert not Finding.objects.filter(stream__figure="judge.disagreement").exists()


def test_an_event_of_long_ago_does_not_keep_a_new_version_from_being_held_against_the_one_before(
    parts, shadowed, other_version, set_level, sam
):
    parts(110)
    watch()
    relearn(line=shadowed, figures=["judge.disagreement"], reason="new rule", by=sam)
    parts(200)
    watch()
    set_level(shadowed, "shadow", other_version)
    parts(60, model=other_version, outcome="scratched", at=timezone.now() + timedelta(hours=1))
    watch()
    assert Alarm.objects.get().remedy == "roll_back"
    assert state("judge.disagreement", stream__version=other_version).state["reason"] == "the first parts"


def test_an_agreement_that_is_better_after_a_release_is_no_alarm(parts, shadowed, other_version, set_level):
    parts(100)
    parts(40, outcome="scratched")
    parts(60)
    DetectorState.objects.all().delete()
    watch()
    opened = Alarm.objects.count()
    set_level(shadowed, "shadow", other_version)
    parts(90, model=other_version, at=timezone.now() + timedelta(hours=1))
    watch()
    assert Alarm.objects.count() == opened


def everything():
    """What stands in the rows, but for keys and times of writing."""
    windows = sorted(Window.objects.values_list("stream__key", "span", "start", "n", "missing", "low", "high"))
    states = {row.stream.key: row.state for row in DetectorState.objects.select_related("stream")}
    findings = sorted(Finding.objects.values_list("stream__key", "detector", "severity", "part", "moved_at"))
    return windows, states, findings


def test_looking_after_every_few_parts_comes_to_the_same_as_looking_once(parts, monkeypatch):
    """A restart in the middle of a window, at any part, loses nothing."""
    parts(230)
    parts(60, brightness=80)
    monkeypatch.setattr(sources, "AT_ONCE", 7)
    while watch_lines():
        pass
    in_steps = everything()
    with append_only.open_door():
        for model in (Finding, Alarm, DetectorState, Baseline, Window, Cursor):
            model.objects.all().delete()
    monkeypatch.setattr(sources, "AT_ONCE", 2_000)
    watch()
    at_once = everything()
    assert at_once[0] == in_steps[0]
    assert at_once[1] == in_steps[1]
    assert [finding[:4] for finding in at_once[2]] == [finding[:4] for finding in in_steps[2]]


def test_a_look_that_dies_leaves_nothing_behind(parts, monkeypatch, shadowed):
    parts(120)
    terms = collecting.terms_of(shadowed, now=timezone.now())

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(collecting, "_write", die)
        with pytest.raises(KeyboardInterrupt):
            collecting.collect(sources.ANSWERS, terms)
    assert not Window.objects.exists()
    watch()
    assert sum(Window.objects.filter(span="day", stream__figure="score.null").values_list("n", flat=True)) == 120


def test_two_workers_at_once_count_each_part_once(parts, shadowed, at_once):
    parts(150)
    now = timezone.now()
    results = at_once(*[lambda: watch_line(shadowed, now=now)] * 3)
    assert not [result for result in results if isinstance(result, Exception)], results
    assert sum(Window.objects.filter(span="day", stream__figure="score.null").values_list("n", flat=True)) == 150
    assert state("score.null").baseline.n == 100


def test_a_key_without_a_row_is_waited_for_while_it_may_still_commit(parts, shadowed):
    now = timezone.now()
    parts(10, at=now)
    keys = list(Prediction.objects.order_by("pk").values_list("pk", flat=True))
    with append_only.open_door():
        Prediction.objects.filter(pk=keys[5]).delete()
    assert sources.ANSWERS.horizon(shadowed, keys[0], now) == keys[4]
    assert sources.ANSWERS.horizon(shadowed, keys[0], now + timedelta(minutes=20)) == keys[-1]


@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(days=400)])
def test_a_clock_that_jumps_neither_stops_the_watch_nor_alarms(parts, jump):
    parts(150)
    parts(50, at=START + jump)
    parts(50)
    watch()
    assert sum(Window.objects.filter(span="day", stream__figure="score.null").values_list("n", flat=True)) == 250
    assert not Alarm.objects.exists()


def test_a_week_without_parts_is_no_alarm(parts):
    parts(150)
    watch()
    before = state("quality.brightness").state
    assert watch_lines() == 0
    assert state("quality.brightness").state == before
    parts(100, at=START + timedelta(days=7))
    watch_lines(now=timezone.now() + timedelta(days=7))
    assert not Alarm.objects.exists()
    assert Window.objects.filter(span="day", stream__figure="score.null").count() >= 2


def test_what_is_not_a_number_is_missing_and_enters_no_sum(parts):
    parts(150)
    parts(50, brightness=None)
    watch()
    rows = Window.objects.filter(span="day", stream__figure="quality.brightness")
    assert (sum(row.n for row in rows), sum(row.missing for row in rows)) == (150, 50)
    assert not Alarm.objects.exists()


def test_an_open_alarm_is_not_opened_again_and_its_findings_are_told_once(parts):
    parts(200)
    for _ in range(3):
        parts(60, brightness=85)
        watch()
    assert Alarm.objects.count() == 1
    keys = list(Finding.objects.values_list("stream", "detector", "severity"))
    assert len(keys) == len(set(keys))


def test_detectors_begin_again_with_the_same_baseline_when_their_alarm_is_closed(parts, sam):
    parts(200)
    parts(60, brightness=85)
    watch()
    close_alarm(alarm=Alarm.objects.get(), by=sam, comment="New lamp, the old one was dying.")
    parts(200)
    watch()
    assert Alarm.objects.open().count() == 0
    parts(60, brightness=85)
    watch()
    assert Alarm.objects.open().count() == 1
    assert Baseline.objects.filter(stream__figure="quality.brightness").count() == 1


def test_what_is_usual_is_learned_anew_after_a_named_event_alone(parts, shadowed, station, sam):
    parts(200)
    parts(60, brightness=85)
    watch()
    close_alarm(alarm=Alarm.objects.get(), by=sam, comment="It is to stay so.")
    relearn(line=shadowed, station=station, figures=["quality.brightness"], reason="new lamp", by=sam)
    parts(300, brightness=85)
    watch()
    assert not Alarm.objects.open().exists()
    baselines = Baseline.objects.filter(stream__figure="quality.brightness")
    assert [baseline.reason for baseline in baselines] == ["the first parts", "new lamp"]
    assert 83 < baselines.last().mean < 87
    assert Baseline.objects.filter(stream__figure="quality.contrast").count() == 1


def test_what_was_half_learned_before_an_event_is_forgotten(parts, shadowed, sam):
    parts(60)
    watch()
    relearn(line=shadowed, figures=["quality.brightness"], reason="new lamp", by=sam)
    parts(60, brightness=85)
    watch()
    assert learned("quality.brightness") == 60
    assert not Baseline.objects.filter(stream__figure="quality.brightness").exists()


def test_day_and_night_have_baselines_of_their_own_where_the_line_says_so(parts, shadowed, ada):
    shadowed.shifts.create(name="day", starts_at="06:00", ends_at="18:00")
    shadowed.shifts.create(name="night", starts_at="18:00", ends_at="06:00")
    write_watch_policy(line=shadowed, by=ada, reason="windows in the hall", by_shift=True)
    noon = START.replace(hour=12, minute=0)
    for n in range(3):
        parts(60, at=noon - timedelta(seconds=1200 * n))
        parts(60, brightness=80, at=noon + timedelta(hours=10) - timedelta(seconds=1200 * n))
    watch()
    means = dict(Baseline.objects.filter(stream__figure="quality.brightness").values_list("shift", "mean"))
    assert set(means) == {"day", "night"}
    assert means["day"] - means["night"] > 15
    assert not Alarm.objects.exists()


def test_what_a_policy_leaves_unwatched_is_kept_and_raises_nothing(parts, shadowed, ada):
    write_watch_policy(line=shadowed, by=ada, reason="the hall has windows", unwatched=["quality.brightness"])
    parts(200)
    parts(60, brightness=85)
    watch()
    assert not Alarm.objects.exists()
    assert Window.objects.filter(stream__figure="quality.brightness").exists()


def test_each_policy_has_its_own_share_that_is_left_to_people(parts, shadowed, set_level, version):
    """A raise is meant to change it."""
    for decision, thresholds in (("person", (0.01, 0.9)), ("pass", (0.5, 0.5))):
        policy = set_level(shadowed, "partial", version, pass_below=thresholds[0], reject_from=thresholds[1])
        rows = parts(150, outcome=None)
        answers = {answer.inspection_id: answer for answer in Prediction.objects.filter(inspection__in=rows)}
        Routing.objects.bulk_create(
            Routing(
                inspection=row, policy=policy, prediction=answers[row.pk], decision=decision, reason="score",
                at=row.received_at + timedelta(seconds=2),
            )
            for row in rows
        )  # fmt: skip
    watch()
    assert not Alarm.objects.exists()
    baselines = Baseline.objects.filter(stream__figure="settle.escalated")
    assert [baseline.mean for baseline in baselines] == [1.0, 0.0]
    assert {window.high for window in Window.objects.filter(stream__figure="settle.seconds")} == {2.0}


@pytest.mark.parametrize("fields", [{"retrospective": True}, {"origin": "seeded"}, {"origin": "imported"}])
def test_parts_that_are_not_the_lines_own_never_count(parts, fields):
    parts(20, **fields)
    watch()
    assert not Stream.objects.filter(figure="score.null").exists()


def test_a_verdict_waits_for_a_slow_answer_and_not_for_ever(parts, shadowed, ivy):
    now = timezone.now()
    rows = parts(5, outcome=None, at=now - timedelta(minutes=3), received_at=now)
    late = Inspection.objects.create(
        line=shadowed, serial="late", station=rows[0].station, captured_at=now, received_at=now, hold_until=now
    )
    for row in [rows[0], late, *rows[1:]]:
        Verdict.objects.create(inspection=row, inspector=ivy, outcome="ok", at=now - timedelta(minutes=2))
    watch_line(shadowed, now=now)
    assert learned("judge.disagreement") == 1
    watch_line(shadowed, now=now + timedelta(minutes=11))
    assert learned("judge.disagreement") == 5


def test_verdicts_are_read_when_they_can_be_undone_no_more(parts, shadowed, ivy):
    now = timezone.now()
    rows = parts(2, outcome=None)
    for row in rows:
        verdict = Verdict.objects.create(inspection=row, inspector=ivy, outcome="ok", at=now - timedelta(seconds=5))
    assert watch_line(shadowed, now=now) == 4  # the parts and the answers
    Correction.objects.create(verdict=verdict, outcome="scratched", reason="slipped", by=ivy)
    watch_line(shadowed, now=now + timedelta(seconds=40))
    assert state("judge.undone").state["learning"]["values"] == [0, 1]
    assert state("judge.disagreement").state["learning"]["values"] == [0, 1]


@pytest.mark.parametrize(
    "left", [{"blind": False}, {"blind": False, "outcome": None}, {"score": None, "outcome": None}]
)
def test_parts_that_are_no_control_are_no_labels(parts, left):
    """Judged with advice, decided by the machine alone, or without an answer."""
    parts(30, **left)
    parts(60)
    watch()
    assert learned("judge.disagreement") == 60


def test_the_fault_of_one_line_does_not_stop_the_others(parts, monkeypatch):
    parts(5)
    broken = Line.objects.create(slug="aa-first", name="First")
    terms_of = watching.terms_of

    def fail(line, *, now):
        if line == broken:
            raise RuntimeError("no")
        return terms_of(line, now=now)

    monkeypatch.setattr(watching, "terms_of", fail)
    watch()
    assert Window.objects.exists()


def test_vectors_are_watched_by_their_length_and_by_all_of_it(version, station, shadowed):
    place = Stream.objects.create(key="x", line=shadowed, station=station, version=version, figure="network.features")
    assert detection.count_of("mean", True) == 4
    assert place.figure in collecting.VECTORS
