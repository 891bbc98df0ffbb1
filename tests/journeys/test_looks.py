"""How the photo is looked at, in a real browser: zoom by every hand, exact 1:1, light, equalising, the loupe."""

import io

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from inspection import actions
from inspection.models import Verdict

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]
SIZE = (2400, 1600)


def as_png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def stripes() -> bytes:
    """Columns of one pixel, black and white: any scaling greys them."""
    pixels = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    pixels[:, ::2] = 255
    return as_png(pixels)


@pytest.fixture(scope="module")
def scratched() -> np.ndarray:
    """A dim, uneven surface in colour with a scratch that is three levels brighter."""
    rows, columns = np.mgrid[0:240, 0:320]
    grey = 60 + columns // 8 + rows // 12 + np.random.default_rng(7).integers(-1, 2, (240, 320))
    grey[120, 40:280] += 3
    return np.stack([grey, grey + 4, grey + 9], axis=-1).astype(np.uint8)


@pytest.fixture
def room(sign_in, line, ivy):
    """The room with parts of one photo each: `room(stripes)` gives its page once the first photo stands."""

    def enter(*photos: bytes) -> Page:
        for number, photo in enumerate(photos):
            sent = [actions.NewPhoto(photo)]
            actions.receive_inspection(line=line, serial=f"SN{number}", photos_sent=sent, by=None)
        page = sign_in("ivy")
        page.goto(f"/inspect/{line.slug}/")
        expect(page.locator("[data-scale]")).to_contain_text("%")
        return page

    return enter


def percent(page: Page) -> int:
    return int(page.locator("[data-scale]").inner_text().rstrip(" %"))


def rendered(page: Page) -> dict[str, float]:
    return page.locator("[data-view]:not([hidden]) img").last.evaluate("(img) => img.getBoundingClientRect().toJSON()")


