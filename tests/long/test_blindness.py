"""Blindness: nothing of the model reaches an inspector before a verdict, and an audit looks like any other part."""

import hashlib
import json
import re
from datetime import timedelta

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inspection import actions
from inspection.models import Inspection, Line, ModelOutputShown, Origin
from inspection.roles import Role
from inspection.shift import shift_summary
from tests.conftest import make_person

OURS = {"inspection", "shadow", "monitoring", "automation"}
FORBIDDEN = ("score", "prediction", "model", "heat", "routing", "draw", "audit")


@pytest.mark.parametrize(
    "model", list(apps.get_app_config("inspection").get_models()), ids=lambda model: model.__name__
)
def test_no_row_of_the_floor_is_reached_backwards_from_another_app(model):
    """`related_name="+"`: from a part in an inspector's hands no attribute and no query leads to the model's answer."""
    backwards = [
        field for field in model._meta.get_fields(include_hidden=True) if field.auto_created and field.is_relation
    ]
    above = [field for field in backwards if field.related_model._meta.app_label in OURS - {"inspection"}]
    assert [f"{field.related_model.__name__}.{field.field.name}" for field in above if not field.hidden] == []
    assert not [relation for relation in model._meta.related_objects if relation in above]


def test_there_is_something_to_hide():
    names = {
        field.related_model.__name__
        for field in Inspection._meta.get_fields(include_hidden=True)
        if field.auto_created and field.is_relation and field.hidden
    }
    assert {"Prediction", "ScoringJob", "Routing"} <= names


def served(client, part: Inspection) -> dict[str, str]:
    """All that the API serves an inspector of a part: at claim, while it is held and read again."""
    claim = client.post("/api/v1/queue/claim/", {"line": part.line.slug}).json()
    assert claim["inspection"]["id"] == part.pk
    pages = {
        "claim": claim,
        "mine": client.get("/api/v1/queue/mine/").json(),
        "part": client.get(f"/api/v1/inspections/{part.pk}/").json(),
        "list": client.get("/api/v1/inspections/").json(),
    }
    return {name: json.dumps(page) for name, page in pages.items()} | {"lease": claim["lease"]["token"]}


def without_own_marks(text: str) -> str:
    """The text with what differs between any two parts taken out: numbers, serials, digests, times, tokens."""
    text = re.sub(r'"(id|inspection)": \d+|/photos/\d+/', "", text)
    text = re.sub(r'"(serial|sha256|token|at|[a-z]+_at)": "[^"]*"', "", text)
    return text


def test_nothing_of_the_model_is_served_at_shadow(shadowed, version, make_part, answer, api, ivy):
    part = make_part()
    answer(part, version, 0.987)
    pages = served(api(ivy), part)
    pages.pop("lease")
    for name, page in pages.items():
        words = without_own_marks(page).lower()
        assert not [word for word in (*FORBIDDEN, "987") if word in words], name


def test_the_pages_are_the_same_with_and_without_a_prediction(shadowed, version, make_part, answer, api, ivy):
    client, plain = api(ivy), make_part()
    before = served(client, plain)
    actions.release(inspection=plain, by=ivy, token=before["lease"])
    answer(plain, version, 0.987)
    after = served(client, plain)
    for name in ("claim", "mine", "part", "list"):
        assert without_own_marks(before[name]) == without_own_marks(after[name]), name


@pytest.fixture
def pair(make_part):
    """An ordinary part and one that the machine has decided and an audit drew: `pair("pass")`."""

    def make(machine: str) -> tuple[Inspection, Inspection]:
        plain, audited = make_part("A"), make_part("B")
        Inspection.objects.filter(pk=audited.pk).update(state="held", hold_until=timezone.now() + timedelta(minutes=1))
        assert actions.decide_by_machine(inspection=audited, outcome=machine, reason="score 0.01", audited=True)
        return plain, audited

    return make


