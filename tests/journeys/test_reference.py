"""Samples beside the part, and the line's viewing time, in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from inspection import actions
from inspection.models import Line, Variant, Verdict
from tests.conftest import photo_bytes

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def samples(line, ada):
    """Three: any variant and view; one of another size for Nova alone; one of the back."""
    nova = Variant.objects.create(slug="nova", name="Nova")

    def add(seed, meaning, **fields):
        photo = photo_bytes(seed=seed, size=fields.pop("size", (320, 180)))
        return actions.add_sample(line=line, meaning=meaning, photo=photo, by=ada, **fields)

    return [
        add(101, "good", caption="for all"),
        add(102, "limit_scratched", caption="of the back", view="back"),
        add(103, "limit_ok", caption="of Nova", variant=nova, size=(160, 120)),
    ]


@pytest.fixture
def room(sign_in, line, ivy):
    def enter():
        page = sign_in("ivy")
        page.goto(f"/inspect/{line.slug}/")
        ready(page)
        return page

    return enter


def ready(page):
    page.wait_for_selector("[data-room-page][data-ready]")


def words(page):
    return page.locator("[data-sample]:not([hidden]) figcaption")


# The middle of each box, in shares of the photo that it shows.
REGION = """(selector) => {
  const box = document.querySelector(selector).getBoundingClientRect();
  const photo = [...document.querySelectorAll(selector + " img")].filter((img) => img.getClientRects().length).at(-1);
  const { left, top, width, height } = photo.getBoundingClientRect();
  const share = (middle, edge, length) => Math.round((1000 * (middle - edge)) / length) / 1000;
  return {
    size: [box.width, box.height],
    middle: [share(box.left + box.width / 2, left, width), share(box.top + box.height / 2, top, height)],
    width: Math.round(width),
  };
}"""


def test_samples_open_by_key_and_those_that_fit_come_first(room, make_part, samples):
    make_part(variant="Nova")
    make_part()
    page = room()
    stage = page.locator("[data-stage]")
    whole = stage.bounding_box()["width"]
    page.keyboard.press("r")
    expect(words(page)).to_contain_text("Limit: still OK")
    expect(words(page)).to_contain_text("of Nova")
    assert abs(stage.bounding_box()["width"] - whole / 2) <= 1
    expect(page.locator("[data-sample-count]")).to_have_text("1 of 3")
    page.keyboard.press("y")
    expect(words(page)).to_contain_text("for all")
    page.keyboard.press("y")
    expect(words(page)).to_contain_text("Limit: scratched")
    page.keyboard.press("y")
    expect(words(page)).to_contain_text("of Nova")
    with page.expect_response("**/verdicts/"):
        page.keyboard.press("j")
    expect(page.locator("[data-part-serial]")).to_have_text("SN00002")
    expect(words(page)).to_contain_text("for all")  # the next part is of no variant, and the panel stays open
    page.reload()
    expect(words(page)).to_contain_text("for all")
    page.keyboard.press("r")
    expect(page.locator("[data-samples]")).to_be_hidden()
    assert stage.bounding_box()["width"] == whole


def test_part_and_sample_show_the_same_region(room, make_part, samples):
    make_part()
    page = room()
    page.keyboard.press("r")
    expect(words(page)).to_contain_text("for all")
    for whole in ("[data-stage] img[data-full]", "[data-sample]:not([hidden]) img >> nth=-1"):
        expect(page.locator(whole)).to_have_js_property("complete", True)

    def both():
        page.wait_for_timeout(100)  # a frame to draw in
        part, sample = page.evaluate(REGION, "[data-stage]"), page.evaluate(REGION, "[data-reference]")
        assert part == sample
        return part

    fitted = both()
    box = page.locator("[data-reference]").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -900)  # over the sample
    near = both()
    assert near["width"] > 2 * fitted["width"]
    assert near["middle"] != fitted["middle"]
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4 - 60, box["y"] + box["height"] / 2 - 40)
    page.mouse.up()
    assert both()["middle"] != near["middle"]
    page.keyboard.press("f")
    assert both() == fitted


def test_the_look_is_the_samples_too(room, make_part, samples):
    make_part()
    page = room()
    page.keyboard.press("r")
    expect(words(page)).to_be_visible()
    page.keyboard.press("b")
    expect(page.locator("[data-look-changed]")).to_be_visible()
    looks = page.evaluate(
        "['[data-stage] img', '[data-sample]:not([hidden]) img'].map((s) => getComputedStyle(document.querySelector(s)).filter)"
    )
    assert looks[0] == looks[1] != "none"


def test_a_line_without_samples_says_so(room, make_part):
    make_part()
    page = room()
    page.keyboard.press("r")
    expect(page.locator("[data-samples]")).to_have_text(re.compile("This line has no samples yet"))


def test_the_viewing_time_covers_the_photo_and_answers_still_work(room, make_part, line):
    Line.objects.update(viewing_seconds=2)
    make_part(), make_part()
    page = room()
    photo, over = page.locator("[data-stage] [data-view]:not([hidden]) img").last, page.locator(".viewing-cover")
    expect(photo).to_be_visible()
    expect(page.locator("[data-viewing]")).to_be_visible()
    page.keyboard.press("p")  # a pause does not count
    page.wait_for_timeout(2500)
    page.get_by_role("button", name="Go on").click()
    assert over.text_content() == ""
    expect(over).to_have_text("The viewing time is over. Judge from what you saw, or say unsure.")
    expect(photo).to_be_hidden()
    for key in ("+", "0", "1", "l"):
        page.keyboard.press(key)
    expect(photo).to_be_hidden()
    expect(page.locator("[data-loupe]")).to_be_hidden()
    page.reload()  # brings no second look
    expect(over).to_be_visible()
    ready(page)
    page.keyboard.press("u")
    expect(page.locator("[data-part-serial]")).to_have_text("SN00002")
    expect(photo).to_be_visible()
    page.wait_for_timeout(300)
    assert Verdict.objects.get().outcome == "unsure"


def test_without_scripts_the_samples_are_a_page(browser, live_server, client, make_part, samples, line, ivy):
    make_part()
    client.force_login(ivy)
    context = browser.new_context(java_script_enabled=False, base_url=live_server.url)
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
    page = context.new_page()
    page.goto(f"/inspect/{line.slug}/")
    page.get_by_role("link", name="Samples").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Samples of Line A")
    expect(page.get_by_text("of the back", exact=True)).to_be_visible()
    context.close()
