"""The pages and the API of the inspectors: parts of known truth, a study planned in four steps, who may and who may not."""

import csv
import io
import re
from math import ceil

import pytest
from django.urls import reverse

from automation.evidence import lower_bound
from automation.inspectors import reach_of, sensitivity_of
from inspection import actions
from inspection.models import AuditEvent, Inspection, Line, ModelOutputShown, Reference, SeededPart, Study, Verdict
from inspection.roles import Role
from shadow.models import Prediction, TrainingPart
from shadow.reference_pool import PoolRow, mix_of
from shadow.study_plan import PACED_BY, median_seconds, suggested
from tests.conftest import make_person

API = "/api/v1/"
PLAN = "/inspectors/studies/new/"
SPACES = re.compile(r"\s+")
PAGES = ("inspectors", "references", "studies", "plan_study")


@pytest.fixture
def pool(line, make_part, judge, ivy, sam):
    """12 judged parts of known truth, every second one scratched."""
    kept = []
    for number in range(12):
        truth = ("ok", "scratched")[number % 2]
        part = make_part()
        judge(part, ivy, truth)
        part.refresh_from_db()
        kept.append(actions.keep_reference(inspection=part, truth=truth, reason="measured", by=sam))
    return kept


@pytest.fixture
def people(line):
    """Two inspectors who know nothing of the pool."""
    return [make_person("ida", Role.INSPECTOR), make_person("igor", Role.INSPECTOR)]


@pytest.fixture
def study(line, pool, people, sam):
    return actions.start_study(line=line, name="March", references=pool, inspectors=people, rounds=1, by=sam)


def words(response) -> str:
    text = re.sub(r"<[^>]+>", " ", response.content.decode())
    return SPACES.sub(" ", text.replace("&nbsp;", " ").replace("\xa0", " "))


def answer(person, outcome=None) -> None:
    """Everything that waits for the person: as known, or all alike."""
    while lease := actions.claim(line=Line.objects.get(slug="line-a"), by=person):
        part = lease.inspection
        said = outcome or part.seeded.truth
        actions.record_verdict(inspection=part, by=person, lease=lease.token, outcome=said)
        actions.open_rounds()


# ---- Who may


@pytest.mark.parametrize("name", PAGES)
def test_inspectors_and_stations_are_refused(page, line, ivy, cam, otto, name):
    for person in (ivy, cam, otto):
        assert page(person).get(reverse(name)).status_code == 403


def test_a_study_is_not_theirs_to_see(page, api, study, ivy):
    assert page(ivy).get(reverse("study", args=[study.pk])).status_code == 403
    for path in (f"studies/{study.pk}/", "studies/", "references/", "inspectors/"):
        assert api(ivy).get(API + path).status_code == 403


@pytest.mark.parametrize("name", PAGES)
def test_the_pages_open_on_an_empty_line(page, line, sam, name):
    assert page(sam).get(reverse(name)).status_code == 200


def test_other_lines_stay_theirs(page, api, study, pool, sam):
    sam.lines.add(Line.objects.create(slug="line-b", name="Line B"))
    browser = page(sam)
    assert browser.get(reverse("study", args=[study.pk])).status_code == 404
    assert browser.post(reverse("close_study", args=[study.pk])).status_code == 404
    assert browser.post(reverse("retire_reference", args=[pool[0].pk])).status_code == 404
    assert browser.get(reverse("references"), {"line": "line-a"}).status_code == 403
    assert browser.get(reverse("sensitivity", args=["line-a"])).status_code == 403
    assert api(sam).get(f"{API}studies/").json()["results"] == []
    assert api(sam).post(f"{API}studies/{study.pk}/close/").status_code == 404


# ---- What they find


def test_the_page_shows_what_was_found_and_puts_its_reading_on_record(page, study, people, pool, sam):
    for person, outcome in zip(people, (None, "ok"), strict=True):
        answer(person, outcome)
    shown = words(page(sam).get(reverse("inspectors")))
    assert "Inspectors of Line A find 50.0 % (6 of 12) of the seeded scratched parts" in shown
    assert people[0].pseudonym in shown
    assert "ida" not in shown
    assert "Pooled over everybody; no person's curve is drawn or stored." in shown.replace("&#x27;", "'")
    assert AuditEvent.objects.filter(action="inspector_figures_read", by="sam", line="line-a").count() == 1


