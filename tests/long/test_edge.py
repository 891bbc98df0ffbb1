"""A station that decides while the network is down: the bundle and its ticket, and what becomes of the parts it decided."""

import base64
import hashlib
import io
import json
import zipfile
from datetime import timedelta

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.utils import timezone
from PIL import Image

from automation import actions as automation
from automation import edge_key, policies
from automation.actions.edge_arrival import compare_missing
from automation.edge_bundles import canonical
from automation.edge_gaps import gaps_of
from automation.evidence_rows import evidence_by_rows
from automation.facts import evidence_of
from automation.models import EdgeBundle, EdgeMark, EdgeTicket, Routing
from inspection import actions as floor
from inspection.api_changes import changed_for
from inspection.models import AuditEvent, Containment, Disposition, Draw, Inspection, Line, StationDecision
from inspection.refusals import BadInput, Conflict, NotAllowed
from monitoring.models import Alarm
from scoring.answers import WeightsRefused
from shadow.actions import load_scorer
from shadow.actions.versions import weights_path
from shadow.graph_files import files_made_apart
from shadow.models import Comparison, Prediction, ScoringJob
from shadow.rollups import catch_up
from shadow.vision.runtime import files_of

SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def own_files(settings, tmp_path):
    settings.EDGE_KEY = tmp_path / "edge_key"


@pytest.fixture
def partial(line, station, version, certified_level, ada):
    return certified_level(line, "partial", version, by=ada)


@pytest.fixture
def bundle(line, station, partial, ada):
    made = automation.export_bundle(line=line, station=station, by=ada)
    automation.ticket_for(line=line, station=station)
    return made


@pytest.fixture
def send(api, cam, make_photo):
    """Sends a part that its station has decided: `send(bundle, place=2)` answers with the API's answer."""
    client = api(cam)  # of one token, which scopes the keys

    def sent(made, *, key=None, serial=None, station="cam-1", **fields):
        told = {
            "bundle": made.number, "place": 1, "outcome": "pass", "score": 0.2, "novelty": 0.2,
            "decided_at": timezone.now().isoformat(),
        } | fields  # fmt: skip
        serial = serial or f"E{told['place']}"
        form = {
            "serial": serial, "line": "line-a", "station": station, "decided": json.dumps(told),
            "photos": [io.BytesIO(make_photo(seed=serial))],
        }  # fmt: skip
        return client.post("/api/v1/inspections/", form, format="multipart", HTTP_IDEMPOTENCY_KEY=key or serial)

    return sent


def part_of(answer) -> Inspection:
    return Inspection.objects.get(pk=answer.json()["id"])


@pytest.fixture
def scored(answer, version):
    """The server's own score of a part: `scored(part, 0.2)`."""

    def write(part, score=0.2, **fields):
        answer(part, version, score, **({"novelty": 0.2} if score is not None else {}) | fields)
        return Routing.objects.filter(inspection=part).first()

    return write


@pytest.fixture
def drawn(monkeypatch):
    """Lets every part be drawn into every share, or none: `drawn(0.0)`."""
    return lambda u: monkeypatch.setattr(policies, "draw", lambda purpose, part: u)


# ---- The bundle


def test_a_bundle_is_a_signed_file_of_what_the_station_needs(bundle, api, cam, station, version):
    answer = api(cam).get(f"/api/v1/lines/line-a/edge/bundles/{bundle.number}/")
    assert answer["Content-Type"] == "application/zip"
    assert answer["ETag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"' == f'"{bundle.sha256}"'
    inside = zipfile.ZipFile(io.BytesIO(answer.content))
    manifest = json.loads(inside.read("manifest.json"))
    assert manifest["version"] == {"name": "v1", "sha256": version.weights_sha256}
    assert (manifest["pass_below"], manifest["reject_from"], manifest["most"]) == (0.3, 0.5, 500)
    assert {name: hashlib.sha256(inside.read(name)).hexdigest() for name in manifest["files"]} == manifest["files"]
    assert {*inside.namelist()} == {*manifest["files"], "manifest.json", "signature"}
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(edge_key.public_key()))
    key.verify(inside.read("signature"), inside.read("manifest.json"))
    with pytest.raises(InvalidSignature):
        key.verify(inside.read("signature"), inside.read("manifest.json") + b" ")
    again = api(cam).get(
        f"/api/v1/lines/line-a/edge/bundles/{bundle.number}/", headers={"If-None-Match": answer["ETag"]}
    )
    assert again.status_code == 304
    event = AuditEvent.objects.get(action="bundle_exported")
    assert (event.by, event.data["station"], event.data["sha256"]) == ("ada", "cam-1", bundle.sha256)


