"""Who may do what: every URL of the site names its permission, and the contract's table holds with real requests."""

import io
import re
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.management import call_command
from django.urls import URLPattern, get_resolver
from drf_spectacular.generators import SchemaGenerator

from automation.management.commands.permissions import needs_of, patterns
from inspection import roles
from inspection.models import ApiToken, Line
from inspection.roles import TABLE, May, Role, give_role, may, oversees
from tests.conftest import make_person

pytestmark = pytest.mark.one_database

# Open to anybody who reaches the server, and why.
OPEN_URLS = {
    "login": "one signs in there",
    "login_code": "and enters the code of a second factor",
    "logout": "harmless to strangers",
    "set_language": "one chooses the language of the sign-in page",
    "script_words": "the sign-in page has scripts too; the words are those of the source",
    "healthz": "for the load balancer: says alive",
    "readyz": "for the load balancer: says ready",
    "metrics": "for Prometheus: by a token, or from this computer",
}
SIGNED_IN_URLS = {"api_schema": "the API's description, for whoever has an account"}
ARGUMENTS = {
    "pk": 1,
    "position": 0,
    "change": 1,
    "number": 1,
    "serial": "SN1",
    "line": "line-a",
    "slug": "line-a",
    "model": "v1",
    "name": "v1",
    "digest": "0" * 64,
    "language": "en",
    "kind": "alarm",
}


def urls() -> Iterator[tuple[str, URLPattern]]:
    return patterns(get_resolver(), "/")


def address(route: str) -> str:
    for name, value in ARGUMENTS.items():
        for kind in ("int:", "slug:", "str:", "path:", ""):
            route = route.replace(f"<{kind}{name}>", str(value))
    assert "<" not in route, f"ARGUMENTS lacks a value for {route}"
    return route


GUARDED = [(address(route), needs_of(pattern)) for route, pattern in urls() if needs_of(pattern)]


def test_every_url_names_its_permission():
    unguarded = {pattern.name for _, pattern in urls() if needs_of(pattern) is None}
    assert unguarded == set(OPEN_URLS) | set(SIGNED_IN_URLS)


def test_the_table_in_the_documents_is_that_of_the_urls():
    out = io.StringIO()
    call_command("permissions", stdout=out)
    written = (settings.BASE_DIR / "docs" / "permissions.md").read_text()
    assert written == out.getvalue(), "run: python manage.py permissions > docs/permissions.md"


def test_every_url_has_a_name_of_its_own():
    names = [pattern.name for _, pattern in urls()]
    assert None not in names
    twice = {name for name in names if names.count(name) > 1}
    assert twice == {"inspect"}, "with and without a line"


@pytest.mark.django_db
@pytest.mark.parametrize("route", [address(route) for route, pattern in urls() if pattern.name in SIGNED_IN_URLS])
def test_an_account_is_needed_for_the_schema(client, otto, route):
    assert client.get(route).status_code in (401, 403)
    client.force_login(otto)
    assert client.get(route).status_code == 200


@pytest.mark.django_db
def test_a_stranger_signs_in_first(client):
    for route, _ in GUARDED:
        response = client.get(route)
        expected = 401 if route.startswith("/api/") else 302
        assert response.status_code == expected, route
        assert expected == 401 or response["Location"].startswith("/login/?next="), route


@pytest.mark.parametrize("who", ["otto", "cam", "ivy", "sam", "ada"])
def test_every_url_refuses_whoever_lacks_the_role_and_nobody_else(who, request, client, line):
    """GET everywhere: the guard speaks before the method is looked at, so 404 and 405 have passed it."""
    user = request.getfixturevalue(who)
    client.force_login(user)
    for route, needed in GUARDED:
        status = client.get(route).status_code
        assert (status == 403) == (not may(user, needed)), (route, status)
        assert status < 500, route


@pytest.mark.parametrize("who", ["cam", "ivy", "sam"])
def test_every_url_refuses_what_is_sent_by_whoever_lacks_the_role(who, request, client, line):
    """POST, too: the guard speaks before what was sent is looked at."""
    user = request.getfixturevalue(who)
    client.force_login(user)
    statuses = {route: client.post(route).status_code for route, needed in GUARDED if not may(user, needed)}
    assert {route: status for route, status in statuses.items() if status != 403} == {}


def test_the_refusal_names_the_role(client, ivy):
    client.force_login(ivy)
    response = client.get("/queue/")
    assert response.status_code == 403
    assert "This needs the role admin or supervisor" in response.content.decode()