def test_the_certificates_own_bound_comes_as_a_fragment(page, study, people, version, set_level, line, pool, sam):
    set_level(line, "shadow", version)
    answer(people[0])
    for kept in pool:
        Prediction.objects.create(inspection=kept.inspection, version=version, score=0.01, outcome="ok")
    told = sensitivity_of(line)
    assert (told.seeds, told.found) == (6, 6)
    assert (told.taken.gate.figures["seeds"], told.taken.gate.figures["found"]) == (6, 6)
    shown = words(page(sam).get(reverse("sensitivity", args=["line-a"])))
    assert "At every look, with 99 % confidence, inspectors find at least" in shown
    assert "So Line A certifies at" in shown


def test_without_seeds_or_version_the_fragment_says_so(page, line, sam):
    shown = words(page(sam).get(reverse("sensitivity", args=["line-a"])))
    assert "nothing is known of what inspectors find" in shown
    assert "no version with thresholds yet" in shown


# ---- Parts of known truth


def test_a_judged_part_is_kept_by_its_serial_and_retired(page, make_part, judge, ivy, sam):
    part = make_part("SN77")
    judge(part, ivy, "scratched")
    browser = page(sam)
    sent = {"line": "line-a", "serial": " SN77 ", "truth": "scratched", "reason": "measured"}
    response = browser.post(reverse("keep_reference"), sent, follow=True)
    assert "Part SN77 is kept as a reference." in words(response)
    kept = Reference.objects.get()
    assert (kept.truth, kept.by) == ("scratched", sam)
    response = browser.post(reverse("retire_reference", args=[kept.pk]), follow=True)
    assert "is mixed in no more" in words(response)
    assert "SN77" in words(browser.get(reverse("references"), {"show": "retired"}))


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        ({"serial": "SN404"}, 404, "There is no part"),
        ({"serial": "SN00001"}, 409, "not judged yet"),
        ({"serial": "SN00001", "reason": ""}, 400, "How it is known"),
        ({"serial": "SN00001", "truth": "maybe"}, 400, "Truth"),
    ],
)
def test_what_cannot_be_kept_is_said_beside_what_was_typed(page, make_part, sam, sent, status, said):
    make_part()
    fields = {"line": "line-a", "truth": "ok", "reason": "measured under raking light"} | sent
    response = page(sam).post(reverse("keep_reference"), fields)
    assert response.status_code == status
    assert said in words(response)
    assert f'value="{sent["serial"]}"' in response.content.decode()
    assert not Reference.objects.exists()


def test_a_link_brings_what_is_known_to_the_form(page, line, sam):
    response = page(sam).get(reverse("references"), {"serial": "SN5", "truth": "scratched", "reason": "adjudicated"})
    html = response.content.decode()
    assert 'value="SN5"' in html
    assert 'value="scratched" checked' in html


def test_the_share_is_told_as_seeds_a_day(page, line, pool, make_evidence, version, ivy, sam):
    make_evidence(line, version, 388, 0.1, "ok", by=ivy)  # beside the pool's 12: 400 in three days and a bit
    Line.objects.update(seed_percent=3)
    line.refresh_from_db()
    mix = mix_of(line)
    assert (mix.in_use, mix.scratched_in_use) == (12, 6)
    assert mix.seeds == pytest.approx(0.03 * mix.parts)
    assert mix.days == ceil(6 / (0.015 * mix.parts))
    assert "of them scratched" in words(page(sam).get(reverse("references")))
    for kept in pool[1::2]:
        actions.retire_reference(reference=kept, by=sam)
    assert (mix_of(line).scratched, mix_of(line).days) == (0, None)


def test_each_scratched_reference_counts_once_however_often_it_is_shown(page, line, study, people, sam):
    """More days tell no more than there are references: what is known is bounded by their number."""
    Line.objects.update(seed_percent=5)
    assert (mix_of(line).answered, mix_of(line).waiting) == (0, 6)
    answer(people[0])
    answer(people[1], "ok")
    line.refresh_from_db()
    mix = mix_of(line)
    assert (mix.scratched_in_use, mix.answered, mix.days) == (6, 6, None)
    assert sensitivity_of(line).seeds == 6
    assert sensitivity_of(line).found == 6, "the first answer to each"
    shown = words(page(sam).get(reverse("references")))
    assert "6 of 6 scratched ones have an answer, and each counts once." in shown
    assert "it takes" not in shown


