"""What an admin sets up: lists, forms with errors beside the fields, removal, accounts; and the audit trail's page."""

from datetime import time
from html import unescape

import pytest
from django.db import connection
from django.urls import reverse

from inspection import actions, append_only, audit, seals
from inspection.models import AuditEvent, DefectKind, Line, Shift, Station, User, Variant
from inspection.refusals import BadInput, Conflict, NotAllowed
from inspection.roles import roles_of

LINE = {
    "name": "Line B", "slug": "line-b", "time_zone": "Asia/Shanghai", "undo_seconds": "30", "lease_seconds": "300",
    "second_opinion_minutes": "60",
}  # fmt: skip
LISTS = [f"setup_{many}" for many in ("lines", "stations", "variants", "shifts", "defect_kinds", "samples", "users")]
FORMS = [f"setup_{one}_new" for one in ("line", "station", "variant", "shift", "defect_kind", "sample", "user")]
ROWS = ["setup_line", "setup_line_remove", "setup_user", "setup_user_password"]


def words(response):
    return unescape(response.content.decode())


def errors_beside(response, field):
    return " ".join(response.context["form"].errors.get(field, []))


@pytest.mark.parametrize("name", ["setup", *LISTS, *FORMS, *ROWS])
def test_only_an_admin_sets_up(name, request, page, line, ada):
    where = reverse(name, args=[1] if name in ROWS else [])
    for who in ("ivy", "sam", "otto", "cam"):
        client = page(request.getfixturevalue(who))
        assert client.get(where).status_code == client.post(where).status_code == 403


@pytest.mark.parametrize("name", ["setup", *LISTS, *FORMS])
def test_an_admin_reads_every_page_and_none_has_inline_style(name, page, line, station, kinds, ada):
    Shift.objects.create(line=line, name="Night", starts_at=time(22), ends_at=time(6))
    Variant.objects.create(slug="nova", name="Nova")
    response = page(ada).get(reverse(name))
    assert response.status_code == 200
    assert "style=" not in words(response)


@pytest.mark.parametrize("name", LISTS[:-1])
def test_an_empty_list_says_what_appears_and_what_to_do(name, page, ada):
    text = words(page(ada).get(reverse(name)))
    assert "yet</strong>" in text
    assert "Add the first" in text


def test_a_line_is_set_up_with_its_audit_row(page, ada):
    response = page(ada).post(reverse("setup_line_new"), LINE, follow=True)
    assert "Line B is set up." in words(response)
    assert Line.objects.get().time_zone == "Asia/Shanghai"
    event = AuditEvent.objects.get(action="line_set_up")
    assert (event.by, event.line, event.data["slug"]) == ("ada", "line-b", "line-b")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("time_zone", "Mars/Olympus", "not a time zone"),
        ("slug", "line-a", "of this short name already"),
        ("slug", "two words", "valid"),
        ("lease_seconds", "5", "greater than or equal to 30"),
        ("name", "", "required"),
    ],
)
def test_nonsense_of_a_line_is_said_beside_its_field(field, value, said, page, line, ada):
    response = page(ada).post(reverse("setup_line_new"), LINE | {field: value})
    assert response.status_code == 400
    assert said in errors_beside(response, field)
    assert Line.objects.count() == 1


def test_a_change_says_what_was_and_what_is(page, line, ada):
    sent = LINE | {"name": "Line A1", "slug": "other"}
    page(ada).post(reverse("setup_line", args=[line.pk]), sent)
    line.refresh_from_db()
    assert (line.name, line.slug) == ("Line A1", "line-a")  # the short name stands in history
    assert AuditEvent.objects.get(action="line_changed").data["name"] == {"before": "Line A", "after": "Line A1"}
    page(ada).post(reverse("setup_line", args=[line.pk]), sent)
    assert AuditEvent.objects.count() == 1  # the same again changes nothing


def test_a_line_with_parts_keeps_its_demo_flag(line, ada, make_part):
    make_part()
    line.demo = True
    with pytest.raises(Conflict, match="demo stands in its history"):
        actions.set_up(row=line, by=ada)


def test_what_history_calls_a_row_by_does_not_change(line, station, ada):
    station.slug = "cam-9"
    with pytest.raises(Conflict, match="slug stands in its history"):
        actions.set_up(row=station, by=ada)


def test_two_stations_of_a_line_have_two_short_names(page, line, station, ada):
    sent = {"line": line.pk, "name": "Camera 1 again", "slug": station.slug}
    response = page(ada).post(reverse("setup_station_new"), sent)
    assert response.status_code == 400
    assert errors_beside(response, "slug") == "The line has a station of this short name already."
    other = Line.objects.create(slug="line-b", name="Line B")
    assert page(ada).post(reverse("setup_station_new"), sent | {"line": other.pk}).status_code == 302


