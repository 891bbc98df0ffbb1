"""A line is retrained in a browser by a real worker: live progress, a killed worker, a cancel, a candidate at the end."""

import json
import re
import sqlite3
from contextlib import closing

import pytest
from PIL import Image
from playwright.sync_api import expect

from shadow.vision.synthetic import render
from tests.journeys.sites import free_port, within
from tests.journeys.test_processes import send

pytestmark = pytest.mark.journey
WORKER = ("celery", "-A", "config", "worker", "-Q", "train", "--pool", "solo", "--loglevel", "WARNING")
EPOCHS = 8


@pytest.fixture
def site(demo_site, tmp_path):
    """The demo factory with 18 small judged renderings as line A's history, its web server and the worker that trains."""
    rows = ["path,label"]
    for number in range(18):
        flaw = "scratch" if number % 2 else "none"
        Image.fromarray(render(number, flaw=flaw, hardness=0.0, size=(240, 135)).image).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,{'scratched' if number % 2 else 'ok'}")
    (tmp_path / "photos.csv").write_text("\n".join(rows))
    demo_site.manage("import_photos", str(tmp_path / "photos.csv"), "--line", "line-a", "--as-history")
    demo_site.port = free_port()
    demo_site.start("gunicorn", "config.wsgi", PORT=str(demo_site.port))
    demo_site.worker = demo_site.start(*WORKER, OMP_NUM_THREADS="1")
    return demo_site


@pytest.fixture
def ada(browser, site):
    """Ada's page on that site."""
    context = browser.new_context(viewport={"width": 1280, "height": 720}, base_url=f"http://127.0.0.1:{site.port}")
    page = context.new_page()
    within(30, lambda: _answers(page), of=site)
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password").fill("shadowline")
    page.get_by_role("button", name="Sign in").click()
    yield page
    context.close()


def _answers(page):
    try:
        return page.goto("/login/").ok
    except Exception:
        return False


def run_of(site, *columns):
    """Columns of the newest training."""
    with closing(sqlite3.connect(site.folder / "shadowline.sqlite3", timeout=20)) as database:
        query = f"SELECT {', '.join(columns)} FROM shadow_trainingrun ORDER BY id DESC"
        return database.execute(query).fetchone()


def epochs_of(site):
    return json.loads(run_of(site, "curve")[0])


def end_lease(site):
    """The clock moves on until the dead worker's lease is over."""
    with closing(sqlite3.connect(site.folder / "shadowline.sqlite3", timeout=20)) as database, database:
        database.execute("UPDATE shadow_trainingrun SET leased_until = '2000-01-01 00:00:00' WHERE state = 'running'")


def test_ada_retrains_line_a_through_a_dead_worker_and_a_second_thought(ada, site):
    ada.goto("/lines/line-a/trainings/")
    ada.get_by_role("link", name="Train a version for").click()
    ada.get_by_label("Reason").fill("New glass since Monday.")
    ada.get_by_label("Name of the version").fill("fresh")
    ada.get_by_text("How it learns").click()
    ada.get_by_label("Epochs at most").fill(str(EPOCHS))
    ada.get_by_label("Renderings mixed in").fill("2")
    ada.get_by_role("button", name="Start the training").click()
    expect(ada.locator("[data-training]")).to_contain_text(
        re.compile(r"Epoch \d+ of at most 8 is learnt"), timeout=40_000
    )

    site.worker.kill()
    site.worker.wait()
    before = epochs_of(site)
    end_lease(site)
    site.worker = site.start(*WORKER, OMP_NUM_THREADS="1")
    send(site.broker.url, "shadow.tasks.train_waiting", queue="train")  # as beat does every five seconds
    within(40, lambda: len(epochs_of(site)) > len(before), of=site)
    assert epochs_of(site)[: len(before)] == before, "it has begun anew"
    assert run_of(site, "attempts") == (2,)

    ada.once("dialog", lambda dialog: dialog.accept())
    ada.get_by_role("button", name="Cancel the training").click()
    expect(ada.locator("main")).to_contain_text("ada cancelled it")
    assert run_of(site, "state", "version_id") == ("cancelled", None)
    ada.get_by_role("button", name="Let it go on").click()
    expect(ada.get_by_role("heading", level=1)).to_contain_text(
        re.compile("fresh misses|No scratched part"), timeout=60_000
    )
    assert run_of(site, "state") == ("done",)

    ada.get_by_label("Reason").fill("It has seen the new glass.")
    ada.get_by_role("button", name="Let fresh shadow").click()
    expect(ada.locator("main")).to_contain_text("fresh scores the line's parts already, as Candidate")
    ada.get_by_role("link", name="Its lineage").click()
    expect(ada.get_by_role("heading", level=1)).to_contain_text("fresh has learnt from")
    expect(ada.locator("main")).to_contain_text("imported with the photos")
    expect(ada.locator("main")).to_contain_text("The machine has decided no part by it")
