"""Discrepancies: who finds which, what settling one changes and what it never changes, and who was shown what."""

from datetime import timedelta
from io import BytesIO

import pytest
from django.utils import timezone
from PIL import Image

from inspection import actions
from inspection.models import AuditEvent, Line, ModelOutputShown
from inspection.refusals import BadInput, Conflict, NotAllowed, Unknown
from shadow import discrepancies as listing
from shadow.adjudicating import adjudicate
from shadow.asked import read_asked
from shadow.models import Adjudication, ModelVersion
from shadow.pairs import pairs
from shadow.reports import agreement_report
from shadow.showing import note_shown

URL = "/api/v1/discrepancies/"


@pytest.fixture
def version(db):
    return ModelVersion.objects.create(
        name="starter", weights_sha256="0" * 64, threshold=0.5, thresholds=[0.1], by="ada"
    )


def found(by, **params):
    return [pair.prediction_id for pair in listing.find_pairs(listing.read_sought(params, by)).pairs]


# ---- the list ------------------------------------------------------------------------------------


def test_only_judged_parts_that_differ_are_listed_newest_first(compared, sam):
    escape, overkill = compared("scratched", 0.1), compared("ok", 0.9)
    for verdict, score in [("ok", 0.1), ("scratched", 0.9), ("unsure", 0.9), ("ok", None), (None, 0.9)]:
        compared(verdict, score)
    assert found(sam) == [overkill.pk, escape.pk]
    assert found(sam, kind="escape") == [escape.pk]
    assert found(sam, kind="overkill") == [overkill.pk]


def test_a_correction_makes_and_ends_a_discrepancy(compared, sam):
    made, ended = compared("ok", 0.1), compared("ok", 0.9)
    for prediction in (made, ended):
        verdict = prediction.inspection.verdicts.get()
        actions.correct_verdict(verdict=verdict, outcome="scratched", reason="looked again", by=sam)
    assert found(sam) == [made.pk]


def test_filters_by_adjudication_line_model_evidence_and_span(compared, sam, line):
    other_line = Line.objects.create(slug="line-b", name="Line B")
    other = ModelVersion.objects.create(name="other", weights_sha256="1" * 64, threshold=0.5, thresholds=[], by="ada")
    yesterday = timezone.now() - timedelta(days=1)
    old = compared("ok", 0.9, now=yesterday)
    elsewhere, assisted = compared("ok", 0.9, on=other_line), compared("ok", 0.9, blind=False)
    theirs = compared("ok", 0.9, model=other)
    adjudicate(prediction=old, finding="model", reason="dust", by=sam)
    assert found(sam, adjudicated="yes") == [old.pk]
    assert found(sam, adjudicated="no") == [theirs.pk, assisted.pk, elsewhere.pk]
    assert found(sam, line="line-b") == [elsewhere.pk]
    assert found(sam, model="other") == [theirs.pk]
    assert found(sam, evidence="assisted") == [assisted.pk]
    assert found(sam, to=f"{yesterday:%Y-%m-%d}") == [old.pk]


def test_a_line_that_the_reader_is_not_bound_to_is_left_out(compared, sam):
    elsewhere = Line.objects.create(slug="line-b", name="Line B")
    compared("ok", 0.9)
    mine = compared("ok", 0.9, on=elsewhere)
    sam.lines.add(elsewhere)
    assert found(sam) == [mine.pk]
    with pytest.raises(NotAllowed):
        found(sam, line="line-a")


@pytest.mark.parametrize(
    "params",
    [
        {"kind": "miss"},
        {"adjudicated": "maybe"},
        {"evidence": "x"},
        {"from": "1/2/26"},
        {"age": "2"},
        {"order": "best"},
    ],
)
def test_a_wrong_filter_is_refused(db, sam, line, params):
    with pytest.raises(BadInput, match=r"Allowed|2026-01-31"):
        found(sam, **params)


def test_pages_hold_every_discrepancy_once(compared, sam):
    wanted = [prediction.pk for score in [0.9, 0.9, 0.1] * 4 if (prediction := compared("ok", score)).score == 0.9]
    seen, before = [], None
    sought = listing.read_sought({}, sam)
    while True:
        page = listing.find_pairs(sought, before=before, limit=2)
        seen += [pair.prediction_id for pair in page.pairs]
        if page.next is None:
            break
        before = page.next
    assert seen == sorted(wanted, reverse=True)


def test_the_next_open_one_goes_round_and_ends(compared, sam):
    first, second = compared("ok", 0.9), compared("scratched", 0.1)
    sought = listing.read_sought({}, sam)
    assert listing.next_open(sought, after=second.pk) == first.pk
    assert listing.next_open(sought, after=first.pk) == second.pk
    adjudicate(prediction=first, finding="person", reason="seen", by=sam)
    assert listing.next_open(sought, after=second.pk) is None