@pytest.mark.parametrize("machine", ["pass", "reject"])
@pytest.mark.parametrize("outcome", ["ok", "scratched", "unsure"])
def test_an_audit_cannot_be_told_from_another_part(pair, api, ivy, machine, outcome):
    """Neither before the verdict nor in what comes back for it: the machine's answer would show in the difference."""
    client, seen = api(ivy), []
    for part in pair(machine):
        pages = served(client, part)
        body = {"outcome": outcome, "lease": pages.pop("lease")}
        given = client.post(f"/api/v1/inspections/{part.pk}/verdicts/", body)
        assert given.status_code == 201
        pages |= {"verdict": json.dumps(given.json())}
        pages |= {"judged": json.dumps(client.get(f"/api/v1/inspections/{part.pk}/").json())}
        pages.pop("list")
        seen.append({name: without_own_marks(page) for name, page in pages.items()})
        assert not [word for word in FORBIDDEN for page in seen[-1].values() if word in page.lower()]
    assert seen[0] == seen[1]


@pytest.mark.parametrize("outcome", ["scratched", "unsure"])
def test_after_an_undo_an_audit_still_cannot_be_told(pair, api, ivy, outcome):
    client, seen = api(ivy), []
    for part in pair("pass"):
        lease = served(client, part)["lease"]
        verdict = client.post(f"/api/v1/inspections/{part.pk}/verdicts/", {"outcome": "ok", "lease": lease}).json()
        again = client.post(f"/api/v1/verdicts/{verdict['verdict']['id']}/correction/", {"outcome": outcome})
        page = client.get(f"/api/v1/inspections/{part.pk}/").json()
        seen.append(re.sub(r'"verdict": \d+', "", without_own_marks(json.dumps([again.json(), page]))))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("outcome", ["ok", "scratched", "unsure"])
def test_a_seeded_part_cannot_be_told_from_another(line, make_part, api, page, ivy, sam, outcome):
    captured = timezone.now()
    plain = make_part("A", captured_at=captured)
    seeded = make_part("B", captured_at=captured, origin=Origin.SEEDED)
    client, seen = api(ivy), []
    for part in (plain, seeded):
        pages = served(client, part)
        body = {"outcome": outcome, "lease": pages.pop("lease")}
        pages |= {"verdict": json.dumps(client.post(f"/api/v1/inspections/{part.pk}/verdicts/", body).json())}
        pages |= {"judged": json.dumps(client.get(f"/api/v1/inspections/{part.pk}/").json())}
        pages |= {"history": page(ivy).get(f"/parts/{part.serial}/").content.decode().split("<article")[1]}
        assert "seeded" not in "".join(pages.values()).lower()
        pages["history"] = re.sub(r'<time[^<]*</time>|title="[^"]*"|/photos/\d+/', "", pages["history"])
        pages.pop("list")
        seen.append({name: without_own_marks(text) for name, text in pages.items()})
    assert seen[0] == seen[1]
    assert api(sam).get(f"/api/v1/inspections/{seeded.pk}/").json()["origin"] == "seeded"
    assert "seeded" in page(sam).get("/parts/B/").content.decode()


@pytest.fixture
def mixed_in(line, make_part, sam, ian):
    """A live part, and after it one of known truth that was mixed in: `mixed_in()` gives both."""

    def make(**fields) -> tuple[Inspection, Inspection]:
        source = make_part("SN8841", photos=2, **fields)
        actions.record_verdict(
            inspection=source, by=ian, lease=actions.claim(line=line, by=ian).token, outcome="scratched"
        )  # fmt: skip
        actions.keep_reference(inspection=source, truth="scratched", reason="measured", by=sam)
        Line.objects.update(seed_percent=100, seeded_to=source.pk)
        captured = timezone.now() - timedelta(seconds=1)
        live = make_part("SN8902", photos=2, lot="L7", captured_at=captured, **fields)
        assert actions.mix_seeds(now=timezone.now() + timedelta(seconds=6)) == 1
        return live, Inspection.objects.get(origin=Origin.SEEDED)

    return make


def shape_of(value, path=""):
    """Every key of an answer with the kind of its value and its length, down to the last."""
    if isinstance(value, dict):
        return {key: shape_of(inner, f"{path}.{key}") for key, inner in value.items()}
    if isinstance(value, list):
        return [shape_of(inner, path) for inner in value]
    return type(value).__name__, len(value) if isinstance(value, str) else None


