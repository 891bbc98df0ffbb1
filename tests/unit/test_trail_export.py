"""The audit trail as files that somebody else can verify, and what the walk along the chains finds and does not."""

import csv
import io
import json
import re
import subprocess
import sys

import pytest
from django.conf import settings as site
from django.core.management import CommandError, call_command
from django.db import connection
from django.urls import reverse

from inspection import audit, seals
from inspection.append_only import audited_purge, install_triggers
from inspection.models import AuditEvent, AuditSeal, Line
from inspection.seals import heads, seal_trail, verify_trail
from inspection.trail_files import Exported
from inspection.unnamed import known

API = "/api/v1/audit/"


@pytest.fixture
def trail(line, make_part, judge, ivy):
    """A sealed trail: somebody judged, somebody halted, something of the factory; and one event that waits for its seal."""
    judge(make_part("SN1"), ivy, "ok")
    for number in range(3):
        audit.record("halted", by="sam", line="line-a", reason=f"lamp {number}: \N{HIGH VOLTAGE SIGN}", share=0.25)
    audit.record("user_set_up", by="ada", subject="user ian", roles=["inspector"])
    seal_trail()
    audit.record("resumed", by="sam", line="line-a")


def text_of(response) -> str:
    assert response.status_code == 200, response.content
    return b"".join(response.streaming_content).decode()


@pytest.fixture
def export(page):
    """`export(ada, sealed=1)` is the rows of the trail as JSON lines."""

    def rows(user, **query):
        response = page(user).get(reverse("audit_trail_page"), {"format": "jsonl"} | query)
        assert response["Content-Type"].startswith("application/x-ndjson")
        return [json.loads(line) for line in text_of(response).splitlines()]

    return rows


def recipe() -> str:
    """The program of the operator's guide, as it is printed there."""
    [code] = re.findall(r"```python\n(.*?)```", (site.BASE_DIR / "docs" / "operator.md").read_text(), re.DOTALL)
    return code


def verified_elsewhere(rows):
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    return subprocess.run([sys.executable, "-c", recipe()], input=lines, capture_output=True, text=True, check=False)


# ---- the file


def test_each_row_is_an_event_with_its_link(trail, export, ada):
    rows = export(ada, sealed=1)
    assert all(list(row) == list(Exported._fields) for row in rows)
    assert [row["id"] for row in rows] == sorted((row["id"] for row in rows), reverse=True)
    waiting = [row for row in rows if not row["sealed"]]
    assert [row["action"] for row in waiting] == ["trail_exported", "resumed"]
    assert {(row["link"], row["previous"], row["digest"]) for row in waiting} == {(None, "", "")}
    first = next(row for row in rows if row["link"] == 1 and row["line"] == "line-a")
    second = next(row for row in rows if row["link"] == 2 and row["line"] == "line-a")
    assert (first["previous"], second["previous"]) == ("", first["digest"])
    assert second["digest"] == AuditSeal.objects.get(event_id=second["id"]).digest


def test_somebody_else_verifies_it_with_the_program_of_the_guide(trail, export, ada):
    seal_trail()
    done = verified_elsewhere(export(ada, sealed=1))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "everything fits"
    for line, digest in heads().items():
        assert f"{line or '-'}: links 1 to " in done.stdout
        assert digest in done.stdout


@pytest.mark.parametrize(
    "fields", [{"by": "eve"}, {"data": {}}, {"at": "2020-01-01T00:00:00+00:00"}, {"previous": "0" * 64}]
)
def test_a_row_that_was_altered_on_the_way_is_found(trail, export, ada, fields):
    rows = export(ada, sealed=1)
    victim = next(row for row in rows if row["action"] == "halted" and row["link"])
    done = verified_elsewhere([row | fields if row is victim else row for row in rows])
    assert done.returncode == 1
    assert f"event {victim['id']} does not match its digest" in done.stdout


def test_the_filters_are_kept_and_what_is_left_verifies_alone(trail, export, ada):
    rows = export(ada, sealed=1, line="line-a", action="halted")
    assert [row["action"] for row in rows] == ["halted"] * 3
    assert verified_elsewhere(rows[::2]).returncode == 0
    assert [row["line"] for row in export(ada, line="-", action="user_set_up")] == [""]
    assert [row["subject"] for row in export(ada, subject="user i")] == ["user ian"]


def test_the_csv_has_the_same_columns(trail, page, ada):
    query = {"format": "csv", "sealed": 1, "line": "line-a"}
    header, *rows = csv.reader(io.StringIO(text_of(page(ada).get(reverse("audit_trail_page"), query))))
    assert header == list(Exported._fields)
    told = dict(zip(header, rows[-1], strict=True))
    link = AuditSeal.objects.get(line="line-a", number=int(told["link"]))
    assert (told["sealed"], told["digest"], int(told["id"])) == ("yes", link.digest, link.event_id)


