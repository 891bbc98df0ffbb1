"""The room in windows of every size, and zoomed in: all that can be pressed lies inside, apart, and large enough."""

import pytest
from playwright.sync_api import Page, expect

from inspection import actions
from tests.conftest import photo_bytes
from tests.journeys.hands import press, ready

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]

DESK = [(1280, 720), (1920, 1080), (3840, 2160)]
ZOOMED = [(640, 360), (320, 180), (320, 256)]  # 1280x720 at 200 and 400 %, and WCAG's own window for reflow
GLOVE = 44  # CSS pixels

# What can be pressed, each with its box as it is to be seen: cut by what scrolls around it, and by what sticks over it.
CONTROLS = """() => [...document.querySelectorAll(":is(.quiet-line, .bench) :is(a, button, summary, label.comment)")]
  .filter((each) => each.checkVisibility({ visibilityProperty: true }))
  .map((each) => {
    const { left, top, right, bottom } = each.getBoundingClientRect();
    const seen = [left, top + scrollY, right, bottom + scrollY];
    for (let box = each.parentElement; box !== document.body; box = box.parentElement) {
      if (getComputedStyle(box).overflow === "visible") continue;
      const edge = box.getBoundingClientRect();
      seen[0] = Math.max(seen[0], edge.left);
      seen[1] = Math.max(seen[1], edge.top + scrollY);
      seen[2] = Math.min(seen[2], edge.right);
      seen[3] = Math.min(seen[3], edge.bottom + scrollY);
    }
    const spills = getComputedStyle(each).overflow === "visible" && each.scrollWidth > each.clientWidth + 1;
    const action = each.matches("label") ? each.control.dataset.action : each.dataset.action;
    const name = action ?? each.dataset.viewLink ?? each.innerText.trim();
    return { name, seen, spills, size: [right - left, bottom - top] };
  })"""


def controls(page: Page) -> list[dict]:
    """Those in sight, with the page scrolled to its end, where nothing sticks over another."""
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    return [each for each in page.evaluate(CONTROLS) if area(each["seen"]) > 1]


def area(box) -> float:
    return max(0, box[2] - box[0]) * max(0, box[3] - box[1])


def common(one, other) -> float:
    corner = [max(pair) for pair in zip(one[:2], other[:2], strict=True)]
    return area([*corner, *(min(pair) for pair in zip(one[2:], other[2:], strict=True))])


def assert_all_in_order(page: Page) -> None:
    found = controls(page)
    width, height = page.evaluate("[document.documentElement.clientWidth, document.documentElement.scrollHeight]")
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page scrolls to the side"
    outside = [each for each in found if each["seen"][0] < 0 or each["seen"][2] > width or each["seen"][3] > height]
    assert not outside
    assert not [each["name"] for each in found if each["spills"]]
    pairs = [(one, other) for at, one in enumerate(found) for other in found[at + 1 :]]
    assert not [(one["name"], other["name"]) for one, other in pairs if common(one["seen"], other["seen"]) > 1]
    named = {each["name"] for each in found}
    assert {"ok", "unsure", "scratched", "comment", "other", "undo", "fit", "mark", "help"} <= named


@pytest.fixture
def room(sign_in, line, ivy, kinds):
    """The room with parts of so many views, at a size: `room(3, (1280, 720))`; the first part is judged already."""

    def enter(views: int, size: tuple[int, int], *, serial: str = "SN", **options) -> Page:
        for number in range(3):
            sent = [actions.NewPhoto(photo_bytes(seed=f"{number}/{view}"), view="left side") for view in range(views)]
            actions.receive_inspection(
                line=line, serial=f"{serial}{number}", lot=options.get("lot", "L1"), photos_sent=sent, by=None
            )
        page = sign_in("ivy", viewport={"width": size[0], "height": size[1]}, has_touch=options.get("touch", False))
        page.goto(f"/inspect/{line.slug}/")
        press(page, "j")
        expect(page.locator("[data-part-serial]")).to_have_text(f"{serial}1")
        ready(page)
        return page

    return enter


@pytest.mark.parametrize("size", DESK + ZOOMED, ids=str)
def test_nothing_that_is_pressed_lies_outside_or_over_another(room, size):
    page = room(3, size)
    assert_all_in_order(page)
    photo = page.locator("[data-stage]").bounding_box()
    assert photo["height"] >= 100
    if size in DESK:
        assert photo["height"] >= 0.8 * size[1]


def test_a_long_serial_and_lot_push_nothing_away(room):
    page = room(3, (1280, 720), serial="L" * 119, lot="Q" * 80)
    assert_all_in_order(page)
    press(page, "z")
    expect(page.get_by_role("button", name="Leave it as it is")).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("size", [(1280, 720), (1280, 600), (640, 360)], ids=str)
def test_eight_views_share_the_height_and_stay_large_enough(room, size):
    page = room(8, size)
    assert_all_in_order(page)
    boxes = [each.bounding_box() for each in page.locator("[data-view-link]").all()]
    assert all(box["height"] >= GLOVE for box in boxes)
    strip = page.locator("[data-strip]").bounding_box()
    if size[1] >= 600:
        assert boxes[-1]["y"] + boxes[-1]["height"] <= strip["y"] + strip["height"]


def test_a_glove_finds_every_key(room):
    page = room(3, (1280, 720), touch=True)
    page.context.new_cdp_session(page).send(
        "Emulation.setEmulatedMedia", {"features": [{"name": "pointer", "value": "coarse"}]}
    )
    press(page, "m")
    page.locator("[data-kinds]:not([hidden])").wait_for()
    press(page, "Enter")
    small = [each["name"] for each in controls(page) if min(each["size"]) < GLOVE]
    assert not small


@pytest.mark.parametrize("size", [(1280, 720), (640, 360)], ids=str)
def test_what_is_pressed_is_told_by_the_systems_own_colours(room, size):
    page = room(3, size)
    page.emulate_media(forced_colors="active")
    press(page, "i", "m", "Enter")
    ground = "(each) => getComputedStyle(each).backgroundColor"
    for chosen, other in [
        (".tool[data-action=invert]", ".tool[data-action=equalise]"),
        (".kind[aria-pressed=true]", ".kind[aria-pressed=false]"),
        (".strip-view[aria-current]", ".strip-view:not([aria-current])"),
    ]:
        assert page.locator(chosen).first.evaluate(ground) != page.locator(other).first.evaluate(ground)


def test_a_4k_screen_has_larger_letters_and_answers(room):
    page = room(1, (3840, 2160))
    assert page.locator(".answer.ok").bounding_box()["height"] >= 90
    size = page.locator("[data-part-lot]").evaluate("(each) => parseFloat(getComputedStyle(each).fontSize)")
    assert size >= 19
