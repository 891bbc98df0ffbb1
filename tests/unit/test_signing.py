"""Signatures: on a signed line the password is entered again, wrong ones are counted, and the trail says what for."""

import json

import pytest
from axes.models import AccessAttempt, AccessFailureLog

from automation import policies
from automation.actions import (
    approve_change,
    move_ramp,
    propose_change,
    roll_back,
    set_halt,
    set_standby,
    switch_version,
)
from automation.actions.signing import Signature, sign
from automation.models import Approval, Change, Halt
from inspection.models import AuditEvent, Line
from inspection.refusals import NotAllowed
from tests.conftest import PASSWORD

BARS = {"pass_below": 0.1, "reject_from": 0.5}
SMALL = {"alpha": 0.2, "blind_pairs": 20, "sensitivity_from_seeds": False}
ROOT = "/api/v1/lines/line-a/automation/"


@pytest.fixture
def signed(line, version, set_level, make_evidence, ivy):
    """Line A at assist with evidence enough for partial at small limits; it asks for signatures."""
    make_evidence(line, version, 24, 0.01, "ok", by=ivy)
    make_evidence(line, version, 18, 0.9, "scratched", by=ivy)
    set_level(line, "assist", version, limits=SMALL, signed=True)
    return line


def propose(line, by, **fields):
    return propose_change(
        **{"line": line, "by": by, "reason": "it is time", "level": "partial", "policy": BARS} | fields
    )


def level_of(line):
    return policies.in_force(line).level


def told(action):
    return AuditEvent.objects.filter(action=action).latest("pk").data.get("signed")


# ---- it is asked for


def test_a_raise_is_signed_by_both_and_the_trail_says_what_each_meant(signed, ada, sam):
    ada.first_name, ada.last_name = "Ada", "Berg"
    ada.save()
    change = propose(signed, ada, password=PASSWORD)
    approve_change(change=change, by=sam, password=PASSWORD)
    assert level_of(signed) == "partial"
    assert change.signed
    assert Approval.objects.get().signed
    assert told("change_proposed") == {"name": "Ada Berg", "at": change.at.isoformat(), "meaning": "proposed"}
    assert told("change_approved")["name"] == "sam"
    assert told("change_approved")["meaning"] == "approved"


@pytest.mark.parametrize("password", ["", "wrong", PASSWORD.upper(), f"{PASSWORD} "])
def test_without_the_password_nothing_is_proposed(signed, ada, password):
    with pytest.raises(NotAllowed, match=r"Enter your password again to sign|This is not the password of ada"):
        propose(signed, ada, password=password)
    assert not Change.objects.exists()
    assert not AuditEvent.objects.filter(action="change_proposed").exists()


@pytest.mark.parametrize("password", ["", "wrong"])
def test_without_the_password_nothing_is_approved(signed, ada, sam, password):
    change = propose(signed, ada, password=PASSWORD)
    with pytest.raises(NotAllowed):
        approve_change(change=change, by=sam, password=password)
    assert level_of(signed) == "assist"
    assert not Approval.objects.exists()


def test_an_edit_and_a_switch_are_signed_too(signed, other_version, ada):
    for fields in ({"level": None, "policy": {"hold_seconds": 9}}, {"level": None, "policy": {}, "model": "v2"}):
        with pytest.raises(NotAllowed, match="Line A asks for signatures"):
            propose(signed, ada, **fields)
        assert propose(signed, ada, password=PASSWORD, **fields).signed


def test_a_switch_hands_its_signature_on(signed, other_version, ada):
    """An action that calls another has the password looked at before both."""
    with pytest.raises(NotAllowed):
        switch_version(line=signed, version=other_version, by=ada, reason="x")
    propose(signed, ada, level=None, policy={}, model="v2", password=sign(by=ada, password=PASSWORD))
    assert policies.in_force(signed).version == other_version


