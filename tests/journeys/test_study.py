"""A study in a real browser: planned by keyboard, judged by two inspectors, its figures held against those worked out here."""

import io

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from inspection import actions
from inspection.models import Line, SeededPart, Study, User
from inspection.roles import Role
from shadow.vision.synthetic import render
from tests.conftest import make_person

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]
TRUTHS = ["scratched", "ok"] * 6
# Which parts each inspector gets wrong, by their place in the pool, in round 1 and in round 2.
WRONG = {"ida": ({0}, {0, 3}), "igor": (set(), {2})}


def photo_of(number: int, truth: str) -> bytes:
    flaw = "scratch" if truth == "scratched" else "none"
    buffer = io.BytesIO()
    Image.fromarray(render(700 + number, flaw=flaw, size=(640, 360)).image).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def pool(line, judge, ivy, sam):
    """12 judged parts of known truth with rendered photos."""
    kept = []
    for number, truth in enumerate(TRUTHS):
        sent = [actions.NewPhoto(photo_of(number, truth))]
        part, _ = actions.receive_inspection(line=line, serial=f"REF{number:02d}", photos_sent=sent, by=None)
        judge(part, ivy, truth)
        part.refresh_from_db()
        kept.append(actions.keep_reference(inspection=part, truth=truth, reason="measured", by=sam))
    return kept


def go_to(page: Page, wanted: Locator) -> None:
    """Tab until the element has the focus, as a person without a mouse does."""
    wanted.wait_for()
    for _ in range(80):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError("the keyboard does not reach it")


def press(page: Page, wanted: Locator, key: str = "Enter") -> None:
    go_to(page, wanted)
    page.keyboard.press(key)


def judge_all(client, person: User, pool) -> None:
    """The person claims and judges over the API until nothing is left, wrongly where `WRONG` says so."""
    places = {kept.inspection_id: place for place, kept in enumerate(pool)}
    while (claimed := client.post("/api/v1/queue/claim/", {"line": "line-a"})).status_code == 200:
        part, lease = claimed.json()["inspection"]["id"], claimed.json()["lease"]["token"]
        seeded = SeededPart.objects.get(pk=part)
        place = places[seeded.source_id]
        wrong = place in WRONG[person.username][seeded.round - 1]
        outcome = {"ok": "scratched", "scratched": "ok"}[seeded.truth] if wrong else seeded.truth
        sent = client.post(f"/api/v1/inspections/{part}/verdicts/", {"outcome": outcome, "lease": lease}, format="json")
        assert sent.status_code == 201, sent.content
        actions.open_rounds()


def plan(page: Page, people: list[User]) -> None:
    """The four steps, without a mouse."""
    press(page, page.get_by_role("link", name="Plan a study"))
    for serial in ("REF10", "REF11"):
        press(page, page.get_by_role("checkbox", name=serial), "Space")
    expect(page.locator("[data-count]")).to_have_text("10 of 12 chosen: 5 ok, 5 scratched")
    press(page, page.get_by_role("button", name="On to the inspectors"))
    for person in people:
        press(page, page.get_by_role("checkbox", name=person.pseudonym), "Space")
    press(page, page.get_by_role("button", name="On to the rounds"))
    go_to(page, page.get_by_role("radio", name="3 advised"))
    page.keyboard.press("ArrowLeft")
    go_to(page, page.get_by_label("Name of the study"))
    page.keyboard.press("Control+a")
    page.keyboard.type("Two by two")
    press(page, page.get_by_role("button", name="Look it over"))
    expect(page.locator("main")).to_contain_text("10 parts × 2 inspectors × 2 rounds; 20 for each inspector")
    press(page, page.get_by_role("button", name="Start the study"))


def test_a_study_is_planned_judged_and_read(sign_in, api, line, kinds, pool):
    people = [make_person("ida", Role.INSPECTOR), make_person("igor", Role.INSPECTOR)]
    page = sign_in("sam")
    page.goto(f"/inspectors/studies/?line={line.slug}")
    plan(page, people)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Two by two")
    study = Study.objects.get()
    assert (study.rounds, study.references.count()) == (2, 10)
    for person in people:
        judge_all(api(person), person, pool)

    page.reload()
    main = page.locator("main")
    expect(main).to_contain_text("40 of 40 answers are in.")
    expect(main).not_to_contain_text("Preliminary")
    missed = sum(TRUTHS[place] == "scratched" for rounds in WRONG.values() for places in rounds for place in places)
    alarms = sum(TRUTHS[place] == "ok" for rounds in WRONG.values() for places in rounds for place in places)
    assert (missed, alarms) == (3, 1)
    expect(main).to_contain_text(
        f"inspectors of Line A find {5 * (20 - missed):.1f}\u00a0% ({20 - missed}\u00a0of\u00a020)"
    )
    expect(main).to_contain_text(f"call {5 * alarms:.1f}\u00a0% ({alarms}\u00a0of\u00a020) of the good ones scratched")
    for person in people:
        first, second = WRONG[person.username]
        alike = 10 - len(first ^ second)
        right = 20 - len(first) - len(second)
        row = main.get_by_role("row").filter(has_text=person.pseudonym).filter(has_text="20 answers")
        expect(row).to_contain_text(f"{alike} of 10")
        expect(row).to_contain_text(f"{right} of 20")
    told = api(User.objects.get(username="sam")).get(f"/api/v1/studies/{study.pk}/").json()["results"]["team"]
    assert (told["miss_rate"]["k"], told["false_alarm_rate"]["k"], told["between"]["k"]) == (missed, alarms, 7)


def test_an_inspector_finds_nothing_of_it(sign_in, line, pool, ivy):
    Line.objects.update(seed_percent=1)
    page = sign_in("ivy")
    for path in ("/inspectors/", "/inspectors/references/", "/inspectors/studies/", "/inspectors/studies/new/"):
        assert page.goto(path).status == 403
    assert page.get_by_role("link", name="Inspectors").count() == 0
