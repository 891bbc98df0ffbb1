"""Model cards and charts: whatever a card holds is shown or left out, and nothing that is drawn can carry a script."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.models import Line
from shadow.cards import health, read_card
from shadow.charts import Point, curves, interval_bar, percent, reach, trend
from shadow.models import Assignment, ModelVersion, Prediction

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
