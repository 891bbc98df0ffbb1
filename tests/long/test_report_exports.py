"""The report as files: the same numbers in JSON, CSV, XLSX and PDF, nothing that a spreadsheet runs, and the pairs behind."""

import csv
import hashlib
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest
from django.conf import settings as site
from django.utils import translation
from openpyxl import load_workbook
from pypdf import PdfReader

from inspection.models import AuditEvent, Draw, Inspection, Line, ModelOutputShown, Variant, Verdict
from shadow import pair_rows
from shadow.asked import read_asked
from shadow.audit_pdf import report_pdf
from shadow.charts import SHAPES, Mark, Point, curves, interval_bar, shape, trend
from shadow.dossier import dossier
from shadow.drawing import COLOURS, PENS, Chart
from shadow.models import ChangedPart, ModelVersion, Prediction
from shadow.reports import FIGURES
from shadow.score_page import score_plots
from shadow.tables import digest_of
from shadow.typeface import CHINESE, KOREAN, LATIN, face_of, markup, runs

URL, PAIRS = "/api/v1/reports/agreement/", "/api/v1/reports/pairs/"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def version(db):
    return ModelVersion.objects.create(name="v1", weights_sha256="ab" * 32, threshold=0.5, thresholds=[0.1], by="ada")


@pytest.fixture
def pair(line, version, ivy):
    numbers = iter(range(10_000))

    def write(verdict, score, *, at=NOON, by=ivy, blind=True, serial="", **fields):
        part = Inspection.objects.create(
            line=line, serial=serial or f"SN{next(numbers)}", captured_at=at, received_at=at, hold_until=at, **fields
        )
        Draw.objects.create(inspection=part, key="k", u_canary=0.5, u_audit=0.5, u_blind=0.5, blind=blind)
        outcome = "scratched" if score >= 0.5 else "ok"
        Prediction.objects.create(inspection=part, version=version, score=score, outcome=outcome)
        Verdict.objects.create(inspection=part, inspector=by, outcome=verdict, at=at)
        return part

    return write


@pytest.fixture
def filled(pair, line):
    """Four days of pairs, an alarm among them."""
    for n in range(60):
        scratched = n % 5 == 0
        score = 0.9 - n / 500 if scratched != (n % 20 == 0) else 0.1 + n / 500
        pair("scratched" if scratched else "ok", score, at=NOON + timedelta(days=n % 4))
    pair("unsure", 0.2)
    AuditEvent.objects.create(action="alarm_opened", at=NOON, by="system", line="line-a", data={"message": "Lamp"})


def read_csv(answer) -> list[dict]:
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))


def text_of(pdf: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages).split())


def sheet_of(book, name) -> list[list]:
    return [[cell.value for cell in row] for row in book[name].iter_rows()]


# ---- The same report in four forms


def test_all_forms_tell_the_same_numbers(filled, sam, api):
    client = api(sam)
    said = client.get(URL).json()
    rows = read_csv(client.get(URL, {"format": "csv"}))
    book = load_workbook(io.BytesIO(client.get(URL, {"format": "xlsx"}).content))
    words = text_of(client.get(URL, {"format": "pdf"}).content)

    figures = {row[0]: row for row in sheet_of(book, "Figures") if row[0]}
    for cell, n in said["confusion"].items():
        assert int(rows[0][cell]) == figures[cell][1] == n
    for name in FIGURES:
        for place, edge in enumerate(("value", "low", "high", "n"), 1):
            assert float(rows[0][f"{name}_{edge}"]) == said[name][edge]
            assert figures[name][place] == pytest.approx(said[name][edge], rel=1e-12)
        assert figures[name][5].replace("\u00a0", " ").split(",")[0] in words
    assert [row["day"] for row in rows[1:]] == [group["key"] for group in said["groups"]]
    days = sheet_of(book, "Days")
    assert [row[0] for row in days[1:]] == [day["key"] for day in said["days"]]
    assert [sum(row[2:6]) for row in days[1:]] == [sum(day["confusion"].values()) for day in said["days"]]
    excluded = {row[0]: row[1] for row in sheet_of(book, "Excluded")[1:]}
    assert excluded == {name: n for name, n in said["excluded"].items() if n} == {"unsure": 1}
    bars = [row[:4] for row in sheet_of(book, "Scores")[1:21]]
    assert bars == [[bar["low"], bar["high"], bar["ok"], bar["scratched"]] for bar in said["scores"]["histogram"]]


def test_the_digest_on_paper_is_that_of_the_json_answer(filled, sam, api):
    client = api(sam)
    digest = hashlib.sha256(client.get(URL).content).hexdigest()
    assert digest == hashlib.sha256(client.get(URL).content).hexdigest()
    assert digest in text_of(client.get(URL, {"format": "pdf"}).content)
    book = load_workbook(io.BytesIO(client.get(URL, {"format": "xlsx"}).content))
    assert digest in {row[1] for row in sheet_of(book, "Summary") if len(row) > 1}


def test_another_verdict_is_another_digest(filled, pair, sam):
    before = digest_of(dossier(read_asked({}, sam)))
    pair("ok", 0.1)
    assert digest_of(dossier(read_asked({}, sam))) != before


