"""One's own account: the password, the second factor and its recovery codes, and what is throttled on the way in."""

from datetime import UTC, datetime, timedelta
from html import unescape

import pyotp
import pytest
from axes.models import AccessAttempt
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config.environment import roles
from inspection import actions, second_factor
from inspection.actions.accounts import MOST_WRONG, WrongPassword
from inspection.guessing import client_address
from inspection.models import ApiToken, AuditEvent, RecoveryCode, SecondFactor, User
from inspection.refusals import BadInput, Conflict, NotAllowed
from inspection.roles import Role
from tests.conftest import PASSWORD

NEW = "quite another secret"


def words(response):
    return unescape(response.content.decode())


def code_at(user, moment) -> str:
    sealed = SecondFactor.objects.get(user=user).sealed_secret
    return pyotp.TOTP(second_factor.unseal(sealed)).at(moment)


@pytest.fixture
def factor():
    """Sets up somebody's second factor an hour ago: `codes = factor(ada)`."""

    def enrol(user):
        then = timezone.now() - timedelta(hours=1)
        actions.begin_second_factor(by=user)
        return actions.confirm_second_factor(by=user, code=code_at(user, then), now=then)

    return enrol


def sign_in(client, name="ada", password=PASSWORD, **extra):
    return client.post(reverse("login"), {"username": name, "password": password}, **extra)


def inside(client) -> bool:
    return client.get(reverse("account")).status_code == 200


def told(action):
    return AuditEvent.objects.filter(action=action).count()


# ---- the codes themselves


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_the_codes_are_those_of_rfc_6238(seconds, code):
    """Appendix B, of which six digits are shown."""
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    moment = datetime.fromtimestamp(seconds, UTC)
    assert second_factor.step_of(secret, code, moment) == seconds // 30
    assert second_factor.step_of(secret, code, moment + timedelta(seconds=30)) == seconds // 30
    assert second_factor.step_of(secret, code, moment + timedelta(seconds=61)) is None
    assert second_factor.step_of(secret, "", moment) is None


def test_a_secret_is_sealed_and_opens_with_the_key_before(settings):
    sealed = second_factor.seal("SECRET")
    assert "SECRET" not in sealed
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]
    assert second_factor.unseal(sealed) == "SECRET"
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(second_factor.Unreadable):
        second_factor.unseal(sealed)


# ---- setting it up


def test_it_is_set_up_by_a_code_and_recovery_codes_are_shown_once(page, ada):
    client = page(ada)
    client.post(reverse("begin_second_factor"))
    shown = client.get(reverse("second_factor"))
    assert "<svg" in words(shown)
    assert "style=" not in words(shown)
    assert shown["Cache-Control"].startswith("max-age=0, no-cache, no-store")
    secret = second_factor.unseal(SecondFactor.objects.get().sealed_secret)
    assert second_factor.in_groups(secret) in words(shown)
    assert client.post(reverse("second_factor"), {"code": "000000"}).status_code == 400
    assert not actions.has_second_factor(ada)
    done = client.post(reverse("second_factor"), {"code": code_at(ada, timezone.now())})
    assert len(done.context["codes"]) == 10
    assert all(code in words(done) for code in done.context["codes"])
    assert actions.has_second_factor(ada)
    assert client.get(reverse("second_factor")).status_code == 302, "the secret is not shown again"
    assert told("second_factor_set_up") == 1
    kept = str([*SecondFactor.objects.values(), *RecoveryCode.objects.values(), *AuditEvent.objects.values()])
    assert secret not in kept
    assert not any(code in kept for code in done.context["codes"])


def test_one_that_counts_is_not_replaced_by_an_open_session(ada, page, factor):
    factor(ada)
    before = SecondFactor.objects.get().sealed_secret
    assert page(ada).post(reverse("begin_second_factor")).status_code == 409
    with pytest.raises(Conflict):
        actions.confirm_second_factor(by=ada, code="1")
    assert SecondFactor.objects.get().sealed_secret == before


def test_turning_it_off_and_new_codes_ask_the_password(page, ada, factor):
    codes = factor(ada)
    client = page(ada)
    for name in ("turn_off_second_factor", "renew_recovery_codes"):
        answer = client.post(reverse(name), {"password": "wrong"})
        assert answer.status_code == 400
        assert "This is not your password." in words(answer)
    assert AccessAttempt.objects.get(username="ada").failures_since_start == 2
    renewed = client.post(reverse("renew_recovery_codes"), {"password": PASSWORD}).context["codes"]
    assert not set(codes) & set(renewed)
    assert not actions.pass_second_step(user=ada, code=codes[0])
    client.post(reverse("turn_off_second_factor"), {"password": PASSWORD})
    assert not SecondFactor.objects.exists()
    assert not RecoveryCode.objects.exists()
    assert (told("recovery_codes_renewed"), told("second_factor_turned_off")) == (1, 1)


