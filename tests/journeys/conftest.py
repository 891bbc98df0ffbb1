"""A real Chromium: the system's own, driven by Playwright. And sites of their own with real processes."""

import contextlib
import fcntl
import os
import shutil
import signal
import threading
import time

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from playwright.sync_api import Browser, Page, expect, sync_playwright

from automation.simulation import ApiClient, wait_for_server
from inspection import waiting
from inspection.models import ApiToken, User
from station.client import Client as StationClient
from station.sending import Sender
from station.settings import Settings
from station.spool import Spool
from station.state import read_state
from station.taking import Taker
from tests.journeys import factory as demo_factory
from tests.journeys.sites import Site, free_port

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
expect.set_options(timeout=20_000)  # the machine that runs the tests may be busy


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """The ladder comes first: begun last, its minutes would pass with one of the two processes idle."""
    items.sort(key=lambda item: item.path.name != "test_ladder.py")


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
    """A page of a person who has signed in, at no address yet: `sign_in("ivy")`. Any error in the browser's console fails
    the test."""
    pages: list[Page] = []
    faults: list[str] = []

    def open_page(username: str, **options) -> Page:
        person = Client()
        person.force_login(User.objects.get(username=username))
        session = person.cookies[settings.SESSION_COOKIE_NAME]
        size = options.pop("viewport", {"width": 1280, "height": 720})
        context = browser.new_context(viewport=size, base_url=live_server.url, **options)
        context.add_cookies([{"name": session.key, "value": session.value, "url": live_server.url}])
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
        page.on("console", lambda message: faults.append(message.text) if "Content Security" in message.text else None)
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        if not page.is_closed():
            # An answer still on its way to a test's own handler would be read after the page is gone, and fail the next test.
            page.unroute_all(behavior="wait")
        page.context.close()
    assert not faults


@pytest.fixture(scope="session")
def migrated(shared):
    """A data folder with an empty, migrated database."""
    return shared("migrated", lambda folder: Site(folder).manage("migrate", "--verbosity", "0"))


@pytest.fixture(scope="session")
def demo(migrated, shared):
    """A data folder with the demo factory."""

    def seed(folder):
        shutil.copytree(migrated, folder, dirs_exist_ok=True)
        Site(folder).manage("seed_demo")

    return shared("demo", seed)


@pytest.fixture(scope="session")
def shared(tmp_path_factory, worker_id):
    """Makes a folder once for all test processes, which wait for the one that makes it: `shared(name, make)`."""
    root = tmp_path_factory.getbasetemp()
    root = root if worker_id == "master" else root.parent

    def once(name, make):
        folder = root / "shared" / name
        folder.parent.mkdir(exist_ok=True)
        with (folder.parent / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                unfinished = folder.with_suffix(".unfinished")
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.mkdir()
                make(unfinished)
                unfinished.rename(folder)
        return folder

    return once


@pytest.fixture
def site(migrated, tmp_path):
    """A site of its own: its data folder, its port, its processes."""
    yield from _copied(migrated, tmp_path / "data")


@pytest.fixture
def demo_site(demo, tmp_path):
    """A site of its own with the demo factory's rows."""
    yield from _copied(demo, tmp_path / "data")


def _copied(source, folder):
    shutil.copytree(source, folder)
    site = Site(folder)
    yield site
    for pid in site.pids():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for process in site.started:
        process.wait()


@pytest.fixture
def factory(demo_site, browser):
    demo_site.env |= {"PORT": str(free_port()), "DEMO_PASSWORD": demo_factory.PASSWORD}
    demo_site.start("gunicorn", "config.wsgi")
    wait_for_server(ApiClient(f"http://127.0.0.1:{demo_site.env['PORT']}", ""), 60)
    demo_site.start("celery", "-A", "config", "worker", "--concurrency", "1", "--loglevel", "WARNING")
    demo_site.start("celery", "-A", "config", "beat", "--loglevel", "WARNING")
    factory = demo_factory.Factory(demo_site, browser)
    yield factory
    for page in factory.pages.values():
        page.context.close()


@pytest.fixture
def rig(tmp_path, transactional_db, live_server, line, cam, monkeypatch):
    """A watch folder, a spool and a sender on the live server, stepped by hand."""

    class Rig:
        def __init__(self):
            self.watch = tmp_path / "watch"
            self.watch.mkdir()
            self.settings = Settings(
                server=live_server.url,
                line=line.slug,
                spool=tmp_path / "spool",
                watch=self.watch,
                settle=0,
                min_free_gb=0,
            )
            self.spool = Spool(self.settings.spool)
            self.client = StationClient(live_server.url, timeout=10)
            self.sender = Sender(self.spool, self.client, sent=lambda: None)

        def taker(self, **settings):
            told = {name: getattr(self.settings, name) for name in Settings.__annotations__} | settings
            return Taker(Settings(**told), self.spool, taken=lambda: None)

        def send_all(self):
            while self.sender.step() == 0:
                pass

        def state(self):
            return read_state(self.spool)

    monkeypatch.setenv("STATION_TOKEN", ApiToken.issue(cam))
    monkeypatch.setattr(waiting, "MAX_SECONDS", 0.5)  # a killed agent's question is not waited for any longer
    made = Rig()
    yield made
    made.client.close()
    made.spool.close()
    deadline = time.monotonic() + 10
    while any("process_request_thread" in thread.name for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "the server is still at work for an agent that is gone"
        time.sleep(0.02)
