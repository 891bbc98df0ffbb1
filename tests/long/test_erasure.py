"""A person is erased: no name of theirs is left in any table, verdicts stay under the pseudonym, and the trail verifies."""

import io
import json
import zipfile

import pytest
from axes.models import AccessAttempt
from django.apps import apps
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection

from automation.actions import propose_change, set_halt
from inspection import actions, audit, people
from inspection.models import ApiToken, AuditEvent, Erasure, FiguresRead, Lease, User, Verdict
from inspection.refusals import BadInput, Conflict, NotAllowed
from inspection.roles import Role
from inspection.seals import heads, seal_trail, verify_trail
from inspection.tasks import keep_house
from tests.conftest import make_person

pytestmark = pytest.mark.django_db


def everything() -> str:
    """Every row of every table, as text."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            found += [f"{table}: {row}" for row in cursor.fetchall()]
    return "\n".join(found)


@pytest.fixture
def una(db) -> User:
    """A supervisor who judges, signs and is set up by ada: names that occur nowhere else."""
    person = make_person("unaquist", Role.SUPERVISOR, Role.ADMIN)
    User.objects.filter(pk=person.pk).update(first_name="Una", last_name="Quist", email="una@quist.example")
    return User.objects.get(pk=person.pk)


@pytest.fixture
def story(una, ada, ivy, line, shadowed, version, make_part, judge, answer, client):
    """All that may hold her names: verdicts, a halt that she signed, a lease, a containment that she owns, an own account."""
    actions.set_up_user(user=una, by=ada, roles=["supervisor", "admin"], lines=[line])
    client.force_login(una)
    client.get("/preferences/")
    ApiToken.issue(una)
    part = make_part("SN1")
    answer(part, version, 0.01)
    verdict = judge(part, una, "scratched")
    actions.correct_verdict(verdict=verdict, outcome="unsure", reason="", by=una)
    make_part("SN2")
    actions.claim(line=line, by=una)
    actions.free_lease(inspection=line.inspections.get(serial="SN2"), by=ada)
    actions.claim(line=line, by=una)
    part.refresh_from_db()
    propose_change(line=line, by=una, level="human_only", reason="lamp")
    set_halt(line=line, on=True, by=una, reason="lamp")
    audit.record("halted", by=una, line=line.slug, signed={"name": str(una), "at": "x", "meaning": "resumed"})
    actions.set_own_language(user=una, language="zh-hans", by=una)
    AccessAttempt.objects.create(username="unaquist", ip_address="10.0.0.1", failures_since_start=1)
    seal_trail()
    return una


def erase(person, by, **fields):
    erasure = actions.begin_erasure(person=person, confirmed=person.username, by=by)
    return actions.erase_some(erasure=erasure, **fields)


def test_no_name_is_left_in_any_table_and_the_trail_verifies(story, ada):
    before, known = everything(), heads()
    assert "unaquist" in before
    assert "Una Quist" in before
    erasure = erase(story, ada)
    assert erasure.done_at
    left = [
        row
        for row in everything().splitlines()
        for name in ("unaquist", "Una", "Quist", "quist.example")
        if name in row
    ]
    assert left == []
    report = verify_trail(known.items())
    assert report.broken == []
    keep_house()
    assert verify_trail(known.items()).broken == []


def test_verdicts_stay_under_the_pseudonym(story, ada, sam):
    verdicts = Verdict.objects.filter(inspector=story).count()
    erase(story, ada)
    story.refresh_from_db()
    assert Verdict.objects.filter(inspector=story).count() == verdicts == 1
    assert people.name_for(sam, story) == story.pseudonym == story.username
    assert {event.by for event in AuditEvent.objects.filter(action="verdict_recorded")} == {story.pseudonym}


def test_the_account_is_closed_at_once(story, ada, client):
    actions.begin_erasure(person=story, confirmed="unaquist", by=ada)
    story.refresh_from_db()
    assert not story.is_active
    assert not story.has_usable_password()
    assert (story.email, story.language, story.groups.count(), story.lines.count()) == ("", "", 0, 0)
    assert not ApiToken.objects.filter(user=story).exists()
    assert not Lease.objects.filter(user=story).exists()
    assert not Session.objects.exists()
    assert not AccessAttempt.objects.exists()
    assert client.get("/preferences/").status_code == 302  # the session is gone: one signs in


def test_a_long_history_is_erased_bit_by_bit_and_fits_its_seals_meanwhile(story, ada, sam):
    erasure = actions.begin_erasure(person=story, confirmed="unaquist", by=ada)
    steps = 0
    while not erasure.done_at:
        erasure, steps = actions.erase_some(erasure=erasure, most=2), steps + 1
        seal_trail()
        assert verify_trail().broken == []
        assert "unaquist" not in {
            event.by for event in people.told_to(sam, AuditEvent.objects.filter(action="verdict_recorded"))
        }
    assert steps > 2
    assert actions.erase_some(erasure=erasure).events == erasure.events > 5
    assert AuditEvent.objects.filter(action="person_erased").count() == 1


def test_the_workers_go_on_with_what_was_begun(story, ada):
    actions.begin_erasure(person=story, confirmed="unaquist", by=ada)
    keep_house()
    assert Erasure.objects.get().done_at


def test_an_altered_row_is_still_found_after_an_erasure(story, ada):
    """Names alone may change: another actor, or another word, does not fit."""
    erase(story, ada)
    event = AuditEvent.objects.filter(action="verdict_recorded").first()
    from inspection.append_only import open_door

    for changed in ({"by": ada.username}, {"data": event.data | {"outcome": "ok"}}):
        with open_door():
            AuditEvent._base_manager.filter(pk=event.pk).update(**changed)
        assert [words.partition(": ")[2] for words in verify_trail().broken] == [
            f"event {event.pk} does not match its seal"
        ]
        with open_door():
            AuditEvent._base_manager.filter(pk=event.pk).update(by=event.by, data=event.data)
    assert verify_trail().broken == []


def test_a_new_account_of_the_old_name_is_another_person(story, ada):
    erase(story, ada)
    new = actions.set_up_user(
        user=User(username="unaquist"), by=ada, roles=["inspector"], lines=[], password="a long new word"
    )
    audit.record("halt_requested", by=new, line="line-a")
    seal_trail()
    assert verify_trail().broken == []


def test_who_may_and_what_is_refused(story, ada, sam, ivy):
    with pytest.raises(NotAllowed):
        actions.begin_erasure(person=ivy, confirmed="ivy", by=sam)
    with pytest.raises(BadInput):
        actions.begin_erasure(person=ivy, confirmed="ian", by=ada)
    with pytest.raises(Conflict):
        actions.begin_erasure(person=ada, confirmed="ada", by=ada)
    assert not Erasure.objects.exists()
    first = actions.begin_erasure(person=story, confirmed="unaquist", by=ada)
    assert actions.begin_erasure(person=story, confirmed="", by=ada) == first
    with pytest.raises(Conflict):
        actions.begin_erasure(person=ada, confirmed="ada", by="command line")  # the last admin who is left
    erase(story, ada)
    story.refresh_from_db()
    with pytest.raises(Conflict):
        actions.set_up_user(user=story, by=ada, roles=["inspector"], lines=[])
    with pytest.raises(Conflict):
        actions.reset_password(user=story, password="a long new word", by=ada)
    with pytest.raises(BadInput):
        actions.set_up_user(user=User(username=ivy.pseudonym), by=ada, roles=[], lines=[], password="a long new word")


def test_the_page_asks_for_the_name_and_the_command_too(story, ada, page, monkeypatch, capsys):
    client = page(ada)
    url = f"/setup/users/{story.pk}/erase/"
    assert "Type unaquist to confirm" in client.get(url).content.decode()
    assert AuditEvent.objects.get(action="pseudonyms_read").data == {"of": [story.pseudonym]}
    refused = client.post(url, {"confirmed": "una"})
    assert (refused.status_code, Erasure.objects.count()) == (400, 0)
    monkeypatch.setattr("builtins.input", lambda asked: "no")
    with pytest.raises(CommandError, match="Nothing was erased"):
        call_command("erase_person", "unaquist")
    assert client.post(url, {"confirmed": "unaquist"}).status_code == 302
    assert "had this account erased" in client.get(url).content.decode()
    assert "unaquist" not in client.get("/setup/users/").content.decode()
    make_person("otherone")
    call_command("erase_person", "otherone", "--confirm", "otherone", "--json")
    assert json.loads(capsys.readouterr().out)["events"] == 0


# ---- what is kept, as a file


def unpacked(response) -> dict[str, str]:
    packed = zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content)))
    return {name: packed.read(name).decode() for name in packed.namelist()}


def test_a_person_takes_everything_kept_of_them(story, ada, page, make_part, judge, line):
    client = page(story)
    files = unpacked(client.post("/preferences/data/file/"))
    account = json.loads(files["account.json"])
    assert (account["username"], account["name"], account["email"]) == ("unaquist", "Una Quist", "una@quist.example")
    [verdict] = [json.loads(row) for row in files["verdicts.jsonl"].splitlines()]
    assert (verdict["serial"], verdict["outcome"]) == ("SN1", "scratched")
    assert files["verdicts.csv"].splitlines()[0] == "at,line,serial,outcome,occasion,comment,duration_ms"
    assert {json.loads(row)["action"] for row in files["trail.jsonl"].splitlines()} >= {"halted", "user_changed"}
    assert "correction" not in files["signed.jsonl"]
    assert AuditEvent.objects.filter(action="person_exported", by="unaquist").count() == 1
    assert not FiguresRead.objects.exists()


def test_no_audit_and_no_truth_that_may_come_again_is_told(line, make_part, ivy, sam, page, judge):
    audited, source, shown = make_part("AU"), make_part("SRC"), make_part("SEED")
    Verdict.objects.create(inspection=audited, inspector=ivy, occasion="audit", outcome="ok")
    Verdict.objects.create(inspection=shown, inspector=ivy, outcome="ok")
    audit.record("verdict_recorded", by=ivy, line="line-a", subject=audited, outcome="ok", occasion="audit")
    seeded = apps.get_model("inspection", "SeededPart")
    reference = apps.get_model("inspection", "Reference").objects.create(
        inspection=source, truth="scratched", reason="x", by=sam
    )
    seeded.objects.create(inspection=shown, source=source, purpose="reference", truth="scratched", by="system")
    files = unpacked(page(ivy).post("/preferences/data/file/"))
    assert "audit" not in files["verdicts.csv"] + files["trail.jsonl"]
    assert "scratched" not in "".join(files.values())
    reference.retired_at, reference.retired_by = reference.at, sam
    reference.save()
    [row] = [
        json.loads(line)
        for line in unpacked(page(ivy).post("/preferences/data/file/"))["known_truth.jsonl"].splitlines()
    ]
    assert (row["truth"], row["outcome"], row["serial"]) == ("scratched", "ok", "SEED")


def test_an_admin_takes_it_for_them_and_they_can_read_that(story, ada, page):
    assert "verdicts.csv" in unpacked(page(ada).post(f"/setup/users/{story.pk}/data/"))
    assert list(FiguresRead.objects.values_list("reader__username", "person__username", "where")) == [
        ("ada", "unaquist", "export")
    ]


def test_the_command_writes_the_file_for_its_owner_alone(story, tmp_path, capsys):
    target = tmp_path / "una.zip"
    call_command("export_person", "unaquist", "--to", str(target))
    assert target.stat().st_mode & 0o077 == 0
    assert "account.json" in zipfile.ZipFile(target).namelist()
    for words in (["unaquist", "--to", str(target)], ["nobody"]):
        with pytest.raises(CommandError):
            call_command("export_person", *words)
