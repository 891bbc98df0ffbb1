"""A real Chromium: the system's own, driven by Playwright."""

import os
import shutil

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conftest import PASSWORD

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
expect.set_options(timeout=20_000)  # the machine that runs the tests may be busy


@pytest.fixture(scope="session")
def browser():
    if CHROMIUM is None:
        pytest.fail("No Chromium is installed. Install the package 'chromium' of your system.")
    # Playwright's loop runs in this thread, and Django would refuse every query beside it.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def sign_in(browser: Browser, live_server):
    """A page of a person who has signed in: `sign_in("ivy")`. Any error in the browser's console fails the test."""
    pages: list[Page] = []
    faults: list[str] = []

    def open_page(username: str, password: str = PASSWORD) -> Page:
        context = browser.new_context(viewport={"width": 1280, "height": 720}, base_url=live_server.url)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
        page.on("console", lambda message: faults.append(message.text) if "Content Security" in message.text else None)
        pages.append(page)
        page.goto("/login/")
        page.get_by_label("User name").fill(username)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        return page

    yield open_page
    for page in pages:
        page.context.close()
    assert not faults
