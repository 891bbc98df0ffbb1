"""The room in a real browser: no wait between parts, no answer lost or counted twice, nothing of the model."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from inspection import actions
from inspection.models import Correction, Defect, Inspection, Lease, Line, Skip, Verdict
from tests.conftest import PASSWORD
from tests.journeys.hands import eventually, given, press, ready, scan, serial

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def room(sign_in, line, ivy):
    """Ivy's room on line A."""

    def enter(username: str = "ivy", **context) -> Page:
        page = sign_in(username, **context)
        page.goto(f"/inspect/{line.slug}/")
        return page

    return enter


def begin_marking(page: Page) -> None:
    """A key waits whether a scanner is typing; what follows has to wait for what it does."""
    press(page, "m")
    expect(page.locator("[data-kinds]")).to_be_visible()


def held_by(user) -> set[str]:
    return set(Lease.objects.filter(user=user).values_list("inspection__serial", flat=True))


def test_two_parts_are_held_ahead_and_given_back_when_the_page_closes(room, make_part, ivy):
    parts = [make_part() for _ in range(5)]
    page = room()
    expect(serial(page)).to_have_text(parts[0].serial)
    eventually(lambda: held_by(ivy) == {part.serial for part in parts[:3]})
    page.wait_for_load_state("networkidle")  # and the page has them, in their order
    press(page, "j")
    expect(serial(page)).to_have_text(parts[1].serial)
    eventually(lambda: held_by(ivy) == {part.serial for part in parts[1:4]})
    page.wait_for_load_state("networkidle")  # the page has heard of the last claim
    page.goto("/parts/")
    eventually(lambda: not Lease.objects.exists())


def test_a_reload_keeps_the_part_in_hand(room, make_part, ivy):
    parts = [make_part() for _ in range(4)]
    page = room()
    ready(page)
    page.reload()
    ready(page)
    page.wait_for_timeout(500)  # the old page's farewell may come late
    expect(serial(page)).to_have_text(parts[0].serial)
    press(page, "k")
    eventually(lambda: given() == [(parts[0].serial, "scratched")])


def test_the_next_part_stands_before_the_server_has_answered(room, make_part):
    parts = [make_part() for _ in range(4)]
    page = room()
    eventually(lambda: Lease.objects.count() == 3)
    ready(page)
    held: list[Route] = []
    page.route("**/verdicts/", lambda route: held.append(route))
    page.evaluate(
        """() => addEventListener("keydown", () => { window.shown = document.querySelector("[data-part-serial]").textContent; })"""
    )
    page.keyboard.press("j")
    assert page.evaluate("window.shown") == parts[1].serial, "in the very task of the key press"
    eventually(lambda: bool(held), page)
    assert given() == []
    held[0].continue_()
    eventually(lambda: given() == [(parts[0].serial, "ok")], page)


def test_a_lost_network_keeps_the_answers_and_sends_each_once(room, make_part):
    parts = [make_part() for _ in range(4)]
    page = room()
    eventually(lambda: Lease.objects.count() == 3)
    page.context.set_offline(True)
    press(page, "j")
    expect(serial(page)).to_have_text(parts[1].serial)
    press(page, "k")
    expect(serial(page)).to_have_text(parts[2].serial)
    expect(page.locator("[data-outbox]")).to_contain_text("2 answers are not sent yet")
    assert given() == []
    page.context.set_offline(False)
    expect(page.locator("[data-outbox]")).to_be_hidden()
    assert given() == [(parts[0].serial, "ok"), (parts[1].serial, "scratched")]


def test_an_answer_whose_receipt_was_lost_counts_once(room, make_part):
    parts = [make_part() for _ in range(3)]
    page = room()
    lost = []

    def lose_the_first(route):
        if lost:
            return route.continue_()
        lost.append(route.fetch().status)
        route.abort()

    page.route("**/verdicts/", lose_the_first)
    press(page, "j")
    expect(page.locator("[data-outbox]")).to_be_visible()
    expect(page.locator("[data-outbox]")).to_be_hidden()
    assert lost == [201]
    assert given() == [(parts[0].serial, "ok")]


