"""What an API token may: never more than its account, less by its scope and lines; who issues it, and who ends it."""

import re
from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.core.management.base import CommandError
from django.urls import get_resolver
from django.utils import timezone
from rest_framework.test import APIClient

from automation.management.commands.permissions import needs_of, patterns
from inspection import actions
from inspection.models import ApiToken, AuditEvent, Inspection, Line, Scope, User
from inspection.refusals import BadInput, NotAllowed
from inspection.roles import TABLE, May, Role, narrowed
from tests.conftest import make_person, photo_bytes


def by_token(secret: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {secret}")
    return client


@pytest.fixture
def holding(ada):
    """A client by a token that ada issued: `holding(sam, "read")`."""
    return lambda user, scope="all", **fields: by_token(actions.issue_token(user=user, by=ada, scope=scope, **fields))


@pytest.fixture
def elsewhere(line):
    return Line.objects.create(slug="line-b", name="Line B")


def test_a_scope_leaves_no_role_more_than_it_had():
    for role in Role:
        for scope in Scope:
            left = narrowed(frozenset({role}), ApiToken(scope=scope))
            for what in May:
                assert not left & TABLE[what] or role in TABLE[what], (role, scope, what)


CALLS = {
    "send": ("post", "/api/v1/inspections/"),
    "judge": ("post", "/api/v1/queue/claim/"),
    "read parts": ("get", "/api/v1/inspections/"),
    "read evidence": ("get", "/api/v1/reports/agreement/"),
    "propose": ("post", "/api/v1/lines/line-a/automation/changes/"),
}
MAY = {
    "all": {"send", "judge", "read parts", "read evidence", "propose"},
    "read": {"read parts", "read evidence"},
    "send": {"send", "read parts"},
    "judge": {"judge", "read parts"},
}


@pytest.mark.parametrize("scope", MAY)
def test_what_an_admins_token_of_each_scope_may(scope, holding, ada, line):
    client = holding(ada, scope)
    passed = {name for name, (method, path) in CALLS.items() if getattr(client, method)(path).status_code != 403}
    assert passed == MAY[scope]


def test_no_method_that_writes_is_open_to_a_token_that_reads(holding, ada, line):
    client = holding(ada, "read")
    routes = [route for route, pattern in patterns(get_resolver(), "/") if needs_of(pattern) and "/api/" in route]
    for route in routes:
        where = re.sub(r"<int:\w+>", "1", re.sub(r"<(slug|str):\w+>", "line-a", route))
        for method in ("post", "put", "patch", "delete"):
            assert getattr(client, method)(where).status_code == 403, (method, where)
    assert "may only read" in client.post("/api/v1/queue/claim/").json()["detail"]


def test_a_refusal_says_what_the_token_is_there_for(holding, ada, line):
    said = holding(ada, "send").get("/api/v1/reports/agreement/").json()["detail"]
    assert said.startswith(
        "This token may not read predictions, reports and the state of automation: it is there to send"
    )


def test_a_token_that_sends_reads_its_own_parts_alone(holding, ada, line, make_part):
    foreign, client = make_part(), holding(ada, "send")
    sent = {"serial": "SN9", "line": "line-a", "photos": [_upload()]}
    own = client.post("/api/v1/inspections/", sent, format="multipart").json()["id"]
    assert [row["id"] for row in client.get("/api/v1/inspections/").json()["results"]] == [own]
    assert client.get(f"/api/v1/inspections/{foreign.pk}/").status_code == 404


def _upload():
    return SimpleUploadedFile("a.jpg", photo_bytes(), "image/jpeg")


def test_a_supervisors_token_that_judges_is_as_blind_as_an_inspector(holding, sam, line, make_part):
    part = make_part()
    client = holding(sam, "judge")
    assert client.get(f"/api/v1/inspections/{part.pk}/").status_code == 404, "not held"
    assert client.post("/api/v1/queue/claim/", {"line": "line-a"}).json()["inspection"]["id"] == part.pk
    assert client.get("/api/v1/predictions/").status_code == 403


def test_an_account_that_lost_its_role_takes_its_tokens_along(holding, ada):
    cam = make_person("cam", Role.STATION, Role.ADMIN)
    client = holding(cam, "send")
    cam.groups.clear()
    assert client.get("/api/v1/inspections/").status_code == 403


# ---- lines


VERDICT = {"outcome": "ok", "lease": "0" * 32, "duration_ms": 1, "defects": []}


def test_a_bound_token_reaches_no_other_line(holding, ada, line, elsewhere, make_part):
    there = make_part(on=elsewhere)
    client = holding(ada, lines=[line])
    statuses = {
        "send": client.post(
            "/api/v1/inspections/", {"serial": "X", "line": "line-b", "photos": [_upload()]}, format="multipart"
        ).status_code,
        "claim": client.post("/api/v1/queue/claim/", {"line": "line-b"}).status_code,
        "read": client.get(f"/api/v1/inspections/{there.pk}/").status_code,
        "judge": client.post(f"/api/v1/inspections/{there.pk}/verdicts/", VERDICT).status_code,
        "skip": client.post(f"/api/v1/inspections/{there.pk}/skip/", {"reason": "x", "lease": "0" * 32}).status_code,
        "automation": client.get("/api/v1/lines/line-b/automation/").status_code,
        "report": client.get("/api/v1/reports/agreement/?line=line-b").status_code,
    }
    assert set(statuses.values()) <= {403, 404}, statuses
    assert client.get("/api/v1/inspections/").json()["results"] == []
    assert client.get("/api/v1/lines/line-a/automation/").status_code == 200


def test_no_address_with_a_line_opens_to_a_token_of_another(holding, ada, line, elsewhere):
    client = holding(ada, lines=[elsewhere])
    routes = [route for route, _ in patterns(get_resolver(), "/") if route.startswith("/api/v1/lines/")]
    assert routes
    for route in routes:
        where = route.replace("<slug:line>", "line-a").replace("<slug:slug>", "line-a").replace("<int:pk>", "1")
        assert client.get(where).status_code in (403, 404, 405), where


def test_a_token_whose_line_was_removed_reaches_none(holding, ada, line, elsewhere):
    client = holding(ada, lines=[elsewhere])
    elsewhere.delete()
    assert client.get("/api/v1/lines/line-a/automation/").status_code == 403


def test_a_token_is_bound_within_its_accounts_lines(ada, cam, line, elsewhere):
    cam.lines.set([elsewhere])
    with pytest.raises(NotAllowed, match="not bound to Line A"):
        actions.issue_token(user=cam, by=ada, lines=[line])


# ---- issued, used, withdrawn


def test_only_who_sets_up_issues_one(ivy, sam, ada):
    for by in (ivy, sam):
        with pytest.raises(NotAllowed):
            actions.issue_token(user=by, by=by)
    actions.issue_token(user=ivy, by=ada, scope="judge", days=7, label=" robot ")
    event = AuditEvent.objects.get(action="token_issued")
    assert (event.by, event.subject) == ("ada", "user ivy")
    given = {"token": ApiToken.objects.get().pk, "days": 7, "scope": "judge", "lines": [], "label": "robot"}
    assert event.data == given


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"scope": "send"}, "ivy may not send parts"),
        ({"scope": "king"}, "no scope 'king'"),
        ({"days": 0}, "1 to 3650 days"),
        ({"days": 3651}, "1 to 3650 days"),
    ],
)
def test_a_token_that_makes_no_sense_is_refused(given, words, ivy, ada):
    with pytest.raises(BadInput, match=words):
        actions.issue_token(user=ivy, by=ada, **given)
    User.objects.filter(pk=ivy.pk).update(is_active=False)
    with pytest.raises(BadInput, match="may not sign in"):
        actions.issue_token(user=User.objects.get(pk=ivy.pk), by=ada)