def walk(sought, limit=2):
    """The whole list, read page by page."""
    seen, before = [], None
    while True:
        keys = listing.find_keys(sought, before=before, limit=limit)
        if not keys:
            return seen
        seen, before = seen + keys, keys[-1]


def test_the_surest_mistakes_first_escapes_before_overkill(compared, sam, line):
    other_line = Line.objects.create(slug="line-b", name="Line B")
    scores = {"ok": [0.6, 0.95, 0.6, 0.8], "scratched": [0.3, 0.01, 0.2, 0.3]}
    made = [
        (compared(verdict, score, on=(line, other_line)[number % 2]), score)
        for verdict, of in scores.items()
        for number, score in enumerate(of)
    ]
    adjudicate(prediction=made[1][0], finding="model", reason="dust", by=sam)
    adjudicate(prediction=made[4][0], finding="ambiguous", reason="hard", by=sam)
    escapes = sorted((score, row.pk) for row, score in made[4:])
    overkill = sorted(((score, row.pk) for row, score in made[:4]), reverse=True)
    wanted = [pk for _score, pk in (*escapes, *overkill)]
    sought = listing.read_sought({"order": "surest"}, sam)
    assert [walk(sought, limit) for limit in (1, 3, 50)] == [wanted] * 3
    still_open = listing.read_sought({"order": "surest", "adjudicated": "no"}, sam)
    assert walk(still_open) == [pk for pk in wanted if pk not in (made[1][0].pk, made[4][0].pk)]
    assert listing.next_open(still_open, after=wanted[0]) == next(pk for pk in wanted[1:] if pk in walk(still_open))


def test_many_lines_are_merged_newest_first(compared, sam, line):
    lines = [line, *(Line.objects.create(slug=f"line-{n}", name=f"Line {n}") for n in range(2))]
    wanted = [compared("ok", 0.9, on=lines[n % 3]).pk for n in range(7)]
    assert walk(listing.read_sought({}, sam)) == wanted[::-1]


@pytest.mark.parametrize(("age", "days"), [("today", [0, 0.01]), ("1", [2, 8, 31]), ("7", [8, 31]), ("30", [31])])
def test_an_age_is_today_or_longer_ago(compared, sam, line, age, days):
    now = timezone.now().replace(hour=12)
    parts = {day: compared("ok", 0.9, now=now - timedelta(days=day)).pk for day in (0, 0.01, 2, 8, 31)}
    sought = listing.read_sought({"age": age}, sam, now=now)
    assert set(walk(sought)) == {parts[day] for day in days}


def test_scores_and_lots_narrow_the_list(compared, sam):
    rows = {score: compared("ok", score, lot=f"L{n}").pk for n, score in enumerate((0.5, 0.7, 0.9))}
    assert found(sam, score_from="0.7") == [rows[0.9], rows[0.7]]
    assert found(sam, score_below="0.7") == [rows[0.5]]
    assert found(sam, lot="L1", score_from="0.5", score_below="1") == [rows[0.7]]


def test_more_than_can_be_counted_is_not_counted(compared, sam, monkeypatch):
    monkeypatch.setattr(listing, "MOST_COUNTED", 2)
    for _ in range(4):
        compared("ok", 0.9)
    sought = listing.read_sought({}, sam)
    assert (len(walk(sought)), listing.count(sought)) == (4, 3)


# ---- settling ------------------------------------------------------------------------------------


def test_settling_changes_its_own_column_and_no_figure(compared, sam):
    prediction = compared("scratched", 0.1)
    asked = read_asked({}, sam)
    before = agreement_report(asked)
    adjudicate(prediction=prediction, finding="model", reason="dust", by=sam)
    after = agreement_report(asked)
    assert (after.confusion, after.groups, after.excluded) == (before.confusion, before.groups, before.excluded)
    assert (before.adjudicated["escape"].open, after.adjudicated["escape"].model) == (1, 1)
    [pair] = pairs(version=prediction.version)
    assert (pair.outcome, pair.evidence_outcome, pair.finding) == ("scratched", "scratched", "model")


def test_settling_leaves_its_audit_row_and_the_last_finding_holds(compared, sam, ada):
    prediction = compared("ok", 0.9)
    adjudicate(prediction=prediction, finding="ambiguous", reason="hard to say", by=sam)
    adjudicate(prediction=prediction, finding="person", reason="cleaned: it is dust", by=ada)
    assert pairs(version=prediction.version)[0].finding == "person"
    events = AuditEvent.objects.filter(action="discrepancy_adjudicated")
    assert [(event.by, event.data["finding"], event.data["kind"]) for event in events] == [
        ("sam", "ambiguous", "overkill"), ("ada", "person", "overkill"),
    ]  # fmt: skip


