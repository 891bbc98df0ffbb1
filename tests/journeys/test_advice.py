"""Advice at assist in a real browser: it stands beside the photo where it may, by key, and the verdict records it."""

import numpy as np
import pytest
from playwright.sync_api import expect

from inspection.models import ModelOutputShown, Verdict
from shadow.models import HeatMap
from tests.journeys.hands import eventually, press, serial

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def assisted(line, version, set_level, kinds):
    set_level(line, "assist", version, blind_share=1e-9)
    return line


def test_the_suggestion_stands_beside_the_photo_and_the_verdict_records_when(
    sign_in, assisted, make_part, answer, version, ivy
):
    parts = [make_part() for _ in range(3)]
    for part in parts:
        marks = [{"photo": 0, "box": [0.2, 0.2, 0.1, 0.1], "score": 0.9}]
        HeatMap.of(answer(part, version, 0.93, marks=marks), [np.eye(36, 64) * 255]).save()
    page = sign_in("ivy")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/advice/" in request.url else None)
    page.goto(f"/inspect/{assisted.slug}/")
    advice = page.locator("[data-advice]")
    for part in parts[:2]:
        expect(serial(page)).to_have_text(part.serial)
        expect(advice).to_contain_text("The model suggests: scratched")
        expect(page.locator("[data-view]:not([hidden]) .advice-marks")).to_have_count(1)
        heat_map = page.locator("[data-view]:not([hidden]) .advice-heat")
        expect(heat_map).to_be_hidden()
        press(page, "h")
        expect(heat_map).to_be_visible()
        assert not page.locator("[name=outcome][aria-pressed=true], [name=outcome]:focus").count(), (
            "nothing pre-pressed"
        )
        assert f"/inspections/{part.pk + 1}/advice/" not in "".join(asked), "held ahead, and not advised on"
        press(page, "k")
    eventually(lambda: Verdict.objects.count() == 2)
    for verdict in Verdict.objects.all():
        first = ModelOutputShown.objects.filter(inspection=verdict.inspection, user=ivy).order_by("at").first()
        assert verdict.advice_shown_at == first.at < verdict.at


def test_on_a_blind_draw_nothing_comes_and_the_verdict_says_so(
    sign_in, line, version, set_level, make_part, answer, kinds, ivy
):
    set_level(line, "assist", version, blind_share=1.0)
    parts = [make_part() for _ in range(2)]
    for part in parts:
        answer(part, version, 0.93)
    page = sign_in("ivy")
    page.goto(f"/inspect/{line.slug}/")
    press(page, "k")
    expect(serial(page)).to_have_text(parts[1].serial)
    press(page, "h", "k")
    eventually(lambda: Verdict.objects.count() == 2)
    assert set(Verdict.objects.values_list("advice_shown_at", flat=True)) == {None}
    assert not ModelOutputShown.objects.exists()
