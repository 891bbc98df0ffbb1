"""The versions on the line's page and over the API: what stands there, what the buttons do, and who may press them."""

from html import unescape

import pytest
from django.utils import timezone

from automation import policies
from automation.actions import add_candidate, set_standby
from automation.actions.changing import COPIED, write_policy
from automation.models import Change
from inspection import actions as floor
from shadow.actions import register_version
from shadow.models import Assignment
from tests.conftest import untrained_weights

BARS = {"pass_below": 0.1, "reject_from": 0.5}
PAGE = "/lines/line-a/automation/"
API = "/api/v1/lines/line-a/automation/"
FORMS = ["switch", "standby", "candidates", "candidates/end"]


@pytest.fixture
def beside(line, version, other_version, set_level):
    """Line A at partial by version 1 with version 2 as standby."""
    set_level(line, "partial", version, **BARS, audit_share=1e-6, standby_id=other_version.pk)
    return line


def words(response) -> str:
    return " ".join(unescape(response.content.decode()).split())


def roles() -> dict[str, str]:
    return dict(Assignment.objects.current().values_list("version__name", "role"))


def test_each_version_stands_with_its_role_its_answers_and_its_certificate(
    beside, version, other_version, page, sam, make_part, answer
):
    answer(part := make_part(), version, 0.01)
    answer(part, other_version, 0.9)
    text = words(page(sam).get(PAGE))
    for said in (
        "Live", "Standby", "0 % of its last answer failed", "more judged parts below 0.05 are needed",
        "Of the last 1 parts 1 went to a person because live version and standby disagreed.",
        "6 more scratched parts that only v1 misses would show that v2 is better", "1 part on which they differ waits",
    ):  # fmt: skip
        assert said in text, said
    assert "Switch Line A to v2" not in text, "a supervisor reads; an admin switches"


def test_an_admin_switches_with_one_button_and_back_with_one_more(beside, page, ada):
    client = page(ada)
    text = words(client.get(PAGE))
    assert "Switch Line A to v2" in text
    assert "A switch to v2 lands at assist, at once" in text
    number = policies.in_force(beside).number
    answer = client.post(f"{PAGE}switch/", {"model": "v2", "seen": number, "reason": "green"}, follow=True)
    assert "Line A is at assist, by policy 2." in words(answer)
    assert roles() == {"v1": "standby", "v2": "live"}
    client.post(f"{PAGE}switch/", {"model": "v1", "seen": number + 1, "reason": "back"})
    assert roles() == {"v1": "live", "v2": "standby"}


def test_before_a_switch_to_a_certified_standby_it_says_how_many_have_to_agree(
    beside, version, other_version, set_level, page, ada
):
    third = register_version(name="v3", weights=untrained_weights(seed=3), card={}, by="test")
    fields = {name: getattr(policies.in_force(beside), name) for name in COPIED} | {"version_id": other_version.pk}
    raised = Change.objects.create(
        line=beside, from_policy=policies.in_force(beside), kind="raise", proposed={}, reason="x", by=ada
    )
    write_policy(
        line=beside, fields=fields | {"standby_id": None}, by=ada, reason="x", action="level_raise", change=raised,
        now=timezone.now(),
    )  # fmt: skip
    for before, said in ((third, "lands at partial; the live"), (other_version, "lands at partial, at once")):
        set_level(beside, "partial", before, **BARS)
        set_level(beside, "partial", version, **BARS, standby_id=other_version.pk)
        text = words(page(ada).get(PAGE))
        assert f"A switch to v2 {said}" in text
        assert ("2 people have to agree before it holds." in text) == (before == third)


def test_the_later_of_two_admins_reads_that_the_line_has_changed(beside, page, ada):
    client, number = page(ada), policies.in_force(beside).number
    for status in (302, 409):
        answer = client.post(f"{PAGE}switch/", {"model": "v2", "seen": number, "reason": "green"})
        assert answer.status_code == status
    assert "has changed since you read it" in words(answer)


def test_the_standby_is_named_and_ended(beside, page, ada):
    client = page(ada)
    assert "has no standby any more" in words(
        client.post(f"{PAGE}standby/", {"model": ["v2", ""], "reason": "worse"}, follow=True)
    )
    assert roles() == {"v1": "live"}
    assert "v2 shadows Line A from the next part on." in words(
        client.post(f"{PAGE}candidates/", {"model": "v2", "reason": "once more"}, follow=True)
    )
    text = words(client.get(PAGE))
    assert "Make v2 the standby" in text
    assert "End v2" in text
    assert "v2 is the standby of Line A." in words(
        client.post(f"{PAGE}standby/", {"model": "v2", "reason": "better"}, follow=True)
    )
    assert roles() == {"v1": "live", "v2": "standby"}