@pytest.mark.parametrize("outcome", ["ok", "scratched", "unsure"])
def test_a_part_that_is_mixed_in_cannot_be_told_from_the_live_one_before_it(mixed_in, api, page, ivy, outcome):
    """Nor is there a word in anything served of it that leads to the part behind it, nor a digest but of its bytes."""
    live, seeded = mixed_in()
    source, client, seen, shapes = seeded.seeded.source, api(ivy), [], []
    known = {photo.sha256 for photo in source.photos.all()} - {photo.stored for photo in source.photos.all()}
    for part in (live, seeded):
        pages = served(client, part)
        body = {"outcome": outcome, "lease": pages.pop("lease")}
        pages |= {"verdict": json.dumps(client.post(f"/api/v1/inspections/{part.pk}/verdicts/", body).json())}
        pages |= {"judged": json.dumps(client.get(f"/api/v1/inspections/{part.pk}/").json())}
        pages |= {"history": page(ivy).get(f"/parts/{part.serial}/").content.decode().split("<article")[1]}
        pages |= {"headers": json.dumps([dict(response.headers) for response in pictures_of(page(ivy), part)])}
        everything = "".join(pages.values())
        if part == seeded:
            assert not [
                word for word in (*known, source.serial, "seeded", "reference", "second_look") if word in everything
            ]
        pages.pop("list")
        history, headers = pages.pop("history"), pages.pop("headers")
        shapes.append({name: shape_of(json.loads(text)) for name, text in pages.items()})
        pages["history"] = re.sub(r"<time[^<]*</time>|[-\d]{10} [:\d]{8} UTC|/photos/\d+/", "", history).replace(
            part.serial, ""
        )
        pages["headers"] = re.sub(r'photo-\d+|"(Content-Length|Content-Type|Date|X-Request-ID)": "[^"]*"', "", headers)
        seen.append({name: without_own_marks(text) for name, text in pages.items()})
    assert shapes[0] == shapes[1]
    assert seen[0] == seen[1]


def pictures_of(browser, part: Inspection) -> list:
    """The answers to the requests for the part's photos and previews."""
    addresses = [f"/photos/{photo.pk}/{small}" for photo in part.photos.all() for small in ("", "preview/")]
    answers = [browser.get(address) for address in addresses]
    assert [answer.status_code for answer in answers] == [200] * len(addresses)
    for answer in answers:
        assert b"".join(answer.streaming_content)
    return answers


def digests(told: dict) -> list[str]:
    return [photo["sha256"] for photo in told["photos"]]


def test_every_photo_an_inspector_is_served_has_the_digest_it_is_told(mixed_in, api, page, ivy, sam):
    """Else a digest that is not of the bytes would tell a seeded photo. Overseers read what the station sent."""
    client = api(ivy)
    for part in mixed_in():
        claimed = client.post("/api/v1/queue/claim/", {"line": part.line.slug}).json()
        assert claimed["inspection"]["id"] == part.pk
        read = client.get(f"/api/v1/inspections/{part.pk}/").json()
        [held] = [lease for lease in client.get("/api/v1/queue/mine/").json() if lease["inspection"]["id"] == part.pk]
        room = page(ivy).get(f"/inspect/{part.line.slug}/?part={part.pk}").context["claims"]
        [shown] = [claim for claim in room if claim["inspection"]["id"] == part.pk]
        pictures = [page(ivy).get(photo["url"]).streaming_content for photo in read["photos"]]
        served_digests = [hashlib.sha256(b"".join(picture)).hexdigest() for picture in pictures]
        for told in (claimed["inspection"], read, held["inspection"], shown["inspection"]):
            assert digests(told) == served_digests
        sent = [photo.sha256 for photo in part.photos.all()]
        assert digests(api(sam).get(f"/api/v1/inspections/{part.pk}/").json()) == sent