def test_a_shift_has_a_length_and_may_cross_midnight(page, line, ada):
    sent = {"line": line.pk, "name": "Night", "starts_at": "22:00", "ends_at": "22:00"}
    response = page(ada).post(reverse("setup_shift_new"), sent)
    assert "Give it a length" in errors_beside(response, "ends_at")
    response = page(ada).post(reverse("setup_shift_new"), sent | {"ends_at": "06:00"}, follow=True)
    assert "next day" in words(response)


def test_a_contamination_does_not_reject_and_a_key_picks_one_kind(page, kinds, ada):
    sent = {"name": "Dust", "slug": "dust", "rejects": "on", "contamination": "on", "key": "s"}
    response = page(ada).post(reverse("setup_defect_kind_new"), sent)
    assert "cannot reject" in errors_beside(response, "contamination")
    assert errors_beside(response, "key") == "The key picks Scratch already."
    page(ada).post(reverse("setup_defect_kind_new"), sent | {"rejects": "", "key": "D"})
    assert DefectKind.objects.get(slug="dust").key == "d"


def test_what_nothing_refers_to_is_removed(page, line, station, ada):
    response = page(ada).post(reverse("setup_station_remove", args=[station.pk]), follow=True)
    assert "Camera 1 is removed." in words(response)
    assert not Station.objects.exists()
    assert AuditEvent.objects.get().action == "station_removed"


def test_what_something_refers_to_stays(page, line, station, ada, make_part):
    make_part(station="cam-1")
    response = page(ada).post(reverse("setup_station_remove", args=[station.pk]))
    assert response.status_code == 409
    assert "because something refers to it: 1 x inspection." in words(response)
    assert Station.objects.exists()
    assert not AuditEvent.objects.filter(action="station_removed").exists()


def test_a_line_is_not_removed_under_the_people_bound_to_it(line, ivy, ada):
    """Without it they would be bound to no line, which means all."""
    ivy.lines.add(line)
    with pytest.raises(Conflict, match="1 x user"):
        actions.remove(row=line, by=ada)
    assert line.pk
    assert Line.objects.exists()


def test_actions_ask_the_role_themselves(line, sam, ivy):
    with pytest.raises(NotAllowed):
        actions.set_up(row=Line(slug="x", name="X"), by=sam)
    with pytest.raises(NotAllowed):
        actions.remove(row=line, by=sam)
    with pytest.raises(NotAllowed):
        actions.set_up_user(user=User(username="mal"), by=ivy, roles=["admin"], lines=[], password="a long secret 1")
    with pytest.raises(NotAllowed):
        actions.reset_password(user=ivy, password="a long secret 1", by=ivy)


def test_an_action_refuses_nonsense_that_no_form_has_seen(ada):
    with pytest.raises(BadInput, match="not a time zone"):
        actions.set_up(row=Line(slug="x", name="X", time_zone="Mars"), by=ada)
    with pytest.raises(BadInput, match="no role 'king'"):
        actions.set_up_user(user=User(username="k"), by=ada, roles=["king"], lines=[], password="a long secret 1")
    with pytest.raises(BadInput, match="needs a password"):
        actions.set_up_user(user=User(username="k"), by=ada, roles=[], lines=[])


ACCOUNT = {
    "username": "ian", "name": "Ian Li", "roles": ["inspector"], "password": "a long secret 1", "is_active": "on",
}  # fmt: skip


def test_an_account_is_set_up_and_signs_in(page, line, ada, client):
    page(ada).post(reverse("setup_user_new"), ACCOUNT | {"lines": [line.pk]})
    ian = User.objects.get(username="ian")
    assert (str(ian), roles_of(ian), list(ian.lines.all())) == ("Ian Li", {"inspector"}, [line])
    assert ian.check_password("a long secret 1")
    event = AuditEvent.objects.get(action="user_set_up")
    assert event.data == {"name": "Ian Li", "active": True, "roles": ["inspector"], "lines": ["line-a"]}


@pytest.mark.parametrize("password", ["short", "password123", "ian", ""])
def test_a_weak_password_is_said_beside_its_field(password, page, ada):
    response = page(ada).post(reverse("setup_user_new"), ACCOUNT | {"password": password})
    assert response.status_code == 400
    assert errors_beside(response, "password")
    assert not User.objects.filter(username="ian").exists()


