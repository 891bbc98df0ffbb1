"""Numbers: whatever a policy takes, the line's page, its API, a raise, what-if and the sweep of its ramp go on working."""

import dataclasses
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from automation import policies
from automation.actions import propose_change
from automation.actions.ramping import _advance
from automation.forms import COUNT_WORDS, PERCENT_WORDS, PolicyForm
from automation.gates import LEAST_SHARE, MOST_COUNT, Limits, LimitsRefused
from inspection.models import AuditEvent
from inspection.refusals import BadInput

ROOT = "/api/v1/lines/line-a/automation/"
SHARES = [limit.name for limit in dataclasses.fields(Limits) if limit.type is float]
COUNTS = [limit.name for limit in dataclasses.fields(Limits) if limit.type is int]
BARS = {"pass_below": 0.1, "reject_from": 0.5}
share = st.sampled_from([LEAST_SHARE, 1e-5, 0.003, 0.5, 0.999999]) | st.floats(LEAST_SHARE, 0.999999)
count = st.sampled_from([0, 1, 3, MOST_COUNT]) | st.integers(0, MOST_COUNT)
limits = st.fixed_dictionaries({}, optional=dict.fromkeys(SHARES, share) | dict.fromkeys(COUNTS, count))
steps = st.lists(share, unique=True, max_size=4).map(sorted)
ramps = st.tuples(steps, st.lists(share, min_size=5, max_size=5)).map(
    lambda drawn: [list(step) for step in zip([*drawn[0], 1.0], drawn[1], strict=False)]
)
several = settings(  # a page takes its time, so no example is made smaller
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def judged(line, version, make_evidence, audited, set_level, ivy):
    """Line A at partial with blind pairs, audits and an escape, so that every figure of the page has something to divide."""
    make_evidence(line, version, 12, 0.01, "ok", by=ivy)
    make_evidence(line, version, 6, 0.9, "scratched", by=ivy)
    set_level(line, "partial", version, **BARS)
    audited(line, 6)
    audited(line, 1, outcome="scratched")
    audited(line, 2, outcome=None)
    return line


def everything_answers(line, page, api, by) -> None:
    """No page or API of the line fails, nor the sweep over its ramp; a raise is refused in words or goes through."""
    place = {"line": line.slug}
    assert page(by).get(reverse("line_automation", kwargs=place)).status_code == 200
    assert page(by).get(reverse("what_if", kwargs=place)).status_code == 200
    assert api(by).get(ROOT).status_code == 200
    raised = (
        api(by).post(f"{ROOT}changes/", {"level": "full", "policy": {"reject_from": 0.1}, "reason": "x"}).status_code
    )
    assert raised in (201, 409)
    assert api(by).post(f"{ROOT}what-if/", {"policy": BARS}).status_code == 200
    _advance(line, timezone.now())


@given(limits=limits, ramp=ramps, audit_share=share, blind_share=share)
@several
def test_no_number_that_a_policy_takes_makes_anything_fail(
    judged, version, set_level, page, api, ada, limits, ramp, audit_share, blind_share
):
    fields = {"limits": limits, "ramp": ramp, "audit_share": audit_share, "blind_share": blind_share}
    set_level(judged, "shadow", version, **BARS)
    propose_change(line=judged, by=ada, policy=fields, reason="the door takes them")
    set_level(judged, "partial", version, **BARS, **fields)
    everything_answers(judged, page, api, ada)


@given(data=st.data())
@several
def test_no_number_that_the_form_takes_makes_anything_fail(judged, set_level, page, api, ada, data):
    """Typed in percent, as people do."""
    percents = st.decimals("0.0001", "99.9999", places=4) | st.just(Decimal("1E-4"))
    typed = {name: str(data.draw(percents, name)) for name in (*PERCENT_WORDS, "audit_share", "blind_share")}
    typed |= {name: str(data.draw(count, name)) for name in COUNT_WORDS}
    typed |= {"hold_seconds": "3600", "assist_wait": "60", "quorum": "2", "reason": "r"}
    set_level(judged, "assist")
    now = policies.in_force(judged)
    answer = page(ada).post(reverse("edit_policy", args=["line-a"]), typed | {"seen": now.number})
    assert answer.status_code == 302
    set_level(judged, "partial")
    everything_answers(judged, page, api, ada)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"audit_hours": 10**9}, "audit_hours is 1000000000; it must be a whole number from 0 to 1,000,000"),
        ({"step_audits": 10**30}, "it must be a whole number from 0 to 1,000,000"),
        ({"days": -1}, "it must be a whole number from 0 to 1,000,000"),
        ({"alpha": 1e-300}, "alpha is 1e-300; it must be a share from 0.000001 to under 1"),
        ({"alpha": float("nan")}, "alpha is nan; it must be a share"),
        ({"delta": 1}, "delta is 1; it must be a share"),
    ],
)
def test_a_limit_beyond_its_bounds_is_refused_with_them(shadowed, ada, api, limits, words):
    with pytest.raises(LimitsRefused, match=words):
        Limits.from_json(limits)
    with pytest.raises(BadInput, match=words):
        propose_change(line=shadowed, by=ada, policy={"limits": limits}, reason="x")
    assert api(ada).get(ROOT).status_code == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"audit_share": 1e-300},
        {"blind_share": 1e-300},
        {"ramp": [[1e-300, 1], [1, 0.5]]},
        {"ramp": [[0.5, 1e-300], [1, 0.5]]},
        {"ramp": [[n / 100, 1] for n in range(1, 101)]},
    ],
)
def test_a_share_of_next_to_nothing_and_a_ramp_without_end_are_refused(shadowed, ada, fields):
    with pytest.raises(BadInput, match=r"0\.000001 to 1"):
        propose_change(line=shadowed, by=ada, policy=fields, reason="x")