# The contract's table, row by row: what, method, path, body, who may.
EVERYBODY = {"cam", "ivy", "sam", "ada"}
JUDGES, OVERSEERS, ADMIN = {"ivy", "sam", "ada"}, {"sam", "ada"}, {"ada"}
CONTRACT = [
    ("send parts", "post", "inspections/", {"cam", "ada"}),
    ("list inspections", "get", "inspections/", EVERYBODY),
    ("claim", "post", "queue/claim/", JUDGES),
    ("what one holds", "get", "queue/mine/", JUDGES),
    ("renew", "post", "inspections/1/renew/", JUDGES),
    ("release", "post", "inspections/1/release/", JUDGES),
    ("skip", "post", "inspections/1/skip/", JUDGES),
    ("retake", "post", "inspections/1/retake/", JUDGES),
    ("judge", "post", "inspections/1/verdicts/", JUDGES),
    ("advice", "get", "inspections/1/advice/", JUDGES),
    ("correct", "post", "verdicts/1/correction/", JUDGES),
    ("an inspection", "get", "inspections/1/", EVERYBODY),
    ("how dispositions changed", "get", "dispositions/changes/", {"cam", "ada"}),
    ("renew several", "post", "queue/renew/", JUDGES),
    ("leave the queue", "post", "queue/leave/", JUDGES),
    ("urgent lots", "get", "queue/urgent-lots/", OVERSEERS),
    ("call a lot urgent", "post", "queue/urgent-lots/", OVERSEERS),
    ("end a lot's urgency", "post", "queue/urgent-lots/end/", OVERSEERS),
    ("a model", "get", "models/v1/", OVERSEERS),
    ("counted pairs", "get", "reports/pairs/", OVERSEERS),
    ("predictions", "get", "predictions/", OVERSEERS),
    ("report", "get", "reports/agreement/", OVERSEERS),
    ("discrepancies", "get", "discrepancies/", OVERSEERS),
    ("adjudicate", "post", "discrepancies/1/adjudication/", OVERSEERS),
    ("ask for a second look", "post", "discrepancies/1/second-look/", OVERSEERS),
    ("teach", "post", "discrepancies/1/teach/", OVERSEERS),
    ("show the limit", "post", "discrepancies/1/sample/", OVERSEERS),
    ("keep as known truth", "post", "discrepancies/1/reference/", OVERSEERS),
    ("inspectors' figures", "get", "inspectors/", OVERSEERS),
    ("references", "get", "references/", OVERSEERS),
    ("keep a reference", "post", "references/", OVERSEERS),
    ("retire a reference", "post", "references/1/retire/", OVERSEERS),
    ("studies", "get", "studies/", OVERSEERS),
    ("start a study", "post", "studies/", OVERSEERS),
    ("a study", "get", "studies/1/", OVERSEERS),
    ("close a study", "post", "studies/1/close/", OVERSEERS),
    ("models", "get", "models/", OVERSEERS),
    ("register an earlier system", "post", "models/", ADMIN),
    ("answer for an earlier system", "post", "models/v1/predictions/", {"cam", "ada"}),
    ("trainings", "get", "lines/line-a/trainings/", OVERSEERS),
    ("start a training", "post", "lines/line-a/trainings/", OVERSEERS),
    ("a training", "get", "lines/line-a/trainings/1/", OVERSEERS),
    ("cancel a training", "post", "lines/line-a/trainings/1/cancel/", OVERSEERS),
    ("let a training go on", "post", "lines/line-a/trainings/1/resume/", OVERSEERS),
    ("let what came of it shadow", "post", "lines/line-a/trainings/1/shadow/", ADMIN),
    ("alarms", "get", "alarms/", OVERSEERS),
    ("an alarm", "get", "alarms/1/", OVERSEERS),
    ("acknowledge", "post", "alarms/1/acknowledge/", OVERSEERS),
    ("close", "post", "alarms/1/close/", OVERSEERS),
    ("audit trail", "get", "audit/", OVERSEERS),
    ("export dispositions", "get", "dispositions/export/", OVERSEERS),
    ("what was given up", "get", "dead-letters/", ADMIN),
    ("send all of it again", "post", "dead-letters/send/", ADMIN),
    ("send one of it again", "post", "dead-letters/alarm/1/send/", ADMIN),
    ("drop one of it", "post", "dead-letters/alarm/1/drop/", ADMIN),
    ("ask for a halt", "post", "halt-requests/", JUDGES),
    ("what halts were asked for", "get", "halt-requests/", JUDGES),
    ("decline a halt", "post", "halt-requests/1/decline/", OVERSEERS),
    ("containments", "get", "containments/", OVERSEERS),
    ("a containment", "get", "containments/1/", OVERSEERS),
    ("take a containment on", "post", "containments/1/take/", OVERSEERS),
    ("close a containment", "post", "containments/1/close/", OVERSEERS),
    ("automation", "get", "lines/line-a/automation/", OVERSEERS),
    ("what if", "post", "lines/line-a/automation/what-if/", OVERSEERS),
    ("halt", "post", "lines/line-a/automation/halt/", OVERSEERS),
    ("approve", "post", "lines/line-a/automation/approve/", OVERSEERS),
    ("propose a change", "post", "lines/line-a/automation/changes/", ADMIN),
    ("roll back", "post", "lines/line-a/automation/rollback/", ADMIN),
    ("name the standby", "post", "lines/line-a/automation/standby/", ADMIN),
    ("whether a station may decide", "get", "lines/line-a/edge/", {"cam", "ada"}),
    ("bundles of stations", "get", "lines/line-a/edge/bundles/", OVERSEERS),
    ("export a bundle", "post", "lines/line-a/edge/bundles/", ADMIN),
    ("fetch a bundle", "get", "lines/line-a/edge/bundles/1/", {"cam", "ada"}),
    ("end a bundle", "post", "lines/line-a/edge/bundles/1/end/", OVERSEERS),
]


