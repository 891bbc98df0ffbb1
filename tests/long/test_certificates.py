"""Certificates: frozen with what they rest on, the same when counted again from the rows whatever was written since, and
found out when altered."""

import io
import json
import threading
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from automation import certifying, policies
from automation.actions import apply_fallbacks, approve_change, propose_change
from automation.actions.changing import COPIED, write_policy
from automation.certificates import certificate_in_force
from automation.certifying import canonical, digest_of, facts_at_rest, sealed
from automation.counts import Evidence
from automation.models import Change, Void
from automation.verifying import verify
from inspection import actions as floor
from inspection.actions.disguise import show_again
from inspection.append_only import audited_purge, open_door
from inspection.models import AuditEvent, Draw, Inspection, Line, ModelOutputShown, Verdict
from inspection.refusals import Conflict
from inspection.seals import verify_trail
from monitoring.actions import close_alarm, open_alarm
from shadow.adjudicating import adjudicate
from shadow.models import Prediction
from shadow.rollups import catch_up

BARS = {"pass_below": 0.1, "reject_from": 0.5}
SMALL = {"alpha": 0.2, "blind_pairs": 20, "sensitivity_from_seeds": False}


@pytest.fixture
def proven(line, version, set_level, make_evidence, ivy):
    """Line A at assist with evidence enough for partial at small limits, and two parts that nobody has judged."""
    make_evidence(line, version, 24, 0.01, "ok", by=ivy)
    make_evidence(line, version, 18, 0.9, "scratched", by=ivy)
    set_level(line, "assist", version, limits=SMALL)
    return line


@pytest.fixture
def proposed(proven, ada):
    return propose_change(line=proven, by=ada, level="partial", policy=BARS, reason="it is time")


@pytest.fixture
def applied(proposed, sam):
    approve_change(change=proposed, by=sam)
    return proposed


def verified(**which):
    """What differs, by certificate."""
    return [held.differs for held in verify(**which)]


def in_force(line):
    """The certificate by which the line's policy was reached."""
    held = certificate_in_force(policies.in_force(line))
    return held.frozen if held else None


def rewrite(change, **fields):
    """Another certificate in the place of a change's, as somebody with the database's own tools would write it."""
    change.certificate = {**change.certificate, **fields}
    with open_door():
        QuerySet(Change).filter(pk=change.pk).update(certificate=change.certificate)


# ---- what it holds


def test_a_raise_freezes_what_it_rests_on(proposed, version):
    told = proposed.certificate
    assert set(told) == {
        "form", "at", "line", "kind", "level", "version", "pass_below", "reject_from", "limits", "certified", "strata",
        "evidence", "seeds", "gates", "as_of", "software", "sha256",
    }  # fmt: skip
    assert (told["form"], told["line"], told["kind"], told["level"]) == (2, "line-a", "raise", "partial")
    assert told["version"] == {
        "name": "v1", "weights_sha256": version.weights_sha256, "threshold": 0.5, "thresholds": version.thresholds,
    }  # fmt: skip
    assert (told["pass_below"], told["reject_from"], told["strata"]) == (0.1, 0.5, [["", ""]])
    assert (told["limits"]["alpha"], told["limits"]["miss_limit"]) == (0.2, 0.2)
    assert told["certified"] == {"alpha": 0.2, "delta": 0.05, "seeds_passed": 0, "seeds_found": 0}
    assert told["at"] == proposed.at.isoformat()
    assert told["software"].startswith("shadowline ")
    assert all(gate["met"] and gate["reason"] for gate in told["gates"])


def test_the_evidence_is_frozen_as_counts_and_names_no_part(proposed):
    evidence = proposed.certificate["evidence"]
    nobody = {"served": 0, "unsure": 0, "pending": 0, "due": 0, "overdue": 0}
    assert evidence["counts"] == [
        {"station": "", "variant": "", "slot": 0, "ok": 24, "scratched": 0, **nobody},
        {"station": "", "variant": "", "slot": 5, "ok": 0, "scratched": 18, **nobody},
    ]
    assert (evidence["bars"], evidence["settled"], evidence["since"]) == ([0.05, 0.1, 0.2, 0.3, 0.5], [], None)
    assert "E0" not in json.dumps(proposed.certificate)