def test_answers_outlive_a_closed_page(room, make_part, line):
    parts = [make_part() for _ in range(2)]
    page = room()
    eventually(lambda: Lease.objects.count() == 2)
    page.route("**/api/**", lambda route: route.abort())
    press(page, "k")
    expect(serial(page)).to_have_text(parts[1].serial)
    page.wait_for_timeout(300)
    context = page.context
    page.close()
    again = context.new_page()
    again.goto(f"/inspect/{line.slug}/")
    eventually(lambda: given() == [(parts[0].serial, "scratched")])
    expect(serial(again)).to_have_text(parts[1].serial)


def test_the_last_answer_is_looked_at_again_and_changed(room, make_part):
    parts = [make_part() for _ in range(3)]
    page = room()
    page.wait_for_load_state("networkidle")  # two parts are ahead, in their order
    press(page, "j")
    eventually(lambda: given() == [(parts[0].serial, "ok")])
    press(page, "z")
    expect(serial(page)).to_have_text(parts[0].serial)
    expect(page.locator(".again-line")).to_contain_text("You judged it OK")
    press(page, "z")
    expect(serial(page)).to_have_text(parts[1].serial)
    press(page, "z")
    press(page, "k")
    expect(serial(page)).to_have_text(parts[1].serial)
    eventually(lambda: list(Correction.objects.values_list("outcome", flat=True)) == ["scratched"])
    parts[0].refresh_from_db()
    assert parts[0].disposition.outcome == "reject"
    press(page, "j")
    eventually(lambda: (parts[1].serial, "ok") in given())


def test_undo_waits_for_the_network_behind_its_answer(room, make_part):
    parts = [make_part() for _ in range(3)]
    page = room()
    eventually(lambda: Lease.objects.count() == 3)
    page.context.set_offline(True)
    press(page, "j")
    page.wait_for_timeout(200)  # it has been tried
    press(page, "z")
    press(page, "k")
    page.context.set_offline(False)
    eventually(lambda: Correction.objects.count() == 1)
    assert given() == [(parts[0].serial, "ok")]
    assert Correction.objects.get().outcome == "scratched"


def test_two_people_racing_never_judge_one_part_twice(room, make_part, ian):
    parts = {make_part().serial for _ in range(12)}
    first, second = room("ivy"), room("ian")
    for _ in range(12):
        for page in (first, second):
            if page.locator("[data-room-page]:not([data-empty])").count():
                press(page, "j")
    for page in (first, second):
        expect(page.get_by_role("heading", name="Nothing to judge on Line A now")).to_be_visible()
    # The page goes on before its answer is stored: the last one may still be on its way.
    eventually(lambda: len(given()) >= len(parts))
    assert sorted(name for name, _ in given()) == sorted(parts)
    assert Verdict.objects.values("inspector").distinct().count() == 2


def test_an_empty_room_is_true_and_fills_itself(room, make_part):
    page = room()
    expect(page.get_by_role("heading", name="Nothing to judge on Line A now")).to_be_visible()
    part = make_part()
    expect(serial(page)).to_have_text(part.serial)
    expect(page.get_by_role("heading", name="Nothing to judge")).to_be_hidden()


def test_a_part_is_passed_on_with_a_reason(room, make_part, ian):
    parts = [make_part() for _ in range(2)]
    page = room()
    press(page, "o")
    page.get_by_label("Pass it on to another person").fill("My own repair")
    page.keyboard.press("Enter")
    expect(serial(page)).to_have_text(parts[1].serial)
    eventually(lambda: Skip.objects.count() == 1)
    assert actions.claim(line=parts[0].line, by=ian).inspection == parts[0]


def test_dirt_leads_to_cleaning_by_two_keys(room, make_part, kinds):
    parts = [make_part() for _ in range(2)]
    page = room()
    begin_marking(page)
    press(page, "Enter", "o")
    expect(page.locator("[data-dirt-only]")).to_be_visible()
    press(page, "x")
    expect(serial(page)).to_have_text(parts[1].serial)
    eventually(lambda: Inspection.objects.get(pk=parts[0].pk).state == "retake")


