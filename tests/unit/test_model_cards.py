"""Model cards and charts: whatever a card holds is shown or left out, and nothing that is drawn can carry a script."""

import hashlib
import io
from xml.etree import ElementTree

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inspection.models import AuditEvent, Line
from inspection.refusals import BadInput
from shadow.actions import keep_picture, picture_path, record_evaluation, register_version
from shadow.cards import health, read_card
from shadow.charts import Point, curves, interval_bar, percent, reach, trend
from shadow.models import Assignment, Evaluation, ModelVersion, Prediction
from shadow.plots import Bar, Place, curve, reliability, scores
from shadow.studies import SHOWN, retrospective_sentence, studies_of
from shadow.vision.evaluation import curves_of
from tests.conftest import untrained_weights

CARD = {
    "architecture": "scratch-map-1", "parameters": 312345, "seed": 7, "sources": ["renderings"],
    "epochs": {"asked": 3, "run": 3, "best": 2},
    "data": {"photos": {"train": {"ok": 10, "scratched": 5}, "test": {"ok": 3, "scratched": 2}}, "groups": {"train": ["a"]}},
    "curve": [{"number": n, "of": 3, "loss": 1 / n, "calibrate_nll": 0.5 / n} for n in (1, 2, 3)],
    "figures": {"calibrate": {"auroc": 0.98, "n": 40}, "test": {"auroc": 0.97, "n": 30}},
}  # fmt: skip
numbers = st.floats() | st.integers() | st.none() | st.booleans()
anything = st.recursive(
    numbers | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
shares = st.floats(0, 1)


@pytest.fixture
def version(db):
    return ModelVersion.objects.create(
        name="starter", weights_sha256="0" * 64, threshold=0.5, thresholds=[0.1, 0.2], card=CARD, by="ada"
    )


def test_a_card_becomes_tables_a_curve_and_facts():
    card = read_card(CARD)
    assert card.figures == (("figure", "calibrate", "test"), (("auroc", 0.98, 0.97), ("n", 40, 30)))
    assert card.data.head == ("split", "ok", "scratched", "parts or phones")
    assert card.data.rows == (("train", 10, 5, 1), ("test", 3, 2, None))
    assert card.curve.head == ("number", "loss", "calibrate nll")
    assert "kept: epoch 2" in card.chart
    assert dict(card.facts)["parameters"] == "312,345"
    assert dict(card.facts)["epochs"] == "asked 3, run 3, best 2"


def test_an_empty_card_shows_nothing():
    card = read_card({})
    assert (card.figures, card.data, card.curve, card.chart, card.facts) == (None, None, None, "", ())
    assert card.sections == ()


def test_calibration_novelty_and_export_are_facts_under_their_own_heads():
    card = read_card(
        {"export": {"engine": "onnx", "largest_difference": 3e-6}, "calibration": {"bias": -0.2}, "novelty": 1}
    )
    assert card.sections == (
        ("calibration", (("bias", "-0.2"),)), ("export", (("engine", "onnx"), ("largest difference", "3e-06"))),
    )  # fmt: skip
    assert card.facts == ()


@given(st.dictionaries(st.sampled_from([*CARD, "more"]), anything, max_size=8) | anything)
def test_a_card_of_any_shape_can_be_read(card):
    read_card(card)


def test_health_counts_failures_and_leaves_replays_out_of_the_wait(version, make_part):
    for score, timings, retrospective in [
        (0.1, {"network": 20, "decode": 5}, False),
        (None, {}, False),
        (0.2, {}, True),
    ]:
        Prediction.objects.create(
            inspection=make_part(), version=version, score=score, outcome="ok" if score else "", timings=timings,
            null_reason="" if score else "blank photo", retrospective=retrospective,
        )  # fmt: skip
    found = health(version)
    assert (found.nulls.k, found.nulls.n, found.reasons) == (1, 3, (("blank photo", 1),))
    assert found.work_ms.median == 25
    assert 0 <= found.answer_s.median < 60


def test_a_version_without_a_part_is_of_unknown_health(version):
    found = health(version)
    assert (found.nulls.value, found.work_ms, found.answer_s) == (None, None, None)


def test_the_pages_name_the_lines_that_the_reader_may_see(version, line, sam, page):
    for where in (line, Line.objects.create(slug="line-b", name="Line B")):
        Assignment.objects.create(line=where, version=version, role="live")
    assert "Line B" in page(sam).get("/models/starter/").content.decode()
    sam.lines.add(line)
    html = page(sam).get("/models/starter/").content.decode()
    assert "Live on Line A." in html
    assert "Line B" not in page(sam).get("/models/").content.decode()
    assert page(sam).get("/models/nobody/").status_code == 404


@given(st.lists(st.tuples(shares | st.none(), shares, shares), max_size=6), st.booleans())
def test_a_trend_is_well_formed_and_escaped_whatever_the_figures(rows, from_top):
    points = [Point(x, "<script>", value, min(a, b), max(a, b), "<b>") for x, (value, a, b) in enumerate(rows)]
    svg = trend("<title>", points, from_top=from_top)
    if svg:
        drawn = ElementTree.fromstring(svg)
        assert len(drawn.findall("circle")) == sum(point.value is not None for point in points)
        assert not any("style" in element.attrib for element in drawn.iter())
    else:
        assert all(point.value is None for point in points)
    assert "nan" not in svg


def test_a_day_without_a_figure_is_a_gap_in_the_line():
    points = [Point(x, str(x), value, 0.0, 1.0, "") for x, value in enumerate([0.1, 0.2, None, 0.3])]
    assert trend("t", points).count("chart-line") == 2


def test_an_interval_is_drawn_from_low_to_high_on_its_scale():
    assert 'x="30.0" y="3" width="60.0"' in interval_bar(0.5, 0.25, 0.75)
    assert 'x="60.0" y="3" width="60.0"' in interval_bar(0.5, 0.25, 0.75, top=0.5).replace('width="60"', 'width="60.0"')
    assert "interval-band" not in interval_bar(None, 0.0, 1.0)


losses = st.floats(-1e9, 1e9) | st.sampled_from([None, float("nan"), float("inf"), -float("inf")])


@given(st.dictionaries(st.text("abc", max_size=2), st.lists(losses, max_size=5), max_size=3))
def test_curves_leave_out_what_is_no_number(series):
    svg = curves("t", series)
    assert "nan" not in svg
    assert "inf" not in svg


@pytest.mark.parametrize(
    ("share", "words"),
    [(None, "not defined"), (0, "0 %"), (1, "100 %"), (0.012, "1.2 %"), (0.0004, "0.04 %"), (0.5, "50.0 %")],
)
def test_shares_as_people_read_them(share, words):
    assert percent(share).replace("\u00a0", " ") == words


@given(shares)
def test_the_ladder_holds_every_share(share):
    assert reach(share) >= share


# ---- Studies: the card's parts and the evaluations, drawn


SCORES, TRUTH = [0.05, 0.1, 0.3, 0.5, 0.9], [False, False, True, False, True]
CURVES = curves_of(SCORES, TRUTH, [0.1, 0.2, 0.5])
HELD = {"limit": 0.05, "threshold": 0.0312, "coverage": 0.621, "bound": 0.048, "n": 141, "k": 2, "originals": 227}


def webp(seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), (seed, 20, 24)).save(buffer, "WEBP")
    return buffer.getvalue()