def test_it_streams_and_asks_a_batch_at_a_time(trail, ada, monkeypatch, export):
    monkeypatch.setattr("inspection.trail_files.CHUNK", 2)
    assert len(export(ada, sealed=1)) == AuditEvent.objects.count()


# ---- names


def test_where_pseudonyms_are_told_no_digest_tells_the_name(trail, export, sam, ada, ivy):
    """With the digest before, its own and all words but one, a name is guessed in a moment."""
    for reader in (sam, ada):
        rows = export(reader)
        assert "ivy" not in json.dumps(rows)
        assert {row["by"] for row in rows if row["action"] == "verdict_recorded"} == {ivy.pseudonym}
        assert not [row for row in rows if row["digest"] or row["previous"]]
        assert all(row["link"] for row in rows if row["sealed"])


def test_as_sealed_a_row_holds_no_name_of_an_account(trail, line, export, ada, ivy, sam):
    """The chain is over pseudonyms, so that it fits when the names are gone."""
    audit.record("halted", by=sam, line="line-a", signed={"name": "Sam Long", "at": "x", "meaning": "halted"})
    seal_trail()
    rows = export(ada, sealed=1)
    text = json.dumps(rows)
    assert "ivy" not in text
    assert "Sam Long" not in text
    assert sam.pseudonym in {row["by"] for row in rows}
    assert verified_elsewhere(rows).returncode == 0


def test_whoever_exports_the_trail_as_sealed_is_on_record_with_the_filters(trail, export, ada):
    assert not AuditEvent.objects.filter(action="trail_exported").exists()
    export(ada)
    assert not AuditEvent.objects.filter(action="trail_exported").exists()
    export(ada, sealed=1, line="line-a")
    event = AuditEvent.objects.get(action="trail_exported")
    assert (event.by, event.data) == ("ada", {"filters": {"line": "line-a"}})


def test_only_an_admin_exports_the_trail_as_sealed(trail, page, api, sam):
    assert page(sam).get(reverse("audit_trail_page"), {"format": "jsonl", "sealed": 1}).status_code == 403
    assert api(sam).get(API, {"format": "jsonl", "sealed": "1"}).status_code == 403
    assert not AuditEvent.objects.filter(action="trail_exported").exists()


def test_where_names_are_told_anyway_so_are_the_seals(trail, export, sam, settings):
    settings.SUPERVISORS_SEE_NAMES = True
    assert {row["by"] for row in export(sam) if row["action"] == "verdict_recorded"} == {"ivy"}
    assert verified_elsewhere(export(sam, sealed=1)).returncode == 0


# ---- who may, and which lines


@pytest.mark.parametrize("format", ["csv", "jsonl"])
@pytest.mark.parametrize("name", ["ivy", "otto", "cam"])
def test_whoever_may_not_read_the_trail_exports_none(trail, page, api, request, name, format):
    person = request.getfixturevalue(name)
    assert page(person).get(reverse("audit_trail_page"), {"format": format}).status_code == 403
    assert api(person).get(API, {"format": format}).status_code == 403


def test_a_reader_of_one_line_exports_that_one_and_the_factory(trail, export, sam):
    sam.lines.add(Line.objects.create(slug="line-b", name="Line B"))
    assert {row["line"] for row in export(sam)} == {""}


def test_the_api_gives_the_same_file(trail, export, api, ada):
    given = api(ada).get(API, {"format": "jsonl", "sealed": "true", "line": "line-a", "action": "halted"})
    assert [json.loads(row) for row in text_of(given).splitlines()] == export(
        ada, sealed=1, line="line-a", action="halted"
    )
    assert text_of(api(ada).get(API, {"format": "csv"})).startswith("at,by,action,")


def test_the_apis_pages_are_filtered_and_nonsense_is_refused(trail, api, sam):
    assert [row["by"] for row in api(sam).get(API, {"line": "-"}).json()["results"]] == ["ada"]
    assert len(api(sam).get(API, {"action": "halted", "subject": ""}).json()["results"]) == 3
    refused = api(sam).get(API, {"format": "xml"})
    assert (refused.status_code, refused.json()["detail"]) == (400, "'format' is 'xml'. Allowed: json, csv, jsonl.")


def test_the_page_offers_the_files_and_names_to_admins_alone(trail, page, sam, ada):
    for reader, offered in ((sam, False), (ada, True)):
        html = page(reader).get(reverse("audit_trail_page"), {"line": "line-a"}).content.decode()
        assert "line=line-a&amp;format=jsonl" in html
        assert ("sealed=1" in html) == offered


def test_a_certificate_in_the_trail_is_named_by_its_digest(page, sam, line):
    audit.record("level_raise", by="ada", line="line-a", certificate={"sha256": "ab" * 32, "gates": []})
    html = page(sam).get(reverse("audit_trail_page")).content.decode()
    assert f"SHA-256 {'ab' * 32}" in html
    assert "gates" not in html