def test_somebody_elses_signature_is_none(signed, ada, sam):
    with pytest.raises(NotAllowed, match="given by the person who acts"):
        propose(signed, ada, password=Signature(sam))


def test_resuming_is_signed_and_halting_never_waits(signed, sam):
    set_halt(line=signed, on=True, by=sam, reason="smoke", password="wrong")
    for password in ("", "wrong"):
        with pytest.raises(NotAllowed):
            set_halt(line=signed, on=False, by=sam, reason="clear", password=password)
    assert policies.halt_of(signed) is not None
    set_halt(line=signed, on=False, by=sam, reason="clear", password=PASSWORD)
    assert policies.halt_of(signed) is None
    assert (told("halted"), told("resumed")["meaning"]) == (None, "resumed")


def test_the_factory_is_resumed_by_signature_where_one_of_its_lines_asks(signed, sam):
    Line.objects.create(slug="line-0", name="Line 0")
    set_halt(line=None, on=True, by=sam, reason="storm")
    with pytest.raises(NotAllowed, match="Line A asks for signatures"):
        set_halt(line=None, on=False, by=sam, reason="clear")
    assert Halt.objects.count() == 1
    set_halt(line=None, on=False, by=sam, reason="clear", password=PASSWORD)
    assert policies.halt_of(signed) is None


def test_what_is_safer_at_once_waits_for_no_password(signed, version, other_version, set_level, ada, sam):
    """A step down, a rollback, and a switch back to the version that was live before."""
    change = propose(signed, ada, level="shadow", policy={})
    assert (level_of(signed), change.signed) == ("shadow", False)
    roll_back(line=signed, by=ada, reason="back")
    set_level(signed, "assist", other_version)
    propose(signed, ada, level=None, policy={}, model="v1")
    assert policies.in_force(signed).version == version


def test_naming_the_standby_is_signed_and_spares_the_switch_to_it_nothing(signed, version, other_version, ada):
    for password in ("", "wrong"):
        with pytest.raises(NotAllowed):
            set_standby(line=signed, version=other_version, by=ada, reason="green", password=password)
    set_standby(line=signed, version=other_version, by=ada, reason="green", password=PASSWORD)
    assert told("standby_set")["meaning"] == "standby"
    with pytest.raises(NotAllowed):
        switch_version(line=signed, version=other_version, by=ada, reason="x")
    with pytest.raises(NotAllowed):
        set_standby(line=signed, version=None, by=ada, reason="worse")


def test_letting_a_ramp_go_on_is_signed_and_holding_it_is_not(signed, version, set_level, ada, sam):
    set_level(signed, "partial", version, pass_below=0.1, reject_from=0.5, ramp=[[0.05, 1.0], [1.0, 0.1]])
    move_ramp(line=signed, to="hold", by=sam, reason="a noise")
    for password in ("", "wrong"):
        with pytest.raises(NotAllowed):
            move_ramp(line=signed, to="go_on", by=ada, reason="gone", password=password)
    assert policies.in_force(signed).ramp_held
    assert not move_ramp(line=signed, to="go_on", by=ada, reason="gone", password=PASSWORD).ramp_held
    assert told("ramp_let_go_on")["meaning"] == "let go on"


def test_where_the_line_does_not_ask_none_is_needed_and_one_that_is_given_counts(line, version, set_level, ada):
    set_level(line, "shadow", version)
    assert not propose(line, ada, level=None, policy={"hold_seconds": 9}).signed
    assert propose(line, ada, level=None, policy={"hold_seconds": 8}, password=PASSWORD).signed
    with pytest.raises(NotAllowed, match="not the password of ada"):
        propose(line, ada, level=None, policy={"hold_seconds": 7}, password="wrong")


# ---- whether a line asks