def test_who_judged_the_part_itself_is_no_measure(line, pool, ivy):
    seen, new = (make_seeded_answer(pool[1], ivy), make_seeded_answer(pool[3], make_person("ida", Role.INSPECTOR)))
    assert Verdict.objects.filter(inspection__in=[seen, new]).count() == 2
    assert (mix_of(line).answered, sensitivity_of(line).seeds, reach_of(line).answered) == (1, 1, 1)


def make_seeded_answer(kept: Reference, by):
    """The reference shown again and found by this person."""
    source = kept.inspection
    part = Inspection.objects.create(
        line=source.line, serial=f"AGAIN{kept.pk}", captured_at=source.captured_at, hold_until=source.hold_until,
        state="decided", origin="seeded",
    )  # fmt: skip
    SeededPart.objects.create(inspection=part, source=source, purpose="reference", truth=kept.truth, by="system")
    Verdict.objects.create(inspection=part, inspector=by, outcome="scratched")
    return part


def test_how_many_more_references_are_needed_is_told(page, line, pool, version, set_level, sam):
    address = reverse("reference_reach", args=["line-a"])
    assert "At least 47 more such references are needed." in words(page(sam).get(address))
    set_level(line, "shadow", version)
    for kept, score in zip(pool[1::2], (0.01, 0.01, 0.9, 0.9, 0.9, None), strict=True):
        Prediction.objects.create(inspection=kept.inspection, version=version, score=score, outcome="ok")
    reach = reach_of(line)
    assert (reach.scratched, reach.passed, reach.answered, reach.enough, reach.missing) == (6, 2, 0, 53, 51)
    assert lower_bound(53, 53, 0.01) >= 0.9 > lower_bound(52, 52, 0.01)
    shown = words(page(sam).get(address))
    assert "6 scratched parts are in use, 0 of them with an answer." in shown
    assert "At least 51 more such references are needed." in shown
    assert "favour the scratches that people find" in words(page(sam).get(reverse("references")))


def test_an_admin_sets_the_shares(page, line, ada):
    shown = page(ada).get(reverse("setup_line", args=[line.pk]))
    fields = {name: value for name, value in shown.context["form"].initial.items() if value is not None}
    sent = fields | {"seed_percent": "1.5", "repeat_percent": "0.5"}
    assert page(ada).post(reverse("setup_line", args=[line.pk]), sent).status_code == 302
    line.refresh_from_db()
    assert (line.seed_percent, line.repeat_percent) == (1.5, 0.5)
    response = page(ada).post(reverse("setup_line", args=[line.pk]), sent | {"seed_percent": "21"})
    assert response.status_code == 400


# ---- A study


def step(browser, which: str, /, **fields):
    return browser.post(PLAN, {"line": "line-a", "step": which, **fields})


def test_a_study_is_planned_in_four_steps(page, pool, people, sam):
    browser = page(sam)
    assert "12 of 12 chosen" in words(browser.get(PLAN))
    response = step(browser, "parts", part=[kept.pk for kept in pool[:10]])
    assert response.url == f"{PLAN}?line=line-a&step=inspectors"
    assert people[0].pseudonym in words(browser.get(response.url))
    response = step(browser, "inspectors", inspector=[person.pk for person in people])
    response = step(browser, "rounds", rounds="2", name="March")
    review = words(browser.get(response.url))
    assert "10 parts × 2 inspectors × 2 rounds; 20 for each inspector" in review
    assert "About 50 parts are advised" in review
    assert "An inspector who misses none of 10 is shown to miss at most 25.9 %" in review
    response = step(browser, "review")
    study = Study.objects.get()
    assert response.url == reverse("study", args=[study.pk])
    assert (study.name, study.rounds, study.references.count(), study.inspectors.count()) == ("March", 2, 10, 2)
    assert SeededPart.objects.filter(study=study).exists()
    assert "12 of 12 chosen" in words(browser.get(PLAN)), "the next plan begins anew"