def test_the_same_finding_again_adds_nothing(compared, sam):
    prediction = compared("ok", 0.9)
    rows = [adjudicate(prediction=prediction, finding="person", reason="dust", by=sam) for _ in range(2)]
    assert rows[0] == rows[1]
    assert Adjudication.objects.count() == AuditEvent.objects.filter(action="discrepancy_adjudicated").count() == 1


@pytest.mark.parametrize(
    ("verdict", "score"), [("ok", 0.1), ("scratched", 0.9), ("unsure", 0.9), (None, 0.9), ("ok", None)]
)
def test_nothing_to_settle_where_they_do_not_differ(compared, sam, verdict, score):
    with pytest.raises(Conflict, match="nothing to settle"):
        adjudicate(prediction=compared(verdict, score), finding="person", reason="x", by=sam)


@pytest.mark.parametrize(("finding", "reason"), [("both", "x"), ("", "x"), ("person", " ")])
def test_a_finding_needs_its_word_and_its_reason(compared, sam, finding, reason):
    with pytest.raises(BadInput):
        adjudicate(prediction=compared("ok", 0.9), finding=finding, reason=reason, by=sam)


def test_another_lines_supervisor_may_not_settle(compared, sam):
    prediction = compared("ok", 0.9)
    sam.lines.add(Line.objects.create(slug="line-b", name="Line B"))
    with pytest.raises(NotAllowed):
        adjudicate(prediction=prediction, finding="person", reason="x", by=sam)


# ---- the API -------------------------------------------------------------------------------------


def test_the_list_over_the_api_pages_by_its_own_link(compared, sam, api, monkeypatch):
    monkeypatch.setattr(listing, "PAGE", 1)
    first, second = compared("ok", 0.9), compared("scratched", 0.1)
    body = api(sam).get(URL).json()
    [row] = body["results"]
    assert (row["id"], row["kind"], row["verdict"], row["predicted"]) == (second.pk, "escape", "scratched", "ok")
    assert [row["id"] for row in api(sam).get(body["next"]).json()["results"]] == [first.pk]


def test_settling_over_the_api(compared, sam, api):
    prediction = compared("ok", 0.9)
    url = f"{URL}{prediction.pk}/adjudication/"
    settled = {"finding": "model", "reason": "hairline"}
    answer = api(sam).post(url, settled)
    assert (answer.status_code, answer.json()["finding"], answer.json()["by"]) == (201, "model", "sam")
    assert api(sam).post(url, {"finding": "nobody", "reason": "x"}).status_code == 400
    assert api(sam).post(url, {"finding": "model"}).status_code == 400
    assert api(sam).post(f"{URL}{prediction.pk + 1}/adjudication/", settled).status_code == 404
    assert api(sam).post(f"{URL}{compared('ok', 0.1).pk}/adjudication/", settled).status_code == 409


@pytest.mark.parametrize(("person", "status"), [("ivy", 403), ("cam", 403), ("otto", 403), ("sam", 201), ("ada", 201)])
def test_who_may_settle(compared, api, request, person, status):
    url = f"{URL}{compared('ok', 0.9).pk}/adjudication/"
    user = request.getfixturevalue(person)
    assert api(user).post(url, {"finding": "model", "reason": "x"}).status_code == status


def test_predictions_are_listed_with_their_failures(compared, sam, api):
    compared("ok", 0.25, serial="SN8")
    compared(None, None, serial="SN7")
    rows = {row["serial"]: row for row in api(sam).get("/api/v1/predictions/").json()["results"]}
    assert (rows["SN7"]["score"], rows["SN7"]["outcome"], rows["SN7"]["null_reason"]) == (None, None, "blank")
    assert (rows["SN8"]["score"], rows["SN8"]["outcome"], rows["SN8"]["model"]) == (0.25, "ok", "starter")
    assert set(rows["SN8"]) == {"inspection", "serial", "model", "score", "outcome", "null_reason", "at"}
    assert len(api(sam).get("/api/v1/predictions/", {"serial": "SN8", "line": "line-a"}).json()["results"]) == 1


def test_a_model_is_read_by_name_or_number(version, sam, api):
    answers = [api(sam).get(f"/api/v1/models/{key}/") for key in ("starter", version.pk)]
    assert [answer.json()["name"] for answer in answers] == ["starter", "starter"]
    assert "starter" in api(sam).get("/api/v1/models/nobody/").json()["detail"]
    assert api(sam).get("/api/v1/models/").json()["results"][0]["name"] == "starter"


