"""The page of the report: figures in words, filters in the URL, trends with marks, scores, and every state it may be in."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils.html import strip_tags

from inspection.models import AuditEvent, Draw, Inspection, Line, Variant, Verdict
from shadow.agreement import Confusion
from shadow.asked import read_asked
from shadow.charts import Mark, Point, trend
from shadow.dossier import dossier
from shadow.models import ModelVersion, Prediction
from shadow.report_page import EXCLUDED, shown
from shadow.reports import Group
from shadow.score_page import score_plots, why_no_scores
from shadow.trends import course, weeks
from shadow.views.report_filters import quick_periods

URL = "/reports/agreement/"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def version(db):
    return ModelVersion.objects.create(name="v1", weights_sha256="a" * 64, threshold=0.5, thresholds=[0.1], by="ada")


@pytest.fixture
def pair(line, version, ivy):
    """Writes one compared part: `pair("ok", 0.9)` is an overkill judged blind by ivy."""
    numbers = iter(range(10_000))

    def write(verdict, score, *, at=NOON, by=ivy, model=version, **fields):
        part = Inspection.objects.create(
            line=line, serial=f"SN{next(numbers)}", captured_at=at, received_at=at, hold_until=at, **fields
        )
        Draw.objects.create(inspection=part, key="k", u_canary=0.5, u_audit=0.5, u_blind=0.5, blind=True)
        outcome = "scratched" if score >= 0.5 else "ok"
        Prediction.objects.create(inspection=part, version=model, score=score, outcome=outcome)
        Verdict.objects.create(inspection=part, inspector=by, outcome=verdict, at=at)
        return part

    return write


def text_of(answer) -> str:
    return " ".join(strip_tags(answer.content.decode()).replace("\u00a0", " ").split())


def course_of(by, step="", **params):
    return course(dossier(read_asked(params, by)), step)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("miss_rate", "12 of 413 scratched parts missed, 1.7 to 5.0 %"),
        ("false_alarm_rate", "30 of 2,030 good parts called scratched, 1.0 to 2.1 %"),
        ("escape_rate", "12 of 2,012 parts that the model calls ok are scratched, 0.3 to 1.0 %"),
        ("overkill_rate", "30 of 431 parts that the model calls scratched are good, 4.9 to 9.8 %"),
        ("agreement", "2,401 of 2,443 parts answered alike, 97.7 to 98.7 %"),
        ("positive_agreement", "401 of 443 parts called scratched by either are so by both, 93.3 to 96.3 %"),
        ("kappa", "agreement beyond chance on 2,443 parts, 0.92 to 0.96"),
    ],
)
def test_each_figure_says_its_counts_and_interval(name, words):
    figure = shown(name, Confusion(2000, 30, 12, 401))
    assert figure.sentence.replace("\u00a0", " ") == words


def test_a_figure_without_a_denominator_says_why():
    assert shown("miss_rate", Confusion(5)).sentence == "not defined: no scratched part yet"
    assert shown("kappa", Confusion(5)).sentence == "not defined: only one class seen"


def test_every_reason_to_leave_a_pair_out_has_words(pair, sam):
    pair("ok", 0.1)
    for evidence in ("blind", "assisted", "retrospective"):
        assert set(dossier(read_asked({"evidence": evidence}, sam)).report.excluded) <= set(EXCLUDED)


def test_the_page_shows_everything_in_order(pair, sam, page):
    for n in range(30):
        pair("scratched" if n % 3 == 0 else "ok", 0.8 if n % 3 == 0 else 0.1, at=NOON + timedelta(days=n % 4))
    pair("unsure", 0.1)
    words = text_of(page(sam).get(URL))
    places = [words.index(part) for part in (
        "The model misses", "Both ok", "Miss rate", "1 unsure", "the ceiling", "Trend", "Scores of the model",
    )]  # fmt: skip
    assert places == sorted(places)


def test_a_page_without_a_pair_says_what_to_do(line, sam, page):
    assert "Nothing to compare yet" in text_of(page(sam).get(URL))


def test_one_class_only_is_shown_as_not_defined(pair, sam, page):
    for _ in range(5):
        pair("ok", 0.1)
    words = text_of(page(sam).get(URL))
    assert "not defined: no scratched part yet" in words
    assert "what the model misses is not known" in words


def test_the_narrowing_filters_stand_in_the_url_and_are_counted(pair, sam, page, station, ivy):
    slab = Variant.objects.create(slug="slab", name="Slab")
    pair("ok", 0.1, station=station, variant=slab, lot="L7")
    pair("ok", 0.9)
    query = {"station": "cam-1", "variant": "slab", "lot": "L7", "inspector": ivy.pseudonym}
    answer = page(sam).get(URL, query)
    assert answer.context["report"].confusion == Confusion(both_ok=1)
    assert answer.context["narrowed"] == 4
    html = answer.content.decode()
    assert 'value="L7"' in html
    assert f'<option value="{ivy.pseudonym}" selected>' in html
    for field in ("station=cam-1", "variant=slab", "lot=L7"):
        assert field in answer.context["pairs"]
        assert field not in answer.context["widened"]


def test_quick_periods_are_the_lines_own_days(pair, sam, line):
    pair("ok", 0.1)
    line.time_zone = "Asia/Shanghai"
    line.save()
    asked = read_asked({"from": "2026-02-25", "to": "2026-03-03"}, sam)
    late = datetime(2026, 3, 2, 17, tzinfo=UTC)  # the 3rd in Shanghai
    today, week, month, all_days = quick_periods(asked, {"line": "line-a"}, now=late)
    assert today.url.endswith("from=2026-03-03&to=2026-03-03")
    assert [choice.chosen for choice in (today, week, month, all_days)] == [False, True, False, False]


def test_of_more_than_sixty_days_weeks_are_drawn_unless_days_are_asked_for(pair, sam):
    for days in (0, 59):
        pair("ok", 0.1, at=NOON + timedelta(days=days))
    assert course_of(sam).step == "day"
    pair("ok", 0.1, at=NOON + timedelta(days=60))
    assert course_of(sam).step == "week"
    assert course_of(sam, "day").step == "day"


def test_weeks_are_the_sums_of_their_days():
    days = [Group(day, day, Confusion(n, 1, 0, 0)) for n, day in enumerate(("2026-01-01", "2026-01-04", "2026-01-05"))]
    assert weeks(days) == (
        Group("2026-W01", "2026-W01", Confusion(1, 2)), Group("2026-W02", "2026-W02", Confusion(2, 1))
    )  # fmt: skip


def test_a_wrong_trend_is_refused_with_the_right_ones(pair, sam, page):
    pair("ok", 0.1)
    answer = page(sam).get(URL, {"trend": "hour"})
    assert answer.status_code == 400


def test_what_happened_on_one_day_is_one_mark_with_a_count(pair, sam, page):
    pair("ok", 0.1)
    pair("ok", 0.1, at=NOON + timedelta(days=3))
    for hours, action, data in (
        (1, "level_raise", {"before": "human_only", "level": "shadow"}), (2, "alarm_opened", {"message": "Lamp"}),
        (30, "halted", {"reason": "lamp"}),
    ):  # fmt: skip
        AuditEvent.objects.create(action=action, at=NOON + timedelta(hours=hours), by="ada", line="line-a", data=data)
    run = course_of(sam)
    assert [(mark.kind, len(mark.events)) for mark in run.marks] == [("several", 2), ("level", 1)]
    assert run.trends[0].chart == ""  # no scratched part: nothing to draw
    assert run.trends[1].chart.count("chart-event") == 2
    assert ">2</text>" in run.trends[1].chart
    words = text_of(page(sam).get(URL))
    assert "2 Mar Level raised from human only to shadow; Alarm (-): Lamp" in words
    assert "3 Mar Halted: lamp" in words


def test_a_mark_beyond_the_data_widens_the_chart_and_keeps_its_words():
    points = [Point(10, "a", 0.1, 0.0, 0.2, "x"), Point(12, "b", 0.1, 0.0, 0.2, "y")]
    chart = trend("Miss rate", points, marks=[Mark(14, "alarm", 1, "Lamp & <light>")])
    assert "Lamp &amp; &lt;light&gt;" in chart
    assert "translate(390.0 8)" in chart
    assert 'cx="390.0"' not in chart


def test_scores_are_drawn_for_one_version_only(pair, sam, version):
    other = ModelVersion.objects.create(name="v2", weights_sha256="b" * 64, threshold=0.5, thresholds=[], by="ada")
    for score in (0.05, 0.2, 0.7, 0.9):
        pair("scratched" if score > 0.5 else "ok", score)
    pair("ok", 0.1, model=other)
    one = dossier(read_asked({"model": "v1"}, sam)).report
    histogram, risk, honest = score_plots(one)
    assert histogram.table.rows[0] == ("0.05 - 0.1", 1, 0)
    assert "operating threshold 0.5" in histogram.svg
    assert risk.table.rows[-1][1].replace("\u00a0", " ") == "100 % (4 of 4; 51.0 % to 100 %)"
    assert "Expected calibration error" in honest.reading
    both = dossier(read_asked({"group_by": "model"}, sam)).report
    assert score_plots(both) == []
    assert "several models" in why_no_scores(both)


def test_the_cost_of_the_page_does_not_grow_with_the_parts(pair, sam, page, django_assert_max_num_queries):
    for n in range(5):
        pair("ok", 0.1, at=NOON + timedelta(days=n))
    client = page(sam)
    client.get(URL)
    with django_assert_max_num_queries(60) as first:
        client.get(URL)
    for n in range(40):
        pair("scratched", 0.9, at=NOON + timedelta(days=n % 5))
    client.get(URL)
    with django_assert_max_num_queries(60) as then:
        client.get(URL)
    assert len(then) == len(first)


def test_a_line_is_marked_with_its_own_events_alone(pair, sam):
    Line.objects.create(slug="line-b", name="Line B")
    pair("ok", 0.1)
    AuditEvent.objects.create(action="halted", at=NOON, by="ada", line="line-b", data={"reason": "x"})
    assert course_of(sam).marks == []
