"""The discrepancy desk in a real browser: ten discrepancies cleared by keys, the same without JavaScript, and what goes wrong."""

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from inspection import actions
from inspection.models import AuditEvent, Containment, Disposition, Draw, ModelOutputShown, SeededPart
from shadow.asked import read_asked
from shadow.models import Adjudication, HeatMap, Prediction
from shadow.reports import agreement_report
from tests.journeys.hands import HAND, eventually, press, serial
from tests.journeys.test_accessibility import faults, told

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]

# (verdict, score) of ten parts, oldest first: the list begins at the end.
TEN = [
    ("scratched", 0.02), ("ok", 0.93), ("ok", 0.81), ("scratched", 0.2), ("ok", 0.7),
    ("ok", 0.99), ("scratched", 0.4), ("ok", 0.66), ("ok", 0.9), ("ok", 0.58),
]  # fmt: skip


@pytest.fixture
def differing(line, version, make_part, judge, ivy):
    """Writes parts on which ivy and the version differ, and returns them newest first."""

    def write(pairs, **fields):
        found = []
        for verdict, score in pairs:
            part = make_part(lot="L7", variant="Pro", **fields)
            Draw.objects.create(inspection=part, key="k", u_canary=0.5, u_audit=0.5, u_blind=0.5, blind=True)
            marks = [{"photo": 0, "box": [0.2, 0.2, 0.1, 0.1], "score": score}] if score >= 0.5 else []
            answer = "scratched" if score >= 0.5 else "ok"
            prediction = Prediction.objects.create(
                inspection=part, version=version, score=score, outcome=answer, marks=marks
            )
            HeatMap.of(prediction, [np.eye(36, 64) * 255] * part.photos.count()).save()
            judge(part, ivy, verdict)
            found.append(part)
        return found[::-1]

    return write


@pytest.fixture
def at(sign_in, sam):
    """sam's browser at a page."""

    def go(path: str, **options) -> Page:
        page = sign_in("sam", **options)
        page.goto(path)
        return page

    return go


def write(page: Page, words: str) -> None:
    page.wait_for_timeout(HAND)
    page.keyboard.type(words, delay=HAND)


def shows(page: Page, part) -> None:
    expect(serial(page)).to_have_text(part.serial)


def begin(page: Page, part) -> None:
    """From the gallery to the first one, once the page hears keys."""
    press(page, "Enter")
    shows(page, part)
    page.wait_for_load_state("load")


def findings() -> list[tuple[str, str, str]]:
    rows = Adjudication.objects.order_by("pk").select_related("prediction__inspection")
    return [(row.prediction.inspection.serial, row.finding, row.reason) for row in rows]


