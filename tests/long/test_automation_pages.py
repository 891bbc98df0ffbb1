"""The line's page of automation: who may what, the same reasons as the API, and the advice beside a part."""

import re
from datetime import timedelta
from html import unescape

import numpy as np
import pytest
from django.urls import reverse
from django.utils import timezone

from automation import actions, policies
from automation.actions.changing import write_policy
from automation.audit_report import leave_unaudited, risk_words, watch_state
from automation.certificates import certificate_in_force
from automation.charts import bound_chart
from automation.counts import Evidence
from automation.evidence import BurstDetector, EscapeDetector
from automation.gates import Facts, Limits, gates_to
from automation.levels import Level
from automation.line_page import changes_of
from automation.looks import looks_by_part, looks_on
from automation.models import EdgeMark, EscapeWatch, Halt, Policy, Routing
from automation.progress import bar_of
from automation.reports import is_escalation
from automation.routing import Part, Rule, decide
from inspection import actions as floor
from inspection.models import AuditEvent, Draw, Inspection, ModelOutputShown, Verdict
from inspection.moves import State
from monitoring.actions import open_alarm
from shadow.models import HeatMap, ModelVersion, Prediction
from tests.conftest import PASSWORD

THRESHOLDS = [0.1, 0.3, 0.5]


@pytest.fixture
def version(db):
    return ModelVersion.objects.create(
        name="one", weights_sha256="0" * 64, threshold=0.5, thresholds=THRESHOLDS, by="ada"
    )


@pytest.fixture
def at(line, version):
    """Puts the line at a level, as a change that was approved long ago would have."""

    def put(level, **fields):
        current = policies.in_force(line)
        if current.pk is None:
            current.number = 1
            current.save()
        names = (
            "pass_below", "reject_from", "ramp", "step", "limits", "quorum", "blind_share", "audit_share", "signed",
        )  # fmt: skip
        fields = {name: getattr(current, name) for name in names} | {"version_id": version.pk} | fields
        return write_policy(
            line=line, fields={"level": level, **fields}, by="ada", reason="set for the test", action="level_raise",
            now=timezone.now() - timedelta(days=30),
        )  # fmt: skip

    return put


@pytest.fixture
def blind(line, version, ivy):
    """Writes parts that were scored and judged blind: `blind([(score, "ok"), ...])`."""

    def write(rows):
        now = timezone.now()
        for number, (score, outcome) in enumerate(rows):
            part = Inspection.objects.create(
                line=line, serial=f"B{number}", captured_at=now, hold_until=now, state=State.DECIDED,
                received_at=now - timedelta(hours=1),
            )  # fmt: skip
            Draw.objects.create(inspection=part, key="k", u_canary=0.5, u_audit=0.5, u_blind=0.5, blind=True)
            answer = "scratched" if score >= version.threshold else "ok"
            at = part.received_at + timedelta(seconds=1)
            Prediction.objects.create(inspection=part, version=version, score=score, outcome=answer, at=at)
            Verdict.objects.create(inspection=part, inspector=ivy, outcome=outcome)

    return write


def url(name, *args):
    return reverse(name, args=args or ["line-a"])


def words(response):
    return unescape(response.content.decode())


READING = ["line_automation", "line_flow"]
SUPERVISING = ["approve_change", "halt_line", "move_ramp"]
PROPOSING = ["propose_change", "edit_policy", "roll_back"]


@pytest.mark.parametrize("name", [*READING, *SUPERVISING, *PROPOSING])
def test_only_those_who_oversee_reach_the_page_and_its_forms(name, request, page, line):
    for who in ("ivy", "otto", "cam"):
        client = page(request.getfixturevalue(who))
        assert client.get(url(name)).status_code == client.post(url(name)).status_code == 403


@pytest.mark.parametrize("name", SUPERVISING)
def test_a_supervisor_may_halt_and_approve(name, page, line, sam):
    assert page(sam).post(url(name)).status_code in (400, 409)  # refused for its words, not for its sender


@pytest.mark.parametrize("name", PROPOSING)
def test_only_an_admin_proposes(name, page, line, sam, ada):
    assert page(sam).post(url(name)).status_code == 403
    assert page(ada).post(url(name), {"reason": ""}).status_code in (400, 409)


def test_a_stranger_signs_in_first(client, line):
    response = client.get(url("line_automation"))
    assert response.status_code == 302
    assert response.url.startswith("/login/")


def test_a_person_bound_to_another_line_is_refused(page, line, sam):
    other = line.__class__.objects.create(slug="line-z", name="Line Z")
    sam.lines.add(other)
    assert page(sam).get(url("line_automation")).status_code == 403


def test_an_unknown_line_names_the_known_ones(page, line, sam):
    response = page(sam).get(url("line_automation", "line-x"))
    assert response.status_code == 404
    assert "line-a" in words(response)


def test_a_new_line_says_what_appears_and_carries_no_inline_style(page, line, ada):
    text = words(page(ada).get(url("line_automation")))
    assert "Line A is at human only" in text
    assert "No version is assigned" in text
    assert "No change yet" in text
    assert "style=" not in text
    assert "<script>" not in text


def test_the_page_shows_every_level_to_its_readers(page, line, sam, at):
    for level in Level:
        at(level, pass_below=0.1, reject_from=0.1)
        text = words(page(sam).get(url("line_automation")))
        assert f"Line A is at {level.words}" in text
        assert 'aria-current="step"' in text


