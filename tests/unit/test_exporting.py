"""Dispositions leave as CSV or JSON lines with columns that keep their names: by day, by shift, and from a cursor."""

import csv
import io
import json
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from django.db.models import QuerySet
from django.utils import timezone

from automation.exporting import CHUNK, COLUMNS
from inspection import append_only
from inspection.actions import MarkedDefect
from inspection.models import Disposition, Inspection, Line, ModelOutputShown, Verdict

URL = "/api/v1/dispositions/export/"


@pytest.fixture
def past():
    """Moves dispositions into the past, where they are settled: `past()`, or `past(serial, moment)`."""

    def move(serial=None, moment=None):
        rows = QuerySet(Disposition).filter(**{"inspection__serial": serial} if serial else {})
        with append_only.open_door():
            rows.update(at=moment or timezone.now() - timedelta(hours=1))

    return move


@pytest.fixture
def decided(make_part, judge, ivy):
    def make(outcome="ok", *, defects=(), **fields):
        return judge(make_part(**fields), ivy, outcome, defects=defects)

    return make


def read(response):
    assert response.status_code == 200, response.content
    body = b"".join(response.streaming_content).decode()
    if response["Content-Type"].startswith("text/csv"):
        return list(csv.DictReader(io.StringIO(body)))
    return [json.loads(line) for line in body.splitlines()]


def test_a_record_says_what_became_of_the_part_and_why_and_names_nobody(
    api, sam, make_part, judge, ivy, kinds, station, past
):
    part = make_part("SN1", lot="L7", station="cam-1")
    mark = MarkedDefect(photo=part.photos.get().pk, kind="scratch", severity="major", box=(0.1, 0.2, 0.3, 0.1))
    judge(part, ivy, "scratched", defects=[mark])
    past()
    [record] = read(api(sam).get(URL, {"format": "jsonl"}))
    assert tuple(record) == COLUMNS
    told = {"serial": "SN1", "lot": "L7", "station": "cam-1", "disposition": "reject", "decided_by": "person"}
    told |= {"reason": "judged scratched", "changed": False, "holds": True, "policy": None, "version": ""}
    assert record | told == record
    assert record["defects"] == [
        {"photo": 1, "view": "", "kind": "scratch", "severity": "major", "box": [0.1, 0.2, 0.3, 0.1]}
    ]
    assert "ivy" not in json.dumps(record)
    [row] = read(api(sam).get(URL))
    assert tuple(row) == COLUMNS
    assert (row["holds"], row["policy"], json.loads(row["defects"])) == ("true", "", record["defects"])


def test_what_the_machine_decided_names_version_and_policy_and_is_noted_as_shown(
    api, sam, line, version, set_level, make_part, answer, past
):
    policy = set_level(line, "partial", version, pass_below=0.1, reject_from=0.9, audit_share=0.001)
    part = make_part()
    answer(part, version, 0.01)
    past()
    [record] = read(api(sam).get(URL, {"format": "jsonl"}))
    assert (record["decided_by"], record["version"], record["policy"]) == ("machine", "v1", policy.number)
    assert ModelOutputShown.objects.filter(user=sam, inspection=part).exists()


def test_who_follows_by_the_cursor_gets_each_disposition_once(api, sam, decided, past):
    decided(serial="SN1")
    past()
    decided(serial="SN2")  # of this moment: it comes with the next question
    client = api(sam)
    first = client.get(URL, {"format": "jsonl"})
    assert [record["serial"] for record in read(first)] == ["SN1"]
    past()
    second = client.get(URL, {"format": "jsonl", "after": first["Shadowline-Next"]})
    assert [record["serial"] for record in read(second)] == ["SN2"]
    third = client.get(URL, {"format": "jsonl", "after": second["Shadowline-Next"]})
    assert (read(third), third["Shadowline-Next"]) == ([], second["Shadowline-Next"])