@pytest.mark.parametrize("evidence", ["blind", "assisted", "retrospective"])
def test_the_paper_says_who_when_what_and_with_what(filled, pair, sam, line, evidence):
    pair("ok", 0.1, blind=False)
    line.time_zone = "Asia/Shanghai"
    line.save()
    sam.first_name, sam.last_name = "Sam", "Okoye"
    asked = read_asked({"evidence": evidence, "lot": "", "from": "2026-03-01"}, sam)
    words = text_of(report_pdf(dossier(asked), sam, now=NOON))
    for part in (
        "Sam Okoye (sam, supervisor)", "2026-03-02 20:00:00 +0800 (Asia/Shanghai)", "Line A (line-a)", "2026-03-01",
        f"Evidence: {evidence}", "95 % confidence", "ab" * 32, "operating threshold 0.5", "Shadowline 0.1.0",
        "Wilson (1927)", "Fleiss, Cohen, Everitt (1969)", "Clopper, Pearson (1934)", "Signatures", "Page 1 of",
    ):  # fmt: skip
        assert part in words, part
    assert ("speak for or against the model" in words) == (evidence == "blind")


def test_paper_and_workbook_of_nothing_are_made_too(line, sam, api):
    assert "No part on Line A was judged blind" in text_of(api(sam).get(URL, {"format": "pdf"}).content)
    book = load_workbook(io.BytesIO(api(sam).get(URL, {"format": "xlsx"}).content))
    assert book.sheetnames == ["Summary", "Figures", "Groups", "Days", "Scores", "Excluded"]


def test_a_name_that_looks_like_a_formula_or_markup_is_a_text(pair, sam, api, line):
    line.name = "=1+2 & <b>Line</b>"
    line.save()
    evil = Variant.objects.create(slug="slab", name='=HYPERLINK("http://x","y")')
    pair("ok", 0.1, variant=evil)
    client = api(sam)
    book = load_workbook(io.BytesIO(client.get(URL, {"format": "xlsx", "group_by": "variant"}).content))
    cells = [
        cell for name in book.sheetnames for row in book[name].iter_rows() for cell in row if cell.value is not None
    ]
    assert {cell.data_type for cell in cells} <= {"s", "n"}
    assert not any(cell.hyperlink for cell in cells)
    assert evil.name in {cell.value for cell in cells}
    [_all, group] = read_csv(client.get(URL, {"format": "csv", "group_by": "variant"}))
    assert group["name"] == f"'{evil.name}"
    assert "=1+2 & <b>Line</b>" in text_of(client.get(URL, {"format": "pdf"}).content)


def test_a_wrong_form_is_answered_with_the_right_ones(line, sam, api):
    answer = api(sam).get(URL, {"format": "doc"})
    assert answer.status_code == 400
    assert "Allowed: json, csv, xlsx, pdf" in answer.json()["detail"]


# ---- Drawing


def all_charts(report) -> Iterator[str]:
    points = [Point(1, "a", 0.1, 0, 0.2, "x"), Point(2, "b", None, 0, 1, "gap"), Point(3, "c", 0.3, 0.2, 0.4, "y")]
    marks = [Mark(1 + n / 2, kind, n + 1, "words") for n, kind in enumerate(SHAPES)]
    yield trend("t", points, marks=marks)
    yield curves("c", {"a": [1.0, 0.5], "b": [0.9, 0.4], "c": [0.3, 0.2]}, best=1)
    yield interval_bar(0.1, 0.0, 0.2)
    yield from (shape(kind) for kind in SHAPES)
    yield from (plot.svg for plot in score_plots(report))


def test_every_shape_and_class_of_the_charts_can_be_put_on_paper(filled, sam):
    for svg in all_charts(dossier(read_asked({}, sam)).report):
        for element in fromstring(svg):
            assert element.attrib["class"] in PENS
        assert Chart(svg, 100).wrap(0, 0)[0] == 100


def test_the_colours_on_paper_are_the_light_ones_of_the_pages():
    css = Path(site.BASE_DIR, "static/css/tokens.css").read_text()
    for name, colour in COLOURS.items():
        assert re.search(rf"--{name}: light-dark\((#\w+),", css)[1] == colour


def test_each_script_is_set_in_a_face_that_has_it():
    assert [face_of(sign) for sign in "aễЖπ√"] == [LATIN] * 5
    assert (face_of("梅"), face_of("김")) == (CHINESE, KOREAN)
    assert runs("Line 梅\u00a0<b>") == [(LATIN, "Line "), (CHINESE, "梅"), (LATIN, " <b>")]
    assert markup("<b>梅&") == f'&lt;b&gt;<font name="{CHINESE}">梅</font>&amp;'


def test_a_chinese_reader_gets_chinese_paper(filled, sam, line):
    line.name = "产线一"
    line.save()
    with translation.override("zh-hans"):
        pdf = report_pdf(dossier(read_asked({}, sam)), sam, now=NOON)
    fonts = {str(font) for page in PdfReader(io.BytesIO(pdf)).pages for font in page["/Resources"]["/Font"].values()}
    assert pdf.count(b"STSong-Light") and fonts
    assert "产线一" in text_of(pdf)