def test_seeds_thin_what_is_certified(line, version, set_level, make_evidence, make_part, ivy, ian, sam, ada, answer):
    """30 seeded scratches that the version passes, all found."""
    now = timezone.now()
    for _ in range(30):
        source = make_part()
        lease = floor.claim(line=line, by=ian, serial=source.serial)
        floor.record_verdict(inspection=source, by=ian, lease=lease.token, outcome="scratched")
        floor.keep_reference(inspection=source, truth="scratched", reason="measured", by=sam)
        part = show_again(source=source, purpose="reference", truth="scratched", by="system", now=now).inspection
        answer(part, version, 0.03)
        Verdict.objects.create(inspection=part, inspector=ivy, outcome="scratched", at=now)
    make_evidence(line, version, 400, 0.01, "ok", by=ivy)
    make_evidence(line, version, 18, 0.9, "scratched", by=ivy)
    set_level(line, "assist", version, limits={"alpha": 0.4})
    change = propose_change(line=line, by=ada, level="partial", policy=BARS, reason="it is time")
    assert change.certificate["seeds"] == {"judged": 30, "found": 30}
    certified = change.certificate["certified"]
    assert (certified["seeds_passed"], certified["seeds_found"], certified["delta"]) == (30, 30, 0.04)
    assert 0.2 < certified["alpha"] < 0.4
    assert verified() == [[]]
    with audited_purge(by="ada", reason="erasure"):
        Verdict.objects.filter(inspection__origin="seeded").order_by("pk").first().delete()
    [[told, *more]] = verified()
    assert told == "seeds: 30 of 30 found, and by the rows 29 of 29"
    assert any(words.startswith("gate inspectors") for words in more)


def test_a_step_down_and_more_care_take_no_certificate(applied, ada):
    for fields in ({"policy": {"audit_share": 1.0}}, {"level": "assist"}):
        change = propose_change(line=applied.line, by=ada, reason="x", **fields)
        assert change.certificate == {"at": change.at.isoformat(), "level": change.proposed["level"], "gates": []}
    assert len(verified()) == 2


def test_the_audit_trail_knows_the_digest_and_the_certificate_applied(applied):
    proposal = AuditEvent.objects.get(action="change_proposed")
    assert proposal.data["certificate"] == applied.certificate["sha256"]
    raised = AuditEvent.objects.get(action="level_raise").data["certificate"]
    assert (raised["level"], raised["sha256"]) == ("partial", digest_of(raised))
    assert verify_trail().broken == []


# ---- the proposal's and the one applied


def test_what_is_applied_is_judged_again_and_both_are_kept(proposed, version, make_evidence, sam, ivy):
    """Approval after the evidence changed: the fresh certificate is in force, the proposal's stays as it was."""
    before = dict(proposed.certificate)
    make_evidence(proposed.line, version, 10, 0.01, "ok", by=ivy)
    approve_change(change=proposed, by=sam)
    proposed.refresh_from_db()
    fresh = in_force(proposed.line)
    assert proposed.certificate == before
    assert (before["evidence"]["counts"][0]["ok"], fresh["evidence"]["counts"][0]["ok"]) == (24, 34)
    assert fresh["at"] > before["at"]
    assert verified() == [[], []]


def test_a_later_policy_of_the_same_change_stands_on_its_certificate(applied):
    current = policies.in_force(applied.line)
    fields = {name: getattr(current, name) for name in COPIED} | {"step": 1}
    write_policy(
        line=applied.line, fields=fields, by="system", reason="x", action="ramp_advanced", change=applied,
        now=timezone.now(),
    )  # fmt: skip
    fresh = in_force(applied.line)
    assert fresh["level"] == "partial"
    assert fresh["at"] > applied.certificate["at"]


def test_a_policy_by_nobodys_change_has_none(proven):
    assert in_force(proven) is None


def test_one_person_is_enough_and_the_proposals_is_the_one_applied(line, version, make_part, answer, ada):
    answer(make_part(), version, 0.2, retrospective=True)
    change = propose_change(line=line, by=ada, level="shadow", model="v1", reason="x")
    assert in_force(line) == change.certificate
    assert (change.certificate["certified"], change.certificate["strata"]) == (None, None)
    assert verified() == [[]]


