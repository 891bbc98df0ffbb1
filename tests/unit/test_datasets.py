"""A data set to take along: what goes in and under which label, what stays behind and is counted, whole or not at all."""

import csv
import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from inspection import actions
from inspection.models import AuditEvent, Disposition, Inspection, Line, Origin, User, Verdict
from inspection.photos import path_of
from shadow.adjudicating import adjudicate
from shadow.datasets import COLUMNS
from shadow.models import HeldOut, TrainingPart
from shadow.snapshots import held_out
from shadow.training_data import items_of_csv, items_of_line, rows_of

pytestmark = pytest.mark.django_db
MARK = (0.125, 0.2, 0.3, 0.4)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "away" / "set"


@pytest.fixture(autouse=True)
def key():
    HeldOut.objects.create(pk=1, key="k", share=0.15)


def export(folder, *options) -> dict:
    out = io.StringIO()
    call_command("export_dataset", str(folder), "--line", "line-a", "--json", *options, stdout=out)
    assert out.getvalue().count("\n") == 1, "one line for machines"
    return json.loads(out.getvalue())


def listed(folder) -> list[dict[str, str]]:
    with (folder / "dataset.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def labels(folder) -> dict[str, str]:
    return {row["serial"]: row["label"] for row in listed(folder)}


def marked(part, kind="scratch"):
    return [actions.MarkedDefect(photo=part.photos.first().pk, kind=kind, box=MARK)]


@pytest.fixture
def many(make_part, judge, ivy, kinds):
    """24 judged parts of two photos; each third is scratched, of those each second with a mark on its first photo."""
    for number in range(24):
        part, scratched = make_part(photos=2, lot=f"L{number % 2}"), number % 3 == 0
        defects = marked(part) if scratched and number % 2 else ()
        judge(part, ivy, "scratched" if scratched else "ok", defects=defects)


def taught(items) -> list[tuple]:
    """What a training is told of each photo, in no order."""
    parts = sorted({item.part for item in items})
    told = [(item.group, item.label, item.boxes, item.part in parts) for item in items]
    by_part = [(item.group, sum(other.part == item.part for other in items)) for item in items]
    return sorted(zip(told, by_part, strict=True))


def test_a_training_and_an_evaluation_read_what_a_training_of_the_line_would(line, many, folder):
    answer = export(folder)
    assert (answer["parts"], answer["photos"], answer["labels"]) == (24, 44, {"ok": 16, "scratched": 8})
    read = items_of_csv(folder / "dataset.csv", None)
    assert taught(read) == taught(items_of_line(line, None))
    assert {item.boxes for item in read} == {(), (MARK,)}
    assert [item.photo.read_bytes() for item in read] == [item.photo.read_bytes() for item in items_of_line(line, None)]
    tested = rows_of(folder / "dataset.csv", "test")
    assert {row.serial for row in tested} == {p.serial for p in Inspection.objects.all() if held_out()(p.serial)}


def test_the_import_of_another_line_makes_the_same_parts_once(line, many, folder):
    export(folder)
    other = Line.objects.create(slug="line-b", name="Line B")
    for imported, there in ((24, 0), (0, 24)):
        out = io.StringIO()
        call_command(
            "import_photos", str(folder / "dataset.csv"), "--line", "line-b", "--as-history", "--json", stdout=out
        )
        answer = json.loads(out.getvalue())
        assert (answer["imported"], answer["already_there"], answer["refused"]) == (imported, there, [])

    def told(line):
        parts = Inspection.objects.filter(line=line).prefetch_related("photos", "dispositions")
        return sorted((part.serial, part.lot, part.dispositions.get().outcome) for part in parts)

    assert told(other) == told(line)
    photos = Inspection.objects.filter(line=other, serial="SN00001").get().photos.all()
    assert [photo.stored for photo in photos] == [
        photo.stored for photo in Inspection.objects.get(line=line, serial="SN00001").photos.all()
    ]


def test_a_serial_is_of_one_split_and_one_split_can_be_asked_for(line, many, folder, tmp_path):
    answer = export(folder)
    splits = {row["serial"]: row["split"] for row in listed(folder)}
    assert set(splits.values()) == {"train", "calibrate", "test"} == set(answer["splits"])
    assert all(splits[row["serial"]] == row["split"] for row in listed(folder))
    some = export(tmp_path / "some", "--split", "test", "--split", "calibrate")
    assert labels(tmp_path / "some") == {
        serial: label for serial, label in labels(folder).items() if splits[serial] != "train"
    }
    assert some["left_out"]["of_another_split"] == answer["splits"]["train"]


def test_too_few_parts_are_exported_without_splits_and_it_is_told(make_part, judge, ivy, folder):
    judge(make_part("A"), ivy, "ok"), judge(make_part("B"), ivy, "ok")  # A is held out
    answer = export(folder)
    assert {row["serial"]: row["split"] for row in listed(folder)} == {"A": "test", "B": ""}
    assert "no scratched photo" in answer["undealt"]


def test_labels_are_those_that_supervisors_found(compared, sam, folder, make_part):
    right, wrong, unclear = compared("ok", 0.9), compared("ok", 0.9), compared("ok", 0.9)
    taught_otherwise = compared("scratched", 0.1)
    for prediction, finding in (
        (right, "person"),
        (wrong, "model"),
        (unclear, "ambiguous"),
        (taught_otherwise, "model"),
    ):
        adjudicate(prediction=prediction, finding=finding, reason="looked closely", by=sam)
    TrainingPart.objects.create(inspection=taught_otherwise.inspection, label="scratched", reason="a lab", by=sam)
    answer = export(folder)
    assert labels(folder) == {
        right.inspection.serial: "ok",
        wrong.inspection.serial: "scratched",
        taught_otherwise.inspection.serial: "scratched",
    }
    assert answer["left_out"] == {"contested": 1}


def test_what_is_left_out_is_counted_with_its_reason(make_part, judge, ivy, sam, kinds, folder):
    judge(part := make_part("A", photos=3), ivy, "scratched", defects=marked(part))
    judge(reference := make_part("B"), ivy, "scratched")
    judge(make_part("C", origin=Origin.SEEDED), ivy, "ok")
    actions.keep_reference(inspection=reference, truth="scratched", reason="measured", by=sam)
    judge(away := make_part("D"), ivy, "ok"), judge(lost := make_part("E"), ivy, "ok")
    TrainingPart.objects.create(inspection=away, label="", reason="blurred", by=sam)
    path_of(lost.photos.get().stored).unlink()
    machine = make_part("F")
    Inspection.objects.filter(pk=machine.pk).update(state="decided")
    Disposition.objects.create(inspection=machine, outcome="pass", by_machine=True, reason="score 0.01")
    make_part("G")
    assert export(folder)["left_out"] == {
        "measures_people": 2, "not_judged": 1, "taken_out_by_a_supervisor": 1, "decided_by_the_machine": 1,
        "photos_without_the_mark": 2, "photos_not_kept": 1,
    }  # fmt: skip
    assert labels(folder) == {"A": "scratched"}


def test_a_kind_that_is_no_scratch_is_told_of_a_good_part_too(make_part, judge, ivy, kinds, folder):
    judge(part := make_part("A"), ivy, "ok", defects=marked(part, "oil"))
    judge(part := make_part("B"), ivy, "scratched", defects=marked(part))
    assert [(row["kind"], row["boxes"]) for row in listed_after(folder)] == [
        ("oil", ""),
        ("scratch", "0.125 0.2 0.3 0.4"),
    ]


def listed_after(folder):
    export(folder)
    return listed(folder)


def test_a_span_takes_the_parts_that_arrived_in_it(make_part, judge, ivy, folder, tmp_path):
    now = timezone.now()
    for days in (3, 2, 1):
        judge(make_part(f"D{days}", now=now - timedelta(days=days)), ivy, "ok")
        make_part(f"open {days}", now=now - timedelta(days=days), captured_at=now)
        Inspection.objects.filter(serial=f"open {days}").update(state="closed")
    day = str((now - timedelta(days=2)).date())
    answer = export(folder, "--from", day, "--to", day)
    assert (set(labels(folder)), answer["left_out"]) == ({"D2"}, {"not_judged": 1})
    export(tmp_path / "later", "--from", (now - timedelta(days=2, hours=1)).isoformat())
    assert set(labels(tmp_path / "later")) == {"D2", "D1"}


def test_nobody_who_judged_is_named(many, folder, ivy):
    export(folder)
    text = "".join(file.read_text() for file in folder.iterdir() if file.is_file())
    assert tuple(listed(folder)[0]) == COLUMNS
    for person in User.objects.all():
        assert person.username not in text
    for verdict in Verdict.objects.all()[:1]:
        assert str(verdict.at.isoformat()) not in text


def test_the_trail_says_who_took_what_and_when(many, folder, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "pat")
    answer = export(folder, "--split", "test")
    event = AuditEvent.objects.get(action="data_set_exported")
    assert (event.by, event.line, event.data["account"]) == ("export_dataset", "line-a", "pat")
    assert (event.data["folder"], event.data["sha256"]) == (str(folder), answer["sha256"])
    assert event.data["parts"] == answer["parts"] == len({row["inspection"] for row in listed(folder)})
    card = json.loads((folder / "dataset.json").read_text())
    assert card == {name: value for name, value in answer.items() if name != "folder"}


def test_a_folder_that_is_not_new_is_refused(many, folder):
    folder.mkdir(parents=True)
    (folder / "mine.txt").write_text("keep")
    with pytest.raises(CommandError, match=r"is there already. Name a new folder"):
        export(folder)
    assert [file.name for file in folder.parent.rglob("*")] == ["set", "mine.txt"]


def test_a_full_disk_leaves_nothing_behind(many, folder, monkeypatch):
    writes = iter(range(10))

    def full(path, data):
        if next(writes) == 9:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(CommandError, match="No space left on device"):
        export(folder)
    assert not list(folder.parent.iterdir())
    assert not AuditEvent.objects.filter(action="data_set_exported").exists()


def test_nothing_to_export_says_why(make_part, line, folder):
    with pytest.raises(CommandError, match=r"Line A has nothing to export here. Left out: nothing"):
        export(folder)
    make_part("A")
    with pytest.raises(CommandError, match="not judged 1"):
        export(folder)
    assert not folder.exists()


def test_words_for_people(make_part, judge, ivy, folder):
    judge(make_part("B"), ivy, "ok"), make_part("C")
    out = io.StringIO()
    call_command("export_dataset", str(folder), "--line", "line-a", stdout=out)
    first, *rest = out.getvalue().splitlines()
    assert first == f"1 parts with 1 photos in {folder}"
    assert rest[:3] == ["labels: ok 1", "splits: none 1", "left out: not judged 1"]
    assert rest[3].startswith("not dealt into splits: no scratched photo")