# ---- The pairs


def test_the_pairs_are_those_that_the_report_counts(filled, pair, sam, api, ivy):
    slab = Variant.objects.create(slug="slab", name="Slab")
    pair("scratched", 0.25, serial="=evil", variant=slab, lot="L1", at=NOON + timedelta(days=9))
    pair("ok", 0.1, blind=False)
    client = api(sam)
    for params in (
        {},
        {"from": "2026-03-03"},
        {"from": "2026-03-03T12:00:01"},
        {"lot": "L1"},
        {"evidence": "assisted"},
    ):
        said = client.get(URL, params).json()["confusion"]
        rows = read_csv(client.get(PAIRS, params | {"format": "csv"}))
        assert {cell: sum(row["standing"] == cell for row in rows) for cell in said} == said, params
    [row] = read_csv(client.get(PAIRS, {"lot": "L1", "format": "csv"}))
    assert row["serial"] == "'=evil"
    assert (row["line"], row["variant"], row["station"], row["day"]) == ("line-a", "slab", "", "2026-03-11")
    assert (row["verdict"], row["predicted"], row["standing"], row["score"]) == ("scratched", "ok", "escape", "0.25")
    assert (row["inspector"], row["evidence"], row["model"]) == (ivy.pseudonym, "blind", "v1")


def test_pages_of_pairs_join_to_the_whole(filled, sam, api, monkeypatch):
    monkeypatch.setattr("shadow.api.reports.PAGE", 7)
    client, found = api(sam), []
    url = f"{PAIRS}?line=line-a"
    while url:
        page = client.get(url).json()
        found += page["results"]
        url = page["next"]
    ids = [int(row["id"]) for row in read_csv(client.get(PAIRS, {"format": "csv"}))]
    assert [row["id"] for row in found] == ids
    assert len(ids) == len(set(ids)) == 60


@pytest.mark.parametrize("after", ["1", "a.b.c", "1.2026-13-01.4"])
def test_a_wrong_place_is_refused(filled, sam, api, after):
    assert api(sam).get(PAIRS, {"after": after}).status_code == 400


def test_whoever_reads_the_pairs_has_seen_the_models_answers(filled, pair, sam, ian, api, judge, make_part):
    waiting = pair("ok", 0.1)
    b"".join(api(sam).get(PAIRS, {"format": "csv"}).streaming_content)
    shown = ModelOutputShown.objects.filter(user=sam, where="export")
    assert shown.count() == 61
    assert waiting.pk in set(shown.values_list("inspection_id", flat=True))
    b"".join(api(sam).get(PAIRS, {"format": "csv"}).streaming_content)
    assert shown.count() == 61  # once a day


def test_a_supervisor_who_exports_and_then_judges_is_no_blind_judge(sam, ivy, line, version, api):
    again = Inspection.objects.create(
        line=line, serial="X", captured_at=NOON, received_at=NOON, hold_until=NOON, state="waiting"
    )
    Draw.objects.create(inspection=again, key="k", u_canary=0.5, u_audit=0.5, u_blind=0.5, blind=True)
    Prediction.objects.create(inspection=again, version=version, score=0.1, outcome="ok")
    Verdict.objects.create(inspection=again, inspector=ivy, outcome="ok")
    assert Inspection.objects.awaiting(sam, now=NOON).filter(pk=again.pk).exists()
    b"".join(api(sam).get(PAIRS, {"format": "csv"}).streaming_content)
    assert not Inspection.objects.awaiting(sam, now=NOON).filter(pk=again.pk).exists()


def test_the_pairs_are_noted_before_they_leave(filled, sam):
    chunks = pair_rows.pair_chunks(read_asked({}, sam), sam, "export")
    rows = next(chunks)
    served = ModelOutputShown.objects.filter(user=sam)
    assert set(served.values_list("inspection_id", flat=True)) == {row.inspection for row in rows}


@pytest.mark.parametrize("role", ["ivy", "cam", None])
def test_only_those_who_read_evidence_may_export(line, version, api, role, request):
    person = request.getfixturevalue(role) if role else None
    for url in (URL, PAIRS):
        assert api(person).get(url, {"format": "csv"}).status_code == (403 if role else 401)


def test_the_lines_of_others_stay_closed(filled, sam, api):
    other = Line.objects.create(slug="line-b", name="Line B")
    sam.lines.add(other)
    assert api(sam).get(PAIRS, {"line": "line-a", "format": "csv"}).status_code == 403


def test_an_export_has_nothing_counted_again_unless_the_reader_had_judged(filled, pair, sam, api):
    pair("ok", 0.1, by=sam)
    client = api(sam)
    client.get(URL)  # everything is counted
    list(client.get(PAIRS, {"format": "csv"}).streaming_content)
    assert set(ChangedPart.objects.values_list("inspection_id", flat=True)) <= set(
        Verdict.objects.filter(inspector=sam).values_list("inspection", flat=True)
    )
    assert client.get(URL).json()["confusion"]["both_ok"] > 0