def test_the_button_is_disabled_with_the_first_unmet_reason(page, line, ada, at, blind):
    at("shadow")
    blind([(0.05, "ok")] * 40)
    response = page(ada).get(url("line_automation"))
    reason = "60 more blind verdicts are needed (40 of 100)."
    assert f'disabled title="{reason}">{reason}</button>' in words(response)


def test_a_refused_raise_says_on_the_page_what_the_api_says(page, line, ada, api, at, blind):
    at("shadow")
    blind([(0.05, "ok")] * 40)
    answer = api(ada).post("/api/v1/lines/line-a/automation/changes/", {"level": "assist", "reason": "now"})
    response = page(ada).post(url("propose_change"), {"level": "assist", "reason": "now"})
    assert answer.status_code == response.status_code == 409
    assert answer.json()["errors"]
    for reason in answer.json()["errors"]:
        assert f"<li>{reason}</li>" in words(response)
    assert policies.in_force(line).level == "shadow"


def test_partial_is_refused_with_the_number_of_parts_still_needed(page, line, ada, api, at, blind):
    at("assist", limits={"sensitivity_from_seeds": False})
    blind([(0.05, "ok")] * 40)
    sent = {"level": "partial", "pass_below": "0.1", "reject_from": "0.5", "reason": "now"}
    response = page(ada).post(url("propose_change"), sent)
    body = {"level": "partial", "policy": {"pass_below": 0.1, "reject_from": 0.5}, "reason": "now"}
    answer = api(ada).post("/api/v1/lines/line-a/automation/changes/", body)
    assert response.status_code == answer.status_code == 409
    certificate = next(reason for reason in answer.json()["errors"] if reason.startswith("certificate"))
    assert "716 more judged parts" in certificate
    assert certificate in words(response)


def test_a_raise_with_its_gates_met_is_applied_at_once(page, line, ada, at, blind):
    at("shadow")
    blind([(0.05, "ok")] * 95 + [(0.9, "scratched")] * 6)
    client = page(ada)
    assert "Raise Line A to assist</button>" in words(client.get(url("line_automation")))
    response = client.post(url("propose_change"), {"level": "assist", "reason": "100 pairs"}, follow=True)
    assert "Line A is at assist, by policy 3." in words(response)
    assert policies.in_force(line).level == "assist"


def test_a_raise_needs_a_reason(page, line, ada, at, blind):
    at("shadow")
    blind([(0.05, "ok")] * 95 + [(0.9, "scratched")] * 6)
    response = page(ada).post(url("propose_change"), {"level": "assist", "reason": " "})
    assert response.status_code == 400
    assert "Say why the line is changed" in words(response)


def test_the_thresholds_asked_about_are_those_proposed(page, line, ada, at):
    at("assist")
    text = words(page(ada).get(url("line_automation"), {"pass_below": "0.3", "reject_from": "nonsense"}))
    assert '<input type="hidden" name="pass_below" value="0.3">' in text
    assert '<input type="hidden" name="reject_from" value="0.5">' in text


def test_lowering_needs_no_gate_and_releases_the_held_parts(page, line, ada, at, make_part):
    at("partial", pass_below=0.1, reject_from=0.5)
    line.refresh_from_db()
    part = make_part()
    assert part.hold_until > timezone.now()
    page(ada).post(url("propose_change"), {"level": "shadow", "reason": "dirt on the lens"})
    part.refresh_from_db()
    assert part.hold_until <= timezone.now()
    assert policies.in_force(line).level == "shadow"


EASY = {
    "sensitivity_from_seeds": False, "alpha": 0.2, "miss_limit": 0.9, "overkill_limit": 0.9, "false_alarm_limit": 0.9,
    "days": 0, "shifts": 0,
}  # fmt: skip


def test_a_raise_to_partial_holds_when_a_second_person_approves(page, line, ada, sam, at, blind):
    at("assist", limits=EASY)
    blind([(0.05, "ok")] * 60 + [(0.9, "scratched")] * 60)
    sent = {"level": "partial", "pass_below": "0.1", "reject_from": "0.5", "reason": "certified"}
    assert "Proposed. 1 more person has to approve" in words(page(ada).post(url("propose_change"), sent, follow=True))
    change = policies.pending_change(line)
    assert change
    own = page(ada).get(url("line_automation"))
    assert "1 of 2 agree" in words(own)
    assert "Approve the raise" not in words(own)
    refused = page(ada).post(url("approve_change"), {"change": change.pk})
    assert refused.status_code == 409
    assert "approved by another person" in words(refused)
    assert policies.in_force(line).level == "assist"
    assert "Approve the raise to partial</button>" in words(page(sam).get(url("line_automation")))
    response = page(sam).post(url("approve_change"), {"change": change.pk}, follow=True)
    assert "Line A is at partial, by policy 3." in words(response)
    assert "ada, approved by sam" in words(response)
    assert "gates, judged" in words(response)


def test_only_the_change_that_was_read_is_approved(page, line, ada, sam, at, blind):
    at("assist", limits=EASY)
    blind([(0.05, "ok")] * 60 + [(0.9, "scratched")] * 60)
    sent = {"level": "partial", "pass_below": "0.1", "reject_from": "0.5", "reason": "certified"}
    page(ada).post(url("propose_change"), sent)
    change = policies.pending_change(line)
    assert change
    assert page(sam).post(url("approve_change"), {"change": change.pk + 1}).status_code == 409
    page(ada).post(url("propose_change"), {"level": "shadow", "reason": "withdrawn"})
    assert page(sam).post(url("approve_change"), {"change": change.pk}).status_code == 409
    assert policies.in_force(line).level == "shadow"