# ---- signing in


def test_without_one_nothing_more_is_asked(client, ada):
    assert sign_in(client)["Location"] == "/"
    assert inside(client)


def test_the_password_alone_opens_nothing(client, ada, factor):
    factor(ada)
    answer = client.post("/login/?next=/queue/", {"username": "ada", "password": PASSWORD, "next": "/queue/"})
    assert answer["Location"] == reverse("login_code")
    assert not inside(client)
    assert client.get("/api/v1/queue/mine/").status_code in (401, 403)
    assert client.get(reverse("login_code")).status_code == 200
    answer = client.post(reverse("login_code"), {"code": code_at(ada, timezone.now())})
    assert answer["Location"] == "/queue/"
    assert inside(client)


def test_a_code_is_taken_once(client, ada, factor):
    factor(ada)
    code = code_at(ada, timezone.now())
    assert actions.pass_second_step(user=ada, code=f"{code[:3]} {code[3:]}")
    assert not actions.pass_second_step(user=ada, code=code)
    sign_in(client)
    answer = client.post(reverse("login_code"), {"code": code})
    assert answer.status_code == 400
    assert "was used already" in words(answer)
    assert not inside(client)


def test_of_two_at_once_one_gets_in(ada, factor, at_once):
    factor(ada)
    code = code_at(ada, timezone.now())
    tries = at_once(*[lambda: actions.pass_second_step(user=ada, code=code)] * 2)
    assert sorted(tries) == [False, True]


def test_a_recovery_code_signs_in_once(client, ada, factor):
    codes = factor(ada)
    sign_in(client)
    assert client.post(reverse("login_code"), {"code": codes[0].upper().replace("-", " ")}).status_code == 302
    assert inside(client)
    event = AuditEvent.objects.get(action="recovery_code_used")
    assert (event.by, event.data) == ("ada", {"left": 9})
    assert not actions.pass_second_step(user=ada, code=codes[0])
    assert told("recovery_code_used") == 1


def test_nobodys_code_is_another_persons(ada, sam, factor):
    factor(ada)
    others = factor(sam)
    assert not actions.pass_second_step(user=ada, code=others[0])


@pytest.mark.parametrize("change", ["late", "new password", "closed"])
def test_between_password_and_code_nothing_may_have_changed(change, client, ada, factor, monkeypatch):
    factor(ada)
    sign_in(client)
    code = code_at(ada, timezone.now())
    if change == "late":
        session = client.session
        session["second_step"] = session["second_step"] | {"until": 0}
        session.save()
    elif change == "closed":
        User.objects.filter(pk=ada.pk).update(is_active=False)
    else:
        ada.set_password(NEW)
        ada.save()
    assert client.post(reverse("login_code"), {"code": code})["Location"] == reverse("login")
    assert not inside(client)


def test_nobody_comes_to_the_code_without_a_password(client, ada, factor):
    factor(ada)
    assert client.post(reverse("login_code"), {"code": code_at(ada, timezone.now())})["Location"] == reverse("login")


def test_wrong_codes_are_counted_with_wrong_passwords(client, ada, factor, settings):
    settings.AXES_FAILURE_LIMIT = 3
    factor(ada)
    sign_in(client, password="wrong")
    sign_in(client)
    answers = [client.post(reverse("login_code"), {"code": f"00000{n}"}) for n in range(2)]
    assert [answer.status_code for answer in answers] == [400, 429]
    assert client.post(reverse("login_code"), {"code": code_at(ada, timezone.now())}).status_code == 429
    assert "000001" not in str(AccessAttempt.objects.values())
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
    assert client.post(reverse("login_code"), {"code": code_at(ada, timezone.now())}).status_code == 302


def test_from_however_many_addresses_codes_are_not_tried_for_ever(ada, factor):
    codes = factor(ada)
    SecondFactor.objects.update(wrong_in_a_row=MOST_WRONG - 1)
    assert not actions.pass_second_step(user=ada, code="000000")
    for code in (code_at(ada, timezone.now()), codes[0]):
        with pytest.raises(NotAllowed, match="Ask an admin to reset"):
            actions.pass_second_step(user=ada, code=code)
    SecondFactor.objects.update(wrong_in_a_row=MOST_WRONG - 1)
    assert actions.pass_second_step(user=ada, code=codes[0])
    assert SecondFactor.objects.get().wrong_in_a_row == 0


def test_after_a_change_of_the_sites_key_recovery_codes_still_sign_in(client, ada, factor, settings):
    codes = factor(ada)
    code = code_at(ada, timezone.now())
    settings.SECRET_KEY = "another"
    with pytest.raises(NotAllowed, match="key was changed"):
        actions.pass_second_step(user=ada, code=code)
    assert actions.pass_second_step(user=ada, code=codes[0])