def test_the_command_takes_scope_and_lines(cam, line, capsys):
    call_command("issue_token", "cam", "--scope", "send", "--line", "line-a", "--days", "30", "--label", "Camera 1")
    token = ApiToken.objects.get(digest=ApiToken.digest_of(capsys.readouterr().out.strip()))
    assert (token.scope, token.label, token.lines_reached) == ("send", "Camera 1", {line.pk})
    with pytest.raises(CommandError, match="no line 'line-x'"):
        call_command("issue_token", "cam", "--line", "line-x")


def test_its_use_is_noted_at_most_once_a_minute(holding, cam):
    client = holding(cam)
    client.get("/api/v1/inspections/")
    token = ApiToken.objects.get()
    assert timezone.now() - token.last_used_at < timedelta(seconds=5)
    noted = token.last_used_at - timedelta(seconds=50)
    ApiToken.objects.update(last_used_at=noted)
    client.get("/api/v1/inspections/")
    assert ApiToken.objects.get().last_used_at == noted
    ApiToken.objects.update(last_used_at=noted - timedelta(seconds=15))
    client.get("/api/v1/inspections/")
    assert ApiToken.objects.get().last_used_at > noted


def test_its_bearer_and_an_admin_withdraw_it_and_nobody_else(holding, ivy, sam, ada):
    client, other = holding(ivy), holding(ivy)
    second, first = ApiToken.objects.all()
    with pytest.raises(NotAllowed):
        actions.withdraw_token(token=first, by=sam)
    actions.withdraw_token(token=first, by=ivy)
    assert client.get("/api/v1/queue/mine/").status_code == 401
    assert other.get("/api/v1/queue/mine/").status_code == 200
    actions.withdraw_token(token=second, by=ada)
    actions.withdraw_token(token=second, by=ada)
    assert other.get("/api/v1/queue/mine/").status_code == 401
    assert [event.by for event in AuditEvent.objects.filter(action="token_withdrawn").order_by("pk")] == ["ivy", "ada"]


# ---- guessing


def test_after_so_many_wrong_ones_an_address_is_answered_no_more(settings, holding, cam, ivy, ada):
    settings.WRONG_TOKEN_LIMIT = 3
    daily, unused = holding(cam), holding(ada)
    assert daily.get("/api/v1/inspections/").status_code == 200
    for _ in range(5):
        assert by_token("sl_yesterdays").get("/api/v1/inspections/").status_code == 401, "one and the same is no guess"
    assert [by_token(f"sl_{n}").get("/api/v1/inspections/").status_code for n in range(3)] == [401, 401, 429]
    answer = unused.get("/api/v1/inspections/")
    assert (answer.status_code, answer["Retry-After"]) == (429, "900")
    assert daily.get("/api/v1/inspections/").status_code == 200, "a stranger must not stop the stations"
    assert unused.get("/api/v1/inspections/", REMOTE_ADDR="10.0.0.9").status_code == 200, "nor who asks from elsewhere"
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
    assert unused.get("/api/v1/inspections/").status_code == 200
    assert not Inspection.objects.exists()


def test_a_wrong_token_is_kept_by_its_digest_alone(db):
    by_token("sl_secret").get("/api/v1/inspections/")
    assert "sl_secret" not in str(AccessAttempt.objects.values())