def test_a_line_that_wants_the_scratch_marked_gets_it_by_keys_alone(room, make_part, line, kinds):
    Line.objects.update(box_required=True)
    part = make_part(photos=2)
    page = room()
    press(page, "k")
    expect(page.get_by_role("alert")).to_contain_text("Mark it on the photo")
    assert given() == []
    press(page, "2", "Enter", "s", "v", "ArrowRight", "Shift+ArrowDown", "k")
    eventually(lambda: given() == [(part.serial, "scratched")])
    mark = Defect.objects.get()
    assert (mark.kind.slug, mark.severity, mark.photo.position) == ("scratch", "major", 1)
    assert mark.x > 0.46
    assert mark.height > mark.width


def test_marks_are_drawn_moved_and_sized_by_pointer(room, make_part, kinds):
    make_part()
    page = room()
    begin_marking(page)
    box = page.locator("[data-stage]").bounding_box()

    def at(x: float, y: float) -> tuple[float, float]:
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def drag(start, end) -> None:
        page.mouse.move(*at(*start))
        page.mouse.down()
        page.mouse.move(*at(*end), steps=4)
        page.mouse.up()

    drag((0.4, 0.4), (0.5, 0.5))
    page.mouse.click(*at(0.7, 0.7))
    expect(page.locator("[data-mark-list] li")).to_have_count(2)
    page.mouse.click(*at(0.45, 0.45))
    drag((0.45, 0.45), (0.35, 0.35))
    press(page, "k")
    eventually(lambda: Defect.objects.count() == 2)
    drawn, point = Defect.objects.order_by("pk")
    assert 0.2 < drawn.x < 0.4
    assert drawn.width > 0.05
    assert (point.width, point.height) == (0, 0)


def test_a_pause_covers_the_photo_frees_what_was_ahead_and_does_not_count(room, make_part, ivy):
    parts = [make_part() for _ in range(4)]
    page = room()
    eventually(lambda: Lease.objects.count() == 3)
    press(page, "p")
    expect(page.get_by_role("dialog", name="Paused")).to_be_visible()
    eventually(lambda: held_by(ivy) == {parts[0].serial})
    page.wait_for_timeout(1500)
    press(page, "j", "z")
    assert given() == []
    press(page, "p")
    expect(page.get_by_role("dialog", name="Paused")).to_be_hidden()
    press(page, "p", "Enter")
    expect(page.get_by_role("dialog", name="Paused")).to_be_hidden()
    press(page, "j")
    eventually(lambda: given() == [(parts[0].serial, "ok")])
    assert Verdict.objects.get().duration_ms < 1500


def test_a_freed_part_says_so(room, make_part, sam):
    parts = [make_part() for _ in range(2)]
    page = room()
    eventually(lambda: Lease.objects.count() == 2)
    actions.free_lease(inspection=parts[0], by=sam)
    press(page, "j")
    expect(page.locator("[data-notices]")).to_contain_text("no longer yours")
    assert given() == []


def test_an_unsure_part_goes_to_somebody_else(room, make_part, ian):
    part = make_part()
    page = room()
    press(page, "u")
    expect(page.get_by_role("heading", name="Nothing to judge")).to_be_visible()
    other = room("ian")
    expect(serial(other)).to_have_text(part.serial)
    press(other, "j")
    eventually(lambda: given() == [(part.serial, "unsure"), (part.serial, "ok")])


def test_gloves_judge_by_touch(room, make_part):
    parts = [make_part() for _ in range(2)]
    page = room(has_touch=True)
    ready(page)
    for name in ("OK", "Scratched", "Unsure", "Clean"):
        size = page.get_by_role("button", name=name, exact=True).bounding_box()
        assert min(size["width"], size["height"]) >= 44, name
    page.get_by_role("button", name="Scratched", exact=True).tap()
    expect(serial(page)).to_have_text(parts[1].serial)
    eventually(lambda: given() == [(parts[0].serial, "scratched")])