# ---- what was shown to whom ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "where"),
    [
        (URL, "api discrepancies"), ("/api/v1/predictions/", "api predictions"), ("/discrepancies/", "discrepancies"),
        ("/discrepancies/{pk}/", "discrepancy"), ("/predictions/{pk}/heatmap/0.png", "heat map"),
    ],
)  # fmt: skip
def test_whatever_serves_a_prediction_says_to_whom(compared, sam, page, url, where):
    prediction = compared("ok", 0.9, heat=True)
    for _ in range(2):
        assert page(sam).get(url.format(pk=prediction.pk)).status_code == 200
    [row] = ModelOutputShown.objects.filter(where=where)
    assert (row.inspection_id, row.user) == (prediction.inspection_id, sam)


@pytest.mark.parametrize("url", ["/reports/agreement/", "/models/", "/models/starter/", "/api/v1/reports/agreement/"])
def test_figures_of_many_parts_show_nothing_of_one(compared, sam, page, url):
    for _ in range(20):
        compared("ok", 0.9)
    assert page(sam).get(url).status_code == 200
    assert not ModelOutputShown.objects.exists()


def test_a_list_is_noted_in_one_insert_and_again_the_next_day(compared, sam, django_assert_num_queries):
    parts = [compared("ok", 0.9).inspection_id for _ in range(3)]
    now = timezone.now()
    with django_assert_num_queries(2):
        note_shown(user=sam, inspections=parts, where="test", now=now)
    note_shown(user=sam, inspections=parts, where="test", now=now + timedelta(hours=23))
    note_shown(user=sam, inspections=parts, where="test", now=now + timedelta(hours=25))
    assert ModelOutputShown.objects.filter(user=sam).count() == 6


def test_a_part_that_waits_for_a_verdict_gives_nothing_away(compared, sam, page):
    prediction = compared(None, 0.9)
    assert page(sam).get("/discrepancies/").context["exhibits"] == []
    assert page(sam).get(f"/discrepancies/{prediction.pk}/").status_code == 404
    with pytest.raises(Unknown):
        listing.find_judged_pair(prediction.pk, sam)
    assert not ModelOutputShown.objects.exists()


# ---- the pages -----------------------------------------------------------------------------------


def test_the_form_settles_and_goes_to_the_next_open_one(compared, sam, page):
    first, second = compared("ok", 0.9), compared("scratched", 0.1)
    answer = page(sam).post(f"/discrepancies/{second.pk}/?line=line-a", {"finding": "person", "reason": "seen"})
    assert answer.url == f"/discrepancies/{first.pk}/?line=line-a"
    answer = page(sam).post(f"/discrepancies/{first.pk}/?line=line-a", {"finding": "model", "reason": "seen"})
    assert answer.url == "/discrepancies/done/?line=line-a"
    assert [row.finding for row in Adjudication.objects.all()] == ["person", "model"]


def test_a_form_without_a_reason_comes_back_with_what_was_typed(compared, sam, page):
    prediction = compared("ok", 0.9)
    answer = page(sam).post(f"/discrepancies/{prediction.pk}/", {"finding": "model", "reason": " "})
    assert answer.status_code == 400
    assert "Say why" in answer.content.decode()
    assert not Adjudication.objects.exists()


@pytest.mark.parametrize("url", ["/reports/agreement/", "/discrepancies/", "/models/", "/models/starter/"])
def test_pages_are_the_supervisors(compared, version, page, client, ivy, sam, url):
    assert client.get(url).status_code == 302
    assert page(ivy).get(url).status_code == 403
    answer = page(sam).get(url)
    assert answer.status_code == 200
    assert "style=" not in answer.content.decode()


def test_the_tiles_open_the_parts_that_they_count(compared, sam, page):
    for verdict, score in [("ok", 0.1), ("ok", 0.9), ("scratched", 0.1), ("scratched", 0.9), ("scratched", 0.8)]:
        compared(verdict, score)
    compared("scratched", 0.1, blind=False)
    tiles = page(sam).get("/reports/agreement/").context["tiles"]
    listed = {tile.cell: len(page(sam).get(tile.url).context["exhibits"]) for tile in tiles}
    assert listed == {tile.cell: tile.count for tile in tiles} == {
        "both_ok": 1, "overkill": 1, "escape": 1, "both_scratched": 2,
    }  # fmt: skip


def test_an_undefined_kappa_says_why(compared, sam, page):
    compared("ok", 0.1)
    assert "not defined: only one class seen" in page(sam).get("/reports/agreement/").content.decode()


def test_the_heat_map_is_a_transparent_picture_of_the_photos_shape(compared, sam, page):
    prediction = compared("ok", 0.9, heat=True)
    answer = page(sam).get(f"/predictions/{prediction.pk}/heatmap/0.png")
    image = Image.open(BytesIO(answer.content))
    assert (image.mode, image.size) == ("RGBA", (640, 360))
    assert "private" in answer["Cache-Control"]
    assert "Cookie" in answer["Vary"]
    assert page(sam).get(f"/predictions/{prediction.pk}/heatmap/1.png").status_code == 404