# ---- counted again


def test_a_certificate_is_what_the_rows_say(applied):
    assert verified() == [[], []]


@pytest.fixture
def busy(proven, version, make_part, answer, judge, ivy, ian, ada):
    """A proposal made while three parts wait, one of them for its audit, and one is with a second person."""
    parts = [make_part(serial) for serial in ("P1", "P2", "P3", "P4", "P5")]
    for part in parts:
        Prediction.objects.create(inspection=part, version=version, score=0.3, outcome="ok")
        audited = part.serial == "P3"
        Draw.objects.create(inspection=part, key="k", u_canary=0, u_audit=0, u_blind=0, blind=True, audited=audited)
    Inspection.objects.filter(pk__in=[part.pk for part in parts]).update(state="waiting")
    judge(parts[0], ivy, "unsure")
    judge(parts[1], ivy, "scratched")
    change = propose_change(line=proven, by=ada, level="partial", policy=BARS, reason="it is time")
    return change, parts


def test_it_reproduces_after_later_words_of_every_kind(busy, version, make_part, answer, judge, ivy, ian, sam, later):
    change, parts = busy
    assert any(row["pending"] for row in change.certificate["evidence"]["counts"])
    judge(parts[0], ian, "ok")  # the second opinion
    verdict = Verdict.objects.get(inspection=parts[1])
    floor.correct_verdict(verdict=verdict, outcome="ok", reason="a hair", by=sam)
    floor.claim(line=change.line, by=ivy)
    floor.send_to_retake(inspection=parts[2], by=ivy, lease=parts[2].lease.token, reason="oil")
    answer(again := make_part("P3"), version, 0.9)
    judge(parts[3], ivy, "scratched")
    leak = floor.claim(line=change.line, by=ian, serial="P5")
    ModelOutputShown.objects.create(inspection=parts[4], user=ian, where="a leak")
    floor.record_verdict(inspection=parts[4], by=ian, lease=leak.token, outcome="ok")
    judge(again, ivy, "scratched")
    adjudicate(prediction=Prediction.objects.get(inspection=parts[3]), finding="model", reason="a hair", by=sam)
    catch_up()
    assert verified() == [[]]


def test_what_was_held_is_named_by_its_change(busy):
    change, _ = busy
    [held] = verify(change=change.pk)
    assert (held.change, held.policy, held.line, held.level) == (change.pk, None, "line-a", "partial")
    assert held.at == change.certificate["at"]


def test_an_audit_that_was_overdue_then_was_an_escape_and_is_one_however_it_was_judged(busy, later, ada, ivy):
    _, parts = busy
    change = propose_change(
        line=parts[0].line, by=ada, level="partial", policy=BARS, reason="a day later", now=later(25 * 3600)
    )
    assert {row["unsure"] for row in change.certificate["evidence"]["counts"]} == {0, 1}
    lease = floor.claim(line=change.line, by=ivy, serial="P3")
    floor.record_verdict(inspection=parts[2], by=ivy, lease=lease.token, outcome="ok")
    assert verified(change=change.pk) == [[]]


def test_evidence_from_before_an_alarm_stays_out_of_a_later_certificate(applied, version, make_evidence, ivy, ada, sam):
    alarm = open_alarm(line=applied.line, rule="dust", severity="critical", message="Dust.")
    apply_fallbacks()
    close_alarm(alarm=alarm, by=sam, comment="Cleaned.")
    now = timezone.now()
    for score, outcome, n in ((0.01, "ok", 30), (0.9, "scratched", 20)):
        make_evidence(
            applied.line, version, n, score, outcome, by=ivy, moments=[now + timedelta(days=k % 4) for k in range(n)]
        )
    change = propose_change(line=applied.line, by=ada, level="partial", policy=BARS, reason="again")
    counted = [row["ok"] + row["scratched"] for row in change.certificate["evidence"]["counts"]]
    assert counted == [30, 20]
    void = Void.objects.get()
    assert change.certificate["evidence"]["since"] == void.at.isoformat()
    assert verified() == [[], [], []], "an alarm today changes nothing of what was certified before it"