def test_the_contracts_table_of_roles(line, api, otto, cam, ivy, sam, ada):
    clients = {user.username: api(user) for user in (otto, cam, ivy, sam, ada)}
    wrong = []
    for what, method, path, able in CONTRACT:
        for name, client in clients.items():
            format = "multipart" if what == "send parts" else "json"
            status = getattr(client, method)(f"/api/v1/{path}", {}, format=format).status_code
            if (status == 403) == (name in able) or status in (401, 500):
                wrong.append(f"{name} {what}: {status}")
    assert wrong == []


def test_every_operation_of_the_api_has_its_row():
    told = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    operations = {(method, re.sub(r"{\w+}", "*", path)) for path, found in told.items() for method in found}
    rows = {
        (method, re.sub(r"/(1|line-a|v1|0|alarm)(?=/)", "/*", f"/api/v1/{path}").replace("/api/*/", "/api/v1/"))
        for _, method, path, _ in CONTRACT
    }
    assert operations - rows == set()


def test_a_station_reads_its_own_parts_alone(api, cam, make_part):
    other = make_person("cam2", Role.STATION)
    own, foreign = make_part(), make_part()
    type(own).objects.filter(pk=own.pk).update(received_by=cam)
    type(own).objects.filter(pk=foreign.pk).update(received_by=other)
    client = api(cam)
    assert [row["id"] for row in client.get("/api/v1/inspections/").json()["results"]] == [own.pk]
    assert client.get(f"/api/v1/inspections/{foreign.pk}/").status_code == 404


def test_a_role_is_a_row_of_the_table():
    assert set(TABLE) == set(May)
    assert all(able <= set(Role) and able for able in TABLE.values())


@pytest.mark.django_db
def test_a_superuser_is_an_admin_and_a_stranger_nothing():
    root = make_person("root")
    root.is_superuser = True
    assert all(may(root, what) for what in May)
    assert not any(may(AnonymousUser(), what) for what in May)


@pytest.mark.django_db
def test_two_roles_allow_what_either_does():
    both = make_person("both", Role.STATION, Role.INSPECTOR)
    assert may(both, May.SEND)
    assert may(both, May.JUDGE)
    assert not oversees(both)
    assert roles.judges_blind(both)


def test_a_role_is_given_once(ivy):
    give_role(ivy, Role.INSPECTOR)
    assert ivy.groups.count() == 1


def test_bound_to_no_line_means_all_of_them(ivy, line):
    other = Line.objects.create(slug="line-b", name="Line B")
    assert set(Line.objects.for_user(ivy)) == {line, other}
    ivy.lines.add(other)
    assert set(Line.objects.for_user(ivy)) == {other}


def test_a_token_of_a_closed_account_or_past_its_time_is_refused(api, ivy):
    client, expired = api(ivy), api(ivy)
    newest = ApiToken.objects.order_by("-pk").first()
    newest.expires_at = newest.created_at
    newest.save()
    assert expired.get("/api/v1/queue/mine/").status_code == 401
    assert "expired" in expired.get("/api/v1/queue/mine/").json()["detail"]
    assert client.get("/api/v1/queue/mine/").status_code == 200
    ivy.is_active = False
    ivy.save()
    assert client.get("/api/v1/queue/mine/").status_code == 401


@pytest.mark.django_db
@pytest.mark.parametrize("header", ["Token", "Token a b", "Token nonsense", "Token \xff"])
def test_a_made_up_token_is_refused(client, header):
    response = client.get("/api/v1/queue/mine/", headers={"Authorization": header})
    assert (response.status_code, response["WWW-Authenticate"]) == (401, "Token")


def test_the_token_itself_is_not_kept(ivy):
    secret = ApiToken.issue(ivy)
    row = ApiToken.objects.get()
    assert secret not in {str(value) for value in vars(row).values()}
    assert ApiToken.digest_of(secret) == row.digest