def test_a_shift_of_a_working_day_crosses_midnight(api, sam, decided, line, past):
    Line.objects.update(time_zone="Europe/Berlin")
    line.shifts.create(name="night", starts_at=time(22), ends_at=time(6))
    line.shifts.create(name="day", starts_at=time(6), ends_at=time(14))
    clock = {"SN1": "2026-03-03 21:59", "SN2": "2026-03-03 22:00", "SN3": "2026-03-04 05:59", "SN4": "2026-03-04 06:00"}
    for serial, words in clock.items():
        decided(serial=serial)
        past(serial, datetime.fromisoformat(words).replace(tzinfo=ZoneInfo("Europe/Berlin")))
    asked = {"line": "line-a", "from": "2026-03-03", "to": "2026-03-03", "shift": "night", "format": "jsonl"}
    response = api(sam).get(URL, asked)
    assert [(row["serial"], row["day"], row["shift"]) for row in read(response)] == [
        ("SN2", "2026-03-03", "night"), ("SN3", "2026-03-03", "night"),
    ]  # fmt: skip
    assert "Shadowline-Next" not in response
    asked = {"from": "2026-03-04", "to": "2026-03-04", "format": "jsonl"}
    assert [row["serial"] for row in read(api(sam).get(URL, asked))] == ["SN4"]


def test_more_than_one_chunk_of_them(api, sam, line, ivy):
    at = timezone.now() - timedelta(hours=1)
    parts = Inspection.objects.bulk_create(
        Inspection(line=line, serial=f"SN{n}", captured_at=at, received_at=at, hold_until=at, state="decided")
        for n in range(CHUNK + 1)
    )
    verdicts = Verdict.objects.bulk_create(Verdict(inspection=part, inspector=ivy, outcome="ok") for part in parts)
    Disposition.objects.bulk_create(
        Disposition(inspection=part, verdict=verdict, outcome="pass", reason="judged ok", at=at)
        for part, verdict in zip(parts, verdicts, strict=True)
    )
    found = read(api(sam).get(URL, {"format": "jsonl"}))
    assert [record["serial"] for record in found] == [part.serial for part in parts]


def test_who_is_bound_to_a_line_reads_that_one_alone(api, sam, decided, line, past):
    decided(serial="SN1", on=Line.objects.create(slug="line-b", name="Line B"))
    decided(serial="SN2")
    past()
    sam.lines.set([line])
    assert [row["serial"] for row in read(api(sam).get(URL))] == ["SN2"]
    assert api(sam).get(URL, {"line": "line-b"}).status_code == 403


def test_a_serial_that_a_spreadsheet_would_run_is_text(api, sam, decided, past):
    decided(serial="=1+1")
    past()
    assert read(api(sam).get(URL))[0]["serial"] == "'=1+1"
    assert read(api(sam).get(URL, {"format": "jsonl"}))[0]["serial"] == "=1+1"


@pytest.mark.parametrize("asked", [{"after": "x"}, {"format": "xml"}, {"shift": "none"}, {"from": "yesterday"}])
def test_what_makes_no_sense_is_refused(api, sam, line, asked):
    assert api(sam).get(URL, asked).status_code == 400


@pytest.mark.parametrize("who", ["cam", "ivy"])
def test_stations_and_inspectors_may_not(who, request, api):
    assert api(request.getfixturevalue(who)).get(URL).status_code == 403


def test_the_command_writes_the_same_file(decided, past, tmp_path, api, sam):
    decided(serial="SN1")
    past()
    out, file = io.StringIO(), tmp_path / "dispositions.csv"
    call_command("export_dispositions", str(file), "--json", stdout=out)
    answer = json.loads(out.getvalue())
    assert (answer["dispositions"], answer["next"]) == (1, Disposition.objects.get().pk)
    assert list(csv.DictReader(io.StringIO(file.read_text()))) == read(api(sam).get(URL))
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("export_dispositions", str(tmp_path / "none" / "x.csv"))
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["dispositions.csv"]