# ---- found out


def test_an_altered_figure_is_found_and_the_digest_too(applied):
    counts = [dict(row) for row in applied.certificate["evidence"]["counts"]]
    counts[0]["ok"] += 1000
    rewrite(applied, evidence={**applied.certificate["evidence"], "counts": counts})
    altered, *_ = verified()
    assert altered[0] == "it was altered: its digest is another"
    assert "station -, variant -, slot 0: 1024 ok, and by the rows 24 ok" in altered


def test_one_that_was_altered_and_sealed_again_is_not_the_one_the_trail_noted(applied):
    certificate = {**applied.certificate, "limits": {**applied.certificate["limits"], "alpha": 0.4}}
    rewrite(applied, **sealed(certificate))
    altered, *_ = verified()
    assert altered[0] == "its digest is not the one that the audit trail noted"
    assert any(words.startswith("gate certificate: ") for words in altered)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"form": 9}, "it has form 9; this release reads form 2"),
        ({"evidence": None}, "it cannot be read"),
        ({"level": "somewhere"}, "it cannot be read"),
        ({"as_of": {}}, "it cannot be read"),
    ],
)
def test_one_that_makes_no_sense_is_said_to(applied, fields, words):
    rewrite(applied, **fields)
    assert any(told.startswith(words) for told in verified()[0])


def test_a_purged_verdict_is_found_and_the_purge_is_named(applied):
    with audited_purge(by="ada", reason="retention"):
        Verdict.objects.order_by("pk").first().delete()
    for differs in verified():
        assert "station -, variant -, slot 0: 24 ok, and by the rows 23 ok, 1 pending" in differs
        assert differs[-1].startswith("history was purged since (audit trail: 1 times)")


def test_a_verdict_that_was_put_in_later_under_an_old_key_is_found(proposed, version, make_evidence, ivy):
    """A row that is written back into the past."""
    part = Inspection.objects.get(serial="E0")
    with open_door():
        key = Verdict.objects.filter(inspection=part).values_list("pk", flat=True).get()
        Verdict.objects.filter(pk=key).delete()
    Verdict.objects.create(pk=key, inspection=part, inspector=ivy, outcome="scratched")
    [differs] = verified()
    assert "station -, variant -, slot 0: 24 ok, and by the rows 23 ok, 1 scratched" in differs


def test_another_versions_row_is_found(proposed):
    rewrite(proposed, version={**proposed.certificate["version"], "weights_sha256": "0" * 64})
    assert any(words.startswith("weights_sha256 of v1: 0000") for words in verified()[0])
    rewrite(proposed, version={**proposed.certificate["version"], "name": "v7"})
    assert "there is no version v7" in verified()[0]


def test_a_missing_audit_row_is_found(applied):
    with open_door():
        AuditEvent.objects.filter(action__in=["change_proposed", "level_raise"]).delete()
    assert verified() == [
        ["its row in the audit trail is missing"], ["the audit trail does not hold the certificate that was applied"],
    ]  # fmt: skip


# ---- read while people judge


def test_while_people_judge_the_evidence_is_read_again_until_nobody_did(
    proven, version, make_part, answer, monkeypatch
):
    """A verdict between the two ends of a reading: it may be in it or not."""
    readings, read = [], certifying.facts_of

    def interrupted(*args, **fields):
        facts = read(*args, **fields)
        if len(readings) < 2:
            readings.append(answer(make_part(), version, 0.9))
        return facts

    monkeypatch.setattr(certifying, "facts_of", interrupted)
    facts, as_of = facts_at_rest(proven, version, now=timezone.now(), policy=policies.in_force(proven))
    assert len(readings) == 2
    assert as_of.has("prediction", readings[-1].pk)
    assert facts.recent == 44