def test_ten_discrepancies_are_cleared_by_keys_alone(at, differing, line, sam):
    parts = differing(TEN, photos=2)
    before = list(Disposition.objects.order_by("pk").values_list("outcome", "inspection"))
    page = at("/discrepancies/")
    expect(page.locator("[data-card]")).to_have_count(10)
    begin(page, parts[0])
    expect(page.locator("[data-open]")).to_contain_text("10 of 10 open")

    press(page, "p", "1")  # the first reason on offer
    shows(page, parts[1])
    press(page, "p", "2")
    shows(page, parts[2])
    press(page, "p", "Enter")  # the reason given last
    shows(page, parts[3])
    press(page, "m", "3")  # an escape that is none
    shows(page, parts[4])
    press(page, "a", "2")
    shows(page, parts[5])
    press(page, "s")  # a second look first, then settled
    expect(page.get_by_text("A second person is to judge it, blind.")).to_be_visible()
    press(page, "p", "1")
    shows(page, parts[6])
    expect(page.locator("[data-open]")).to_contain_text("4 of 10 open")
    press(page, "h", "ArrowRight")
    expect(page.locator("[data-view='2']:not([hidden]) .heat")).to_be_visible()
    press(page, "v")
    expect(page.locator("[data-view='2'] .marks")).to_be_hidden()
    press(page, "p", "r")
    write(page, "glue at the frame")
    press(page, "Enter")
    shows(page, parts[7])
    expect(page.locator("[data-view='1']:not([hidden]) .heat")).to_be_visible()
    press(page, "p", "1")
    shows(page, parts[8])
    press(page, "m", "1")  # the person passed it, and it is scratched
    shows(page, parts[9])
    press(page, "p", "1")
    expect(page.get_by_role("heading", name="Every difference of this list is settled")).to_be_visible()
    expect(page.get_by_text("You settled 10 parts on these lines today.")).to_be_visible()
    expect(page.get_by_text("1 part had escaped: its containment was opened.")).to_be_visible()
    expect(page.get_by_text("1 second look that you asked for waits for somebody.")).to_be_visible()

    assert findings() == [
        (parts[0].serial, "person", "Dust"), (parts[1].serial, "person", "Reflection"),
        (parts[2].serial, "person", "Reflection"), (parts[3].serial, "model", "Fingerprint"),
        (parts[4].serial, "ambiguous", "Right at the limit"), (parts[5].serial, "person", "Dust"),
        (parts[6].serial, "person", "glue at the frame"), (parts[7].serial, "person", "Dust"),
        (parts[8].serial, "model", "Hairline scratch"), (parts[9].serial, "person", "Hairline scratch"),
    ]  # fmt: skip
    assert Containment.objects.get().inspection == parts[8]
    assert SeededPart.objects.get().source == parts[5]
    assert list(Disposition.objects.order_by("pk").values_list("outcome", "inspection")) == before
    assert AuditEvent.objects.filter(action="discrepancy_adjudicated", by="sam").count() == 10
    settled = agreement_report(read_asked({"line": line.slug}, sam)).adjudicated
    assert [(row.person, row.model, row.ambiguous, row.open) for row in (settled["escape"], settled["overkill"])] == [
        (2, 1, 0, 0), (5, 1, 1, 0),
    ]  # fmt: skip
    page.goto("/reports/agreement/")
    expect(page.get_by_text("5 person right, 1 model right, 1 ambiguous")).to_be_visible()


def test_the_next_part_is_fetched_ahead_and_noted_as_served(at, differing, sam):
    parts = differing(TEN[:3])
    page = at("/discrepancies/")
    begin(page, parts[0])
    noted = ModelOutputShown.objects.filter(user=sam, where="discrepancy").values_list("inspection", flat=True)
    eventually(lambda: set(noted.all()) == {parts[0].pk, parts[1].pk})
    with page.expect_request(lambda request: request.method == "POST"):
        press(page, "p", "1")
        shows(page, parts[1])
    eventually(lambda: parts[2].pk in noted.all())


def test_back_to_the_last_one_and_another_finding(at, differing, sam):
    parts = differing(TEN[:3])
    page = at("/discrepancies/?adjudicated=no")
    begin(page, parts[0])
    press(page, "p", "1")
    shows(page, parts[1])
    expect(page.locator("[data-open]")).to_contain_text("2 of 3 open")
    press(page, "u")
    shows(page, parts[0])
    expect(page.get_by_role("button", name="Change the finding")).to_be_visible()
    press(page, "a", "1")
    shows(page, parts[1])
    eventually(lambda: [row[1] for row in findings()] == ["person", "ambiguous"])
    press(page, "n")
    shows(page, parts[2])
    page.go_back()
    shows(page, parts[1])
    press(page, "q")
    expect(page.locator("[data-card]")).to_have_count(2)


def test_what_the_server_refuses_or_never_hears_is_said_and_can_be_reached(at, differing, sam):
    parts = differing(TEN[:4])
    page = at("/discrepancies/?adjudicated=no")
    begin(page, parts[0])
    page.wait_for_load_state("networkidle")
    page.route(
        "**/discrepancies/*/**", lambda route: route.abort() if route.request.method == "POST" else route.fallback()
    )
    press(page, "p", "1")
    shows(page, parts[1])
    notice = page.locator(".message.error")
    expect(notice).to_contain_text(f"{parts[0].serial}: not settled")
    assert findings() == []
    page.unroute_all()
    notice.get_by_role("link", name="Back to it").click()
    shows(page, parts[0])
    page.wait_for_load_state("networkidle")
    actions.correct_verdict(verdict=parts[0].verdicts.get(), outcome="ok", reason="seen", by=sam)
    press(page, "p", "1")
    shows(page, parts[1])
    expect(page.locator(".message.warning")).to_contain_text("there is nothing to settle")


