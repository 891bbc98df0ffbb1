"""A first day in a real browser: ivy judges, sam reads and adjudicates, ada raises the line and is refused the next step."""

import re

import pytest
from playwright.sync_api import expect

from automation.models import Policy
from inspection.models import Correction, ModelOutputShown, Verdict
from shadow.models import Adjudication
from tests.journeys.hands import HAND, press

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]
NEVER_TO_AN_INSPECTOR = re.compile(r"prediction|heat.?map|score|audit_due|starter|disagree", re.IGNORECASE)


@pytest.fixture
def a_day_at_shadow(shadowed, make_part, judge, answer, version, ian):
    """110 blind pairs on line A: 20 scratched parts of which the model misses one, 90 good ones, one false alarm."""
    for number in range(110):
        part = make_part()
        scratched = number % 11 in (0, 1)
        model_says = scratched
        if number in (11, 30):
            model_says = not scratched
        answer(part, version, 0.9 if model_says else 0.01)
        judge(part, ian, "scratched" if scratched else "ok")
    return shadowed


def test_ivy_judges_three_parts_by_keyboard_and_sees_nothing_of_the_model(
    sign_in, shadowed, make_part, answer, version, ivy
):
    parts = [make_part(photos=2) for _ in range(3)]
    for part in parts:
        answer(part, version, 0.97)
    page = sign_in("ivy")
    advice = []
    page.on("response", lambda response: advice.append(response.status) if "/advice/" in response.url else None)
    page.goto(f"/inspect/{shadowed.slug}/")
    for part, key in zip(parts, ["j", "k", "u"], strict=True):
        expect(page.get_by_text(part.serial, exact=True).first).to_be_visible()
        assert not NEVER_TO_AN_INSPECTOR.search(page.locator("main").inner_text())
        assert "0.97" not in page.content()
        page.wait_for_timeout(300)  # a new part takes no answer in its first moments
        page.keyboard.press(key)
    expect(page.get_by_text("Nothing to", exact=False).first).to_be_visible()
    assert [v.outcome for v in Verdict.objects.order_by("pk")] == ["ok", "scratched", "unsure"]
    assert all(v.inspector == ivy and v.duration_ms > 0 for v in Verdict.objects.all())
    assert not ModelOutputShown.objects.exists()
    assert set(advice) == {204}


def test_ivy_undoes_a_verdict(sign_in, shadowed, make_part, ivy):
    make_part()
    page = sign_in("ivy")
    page.goto(f"/inspect/{shadowed.slug}/")
    page.wait_for_timeout(300)
    page.keyboard.press("j")
    expect(page.get_by_text("Nothing to", exact=False).first).to_be_visible()
    page.keyboard.press("z")
    page.locator("[data-again][data-ready]").wait_for()
    page.get_by_role("button", name="Scratched").first.click()
    expect(page.get_by_text("Nothing to", exact=False).first).to_be_visible()
    assert Correction.objects.get().outcome == "scratched"
    assert Verdict.objects.get().inspection.disposition.outcome == "reject"


def test_sam_reads_the_report_and_settles_a_discrepancy(sign_in, a_day_at_shadow, sam):
    page = sign_in("sam")
    page.goto("/reports/agreement/")
    expect(page.get_by_role("heading", level=1)).to_contain_text("1 of 20")
    page.goto("/discrepancies/?kind=escape")
    page.get_by_role("link", name="Settle one by one").click()
    page.wait_for_url(re.compile(r"/discrepancies/\d+/"))
    page.wait_for_load_state("load")  # the keys listen from here on
    page.wait_for_timeout(HAND)
    press(page, "p", "1")
    page.wait_for_url("**/discrepancies/done/**")
    settled = Adjudication.objects.get()
    assert (settled.finding, settled.by) == ("person", sam)
    assert ModelOutputShown.objects.filter(user=sam, inspection=settled.prediction.inspection).exists()


def test_ada_raises_to_assist_and_is_refused_partial_with_the_number_missing(sign_in, a_day_at_shadow, ada, api):
    line = a_day_at_shadow
    page = sign_in("ada")
    page.goto(f"/lines/{line.slug}/automation/")
    page.get_by_label("Reason").first.fill("A day without surprises.")
    page.get_by_role("button", name="Raise Line A to assist").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("assist")
    assert Policy.objects.filter(line=line).order_by("-number").first().level == "assist"

    answer = api(ada).post(f"/api/v1/lines/{line.slug}/automation/changes/", {"level": "partial", "reason": "Go on."})
    assert answer.status_code == 409
    reason = next(reason for reason in answer.data["errors"] if reason.startswith("certificate: "))
    missing = re.search(r"([\d,]+) more judged parts", reason)
    assert missing and int(missing[1].replace(",", "")) > 600
    # The page prints the very sentence, and its button cannot be pressed.
    expect(page.locator("main")).to_contain_text(reason.removeprefix("certificate: "))
    expect(page.get_by_role("button", name=re.compile("Raise Line A to partial"))).to_have_count(0)