def test_everything_works_as_plain_forms(room, make_part, line):
    parts = [make_part() for _ in range(3)]
    page = room(java_script_enabled=False)
    expect(serial(page)).to_have_text(parts[0].serial)
    page.get_by_role("button", name="OK", exact=True).click()
    expect(serial(page)).to_have_text(parts[1].serial)
    page.get_by_role("link", name="Undo").click()
    page.get_by_role("button", name="Scratched", exact=True).click()
    assert Correction.objects.get().outcome == "scratched"
    page.locator("summary", has_text="Other").click()
    page.get_by_label("Pass it on to another person").fill("Not my kind")
    page.get_by_role("button", name="Pass it on").click()
    expect(serial(page)).to_have_text(parts[2].serial)
    page.locator("summary", has_text="Other").click()
    page.get_by_label("Clean it and look again").fill("oil")
    page.get_by_role("button", name="Send to cleaning").click()
    expect(page.get_by_role("heading", name="Nothing to judge")).to_be_visible()


WORDS_OF_A_MODEL = re.compile(r"prediction|heat.?map|score|audit_due|starter|disagree|suggest", re.IGNORECASE)


def test_a_blind_page_holds_no_trace_of_the_model(room, shadowed, make_part, answer, version):
    """Page, every response and every address, for parts that the model has answered as for one that it has not."""
    parts = [make_part(photos=2) for _ in range(4)]
    for part in parts[:3]:
        answer(part, version, 0.987)
    page = room("ivy")
    said: dict[str, str] = {}
    fragments: list[tuple[int, list[str]]] = []

    def listen(route):
        answer = route.fetch()
        if "/advice/" in route.request.url:
            fragments.append((answer.status, sorted(answer.headers)))
        elif route.request.resource_type in ("document", "fetch", "xhr"):
            said[route.request.url] = answer.text()
        route.fulfill(response=answer)

    eventually(lambda: Lease.objects.count() == 3)
    page.route("**/*", listen)
    page.reload()
    for part in parts:
        expect(serial(page)).to_have_text(part.serial)
        page.wait_for_timeout(150)
        assert "987" not in page.content().replace(part.serial, "")
        press(page, "k")
    expect(page.get_by_role("heading", name="Nothing to judge")).to_be_visible()
    assert said
    for url, text in said.items():
        text = re.sub(r'"(token|sha256)": ?"[^"]*"|csrf\w+" value="[^"]*"', "", text)
        assert not WORDS_OF_A_MODEL.search(text), url
        assert "0.987" not in text, url
    assert fragments
    assert all(fragment == fragments[0] for fragment in fragments), "refused in the same way for every part"
    assert fragments[0][0] == 204


def test_a_scanned_part_that_is_held_ahead_stands_at_once(room, make_part):
    parts = [make_part(f"JKZ-{number}") for number in range(4)]
    page = room()
    eventually(lambda: Lease.objects.count() == 3)
    for part in (parts[2], parts[1]):  # the serial's first character is the key of OK
        ready(page)
        scan(page, part.serial)
        expect(serial(page)).to_have_text(part.serial)
    assert given() == []
    press(page, "k")
    eventually(lambda: given() == [(parts[1].serial, "scratched")])
    expect(serial(page)).to_have_text(parts[2].serial)


def test_marks_and_words_outlive_a_reload(room, make_part, kinds):
    part = make_part()
    page = room()
    begin_marking(page)
    press(page, "Enter")
    page.locator("[name=comment]").fill("by the edge")
    page.reload()
    ready(page)
    press(page, "k")
    eventually(lambda: given() == [(part.serial, "scratched")])
    assert Verdict.objects.get().comment == "by the edge"
    assert Defect.objects.count() == 1


def test_an_answer_is_never_filed_as_somebody_elses(room, make_part, ian):
    """Another person signs in in the same browser; the open room still is the first one's."""
    parts = [make_part() for _ in range(3)]
    page = room()
    eventually(lambda: Lease.objects.count() == 3)
    other = page.context.new_page()
    other.context.clear_cookies(name="sessionid")
    other.goto("/login/")
    other.get_by_label("User name").fill("ian")
    other.get_by_label("Password").fill(PASSWORD)
    other.get_by_role("button", name="Sign in").click()
    other.wait_for_url("**/inspect/**")
    other.goto("/parts/")
    press(page, "j", "j", "j")
    expect(page.locator("a[data-signed-out]")).to_be_visible()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    page.wait_for_timeout(500)
    assert not Verdict.objects.filter(inspector=ian).exists()
    assert given() == []
    other.context.clear_cookies(name="sessionid")
    page.get_by_role("link", name="Sign in", exact=True).click()
    page.get_by_label("User name").fill("ivy")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    eventually(lambda: sorted(given()) == [(part.serial, "ok") for part in parts])
    assert set(Verdict.objects.values_list("inspector__username", flat=True)) == {"ivy"}