def test_anyone_may_make_a_line_ask_and_nobody_alone_may_end_it(line, version, set_level, ada, sam):
    set_level(line, "shadow", version)
    ask = {"level": None, "policy": {"signed": True}}
    assert propose(line, ada, **ask).quorum == 1
    assert policies.in_force(line).signed
    change = propose(line, ada, level=None, policy={"signed": False}, password=PASSWORD)
    assert (change.quorum, policies.in_force(line).signed) == (2, True)
    approve_change(change=change, by=sam, password=PASSWORD)
    assert not policies.in_force(line).signed


# ---- wrong ones are counted


def test_a_wrong_password_is_counted_although_nothing_was_changed(signed, ada):
    with pytest.raises(NotAllowed):
        propose(signed, ada, password="wrong")
    assert AccessAttempt.objects.get(username="ada").failures_since_start == 1


def test_after_so_many_none_is_looked_at(signed, settings, ada, sam):
    settings.AXES_FAILURE_LIMIT = 3
    for _ in range(3):
        with pytest.raises(NotAllowed):
            propose(signed, ada, password="wrong")
    with pytest.raises(
        NotAllowed, match=r"Too many wrong passwords were entered. Nothing was changed; wait 15 minutes"
    ):
        propose(signed, ada, password=PASSWORD)
    assert propose(signed, ada, level="shadow", policy={}), "a step down waits for nothing"
    assert sign(by=sam, password=PASSWORD) == Signature(sam), "nobody else is kept from signing"


def test_whoever_is_locked_out_of_signing_still_signs_in(signed, settings, ada, client):
    settings.AXES_FAILURE_LIMIT = 1
    with pytest.raises(NotAllowed):
        propose(signed, ada, password="wrong")
    response = client.post("/login/", {"username": "ada", "password": PASSWORD})
    assert response.status_code == 302


def test_no_password_is_kept_or_logged(signed, ada, api, caplog):
    caplog.set_level("DEBUG")
    with pytest.raises(NotAllowed):
        propose(signed, ada, password="my-wrong-one")
    propose(signed, ada, password=PASSWORD)
    api(ada).post(f"{ROOT}changes/", {"level": "partial", "reason": "x", "password": "my-wrong-one"})
    kept = [
        *AccessAttempt.objects.values_list(), *AccessFailureLog.objects.values_list(),
        *AuditEvent.objects.values_list("by", "subject", "data"), *Change.objects.values_list("proposed", "certificate"),
    ]  # fmt: skip
    for word in (PASSWORD, "my-wrong-one"):
        assert word not in json.dumps(kept, default=str)
        assert word not in caplog.text


def test_a_closed_account_signs_nothing(signed, ada):
    ada.is_active = False
    ada.save()
    with pytest.raises(NotAllowed):
        propose(signed, ada, password=PASSWORD)


def test_whoever_may_not_propose_is_told_so_and_their_password_not_looked_at(signed, sam):
    with pytest.raises(NotAllowed, match="This needs the role admin"):
        propose(signed, sam, password="wrong")
    assert not AccessAttempt.objects.exists()


# ---- over HTTP


def test_the_api_takes_the_password_and_never_gives_it_back(signed, api, ada, sam):
    body = {"level": "partial", "policy": BARS, "reason": "it is time"}
    refused = api(ada).post(f"{ROOT}changes/", body)
    assert (refused.status_code, refused.json()["detail"]) == (
        403, "Line A asks for signatures. Enter your password again to sign.",
    )  # fmt: skip
    answer = api(ada).post(f"{ROOT}changes/", body | {"password": PASSWORD})
    assert answer.status_code == 201
    assert PASSWORD not in answer.content.decode()
    assert api(sam).post(f"{ROOT}approve/", {}).status_code == 403
    assert api(sam).post(f"{ROOT}approve/", {"password": PASSWORD}).json()["applied"] is True
    assert api(sam).post(f"{ROOT}halt/", {"reason": "smoke"}).status_code == 201
    assert api(sam).post(f"{ROOT}halt/", {"reason": "clear", "on": False}).status_code == 403
    assert api(sam).post(f"{ROOT}halt/", {"reason": "clear", "on": False, "password": PASSWORD}).status_code == 201
