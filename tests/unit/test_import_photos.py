"""Imports: a folder or a list becomes parts once, what cannot be taken is named, and the rest is kept."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from inspection.importing import read_list
from inspection.models import ApiToken, AuditEvent, Inspection, Verdict
from inspection.refusals import BadInput
from tests.conftest import photo_bytes

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(tmp_path):
    """Three photos, one of them in a subfolder, and a file that is none."""
    place = tmp_path / "batch"
    (place / "night").mkdir(parents=True)
    for number, name in enumerate(["a.jpg", "b.PNG", "night/c.webp"]):
        format = {"g": "JPEG", "G": "PNG", "p": "WEBP"}[name[-1]]
        (place / name).write_bytes(photo_bytes(size=(64, 48), seed=number, format=format))
    (place / "notes.txt").write_text("no photo")
    return place


def listed(folder, text: str, name: str = "index.csv"):
    (folder / name).write_text(text)
    return folder / name


def run(path, *options) -> dict:
    out = io.StringIO()
    call_command("import_photos", str(path), "--line", "line-a", "--json", *options, stdout=out)
    assert out.getvalue().count("\n") == 1, "one line for machines"
    return json.loads(out.getvalue())


def failed(path, *options) -> tuple[dict, str]:
    out = io.StringIO()
    with pytest.raises(CommandError) as error:
        call_command("import_photos", str(path), "--line", "line-a", "--json", *options, stdout=out)
    assert error.value.returncode == 1
    return json.loads(out.getvalue() or "{}"), str(error.value)


def test_a_folder_becomes_parts_for_the_queue(line, folder):
    answer = run(folder)
    assert (answer["imported"], answer["refused"]) == (3, [])
    parts = Inspection.objects.order_by("pk")
    assert [(part.serial, part.origin, part.state) for part in parts] == [
        ("a", "live", "waiting"), ("b", "live", "waiting"), ("c", "live", "waiting"),
    ]  # fmt: skip


def test_importing_again_adds_nothing(line, folder):
    run(folder)
    answer = run(folder)
    assert (answer["imported"], answer["already_there"]) == (0, 3)
    assert Inspection.objects.count() == 3


def test_the_next_batch_may_use_the_same_file_names(line, folder):
    run(folder)
    (folder / "a.jpg").write_bytes(photo_bytes(seed="another"))
    answer = run(folder)
    assert (answer["imported"], answer["already_there"]) == (1, 2)


def test_a_list_names_photos_relative_to_itself(line, folder):
    path = listed(folder, "path,label,split,serial,lot\nnight/c.webp,ok,val,SN7,L1\na.jpg,,,,\n")
    assert run(path)["imported"] == 2
    first, second = Inspection.objects.order_by("pk")
    assert (first.serial, first.split, first.lot, first.origin) == ("SN7", "val", "L1", "live")
    assert second.serial == "a"
    assert not Verdict.objects.exists(), "a label of a live part is nobody's verdict"


def test_as_history_labels_become_verdicts_and_nothing_is_queued(line, folder):
    path = listed(folder, "path,label\na.jpg,ok\nb.PNG,Scratched\nnight/c.webp,\n")
    answer = run(path, "--as-history")
    assert (answer["imported"], answer["labelled"]) == (3, 2)
    rows = [
        (part.serial, part.origin, part.state, part.disposition and part.disposition.outcome)
        for part in Inspection.objects.order_by("pk")
    ]
    assert rows == [
        ("a", "imported", "decided", "pass"), ("b", "imported", "decided", "reject"), ("c", "imported", "closed", None),
    ]  # fmt: skip
    assert set(Verdict.objects.values_list("occasion", "inspector")) == {("history", None)}
    assert AuditEvent.objects.filter(action="history_imported").count() == 2
    assert not Inspection.objects.live().exists()


def test_a_crash_between_part_and_label_leaves_no_half_of_it(line, folder, monkeypatch):
    path = listed(folder, "path,label\na.jpg,ok\n")
    monkeypatch.setattr("inspection.actions.import_history", lambda **fields: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(path, "--as-history")
    assert not Inspection.objects.exists()
    monkeypatch.undo()


def test_a_folder_takes_its_labels_from_a_second_file(line, folder, tmp_path):
    labels = listed(tmp_path, "path,label\nnight/c.webp,scratched\na.jpg,ok\n", "labels.csv")
    run(folder, "--labels", str(labels), "--as-history")
    found = {part.serial: part.verdicts.first().outcome for part in Inspection.objects.filter(state="decided")}
    assert found == {"c": "scratched", "a": "ok"}


def test_a_label_for_no_photo_is_told(line, folder, tmp_path):
    labels = listed(tmp_path, "path,label\nA.jpeg,ok\n", "labels.csv")
    answer, words = failed(folder, "--labels", str(labels))
    assert answer["imported"] == 3
    assert "A.jpeg: The file cannot be read: No such file" in words


def test_labels_of_their_own_are_for_folders(line, folder):
    path = listed(folder, "path,label\na.jpg,ok\n")
    assert "are for a folder" in failed(path, "--labels", str(path))[1]


def test_what_cannot_be_taken_is_named_and_the_rest_is_kept(line, folder):
    (folder / "broken.jpg").write_bytes((folder / "a.jpg").read_bytes()[:300])
    path = listed(folder, "path,label\na.jpg,ok\nmissing.jpg,ok\nbroken.jpg,ok\nb.PNG,ok\n")
    answer, words = failed(path)
    assert answer["imported"] == 2
    assert [row["path"] for row in answer["refused"]] == ["missing.jpg", "broken.jpg"]
    assert words == "2 of 4 photos were refused; missing.jpg: The file cannot be read: No such file or directory."


def test_a_serial_too_long_and_a_file_too_large_are_refused(line, folder, settings):
    settings.PHOTO_MAX_BYTES = 2000
    (folder / "large.jpg").write_bytes(bytes(2001))
    path = listed(folder, f"path,label,serial\na.jpg,,{'x' * 121}\nlarge.jpg,,\n")
    answer, _ = failed(path)
    assert ["121 characters" in answer["refused"][0]["reason"], "2,000 bytes" in answer["refused"][1]["reason"]] == [
        True, True,
    ]  # fmt: skip


def test_the_same_photo_under_another_serial_is_a_conflict_that_stops_nothing(line, folder):
    run(listed(folder, "path,label,serial\na.jpg,,S1\n"))
    answer, words = failed(listed(folder, "path,label,serial\na.jpg,,S2\nb.PNG,,S3\n"))
    assert answer["imported"] == 1
    assert "was used for part S1" in words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,kind\na.jpg,ok\n", "has no columns 'path' and 'label'"),
        ("path,label\na.jpg,good\n", "line 2: the label 'good' is neither"),
        ("path,label\na.jpg,ok\n,ok\n", "line 3: the path is empty"),
        ("path,label\n", "names no photo"),
        ("", "has no columns"),
    ],
)
def test_a_bad_list_is_refused_with_its_line_before_anything_is_imported(line, folder, text, words):
    _, error = failed(listed(folder, text))
    assert words in error
    assert not Inspection.objects.exists()


def test_what_is_no_list_at_all(line, folder, tmp_path):
    assert "is not a CSV file in UTF-8" in failed(folder / "a.jpg")[1]
    assert "does not exist" in failed(tmp_path / "nowhere")[1]
    (tmp_path / "empty").mkdir()
    assert "names no photo. Photos end in .jpeg, .jpg" in failed(tmp_path / "empty")[1]
    assert "is not a file" in failed(folder, "--labels", str(tmp_path))[1]


def test_an_unknown_line_names_the_known_ones(line, folder):
    with pytest.raises(CommandError, match=r"There is no line 'line-z'. Known lines: line-a."):
        call_command("import_photos", str(folder), "--line", "line-z")


def test_a_list_saved_by_a_spreadsheet_reads_well(folder):
    path = folder / "index.csv"
    path.write_bytes('\ufeffpath,label,extra\r\na.jpg, OK ,"x, y"\r\n'.encode())
    [row] = read_list(path)
    assert (row.name, row.label, row.serial) == ("a.jpg", "ok", "a")


@pytest.mark.parametrize(
    ("columns", "group"),
    [("phone", "P1"), ("group", "P1"), ("original", "P1"), ("serial", "P1"), ("split", "a.jpg")],
)
def test_photos_of_one_phone_are_a_group(folder, columns, group):
    [row] = read_list(listed(folder, f"path,label,mask_path,{columns}\na.jpg,ok,m.png,P1\n"))
    assert (row.group, row.mask) == (group, folder / "m.png")


def test_a_row_without_its_last_fields_is_a_row(folder):
    [row] = read_list(listed(folder, "path,label,split\na.jpg\n"))
    assert (row.label, row.split) == ("", "")


def test_a_list_that_cannot_be_opened(folder, monkeypatch):
    path = listed(folder, "path,label\na.jpg,ok\n")
    monkeypatch.setattr(
        "pathlib.Path.open", lambda *args, **options: (_ for _ in ()).throw(PermissionError(13, "Permission denied"))
    )
    with pytest.raises(BadInput, match="cannot be read: Permission denied"):
        read_list(path)


def test_words_for_people(line, folder):
    (folder / "broken.jpg").write_bytes(b"x")
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("import_photos", str(folder), "--line", "line-a", stdout=out)
    assert out.getvalue().splitlines() == [
        "3 imported, 0 of them labelled; 0 were there already.",
        "refused: broken.jpg: Photo 1: The file is not a JPEG, PNG or WebP photo. Send the camera's picture itself.",
    ]


def test_a_token_is_issued_once_and_written_down(ivy):
    out = io.StringIO()
    call_command("issue_token", "ivy", "--days", "7", stdout=out)
    row = ApiToken.objects.get()
    assert row.digest == ApiToken.digest_of(out.getvalue().strip())
    assert (row.expires_at - row.created_at).days in (6, 7)
    event = AuditEvent.objects.get(action="token_issued")
    assert (event.by, event.subject, event.data["days"]) == ("command line", "user ivy", 7)


@pytest.mark.parametrize("arguments", [["nobody"], ["ivy", "--days", "0"], ["ivy", "--days", "1000000000"]])
def test_no_token_for_nobody_or_for_ever(ivy, arguments):
    with pytest.raises(CommandError):
        call_command("issue_token", *arguments)
    assert not ApiToken.objects.exists()


def test_the_original_of_a_row_is_named_or_its_serial_or_itself(folder):
    text = "path,label,original,serial,phone\na.jpg,ok,o1,s1,p1\nb.jpg,ok,,s2,p1\nc.jpg,ok,,,p1\n"
    assert [row.original for row in read_list(listed(folder, text))] == ["o1", "s2", "c.jpg"]
    assert [row.original for row in read_list(folder)] == ["a.jpg", "b.PNG", "night/c.webp"]
