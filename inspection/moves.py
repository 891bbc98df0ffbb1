"""The states of an inspection and the legal moves between them: the one table that every write obeys."""

from enum import StrEnum


class State(StrEnum):
    """Where a part stands on its way from the camera to its disposition."""

    HELD = "held"  # the machine may still decide; a person may take it when the hold has passed
    WAITING = "waiting"  # a person's, for good
    DECIDED = "decided"
    AUDIT_DUE = "audit_due"  # decided by the machine and drawn for a blind verdict
    SECOND_OPINION = "second_opinion"  # a first person was unsure
    WITH_SUPERVISOR = "with_supervisor"
    RETAKE = "retake"  # clean and look again: the next inspection of the serial judges it
    CLOSED = "closed"  # nobody has to judge it: history without a label


MOVES: dict[State, frozenset[State]] = {
    State.HELD: frozenset({State.WAITING, State.DECIDED, State.AUDIT_DUE}),
    # Closed: a seeded part that is withdrawn unjudged. A part of the line never is.
    State.WAITING: frozenset({State.DECIDED, State.SECOND_OPINION, State.RETAKE, State.CLOSED}),
    State.AUDIT_DUE: frozenset({State.DECIDED, State.SECOND_OPINION, State.RETAKE}),
    State.SECOND_OPINION: frozenset({State.DECIDED, State.WITH_SUPERVISOR, State.RETAKE, State.CLOSED}),
    State.WITH_SUPERVISOR: frozenset({State.DECIDED, State.RETAKE, State.CLOSED}),
    # Undo and second thoughts: a corrected verdict may need another person after all.
    # Audit due: a station decided it while the network was down, and the draw or a doubt came when it arrived.
    State.DECIDED: frozenset({State.DECIDED, State.AUDIT_DUE, State.SECOND_OPINION, State.WITH_SUPERVISOR}),
    State.RETAKE: frozenset(),
    State.CLOSED: frozenset(),
}

OPEN = frozenset({State.HELD, State.WAITING, State.AUDIT_DUE, State.SECOND_OPINION, State.WITH_SUPERVISOR})


def may_move(start: str, end: str) -> bool:
    """Whether an inspection in `start` may go to `end`. Unknown states may not move.

    >>> may_move("held", "decided"), may_move("closed", "waiting")
    (True, False)
    """
    return start in MOVES and end in MOVES[State(start)]


def diagram() -> str:
    """The table as a Mermaid state diagram, as `docs/` shows it."""
    lines = ["stateDiagram-v2", "    [*] --> held", "    [*] --> waiting", "    [*] --> closed"]
    lines += [f"    {start} --> {end}" for start, ends in MOVES.items() for end in sorted(ends)]
    lines += [f"    {end} --> [*]" for end in (State.DECIDED, State.RETAKE, State.CLOSED)]
    return "\n".join(lines) + "\n"
