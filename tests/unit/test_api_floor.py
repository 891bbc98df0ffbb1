"""The floor over HTTP: claim, judge, correct and read, in the contract's shapes, with its refusals."""

import base64
from datetime import timedelta

import pytest

from inspection import actions
from inspection.api_changes import changed_for
from inspection.models import AuditEvent, Disposition, Inspection, Line, Verdict
from inspection.roles import Role, give_role
from inspection.serializers import (
    ClaimedPartSerializer,
    ClaimSerializer,
    DispositionSerializer,
    LeaseSerializer,
    PhotoSerializer,
    VerdictSerializer,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def hands(api, ivy, line):
    return api(ivy)


def claim(client, line="line-a"):
    response = client.post("/api/v1/queue/claim/", {"line": line})
    return response.json() if response.status_code == 200 else None


def judge(client, claimed, outcome="ok", **fields):
    body = {"outcome": outcome, "lease": claimed["lease"]["token"]} | fields
    return client.post(f"/api/v1/inspections/{claimed['inspection']['id']}/verdicts/", body, format="json")


def test_a_claim_has_the_contracts_shape(hands, make_part):
    part = make_part("SN1", photos=2)
    answer = claim(hands)
    shape = ["id", "serial", "lot", "line", "station", "variant", "unsure_refused", "photos"]
    assert list(answer["inspection"]) == shape
    assert list(answer["inspection"]["photos"][0]) == ["id", "sha256", "view", "width", "height", "url"]
    assert (answer["inspection"]["id"], answer["inspection"]["serial"], answer["inspection"]["line"]) == (
        part.pk, "SN1", "line-a",
    )  # fmt: skip
    assert set(answer["lease"]) == {"token", "expires_at"}
    assert len(answer["inspection"]["photos"]) == 2
    assert hands.get("/api/v1/queue/mine/").json() == [answer]


def test_a_claim_names_station_and_variant_and_whether_unsure_is_refused(hands, api, sam, station, make_part):
    make_part("A", station="cam-1", variant="Model X", lot="L1")
    told = claim(hands)["inspection"]
    assert (told["station"], told["variant"], told["lot"], told["unsure_refused"]) == (
        "Camera 1",
        "Model X",
        "L1",
        False,
    )
    make_part("B")
    told = claim(hands)["inspection"]
    assert (told["station"], told["variant"], told["unsure_refused"]) == ("", "", False)
    Inspection.objects.filter(pk=make_part("C").pk).update(state="with_supervisor")
    assert claim(hands) is None
    assert claim(api(sam))["inspection"]["unsure_refused"] is True


def test_a_claim_by_serial(hands, make_part):
    make_part("A"), make_part("B")
    body = {"line": "line-a", "serial": "B"}
    first = hands.post("/api/v1/queue/claim/", body).json()
    assert first["inspection"]["serial"] == "B"
    assert hands.post("/api/v1/queue/claim/", body).json() == first, "it is the caller's already"
    assert hands.post("/api/v1/queue/claim/", body | {"serial": "C"}).status_code == 204
    assert hands.post("/api/v1/queue/claim/", body | {"serial": ""}).status_code == 400


def test_answers_that_are_written_by_hand_are_as_the_api_describes_them(hands, make_part):
    make_part(), make_part()
    answer = judge(hands, claim(hands), next=True).json()
    for told, serializer in (
        (answer["verdict"], VerdictSerializer),
        (answer["disposition"], DispositionSerializer),
        (answer["next"], ClaimSerializer),
        (answer["next"]["inspection"], ClaimedPartSerializer),
        (answer["next"]["inspection"]["photos"][0], PhotoSerializer),
        (answer["next"]["lease"], LeaseSerializer),
    ):
        assert list(told) == list(serializer().fields)


def test_several_leases_are_renewed_in_one_request(hands, make_part):
    make_part(), make_part()
    held = [claim(hands)["lease"] for _ in range(2)]
    tokens = [held[1]["token"], "made up", held[0]["token"]]
    answer = hands.post("/api/v1/queue/renew/", {"leases": tokens}).json()
    assert [lease["token"] for lease in answer["leases"]] == [lease["token"] for lease in held]
    assert all(new["expires_at"] > old["expires_at"] for new, old in zip(answer["leases"], held, strict=True))
    assert answer["gone"] == ["made up"]
    assert hands.post("/api/v1/queue/renew/", {"leases": ["x"] * 21}).status_code == 400


def test_leaving_gives_back_what_was_not_renewed_since(hands, make_part):
    make_part(), make_part()
    first, second = (claim(hands)["lease"] for _ in range(2))
    hands.post("/api/v1/queue/renew/", {"leases": [first["token"]]})
    for _ in range(2):
        assert hands.post("/api/v1/queue/leave/", {"leases": [first, second]}).status_code == 204
    assert [row["lease"]["token"] for row in hands.get("/api/v1/queue/mine/").json()] == [first["token"]]
    assert hands.post("/api/v1/queue/leave/", {"leases": [{"token": "x", "expires_at": "soon"}]}).status_code == 400


def test_a_lease_reads_the_same_in_every_answer(hands, make_part):
    make_part(), make_part()
    claimed = claim(hands)
    answer = judge(hands, claimed, next=True).json()["next"]
    assert hands.get("/api/v1/queue/mine/").json() == [answer]
    url = f"/api/v1/inspections/{answer['inspection']['id']}/renew/"
    renewed = hands.post(url, {"lease": answer["lease"]["token"]}).json()
    assert hands.get("/api/v1/queue/mine/").json()[0]["lease"] == renewed


def test_urgent_lots_over_http(api, hands, sam, make_part):
    make_part(lot="L1"), make_part("B", lot="L2")
    client, lot = api(sam), {"line": "line-a", "lot": "L2"}
    for _ in range(2):
        response = client.post("/api/v1/queue/urgent-lots/", lot)
        assert (response.status_code, response.json()) == (201, lot)
    assert client.get("/api/v1/queue/urgent-lots/?line=line-a").json() == [lot]
    assert claim(hands)["inspection"]["serial"] == "B"
    assert [client.post("/api/v1/queue/urgent-lots/end/", lot).status_code for _ in range(2)] == [204, 204]
    assert client.get("/api/v1/queue/urgent-lots/").json() == []
    for response in (hands.get("/api/v1/queue/urgent-lots/"), hands.post("/api/v1/queue/urgent-lots/", lot)):
        assert response.status_code == 403


def test_a_verdict_that_is_sent_again_counts_once_and_holds_no_ninth_part(hands, make_part):
    for _ in range(12):
        make_part()
    first = claim(hands)
    answers = [judge(hands, first, next=True) for _ in range(10)]
    assert {response.status_code for response in answers} == {201}
    assert len({str(response.json()["verdict"]) for response in answers}) == 1
    assert answers[-1].json()["next"] is None
    assert (Verdict.objects.count(), len(hands.get("/api/v1/queue/mine/").json())) == (1, 8)


def test_a_correction_that_is_sent_again_is_the_same_row(hands, make_part):
    make_part()
    url = f"/api/v1/verdicts/{judge(hands, claim(hands)).json()['verdict']['id']}/correction/"
    first, second = (hands.post(url, {"outcome": "scratched"}) for _ in range(2))
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()


def test_nothing_to_claim_is_204(hands):
    response = hands.post("/api/v1/queue/claim/", {"line": "line-a"})
    assert (response.status_code, response.content) == (204, b"")


def test_the_photos_address_is_a_page_that_serves_it(hands, page, ivy, make_part):
    make_part()
    url = claim(hands)["inspection"]["photos"][0]["url"]
    response = page(ivy).get(url)
    assert response.getvalue()
    assert (response.status_code, response["Content-Type"]) == (200, "image/jpeg")


def test_the_ninth_claim_is_a_conflict(hands, make_part):
    for _ in range(9):
        make_part()
    assert len({claim(hands)["inspection"]["id"] for _ in range(8)}) == 8
    response = hands.post("/api/v1/queue/claim/", {"line": "line-a"})
    assert response.status_code == 409
    assert "You hold 8 parts" in response.json()["detail"]


def test_with_eight_in_hand_the_verdict_stands_and_next_is_another(hands, make_part):
    for _ in range(10):
        make_part()
    claimed = [claim(hands) for _ in range(8)]
    answer = judge(hands, claimed[0], next=True).json()
    assert answer["next"]["inspection"]["id"] not in {row["inspection"]["id"] for row in claimed}
    assert len(hands.get("/api/v1/queue/mine/").json()) == 8


def test_a_verdict_answers_with_the_disposition_and_the_next_part(hands, make_part):
    make_part(), make_part()
    response = judge(hands, claim(hands), "scratched", comment="long", duration_ms=900, next=True)
    answer = response.json()
    assert (response.status_code, set(answer)) == (201, {"verdict", "disposition", "next"})
    assert (answer["verdict"]["outcome"], answer["verdict"]["inspector"]) == ("scratched", "ivy")
    assert answer["disposition"]["outcome"] == "reject"
    assert set(answer["next"]) == {"inspection", "lease"}
    assert judge(hands, answer["next"], next=True).json()["next"] is None


def test_without_next_there_is_none(hands, make_part):
    make_part(), make_part()
    assert set(judge(hands, claim(hands)).json()) == {"verdict", "disposition"}


def test_unsure_has_no_disposition(hands, make_part):
    make_part()
    assert judge(hands, claim(hands), "unsure").json()["disposition"] is None


def test_the_same_verdict_twice_is_one(hands, make_part):
    make_part()
    claimed = claim(hands)
    assert judge(hands, claimed).json() == judge(hands, claimed).json()
    assert Verdict.objects.count() == 1


def test_marks_over_http(hands, make_part, kinds):
    make_part()
    claimed = claim(hands)
    mark = {"photo": claimed["inspection"]["photos"][0]["id"], "kind": "scratch", "box": [0.1, 0.1, 0.2, 0.2]}
    response = judge(hands, claimed, "scratched", defects=[mark | {"severity": "critical"}])
    assert response.status_code == 201
    defect = Verdict.objects.get().defects.get()
    assert (defect.box, defect.severity) == ([0.1, 0.1, 0.2, 0.2], "critical")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"outcome": "fine"}, "outcome"),
        ({"lease": "x" * 44}, "lease"),
        ({"duration_ms": -1}, "duration_ms"),
        ({"defects": [{"photo": 1, "kind": "scratch", "box": [0, 0, 1]}]}, "box"),
        ({"defects": [{"photo": 1, "kind": "scratch", "box": ["nan", 0, 1, 1]}]}, "box"),
        ({"defects": [{"photo": 10**40, "kind": "scratch", "box": [0, 0, 1, 1]}]}, "Photo"),
        ({"defects": "all over"}, "defects"),
        ({"comment": "a\0b"}, "comment"),
        ({"comment": "x" * 4001}, "comment"),
    ],
)
def test_a_bad_verdict_is_named_and_the_part_stays_held(hands, make_part, kinds, fields, words):
    make_part()
    response = judge(hands, claim(hands), **fields)
    assert response.status_code == 400
    assert words in response.json()["detail"]
    assert len(hands.get("/api/v1/queue/mine/").json()) == 1