def test_halt_asks_a_reason_and_resume_takes_it_back(page, line, sam):
    client = page(sam)
    assert client.post(url("halt_line"), {"reason": ""}).status_code == 400
    assert "is halted" in words(client.post(url("halt_line"), {"reason": "lamp"}, follow=True))
    assert "lamp" in words(client.get(url("line_automation")))
    assert "Resume Line A" in words(client.get(url("line_automation")))
    client.post(url("halt_line"), {"on": "no", "reason": "lamp changed"})
    assert policies.halt_of(line) is None
    assert list(AuditEvent.objects.values_list("action", flat=True)) == ["halted", "resumed"]


def test_resuming_a_halted_factory_resumes_the_factory(page, line, ada):
    Halt.objects.create(line=None, on=True, reason="power", by="ada")
    assert "The whole factory is halted" in words(page(ada).get(url("line_automation")))
    page(ada).post(url("halt_line"), {"on": "no", "scope": "factory", "reason": "power is back"})
    assert policies.halt_of(line) is None


def test_a_rollback_never_raises(page, line, ada, at):
    at("assist")
    at("shadow")
    response = page(ada).post(url("roll_back"), {"to": "2", "reason": "try the old one"}, follow=True)
    assert "Rolled back: Line A is at shadow" in words(response)
    assert policies.in_force(line).level == "shadow"
    assert page(ada).post(url("roll_back"), {"to": "x", "reason": "r"}).status_code == 400


def test_the_policy_is_edited_in_percent(page, line, ada, at):
    at("shadow")
    form = sent_as_it_is(page(ada).get(url("line_automation")))
    unchanged = page(ada).post(url("edit_policy"), form | {"reason": "r"})
    assert unchanged.status_code == 400
    assert "Nothing of the policy was changed" in words(unchanged)
    page(ada).post(url("edit_policy"), form | {"blind_share": "12.5", "alpha": "0.3", "reason": "stricter"})
    now = policies.in_force(line)
    assert (now.blind_share, now.limits["alpha"]) == (0.125, 0.003)
    assert now.audit_share == 0.1


def sent_as_it_is(response):
    """The policy's form as a browser would send it untouched."""
    form = response.context["policy_form"]
    values = {field.name: field.value() for field in (*form.shares(), *form.asked_for())}
    sent = {name: str(value) for name, value in values.items()}
    return sent | {"sensitivity_from_seeds": "on", "seen": str(response.context["standing"].policy.number)}


def test_of_two_admins_who_edit_at_once_the_later_reads_what_the_other_changed(page, line, ada, at):
    at("shadow")
    client = page(ada)
    older = sent_as_it_is(client.get(url("line_automation")))
    assert f'name="seen" value="{older["seen"]}"' in client.get(url("line_automation")).content.decode()
    client.post(url("edit_policy"), older | {"audit_share": "50", "alpha": "0.1", "reason": "stricter"})
    late = client.post(url("edit_policy"), older | {"hold_seconds": "30", "days": "7", "reason": "a slow camera"})
    assert late.status_code == 409
    said, number = words(late), policies.in_force(line).number
    assert f"Line A has changed since you opened this form: policy {number} is in force, by ada: stricter." in said
    assert "Audit share: 10 % before, 50 % now." in said
    assert "Scratched among passed, at most: 0.5 % before, 0.1 % now." in said
    again = sent_as_it_is(late)
    assert (again["seen"], again["hold_seconds"], again["days"]) == (str(number), "30", "7"), "what was typed is kept"
    assert (again["audit_share"], again["alpha"]) == ("50", "0.1"), "and what was not is the other's"
    assert "a slow camera" in late.content.decode()
    client.post(url("edit_policy"), again | {"reason": "a slow camera"})
    now = policies.in_force(line)
    assert (now.audit_share, now.limits["alpha"], now.hold_seconds, now.limits["days"]) == (0.5, 0.001, 30, 7)


def test_the_ramp_is_edited_as_people_write_it(page, line, ada, at):
    at("assist", ramp=[[0.05, 1.0], [1.0, 0.125]])
    form = sent_as_it_is(page(ada).get(url("line_automation")))
    assert form["ramp"] == "5: 100, 100: 12.5"
    unchanged = page(ada).post(url("edit_policy"), form | {"reason": "r"})
    assert "Nothing of the policy was changed" in words(unchanged)
    steps = {"ramp": "0.5:100 ,25\uff1a50\uff0c 100 : 10", "reason": "slower"}
    page(ada).post(url("edit_policy"), form | steps)
    assert policies.in_force(line).ramp == [[0.005, 1.0], [0.25, 0.5], [1.0, 0.1]]


@pytest.mark.parametrize(
    ("ramp", "said"),
    [
        ("5, 100", "Ramp: Write each step as 5: 100"),
        ("5: 100: 1", "Ramp: Write each step as 5: 100"),
        ("a: 100", "Ramp: Write each step as 5: 100"),
        ("nan: 1", "The ramp is a list"),
        ("25: 100, 5: 50", "rising to a share of 1"),
    ],
)
def test_a_ramp_that_makes_no_sense_is_refused_and_kept(page, line, ada, at, ramp, said):
    at("assist")
    form = sent_as_it_is(page(ada).get(url("line_automation")))
    refused = page(ada).post(url("edit_policy"), form | {"ramp": ramp, "reason": "r"})
    assert refused.status_code == 400
    assert said in words(refused)
    assert f'value="{ramp}"' in refused.content.decode()


