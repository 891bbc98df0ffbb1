"""The watch in a real browser: it renews itself, the wall says when it is old, and axe finds nothing to mend."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from bench.rig import watched
from inspection.models import Line
from monitoring.models import Alarm, Stream
from tests.journeys.test_accessibility import faults, told

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]
WATCH = "/lines/line-a/watch/"


@pytest.fixture
def furnished(line, station, version):
    now = timezone.now()
    watched.furnish(line, version, [station], now=now, days=14, minutes=36)
    watched.looked(line, at=now)
    return line


def move(line) -> Stream:
    now = timezone.now()
    stream = Stream.objects.get(figure="quality.brightness")
    alarm = Alarm.objects.create(
        line=line,
        rule="drift",
        severity="alarm",
        message="Brightness at Camera 1 rose 11 %.",
        suggestion="Check the lamp.",
    )
    watched.find(alarm, stream, at=now - timedelta(minutes=90), before=131, after=145, now=now)
    return stream


def test_a_page_that_is_left_open_says_what_moved(sign_in, furnished, sam):
    page = sign_in("sam")
    page.clock.install()
    page.goto(WATCH)
    expect(page.get_by_role("heading", level=1)).to_contain_text("All quiet since")
    move(furnished)
    page.clock.fast_forward(25_000)
    expect(page.get_by_role("heading", level=1)).to_have_text("Brightness at Camera 1 rose 11 %.")
    expect(page.get_by_text("moved first").first).to_be_visible()
    page.get_by_role("link", name="Brightness").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Brightness, Camera 1")


def test_the_wall_follows_and_says_when_it_is_old(sign_in, furnished, sam):
    page = sign_in("sam", viewport={"width": 1920, "height": 1080})
    page.clock.install()
    page.goto("/watch/wall/")
    expect(page.locator(".wall-sentence")).to_contain_text("All quiet since")
    move(furnished)
    page.clock.fast_forward(16_000)
    expect(page.locator(".wall-sentence")).to_have_text("Brightness at Camera 1 rose 11 %.")
    expect(page.locator("[data-lost]")).to_be_hidden()
    page.route("**/watch/wall/live/", lambda route: route.abort())
    for _ in range(6):
        page.clock.fast_forward(16_000)
        page.wait_for_timeout(50)
    expect(page.locator("[data-lost]")).to_be_visible()
    page.unroute("**/watch/wall/live/")
    page.clock.fast_forward(16_000)
    expect(page.locator("[data-lost]")).to_be_hidden()


@pytest.mark.parametrize("count", [1, 2, 4, 9])
def test_nothing_on_the_wall_lies_outside_of_it(sign_in, furnished, sam, count):
    for number in range(1, count):
        other = Line.objects.create(slug=f"line-{number}", name=f"Line {number}")
        watched.looked(other, at=timezone.now())
    move(furnished)
    page = sign_in("sam", viewport={"width": 1920, "height": 1080})
    page.goto("/watch/wall/")
    assert page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]") == [
        1920,
        1080,
    ]
    cut = page.evaluate(
        """() => [...document.querySelectorAll('.wall-line > :not(.figures)')].filter((each) => {
          const line = each.closest('.wall-line').getBoundingClientRect(), own = each.getBoundingClientRect();
          return own.height && (own.bottom > line.bottom + 1 || own.right > line.right + 1);
        }).map((each) => each.textContent)"""
    )
    assert cut == []
    small = page.evaluate(
        "() => [...document.querySelectorAll('.wall-sentence')].filter((e) => parseFloat(getComputedStyle(e).fontSize) < 27).length"
    )
    assert small == 0, "a fortieth of the height is what is read from three metres"


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_axe_finds_nothing_to_mend(sign_in, furnished, sam, ada, scheme):
    stream, wrong = move(furnished), {}
    page = sign_in("ada", color_scheme=scheme)
    for path in (WATCH, f"{WATCH}figures/{stream.pk}/", f"{WATCH}policy/", "/watch/", "/watch/wall/"):
        page.goto(path)
        wrong[path] = faults(page)
    assert told(wrong) == ""


def test_without_scripts_everything_is_there(sign_in, furnished, sam):
    move(furnished)
    page = sign_in("sam", java_script_enabled=False)
    page.goto(WATCH)
    expect(page.get_by_role("heading", level=1)).to_have_text("Brightness at Camera 1 rose 11 %.")
    page.get_by_label("What was changed").fill("new lamp at station 1")
    page.get_by_role("button", name="Learn anew from here on").click()
    expect(page.get_by_role("status")).to_contain_text("learned anew")
