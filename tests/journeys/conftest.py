"""A real Chromium: the system's own, driven by Playwright."""

import os
import shutil

import pytest
from django.db import connection
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conftest import PASSWORD

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
expect.set_options(timeout=20_000)  # the machine that runs the tests may be busy


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory):
    """A file, as in production: the unit tests' SQLite in memory fails at once where a second writer would wait."""
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "journeys.sqlite3")
        connection.settings_dict["OPTIONS"]["init_command"] += "PRAGMA synchronous=OFF;"  # nobody cuts the power here


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

    def open_page(username: str, password: str = PASSWORD, **options) -> Page:
        size = options.pop("viewport", {"width": 1280, "height": 720})
        context = browser.new_context(viewport=size, base_url=live_server.url, **options)
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
