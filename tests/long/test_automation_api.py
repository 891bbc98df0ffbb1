"""Automation over HTTP: the contract's shapes, the same reasons as the actions give, and who may."""

import pytest

from automation import policies
from automation.actions import propose_change
from inspection import actions as floor
from inspection.models import Line, ModelOutputShown
from inspection.refusals import Conflict
from tests.conftest import PASSWORD

ROOT = "/api/v1/lines/line-a/automation/"
SMALL = {"alpha": 0.2, "blind_pairs": 20, "sensitivity_from_seeds": False}
BARS = {"pass_below": 0.1, "reject_from": 0.5}


@pytest.fixture
def assisted(line, version, set_level, make_evidence, ivy):
    """Line A at assist with evidence enough for partial at small limits."""
    make_evidence(line, version, 24, 0.01, "ok", by=ivy)
    make_evidence(line, version, 18, 0.9, "scratched", by=ivy)
    set_level(line, "assist", version, limits=SMALL)
    return line


def raise_to_partial(client):
    return client.post(f"{ROOT}changes/", {"level": "partial", "policy": BARS, "reason": "it is time"})


# ---- where the line stands


def test_where_a_line_stands_and_what_the_next_step_needs(assisted, api, sam):
    answer = api(sam).get(ROOT).json()
    assert (answer["line"], answer["level"], answer["next_level"]) == ("line-a", "assist", "partial")
    assert answer["policy"]["number"] == 1
    assert answer["policy"]["version"] == "v1"
    assert set(policies.FIELDS) <= set(answer["policy"])
    assert answer["canary"] == {"step": 0, "steps": [], "share": 1.0, "audit_share": 0.1}
    assert answer["certificate"] is answer["pending"] is answer["halted"] is None
    assert all(set(gate) == {"name", "met", "reason", "figures"} for gate in answer["gates"])
    assert "certificate" in {gate["name"] for gate in answer["gates"]}


def test_a_line_that_nobody_has_touched_stands_at_human_only(line, api, sam):
    answer = api(sam).get(ROOT).json()
    assert (answer["level"], answer["next_level"], answer["policy"]["number"]) == ("human_only", "shadow", 0)
    assert {gate["name"]: gate["met"] for gate in answer["gates"]} == {
        "version": False, "null rate": False, "latency": False,
    }  # fmt: skip


def test_an_unknown_line_is_404(line, api, sam):
    response = api(sam).get("/api/v1/lines/line-z/automation/")
    assert response.status_code == 404
    assert response.json()["detail"] == "There is no line 'line-z'. Known lines: line-a."


# ---- changes


def test_a_raise_is_proposed_approved_and_certified(assisted, api, ada, sam):
    response = raise_to_partial(api(ada))
    change = response.json()
    assert response.status_code == 201
    assert set(change) == {
        "id", "kind", "proposed", "certificate", "quorum", "reason", "by", "at", "applied",
    }  # fmt: skip
    assert (change["kind"], change["quorum"], change["by"], change["applied"]) == ("raise", 2, "ada", False)
    assert api(sam).get(ROOT).json()["pending"]["id"] == change["id"]
    approved = api(sam).post(f"{ROOT}approve/", {"reason": "seen"})
    assert (approved.status_code, approved.json()["applied"]) == (200, True)
    answer = api(sam).get(ROOT).json()
    assert (answer["level"], answer["canary"]["share"], answer["canary"]["audit_share"]) == ("partial", 0.05, 1.0)
    assert answer["certificate"]["level"] == "partial"
    assert all(gate["met"] for gate in answer["certificate"]["gates"])


def test_unmet_gates_are_409_with_the_reasons_that_the_action_gives(shadowed, api, ada):
    response = api(ada).post(f"{ROOT}changes/", {"level": "assist", "reason": "now"})
    with pytest.raises(Conflict) as refused:
        propose_change(line=shadowed, by=ada, level="assist", reason="now")
    body = response.json()
    assert (response.status_code, body["status"]) == (409, 409)
    assert body["errors"] == refused.value.reasons
    assert body["detail"] == str(refused.value)
    assert "blind pairs: 100 more blind verdicts are needed (0 of 100)." in body["errors"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"level": "assist"}, 400),
        ({"level": "best", "reason": "x"}, 400),
        ({"model": "v9", "reason": "x"}, 404),
        ({"policy": {"quorum": 9}, "reason": "x"}, 400),
        ({"policy": [1], "reason": "x"}, 400),
        ({"reason": "x"}, 409),
        ({"level": "full", "reason": "x"}, 409),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(shadowed, api, ada, body, status):
    response = api(ada).post(f"{ROOT}changes/", body)
    assert response.status_code == response.json()["status"] == status
    assert response.json()["detail"]