def test_an_endless_body_is_refused_unread(hands, make_part):
    make_part()
    response = judge(hands, claim(hands), comment="x" * 1_100_000)
    assert response.status_code == 400
    assert "larger than 1,048,576 bytes" in response.json()["detail"]


NO_TEXT = '{"outcome": "ok", "lease": "x", "comment": "\\ud800"}'  # half of a character


@pytest.mark.parametrize("body", ["[]", "{", "null", "7", '{"outcome": NaN}', "[" * 2000, NO_TEXT])
def test_broken_json_is_a_bad_request(hands, make_part, body):
    make_part()
    pk = claim(hands)["inspection"]["id"]
    response = hands.post(f"/api/v1/inspections/{pk}/verdicts/", body, content_type="application/json")
    assert response.status_code == 400
    assert set(response.json()) == {"type", "title", "status", "detail", "errors"}


@pytest.mark.parametrize("verb", ["renew", "release", "skip", "retake", "verdicts"])
def test_with_the_lease_gone_every_act_is_a_conflict(hands, make_part, sam, verb):
    part = make_part()
    claimed = claim(hands)
    actions.free_lease(inspection=part, by=sam)
    body = {"lease": claimed["lease"]["token"], "reason": "x", "outcome": "ok"}
    response = hands.post(f"/api/v1/inspections/{part.pk}/{verb}/", body)
    assert response.status_code == 409
    assert "no longer yours" in response.json()["detail"]