def test_a_rollback_by_a_page_of_before_is_told_that_the_line_has_changed(page, line, ada, at):
    for share in (0.1, 0.2, 0.3):
        at("shadow", blind_share=share)
    seen = page(ada).get(url("line_automation"))
    number = policies.in_force(line).number
    assert f'name="seen" value="{number}"' in seen.content.decode()
    at("shadow", blind_share=0.4)
    sent = {"to": "2", "seen": str(number), "reason": "back"}
    assert page(ada).post(url("roll_back"), sent).status_code == 409
    assert policies.in_force(line).blind_share == 0.4


def test_on_a_signed_line_the_standby_and_the_ramp_take_the_password(page, line, version, ada, at):
    at("partial", pass_below=0.1, reject_from=0.5, ramp=[[0.05, 1.0], [1.0, 0.1]], signed=True)
    green = ModelVersion.objects.create(
        name="two", weights_sha256="1" * 64, threshold=0.5, thresholds=THRESHOLDS, by="ada"
    )
    actions.add_candidate(line=line, version=green, by=ada, reason="new")
    actions.move_ramp(line=line, to="hold", by=ada, reason="r")
    text = page(ada).get(url("line_automation")).content.decode()
    assert 'id="version_password_two"' in text
    assert 'id="ramp_password"' in text
    for name, sent in (("set_standby", {"model": "two"}), ("move_ramp", {"to": "go_on"})):
        assert page(ada).post(url(name), sent | {"reason": "r"}).status_code == 403
        assert page(ada).post(url(name), sent | {"reason": "r", "password": PASSWORD}).status_code == 302
    assert (policies.in_force(line).standby, policies.in_force(line).ramp_held) == (green, False)


def test_nonsense_in_the_policy_is_refused_beside_its_field_and_kept(page, line, ada, at):
    at("shadow")
    form = sent_as_it_is(page(ada).get(url("line_automation")))
    response = page(ada).post(url("edit_policy"), form | {"alpha": "200", "quorum": "2", "reason": "kept words"})
    assert response.status_code == 400
    assert "less than or equal to 100" in words(response)
    assert "kept words" in words(response)


def test_switching_the_version_is_a_change_with_a_reason(page, line, ada, at):
    at("shadow")
    other = ModelVersion.objects.create(
        name="two", weights_sha256="1" * 64, threshold=0.5, thresholds=THRESHOLDS, by="ada"
    )
    page(ada).post(url("propose_change"), {"model": "two", "reason": "better"})
    assert policies.in_force(line).version == other
    assert page(ada).post(url("propose_change"), {"model": "three", "reason": "r"}).status_code == 404


def test_outside_its_share_a_ramp_keeps_the_last_lower_level(line, at):
    ramp = [[0.05, 1.0], [1.0, 0.1]]
    at("assist")
    at("partial", pass_below=0.1, reject_from=0.5, ramp=ramp)
    edited = at("partial", pass_below=0.1, reject_from=0.5, ramp=ramp, audit_share=0.2)
    assert level_outside(edited) is Level.ASSIST
    at("full", pass_below=0.1, reject_from=0.1, ramp=ramp, step=1)
    lowered = at("partial", pass_below=0.1, reject_from=0.5, ramp=ramp, step=0)
    assert level_outside(lowered) is Level.ASSIST


def level_outside(policy):
    """The level that holds for parts outside the canary share."""
    outside = policies.rule_of(policy).outside
    return outside and outside.level


RICH = Facts(
    version="one", threshold=0.5, thresholds=THRESHOLDS, recent=200, recent_nulls=30, latency=40.0, hold_seconds=20,
    evidence=Evidence.of(THRESHOLDS, [0.05, 0.9, 0.2, None] * 30, ["ok", "scratched", "scratched", "pending"] * 30,
                         [("c", "v")] * 120),
    shifts=2, days=2, held_days=1.5, escalated=0.3, audits_due=10, audits_judged=4, critical_alarms=1, seeds=[(0.05, True)] * 9,
)  # fmt: skip


@pytest.mark.parametrize("facts", [Facts(), Facts(version="one", thresholds=THRESHOLDS), RICH])
@pytest.mark.parametrize("level", list(Level))
def test_every_gate_has_a_bar_within_its_frame_or_none(facts, level):
    for gate in gates_to(level, facts, Limits(), 0.1, 0.5):
        bar = bar_of(gate)
        if bar:
            assert 0 <= bar.share <= 100
            assert bar.words
            assert bar.limit is None or 0 <= bar.limit <= 100


# The flow


def routed(part, policy, decision, reason="r", *, decided=None, audited=False):
    """A part as the router left it."""
    decided = decision != "person" if decided is None else decided
    Draw.objects.create(
        inspection=part, key="k", u_canary=0.5, u_audit=0.5, u_blind=0.5, blind=audited, audited=audited
    )
    Routing.objects.create(inspection=part, policy=policy, decision=decision, reason=reason, decided=decided)


def branches(response):
    return {branch.kind: branch.count for branch, _, _ in response.context["page"].branches}


