"""People against people: who is paired with whom, what is left out, and what the report says of the parts behind it."""

from datetime import UTC, datetime, timedelta

import pytest

from inspection.models import Correction, Draw, Inspection, Line, ModelOutputShown, Origin, SeededPart, Variant, Verdict
from shadow.asked import read_asked
from shadow.ceiling import ceiling
from shadow.dossier import dossier
from shadow.people_page import people_notes, people_rows, people_sentence

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def judged(line):
    """A part with a verdict: `judged(ivy, "ok")`, drawn blind."""
    numbers = iter(range(10_000))

    def make(by, outcome, *, at=NOON, blind=True, **fields):
        part = Inspection.objects.create(
            line=line,
            serial=f"C{next(numbers)}",
            captured_at=at,
            received_at=at,
            hold_until=at,
            state="decided",
            **fields,
        )
        Draw.objects.create(inspection=part, key="k", u_canary=0.5, u_audit=0.5, u_blind=0.5, blind=blind)
        part.said = Verdict.objects.create(inspection=part, inspector=by, outcome=outcome, at=at)
        return part

    return make


@pytest.fixture
def again(judged):
    """The photos of a part shown again and judged: `again(source, ian, "ok")`."""

    def make(source, by, outcome, *, purpose="repeat", at=NOON + timedelta(hours=2), **fields):
        part = judged(by, outcome, at=at, origin=Origin.SEEDED)
        SeededPart.objects.create(inspection=part, source=source, purpose=purpose, by="system", at=at, **fields)
        return part

    return make


def found(by, **params):
    return ceiling(read_asked(params, by))


def test_two_people_are_paired_by_how_the_part_came_to_be_shown_again(judged, again, ivy, ian, sam):
    again(judged(ivy, "ok"), ian, "ok")
    again(judged(ivy, "scratched"), ian, "scratched")
    again(judged(ivy, "ok"), ian, "scratched", purpose="reference")
    again(judged(ivy, "ok"), ian, "scratched", purpose="second_look")
    again(judged(ivy, "ok"), ivy, "ok")
    people = found(sam)
    assert (people.drawn.table.both_ok, people.drawn.table.both_scratched, people.drawn.table.differ) == (1, 1, 0)
    assert (people.chosen.table.differ, people.looked.table.differ, people.within.table.both_ok) == (1, 1, 1)
    assert people.best is people.drawn
    assert not people.cut


def test_a_person_is_paired_once_with_a_part_and_counts_its_parts(judged, again, ivy, ian, sam, ada):
    source = judged(ivy, "ok")
    for by, outcome in ((ian, "ok"), (ian, "scratched"), (ada, "ok")):
        again(source, by, outcome, purpose="reference")
    chosen = found(sam).chosen
    assert (chosen.table.both_ok, chosen.table.differ, chosen.parts) == (2, 0, 1)


def test_who_saw_the_models_answer_makes_no_pair(judged, again, ivy, ian, sam):
    for person in (ivy, ian):
        source = judged(ivy, "ok")
        seed = again(source, ian, "ok")
        part = source if person == ivy else seed
        ModelOutputShown.objects.create(inspection=part, user=person, where="test", at=part.received_at)
    again(judged(ivy, "ok", blind=False), ian, "ok")
    assert found(sam).empty


def test_an_own_correction_counts_and_a_supervisors_does_not(judged, again, ivy, ian, sam):
    mine, theirs = judged(ivy, "ok"), judged(ivy, "ok")
    for part, by in ((mine, ivy), (theirs, sam)):
        Correction.objects.create(verdict=part.said, outcome="scratched", reason="slip", by=by, at=NOON)
        again(part, ian, "scratched")
    people = found(sam).drawn.table
    assert (people.both_scratched, people.differ) == (1, 1)


def test_unsure_is_counted_beside(judged, again, ivy, ian, sam):
    again(judged(ivy, "unsure"), ian, "ok")
    people = found(sam)
    assert (people.drawn.table.n, people.drawn.table.unsure) == (0, 1)
    assert people.empty


def test_it_is_narrowed_as_the_report_is(judged, again, ivy, ian, sam, station):
    slab = Variant.objects.create(slug="slab", name="Slab")
    again(judged(ivy, "ok", variant=slab, station=station, lot="L1"), ian, "ok")
    again(judged(ian, "ok"), ian, "ok")
    Line.objects.create(slug="line-b", name="Line B")
    for params in ({"variant": "slab"}, {"station": "cam-1"}, {"lot": "L1"}, {"inspector": ivy.pseudonym}):
        people = found(sam, **params)
        assert (people.drawn.table.n, people.within.table.n) == (1, 0)
    assert found(sam, **{"from": "2026-03-03"}).empty
    assert found(sam, line="line-b").empty


def test_the_newest_stand_for_the_span(judged, again, ivy, ian, sam, monkeypatch):
    monkeypatch.setattr("shadow.ceiling.NEWEST", 2)
    for outcome in ("scratched", "ok", "ok"):
        again(judged(ivy, outcome), ian, outcome)
    people = found(sam)
    assert people.cut
    assert people.drawn.table.both_ok == 2


def test_what_is_read_of_each_line_tells_whether_more_was_left_out(judged, again, ivy, ian, sam, monkeypatch):
    """Rows that the span drops afterwards were read too, and as many as are read are no more than that."""
    monkeypatch.setattr("shadow.ceiling.NEWEST", 2)
    for _ in range(2):
        again(judged(ivy, "ok"), ian, "ok")
    assert not found(sam).cut
    late = NOON + timedelta(days=1)  # within the moments that enclose the day before it, and not of that day
    again(judged(ivy, "ok"), ian, "ok", at=late)
    people = found(sam, to="2026-03-02")
    assert people.drawn.table.n == 1
    assert people.cut


def test_the_cost_does_not_grow_with_the_parts(judged, again, ivy, ian, sam, django_assert_num_queries):
    asked = read_asked({}, sam)
    for _ in range(12):
        again(judged(ivy, "ok"), ian, "ok")
    with django_assert_num_queries(7):  # seeds; then of seeds and of sources: verdicts, served, corrections
        ceiling(asked)


def test_the_page_says_what_the_parts_are(judged, again, ivy, ian, sam):
    for n in range(20):
        again(judged(ivy, "ok"), ian, "ok" if n else "scratched", purpose="reference")
    told = dossier(read_asked({}, sam))
    assert people_sentence(told).replace("\u00a0", " ") == (
        "Two people agree on 95.0 % of the parts both judged, 76.4 to 99.1 %."
    )
    assert "chosen, not drawn at random" in people_notes(told.people)[0]
    again(judged(ivy, "ok"), ian, "ok")
    told = dossier(read_asked({}, sam))
    assert "chosen" not in people_notes(told.people)[0]
    assert [row.name for row in people_rows(told)] == ["Person and model", "Two people", "Two people"]