@pytest.mark.parametrize("verb", ["renew", "release", "skip", "retake", "verdicts"])
def test_a_part_of_another_line_is_unknown(api, hands, ivy, make_part, verb):
    part = make_part()
    ivy.lines.add(Line.objects.create(slug="line-b", name="Line B"))
    response = hands.post(f"/api/v1/inspections/{part.pk}/{verb}/", {"lease": "x", "reason": "x", "outcome": "ok"})
    assert response.status_code == 404


def test_renew_release_skip_and_retake_do_what_they_say(hands, make_part):
    make_part("A"), make_part("B"), make_part("C")

    def act(claimed, verb, **fields):
        url = f"/api/v1/inspections/{claimed['inspection']['id']}/{verb}/"
        return hands.post(url, {"lease": claimed["lease"]["token"]} | fields)

    first = claim(hands)
    renewed = act(first, "renew")
    assert (renewed.status_code, renewed.json()["token"]) == (200, first["lease"]["token"])
    assert renewed.json()["expires_at"] > first["lease"]["expires_at"]
    assert act(first, "release").status_code == 204
    assert act(claim(hands), "skip", reason="mine").status_code == 204
    second = claim(hands)
    assert second["inspection"]["serial"] == "B"
    assert act(second, "retake").status_code == 400, "a reason is asked for"
    assert act(second, "retake", reason="oil").status_code == 204
    assert Inspection.objects.get(serial="B").state == "retake"
    assert claim(hands)["inspection"]["serial"] == "C"