def test_a_part_that_its_station_decided_is_told_from_one_without_an_answer(page, line, sam, at, make_part):
    policy = at("partial", pass_below=0.1, reject_from=0.5)
    told = {"number": 1, "outcome": "pass", "score": 0.02, "novelty": 1.0, "decided_at": timezone.now(), "taken": False}
    scored, waiting, _ = (make_part() for _ in range(3))
    for place, part in enumerate((scored, waiting), 1):
        EdgeMark.objects.create(inspection=part, place=place, **told)
    routed(scored, policy, "pass", "score 0.02 is below 0.1")
    response = page(sam).get(url("line_flow"))
    assert branches(response) == {"pass": 1, "reject": 0, "escalated": 0, "people": 0, "station": 1, "unrouted": 1}
    assert "Decided at the station: not yet scored here" in words(response)


def test_the_flow_splits_into_people_machine_audits_and_escalations(page, line, sam, at, make_part):
    policy = at("partial", pass_below=0.1, reject_from=0.5)
    routed(make_part(), policy, "pass", "score 0.01 is below 0.1", audited=True)
    routed(make_part(), policy, "pass", "score 0.02 is below 0.1")
    routed(make_part(), policy, "reject", "score 0.9 is not below 0.5")
    routed(make_part(), policy, "pass", "score 0.03 is below 0.1", decided=False)
    routed(make_part(), policy, "person", "score in the unsure band")
    routed(make_part(), policy, "person", "no answer of the model: photo 1: blank photo")
    routed(make_part(), policy, "person", "people decide with advice at assist")
    make_part()
    response = page(sam).get(url("line_flow"))
    assert branches(response) == {"pass": 2, "reject": 1, "escalated": 2, "late": 1, "people": 1, "unrouted": 1}
    text = words(response)
    assert "1 audited, 50 %" in text
    assert "<td>Score between the thresholds</td>" in text
    assert "<td>Blank photo</td>" in text
    assert "<td>The answer came after the hold</td>" in text
    assert "No answer: " not in text  # it is told among the fallbacks


def test_at_shadow_the_flow_is_peoples_alone(page, line, sam, at, make_part):
    policy = at("shadow")
    routed(make_part(), policy, "person", "people judge every part at shadow")
    response = page(sam).get(url("line_flow"))
    assert branches(response) == {"people": 1}
    assert "Fallbacks" not in words(response)


def test_a_version_without_an_answer_is_no_fallback_where_people_judge_anyway(page, line, sam, at, make_part):
    policy = at("shadow")
    routed(make_part(), policy, "person", "no answer of the model: blank photo")
    response = page(sam).get(url("line_flow"))
    assert branches(response) == {"people": 1}
    assert "<td>No answer: blank photo</td>" in words(response)


@pytest.mark.parametrize("level", [Level.PARTIAL, Level.FULL])
@pytest.mark.parametrize(
    ("part", "escalated"),
    [
        (Part(0.3, 0, 0.9, 0.9, stratum=("c", "v")), True),
        (Part(0.3, 0, 0.9, 0.9, stratum=("x", "v")), True),
        (Part(None, 0, 0.9, 0.9, null_reason="blank"), True),
        (Part(7.0, 0, 0.9, 0.9), True),
        (Part(0.3, 0, 0.9, 0.9, novelty=2.0), True),
        (Part(0.3, 0.9, 0.9, 0.9), False),
        (Part(0.3, 0.9, 0.9, 0.0), False),
    ],
)
def test_an_escalation_is_what_the_router_leaves_to_a_person_where_the_machine_was_to_decide(level, part, escalated):
    outside = Rule(Level.ASSIST)
    rule = Rule(level, 0.1, 0.5, canary_share=0.5, strata=frozenset({("c", "v")}), outside=outside)
    assert is_escalation(decide(rule, part).reason) == escalated
    assert is_escalation(decide(Rule(level), Part(0.3, 0, 0.9, 0.9)).reason)
    assert not is_escalation(decide(Rule(level, halted=True), part).reason)


def test_of_a_quick_line_the_newest_parts_are_told(page, line, sam, at, make_part, monkeypatch):
    monkeypatch.setattr("automation.recent.MOST", 2)
    policy = at("shadow")
    for _ in range(3):
        routed(make_part(), policy, "person", "people judge every part at shadow")
    response = page(sam).get(url("line_flow"))
    assert response.context["page"].flow.total == 2
    assert "The newest 2 parts" in words(response)


def test_the_flow_refreshes_itself_and_is_there_without_a_script(page, line, sam, at, make_part):
    routed(make_part(), at("shadow"), "person", "people judge every part at shadow")
    text = words(page(sam).get(url("line_automation")))
    assert f'data-fragment="{url("line_flow")}" data-every="5"' in text
    assert "To people by the policy" in text
    assert "no-store" in page(sam).get(url("line_flow"))["Cache-Control"]


# The bound


@pytest.mark.parametrize(("parts", "escapes"), [(1, 0), (1, 1), (5, 2), (900, 1)])
def test_the_bound_has_a_dot_for_each_look_and_a_mark_for_each_escape(parts, escapes):
    counts = ["scratched"] * escapes + ["ok"] * (parts - escapes)
    looks = looks_by_part(counts, 0.05)
    assert (looks[-1].n, looks[-1].k) == (parts, escapes)
    assert sum(look.escapes for look in looks) == escapes
    chart = bound_chart(looks, 0.005, 500)
    assert chart.count("bound-dot") + chart.count("bound-escape") == len(looks)
    assert chart.count("bound-escape") == escapes
    assert "nan" not in chart