def test_a_change_is_approved_by_another_person_and_only_while_it_waits(assisted, api, ada, sam):
    assert api(sam).post(f"{ROOT}approve/").status_code == 409
    raise_to_partial(api(ada))
    assert api(ada).post(f"{ROOT}approve/").status_code == 409
    assert api(sam).post(f"{ROOT}approve/").status_code == 200
    assert api(sam).post(f"{ROOT}approve/").status_code == 409


def test_only_the_change_that_was_read_is_approved(assisted, api, ada, sam):
    """The author replaces what somebody else is reading: it is not approved in its place."""
    read = raise_to_partial(api(ada)).json()["id"]
    replaced = raise_to_partial(api(ada)).json()["id"]
    late = api(sam).post(f"{ROOT}approve/", {"change": read})
    assert late.status_code == 409
    assert f"Change {read} no longer awaits approval; change {replaced} of Line A does." in late.json()["detail"]
    assert api(sam).get(ROOT).json()["level"] == "assist"
    assert api(sam).post(f"{ROOT}approve/", {"change": replaced}).status_code == 200


def test_a_change_names_the_policy_that_was_read(assisted, api, ada):
    read = api(ada).get(ROOT).json()["policy"]["number"]
    sent = {"policy": {"audit_share": 0.5}, "reason": "r", "seen": read}
    assert api(ada).post(f"{ROOT}changes/", sent).status_code == 201
    late = api(ada).post(f"{ROOT}changes/", sent | {"policy": {"audit_share": 0.6}})
    assert (late.status_code, "has changed since you read it" in late.json()["detail"]) == (409, True)


def test_lowering_and_rolling_back_are_at_once(assisted, api, ada):
    assert api(ada).post(f"{ROOT}changes/", {"level": "human_only", "reason": "stop"}).json()["applied"] is True
    response = api(ada).post(f"{ROOT}rollback/", {"reason": "back", "to": 1})
    assert (response.status_code, response.json()["level"]) == (201, "human_only")
    assert api(ada).post(f"{ROOT}rollback/", {"reason": "back", "to": 77}).status_code == 409


def test_of_two_who_roll_back_over_http_the_later_is_told_what_is_in_force(assisted, api, ada):
    for share in (0.2, 0.3):
        api(ada).post(f"{ROOT}changes/", {"policy": {"blind_share": share}, "reason": "r"}, format="json")
    back = {"reason": "back", "policy": api(ada).get(ROOT).json()["policy"]["number"]}
    assert api(ada).post(f"{ROOT}rollback/", back, format="json").json()["blind_share"] == 0.2
    again = api(ada).post(f"{ROOT}rollback/", back, format="json")
    assert (again.status_code, "policy 4 is in force" in str(again.json())) == (409, True)
    blindly = api(ada).post(f"{ROOT}rollback/", {"reason": "back"}, format="json")
    assert (blindly.status_code, "Policy 4 was rolled back to by ada" in str(blindly.json())) == (409, True)
    assert api(ada).get(ROOT).json()["policy"]["blind_share"] == 0.2


def test_naming_a_standby_over_http_is_signed_where_the_line_asks(assisted, api, ada, other_version, set_level):
    set_level(assisted, "assist", signed=True)
    sent = {"model": "v2", "reason": "green"}
    assert api(ada).post(f"{ROOT}standby/", sent, format="json").status_code == 403
    assert api(ada).post(f"{ROOT}standby/", sent | {"password": PASSWORD}, format="json").status_code == 201


def test_a_line_is_halted_and_resumed(assisted, api, sam):
    assert api(sam).post(f"{ROOT}halt/", {"reason": "smoke"}).json()["on"] is True
    assert api(sam).get(ROOT).json()["halted"]["reason"] == "smoke"
    assert api(sam).post(f"{ROOT}halt/", {"reason": "clear", "on": False}).json()["on"] is False
    assert api(sam).get(ROOT).json()["halted"] is None
    assert api(sam).post(f"{ROOT}halt/", {}).status_code == 400


# ---- what if


