"""What an inspector's hands do in the room, and a scanner's in their place; and waiting for what comes of it."""

import time

from playwright.sync_api import Page

from inspection.models import Verdict

HAND = 90  # ms between two keys, at the least: faster is a scanner


SEND = """keys => {
  const start = performance.now();
  for (const [place, key] of keys.entries()) {
    const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true });
    Object.defineProperty(event, "timeStamp", { value: start + 5 * place });
    document.activeElement.dispatchEvent(event);
  }
}"""


def scan(page: Page, serial: str, end: str = "Enter") -> None:
    """What a scanner sends, 5 ms apart by its own clock: a busy machine types too slowly to be taken for one."""
    page.wait_for_load_state("load")
    page.evaluate(SEND, [*serial, end])


def serial(page: Page):
    return page.locator("[data-part-serial]")


def ready(page: Page) -> None:
    """A new part takes no answer in its first moments."""
    page.locator("[data-room-page][data-ready]").wait_for()


def press(page: Page, *keys: str) -> None:
    """Press keys as a hand does; in the room, once the part takes answers."""
    for key in keys:
        page.wait_for_timeout(HAND)
        if page.locator("[data-room-page]").count():
            ready(page)
        page.keyboard.press(key)


def given() -> list[tuple[str, str]]:
    return list(Verdict.objects.order_by("pk").values_list("inspection__serial", "outcome"))


def eventually(condition, page: Page | None = None, seconds: float = 15) -> None:
    """Wait for the condition; with a page whose requests a test holds up, the browser's own loop runs meanwhile."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        page.wait_for_timeout(50) if page else time.sleep(0.05)