def test_a_verdict_that_commits_behind_a_later_one_is_not_in_the_certificate(proven, version, ivy, ian, ada, at_once):
    """On PostgreSQL it has the lower key and is there after the proposal; on SQLite the proposal waits for it."""
    parts = list(Inspection.objects.filter(serial__in=["E0", "E1"]).order_by("pk"))
    with open_door():
        Verdict.objects.filter(inspection__in=parts).delete()
    written, proposed = threading.Event(), threading.Event()

    def judge_slowly():
        with transaction.atomic():
            Verdict.objects.create(inspection=parts[0], inspector=ivy, outcome="ok")
            written.set()
            proposed.wait(1.5)

    def judge_and_propose():
        assert written.wait(10)
        Verdict.objects.create(inspection=parts[1], inspector=ian, outcome="ok")
        change = propose_change(line=proven, by=ada, level="partial", policy=BARS, reason="it is time")
        proposed.set()
        return change

    _, change = at_once(judge_slowly, judge_and_propose)
    pending = [row["pending"] for row in change.certificate["evidence"]["counts"]]
    assert sum(pending) == (1 if connection.vendor == "postgresql" else 0)
    assert verified() == [[]]


def test_evidence_that_is_never_at_rest_certifies_nothing(proven, version, make_part, answer, monkeypatch, ada):
    read = certifying.facts_of
    monkeypatch.setattr(certifying, "TRIES", 3)

    def interrupted(*args, **fields):
        facts = read(*args, **fields)
        answer(make_part(), version, 0.9)
        return facts

    monkeypatch.setattr(certifying, "facts_of", interrupted)
    with pytest.raises(Conflict, match="still being counted"):
        propose_change(line=proven, by=ada, level="partial", policy=BARS, reason="it is time")
    assert not Change.objects.exists()


def test_a_backlog_that_no_reader_counts_certifies_nothing(proven, ada, monkeypatch):
    monkeypatch.setattr(certifying, "FOR_A_READER", -1)
    with pytest.raises(Conflict, match="still being counted"):
        propose_change(line=proven, by=ada, level="partial", policy=BARS, reason="it is time")


# ---- the command


def run(*args):
    out = io.StringIO()
    call_command("verify_certificates", *args, stdout=out)
    return out.getvalue()


def test_the_command_counts_what_it_held_against_the_rows(applied):
    assert json.loads(run("--json")) == {"certificates": 2, "differing": []}
    assert json.loads(run("--json", "--line", "line-a", "--change", str(applied.pk)))["certificates"] == 2
    Line.objects.create(slug="line-b", name="Line B")
    assert json.loads(run("--json", "--line", "line-b"))["certificates"] == 0
    assert run() == "certificates: 2, differing: 0\n"


def test_the_command_fails_with_what_differs(applied):
    with audited_purge(by="ada", reason="retention"):
        Verdict.objects.order_by("pk").first().delete()
    out = io.StringIO()
    with pytest.raises(
        CommandError, match=r"2 of 2 certificates are not what the rows say. Change \d+ of line-a: station -"
    ):
        call_command("verify_certificates", "--json", stdout=out)
    first, second = json.loads(out.getvalue())["differing"]
    assert (first["policy"], second["policy"], first["line"]) == (None, 2, "line-a")
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("verify_certificates", stdout=out)
    assert "line-a, partial, policy 2, applied by change" in out.getvalue()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--line", "line-z"], "There is no line 'line-z'. Known lines: line-a."),
        (["--change", "99"], "There is no change 99."),
    ],
)
def test_the_command_knows_what_there_is(line, args, words):
    with pytest.raises(CommandError, match=words):
        run(*args)


# ---- the one text

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_the_canonical_text_survives_being_stored(value):
    assert canonical(json.loads(json.dumps(value))) == canonical(value)
    assert canonical(json.loads(canonical(value))) == canonical(value)


@given(st.integers(-(10**15), 10**15))
def test_a_whole_number_is_one_text_with_its_point_or_without(number):
    assert canonical({"n": float(number)}) == canonical({"n": number}) == f'{{"n":{number}}}'


def test_the_order_of_keys_does_not_matter_and_a_figure_does():
    assert digest_of({"a": 1, "b": [2.0]}) == digest_of({"b": [2], "a": 1, "sha256": "x"})
    assert digest_of({"a": 1}) != digest_of({"a": 2})


def test_no_evidence_is_no_counts():
    assert certifying.evidence_json(Evidence()) == {"bars": [], "counts": [], "settled": []}