def test_a_process_without_torch_has_the_files_made_by_another(version):
    here, apart = files_of(load_scorer(version)), files_made_apart(weights_path(version), version.weights_sha256)
    assert here.keys() == apart.keys()
    assert [name for name in here if here[name] != apart[name] and name != "figures.npz"] == []  # that has a date in it
    with pytest.raises(WeightsRefused, match="altered"):
        files_made_apart(weights_path(version), "0" * 64)


def test_only_an_admin_exports_and_a_line_without_a_certificate_gets_none(
    line, station, version, set_level, sam, ada, certified_level
):
    with pytest.raises(NotAllowed):
        automation.export_bundle(line=line, station=station, by=sam)
    set_level(line, "partial", version, pass_below=0.3, reject_from=0.5)
    with pytest.raises(Conflict, match="No certificate is in force"):
        automation.export_bundle(line=line, station=station, by=ada)
    with pytest.raises(BadInput, match="1 to 24 hours"):
        automation.export_bundle(line=line, station=station, by=ada, hours=25)
    certified_level(line, "partial", version, by=ada, ramp=[[0.05, 1.0], [1.0, 0.1]])
    with pytest.raises(Conflict, match="ramp is at 5 %"):
        automation.export_bundle(line=line, station=station, by=ada)
    assert not EdgeBundle.objects.exists()


def test_a_ticket_is_signed_and_renewed(bundle, api, cam, line, station):
    answer = api(cam).get("/api/v1/lines/line-a/edge/?station=cam-1").json()
    ticket, key = answer["ticket"], Ed25519PublicKey.from_public_bytes(base64.b64decode(answer["public_key"]))
    key.verify(base64.b64decode(ticket.pop("signature")), canonical(ticket))
    assert (ticket["bundle"], ticket["sha256"], ticket["station"]) == (bundle.number, bundle.sha256, "cam-1")
    assert EdgeTicket.objects.count() == 1  # the one of a moment ago
    later = automation.ticket_for(line=line, station=station, now=timezone.now() + timedelta(minutes=11))
    assert later.ticket.ends_at - later.ticket.issued_at == timedelta(hours=8)
    assert EdgeTicket.objects.count() == 2


@pytest.mark.parametrize("by", ["halt", "lowering", "void", "person", "later"])
def test_what_changes_the_line_ends_the_bundle_for_good(by, bundle, line, station, ada, sam, api, cam):
    if by == "halt":
        automation.set_halt(line=line, on=True, by=sam, reason="smoke")
        automation.set_halt(line=line, on=False, by=sam, reason="cleared")
    elif by == "lowering":
        automation.propose_change(line=line, by=ada, level="assist", reason="doubt")
    elif by == "void":
        void = automation.voiding.void_evidence
        void(line=line, version=bundle.version, reason="escapes", now=timezone.now())
    elif by == "person":
        automation.end_bundle(bundle=bundle, by=sam, reason="not needed")
        with pytest.raises(Conflict, match="ended already"):
            automation.end_bundle(bundle=bundle, by=sam, reason="again")
    else:
        automation.export_bundle(line=line, station=station, by=ada)
        assert api(cam).get("/api/v1/lines/line-a/edge/?station=cam-1").json()["ticket"]["bundle"] == bundle.number + 1
        return
    answer = api(cam).get("/api/v1/lines/line-a/edge/?station=cam-1").json()
    assert answer["ticket"] is None
    assert answer["reasons"][0].startswith(f"Bundle {bundle.number} has ended: ")


def test_a_station_reads_its_own_lines_alone(bundle, api, cam):
    cam.lines.add(Line.objects.create(slug="line-b", name="Line B"))
    for path in ("?station=cam-1", f"bundles/{bundle.number}/"):
        assert api(cam).get(f"/api/v1/lines/line-a/edge/{path}").status_code == 403
    assert api(cam).get("/api/v1/lines/line-b/edge/").status_code == 400  # which station?
    assert api(cam).get(f"/api/v1/lines/line-b/edge/bundles/{bundle.number}/").status_code == 404