def test_an_unknown_line_names_the_known_ones(hands):
    response = hands.post("/api/v1/queue/claim/", {"line": "line-z"})
    assert response.status_code == 404
    assert "Known lines: line-a" in response.json()["detail"]


def test_a_line_that_one_is_not_bound_to_is_403(hands, ivy):
    ivy.lines.add(Line.objects.create(slug="line-b", name="Line B"))
    assert hands.post("/api/v1/queue/claim/", {"line": "line-a"}).status_code == 403


def test_a_correction_over_http(hands, api, sam, ian, make_part):
    make_part()
    url = f"/api/v1/verdicts/{judge(hands, claim(hands)).json()['verdict']['id']}/correction/"
    response = hands.post(url, {"outcome": "scratched"})
    assert (response.status_code, response.json()["outcome"], response.json()["by"]) == (201, "scratched", "ivy")
    assert api(ian).post(url, {"outcome": "ok"}).status_code == 404, "another inspector does not even learn of it"
    assert api(sam).post(url, {"outcome": "ok"}).status_code == 400, "a supervisor says why"
    assert api(sam).post(url, {"outcome": "ok", "reason": "dust"}).status_code == 201
    assert Inspection.objects.get().disposition.outcome == "pass"


def test_a_station_polls_for_its_disposition(api, cam, ivy, make_part):
    part = make_part()
    Inspection.objects.update(received_by=cam)
    client = api(cam)
    assert client.get(f"/api/v1/inspections/{part.pk}/?wait=0").json()["disposition"] is None
    judge(api(ivy), claim(api(ivy)), "ok")
    answer = client.get(f"/api/v1/inspections/{part.pk}/?wait=20")
    assert (answer.json()["disposition"]["outcome"], answer.json()["state"]) == ("pass", "decided")
    assert "Retry-After" not in answer


def test_waiting_ends_with_the_disposition(at_once, api, cam, ivy, line, make_part):
    part = make_part()
    Inspection.objects.update(received_by=cam)
    station, inspector = api(cam), api(ivy)

    answer, verdict = at_once(
        lambda: station.get(f"/api/v1/inspections/{part.pk}/?wait=20"), lambda: judge(inspector, claim(inspector))
    )
    assert verdict.status_code == 201
    assert answer.json()["disposition"]["outcome"] == "pass"