def test_a_page_of_somebody_elses_making_is_no_receipt(room, make_part):
    """A proxy's own page with status 200, as a guest network answers."""
    part = make_part()
    page = room()
    ready(page)
    page.route(
        "**/verdicts/", lambda route: route.fulfill(status=200, content_type="text/html", body="<h1>Welcome</h1>")
    )
    press(page, "j")
    expect(page.locator("[data-outbox]")).to_contain_text("1 answer is not sent yet")
    page.unroute("**/verdicts/")
    eventually(lambda: given() == [(part.serial, "ok")], page)


def test_one_answer_that_the_server_cannot_take_holds_up_no_other(room, make_part):
    parts = [make_part() for _ in range(3)]
    page = room()
    eventually(lambda: Lease.objects.count() == 3)
    page.route(f"**/inspections/{parts[0].pk}/verdicts/", lambda route: route.fulfill(
        status=500, content_type="application/problem+json", body='{"detail": "broken"}'
    ))  # fmt: skip
    press(page, "j", "k")
    eventually(lambda: given() == [(parts[1].serial, "scratched")], page)
    expect(page.locator("[data-outbox]")).to_be_visible()


def test_the_last_window_has_the_room(room, make_part, line, ivy):
    parts = [make_part() for _ in range(4)]
    first = room()
    eventually(lambda: Lease.objects.count() == 3)
    second = first.context.new_page()
    second.goto(f"/inspect/{line.slug}/")
    expect(first.get_by_role("dialog", name="Your room is open in another window")).to_be_visible()
    first.keyboard.press("j")
    press(second, "k")
    eventually(lambda: given() == [(parts[0].serial, "scratched")], second)
    first.goto("/parts/")
    second.wait_for_timeout(500)
    assert len(held_by(ivy)) == 3, "the older window takes nothing along"
    press(second, "k")
    eventually(lambda: len(given()) == 2, second)


def test_a_photo_that_is_not_here_is_not_judged(room, make_part):
    part = make_part()
    page = room()
    page.route("**/photos/*/", lambda route: route.abort())
    page.reload()
    expect(page.get_by_text("The photo did not load.")).to_be_visible()
    press(page, "j")
    expect(page.get_by_role("alert")).to_contain_text("The photo is not here yet")
    page.unroute("**/photos/*/")
    page.get_by_role("button", name="Load it again").click()
    expect(page.get_by_text("The photo did not load.")).to_be_hidden()
    press(page, "j")
    eventually(lambda: given() == [(part.serial, "ok")])


def test_nothing_to_judge_is_not_said_when_nobody_knows(room, make_part):
    page = room()
    expect(page.get_by_role("heading", name="Nothing to judge")).to_be_visible()
    page.context.set_offline(True)
    expect(page.get_by_role("heading", name="The server does not answer")).to_be_visible()
    page.context.set_offline(False)
    part = make_part()
    expect(serial(page)).to_have_text(part.serial)


def test_undo_after_a_reload_is_of_the_last_answer(room, make_part):
    parts = [make_part() for _ in range(3)]
    page = room()
    press(page, "j")
    eventually(lambda: len(given()) == 1)
    page.reload()
    press(page, "j")
    eventually(lambda: len(given()) == 2)
    press(page, "z")
    expect(serial(page)).to_have_text(parts[1].serial)


def test_the_second_look_ends_with_its_time(room, make_part):
    Line.objects.update(undo_seconds=3)
    parts = [make_part() for _ in range(2)]
    page = room()
    press(page, "j", "z")
    expect(serial(page)).to_have_text(parts[0].serial)
    expect(page.locator("[data-notices]")).to_contain_text("Ask a supervisor")
    expect(serial(page)).to_have_text(parts[1].serial)