def test_the_key_is_made_once_and_kept_secret(settings):
    first = edge_key.public_key()
    assert settings.EDGE_KEY.stat().st_mode & 0o077 == 0
    edge_key._read.cache_clear()
    assert edge_key.public_key() == first
    settings.EDGE_KEY.write_text("no key")
    with pytest.raises(Conflict, match="holds no Ed25519 key"):
        edge_key.public_key()


# ---- The part arrives


def test_a_decision_that_the_server_bears_out_is_the_machines(bundle, send, scored, drawn, version):
    drawn(0.99)
    answer = send(bundle)
    assert answer.status_code == 201
    told = answer.json()["disposition"]
    assert (told["outcome"], told["by_machine"]) == ("pass", True)
    assert told["reason"] == "decided at the station: score 0.2000 is below 0.3"
    part = part_of(answer)
    assert part.state == "decided"
    assert ScoringJob.objects.get(inspection=part).version == version
    routing = scored(part)
    assert (routing.decision, routing.decided, routing.policy_id) == ("pass", True, bundle.policy_id)
    draw = Draw.objects.get(inspection=part)
    assert (draw.blind, draw.audited) == (False, False)
    part.refresh_from_db()
    assert part.state == "decided"
    assert not Alarm.objects.exists()


def test_the_same_part_again_answers_the_same(bundle, send):
    moment = timezone.now().isoformat()
    first = send(bundle, decided_at=moment)
    second = send(bundle, decided_at=moment)
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["disposition"] == first.json()["disposition"]
    assert send(bundle, decided_at=moment, score=0.21).status_code == 409
    assert EdgeMark.objects.count() == 1


def test_the_server_draws_audits_among_them_and_an_escape_is_contained(bundle, send, scored, drawn, judge, ivy):
    drawn(0.0)
    part = part_of(send(bundle))
    scored(part)
    part.refresh_from_db()
    assert part.state == "audit_due"
    assert Draw.objects.get(inspection=part).audited
    judge(part, ivy, "scratched")
    floor.contain_escapes(now=timezone.now() + timedelta(minutes=5))
    assert Containment.objects.get().inspection == part
    catch_up()
    assert Comparison.objects.get(inspection=part).evidence == "scratched"
    changed = changed_for(part.received_by, after=0, upto=Disposition.objects.last().pk)
    assert [(row.inspection_id, row.outcome) for row in changed] == [(part.pk, "reject")]  # what the station hears


@pytest.mark.parametrize(
    ("score", "fields"), [(0.2012, {}), (0.31, {}), (0.2, {"novelty": 1.5}), (None, {})], ids=str
)  # fmt: skip
def test_a_decision_that_the_server_does_not_bear_out_is_a_persons(score, fields, bundle, send, scored, drawn):
    drawn(0.0)  # even where it would be drawn
    part = part_of(send(bundle))
    routing = scored(part, score, **fields)
    assert (routing.decision, routing.decided) == ("person", False)
    part.refresh_from_db()
    assert part.state == "audit_due"
    assert Draw.objects.get(inspection=part).blind is False
    alarm = Alarm.objects.get()
    assert (alarm.severity, alarm.rule) == ("critical", "edge_decision")
    catch_up()
    assert [row.evidence for row in Comparison.objects.filter(inspection=part)] == [""]


def test_a_part_whose_decision_is_not_taken_is_received_and_a_persons(bundle, send, scored, line, judge, ivy):
    answer = send(bundle, bundle=99)
    assert answer.status_code == 201
    part = part_of(answer)
    assert part.state == "audit_due"
    mark = EdgeMark.objects.get()
    assert (mark.taken, mark.bundle, mark.refused) == (False, None, ["There is no bundle 99 of this line and station."])
    assert StationDecision.objects.get().sent["bundle"] == 99
    assert Alarm.objects.get().severity == "critical"
    assert scored(part).decision == "person"
    judge(part, ivy, "scratched")
    floor.contain_escapes(now=timezone.now() + timedelta(minutes=5))
    assert Containment.objects.get().inspection == part  # it had left all the same
    catch_up()
    assert [row.evidence for row in Comparison.objects.filter(inspection=part)] == [""]


