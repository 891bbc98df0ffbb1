"""The tables of moves: what a line may do, what may become of a change, and the diagram in the documents."""

import io

import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from automation import ladder, policies
from automation.actions import apply_fallbacks, approve_change, propose_change, set_halt
from automation.ladder import CHANGES, MOVES, ChangeState, Move, against, may_become, may_move, move_to, state_of
from automation.levels import Level, one_up
from automation.models import Change
from inspection.refusals import Conflict
from monitoring.actions import open_alarm

BARS = {"pass_below": 0.1, "reject_from": 0.5}
SMALL = {"alpha": 0.2, "blind_pairs": 20, "sensitivity_from_seeds": False}
EVERYWHERE = [(start, end) for start in Level for end in Level]


@pytest.mark.parametrize(("start", "end"), EVERYWHERE)
def test_only_a_raise_leads_up_and_by_one_step(start, end):
    up = {move for move in Move if may_move(move, start, end) and end.rank > start.rank}
    assert up == ({Move.RAISE} if end is one_up(start) else set())


@pytest.mark.parametrize(("start", "end"), EVERYWHERE)
def test_down_is_open_from_everywhere_to_everywhere(start, end):
    assert may_move(Move.LOWER, start, end) == (end.rank < start.rank)
    assert may_move(Move.ROLL_BACK, start, end) == (end.rank <= start.rank)


@pytest.mark.parametrize("start", Level)
def test_the_system_lowers_to_assist_alone_and_only_where_the_machine_decides(start):
    ends = [end for end in Level if may_move(Move.FALL_BACK, start, end)]
    assert ends == ([Level.ASSIST] if start.machine_decides else [])
    assert may_move(Move.RAMP_STEP, start, start) == start.machine_decides


@pytest.mark.parametrize("start", Level)
def test_a_halt_keeps_the_level(start):
    assert MOVES[Move.HALT][start] == MOVES[Move.RESUME][start] == MOVES[Move.EDIT][start] == {start}


@pytest.mark.parametrize(("start", "end"), EVERYWHERE)
def test_a_switch_lands_no_lower_than_assist_and_never_above(start, end):
    wanted = start.rank >= end.rank >= min(start.rank, Level.ASSIST.rank)
    assert may_move(Move.SWITCH, start, end) == wanted


@pytest.mark.parametrize("move", Move)
def test_what_is_not_in_the_table_has_a_sentence_against_it(move):
    assert all((against(move, start, end) == "") == may_move(move, start, end) for start, end in EVERYWHERE)


def test_the_sentence_against_a_leap_says_which_step_comes_next():
    assert against(Move.RAISE, Level.SHADOW, Level.FULL) == "One step up at a time: the next level is assist."
    assert against(Move.RAISE, Level.FULL, Level.FULL) == "One step up at a time: the next level is none."


def test_a_proposal_is_the_kind_that_its_levels_make_it():
    assert move_to(Level.SHADOW, Level.FULL, other_version=True) is Move.RAISE
    assert move_to(Level.FULL, Level.SHADOW, other_version=True) is Move.LOWER
    assert move_to(Level.ASSIST, Level.ASSIST, other_version=True) is Move.SWITCH
    assert move_to(Level.ASSIST, Level.ASSIST, other_version=False) is Move.EDIT


def test_every_move_and_state_has_its_row():
    assert set(MOVES) == set(ladder.WORDS) == set(Move)
    assert set(CHANGES) == set(ChangeState)
    reached = {end for ends in CHANGES.values() for end in ends}
    assert reached == set(ChangeState) - {ChangeState.PROPOSED}


@pytest.mark.parametrize("final", [ChangeState.APPLIED, ChangeState.WITHDRAWN, ChangeState.REFUSED])
def test_what_has_become_of_a_change_is_final(final):
    assert not any(may_become(final, end) for end in ChangeState)


def test_a_change_that_was_written_is_in_one_of_three_states():
    assert state_of(applied=True, awaits=False) == "applied"
    assert state_of(applied=False, awaits=True) == "awaiting approval"
    assert state_of(applied=False, awaits=False) == "withdrawn"


@pytest.fixture
def line_moves(line, version, set_level, make_evidence, ada, sam, ivy):
    """Line A with evidence enough for every step at small limits, and its moves from any level: `line_moves(start, move)`
    gives the level after it, or what refused."""
    make_evidence(line, version, 24, 0.01, "ok", by=ivy)
    make_evidence(line, version, 18, 0.9, "scratched", by=ivy)

    def after(start, act):
        set_level(line, start, version, **BARS, limits=SMALL | {"held_days": 0}, quorum=1)
        try:
            act()
        except Conflict as refusal:
            return str(refusal)
        return policies.in_force(line).level

    return after


@pytest.mark.parametrize(("start", "end"), EVERYWHERE)
def test_the_actions_obey_the_table(line_moves, line, ada, start, end):
    """A step that the table holds is refused by its gates at most; no other is taken whatever the gates say."""
    if start is end:
        return
    found = line_moves(start, lambda: propose_change(line=line, by=ada, reason="x", level=end))
    legal = may_move(move_to(start, end, other_version=False), start, end)
    assert (found != end and found.startswith("One step up at a time")) == (not legal)
    assert found == end or end is Level.FULL or not legal  # at full the escalations are not known here


@pytest.mark.parametrize("start", Level)
def test_halting_and_resuming_leave_the_level(line_moves, line, sam, start):
    def both():
        set_halt(line=line, on=True, by=sam, reason="smoke")
        set_halt(line=line, on=False, by=sam, reason="clear")

    assert line_moves(start, both) == start


@pytest.mark.parametrize("start", Level)
def test_a_critical_alarm_lowers_as_the_table_says(line_moves, line, start):
    def alarm():
        open_alarm(line=line, rule="dust", severity="critical", message="Dust.")
        apply_fallbacks(now=timezone.now())

    assert line_moves(start, alarm) == (Level.ASSIST if start.machine_decides else start)


def test_a_withdrawn_change_is_not_approved(line, version, set_level, ada, sam):
    set_level(line, "assist", version)
    change = propose_change(line=line, by=ada, reason="x", policy={"quorum": 1})
    propose_change(line=line, by=ada, reason="x", level="shadow")
    with pytest.raises(Conflict, match="no longer awaits approval"):
        approve_change(change=change, by=sam)
    assert Change.objects.filter(policies=None).get() == change


def test_the_diagrams_in_the_documents_are_the_tables():
    out = io.StringIO()
    call_command("levels", stdout=out)
    written = (settings.BASE_DIR / "docs" / "levels.md").read_text()
    assert written == out.getvalue(), "run: python manage.py levels > docs/levels.md"
    for start, end in EVERYWHERE:
        legal = any(may_move(move, start, end) for move in Move)
        assert (f"    {start} --> {end}: " in written) == legal