def test_roles_lines_and_the_right_to_sign_in_are_changed(page, line, ada, ivy):
    sent = {"name": "Ivy", "roles": ["supervisor"], "lines": [line.pk]}
    page(ada).post(reverse("setup_user", args=[ivy.pk]), sent)
    changed = User.objects.get(pk=ivy.pk)
    assert (changed.is_active, roles_of(changed), changed.username) == (False, {"supervisor"}, "ivy")
    assert changed.has_usable_password()
    assert AuditEvent.objects.get().data["roles"] == {"before": ["inspector"], "after": ["supervisor"]}


def test_the_last_admin_stays_one(page, ada):
    sent = {"name": "Ada", "roles": ["supervisor"], "is_active": "on"}
    response = page(ada).post(reverse("setup_user", args=[ada.pk]), sent)
    assert response.status_code == 409
    assert "last active admin" in words(response)
    assert roles_of(User.objects.get(pk=ada.pk)) == {"admin"}


def test_a_password_is_reset(page, ada, ivy, client):
    where = reverse("setup_user_password", args=[ivy.pk])
    weak = page(ada).post(where, {"password": "short"})
    assert weak.status_code == 400
    assert "too short" in words(weak)
    page(ada).post(where, {"password": "quite another secret"})
    ivy.refresh_from_db()
    assert ivy.check_password("quite another secret")
    event = AuditEvent.objects.get()
    assert (event.action, event.subject, event.data) == ("password_reset", "user ivy", {})


def test_whoever_resets_their_own_password_stays_signed_in(page, ada):
    client = page(ada)
    client.post(reverse("setup_user_password", args=[ada.pk]), {"password": "quite another secret"})
    assert client.get(reverse("setup")).status_code == 200


# The audit trail


@pytest.fixture
def trail(line, ada):
    for number in range(3):
        audit.record("halted", by="sam", line="line-a", subject=f"halt {number}", reason=f"lamp {number}")
    audit.record("user_set_up", by="ada", subject="user =ian", roles=["inspector", "admin"])
    seals.seal_trail(line="line-a")


@pytest.mark.parametrize("name", ["audit_trail_page", "verify_trail"])
def test_those_who_oversee_read_the_trail(name, request, page, trail, ada, sam):
    for who in ("ivy", "otto", "cam"):
        assert page(request.getfixturevalue(who)).get(reverse(name)).status_code == 403
    assert page(sam).post(reverse("verify_trail")).status_code == 200


def test_the_trail_is_newest_first_and_filtered(page, trail, sam):
    def subjects(**query):
        return [event.subject for event in page(sam).get(reverse("audit_trail_page"), query).context["page_obj"]]

    assert subjects() == ["user =ian", "halt 2", "halt 1", "halt 0"]
    assert subjects(line="line-a", subject="halt 1") == ["halt 1"]
    assert subjects(line="-") == subjects(action="user_set_up") == ["user =ian"]
    assert subjects(action="nothing") == []


def test_the_trail_counts_what_is_sealed(page, trail, sam):
    response = page(sam).get(reverse("audit_trail_page"))
    assert "3 events sealed into the chain, 1 not yet." in words(response)
    assert "inspector, admin" in words(response)


def test_a_reader_bound_to_a_line_reads_that_line_and_the_factory(page, trail, sam):
    sam.lines.add(Line.objects.create(slug="line-b", name="Line B"))
    events = page(sam).get(reverse("audit_trail_page")).context["page_obj"]
    assert [event.subject for event in events] == ["user =ian"]


def test_the_chain_is_verified(page, trail, sam):
    assert "Nothing was altered." in words(page(sam).post(reverse("verify_trail")))


def test_an_altered_event_is_named(page, trail, sam):
    event = AuditEvent.objects.get(subject="halt 1")
    with append_only.open_door(), connection.cursor() as cursor:  # as somebody with the database's password could
        cursor.execute("UPDATE inspection_auditevent SET data = '{}' WHERE id = %s", [event.pk])
    text = words(page(sam).post(reverse("verify_trail")))
    assert "The trail was altered" in text
    assert f"event {event.pk} does not match its seal" in text


def test_what_is_shown_is_exported(page, trail, sam):
    response = page(sam).get(reverse("audit_trail_page"), {"format": "csv", "line": "-"})
    lines = b"".join(response.streaming_content).decode().splitlines()
    assert lines[0] == "at,by,action,line,subject,data,sealed,id,link,previous,digest"
    assert len(lines) == 2
    assert lines[1].endswith(f",no,{AuditEvent.objects.get(line='').pk},,,")


def test_a_formula_is_written_as_text(page, sam, line):
    audit.record("halted", by="=cmd()", line="line-a", subject="+1")
    response = page(sam).get(reverse("audit_trail_page"), {"format": "csv"})
    row = b"".join(response.streaming_content).decode().splitlines()[1]
    assert ",'=cmd()," in row
    assert ",'+1," in row