def test_decided_before_a_halt_is_taken_and_after_it_not(bundle, send, line, sam):
    before = (timezone.now() - SECOND).isoformat()
    automation.set_halt(line=line, on=True, by=sam, reason="smoke")
    assert EdgeMark.objects.get(inspection=part_of(send(bundle, decided_at=before))).taken
    late = part_of(send(bundle, place=2, decided_at=(timezone.now() + SECOND).isoformat()))
    assert "had ended by then: halted: smoke" in EdgeMark.objects.get(inspection=late).refused[0]


def test_a_place_is_one_part_and_a_cleaned_part_a_persons(bundle, send, line, station, judge, ivy):
    first = part_of(send(bundle, serial="A"))
    again = part_of(send(bundle, serial="B"))
    assert EdgeMark.objects.get(inspection=first).taken
    assert EdgeMark.objects.get(inspection=again).refused == ["Number 1 of the bundle is part A."]
    lease = floor.claim(line=line, by=ivy)
    floor.send_to_retake(inspection=lease.inspection, by=ivy, lease=lease.token, reason="dust")
    cleaned = part_of(send(bundle, place=2, serial="B", key="B2"))
    assert "cleaned" in EdgeMark.objects.get(inspection=cleaned).refused[0]


def test_two_at_once_never_share_a_place(at_once, bundle, make_photo):
    sent = {
        "bundle": bundle.number, "place": 1, "outcome": "pass", "score": 0.2, "novelty": 0.2,
        "decided_at": timezone.now().isoformat(),
    }  # fmt: skip
    photos = [floor.NewPhoto(make_photo())]

    def arrive(serial):
        return lambda: floor.receive_inspection(
            line=bundle.line, serial=serial, photos_sent=photos, by=None, station="cam-1", decided=sent
        )

    assert all(new for _part, new in at_once(arrive("A"), arrive("B")))
    assert sorted(EdgeMark.objects.values_list("taken", flat=True)) == [False, True]


@pytest.mark.parametrize(
    "fields",
    [
        {"bundle": 0}, {"bundle": "1"}, {"place": 0}, {"place": True}, {"outcome": "hold"}, {"score": "0.2"},
        {"novelty": None}, {"decided_at": "noon"}, {"decided_at": "2026-06-01T12:00:00"}, {"score": 10**400},
    ],
    ids=str,
)  # fmt: skip
def test_nonsense_is_refused_and_stores_nothing(fields, bundle, send):
    assert send(bundle, **fields).status_code == 400
    assert not Inspection.objects.exists()


@pytest.mark.parametrize("text", ["[]", "{", "null", '{"score": NaN}', "[" * 1900])
def test_what_is_no_object_is_refused(text, api, cam, line, make_photo):
    form = {"serial": "S1", "line": "line-a", "decided": text, "photos": [io.BytesIO(make_photo())]}
    assert api(cam).post("/api/v1/inspections/", form, format="multipart").status_code == 400


def test_a_fault_of_ours_loses_no_part(bundle, send, settings):
    settings.TAKE_STATION_DECISION = "automation.edge_rules.missing_places"  # which takes no part
    part = part_of(send(bundle))
    assert part.state == "held"
    assert StationDecision.objects.get().inspection == part
    assert not EdgeMark.objects.exists()
    assert part in Inspection.objects.takeable(now=timezone.now())


def test_an_inspector_cannot_tell_such_a_part_from_another(bundle, send, scored, drawn, api, ivy):
    drawn(0.0)
    part = part_of(send(bundle))
    scored(part)
    claimed = api(ivy).post("/api/v1/queue/claim/", {"line": "line-a"}).json()
    assert claimed["inspection"]["id"] == part.pk
    read = api(ivy).get(f"/api/v1/inspections/{part.pk}/").json()
    assert (read["state"], read["disposition"]) == ("waiting", None)


# ---- The server's own score


@pytest.mark.parametrize(("off", "decided"), [(0.0, True), (0.002, False)])
def test_the_server_scores_what_the_station_was_sent_for(
    off, decided, line, station, version, certified_level, ada, send, make_photo
):
    [seen] = load_scorer(version).score([[Image.open(io.BytesIO(make_photo(seed="E1")))]])
    certified_level(line, "full", version, by=ada, pass_below=1.0, reject_from=1.0)
    made = automation.export_bundle(line=line, station=station, by=ada)
    automation.ticket_for(line=line, station=station)
    part = part_of(send(made, score=seen.score + off, novelty=seen.novelty))
    assert automation.score_and_settle() == 1
    routing = Routing.objects.get(inspection=part)
    assert (routing.decided, routing.prediction.score) == (decided, pytest.approx(seen.score, abs=1e-6))
    assert Alarm.objects.exists() == (not decided)