def test_the_next_claim_and_a_photo_with_metadata_too(line, make_photo, api, ivy, cam, sam):
    """What a camera writes into a photo is not kept, so the digest of what it sent is not that of the bytes."""
    parts = [
        actions.receive_inspection(
            line=line, serial=f"SN{n}", photos_sent=[actions.NewPhoto(make_photo(seed=n, comment=b"camera 7"))], by=cam
        )[0]
        for n in range(2)
    ]
    kept = [[photo.stored for photo in part.photos.all()] for part in parts]
    sent = [[photo.sha256 for photo in part.photos.all()] for part in parts]
    assert kept != sent
    client = api(ivy)
    claimed = client.post("/api/v1/queue/claim/", {"line": line.slug}).json()
    body = {"outcome": "ok", "lease": claimed["lease"]["token"], "next": True}
    given = client.post(f"/api/v1/inspections/{parts[0].pk}/verdicts/", body).json()
    assert [digests(claimed["inspection"]), digests(given["next"]["inspection"])] == kept
    for reader in (cam, sam):
        assert digests(api(reader).get(f"/api/v1/inspections/{parts[0].pk}/").json()) == sent[0]


def test_a_seeded_part_without_an_answer_reads_as_one_that_waits_for_a_supervisor(mixed_in, api, ivy, ian):
    """Both had two who were unsure; the seeded one is closed behind their backs."""
    parts, client = mixed_in(), api(ivy)
    for person in (ivy, ian):
        for part in parts:
            lease = actions.claim(line=part.line, by=person)
            actions.record_verdict(inspection=part, by=person, lease=lease.token, outcome="unsure")
    assert actions.withdraw_seeds(now=timezone.now() + timedelta(minutes=5)) == 1
    pages = [json.dumps(client.get(f"/api/v1/inspections/{part.pk}/").json()) for part in parts]
    assert without_own_marks(pages[0]) == without_own_marks(pages[1])
    assert [json.loads(text)["state"] for text in pages] == ["waiting", "waiting"]
    for state, both in (("waiting", 2), ("closed", 0)):
        assert len(client.get(f"/api/v1/inspections/?state={state}").json()["results"]) == both


def test_on_a_demo_line_a_seeded_part_reads_as_a_simulated_one(line, mixed_in, api, ivy):
    line.demo = True
    line.save()
    for part in mixed_in(origin=Origin.SIMULATED):
        served(client := api(ivy), part)
        assert client.get(f"/api/v1/inspections/{part.pk}/").json()["origin"] == "simulated"


def test_a_seeded_part_counts_in_its_judges_own_shift_as_any_other(mixed_in, ivy):
    live, seeded = mixed_in()
    told = []
    for part in (live, seeded):
        lease = actions.claim(line=part.line, by=ivy)
        actions.record_verdict(inspection=part, by=ivy, lease=lease.token, outcome="ok", duration_ms=2000)
        told.append(shift_summary(user=ivy, line=part.line, now=timezone.now()))
    assert [(summary.judged, summary.ok, summary.timed) for summary in told] == [(1, 1, 1), (2, 2, 2)]


@pytest.mark.parametrize("origin", [Origin.IMPORTED, Origin.REPLAY])
def test_other_origins_read_as_they_are(make_part, judge, api, ivy, origin):
    part = make_part(origin=origin)
    judge(part, ivy, "ok")
    assert api(ivy).get(f"/api/v1/inspections/{part.pk}/").json()["origin"] == origin


def test_a_verdict_records_when_advice_was_first_shown_and_tells_its_judge_nothing(
    line, make_part, api, page, ivy, ian, sam
):
    part, plain = make_part("A"), make_part("B")
    pages = served(client := api(ivy), part)
    moments = [timezone.now() - timedelta(seconds=seconds) for seconds in (5, 9, 1)]
    for moment in moments:
        actions.note_model_output_shown(inspection=part, user=ivy, where="test", now=moment)
    actions.note_model_output_shown(inspection=part, user=ian, where="test", now=moments[1] - timedelta(hours=1))
    answers = []
    for lease, one in ((pages["lease"], part), (served(client, plain)["lease"], plain)):
        answers.append(client.post(f"/api/v1/inspections/{one.pk}/verdicts/", {"outcome": "ok", "lease": lease}).json())
    assert part.verdicts.get().advice_shown_at == moments[1]
    assert plain.verdicts.get().advice_shown_at is None
    assert list(answers[0]["verdict"]) == list(answers[1]["verdict"])
    words = "saw the model"
    assert words in page(sam).get("/parts/A/").content.decode()
    assert words not in page(sam).get("/parts/B/").content.decode()
    assert words not in page(ivy).get("/parts/A/").content.decode()