def entry(kind: str, picture: str, **fields) -> dict:
    return {
        "kind": kind,
        "score": 0.25,
        "photo": "a<b.jpg",
        "picture": picture,
        "marks": [[0.1, 0.2, 0.3, 0.4]],
        **fields,
    }


@pytest.fixture
def evaluated(version):
    """Writes evaluations of the starter: `evaluated("field.csv")`."""

    def write(source: str, **fields) -> Evaluation:
        given = {
            "figures": {"n": 5, "nulls": {"blank photo": 2}},
            "curves": CURVES,
            "gallery": [],
            "retrospective": HELD,
        }
        return record_evaluation(version=version, source=source, by="evaluate_model", **{**given, **fields})

    return write


def with_card(card) -> ModelVersion:
    return ModelVersion.objects.create(
        name="carded", weights_sha256="0" * 64, threshold=0.5, thresholds=[0.1, 0.2, 0.5], card=card, by="ada"
    )


def test_the_cards_parts_come_first_then_the_newest_evaluations(db, version, evaluated):
    for number in range(SHOWN + 1):
        evaluated(f"{number}.csv")
    assert [study.title for study in studies_of(version)] == ["5.csv", "4.csv", "3.csv", "2.csv", "1.csv"]
    assert [study.open for study in studies_of(version)] == [True, False, False, False, False]
    carded = with_card({"curves": {"calibrate": CURVES, "test": CURVES}, "figures": {"test": {"auroc": 0.9}}})
    test, calibrate = studies_of(carded)
    assert (test.title, test.open, calibrate.open) == ("At training, test part", True, False)
    assert test.figures == (("AUROC", "0.900"),)


def test_a_study_has_four_charts_with_their_numbers(evaluated, version):
    evaluated("field.csv")
    [study] = studies_of(version)
    assert [plot.name for plot in study.plots] == ["Calibration", "Precision and recall", "Risk and coverage", "Scores"]
    assert [len(plot.table.rows) for plot in study.plots] == [5, 5, 5, 20]
    assert [row.note for row in study.points] == ["", "", "operating"]
    passed, escapes, misses, alarms = study.points[-1].shares
    assert [share.counts for share in (passed, escapes, misses, alarms)] == ["3", "1 of 3", "1 of 2", "1 of 3"]
    assert study.excluded == (("blank photo", 2),)


def test_the_sentence_says_what_holds_and_that_it_certifies_nothing():
    assert retrospective_sentence(HELD) == (
        "at R <= 5 %: 62.1 % of 227 originals pass below 0.0312, at most 4.8 % of them scratched; retrospective, "
        "certifies nothing"
    )
    none = {**HELD, "threshold": None, "coverage": 0.0, "bound": 0.162, "n": 17, "k": 0}
    assert retrospective_sentence(none) == (
        "at R <= 5 %: no threshold holds on 227 originals (of 17 below the strictest 0 are scratched, so up to 16.2 % "
        "may be); retrospective, certifies nothing"
    )
    assert retrospective_sentence({}) == ""