def test_when_every_place_to_wait_is_taken_one_is_told_to_come_back(api, cam, make_part, monkeypatch):
    part = make_part()
    Inspection.objects.update(received_by=cam)
    monkeypatch.setattr("inspection.waiting._places.acquire", lambda blocking: False)
    response = api(cam).get(f"/api/v1/inspections/{part.pk}/?wait=20")
    assert (response.status_code, response["Retry-After"]) == (200, "1")


@pytest.fixture
def settled(monkeypatch):
    """Every disposition counts as settled at once."""
    monkeypatch.setattr("inspection.disposition_records.SETTLED", timedelta(0))


def test_a_station_follows_how_dispositions_change(settled, api, cam, sam, ivy, make_part):
    own, others = make_part("SN1", lot="L1", idempotency_key="k1", idempotency_scope="s"), make_part("SN2")
    Inspection.objects.filter(pk=own.pk).update(received_by=cam)
    client, url = api(cam), "/api/v1/dispositions/changes/"
    start = client.get(url).json()
    assert start == {"results": [], "next": 0}
    verdicts = [judge(api(ivy), claim(api(ivy))).json()["verdict"]["id"] for _ in (own, others)]
    first = client.get(f"{url}?after=0").json()
    assert (first["results"], first["next"]) == ([], Disposition.objects.last().pk), "a first disposition is no change"
    for verdict in verdicts:
        answer = api(sam).post(f"/api/v1/verdicts/{verdict}/correction/", {"outcome": "scratched", "reason": "seen"})
        assert answer.status_code == 201
    (told,) = client.get(f"{url}?after={first['next']}").json()["results"]
    assert (told["inspection"], told["key"], told["serial"], told["lot"]) == (own.pk, "k1", "SN1", "L1")
    assert (told["disposition"]["outcome"], told["disposition"]["by_machine"]) == ("reject", False)
    assert client.get(f"{url}?after={Disposition.objects.last().pk}").json()["results"] == []


def test_many_changes_are_told_in_turn(settled, api, cam, sam, ivy, make_part, monkeypatch):
    monkeypatch.setattr("inspection.api_changes.MANY", 2)
    for number in range(3):
        make_part(f"SN{number}")
        verdict = judge(api(ivy), claim(api(ivy))).json()["verdict"]["id"]
        api(sam).post(f"/api/v1/verdicts/{verdict}/correction/", {"outcome": "scratched", "reason": "seen"})
    Inspection.objects.update(received_by=cam)
    told, after = [], 0
    for _ in range(2):
        answer = api(cam).get(f"/api/v1/dispositions/changes/?after={after}").json()
        told += [change["serial"] for change in answer["results"]]
        after = answer["next"]
    assert told == ["SN0", "SN1", "SN2"]


@pytest.mark.one_database
@pytest.mark.parametrize("bound", [False, True])
def test_changes_are_looked_for_by_their_keys(cam, line, bound):
    """With a million parts behind it a station asks every ten seconds: no plan may begin with all that it has sent."""
    if bound:
        cam.lines.add(line)
    plan = changed_for(cam, after=5, upto=99)[:200].explain()
    assert "received_by" not in plan and "SEARCH inspection_disposition USING INTEGER PRIMARY KEY" in plan


def test_a_disposition_of_this_moment_is_told_when_none_can_appear_before_it(api, cam, ivy, make_part):
    make_part()
    judge(api(ivy), claim(api(ivy)))
    assert api(cam).get("/api/v1/dispositions/changes/").json()["next"] == 0


def test_who_judges_follows_no_changes(api, ivy, sam, cam):
    url = "/api/v1/dispositions/changes/"
    assert [api(person).get(url).status_code for person in (ivy, sam)] == [403, 403]
    give_role(cam, Role.INSPECTOR)
    assert api(cam).get(url).status_code == 403
    assert api(None).get(url).status_code == 401


@pytest.mark.parametrize("after", ["soon", "-1", "9" * 30])
def test_after_is_a_number(api, cam, after):
    assert api(cam).get(f"/api/v1/dispositions/changes/?after={after}").status_code == 400


