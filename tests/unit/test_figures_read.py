"""Whoever reads figures of single persons is on record, and the person can read by whom."""

from datetime import UTC, date, datetime, timedelta
from html import unescape

import pytest

from inspection.figures_read import note_figures_read
from inspection.models import AuditEvent, FiguresRead, Study, Where
from inspection.refusals import BadInput
from monitoring.pruning import prune
from shadow.days import Span
from shadow.keeping import as_far_as_kept

START = datetime(2026, 3, 2, 8, 5, tzinfo=UTC)


def rows():
    return list(FiguresRead.objects.order_by("pk").values_list("reader__username", "person__username", "where", "line"))


def test_one_row_for_each_reader_person_place_and_hour_and_one_event_for_those_who_are_new(line, ivy, ian, sam, ada):
    asked = {"where": Where.INSPECTORS, "line": line}
    assert note_figures_read(of=[ivy.pk, None], by=sam, now=START, **asked) == 1
    assert note_figures_read(of=[ivy.pk, ian.pk], by=sam, now=START + timedelta(minutes=50), **asked) == 1
    assert note_figures_read(of=[ivy.pk, ian.pk], by=sam, now=START + timedelta(minutes=54), **asked) == 0
    assert note_figures_read(of=[ivy.pk], by=sam, now=START + timedelta(minutes=55), **asked) == 1
    assert note_figures_read(of=[ivy.pk], by=ada, now=START, where=Where.REPORT) == 1
    assert rows() == [
        ("sam", "ivy", "inspectors", "line-a"), ("sam", "ian", "inspectors", "line-a"),
        ("sam", "ivy", "inspectors", "line-a"), ("ada", "ivy", "report", ""),
    ]  # fmt: skip
    told = AuditEvent.objects.filter(action="inspector_figures_read").values_list("by", "line", "data")
    assert [(by, of_line, data["of"]) for by, of_line, data in told] == [
        ("sam", "line-a", [ivy.pseudonym]), ("sam", "line-a", [ian.pseudonym]), ("sam", "line-a", [ivy.pseudonym]),
        ("ada", "", [ivy.pseudonym]),
    ]  # fmt: skip


def test_ones_own_figures_leave_no_row(line, ivy, sam):
    assert note_figures_read(of=[sam.pk], where=Where.REPORT, line=line, by=sam) == 0
    assert (rows(), AuditEvent.objects.count()) == ([], 0)


@pytest.fixture
def judged(shadowed, version, make_part, judge, answer, ivy):
    part = make_part("SN1")
    answer(part, version, 0.01)
    return judge(part, ivy, "scratched")


# Everything that shows figures of single persons, and under which name it is noted.
READS = {
    "/reports/agreement/?group_by=inspector": "report",
    "/reports/agreement/?inspector={ivy}": "report",
    "/api/v1/reports/agreement/?group_by=inspector": "report",
    "/api/v1/reports/agreement/?group_by=inspector&format=csv": "report",
    "/api/v1/reports/agreement/?group_by=inspector&format=xlsx": "report",
    "/api/v1/reports/agreement/?group_by=inspector&format=pdf": "report",
    "/api/v1/reports/pairs/": "pairs",
    "/api/v1/reports/pairs/?format=csv": "pairs",
    "/discrepancies/?inspector={ivy}": "discrepancies",
    "/api/v1/discrepancies/?inspector={ivy}": "discrepancies",
    "/inspectors/studies/{study}/": "study",
    "/api/v1/studies/": "study",
    "/api/v1/studies/{study}/": "study",
    "/api/v1/studies/{study}/?format=csv": "study",
}


@pytest.mark.parametrize("url", READS)
def test_every_page_and_file_with_figures_of_persons_is_on_record(url, page, judged, line, ivy, sam):
    study = Study.objects.create(line=line, name="March", rounds=1, by=sam)
    study.inspectors.add(ivy)
    response = page(sam).get(url.format(ivy=ivy.pseudonym, study=study.pk))
    assert response.status_code == 200
    assert rows() == [("sam", "ivy", READS[url], "line-a")]


@pytest.mark.parametrize(
    "url", ["/reports/agreement/", "/discrepancies/", "/inspectors/studies/", "/api/v1/reports/agreement/"]
)
def test_figures_of_everybody_together_are_nobodys(url, page, judged, sam):
    page(sam).get(url)
    assert rows() == []


def test_the_list_of_names_beside_pseudonyms_is_on_record_with_whoever_is_in_it(page, ada, ivy, cam):
    page(ada).get("/setup/users/")
    assert rows() == [("ada", "ivy", "accounts", "")]
    assert AuditEvent.objects.get().action == "pseudonyms_read"


def test_a_person_reads_who_read_theirs_and_nobody_elses(page, line, ivy, ian, sam):
    note_figures_read(of=[ivy.pk], where=Where.INSPECTORS, line=line, by=sam)
    text = unescape(page(ivy).get("/preferences/data/").content.decode())
    assert "<td>sam</td><td>Figures of the inspectors</td><td>Line A</td>" in text
    assert "Nobody has read figures of yours" in page(ian).get("/preferences/data/").content.decode()


def test_readings_are_kept_as_long_as_the_setting_says(line, ivy, sam, settings):
    settings.KEEP_READINGS_DAYS = 30
    for days in (29, 32):
        note_figures_read(of=[ivy.pk], where=Where.REPORT, line=line, by=sam, now=START - timedelta(days=days))
    assert prune(now=START)["readings"] == 1
    assert FiguresRead.objects.count() == 1


# ---- How far back they are told


def test_figures_of_persons_go_back_as_far_as_the_setting_says(line, settings):
    assert as_far_as_kept(Span(), line, START) == Span()
    settings.KEEP_PERSONS_DAYS = 30
    assert as_far_as_kept(Span(), line, START) == Span(start=date(2026, 1, 31))
    assert as_far_as_kept(Span(start=date(2026, 2, 1)), line, START) == Span(start=date(2026, 2, 1))
    for span in (Span(start=date(2026, 1, 30)), Span(end=date(2026, 1, 30))):
        with pytest.raises(BadInput, match="told from 2026-01-31 on"):
            as_far_as_kept(span, line, START)


ASKS = [
    "/reports/agreement/?from=2020-01-01&group_by=inspector",
    "/api/v1/reports/agreement/?from=2020-01-01&inspector={ivy}",
    "/api/v1/inspectors/?from=2020-01-01",
    "/api/v1/discrepancies/?from=2020-01-01&inspector={ivy}",
]


@pytest.mark.parametrize("url", ASKS)
def test_whoever_asks_for_more_is_told_so_and_figures_of_everybody_stay(url, page, judged, ivy, sam, settings):
    settings.KEEP_PERSONS_DAYS = 30
    assert page(sam).get(url.format(ivy=ivy.pseudonym)).status_code == 400
    assert page(sam).get("/reports/agreement/?from=2020-01-01").status_code == 200


def test_older_pairs_name_nobody(page, judged, ivy, sam, settings, monkeypatch):
    settings.KEEP_PERSONS_DAYS = 30
    text = page(sam).get("/api/v1/reports/pairs/").content.decode()
    assert ivy.pseudonym in text
    monkeypatch.setattr("shadow.pair_rows.first_day", lambda line: date(2100, 1, 1))
    [row] = page(sam).get("/api/v1/reports/pairs/").json()["results"]
    assert (row["serial"], row["inspector"]) == ("SN1", "")