def test_lists_do_not_sort_audits_out(pair, api, ivy):
    client = api(ivy)
    for part in pair("pass"):
        served(client, part)
    assert len(client.get("/api/v1/inspections/?state=waiting").json()["results"]) == 2
    assert client.get("/api/v1/inspections/?state=audit_due").json()["results"] == []


def test_an_inspector_reads_no_part_before_taking_it(make_part, api, ivy):
    assert api(ivy).get(f"/api/v1/inspections/{make_part().pk}/").status_code == 404


def test_a_second_person_reads_nothing_of_the_first(make_part, judge, api, ivy, ian):
    part = make_part()
    judge(part, ivy, "unsure", comment="a hair?")
    pages = served(api(ian), part)
    pages.pop("lease")
    for page in pages.values():
        told = without_own_marks(page).lower().replace('"unsure_refused": false', "")  # as of any other part
        assert not [word for word in ("unsure", "hair", "ivy", "second") if word in told]


def test_waiting_does_not_tell_an_inspector_of_the_machines_decision(pair, api, ivy, monkeypatch):
    monkeypatch.setattr("inspection.api.wait_for_disposition", lambda part, seconds: pytest.fail("waited"))
    client = api(ivy)
    for part in pair("pass"):
        served(client, part)
        assert client.get(f"/api/v1/inspections/{part.pk}/?wait=20").status_code == 200


def test_an_inspector_who_is_a_station_too_is_blind_all_the_same(pair, api):
    both = make_person("both", Role.INSPECTOR, Role.STATION)
    _, audited = pair("pass")
    Inspection.objects.filter(pk=audited.pk).update(received_by=both)
    page = api(both).get(f"/api/v1/inspections/{audited.pk}/").json()
    assert (page["disposition"], page["state"]) == (None, "waiting")


@pytest.mark.parametrize("path", ["", "{pk}/"])
def test_a_supervisor_who_reads_the_machines_decision_does_not_judge_the_audit(pair, api, sam, ivy, path):
    plain, audited = pair("pass")
    client = api(sam)
    for _ in range(2):
        page = client.get("/api/v1/inspections/" + path.format(pk=audited.pk))
        assert '"by_machine":true' in page.content.decode()
    assert ModelOutputShown.objects.get().inspection == audited, "once, and not for the part without a decision"
    assert actions.claim(line=plain.line, by=sam).inspection == plain
    assert actions.claim(line=plain.line, by=sam) is None
    assert actions.claim(line=plain.line, by=ivy).inspection == audited


def test_a_station_reads_the_machines_decision(pair, api, cam):
    _, audited = pair("pass")
    Inspection.objects.filter(pk=audited.pk).update(received_by=cam)
    page = api(cam).get(f"/api/v1/inspections/{audited.pk}/").json()
    assert (page["disposition"]["outcome"], page["disposition"]["by_machine"]) == ("pass", True)
    assert not ModelOutputShown.objects.exists()


def test_the_claim_is_the_same_on_a_line_without_a_model(shadowed, make_part, api, ivy):
    bare = Line.objects.create(slug="line-b", name="Line B")
    client = api(ivy)
    pages = [served(client, part) for part in (make_part(), make_part(on=bare))]
    first, second = (without_own_marks(page["claim"]).replace("line-b", "line-a") for page in pages)
    assert first == second