def test_a_token_is_not_asked_for_it(ada, factor, api, settings):
    settings.TOTP_REQUIRED_FOR = ["admin"]
    factor(ada)
    assert api(ada).get("/api/v1/queue/mine/").status_code == 200


# ---- lost, and asked for


def test_an_admin_resets_anothers_and_nobody_else_does(page, ada, sam, factor):
    factor(sam)
    with pytest.raises(NotAllowed):
        actions.reset_second_factor(user=sam, by=sam)
    assert "Reset the second factor" in words(page(ada).get(reverse("setup_user", args=[sam.pk])))
    page(ada).post(reverse("reset_second_factor", args=[sam.pk]))
    assert not actions.has_second_factor(sam)
    assert "Reset the second factor" not in words(page(ada).get(reverse("setup_user", args=[sam.pk])))
    event = AuditEvent.objects.get(action="second_factor_reset")
    assert (event.by, event.subject) == ("ada", "user sam")


def test_the_last_admin_is_helped_at_the_command_line(ada, factor, capsys):
    factor(ada)
    call_command("reset_second_factor", "ada")
    assert not actions.has_second_factor(ada)
    assert AuditEvent.objects.get(action="second_factor_reset").by == "command line"
    for name, said in (("ada", "has no second factor"), ("nobody", "no user 'nobody'")):
        with pytest.raises(CommandError, match=said):
            call_command("reset_second_factor", name)


def test_a_role_that_has_to_have_one_reaches_its_account_alone_before(client, ada, sam, settings):
    settings.TOTP_REQUIRED_FOR = ["admin"]
    sign_in(client)
    assert client.get("/setup/")["Location"] == reverse("account")
    assert client.get("/api/v1/queue/mine/").status_code == 403
    assert "Set one up here to go on." in words(client.get(reverse("account")))
    assert client.get("/readyz").status_code == 200
    client.post(reverse("begin_second_factor"))
    client.post(reverse("second_factor"), {"code": code_at(ada, timezone.now())})
    assert client.get("/setup/").status_code == 200
    other = Client()
    sign_in(other, "sam")
    assert other.get("/queue/").status_code == 200


def test_a_session_from_before_does_not_count_as_one_with_a_code(client, ada, factor, settings):
    sign_in(client)
    factor(ada)
    settings.TOTP_REQUIRED_FOR = ["admin"]
    assert client.get("/setup/")["Location"] == reverse("account")
    assert "Sign out and in again" in words(client.get(reverse("account")))


def test_only_roles_may_be_asked_for_it(monkeypatch):
    monkeypatch.setenv("TOTP_REQUIRED_FOR", "admin,king")
    with pytest.raises(ImproperlyConfigured, match="names 'king'"):
        roles("TOTP_REQUIRED_FOR")
    monkeypatch.setenv("TOTP_REQUIRED_FOR", ",".join(Role))
    assert set(roles("TOTP_REQUIRED_FOR")) == set(Role)


# ---- the password


def change(client, old=PASSWORD, new=NEW, again=None):
    sent = {"old_password": old, "password": new, "again": new if again is None else again}
    return client.post(reverse("own_password"), sent)


def test_a_password_is_changed_and_sessions_elsewhere_end(client, ivy):
    elsewhere = Client()
    for browser in (client, elsewhere):
        sign_in(browser, "ivy")
    assert change(client).status_code == 302
    assert inside(client)
    assert not inside(elsewhere)
    assert User.objects.get(pk=ivy.pk).check_password(NEW)
    assert (told("own_password_set"), AuditEvent.objects.get().data) == (1, {})


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"old": "wrong"}, "old_password", "not your password"),
        ({"new": "short"}, "password", "too short"),
        ({"new": "password123"}, "password", "too common"),
        ({"new": "ivy-ivy-iv"}, "password", "too similar"),
        ({"new": PASSWORD}, "password", "that you have now"),
        ({"again": "something else"}, "again", "not the same"),
    ],
)
def test_one_that_will_not_do_is_said_beside_its_field(given, field, said, page, ivy):
    if "ivy" in given.get("new", ""):
        ivy.first_name = "ivy-ivy-iv"
        ivy.save()
    answer = change(page(ivy), **given)
    assert answer.status_code == 400
    assert said in " ".join(answer.context["password_form"].errors[field])
    assert User.objects.get(pk=ivy.pk).check_password(PASSWORD)


def test_whoever_found_an_open_session_cannot_guess_the_password_in_it(page, ivy, settings):
    settings.AXES_FAILURE_LIMIT = 3
    answers = [change(page(ivy), old="wrong").status_code for _ in range(3)]
    assert answers == [400, 400, 429]
    assert change(page(ivy)).status_code == 400
    assert "Wait 15 minutes" in words(change(page(ivy)))
    assert NEW not in str(AccessAttempt.objects.values())
    with pytest.raises(WrongPassword):
        actions.set_own_password(by=ivy, old_password="wrong", password=NEW)
    with pytest.raises(BadInput):
        actions.set_own_password(by=ivy, old_password=PASSWORD, password="short")