def test_a_plan_that_lacks_something_says_what(page, pool, people, ivy, sam):
    browser = page(sam)
    refused = step(browser, "parts", part=[kept.pk for kept in pool[::2]])
    assert refused.status_code == 400
    assert "Choose at least 10 references of this line; 6 are chosen." in words(refused)
    assert "both kinds" in words(refused)
    assert step(browser, "inspectors").status_code == 400
    assert step(browser, "rounds", rounds="9", name="").status_code == 400
    review = browser.get(PLAN, {"step": "review"})
    assert re.search(r"<button[^>]*disabled[^>]*>\s*Name the study", review.content.decode())
    assert step(browser, "review").status_code == 400
    assert not Study.objects.exists()


def test_with_too_few_references_the_first_step_says_so(page, line, sam):
    html = page(sam).get(PLAN).content.decode()
    assert re.search(r"<button[^>]*disabled[^>]*>Choose at least 10 references", html)
    assert "No part of known truth yet" in html


def test_who_knows_a_part_cannot_be_chosen(page, pool, people, sam):
    ModelOutputShown.objects.create(inspection=pool[0].inspection, user=people[0], where="test")
    browser = page(sam)
    step(browser, "parts", part=[kept.pk for kept in pool])
    assert "cannot take part" in words(browser.get(PLAN, {"step": "inspectors"}))
    step(browser, "inspectors", inspector=[person.pk for person in people])
    refused = step(browser, "review")
    assert refused.status_code == 400
    assert people[0].pseudonym in words(refused)


def test_none_and_all_are_ways_to_choose(page, pool, sam):
    assert "0 of 12 chosen" in words(page(sam).get(PLAN, {"choose": "none"}))
    assert "12 of 12 chosen" in words(page(sam).get(PLAN, {"choose": "all"}))


def test_the_suggestion_is_half_scratched_and_least_shown(line, pool):
    rows = [PoolRow(kept, None, shown=n, right=n, wrong=int(n == 11), unsure=0) for n, kept in enumerate(pool)]
    chosen = suggested(rows, 4)
    assert chosen == [pool[11].pk, pool[1].pk, pool[0].pk, pool[2].pk], "the borderline one, then the least shown"


def test_the_pace_is_the_median_of_the_last_verdicts(line, people, make_part):
    assert median_seconds(line, people) is None
    part = make_part()
    for person, pace in zip(people, (4000, 9000), strict=True):
        Verdict.objects.create(inspection=part, inspector=person, outcome="ok", duration_ms=pace)
    assert median_seconds(line, people) == 6.5
    assert PACED_BY > 0


def test_a_running_study_is_preliminary_and_a_complete_one_is_not(page, study, people, sam):
    browser, address = page(sam), reverse("study", args=[study.pk])
    assert "No answer yet" in words(browser.get(address))
    answer(people[0])
    shown = words(browser.get(address))
    assert "Preliminary" in shown
    assert "12 of 24 answers are in" in shown
    answer(people[1], "scratched")
    shown = words(browser.get(address))
    assert "Preliminary" not in shown
    assert "complete" in shown
    assert "In this study, inspectors of Line A find 100 % (12 of 12) of the scratched parts; they call 50.0 %" in shown
    assert "Close the study" not in shown
    assert "March" in words(browser.get(reverse("studies")))


@pytest.mark.parametrize("way", ["page", "api"])
def test_a_taught_part_measures_nobody(page, api, line, make_part, judge, ivy, sam, way):
    judge(part := make_part("SN5"), ivy, "scratched")
    TrainingPart.objects.create(inspection=part, label="scratched", reason="why", by=sam)
    sent = {"line": "line-a", "serial": "SN5", "truth": "scratched", "reason": "measured"}
    if way == "page":
        assert "is in the training set" in words(page(sam).post(reverse("keep_reference"), sent))
    else:
        assert api(sam).post(API + "references/", sent, format="json").status_code == 409
    assert not Reference.objects.exists()


def test_closing_keeps_what_was_answered(page, study, people, sam):
    answer(people[0])
    response = page(sam).post(reverse("close_study", args=[study.pk]), follow=True)
    assert "March is closed" in words(response)
    assert "closed early" in words(response)
    study.refresh_from_db()
    assert study.closed_by == sam
    assert "Close the study" not in words(response)