def test_a_parts_history_reads_the_same_to_its_judge_whether_it_was_an_audit(
    line, version, set_level, make_part, answer, judge, page, ivy
):
    set_level(line, "partial", version, pass_below=0.3, reject_from=0.5, audit_share=1.0, ramp=[])
    captured = timezone.now()
    audited = make_part(captured_at=captured)
    answer(audited, version, 0.01)
    assert audited.state == "audit_due"
    ordinary = make_part(captured_at=captured)
    answer(ordinary, version, 0.4)
    for part in (audited, ordinary):
        judge(part, ivy, "ok")
    told = [
        page(ivy).get(f"/parts/{part.serial}/").content.decode().split("<article")[1].split('<div class="thumbs"')[0]
        for part in (audited, ordinary)
    ]
    words = [re.sub(r'<time[^<]*</time>|title="[^"]*"|data-ago="[^"]*"', "", text) for text in told]
    assert "judged ok" in words[0]
    assert words[0] == words[1]


def work_of(client, part: Inspection, outcome: str = "ok") -> list[list[str]]:
    """The queries behind what an inspector is served of a part, from claim to verdict: the same work, the same time."""
    work, lease = [], ""
    for method, path, body in (
        ("post", "queue/claim/", {"line": part.line.slug}),
        ("get", f"inspections/{part.pk}/advice/", None),
        ("post", f"inspections/{part.pk}/verdicts/", {"outcome": outcome}),
    ):
        with CaptureQueriesContext(connection) as queries:
            answer = getattr(client, method)(f"/api/v1/{path}", body and {**body, "lease": lease} if lease else body)
        assert answer.status_code < 300, answer.content
        lease = answer.json()["lease"]["token"] if path == "queue/claim/" else lease
        work.append([re.sub(r"'[^']*'|\b[\d.]+\b|\bs\d\w+", "?", query["sql"]) for query in queries])
    return work


def test_the_server_does_the_same_work_whatever_the_model_answered(shadowed, version, make_part, answer, api, ivy):
    client = api(ivy)
    work_of(client, make_part())  # prepared queries are written once
    unscored, good, bad = (make_part() for _ in range(3))
    answer(good, version, 0.01)
    answer(bad, version, 0.99)
    work = [work_of(client, part) for part in (unscored, good, bad)]
    assert work[0] == work[1] == work[2]


def test_on_a_blind_draw_too(line, version, set_level, make_part, answer, api, ivy):
    set_level(line, "assist", version, blind_share=1.0)
    client = api(ivy)
    first = make_part()
    answer(first, version, 0.5)
    work_of(client, first)
    good, bad = make_part(), make_part()
    answer(good, version, 0.01)
    answer(bad, version, 0.99)
    assert work_of(client, good) == work_of(client, bad)


@pytest.mark.parametrize("level", ["shadow", "assist"])
@pytest.mark.parametrize("outcome", ["ok", "scratched", "unsure"])
def test_a_seeded_part_takes_the_work_of_any_other_blind_one(
    line, version, set_level, mixed_in, make_part, answer, api, ivy, level, outcome
):
    client = api(ivy)
    live, seeded = mixed_in()
    set_level(line, level, version, blind_share=1.0)
    first = make_part()
    Inspection.objects.filter(pk=first.pk).update(received_at=live.received_at - timedelta(minutes=1))
    for part, score in ((first, 0.5), (live, 0.01), (seeded, 0.99)):
        answer(part, version, score)
    work_of(client, first, outcome)
    assert work_of(client, live, outcome) == work_of(client, seeded, outcome)


@pytest.mark.parametrize("machine", ["pass", "reject"])
@pytest.mark.parametrize("outcome", ["ok", "scratched", "unsure"])
def test_an_audit_takes_the_work_of_any_other_part(pair, make_part, api, ivy, machine, outcome):
    """Also when it finds that the machine was wrong: the time of the answer would tell."""
    client = api(ivy)
    work_of(client, make_part("W"), outcome)
    plain, audited = (work_of(client, part, outcome)[2] for part in pair(machine))
    assert [kind_of(sql) for sql in plain] == [kind_of(sql) for sql in audited]


def kind_of(sql: str) -> str:
    """What a query does, not to which row of history: a disposition or the trail's own line cost the same."""
    table = re.search(r'INTO "(\w+)"|FROM "(\w+)"|UPDATE "(\w+)"', sql)
    written = table and table[1]
    return "history written" if written in ("inspection_disposition", "inspection_auditevent") else sql
