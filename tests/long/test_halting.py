"""Halting: a line or the whole factory, what holds afterwards, and a halt that an inspector asks for."""

import re

import pytest
from django.urls import reverse

from automation import policies
from automation.actions import set_halt
from inspection import actions
from inspection.actions.halting import find_halt_request
from inspection.models import AuditEvent, HaltAnswer, HaltRequest, Line
from inspection.refusals import BadInput, Conflict, NotAllowed, Unknown

ROOT = "/api/v1/lines/line-a/automation/"


@pytest.fixture
def other(line):
    return Line.objects.create(slug="line-b", name="Line B")


def url(name):
    return reverse(name, args=["line-a"])


def words(response) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", response.content.decode()).split())


def told() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))


# ---- a line, or the factory


def test_the_factory_is_halted_and_resumed_over_the_api(line, other, api, ada):
    sent = {"reason": "fire", "scope": "factory"}
    answer = api(ada).post(f"{ROOT}halt/", sent)
    assert answer.status_code == 201
    assert answer.json()["holds"] == {**answer.json()["holds"], "scope": "factory", "by": "ada", "reason": "fire"}
    assert policies.halt_of(other).reason == "fire"
    assert api(ada).get(ROOT).json()["halted"]["scope"] == "factory"
    answer = api(ada).post(f"{ROOT}halt/", sent | {"on": False}).json()
    assert (answer["on"], answer["scope"], answer["holds"]) == (False, "factory", None)
    assert policies.halt_of(other) is None


def test_a_line_is_not_resumed_while_the_factory_is_halted(line, api, page, ada):
    set_halt(line=None, on=True, by=ada, reason="fire")
    answer = api(ada).post(f"{ROOT}halt/", {"on": False, "reason": "over"})
    assert answer.status_code == 409
    assert "The whole factory is halted (by ada: fire), and Line A with it." in answer.json()["detail"]
    assert page(ada).post(url("halt_line"), {"on": "no", "reason": "over"}).status_code == 409
    assert policies.halt_of(line).reason == "fire"


def test_a_line_with_a_halt_of_its_own_stays_halted_when_the_factory_runs_again(line, api, page, ada):
    for halted in (line, None):
        set_halt(line=halted, on=True, by=ada, reason="fire")
    answer = api(ada).post(f"{ROOT}halt/", {"on": False, "reason": "over", "scope": "factory"}).json()
    assert (answer["holds"]["scope"], answer["holds"]["reason"]) == ("line", "fire")
    set_halt(line=None, on=True, by=ada, reason="fire")
    sent = {"on": "no", "reason": "over", "scope": "factory"}
    assert "Line A stays halted by a halt of its own" in words(page(ada).post(url("halt_line"), sent, follow=True))


def test_the_page_halts_a_line_or_the_factory(line, other, page, sam):
    client = page(sam)
    shown = words(client.get(url("line_automation")))
    assert "Halt Line A now" in shown
    assert "Halt the whole factory" in shown
    client.post(url("halt_line"), {"reason": "lamp"})
    assert policies.halt_of(other) is None
    said = client.post(url("halt_line"), {"reason": "fire", "scope": "factory"}, follow=True)
    assert "The whole factory is halted. People judge every part." in words(said)
    assert policies.halt_of(other).reason == "fire"


@pytest.mark.parametrize("name", ["sam", "ada"])
def test_whoever_is_bound_to_lines_halts_these_alone(line, other, api, page, request, name):
    person = request.getfixturevalue(name)
    person.lines.add(line)
    assert api(person).post(f"{ROOT}halt/", {"reason": "x", "scope": "factory"}).status_code == 403
    assert "Halt the whole factory" not in words(page(person).get(url("line_automation")))
    person.lines.add(other)  # all of them by now, and still not those to come
    with pytest.raises(NotAllowed, match="bound to some lines"):
        set_halt(line=None, on=True, by=person, reason="x")
    assert policies.halt_of(line) is None
    assert api(person).post(f"{ROOT}halt/", {"reason": "x"}).status_code == 201