def test_nothing_is_settled_by_halves(at, differing):
    [part] = differing(TEN[:1])
    page = at("/discrepancies/?adjudicated=no")
    begin(page, part)
    said = page.locator("[data-said]")
    press(page, "Enter")
    expect(said).to_have_text("Who was right? P, M or A.")
    press(page, "t")
    expect(said).to_have_text("Settle first who was right.")
    press(page, "4", "m", "Enter")
    expect(said).to_have_text("Say why.")
    expect(page.locator("#reason")).to_be_focused()
    assert findings() == []


def test_the_gallery_by_keys_settles_several_alike(at, differing):
    parts = differing(TEN[:6])
    page = at("/discrepancies/")
    press(page, "ArrowRight", "x", "ArrowRight", "ArrowRight", "x")
    expect(page.locator("[data-chosen]")).to_have_text("2 chosen")
    press(page, "m")
    write(page, "same smear")
    press(page, "Enter")
    expect(page.get_by_text("2 settled: model right.")).to_be_visible()
    assert findings() == [(part.serial, "model", "same smear") for part in (parts[0], parts[2])]
    press(page, "Home", "ArrowRight", "Enter")
    shows(page, parts[3])


def test_the_same_without_javascript(at, differing):
    parts = differing(TEN[:3], photos=2)
    page = at("/discrepancies/", java_script_enabled=False)
    page.get_by_role("link", name="Settle one by one").click()
    shows(page, parts[0])
    expect(page.locator("[data-view='1'] .heat")).to_be_hidden()
    page.get_by_role("button", name="Heat map H").or_(page.get_by_text("Heat map")).first.click()
    expect(page.locator("[data-view='1'] .heat")).to_be_visible()
    page.get_by_text("Person right").first.click()
    page.get_by_role("button", name="Dust").click()
    shows(page, parts[1])
    page.get_by_text("Model right").first.click()
    page.get_by_label("Why", exact=True).fill("a hair")
    page.get_by_role("button", name="Settle", exact=False).last.click()
    shows(page, parts[2])
    page.get_by_role("button", name="Ask for a second look").click()
    expect(page.get_by_text("A second person is to judge it, blind.")).to_be_visible()
    page.get_by_text("Ambiguous").first.click()
    page.get_by_role("button", name="Right at the limit").click()
    expect(page.get_by_role("heading", name="Every difference of this list is settled")).to_be_visible()
    assert [row[1:] for row in findings()] == [
        ("person", "Dust"),
        ("model", "a hair"),
        ("ambiguous", "Right at the limit"),
    ]
    page.goto("/discrepancies/?adjudicated=")
    page.get_by_label(f"Choose {parts[0].serial}").check()
    page.get_by_label("Ambiguous").check()
    page.get_by_label("Why", exact=True).fill("looked again")
    page.get_by_role("button", name="Settle", exact=True).click()
    expect(page.get_by_text("1 settled: ambiguous.")).to_be_visible()


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_desk_in_each_of_its_states_has_no_fault(at, differing, scheme):
    parts = differing(TEN[:5], photos=2)
    page = at("/discrepancies/?station=&score_from=0.01", color_scheme=scheme)
    wrong = {}
    wrong["gallery"] = faults(page)
    press(page, "ArrowRight", "x")
    wrong["choosing"] = faults(page)
    page.goto("/discrepancies/?adjudicated=no")
    begin(page, parts[0])
    for state, keys in {"desk": [], "heat map": ["h"], "chosen": ["p"], "keys": ["?"]}.items():
        for key in keys:
            press(page, key)
        wrong[state] = faults(page)
    press(page, "?", "1")
    shows(page, parts[1])
    press(page, "m", "1", "u")
    shows(page, parts[1])
    wrong["settled"] = faults(page)
    page.goto("/discrepancies/done/")
    wrong["done"] = faults(page)
    assert told(wrong) == ""
