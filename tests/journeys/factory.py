"""The demo's line B on real processes, produced by the simulator and run by people in a browser."""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import expect

from automation.simulation import ApiClient
from tests.journeys.sites import ROOT, within

PASSWORD = "shadowline"
SHARP = ("--scratched", "0.15", "--miss", "0", "--false-alarm", "0", "--unsure", "0", "--variant", "notch")

EVERY_IMAGE = """Promise.all([...document.images].map(image => {
    image.loading = "eager";
    return image.decode().catch(() => {});
}))"""  # below the fold they are fetched only when somebody scrolls there, and a picture would have gaps


class Factory:
    """The demo on its own processes, and the people who run it."""

    def __init__(self, site, browser):
        self.site, self.browser, self.seed = site, browser, 0
        self.url = f"http://127.0.0.1:{site.env['PORT']}"
        self.pages = {}

    def manage(self, *arguments, status=0):
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self.site.env, capture_output=True, text=True, timeout=900,
        )  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    def produce(self, parts, *options):
        """Parts in front of line B's camera, judged by the simulated inspectors."""
        self.seed += 1
        made = ("--parts", str(parts), "--seed", str(self.seed), "--url", self.url)
        self.manage("simulate_line", "--line", "line-b", *SHARP, *made, *options)

    def judge_the_rest(self):
        """What was handed to people only after the last run had ended is judged by the next one."""
        within(60, lambda: not self.rows("SELECT 1 FROM inspection_inspection WHERE state = 'held'"), of=self.site)
        self.produce(1)

    def page_of(self, username, path="/lines/line-b/automation/"):
        """A page, the line's if no other is named, as this person sees it now."""
        if username not in self.pages:
            page = self.browser.new_context(viewport={"width": 1280, "height": 720}, base_url=self.url).new_page()
            page.goto("/login/")
            page.get_by_label("User name").fill(username)
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            self.pages[username] = page
        page = self.pages[username]
        page.goto(path)
        return page

    def picture(self, name, path="/lines/line-b/automation/"):
        if os.environ.get("PICTURES"):
            page = self.page_of("ada", path)
            page.evaluate(EVERY_IMAGE)
            page.screenshot(path=Path(os.environ["PICTURES"]) / f"{name}.png", full_page=True)

    def raise_to(self, level, *, pass_below=None, reject_from=None):
        """Ada proposes; where a second person has to agree, Sam does."""
        page = self.page_of("ada")
        for label, value in (("Pass below", pass_below), ("Reject from", reject_from)):
            if value and page.get_by_label(label).count():
                page.get_by_label(label).first.select_option(value)
                page.wait_for_load_state("networkidle")
        deadline = time.monotonic() + 120
        while not page.locator("#raise_reason").count():
            assert time.monotonic() < deadline, page.locator("main").inner_text()
            self.produce(5)  # the last run left parts that were handed to people as it ended; this one judges them
            page.reload()
        page.locator("#raise_reason").fill(f"The gates to {level} are met.")
        page.get_by_role("button", name=f"Raise Line B to {level}").click()
        if level in ("partial", "full"):
            expect(page.get_by_role("heading", name=f"A raise to {level} awaits another person")).to_be_visible()
            self.picture(f"{level}-awaits-sam")
            second = self.page_of("sam")
            second.get_by_role("button", name=f"Approve the raise to {level}").click()
            page = self.page_of("ada")
        expect(page.get_by_role("heading", level=1)).to_contain_text(f"Line B is at {level}")

    def ramp(self, steps):
        """The policy's own ramp, set over the API."""
        token = json.loads(self.manage("issue_token", "ada", "--json"))["token"]
        change = {"policy": {"ramp": steps}, "reason": "Two steps."}
        status, answer = ApiClient(self.url, token).post("/api/v1/lines/line-b/automation/changes/", change)
        assert status == 201, answer

    def rows(self, query):
        with contextlib.closing(sqlite3.connect(self.site.folder / "shadowline.sqlite3", timeout=20)) as database:
            return database.execute(query).fetchall()

    def policy(self):
        """(level, step, by) in force."""
        return self.rows(
            "SELECT level, step, by FROM automation_policy WHERE line_id ="
            " (SELECT id FROM inspection_line WHERE slug = 'line-b') ORDER BY number DESC LIMIT 1"
        )[0]