def test_another_scope_is_refused(line, api, sam):
    assert api(sam).post(f"{ROOT}halt/", {"reason": "x", "scope": "world"}).status_code == 400


# ---- a halt that is asked for


@pytest.fixture
def asked(line, ivy) -> HaltRequest:
    return actions.request_halt(line=line, by=ivy, reason="smoke at camera 1")


def test_an_inspector_asks_from_the_room_and_reads_that_it_is_open(line, page, ivy, make_part):
    client = page(ivy)
    assert "Ask for a halt of the line" in words(client.get(url("inspect")))
    said = words(client.post(url("request_halt"), {"reason": "smoke"}, follow=True))
    assert "You have asked for a halt of Line A. Whoever supervises it reads why." in said
    assert "Ask for a halt of the line" not in said
    assert (HaltRequest.objects.get().reason, told()) == ("smoke", ["halt_requested"])
    make_part()
    assert "You have asked for a halt of Line A" in words(client.get(url("inspect"))), "with a part in hand, too"


def test_an_empty_room_has_the_way_to_ask(line, page, ivy):
    assert 'action="/inspect/line-a/halt/"' in page(ivy).get(url("inspect")).content.decode()


def test_asking_again_before_the_answer_changes_nothing(line, asked, ivy, ian):
    assert actions.request_halt(line=line, by=ivy, reason="more smoke") == asked
    assert actions.request_halt(line=line, by=ian, reason="I smell it too") != asked
    assert told() == ["halt_requested", "halt_requested"]


@pytest.mark.parametrize("reason", ["", "  ", "a\0b", "bell\x07"])
def test_it_is_asked_with_a_reason_in_words(line, ivy, reason):
    with pytest.raises(BadInput):
        actions.request_halt(line=line, by=ivy, reason=reason)


def test_supervisors_read_it_on_every_page_and_on_the_lines_own(line, asked, page, ivy, sam):
    for address in (url("line_automation"), "/queue/", "/alarms/"):
        shown = words(page(sam).get(address))
        assert "Halt asked for" in shown, address
        assert f"{ivy.pseudonym} asks for a halt of Line A" in shown, address
        assert "smoke at camera 1" in shown, address
    assert words(page(sam).get(url("line_automation"))).count("asks for a halt of Line A") == 2


def test_inspectors_read_nothing_of_it_and_supervisors_of_other_lines_neither(line, other, asked, page, ian, sam):
    assert "smoke" not in words(page(ian).get(url("inspect")))
    sam.lines.add(other)
    assert "smoke" not in words(page(sam).get("/queue/"))


def test_one_button_halts(line, asked, page, sam):
    client = page(sam)
    form = re.search(
        r'action="/lines/line-a/automation/halt/">.{0,400}?name="reason" value="([^"]*)"',
        client.get(url("line_automation")).content.decode(), re.S,
    )  # fmt: skip
    client.post(url("halt_line"), {"on": "yes", "reason": form[1]})
    assert policies.halt_of(line).reason == "smoke at camera 1"
    answer = HaltAnswer.objects.get()
    assert (answer.granted, answer.by, answer.request) == (True, sam, asked)
    assert told() == ["halt_requested", "halt_request_granted", "halted"]
    assert "Halt asked for" not in words(client.get("/queue/"))


@pytest.mark.parametrize("whole", [True, False])
def test_any_halt_of_the_line_grants_it(line, other, asked, ada, ian, whole):
    elsewhere = actions.request_halt(line=other, by=ian, reason="belt")
    set_halt(line=None if whole else line, on=True, by=ada, reason="fire")
    assert asked.answer.granted
    assert HaltAnswer.objects.filter(request=elsewhere).exists() == whole


