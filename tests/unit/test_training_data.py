"""What a line's parts teach: the outcome that people gave, or the label that a supervisor settled; no measuring photo."""

import pytest

from inspection import actions
from inspection.models import Disposition, Inspection, Origin
from inspection.photos import path_of
from inspection.refusals import BadInput
from shadow.models import TrainingPart
from shadow.training_data import items_of_line

pytestmark = pytest.mark.django_db


@pytest.fixture
def taught(line):
    """What the line teaches: {serial: scratched}."""
    return lambda: {item.group: item.label for item in items_of_line(line, None)}


@pytest.fixture
def settle(sam):
    def write(part, label):
        TrainingPart.objects.create(inspection=part, label=label, reason="looked closely", by=sam)

    return write


def test_judged_parts_teach_what_people_said(make_part, judge, ivy, taught):
    judge(make_part("A"), ivy, "ok"), judge(make_part("B"), ivy, "scratched")
    make_part("C")
    assert taught() == {"A": False, "B": True}


def test_a_settled_label_holds_and_the_last_one_of_them(make_part, judge, ivy, taught, settle):
    judge(part := make_part("A"), ivy, "ok"), judge(make_part("B"), ivy, "ok")
    settle(part, "scratched")
    assert taught() == {"A": True, "B": False}
    settle(part, "ok")
    assert taught() == {"A": False, "B": False}


def test_an_empty_label_takes_the_part_out(make_part, judge, ivy, taught, settle):
    judge(part := make_part("A"), ivy, "ok"), judge(make_part("B"), ivy, "ok")
    settle(part, "")
    assert taught() == {"B": False}


def test_a_part_that_the_machine_decided_teaches_by_its_settled_label_alone(make_part, taught, settle):
    part = make_part("A")
    Inspection.objects.update(state="decided")
    Disposition.objects.create(inspection=part, outcome="pass", by_machine=True, reason="score 0.01")
    with pytest.raises(BadInput, match="no judged part"):
        taught()
    settle(part, "scratched")
    assert taught() == {"A": True}


def test_marks_are_taught_with_a_scratched_part_alone(line, make_part, judge, ivy, kinds, settle):
    part = make_part("A", photos=2)
    photo = part.photos.first()
    mark = actions.MarkedDefect(photo=photo.pk, kind="scratch", box=(0.1, 0.2, 0.3, 0.4))
    judge(part, ivy, "scratched", defects=[mark])
    [item] = items_of_line(line, None)
    assert (item.photo, item.boxes) == (path_of(photo.stored), ((0.1, 0.2, 0.3, 0.4),))
    settle(part, "ok")
    assert [(item.label, item.boxes) for item in items_of_line(line, None)] == [(False, ()), (False, ())]


def test_seeded_parts_and_the_references_behind_them_are_never_taught(make_part, judge, ivy, sam, taught, settle):
    judge(make_part("A"), ivy, "ok")
    judge(part := make_part("B"), ivy, "scratched")
    judge(make_part("C", origin=Origin.SEEDED), ivy, "scratched")
    reference = actions.keep_reference(inspection=part, truth="scratched", reason="measured", by=sam)
    settle(part, "scratched")
    assert taught() == {"A": False}
    actions.retire_reference(reference=reference, by=sam)
    assert taught() == {"A": False, "B": True}


def test_another_lines_labels_are_not_this_lines(line, make_part, judge, ivy, taught, settle):
    from inspection.models import Line

    other = Line.objects.create(slug="line-b", name="Line B")
    settle(make_part("X", on=other), "ok")
    judge(make_part("A"), ivy, "ok")
    assert taught() == {"A": False}