def test_form_and_policy_have_the_same_bounds(shadowed):
    form = PolicyForm(policies.in_force(shadowed))
    assert {float(form.fields[name].min_value) / 100 for name in PERCENT_WORDS} == {LEAST_SHARE}
    assert {form.fields[name].max_value for name in COUNT_WORDS} == {MOST_COUNT}


PAGES = [
    ("halt_line", {"reason": "a\0b"}),
    ("propose_change", {"level": "human_only", "reason": "a\0b"}),
    ("propose_change", {"model": "a\0b", "reason": "better"}),
    ("switch_version", {"model": "a\0b", "reason": "better"}),
    ("roll_back", {"to": "1", "reason": "a\x1b[2Jb"}),
    ("edit_policy", {"quorum": "2", "reason": "a\0b"}),
    ("move_ramp", {"to": "hold", "reason": "a\x07b"}),
    ("set_standby", {"reason": "a\x7fb"}),
    ("approve_change", {"change": "1", "reason": "a\0b"}),
    ("decline_halt", {"asked": "1", "reason": "a\0b"}),
]


@pytest.mark.parametrize(("name", "sent"), PAGES)
def test_a_control_character_is_refused_by_every_form(shadowed, page, ada, name, sent):
    before = AuditEvent.objects.count()
    answer = page(ada).post(reverse(name, args=["line-a"]), sent)
    assert (answer.status_code, AuditEvent.objects.count()) == (400, before)
    assert "control character" in answer.content.decode()


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("halt/", {}),
        ("changes/", {"level": "human_only"}),
        ("rollback/", {}),
        ("standby/", {"model": None}),
        ("approve/", {}),
    ],
)
def test_a_control_character_is_refused_by_the_api(shadowed, api, ada, path, sent):
    before = AuditEvent.objects.count()
    for character in ("\0", "\x07", "\x9b"):
        assert api(ada).post(f"{ROOT}{path}", sent | {"reason": f"a{character}b"}).status_code == 400
    assert AuditEvent.objects.count() == before


def test_a_reason_may_have_several_lines(shadowed, api, sam):
    assert api(sam).post(f"{ROOT}halt/", {"reason": "smoke\nat camera 1\t(again)"}).status_code == 201