def test_the_page_shows_charts_failures_and_their_marks(evaluated, version, sam, page):
    digest = keep_picture(webp())
    evaluated("field.csv", gallery=[entry("miss", digest, marks=[]), entry("false_alarm", digest, score=0.75)])
    html = page(sam).get("/models/starter/").content.decode()
    for words in (
        "field.csv",
        "retrospective: never certifies",
        "At R &lt;= 5 %",
        "Worst misses",
        "a&lt;b.jpg",
        "0.750",
    ):
        assert words in html
    assert html.count('class="mark model"') == 1
    assert f"/models/starter/pictures/{digest}.webp" in html
    assert "style=" not in html


def test_a_card_without_studies_shows_its_figures_as_before(version, sam, page):
    assert "Figures at training" in page(sam).get("/models/starter/").content.decode()


small = st.integers(0, 9) | numbers
row = st.fixed_dictionaries(
    dict.fromkeys(["threshold", "n", "k", "scratched", "good"], small), optional={"coverage": numbers}
)
bar = st.fixed_dictionaries(dict.fromkeys(["low", "high", "n", "mean_score", "scratched"], small))
shaped = st.fixed_dictionaries({
    "operating_points": st.lists(row, max_size=3) | anything, "reliability": st.lists(bar, max_size=3) | anything,
    "pr": st.lists(st.lists(small, max_size=4), max_size=3), "histogram": anything,
})  # fmt: skip


@pytest.mark.django_db
@given(shaped | anything, anything)
def test_a_study_of_any_shape_can_be_read(curves, value):
    card = {"curves": {"test": curves}, "gallery": value, "figures": {"test": value}}
    for study in studies_of(ModelVersion(pk=1, name="x", threshold=0.5, card=card)):
        assert "nan" not in "".join(plot.svg for plot in study.plots)


@given(st.lists(st.tuples(shares, shares), max_size=6), st.lists(st.tuples(shares, shares), max_size=2))
def test_plots_are_well_formed_and_escaped(points, marked):
    bars = [Bar(0.0, 1.0, 7, x, y) for x, y in points]
    drawn = [reliability(bars), curve("<t>", points, "<x>", "<y>", [Place(x, y, "<b>") for x, y in marked])]
    drawn.append(scores([0.0, 0.5, 1.0], [len(points), 0], [1, 2], 0.5))
    for svg in filter(None, drawn):
        tree = ElementTree.fromstring(svg)
        assert not any("style" in element.attrib for element in tree.iter())
        assert "nan" not in svg


# ---- Pictures


def test_pictures_are_served_to_those_who_read_models_and_only_those_named(evaluated, version, ivy, sam, page):
    digest, unnamed = keep_picture(webp()), keep_picture(webp(1))
    url = reverse("model_picture", args=["starter", digest])
    assert page(sam).get(url).status_code == 404
    evaluated("field.csv", gallery=[entry("miss", digest)])
    response = page(sam).get(url)
    assert (response.status_code, response["Content-Type"]) == (200, "image/webp")
    assert response["Cache-Control"] == "private, max-age=31536000, immutable"
    assert b"".join(response.streaming_content) == webp()
    assert page(sam).get(reverse("model_picture", args=["starter", unnamed])).status_code == 404
    assert page(ivy).get(url).status_code == 403


def test_a_picture_named_by_the_card_is_served_and_a_lost_one_is_said(sam, page, db):
    digest = keep_picture(webp())
    with_card({"gallery": [entry("miss", digest), entry("miss", "../secret")]})
    response = page(sam).get(reverse("model_picture", args=["carded", digest]))
    assert b"".join(response.streaming_content) == webp()
    picture_path(digest).unlink()
    assert page(sam).get(reverse("model_picture", args=["carded", digest])).status_code == 404


def test_a_version_keeps_its_pictures_under_their_own_names_alone(db):
    digest = hashlib.sha256(webp()).hexdigest()
    given = {"name": "v1", "weights": untrained_weights(), "card": {}, "by": "ada"}
    with pytest.raises(BadInput, match="another SHA-256"):
        register_version(**given, pictures={"0" * 64: webp()})
    assert not ModelVersion.objects.exists()
    assert not picture_path(digest).exists()
    register_version(**given, pictures={digest: webp()})
    assert picture_path(digest).read_bytes() == webp()


def test_what_is_no_webp_is_no_picture():
    with pytest.raises(BadInput, match="no WebP"):
        keep_picture(b"<svg onload=alert(1)>")


def test_an_evaluation_leaves_its_audit_row(evaluated):
    evaluated("field.csv")
    event = AuditEvent.objects.get(action="version_evaluated")
    assert (event.by, event.subject, event.data) == (
        "evaluate_model",
        "version starter",
        {"source": "field.csv", "n": 5},
    )