def test_a_candidate_is_ended(beside, other_version, page, ada):
    set_standby(line=beside, version=None, by=ada, reason="worse")
    add_candidate(line=beside, version=other_version, by=ada, reason="new")
    text = words(page(ada).post(f"{PAGE}candidates/end/", {"model": "v2", "reason": "worse"}, follow=True))
    assert "v2 no longer shadows Line A." in text
    assert "Let another version shadow" in text
    assert roles() == {"v1": "live"}


def test_a_refusal_stands_on_the_page_with_what_to_do(beside, page, ada):
    client = page(ada)
    for form, sent, status, said in (
        ("switch", {"model": "v9", "reason": "x"}, 404, "Known models: v2, v1."),
        ("standby", {"model": "v1", "reason": "x"}, 409, "v1 is live on Line A"),
        ("candidates", {"model": "v2", "reason": "x"}, 409, "v2 scores the parts of Line A already"),
        ("candidates/end", {"model": "v2", "reason": ""}, 400, "Say why"),
    ):
        answer = client.post(f"{PAGE}{form}/", sent)
        assert (answer.status_code, said in words(answer)) == (status, True), form


@pytest.mark.parametrize("form", FORMS)
def test_only_an_admin_may(beside, page, ivy, sam, ada, form):
    for who, status in ((ivy, 403), (sam, 403), (ada, 302)):
        assert page(who).get(f"{PAGE}{form}/").status_code == status, "to read is to come back to the page"
    assert page(sam).post(f"{PAGE}{form}/", {"model": "v2", "reason": "x"}).status_code == 403


@pytest.mark.parametrize("form", FORMS)
def test_not_on_a_line_that_one_is_not_bound_to(beside, page, ada, form):
    ada.lines.add(beside.__class__.objects.create(slug="line-b", name="Line B"))
    assert page(ada).post(f"{PAGE}{form}/", {"model": "v2", "reason": "x"}).status_code == 403


def test_a_line_that_no_version_scores_says_what_appears_there(line, version, page, ada):
    text = words(page(ada).get(PAGE))
    assert "At human only no version scores this line." in text
    assert "Let another version shadow" not in text


# ---- over the API


def test_the_versions_over_the_api(beside, api, sam, make_part, answer, judge, ivy, version, other_version):
    answer(part := make_part(), version, 0.01)
    answer(part, other_version, 0.9)
    floor.claim(line=beside, by=ivy)
    floor.record_verdict(inspection=part, by=ivy, lease=part.lease.token, outcome="scratched")
    told = api(sam).get(API).json()
    assert told["policy"]["standby"] == "v2"
    live, standby = told["versions"]
    assert (live["model"], live["role"], live["compared"]) == ("v1", "live", None)
    assert (standby["model"], standby["role"], standby["lands"], standby["answers"]) == ("v2", "standby", "assist", 1)
    found = standby["compared"]
    assert (found["better"], found["only_blue_misses"], found["only_green_misses"]) == ("open", 1, 0)
    assert (found["missing"], found["waiting"]) == (5, 0)


def test_a_standby_is_named_and_ended_over_the_api(shadowed, other_version, api, ada):
    number = policies.in_force(shadowed).number
    answer = api(ada).post(f"{API}standby/", {"model": "v2", "reason": "green", "policy": number}, format="json")
    assert (answer.status_code, answer.json()["standby"], answer.json()["number"]) == (201, "v2", number + 1)
    late = api(ada).post(f"{API}standby/", {"model": None, "reason": "x", "policy": number}, format="json")
    assert (late.status_code, "has changed since you read it" in late.json()["detail"]) == (409, True)
    ended = api(ada).post(f"{API}standby/", {"model": None, "reason": "worse"}, format="json")
    assert (ended.status_code, ended.json()["standby"]) == (201, None)


def test_the_api_refuses_as_the_action_does(shadowed, api, ada, sam):
    client = api(ada)
    for sent, status in (
        ({"model": "v1", "reason": "x"}, 409), ({"model": "v9", "reason": "x"}, 404), ({"model": "v1"}, 400),
        ({"reason": "x"}, 400), ({"model": None, "reason": "x"}, 409),
    ):  # fmt: skip
        assert client.post(f"{API}standby/", sent, format="json").status_code == status, sent
    assert api(sam).post(f"{API}standby/", {"model": "v1", "reason": "x"}, format="json").status_code == 403


def test_a_switch_back_over_the_api_takes_one_person(beside, api, ada):
    change = api(ada).post(f"{API}changes/", {"model": "v2", "reason": "green"}, format="json").json()
    assert (change["kind"], change["quorum"], change["applied"]) == ("switch", 1, True)
