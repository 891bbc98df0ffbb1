"""The table of states: what may follow what, the one door that moves, and the diagram in the documents."""

import pytest
from django.conf import settings
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from inspection.actions.moving import move
from inspection.judging import finding_of
from inspection.moves import MOVES, OPEN, State, diagram, may_move
from inspection.refusals import Conflict


def test_every_state_has_its_row():
    assert set(MOVES) == set(State)
    assert all(may_move(start, end) == (end in MOVES[start]) for start in State for end in State)


def test_history_is_final():
    assert not any(may_move(end, anywhere) for end in (State.RETAKE, State.CLOSED) for anywhere in State)


def test_unknown_states_do_not_move():
    assert not may_move("lost", "decided")
    assert not may_move("held", "lost")


def test_every_open_part_can_be_decided():
    assert all(may_move(state, State.DECIDED) for state in OPEN)


def test_only_a_held_part_comes_to_an_audit_or_one_that_its_station_decided():
    assert [state for state in State if may_move(state, State.AUDIT_DUE)] == [State.HELD, State.DECIDED]


@given(st.lists(st.sampled_from(["ok", "scratched", "unsure"]), min_size=1, max_size=4))
def test_whatever_a_corrected_verdict_comes_to_is_a_legal_move(outcomes):
    """Any verdict of a decided part may be corrected to any outcome, so each finding has to be reachable."""
    assert may_move(State.DECIDED, finding_of(outcomes).state)


@given(st.lists(st.sampled_from(["ok", "scratched", "unsure"]), max_size=6))
def test_the_last_clear_verdict_decides(outcomes):
    finding = finding_of(outcomes)
    clear = [index for index, outcome in enumerate(outcomes) if outcome != "unsure"]
    assert finding.index == (clear[-1] if clear else None)
    assert (finding.state == State.DECIDED) == bool(clear)


def test_an_illegal_move_is_refused_and_changes_nothing(make_part):
    part = make_part()
    with pytest.raises(Conflict, match="is waiting and cannot become audit due"):
        move(part, State.AUDIT_DUE, now=timezone.now())
    part.refresh_from_db()
    assert part.state == "waiting"


def test_a_move_notes_its_time(make_part):
    part, now = make_part(), timezone.now()
    move(part, State.DECIDED, now=now)
    part.refresh_from_db()
    assert (part.state, part.state_since) == ("decided", now)


def test_the_diagram_in_the_documents_is_the_tables():
    written = (settings.BASE_DIR / "docs" / "states.md").read_text()
    assert diagram() in written, "run: python manage.py states > docs/states.md"