# ---- The API


def test_the_figures_as_json_and_as_rows(api, study, people, sam):
    answer(people[0])
    client = api(sam)
    told = client.get(f"{API}inspectors/?line=line-a&study={study.pk}").json()
    assert told["sensitivity"]["k"] == told["sensitivity"]["n"] == 6
    assert told["inspectors"][0]["inspector"] == people[0].pseudonym
    assert told["inspectors"][0]["miss_rate"]["grade"] == "acceptable"
    assert told["inspectors"][0]["miss_rate"]["grade_of_bound"] == "unacceptable"
    rows = client.get(f"{API}inspectors/?line=line-a&format=csv")
    found = list(csv.DictReader(io.StringIO(rows.getvalue().decode())))
    assert len(found) == 12
    assert {row["truth"] == row["answer"] for row in found} == {True}
    assert AuditEvent.objects.filter(action="inspector_figures_read").count() == 2  # of the study, and of all
    assert client.get(f"{API}inspectors/?format=xml").status_code == 400


def test_references_over_http(api, pool, make_part, judge, ivy, sam):
    client = api(sam)
    page = client.get(f"{API}references/?line=line-a").json()["results"]
    assert len(page) == 12
    assert {"shown": 0, "right": 0, "wrong": 0, "unsure": 0}.items() <= page[0].items()
    part = make_part("SN9")
    judge(part, ivy, "ok")
    by_serial = {"line": "line-a", "serial": "SN9", "truth": "ok", "reason": "measured"}
    kept = client.post(f"{API}references/", by_serial)
    assert (kept.status_code, kept.json()["inspection"]) == (201, part.pk)
    by_id = {"inspection": part.pk, "truth": "ok", "reason": "measured"}
    assert client.post(f"{API}references/", by_id).json()["id"] == kept.json()["id"], "the same again is harmless"
    assert client.post(f"{API}references/", {"truth": "ok", "reason": "x"}).status_code == 400
    retired = client.post(f"{API}references/{kept.json()['id']}/retire/")
    assert retired.json()["retired_at"]
    assert len(client.get(f"{API}references/?line=line-a&retired=yes").json()["results"]) == 1
    assert client.post(f"{API}references/999/retire/").status_code == 404


def test_a_study_over_http(api, pool, people, sam):
    client = api(sam)
    sent = {
        "line": "line-a", "name": "April", "references": [kept.pk for kept in pool], "rounds": 1,
        "inspectors": [person.pseudonym for person in people],
    }  # fmt: skip
    begun = client.post(f"{API}studies/", sent, format="json")
    assert (begun.status_code, begun.json()["state"], begun.json()["references"]) == (201, "running", 12)
    number = begun.json()["id"]
    for person in people:
        answer(person)
    told = client.get(f"{API}studies/{number}/").json()
    assert (told["state"], told["preliminary"]) == ("complete", False)
    assert told["results"]["team"]["effectiveness"]["k"] == 24
    assert [row["judged"] for row in told["progress"]] == [12, 12]
    rows = client.get(f"{API}studies/{number}/?format=csv").getvalue().decode().splitlines()
    assert len(rows) == 25
    assert client.post(f"{API}studies/{number}/close/").json()["closed_at"]
    assert [row["id"] for row in client.get(f"{API}studies/?line=line-a").json()["results"]] == [number]


@pytest.mark.parametrize(
    ("change", "status"),
    [({"inspectors": ["nobody"]}, 404), ({"references": []}, 400), ({"rounds": 6}, 400), ({"line": "line-z"}, 404)],
)
def test_a_study_that_cannot_be_is_refused(api, pool, people, sam, change, status):
    sent = {
        "line": "line-a", "name": "April", "references": [kept.pk for kept in pool], "rounds": 1,
        "inspectors": [person.pseudonym for person in people],
    } | change  # fmt: skip
    assert api(sam).post(f"{API}studies/", sent, format="json").status_code == status
    assert not Study.objects.exists()


def test_the_pages_ask_the_database_little(page, pool, sam, django_assert_max_num_queries):
    browser = page(sam)
    for name in PAGES:
        browser.get(reverse(name))
        with django_assert_max_num_queries(32):
            browser.get(reverse(name))
