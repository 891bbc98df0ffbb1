"""An earlier inspection system from its registration to deciding parts, and a new model that shadows it."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from automation import policies
from automation.actions import (
    add_candidate,
    approve_change,
    end_waiting,
    propose_change,
    serve_advice,
    set_standby,
    settle_batch,
    switch_version,
    take_answers,
)
from automation.blue_green import compare_versions, versions_of
from automation.certificates import certificate_in_force
from automation.reports import standing
from inspection import actions as floor
from inspection.models import Origin
from inspection.refusals import Conflict
from monitoring.sources import _looks_at_photos
from shadow import jobs
from shadow.earlier import Sent
from shadow.models import Prediction
from shadow.versions import find_version

LIMITS = {"alpha": 0.2, "blind_pairs": 20, "sensitivity_from_seeds": False, "days": 1}  # so that few parts are enough
BARS = {"pass_below": 0.1, "reject_from": 0.5, "ramp": [[1, 0.1]]}
URL = "/api/v1/models/old-cell/predictions/"


@pytest.fixture
def registered(api, ada):
    """Registered by an admin over the API."""
    told = {"name": "old-cell", "threshold": 0.5, "thresholds": [0.1, 0.5], "within": 10, "about": "cell 4"}
    client = api(ada)
    answers = [client.post("/api/v1/models/", told, format="json") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert client.post("/api/v1/models/", told | {"within": 5}, format="json").status_code == 409
    assert answers[0].json()["kind"] == "imported"
    return find_version("old-cell")


@pytest.fixture
def old_cell(api, cam, line):
    """The client of the earlier system itself: a station bound to line A."""
    cam.lines.add(line)
    return api(cam)


@pytest.fixture
def shadowing(line, registered, make_part, ada, tmp_path):
    """Line A at shadow with it, after its past answers were imported."""
    floor.import_history(inspection=make_part("PAST", origin=Origin.IMPORTED), label="ok", by="test")
    file = tmp_path / "answers.csv"
    file.write_text("serial,score,at\nPAST,0.02,2026-03-02T12:00:00+01:00\n")
    call_command("import_predictions", "old-cell", str(file), line="line-a", stdout=StringIO())
    assert Prediction.objects.get().retrospective
    propose(line, ada, level="shadow", model="old-cell", policy={"limits": LIMITS})
    return line


@pytest.fixture
def judged(shadowing, old_cell, make_part, judge, ivy):
    """The same with blind verdicts on parts that it had answered before."""
    for number in range(36):
        part, scratched = make_part(f"J{number}"), number % 2 == 0
        told = {"serial": part.serial, "line": "line-a", "score": 0.9 if scratched else 0.02}
        assert old_cell.post(URL, {"results": [told]}, format="json").status_code == 201
        judge(part, ivy, "scratched" if scratched else "ok")
    return shadowing


def propose(line, by, **what):
    return propose_change(line=line, by=by, reason="it is time", **what)


def test_it_shadows_then_advises_then_decides_on_a_certificate(judged, old_cell, make_part, ada, sam, ivy, version):
    line = judged
    propose(line, ada, level="assist")

    advised = make_part()
    propose(line, ada, policy={"blind_share": 1e-6})
    old_cell.post(URL, {"results": [{"inspection": advised.pk, "score": 0.7}]}, format="json")
    lease = floor.claim(line=line, by=ivy)
    assert lease.inspection_id == advised.pk
    assert serve_advice(inspection=advised, user=ivy, where="test").score == 0.7
    floor.record_verdict(inspection=advised, by=ivy, lease=lease.token, outcome="scratched")

    with pytest.raises(Conflict, match="cannot tell a part unlike any"):
        propose(line, ada, level="partial", policy=BARS)
    propose(line, ada, policy={"limits": LIMITS | {"without_novelty": True}})
    approve_change(change=propose(line, ada, level="partial", policy=BARS), by=sam)
    assert policies.in_force(line).level == "partial"
    frozen = certificate_in_force(policies.in_force(line))
    assert frozen is not None
    call_command("verify_certificates", stdout=StringIO())

    passed, silent = make_part(), make_part()
    sent = {"results": [{"inspection": passed.pk, "score": 0.02}]}
    assert [old_cell.post(URL, sent, format="json").status_code for _ in range(2)] == [201, 200]
    other = old_cell.post(URL, {"results": [{"inspection": passed.pk, "score": 0.9}]}, format="json")
    assert (other.status_code, other.json()["errors"][0]["field"]) == (409, "results.0")
    passed.refresh_from_db()
    assert passed.disposition.by_machine and passed.disposition.outcome == "pass"
    now = timezone.now() + timedelta(seconds=11)
    jobs.make_missing_jobs(now=now)
    assert end_waiting(now=now) == 1
    silent.refresh_from_db()
    assert silent.state == "waiting"


def test_a_new_model_shadows_it_and_the_two_are_switched(
    shadowing, make_evidence, make_part, judge, ada, sam, ivy, version
):
    line, old = shadowing, find_version("old-cell")
    make_evidence(line, old, 40, 0.02, "ok", by=ivy)
    make_evidence(line, old, 34, 0.9, "scratched", by=ivy)
    add_candidate(line=line, version=version, by=ada, reason="a new model")
    part = make_part()
    take_answers(version=old, answers=[Sent(inspection=part.pk, score=0.02)], by="test")
    settle_batch(
        predictions=[Prediction.objects.create(inspection=part, version=version, score=0.8, outcome="scratched")]
    )
    judge(part, ivy, "scratched")
    compared = compare_versions(line, old, version, now=timezone.now())
    assert (compared.versus.only_blue, compared.versus.only_green) == (1, 0)

    propose(line, ada, level="assist")
    propose(line, ada, policy={"limits": LIMITS | {"without_novelty": True}})
    approve_change(change=propose(line, ada, level="partial", policy=BARS), by=sam)
    switch_version(line=line, version=version, by=ada, reason="try the new one")
    held = policies.in_force(line)
    assert (held.level, held.version, held.standby) == ("assist", version, old)
    rows = {row.version.name: row for row in versions_of(line, standing(line)).rows}
    assert "Certified at" in rows["old-cell"].certificate


def test_as_standby_its_answer_is_waited_for_and_heard(line, version, registered, set_level, make_part, answer, ada):
    set_level(line, "partial", version, pass_below=0.1, reject_from=0.5, audit_share=1e-6)
    set_standby(line=line, version=registered, by=ada, reason="until the new one is proven")
    apart, alone = make_part(), make_part()
    jobs.make_missing_jobs(now=timezone.now())
    for part in (apart, alone):
        answer(part, version, 0.02)
        assert part.state == "held"  # it waits for the standby
    take_answers(version=registered, answers=[Sent(inspection=apart.pk, score=0.9)], by="test")
    take_answers(version=registered, answers=[Sent(inspection=alone.pk, score=0.02)], by="test")
    for part, state in ((apart, "waiting"), (alone, "decided")):
        part.refresh_from_db()
        assert part.state == state


def test_the_commands_refuse_in_a_sentence(registered, make_part, tmp_path):
    make_part("SN1")
    file = tmp_path / "answers.csv"
    for text, word in (
        ("what\n1\n", "no columns"), ("serial,score\nSN1,x\n", "line 2"), ("serial,score\nSN9,0.2\n", "has not arrived"),
        ("serial,score,at\nSN1,0.2,2026-03-02 12:00\n", "zone"), ("serial,outcome\nSN1,ok\n", "declared"),
    ):  # fmt: skip
        file.write_text(text)
        with pytest.raises(CommandError, match=word):
            call_command("import_predictions", "old-cell", str(file), line="line-a", stdout=StringIO())
    with pytest.raises(CommandError, match="cannot be replayed"):
        call_command("replay", "old-cell", line="line-a", stdout=StringIO())
    with pytest.raises(CommandError, match="no weights"):
        call_command("predict_photos", "old-cell", str(file), stdout=StringIO())
    with pytest.raises(CommandError, match="no weights"):
        call_command("train_model", name="new", line="line-a", start="old-cell", stdout=StringIO())
    with pytest.raises(CommandError, match="rise"):
        call_command("register_earlier", "b", thresholds="0.5,0.1", stdout=StringIO())
    out = StringIO()
    call_command("register_earlier", "only-words", outcomes=True, json=True, stdout=out)
    assert '"thresholds": [0.5]' in out.getvalue()


def test_its_pages_and_reports(shadowing, page, ada, sam):
    client = page(ada)
    for address in (
        "/models/", "/models/old-cell/", "/models/old-cell/lineage/", "/earlier-systems/new/", "/lines/line-a/automation/",
        "/lines/line-a/automation/what-if/?model=old-cell", "/reports/agreement/?line=line-a&model=old-cell",
        "/reports/agreement/?line=line-a&model=old-cell&format=csv", "/lines/line-a/trainings/new/",
    ):  # fmt: skip
        assert client.get(address).status_code == 200, address
    assert "earlier system" in client.get("/models/").content.decode()
    form = {"name": "by-page", "says": "outcome", "threshold": "0.5", "thresholds": "", "within": "15", "about": ""}
    assert client.post("/earlier-systems/new/", form | {"within": "0"}).status_code == 400
    assert client.post("/earlier-systems/new/", form)["Location"] == "/models/by-page/"
    assert find_version("by-page").answers_within == 15
    assert page(sam).get("/earlier-systems/new/").status_code == 403


def test_the_photos_are_watched_by_a_trained_version_beside_it(line, registered, version, set_level, ada):
    set_level(line, "shadow", registered)
    assert _looks_at_photos(line) is None
    add_candidate(line=line, version=version, by=ada, reason="a new model")
    assert _looks_at_photos(line) == version.pk
    set_level(line, "shadow", version)
    assert _looks_at_photos(line) == version.pk


def test_of_two_answers_at_once_one_is_written_and_the_other_refused(at_once, registered, line, set_level, make_part):
    set_level(line, "shadow", registered)
    part = make_part()

    def send(score):
        return lambda: take_answers(version=registered, answers=[Sent(inspection=part.pk, score=score)], by="test")

    found = at_once(send(0.1), send(0.9))
    assert sorted(recorded.rows[0].fate.status for recorded in found) == ["recorded", "refused"]
    assert Prediction.objects.count() == 1


def test_an_answer_and_the_end_of_its_time_at_once_leave_one_of_the_two(
    at_once, registered, line, set_level, make_part
):
    set_level(line, "shadow", registered)
    part = make_part()
    jobs.make_missing_jobs(now=timezone.now())
    in_time, over = part.received_at + timedelta(seconds=9), part.received_at + timedelta(seconds=11)
    answers = [Sent(inspection=part.pk, score=0.1)]
    found = at_once(
        lambda: take_answers(version=registered, answers=answers, by="test", now=in_time), lambda: end_waiting(now=over)
    )
    assert not [error for error in found if isinstance(error, Exception)]
    assert Prediction.objects.filter(inspection=part).count() == 1
