"""The whole ladder in a real browser, on real processes: from human only to full automation, and back by itself.

The demo's line B, its limits eased (alpha 5 %, one day) so that it fits in minutes; nothing else is made easier. Set
PICTURES to a folder to keep a picture of every step.
"""

import contextlib
import sqlite3
import time

import pytest
from playwright.sync_api import expect

from tests.journeys.sites import within

pytestmark = pytest.mark.journey
LIMITS = {
    "Scratched among passed, at most (%)": "5",
    "Good among rejected, at most (%)": "50",
    "In the unsure band, at most (%)": "90",
    "Blind verdicts, at least": "30",
    "Days with verdicts, at least": "1",
    "Days at partial, at least": "0",
    "Audited passes in a step of the ramp, at least": "10",
    "Blind share (%)": "100",
    "Audit share (%)": "50",
}
THRESHOLD = "0.387249"  # of the starter's frozen order


@pytest.mark.timeout(900)
def test_a_line_climbs_the_whole_ladder_and_falls_back_by_itself_when_escapes_begin(factory):
    page = factory.page_of("ada")
    factory.picture("human-only")

    # The limits, typed by hand; nothing decides by machine yet, so one person may.
    page.locator("summary", has_text="Edit the policy").click()
    for label, value in LIMITS.items():
        page.get_by_label(label, exact=True).fill(value)
    page.get_by_label("Measure inspectors by seeded parts").uncheck()
    form = page.locator("form", has=page.get_by_label("Measure inspectors by seeded parts"))
    form.get_by_label("Reason").fill("So that a ladder fits in minutes.")
    form.get_by_role("button").last.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Line B is at human only")

    factory.ramp([[0.5, 1.0], [1.0, 0.5]])
    factory.produce(15)
    factory.manage("replay", "starter", "--line", "line-b")
    factory.raise_to("shadow")
    factory.produce(45)
    factory.raise_to("assist")
    factory.picture("assist-with-gates")
    # The button says what is missing until the certificate is there.
    assert "more judged parts" in factory.page_of("ada").locator("main").inner_text()
    factory.produce(150)
    factory.picture("assist-certified")
    factory.raise_to("partial", pass_below=THRESHOLD, reject_from=THRESHOLD)
    factory.picture("partial-first-step")

    # The ramp goes on by evidence, one approved step after the other, up to all parts.
    last = (
        len(
            factory.rows(
                "SELECT value FROM automation_policy, json_each(ramp) WHERE line_id = 2 AND level = 'partial' AND step = 0"
            )
        )
        - 1
    )
    for _ in range(8):
        if factory.policy()[1] == last:
            break
        factory.produce(40)
        time.sleep(6)
    assert factory.policy() == ("partial", last, "system")
    factory.picture("partial-whole")
    factory.judge_the_rest()
    factory.raise_to("full", pass_below=THRESHOLD)
    factory.produce(20)
    factory.picture("full")

    # The planted fault: from the middle of this run on scratches are too fine for the model.
    factory.produce(60, "--drift", "faint", "--scratched", "0.7")
    within(60, lambda: factory.policy()[0] == "assist", of=factory.site)
    assert factory.policy()[2] == "system"
    page = factory.page_of("sam")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Line B is at assist")
    expect(page.locator("main")).to_contain_text("critical alarm")
    factory.picture("fallen-back")
    # Nothing of the old certificate counts any more.
    assert "more judged parts" in page.locator("main").inner_text()
    # No part got lost, and none was decided twice by the machine.
    assert (
        factory.rows(
            "SELECT count(*) FROM inspection_disposition WHERE by_machine GROUP BY inspection_id HAVING count(*) > 1"
        )
        == []
    )

    # Every step is in the sealed trail; one word of it altered is found, by the row that was altered.
    within(30, lambda: factory.site.seals() > 20, of=factory.site)
    factory.manage("verify_audit_trail")
    [(event,)] = factory.rows("SELECT max(id) FROM inspection_auditevent WHERE action = 'fell_back'")
    with (
        contextlib.closing(sqlite3.connect(factory.site.folder / "shadowline.sqlite3", timeout=20)) as database,
        database,
    ):
        for (trigger,) in database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'inspection_auditevent'"
        ).fetchall():
            database.execute(f"DROP TRIGGER {trigger}")
        database.execute("UPDATE inspection_auditevent SET by = 'nobody' WHERE id = ?", [event])
    assert f"event {event} does not match its seal" in factory.manage("verify_audit_trail", status=1)
