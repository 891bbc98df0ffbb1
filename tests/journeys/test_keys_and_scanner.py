"""Own keys and a barcode scanner in a real browser: what a hand presses acts, what a scanner types opens its serial."""

import re

import pytest
from playwright.sync_api import Page, TimeoutError, expect

from inspection.models import AuditEvent, Lease, User
from tests.journeys.hands import HAND, SEND, eventually, given, press, scan

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]


def type_like_a_scanner(page: Page, start: str, serial: str) -> None:
    """Type the serial with real keys until a machine that may be busy has been fast enough."""
    for _ in range(6):
        page.goto(start)
        page.locator("[data-part-serial]:not(:empty), h1:not(:empty)").first.wait_for()
        page.keyboard.type(serial, delay=5)
        page.keyboard.press("Enter")
        try:
            return page.wait_for_url(re.compile(r"part=\d+|/parts/."), timeout=3000)
        except TimeoutError:
            continue
    raise AssertionError("the keys never came as fast as a scanner's")


def in_room(page: Page, serial: str) -> None:
    expect(page.locator("[data-part-serial]")).to_have_text(serial)
    page.locator("[data-room-page][data-ready]").wait_for()


def test_a_key_of_ones_own_judges_and_the_default_no_longer_does(sign_in, line, make_part, ivy):
    make_part("SN1")
    User.objects.filter(pk=ivy.pk).update(keys={"scratched": ["a"], "fit": ["k"]})
    page = sign_in("ivy")
    page.goto(f"/inspect/{line.slug}/")
    in_room(page, "SN1")
    expect(page.get_by_role("button", name="Scratched").locator("kbd")).to_have_text("A")
    expect(page.get_by_role("button", name="Scratched")).to_have_attribute("aria-keyshortcuts", "a")
    press(page, "k", "?")
    listed = page.get_by_role("dialog", name="Keys")
    expect(
        listed.locator(".key-list > div", has=page.get_by_text("Scratched", exact=True)).locator("kbd").last
    ).to_have_text("A")
    assert given() == []
    press(page, "a")  # not while a dialog is open
    press(page, "Escape", "a")
    eventually(lambda: given() == [("SN1", "scratched")])


def test_a_key_of_ones_own_reaches_what_comes_later(sign_in, line, make_part, ivy):
    make_part("SN1")
    User.objects.filter(pk=ivy.pk).update(keys={"heat": ["q"]})
    page = sign_in("ivy")
    button = '<button data-heat-map data-action="heat" aria-pressed="false">Map <kbd data-key-of="heat"></kbd></button>'
    page.route("**/advice/**", lambda route: route.fulfill(status=200, content_type="text/html", body=button))
    page.goto(f"/inspect/{line.slug}/")
    in_room(page, "SN1")
    switch = page.locator("[data-heat-map]")
    expect(switch.locator("kbd")).to_have_text("Q")
    press(page, "q")
    expect(switch).to_have_attribute("aria-pressed", "true")
    press(page, "h", "q")
    expect(switch).to_have_attribute("aria-pressed", "false")


def test_preferences_by_keyboard_alone(sign_in, line, make_part, ivy):
    make_part("SN1")
    page = sign_in("ivy")
    page.goto(f"/inspect/{line.slug}/")
    in_room(page, "SN1")
    press(page, "?", "Shift+Tab", "Enter")  # from "Close" back to "Change the keys"
    page.wait_for_url("**/preferences/")
    first = page.get_by_role("textbox", name="OK", exact=True)
    first.focus()
    press(page, "k")
    expect(first).to_have_value("K")
    press(page, "Tab", "Backspace")
    expect(page.get_by_role("textbox", name="OK second key")).to_have_value("")
    press(page, "Enter")
    expect(page.get_by_role("alert")).to_contain_text("Nothing was saved")
    expect(page.get_by_role("textbox", name="OK", exact=True)).to_have_accessible_description(
        "K is also the key of: Scratched."
    )
    page.get_by_role("textbox", name="OK", exact=True).focus()
    press(page, "Home", "Enter")
    expect(page.get_by_role("status")).to_contain_text("Your keys are saved.")
    ivy.refresh_from_db()
    assert ivy.keys == {"ok": ["Home"]}
    page.get_by_role("link", name="To the parts").focus()
    press(page, "Enter")
    in_room(page, "SN1")
    press(page, "Home")
    eventually(lambda: given() == [("SN1", "ok")])


def test_a_language_of_ones_own(sign_in, line, ivy):
    page = sign_in("ivy")
    page.goto("/preferences/")
    page.get_by_label("Language").select_option("zh-hans")
    page.get_by_role("button", name="Save the language").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")


def test_a_scan_in_the_room_opens_its_serial_and_answers_nothing(sign_in, line, make_part, ivy):
    for serial in ("SN1", "SN2", "SN3", "SN4", "JKUZ-05"):
        make_part(serial)
    page = sign_in("ivy")
    page.goto(f"/inspect/{line.slug}/")
    in_room(page, "SN1")
    scan(page, "JKUZ-05")  # every character of its beginning is an answer's key
    in_room(page, "JKUZ-05")
    assert given() == []
    eventually(lambda: "JKUZ-05" in set(Lease.objects.values_list("inspection__serial", flat=True)))
    page.wait_for_timeout(HAND)
    press(page, "j")
    eventually(lambda: given() == [("JKUZ-05", "ok")])