def test_what_a_policys_thresholds_would_have_done(assisted, version, make_evidence, api, sam, ivy):
    make_evidence(assisted, version, 3, 0.05, "scratched", by=ivy)
    make_evidence(assisted, version, 7, 0.3, "ok", by=ivy)
    answer = api(sam).post(f"{ROOT}what-if/", {"policy": BARS}).json()
    counts = {name: answer[name] for name in ("parts", "passed", "rejected", "to_people", "escapes", "overkill")}
    assert counts == {"parts": 52, "passed": 27, "rejected": 18, "to_people": 7, "escapes": 3, "overkill": 0}
    assert len(answer["escaped"]) == 3
    assert 3 / 27 < answer["escape_bound"] < 1


@pytest.mark.parametrize(
    "policy", [{"pass_below": 0.5, "reject_from": 0.1}, {"pass_below": 0.1}, {"pass_below": -1, "reject_from": 2}]
)
def test_what_if_refuses_nonsense(assisted, api, sam, policy):
    assert api(sam).post(f"{ROOT}what-if/", {"policy": policy}).status_code == 400


def test_without_a_version_there_is_nothing_to_ask(line, api, sam):
    assert api(sam).post(f"{ROOT}what-if/", {"policy": BARS}).status_code == 409


# ---- advice


@pytest.fixture
def advised(line, version, set_level, make_part, answer, ivy):
    """A part with advice that ivy holds."""
    set_level(line, "assist", version, blind_share=1e-9)
    answer(part := make_part(photos=2), version, 0.9, marks=[{"photo": 0, "box": [0.1, 0.1, 0.2, 0.1], "score": 0.8}])
    floor.claim(line=line, by=ivy)
    return part


def test_the_holder_reads_the_advice_and_it_is_remembered(advised, api, ivy):
    response = api(ivy).get(f"/api/v1/inspections/{advised.pk}/advice/")
    body = response.json()
    assert response.status_code == 200
    assert set(body) == {"score", "outcome", "heatmap", "marks"}
    assert (body["score"], body["outcome"], body["marks"][0]["photo"]) == (0.9, "scratched", 0)
    assert len(body["heatmap"]) == 2
    assert ModelOutputShown.objects.get().user == ivy


def test_nobody_else_is_advised(advised, api, ian, sam):
    for person in (ian, sam):
        assert api(person).get(f"/api/v1/inspections/{advised.pk}/advice/").status_code == 204
    assert not ModelOutputShown.objects.exists()


def test_there_is_no_advice_at_shadow(shadowed, version, make_part, answer, api, ivy):
    answer(part := make_part(), version, 0.9)
    floor.claim(line=shadowed, by=ivy)
    assert api(ivy).get(f"/api/v1/inspections/{part.pk}/advice/").status_code == 204


# ---- who may

READS: list[tuple[str, str, object]] = [("get", "", None)]
SUPERVISES: list[tuple[str, str, object]] = [
    ("post", "what-if/", {"policy": BARS}),
    ("post", "approve/", {}),
    ("post", "halt/", {"reason": "x"}),
]
PROPOSES: list[tuple[str, str, object]] = [
    ("post", "changes/", {"level": "human_only", "reason": "x"}),
    ("post", "rollback/", {"reason": "x"}),
]


@pytest.mark.parametrize("call", READS + SUPERVISES + PROPOSES)
@pytest.mark.parametrize("name", ["ivy", "otto", "cam"])
def test_automation_is_closed_to_inspectors_stations_and_strangers(shadowed, api, request, name, call):
    method, path, body = call
    response = getattr(api(request.getfixturevalue(name)), method)(ROOT + path, body)
    assert response.status_code == 403


@pytest.mark.parametrize("call", PROPOSES)
def test_a_supervisor_proposes_nothing(shadowed, api, sam, call):
    method, path, body = call
    assert getattr(api(sam), method)(ROOT + path, body).status_code == 403


def test_without_a_token_nothing_is_told(shadowed, api):
    assert api(None).get(ROOT).status_code in (401, 403)


def test_a_supervisor_of_another_line_reads_nothing(shadowed, api, sam):
    sam.lines.add(Line.objects.create(slug="line-b", name="Line B"))
    assert api(sam).get(ROOT).status_code == 403


def test_a_camera_asks_for_no_advice(advised, api, cam, otto):
    for person in (cam, otto):
        assert api(person).get(f"/api/v1/inspections/{advised.pk}/advice/").status_code == 403