def settle(page: Page) -> None:
    """Two frames: what was asked for is drawn."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def test_wheel_keys_and_double_click_zoom_and_one_to_one_is_one_device_pixel(room, stripes):
    page = room(stripes)
    whole = rendered(page)
    page.mouse.move(640, 350)
    page.mouse.wheel(0, -300)
    settle(page)
    assert rendered(page)["width"] > whole["width"] * 1.4
    page.keyboard.press("f")
    expect(page.locator("[data-said]")).to_have_class("stage-said on")
    assert rendered(page) == pytest.approx(whole, abs=1)
    page.keyboard.press("+")
    page.wait_for_timeout(100)
    assert rendered(page)["width"] == pytest.approx(whole["width"] * 1.5, rel=0.01)

    page.keyboard.press("0")
    expect(page.locator("[data-scale]")).to_have_text("100 %")
    expect(page.locator("[data-said]")).to_have_text("100 %")
    page.wait_for_timeout(400)  # the move is over, the photo is painted anew
    assert (rendered(page)["width"], rendered(page)["height"]) == pytest.approx(SIZE, abs=0.01)
    row = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("L"))[300, 150:1100].astype(int)
    assert np.abs(np.diff(row)).min() == 255

    before = rendered(page)["x"]
    page.keyboard.press("Shift+ArrowRight")
    settle(page)
    assert rendered(page)["x"] < before
    page.mouse.dblclick(640, 350)
    settle(page)
    assert rendered(page) == pytest.approx(whole, abs=1)


def test_the_photo_never_leaves_the_window_and_the_lines_cap_holds(room, line, stripes):
    line.zoom_limit = 150
    line.save()
    page = room(stripes)
    for _ in range(12):
        page.locator("[data-action=zoom_in]").click()
    expect(page.locator("[data-scale]")).to_have_text("150 %")
    expect(page.locator("[data-said]")).to_contain_text("the closest look on this line")
    page.mouse.move(640, 350)
    page.mouse.down()
    page.mouse.move(1180, 640, steps=4)
    page.mouse.move(2900, 1900, steps=4)
    page.mouse.up()
    settle(page)
    stage, photo = page.locator("[data-stage]").bounding_box(), rendered(page)
    assert (photo["x"], photo["y"]) == pytest.approx((stage["x"], stage["y"]), abs=1)


def test_the_cap_holds_the_fitted_photo_and_the_loupe_too(room, line):
    line.zoom_limit = 100
    line.save()
    page = room(as_png(np.full((540, 960), 90, np.uint8)))  # the window would fit it at 108 %
    expect(page.locator("[data-scale]")).to_have_text("100 %")
    page.locator("[data-action=fit]").click()
    expect(page.locator("[data-said]")).to_have_text("100 %, the closest look on this line")
    stage, photo = page.locator("[data-stage]").bounding_box(), rendered(page)
    assert (photo["width"], photo["height"]) == pytest.approx((960, 540), abs=0.01)
    left, right = photo["x"] - stage["x"], stage["x"] + stage["width"] - photo["x"] - photo["width"]
    assert left == pytest.approx(right, abs=1)
    page.mouse.move(500, 300)
    page.locator("[data-action=loupe]").click()
    expect(page.locator("[data-said]")).to_have_text("loupe 100 %")
    page.set_viewport_size({"width": 800, "height": 720})  # now it fits below the cap, and is fitted again
    expect(page.locator("[data-scale]")).not_to_have_text("100 %")
    settle(page)
    assert rendered(page)["width"] == pytest.approx(page.locator("[data-stage]").bounding_box()["width"], abs=1)


def test_each_part_begins_fitted_unless_the_zoom_is_kept(room, stripes):
    page = room(stripes, stripes, stripes)
    fitted = percent(page)
    page.keyboard.press("0")
    expect(page.locator("[data-scale]")).to_have_text("100 %")
    answer(page, "SN1")
    assert percent(page) == fitted
    page.locator("[data-action=keep_zoom]").click()
    page.keyboard.press("0")
    expect(page.locator("[data-scale]")).to_have_text("100 %")
    answer(page, "SN2")
    assert percent(page) == 100


def answer(page: Page, following: str) -> None:
    page.wait_for_timeout(300)  # a new part takes no answer in its first moments
    page.keyboard.press("j")
    expect(page.get_by_text(following, exact=True).first).to_be_visible()
    settle(page)


def test_two_fingers_zoom_about_their_middle(room, stripes):
    page = room(stripes)
    before = percent(page)
    fingers = page.context.new_cdp_session(page)
    for kind, apart in [("touchStart", 60), *[("touchMove", 60 + 12 * step) for step in range(1, 11)], ("touchEnd", 0)]:
        points = [{"x": 640 + side * apart, "y": 350, "id": side + 1} for side in (-1, 1)] if apart else []
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    settle(page)
    assert percent(page) == pytest.approx(before * 3, rel=0.05)


def test_a_look_is_kept_told_and_reset_and_a_neutral_one_costs_nothing(room, stripes):
    page = room(stripes)
    photo, told = page.locator("[data-view]:not([hidden]) img").last, page.locator("[data-look-changed]")
    expect(photo).to_have_css("filter", "none")
    expect(told).to_be_hidden()
    for key in ("b", "b", "Shift+c", "g", "i"):
        page.keyboard.press(key)
        page.wait_for_timeout(60)  # slower than a barcode scanner
    expect(told).to_have_text("Look changed: light 120 · contrast 90 · gamma 110 · inverted")
    page.reload()
    expect(told).to_have_text("Look changed: light 120 · contrast 90 · gamma 110 · inverted")
    expect(photo).to_have_css("filter", 'url("#gamma") brightness(1.2) contrast(0.9) invert(1)')
    expect(page.locator("[data-action=invert]")).to_have_attribute("aria-pressed", "true")
    page.get_by_title("Light, contrast and gamma by sliders").click()
    page.get_by_label("Gamma").press("ArrowRight")
    expect(page.get_by_label("Gamma")).to_have_attribute("aria-valuetext", "gamma 115")
    page.keyboard.press("d")
    expect(told).to_be_hidden()
    expect(photo).to_have_css("filter", "none")


def clahe(pixels: np.ndarray, tiles: int = 8, clip: float = 2.5) -> np.ndarray:
    """The same definition in other words: a curve per tile from its clipped histogram, mixed between tile middles."""
    height, width = pixels.shape[:2]
    grey = np.floor(pixels @ np.array([19595, 38470, 7471]) / 65536 + 0.5).astype(int)
    curves = np.empty((tiles, tiles, 256))
    for row, column in np.ndindex(tiles, tiles):
        tile = grey[
            row * height // tiles : (row + 1) * height // tiles, column * width // tiles : (column + 1) * width // tiles
        ]
        counts = np.bincount(tile.ravel(), minlength=256)
        limit = max(1, int(clip * tile.size / 256))
        excess = np.maximum(counts - limit, 0).sum()
        counts = np.minimum(counts, limit) + np.diff(np.arange(257) * excess // 256)
        curves[row, column] = np.cumsum(counts) * 255 / tile.size
    down = np.clip((np.arange(height) + 0.5) * tiles / height - 0.5, 0, tiles - 1)[:, None]
    across = np.clip((np.arange(width) + 0.5) * tiles / width - 0.5, 0, tiles - 1)[None, :]
    top, left = down.astype(int), across.astype(int)
    below, right = np.minimum(top + 1, tiles - 1), np.minimum(left + 1, tiles - 1)
    upper = curves[top, left, grey] * (1 - across + left) + curves[top, right, grey] * (across - left)
    lower = curves[below, left, grey] * (1 - across + left) + curves[below, right, grey] * (across - left)
    new = upper * (1 - down + top) + lower * (down - top)
    return np.clip(pixels + (new - grey)[..., None], 0, 255)


READ = """(image) => {
  const copy = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext("2d");
  copy.drawImage(image, 0, 0);
  return [...copy.getImageData(0, 0, image.naturalWidth, image.naturalHeight).data];
}"""


def test_equalising_agrees_with_an_oracle_and_lifts_a_faint_scratch(room, scratched):
    flat = np.full((240, 320, 3), 90, np.uint8)
    page = room(as_png(scratched), as_png(flat))
    page.keyboard.press("e")
    equalised = np.array(page.locator("[data-equalised]").evaluate(READ)).reshape(240, 320, 4)[..., :3]
    assert np.abs(equalised - clahe(scratched.astype(float))).max() <= 1
    assert contrast_of_scratch(equalised) > 1.8 * contrast_of_scratch(scratched)
    answer(page, "SN1")  # equalising stays on
    flat_after = np.array(page.locator("[data-equalised]").evaluate(READ)).reshape(240, 320, 4)[..., :3]
    assert np.ptp(flat_after) <= 1
    assert abs(flat_after.mean() - 90) < 3


def contrast_of_scratch(pixels: np.ndarray) -> float:
    rows = pixels[[118, 120, 122], 40:280, 1].astype(float).mean(axis=1)
    return rows[1] - (rows[0] + rows[2]) / 2


ROW = "(canvas) => [...canvas.getContext('2d').getImageData(0, 130, 260, 1).data].filter((_, at) => at % 4 === 0)"


def test_the_loupe_follows_pointer_and_arrows_and_an_arrow_is_no_answer_meanwhile(room, stripes):
    page = room(stripes)
    loupe = page.locator("[data-loupe]")
    page.mouse.move(500, 300)
    page.keyboard.press("l")
    expect(loupe).to_be_visible()
    assert middle(loupe) == pytest.approx((500, 300), abs=1)
    page.mouse.move(700, 420)
    settle(page)
    assert middle(loupe) == pytest.approx((700, 420), abs=1)
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(150)
    assert middle(loupe)[0] == pytest.approx(676, abs=1)
    page.keyboard.press("0")
    expect(page.locator("[data-scale]")).to_have_text("100 %")
    shown = np.array(loupe.locator("canvas").evaluate(ROW))  # at 200 %: a dark and a light column take four pixels
    assert np.abs(shown[4:] - shown[:-4]).max() <= 2
    assert np.abs(shown[2:] - shown[:-2]).max() > 100
    page.keyboard.press("Escape")
    expect(loupe).to_be_hidden()
    assert not Verdict.objects.exists()


def middle(locator) -> tuple[float, float]:
    box = locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_nothing_moves_by_itself_for_those_who_ask_for_less_motion(room, stripes):
    page = room(stripes)
    page.emulate_media(reduced_motion="reduce")
    expect(page.locator("[data-said]")).to_have_css("transition-duration", "0s")
    tools = page.locator(".tool").evaluate_all("(all) => all.map((each) => each.getBoundingClientRect().toJSON())")
    assert len(tools) >= 15
    assert all(tool["width"] >= 44 and tool["height"] >= 44 and tool["bottom"] <= 720 for tool in tools)