def test_of_many_parts_the_first_are_looked_at_one_by_one_and_then_the_days():
    first = looks_by_part(["ok"] * 2000, 0.05)
    days = [(300_000, 30)] * 3 + [(0, 0)]
    looks = looks_on(first, days, 0.05)
    assert [(look.n, look.k, look.escapes) for look in looks[len(first) :]] == [
        (300_000, 30, 30), (600_000, 60, 30), (900_000, 90, 30),
    ]  # fmt: skip
    assert [look.bound for look in looks[-3:]] == sorted((look.bound for look in looks[-3:]), reverse=True)
    assert len(looks) < 60


def test_the_chart_stays_within_its_frame_for_a_million_parts():
    looks = looks_on(looks_by_part(["ok"] * 2000, 0.05), [(50_000, 100)] * 20, 0.05)
    chart = bound_chart(looks, 0.005)
    places = [float(x) for x in re.findall(r'cx="([\d.]+)"', chart)]
    assert max(places) <= 560
    assert "1,000,000" in chart


def test_the_looks_stand_behind_the_chart_as_a_table(page, line, sam, at, blind):
    at("shadow")
    blind([(0.05, "ok")] * 30 + [(0.05, "scratched")])
    text = words(page(sam).get(url("line_automation")))
    assert '<td class="num">31</td><td class="num">1 (+1)</td>' in text


# The ramp


RAMP = [[0.05, 1.0], [0.25, 0.5], [1.0, 0.1]]


def test_the_ramp_says_where_it_stands_and_what_it_waits_for(page, line, sam, at):
    at("partial", pass_below=0.1, reject_from=0.5, ramp=RAMP, step=1)
    response = page(sam).get(url("line_automation"))
    ramp = response.context["ramp"]
    assert [(step.share, step.audits, step.state) for step in ramp.steps] == [
        ("5 %", "100 %", "done"), ("25 %", "50 %", "now"), ("100 %", "10 %", ""),
    ]  # fmt: skip
    text = words(response)
    assert "Line A is at partial, for 25 % of its parts" in text
    assert "300 more audited passes have to be judged in this step (0 of 300)." in text


def test_a_supervisor_holds_the_ramp_and_an_admin_lets_it_go_on(page, line, sam, ada, at):
    at("partial", pass_below=0.1, reject_from=0.5, ramp=RAMP, step=1)
    assert "Hold it here" in words(page(sam).get(url("line_automation")))
    response = page(sam).post(url("move_ramp"), {"to": "hold", "reason": "a new lamp"}, follow=True)
    assert "The ramp of Line A waits at 25 %." in words(response)
    assert policies.in_force(line).ramp_held
    assert "Let it go on" not in words(response)
    assert page(sam).post(url("move_ramp"), {"to": "go_on", "reason": "r"}).status_code == 403
    response = page(ada).post(url("move_ramp"), {"to": "go_on", "reason": "looked at"}, follow=True)
    assert "The ramp of Line A goes on from 25 %." in words(response)
    response = page(ada).post(url("move_ramp"), {"to": "back", "reason": "a doubt"}, follow=True)
    assert "The ramp of Line A waits at 5 %." in words(response)
    assert "Step back</button>" not in words(response)


def test_a_ramp_is_told_nothing_without_a_word_or_a_reason(page, line, ada, at):
    at("partial", pass_below=0.1, reject_from=0.5, ramp=RAMP)
    assert page(ada).post(url("move_ramp"), {"reason": "r"}).status_code == 400
    refused = page(ada).post(url("move_ramp"), {"to": "hold", "reason": " "})
    assert refused.status_code == 400
    assert "Say why" in words(refused)
    at("assist")
    assert page(ada).post(url("move_ramp"), {"to": "hold", "reason": "r"}).status_code == 409


# Audits and the watch


def test_audits_are_told_with_what_they_found(page, line, sam, at, version):
    at("partial", pass_below=0.1, reject_from=0.5)
    escapes = EscapeDetector(0.005)
    for escaped in [False] * 40 + [True]:
        escapes.update(escaped)
    EscapeWatch.objects.create(
        line=line, version=version, judged=50, passes=41, escapes=1,
        state={"escapes": escapes.to_json(), "burst": BurstDetector(0.005).to_json(), "passes": 41, "found": 1},
    )  # fmt: skip
    audits = page(sam).get(url("line_automation")).context["audits"]
    assert (audits.waiting, audits.overdue, audits.judged, audits.passes, audits.escapes) == (0, 0, 50, 41, 1)
    assert not audits.watch.alarm
    assert 0 < audits.watch.way < 100
    assert audits.watch.words.startswith("Quiet: of 41 audited passes 1 escaped")


def test_a_line_that_never_decided_has_no_audits(page, line, sam, at):
    at("shadow")
    assert page(sam).get(url("line_automation")).context["audits"] is None


def test_the_watch_says_that_it_alarms():
    escapes = EscapeDetector(0.005)
    while not escapes.update(True):
        pass
    watch = watch_state({"escapes": escapes.to_json(), "burst": BurstDetector(0.005).to_json()}, 0.005)
    assert (watch.alarm, watch.way) == (True, 100.0)
    assert "more often than the limit of 0.5 % allows" in watch.words