def test_a_signature_in_the_trail_says_whose_it_is_and_what_it_meant(page, sam, line):
    signed = {"name": "Ada Berg", "at": "2026-03-02T12:00:00+00:00", "meaning": "proposed"}
    audit.record("change_proposed", by="ada", line="line-a", signed=signed)
    assert "Ada Berg (proposed)" in page(sam).get(reverse("audit_trail_page")).content.decode()


# ---- the chain is broken on purpose


@pytest.fixture
def tamper(trail):
    """Changes history with the database's own tools, the triggers dropped and put back."""

    def change(*statements):
        verbs = ("update", "delete", "truncate") if connection.vendor == "postgresql" else ("update", "delete")
        with connection.cursor() as cursor:
            for table in ("inspection_auditevent", "inspection_auditseal"):
                where = f" ON {table}" if connection.vendor == "postgresql" else ""
                for verb in verbs:
                    cursor.execute(f"DROP TRIGGER {table}_refuses_{verb}{where}")
            for statement, *parameters in statements:
                cursor.execute(statement, parameters)
        install_triggers()

    return change


def test_an_event_that_was_purged_through_the_door_is_missed(trail):
    """The purge is on record, and what went is named all the same."""
    event = AuditEvent.objects.filter(action="halted").first()
    with audited_purge(by="ada", reason="an error"):
        AuditEvent.objects.filter(pk=event.pk).delete()
    assert verify_trail().broken == [f"link 2 of line-a: event {event.pk} is missing"]


def test_one_word_of_a_certificate_is_missed(tamper, line):
    event = audit.record("level_raise", by="ada", line="line-a", certificate={"sha256": "ab" * 32, "level": "partial"})
    seal_trail()
    data = json.dumps({"certificate": {"sha256": "ab" * 32, "level": "full"}})
    tamper(("UPDATE inspection_auditevent SET data = %s WHERE id = %s", data, event.pk))
    [broken] = verify_trail().broken
    assert broken.endswith(f"event {event.pk} does not match its seal")


def cut(tamper, line="line-a"):
    """Take the last link and its event; return the head that there was."""
    last = AuditSeal.objects.filter(line=line).order_by("number").last()
    tamper(
        ("DELETE FROM inspection_auditseal WHERE id = %s", last.pk),
        ("DELETE FROM inspection_auditevent WHERE id = %s", last.event_id),
    )
    return last.digest


def test_a_tail_that_was_cut_off_is_found_by_its_head_alone(tamper):
    known = [*heads().items()]
    assert verify_trail(known).broken == []
    digest = cut(tamper)
    assert verify_trail().broken == [], "what is left holds together"
    assert verify_trail(known).broken == [f"the chain of line-a has no link {digest}: it was cut off or written anew"]


def test_a_chain_that_was_written_anew_is_found_by_its_head_alone(tamper):
    known = [*heads().items()]
    tamper(
        ("UPDATE inspection_auditevent SET data = '{}' WHERE line = 'line-a' AND action = 'halted'",),
        ("DELETE FROM inspection_auditseal WHERE line = 'line-a'",),
    )
    seal_trail()
    assert verify_trail().broken == []
    assert len(verify_trail(known).broken) == 1


def test_an_old_head_is_good_for_ever(trail):
    known = [*heads().items()]
    audit.record("halted", by="sam", line="line-a")
    seal_trail()
    assert dict(known) != heads()
    assert verify_trail(known).broken == []
    assert set(heads()) == {"", "line-a"}


def run(*args):
    out = io.StringIO()
    call_command("verify_audit_trail", "--json", *args, stdout=out)
    return json.loads(out.getvalue())


def test_the_command_prints_the_heads_and_takes_them_back(tamper):
    known = run("--heads")["heads"]
    assert known == heads()
    given = [word for line, digest in known.items() for word in ("--head", f"{line}={digest}")]
    assert run(*given)["broken"] == []
    assert "heads" not in run()
    cut(tamper, line="")
    with pytest.raises(CommandError, match="broken in 1 places: the chain of the factory has no link"):
        run(*given)


@pytest.mark.parametrize("text", ["line-a", "line-a=", "line-a=xyz", "=" + "A" * 64])
def test_a_head_that_is_none_is_refused(trail, text):
    with pytest.raises(CommandError, match="Write the line and the 64 digits of its link"):
        run("--head", text)


def test_the_recipe_says_what_the_seals_are(trail, export, ada):
    event = AuditEvent.objects.filter(action="halted").first()
    row = next(row for row in export(ada, sealed=1) if row["id"] == event.pk)
    assert seals.digest_of(event, row["previous"], known()) == row["digest"]