@pytest.mark.parametrize("wait", ["soon", ""])
def test_a_wait_is_a_number(api, cam, make_part, wait):
    part = make_part()
    Inspection.objects.update(received_by=cam)
    assert api(cam).get(f"/api/v1/inspections/{part.pk}/?wait={wait}").status_code == 400


@pytest.mark.parametrize("wait", ["nan", "-5", "1e-9"])
def test_an_odd_wait_is_none(api, cam, make_part, wait):
    part = make_part()
    Inspection.objects.update(received_by=cam)
    assert api(cam).get(f"/api/v1/inspections/{part.pk}/?wait={wait}").status_code == 200


def test_lists_are_filtered_and_paged_newest_first(api, sam, line, make_part):
    other = Line.objects.create(slug="line-b", name="Line B")
    parts = [make_part("A"), make_part("B"), make_part("A", on=other)]
    client = api(sam)

    def serials(query: str) -> list[int]:
        return [row["id"] for row in client.get(f"/api/v1/inspections/{query}").json()["results"]]

    keys = [part.pk for part in parts]
    assert serials("") == keys[::-1]
    assert serials("?serial=A") == [keys[2], keys[0]]
    assert serials("?serial=A&line=line-a") == [keys[0]]
    assert serials("?state=waiting") == keys[::-1]
    assert serials("?state=decided") == []
    first = client.get("/api/v1/inspections/?limit=2").json()
    assert [row["id"] for row in first["results"]] == [keys[2], keys[1]]
    assert [row["id"] for row in client.get(first["next"]).json()["results"]] == [keys[0]]


def test_a_list_asks_the_database_a_fixed_number_of_times(api, sam, make_part, django_assert_max_num_queries, judge):
    for _ in range(12):
        make_part()
    client = api(sam)
    with django_assert_max_num_queries(14):
        assert len(client.get("/api/v1/inspections/").json()["results"]) == 12


def test_an_overseer_bound_to_a_line_reads_that_line_alone(api, sam, line, make_part):
    foreign = make_part(on=Line.objects.create(slug="line-b", name="Line B"))
    own = make_part()
    sam.lines.add(line)
    client = api(sam)
    assert [row["id"] for row in client.get("/api/v1/inspections/").json()["results"]] == [own.pk]
    assert client.get(f"/api/v1/inspections/{foreign.pk}/").status_code == 404
    assert client.get("/api/v1/inspections/?line=line-b").status_code == 403
    assert client.get("/api/v1/audit/?line=line-b").status_code == 403


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("serial=%00", 400), ("line=%00", 400), ("line=line-z", 404), ("state=lost", 400), ("state=%00", 400),
        ("limit=many", 200), ("cursor=nonsense", 404),
        ("cursor=" + base64.b64encode(b"p=abc").decode(), 404),
        ("cursor=" + base64.b64encode(b"p=" + b"9" * 40).decode(), 200),
    ],
)  # fmt: skip
def test_odd_queries_are_answered(api, sam, line, query, status):
    assert api(sam).get(f"/api/v1/inspections/?{query}").status_code == status


@pytest.mark.parametrize("path", ["inspections/{}/", "inspections/{}/advice/"])
def test_a_number_beyond_all_rows_is_unknown(api, sam, path):
    assert api(sam).get("/api/v1/" + path.format(10**30)).status_code in (404, 204)


def test_the_audit_trail_reads_newest_first(api, sam, make_part):
    judge(api(sam), claim(api(sam)) if make_part() else None)
    rows = api(sam).get("/api/v1/audit/?line=line-a").json()["results"]
    assert [row["action"] for row in rows] == ["verdict_recorded"]
    assert set(rows[0]) == {"id", "at", "by", "action", "line", "subject", "data"}
    assert AuditEvent.objects.count() == 1


def test_a_browser_session_needs_its_csrf_token(ivy, line):
    from rest_framework.test import APIClient

    client = APIClient(enforce_csrf_checks=True)
    client.force_login(ivy)
    assert client.post("/api/v1/queue/claim/", {"line": "line-a"}).status_code == 403