def test_more_audits_let_fewer_escapes_leave():
    shares = [leave_unaudited(0.005, share) for share in (0.05, 0.1, 0.5, 1.0)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == 0
    assert "At 10 % about 160 scratched parts leave unaudited" in risk_words(0.005, 0.1)
    assert leave_unaudited(1.0, 0.1) is None
    assert "could not see" in risk_words(1.0, 0.1)


# The certificate


@pytest.fixture
def certified(page, line, ada, sam, at, blind):
    """The line at partial by a change that ada proposed and sam approved."""
    at("assist", limits=EASY)
    blind([(0.05, "ok")] * 60 + [(0.9, "scratched")] * 60)
    page(ada).post(
        url("propose_change"), {"level": "partial", "pass_below": "0.1", "reject_from": "0.5", "reason": "certified"}
    )
    page(sam).post(url("approve_change"), {"change": policies.pending_change(line).pk, "reason": "read it"})
    return policies.in_force(line).change


def test_the_certificate_in_force_tells_who_agreed_and_is_a_file(page, line, sam, certified):
    response = page(sam).get(url("line_automation"))
    text = words(response)
    assert "The certificate in force" in text
    for one in ("<strong>Proposed</strong> by ada", "<strong>Approved</strong> by sam", "read it", "not signed"):
        assert one in text
    file = page(sam).get(url("certificate_file", "line-a", certified.pk))
    assert file["Content-Disposition"] == f'attachment; filename="certificate-line-a-{certified.pk}.json"'
    told = file.json()
    assert [(one["meaning"], one["by"], one["signed"]) for one in told["signatures"]] == [
        ("proposed", "ada", False), ("approved", "sam", False),
    ]  # fmt: skip
    assert {gate["name"] for gate in told["certificate"]["gates"]} >= {"certificate", "strata"}
    assert told["policies"][0]["number"] == policies.in_force(line).number


def test_a_certificate_of_another_line_or_without_gates_is_not_found(page, line, ada, sam, certified):
    other = line.__class__.objects.create(slug="line-z", name="Line Z")
    assert page(sam).get(url("certificate_file", other.slug, certified.pk)).status_code == 404
    page(ada).post(url("propose_change"), {"level": "shadow", "reason": "dirt"})
    lowered = policies.in_force(line).change
    assert page(sam).get(url("certificate_file", "line-a", lowered.pk)).status_code == 404


def test_a_step_of_the_ramp_stands_on_the_same_certificate(line, ada, certified):
    actions.move_ramp(line=line, to="hold", by=ada, reason="r")
    assert certificate_in_force(policies.in_force(line)).change == certified


def test_an_alarm_leaves_no_certificate(page, line, ada, certified):
    open_alarm(line=line, rule="escapes", severity="critical", message="Five escapes.")
    actions.apply_fallbacks()
    response = page(ada).get(url("line_automation"))
    assert response.context["certificate"] is None
    text = words(response)
    assert "The system lowered Line A to assist" in text
    assert "Critical alarm: Five escapes." in text
    assert "None: an alarm has voided it." in text


# What awaits approval


def test_who_approves_reads_what_changes_and_the_gates_as_judged_now(page, line, ada, sam, at, blind):
    at("assist", limits=EASY)
    blind([(0.05, "ok")] * 60 + [(0.9, "scratched")] * 60)
    sent = {"level": "partial", "pass_below": "0.1", "reject_from": "0.5", "reason": "certified"}
    page(ada).post(url("propose_change"), sent)
    response = page(sam).get(url("line_automation"))
    assert ("Pass below", "-", "0.1") in response.context["approval"].changed
    assert "The gates, as judged now" in words(response)
    assert "What partial needs" not in words(response)
    open_alarm(line=line, rule="dust", severity="critical", message="Dust.")
    text = words(page(sam).get(url("line_automation")))
    assert "1 critical alarm is open. Close it first.</button>" in text
    assert "Approve the raise to partial</button>" not in text


def test_a_changed_limit_is_shown_in_percent(line, version, at):
    policy = at("assist")
    proposed = {name: getattr(policy, name) for name in policies.FIELDS} | {
        "version_id": version.pk, "limits": {"alpha": 0.003}, "signed": True, "audit_share": 0.2,
    }  # fmt: skip
    assert changes_of(policy, proposed) == [
        ("Audit share", "10 %", "20 %"), ("Changes are signed", "no", "yes"),
        ("Scratched among passed, at most", "0.5 %", "0.3 %"),
    ]  # fmt: skip


# Signatures


def test_a_signed_line_asks_for_the_password_and_takes_it(page, line, ada, at, blind):
    at("shadow", signed=True)
    blind([(0.05, "ok")] * 95 + [(0.9, "scratched")] * 6)
    client = page(ada)
    assert 'name="password" type="password" required' in words(client.get(url("line_automation")))
    sent = {"level": "assist", "reason": "100 pairs"}
    assert client.post(url("propose_change"), sent).status_code == 403
    assert client.post(url("propose_change"), sent | {"password": "wrong"}).status_code == 403
    response = client.post(url("propose_change"), sent | {"password": PASSWORD}, follow=True)
    assert "Line A is at assist" in words(response)
    assert '<span class="badge ok">' in words(response)
    assert PASSWORD not in words(response)


def test_a_halt_needs_no_password_and_resuming_does(page, line, sam, at):
    at("shadow", signed=True)
    client = page(sam)
    client.post(url("halt_line"), {"reason": "lamp"})
    assert policies.halt_of(line)
    assert 'id="halt_password"' in words(client.get(url("line_automation")))
    assert client.post(url("halt_line"), {"on": "no", "reason": "changed"}).status_code == 403
    client.post(url("halt_line"), {"on": "no", "reason": "changed", "password": PASSWORD})
    assert policies.halt_of(line) is None


def test_signing_is_switched_on_by_the_policys_form(page, line, ada, at):
    at("shadow")
    form = sent_as_it_is(page(ada).get(url("line_automation")))
    page(ada).post(url("edit_policy"), form | {"signed": "on", "reason": "an audit is due"})
    assert policies.in_force(line).signed


# The forecast


def test_an_unmet_gate_has_a_likely_day_or_says_why_none(page, line, ada, at, blind):
    at("shadow")
    blind([(0.05, "ok")] * 40)
    rows = {row.gate.name: row for row in page(ada).get(url("line_automation")).context["next"]["rows"]}
    assert rows["blind pairs"].day.startswith("likely on ")
    assert rows["miss rate"].why_none
    assert rows["version"].day == rows["version"].why_none == ""


# Advice


@pytest.fixture
def advised(at, make_part, ivy, version):
    """A part at a level, scored and routed before ivy opened it."""

    def make(level="assist", advice=True):
        policy = at(level, pass_below=0.1, reject_from=0.5)
        part = make_part(photos=2)
        marks = [{"photo": 1, "box": [0.1, 0.2, 0.3, 0.1], "score": 0.8}]
        prediction = Prediction.objects.create(
            inspection=part, version=version, score=0.87, outcome="scratched", marks=marks
        )
        HeatMap.of(prediction, [np.full((4, 6), 200, np.uint8)] * 2).save()
        Routing.objects.create(
            inspection=part, policy=policy, prediction=prediction, decision="person", reason="r", advice=advice
        )
        Inspection.objects.filter(pk=part.pk).update(state=State.WAITING, hold_until=timezone.now())
        floor.claim(line=part.line, by=ivy)
        return part

    return make


def test_at_assist_the_holder_is_served_one_line_and_it_is_remembered(page, advised, ivy):
    part = advised()
    response = page(ivy).get(url("advice_fragment", part.pk))
    assert "The model suggests: <strong>scratched</strong>, 0.87" in words(response)
    assert "no-store" in response["Cache-Control"]
    text = words(response)
    assert text.count('<svg class="advice-marks"') == 1
    assert '<rect x="32.0" y="36.0" width="96.0" height="18.0">' in text  # pixels of a photo of 320 x 180
    assert ModelOutputShown.objects.get(inspection=part, user=ivy).where == "advice"


def test_the_heat_map_is_a_picture_under_the_same_rule(page, advised, ivy, sam):
    part = advised()
    response = page(ivy).get(url("advice_heat_map", part.pk, 1))
    assert response["Content-Type"] == "image/png"
    assert response.content.startswith(b"\x89PNG")
    assert ModelOutputShown.objects.get(inspection=part).where == "heat map"
    assert page(ivy).get(url("advice_heat_map", part.pk, 7)).status_code == 404
    assert page(sam).get(url("advice_heat_map", part.pk, 1)).status_code == 204


@pytest.mark.parametrize("name", ["advice_fragment", "advice_heat_map"])
def test_those_who_do_not_judge_get_no_advice(name, page, advised, otto, cam):
    args = [advised().pk, 0][: 1 if name == "advice_fragment" else 2]
    for who in (otto, cam):
        assert page(who).get(url(name, *args)).status_code == 403
    assert not ModelOutputShown.objects.exists()


def test_at_shadow_the_answer_is_the_same_as_without_any_model(page, advised, make_part, ivy):
    """What an inspector is served tells nothing: same status, same headers, no body, no row."""
    with_model, without = advised("shadow"), make_part()
    answers = [page(ivy).get(url("advice_fragment", part.pk)) for part in (with_model, without)]
    assert [answer.status_code for answer in answers] == [204, 204]
    assert [answer.content for answer in answers] == [b"", b""]
    assert {*answers[0].headers} == {*answers[1].headers}
    assert not ModelOutputShown.objects.exists()


@pytest.mark.parametrize("case", ["halted", "drawn blind", "lowered", "another person", "came too late"])
def test_advice_is_withheld(case, page, advised, at, ivy, sam, line):
    part = advised(advice=case != "drawn blind")
    if case == "halted":
        Halt.objects.create(line=line, on=True, reason="r", by="sam")
    if case == "lowered":
        at("shadow")
    if case == "came too late":
        part.lease.__class__.objects.filter(pk=part.pk).update(opened_at=timezone.now() - timedelta(minutes=1))
    response = page(sam if case == "another person" else ivy).get(url("advice_fragment", part.pk))
    assert response.status_code == 204
    assert not ModelOutputShown.objects.exists()


def test_page_and_api_serve_the_same_advice(page, api, advised, ivy):
    part = advised()
    answer = api(ivy).get(f"/api/v1/inspections/{part.pk}/advice/").json()
    fragment = page(ivy).get(url("advice_fragment", part.pk))
    assert [view["heat_map"] for view in fragment.context["views"]] == answer["heatmap"]
    assert [len(view["marks"]) for view in fragment.context["views"]] == [0, 1]
    assert fragment.context["prediction"].score == answer["score"]


def test_a_policy_is_never_written_by_a_reader(page, line, sam):
    page(sam).get(url("line_automation"))
    assert not Policy.objects.exists()