def test_a_scan_of_the_part_that_is_shown_says_so(sign_in, line, make_part, ivy):
    make_part("SN0001")
    page = sign_in("ivy")
    page.goto(f"/inspect/{line.slug}/")
    in_room(page, "SN0001")
    page.evaluate("document.body.dataset.kept = 'yes'")
    scan(page, "SN0001", end="Tab")
    expect(page.locator("[data-said]")).to_have_text("SN0001 is the part that you see.")
    expect(page.locator("body")).to_have_attribute("data-kept", "yes")
    assert given() == []


def test_a_scan_of_what_does_not_wait_leads_to_its_history_or_says_so(sign_in, line, make_part, judge, ivy):
    judge(make_part("SN0001"), ivy, "ok")
    make_part("SN0002")
    page = sign_in("ivy")
    page.goto(f"/inspect/{line.slug}/")
    in_room(page, "SN0002")
    scan(page, "SN0001")
    expect(page.get_by_role("heading", level=1)).to_have_text("SN0001")
    scan(page, "SN9999")
    expect(page.get_by_role("alert")).to_contain_text("No part SN9999 waits for you")
    page.wait_for_load_state("load")
    page.keyboard.type("SN0001")  # into the box, in the place of what stands there
    page.keyboard.press("Enter")
    page.wait_for_url("**/parts/SN0001/")


def test_a_scan_opens_the_serial_from_the_overview(sign_in, line, make_part, sam):
    make_part("SN0001")
    make_part("SN0002")
    page = sign_in("sam")
    type_like_a_scanner(page, "/", "SN0002")
    in_room(page, "SN0002")


def test_a_scan_typed_in_the_room_opens_the_serial(sign_in, line, make_part, ivy):
    for serial in ("SN0001", "SN0002", "SN0003", "SN0004", "SN0005"):
        make_part(serial)
    page = sign_in("ivy")
    type_like_a_scanner(page, f"/inspect/{line.slug}/", "SN0005")
    in_room(page, "SN0005")
    assert given() == []


def test_a_scan_by_a_supervisor_from_the_report_and_from_the_desk(
    sign_in, shadowed, version, make_part, judge, answer, ivy, sam
):
    part = make_part("PAM/01")
    answer(part, version, 0.01)
    judge(part, ivy, "scratched")
    page = sign_in("sam")
    type_like_a_scanner(page, "/reports/agreement/", "PAM/01")
    expect(page.get_by_role("heading", level=1)).to_have_text("PAM/01")
    page.goto("/discrepancies/?kind=escape")
    page.get_by_role("link", name="Settle one by one").click()
    page.wait_for_url(re.compile(r"/discrepancies/\d+/"))
    page.wait_for_load_state("load")
    scan(page, "PAM/01")  # P, A and M are the desk's keys, and 1 is a reason
    expect(page.get_by_text("PAM/01 is the part that you see.")).to_be_visible()
    judge(make_part("PAM/12"), ivy, "ok")
    scan(page, "PAM/12")
    page.wait_for_url("**/parts/PAM/12/")
    assert not AuditEvent.objects.filter(action__contains="adjudicat").exists()


def test_in_a_field_a_scan_is_text(sign_in, line, make_part, ivy):
    make_part("SN0001")
    page = sign_in("ivy")
    page.goto(f"/inspect/{line.slug}/")
    in_room(page, "SN0001")
    press(page, "n")
    page.wait_for_timeout(HAND)
    page.keyboard.type("BOX-7731", delay=5)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Comment")).to_have_value("BOX-7731")
    expect(page.get_by_label("Comment")).not_to_be_focused()
    assert given() == []


def test_two_keys_at_once_count_for_nothing(sign_in, line, make_part, ivy):
    make_part("SN1")
    make_part("SN2")
    page = sign_in("ivy")
    page.goto(f"/inspect/{line.slug}/")
    in_room(page, "SN1")
    page.evaluate(SEND, ["j", "k"])
    expect(page.locator("[data-said]")).to_have_text("Two keys at once: neither counts.")
    in_room(page, "SN1")
    page.wait_for_timeout(300)
    assert given() == []


def test_keys_wait_neither_for_the_layout_nor_for_an_input_method(sign_in, line, make_part, ivy):
    for serial in ("SN1", "SN2"):
        make_part(serial)
    page = sign_in("ivy")
    page.goto(f"/inspect/{line.slug}/")
    for serial, key in (("SN1", "Process"), ("SN2", "о")):  # a Chinese input method, a Cyrillic board
        in_room(page, serial)
        page.evaluate(
            "key => document.body.dispatchEvent(new KeyboardEvent('keydown', {key, code: 'KeyJ', bubbles: true}))", key
        )
        page.wait_for_timeout(HAND)
    eventually(lambda: given() == [("SN1", "ok"), ("SN2", "ok")])


def test_the_shift_opens_over_the_room_and_as_a_page(sign_in, line, make_part, judge, ivy):
    judge(make_part("SN1"), ivy, "scratched", duration_ms=3000)
    make_part("SN2")
    page = sign_in("ivy")
    page.goto(f"/inspect/{line.slug}/")
    in_room(page, "SN2")
    press(page, "s")
    dialog = page.get_by_role("dialog", name="Your shift so far")
    expect(dialog).to_contain_text("half within 3.0 s")
    press(page, "Escape")
    expect(dialog).to_have_count(0)
    in_room(page, "SN2")
    page.goto(f"/inspect/{line.slug}/summary/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your shift so far")