def test_declining_takes_a_reason_which_whoever_asked_reads(line, asked, page, ivy, sam):
    client = page(sam)
    assert client.post(url("decline_halt"), {"asked": asked.pk, "reason": ""}).status_code == 400
    said = client.post(url("decline_halt"), {"asked": asked.pk, "reason": "it is steam"}, follow=True)
    assert "Declined: Line A goes on." in words(said)
    assert (HaltAnswer.objects.get().granted, policies.halt_of(line)) == (False, None)
    assert told() == ["halt_requested", "halt_request_declined"]
    assert client.post(url("decline_halt"), {"asked": asked.pk, "reason": "again"}).status_code == 409
    shown = words(page(ivy).get(url("inspect")))
    assert "Your last request was declined: it is steam" in shown
    assert "Ask for a halt of the line" in shown, "one may ask again"


def test_while_the_line_is_halted_nobody_is_asked_to_halt_it(line, page, ivy, sam, ada):
    set_halt(line=line, on=True, by=ada, reason="fire")
    actions.request_halt(line=line, by=ivy, reason="smoke")
    assert "Halt asked for" not in words(page(sam).get("/queue/"))
    set_halt(line=line, on=False, by=ada, reason="over")
    assert "Halt asked for" in words(page(sam).get("/queue/"))


def test_the_api_asks_reads_and_declines(line, api, ivy, ian, sam):
    answer = api(ivy).post("/api/v1/halt-requests/", {"line": "line-a", "reason": "smoke"})
    assert (answer.status_code, answer.json()["by"], answer.json()["answer"]) == (201, "ivy", None)
    number = answer.json()["id"]
    assert api(ian).get("/api/v1/halt-requests/").json()["results"] == []
    [row] = api(sam).get("/api/v1/halt-requests/?open=yes&line=line-a").json()["results"]
    assert (row["by"], row["reason"]) == (ivy.pseudonym, "smoke")
    declined = api(sam).post(f"/api/v1/halt-requests/{number}/decline/", {"reason": "steam"})
    assert (declined.status_code, declined.json()["answer"]["granted"]) == (201, False)
    [row] = api(ivy).get("/api/v1/halt-requests/").json()["results"]
    assert row["answer"]["reason"] == "steam"
    assert api(sam).get("/api/v1/halt-requests/?open=yes").json()["results"] == []
    assert api(sam).get("/api/v1/halt-requests/?open=maybe").status_code == 400
    assert api(sam).post("/api/v1/halt-requests/99/decline/", {"reason": "x"}).status_code == 404


def test_who_asks_and_who_answers_works_on_the_line(line, other, asked, ian, sam, cam):
    ian.lines.add(other)
    sam.lines.add(other)
    with pytest.raises(NotAllowed, match="not bound to Line A"):
        actions.request_halt(line=line, by=ian, reason="x")
    with pytest.raises(NotAllowed, match="not bound to Line A"):
        actions.decline_halt(asked=asked, by=sam, reason="x")
    with pytest.raises(NotAllowed):
        actions.request_halt(line=line, by=cam, reason="x")
    with pytest.raises(NotAllowed):
        actions.decline_halt(asked=asked, by=ian, reason="x")


def test_the_trail_calls_whoever_asked_by_a_pseudonym(line, asked, api, ivy, sam):
    [event] = api(sam).get("/api/v1/audit/").json()["results"]
    assert (event["action"], event["by"]) == ("halt_requested", ivy.pseudonym)


def test_two_who_answer_at_once_answer_once(at_once, line, asked, sam, ada):
    done = at_once(
        lambda: actions.decline_halt(asked=asked, by=sam, reason="steam"),
        lambda: set_halt(line=line, on=True, by=ada, reason="smoke"),
    )
    assert HaltAnswer.objects.count() == 1
    assert not [one for one in done if isinstance(one, Exception) and not isinstance(one, Conflict)]


def test_a_request_that_is_not_there_is_not_found(line, sam):
    with pytest.raises(Unknown):
        find_halt_request(10**30, sam)
