"""The line's page of automation: who may what, the same reasons as the API, and the advice beside a part."""

from datetime import timedelta
from html import unescape

import numpy as np
import pytest
from django.urls import reverse
from django.utils import timezone

from automation import policies, reports
from automation.actions.changing import write_policy
from automation.gates import Facts, Limits, gates_to
from automation.levels import Level
from automation.models import Halt, Policy, Routing
from automation.progress import bar_of, days_left
from inspection import actions as floor
from inspection.models import AuditEvent, Draw, Inspection, ModelOutputShown, Verdict
from inspection.moves import State
from shadow.models import HeatMap, ModelVersion, Prediction

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
        names = ("pass_below", "reject_from", "ramp", "step", "limits", "quorum", "blind_share", "audit_share")
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


READING = ["line_automation"]
SUPERVISING = ["approve_change", "halt_line"]
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
    return {name: str(value) for name, value in values.items()} | {"sensitivity_from_seeds": "on"}


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
    scores=[0.05, 0.9, 0.2, None] * 30, scratched=[False, True, True, None] * 30, strata=[("c", "v")] * 120, shifts=2,
    days=2, held_days=1.5, escalated=0.3, audits_due=10, audits_judged=4, critical_alarms=1, seeds=[(0.05, True)] * 9,
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


def test_the_forecast_divides_what_is_missing_by_the_pace():
    facts = Facts(version="one", scores=[0.1] * 40, scratched=[False] * 40)
    gate = next(gate for gate in gates_to(Level.ASSIST, facts, Limits(), None, None) if gate.name == "blind pairs")
    assert days_left(gate, 20.0) == 3.0
    assert days_left(gate, 0.0) is None


def test_the_band_tells_people_from_the_machine(page, line, sam, at, make_part, version):
    policy = at("partial", pass_below=0.1, reject_from=0.5)
    for decision in ("pass", "pass", "reject", "person"):
        part = make_part()
        decided = decision != "person"
        Routing.objects.create(inspection=part, policy=policy, decision=decision, reason="r", decided=decided)
    make_part()
    response = page(sam).get(url("line_automation"))
    counts = {stretch.kind: stretch.count for stretch, _ in response.context["stretches"]}
    assert counts == {"people": 1, "pass": 2, "reject": 1, "unrouted": 1}
    assert "2 passed by machine" in words(response)


def test_the_pace_counts_blind_verdicts_a_day(line, blind):
    blind([(0.1, "ok")] * 12)
    assert reports.blind_pace(line) == pytest.approx(12, rel=0.01)


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
