"""WCAG 2.2 AA, as far as a machine can tell: axe's rules on every page that an inspector meets, dark and light."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from inspection import actions
from inspection.models import Line, Sample
from tests.conftest import photo_bytes
from tests.journeys.hands import press

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


def faults(page: Page) -> list[str]:
    """What axe finds, as 'rule: what, where'; the animations that it might meet half-way are over."""
    page.wait_for_timeout(400)
    found = Axe().run(page, options=RULES).response["violations"]
    return [
        f"{rule['id']}: {rule['help']}: {node['target']} {node['html'][:160]}"
        for rule in found
        for node in rule["nodes"]
    ]


def told(wrong: dict[str, list[str]]) -> str:
    return "\n".join(f"{place}: {fault}" for place, found in wrong.items() for fault in found)


@pytest.fixture
def furnished(line, kinds, ada, make_part):
    """Line A with everything that the room can show."""
    Line.objects.update(viewing_seconds=600)
    for meaning in (Sample.Meaning.GOOD, Sample.Meaning.LIMIT_SCRATCHED):
        actions.add_sample(line=line, meaning=meaning, photo=photo_bytes(), caption="Edge", by=ada)
    return [make_part(photos=2, lot="L7", variant="Pro") for _ in range(3)]


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_room_in_each_of_its_states(sign_in, live_server, furnished, line, ivy, scheme):
    page = sign_in("ivy", color_scheme=scheme)
    page.context.add_cookies([{"name": "theme_room", "value": scheme, "url": live_server.url}])
    page.goto(f"/inspect/{line.slug}/")
    states = {
        "judging": [],
        "marking": ["m", "Enter"],
        "marks off, reference": ["Delete", "m", "r"],
        "menu": ["r", "o"],
    }
    wrong = {}
    for state, keys in states.items():
        for key in keys:
            press(page, key)
        wrong[state] = faults(page)
    page.keyboard.press("Escape")
    page.locator("[data-stage]").click(position={"x": 5, "y": 300})
    press(page, "?")
    wrong["keys"] = faults(page)
    page.keyboard.press("Escape")
    press(page, "s")
    expect(page.locator("dialog[open]")).to_be_visible()
    wrong["shift"] = faults(page)
    page.keyboard.press("Escape")
    press(page, "p")
    wrong["paused"] = faults(page)
    page.keyboard.press("Enter")
    press(page, "j")
    press(page, "z")
    wrong["again"] = faults(page)
    press(page, "z")
    press(page, "j")
    press(page, "j")
    expect(page.get_by_role("heading", name="Nothing to judge")).to_be_visible()
    wrong["empty"] = faults(page)
    assert told(wrong) == ""


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_pages_around_the_room(sign_in, furnished, line, ivy, sam, judge, scheme):
    judge(furnished[0], ivy, "scratched")
    Line.objects.create(slug="line-b", name="Line B")
    wrong = {}
    page = sign_in("ivy", color_scheme=scheme)
    for path in (
        "/inspect/",
        "/parts/",
        f"/parts/{furnished[0].serial}/",
        "/preferences/",
        "/preferences/data/",
        f"/lines/{line.slug}/samples/",
        "/queue/",
    ):
        page.goto(path)
        wrong[path] = faults(page)
    page.context.clear_cookies()
    page.goto("/login/")
    wrong["login"] = faults(page)
    supervisor = sign_in("sam", color_scheme=scheme)
    for path in ("/queue/", f"/parts/{furnished[0].serial}/"):
        supervisor.goto(path)
        wrong[f"supervisor {path}"] = faults(supervisor)
    assert told(wrong) == ""