def test_a_password_that_an_admin_sets_ends_all_sessions(client, page, ivy, ada):
    other = Client()
    sign_in(other, "ivy")
    actions.reset_password(user=ivy, password=NEW, by=ada)
    assert not inside(other)


# ---- own tokens


def test_a_person_sees_and_withdraws_their_own_tokens_alone(page, ivy, sam, ada):
    for user in (ivy, sam):
        actions.issue_token(user=user, by=ada, label=f"of {user}")
    mine, other = ApiToken.objects.get(user=ivy), ApiToken.objects.get(user=sam)
    text = words(page(ivy).get(reverse("account")))
    assert "of ivy" in text
    assert "of sam" not in text
    assert page(ivy).post(reverse("withdraw_own_token", args=[other.pk])).status_code == 404
    page(ivy).post(reverse("withdraw_own_token", args=[mine.pk]))
    assert [token.state for token in ApiToken.objects.order_by("user__username")] == ["withdrawn", "valid"]


def test_an_admin_issues_a_token_that_is_shown_once_and_withdraws_it(page, ada, cam, line):
    sent = {"user": cam.pk, "label": "Camera 1", "scope": "send", "days": "30", "lines": [line.pk]}
    client = page(ada)
    issued = client.post(reverse("setup_token_new"), sent)
    secret = issued.context["secret"]
    assert secret in words(issued)
    token = ApiToken.objects.get(digest=ApiToken.digest_of(secret))
    assert (token.scope, token.lines_reached) == ("send", {line.pk})
    listed = words(client.get(reverse("setup_tokens")))
    assert "Camera 1" in listed
    assert secret not in listed
    client.post(reverse("withdraw_token", args=[token.pk]))
    assert "withdrawn" in words(client.get(reverse("setup_tokens")))
    refused = client.post(reverse("setup_token_new"), sent | {"scope": "judge"})
    assert "cam may not judge parts" in words(refused)


# ---- the door


def test_a_name_is_paused_from_one_address_and_not_from_another(client, ada, settings):
    settings.AXES_FAILURE_LIMIT = 3
    assert [sign_in(client, password=f"w{n}").status_code for n in range(3)] == [200, 200, 429]
    assert sign_in(client).status_code == 429
    assert sign_in(client, REMOTE_ADDR="10.0.0.9").status_code == 302
    client.logout()
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
    assert sign_in(client).status_code == 302


def test_an_address_that_tries_name_after_name_is_paused(client, ada, settings):
    settings.SPRAY_LIMIT = 6
    assert [sign_in(client, f"name-{n}", "Spring2026").status_code for n in range(6)] == [200] * 5 + [429]
    assert sign_in(client).status_code == 429, "whoever it is"
    assert sign_in(Client(), REMOTE_ADDR="10.0.0.9").status_code == 302
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
    assert sign_in(client).status_code == 302


def test_an_own_account_between_does_not_clear_a_spray(client, ivy, settings):
    settings.SPRAY_LIMIT = 6
    for n in range(5):
        sign_in(client, f"name-{n}", "Spring2026")
    assert sign_in(client, "ivy").status_code == 302
    client.logout()
    assert sign_in(client, "name-9", "Spring2026").status_code == 429


def test_wrong_tokens_pause_nobody_at_the_door(client, ada, settings):
    settings.SPRAY_LIMIT = 3
    for n in range(5):
        client.get("/api/v1/queue/mine/", headers={"Authorization": f"Token {n}"})
    assert sign_in(client).status_code == 302


@pytest.mark.parametrize(
    ("proxies", "forwarded", "peer", "address"),
    [
        (0, "9.9.9.9", "10.0.0.1", "10.0.0.1"),
        (1, "9.9.9.9, 203.0.113.7", "10.0.0.1", "203.0.113.7"),
        (2, "203.0.113.7, 10.0.0.2", "10.0.0.1", "203.0.113.7"),
        (2, "203.0.113.7", "10.0.0.1", "10.0.0.1"),
        (1, "nonsense", "10.0.0.1", "10.0.0.1"),
        (1, "", "10.0.0.1", "10.0.0.1"),
        (0, "", "2001:db8:1:2:3::4", "2001:db8:1:2::"),
        (0, "", "::ffff:10.0.0.1", "10.0.0.1"),
        (0, "", "", None),
    ],
)
def test_who_asks_is_what_our_own_proxies_saw(proxies, forwarded, peer, address, settings, rf):
    settings.PROXIES = proxies
    assert client_address(rf.get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded)) == address