# ---- It does not come, or late


def test_what_is_not_scored_in_time_is_a_persons(bundle, send, drawn):
    part = part_of(send(bundle))
    assert compare_missing(now=timezone.now()) == 0
    assert compare_missing(now=timezone.now() + timedelta(hours=2)) == 1
    part.refresh_from_db()
    assert part.state == "audit_due"
    assert "the server has no answer" in Alarm.objects.get().message
    assert compare_missing(now=timezone.now() + timedelta(hours=2)) == 0


def test_a_score_that_was_written_and_not_compared_is_found_again(
    bundle, send, drawn, version, line, set_level, other_version
):
    part = part_of(send(bundle))
    set_level(line, "shadow", other_version)  # by now another version is live
    Prediction.objects.create(inspection=part, version=version, score=0.2, outcome="ok", novelty=0.2)
    assert automation.settle_missing() == 1
    assert Routing.objects.get().decided
    assert automation.settle_missing() == 0


# ---- Numbers that lack


def test_a_part_that_never_arrived_is_an_escape_until_it_does(bundle, send, scored, drawn, judge, ivy, line, version):
    drawn(0.0)
    for place in (1, 4):
        part = part_of(send(bundle, place=place))
        scored(part)
        judge(part, ivy, "ok")

    def seen():
        catch_up()
        now = timezone.now()
        passed = evidence_of(line, version, now=now, audit_hours=72).passed(0.3)
        assert evidence_by_rows(line, version, now=now, audit_hours=72).passed(0.3) == passed
        return passed.settled, passed.settled_found, passed.overdue

    assert seen() == (4, 2, 2)
    lacking, then = gaps_of(line, version), timezone.now()
    assert [gap.arrived for gap in lacking] == [part.received_at] * 2  # of the next that came
    part = part_of(send(bundle, place=2))
    scored(part)
    judge(part, ivy, "ok")
    assert seen() == (4, 1, 1)
    assert gaps_of(line, version, since=timezone.now()) == []
    assert gaps_of(line, version, upto=then) == lacking  # as a certificate of that moment is counted again


def test_a_number_outside_of_the_bundle_makes_up_no_parts(bundle, send, line, version):
    send(bundle, place=10_000_000)
    assert gaps_of(line, version) == []


# ---- Where it shows


def test_the_lines_page_exports_and_ends_a_bundle(partial, line, station, page, ada, sam):
    address = f"/lines/{line.slug}/automation/"
    assert "Export a bundle" in page(ada).get(address).content.decode()
    form = {"station": "cam-1", "hours": "8", "most": "200"}
    told = page(ada).post(address + "bundles/", form, follow=True).content.decode()
    assert "Bundle 1 is ready" in told
    assert EdgeBundle.objects.get().most == 200
    told = page(ada).post(address + "bundles/", form | {"hours": "99"})
    assert (told.status_code, "1 to 24 hours" in told.content.decode()) == (400, True)
    assert page(sam).post(address + "bundles/", form).status_code == 403
    told = page(sam).post(address + "bundles/end/", {"number": "1", "reason": "the lamp is new"}, follow=True)
    assert "a person ended it: the lamp is new (sam)" in told.content.decode()


def test_the_page_says_why_no_station_may(partial, line, station, page, sam, ada):
    automation.set_halt(line=line, on=True, by=sam, reason="smoke")
    told = page(ada).get(f"/lines/{line.slug}/automation/").content.decode()
    assert "Line A is halted: people judge every part." in told
    assert "Export a bundle" not in told


def test_the_mark_shows_where_the_machines_decision_shows(bundle, send, page, sam, ivy):
    part = part_of(send(bundle, bundle=9))
    assert page(sam).get(f"/alarms/{Alarm.objects.get().pk}/").status_code == 200
    told = page(sam).get(f"/inspections/{part.pk}/lineage/").content.decode()
    assert "Its station decided it while the network was down" in told
    assert "There is no bundle 9 of this line and station." in told
    history = page(sam).get(f"/parts/{part.serial}/").content.decode()
    assert "decided at the station, which was not to" in history
    assert page(ivy).get(f"/inspections/{part.pk}/lineage/").status_code == 403
    assert "decided at the station" not in page(ivy).get(f"/parts/{part.serial}/").content.decode()
