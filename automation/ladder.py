"""How a line may move between the levels, and what may become of a proposed change: the tables that every action obeys."""

from collections import defaultdict
from enum import StrEnum

from automation.levels import Level, one_up


class Move(StrEnum):
    """What happens to a line. The first four are the kinds of a change."""

    RAISE = "raise"
    LOWER = "lower"
    EDIT = "edit"
    SWITCH = "switch"
    ROLL_BACK = "roll back"
    FALL_BACK = "fall back"
    RAMP_STEP = "ramp step"
    HALT = "halt"
    RESUME = "resume"


WORDS: dict[Move, str] = {
    Move.RAISE: "one step up, by an admin, when every gate is met; from partial up as many people agree as the quorum says",
    Move.LOWER: "any number of steps down, by one admin, at once and without a gate",
    Move.EDIT: "another policy of the same level; what lets more parts through by machine takes the level's gates",
    Move.SWITCH: "another live version, never above the level that it holds a certificate for nor for more parts, else at assist; "
    "back to the one that was live before by one admin",
    Move.ROLL_BACK: "an earlier policy, by one admin, at once; it never raises, and no quorum, signature, audit or limit falls by it",
    Move.FALL_BACK: "by the system, at once, while a critical alarm is open; the certificate is void, and so is that of whoever "
    "decided when it opened",
    Move.RAMP_STEP: "more parts, or fewer, along the steps that were approved",
    Move.HALT: "a flag beside the level: people judge every part, the model goes on unseen",
    Move.RESUME: "the flag is taken away; the level was kept",
}

HUMAN_ONLY, SHADOW, ASSIST, PARTIAL, FULL = Level
STAYS = {level: frozenset({level}) for level in Level}
MOVES: dict[Move, dict[Level, frozenset[Level]]] = {
    Move.RAISE: {
        HUMAN_ONLY: frozenset({SHADOW}),
        SHADOW: frozenset({ASSIST}),
        ASSIST: frozenset({PARTIAL}),
        PARTIAL: frozenset({FULL}),
    },
    Move.LOWER: {
        SHADOW: frozenset({HUMAN_ONLY}),
        ASSIST: frozenset({HUMAN_ONLY, SHADOW}),
        PARTIAL: frozenset({HUMAN_ONLY, SHADOW, ASSIST}),
        FULL: frozenset({HUMAN_ONLY, SHADOW, ASSIST, PARTIAL}),
    },
    Move.EDIT: STAYS,
    Move.SWITCH: STAYS | {PARTIAL: frozenset({ASSIST, PARTIAL}), FULL: frozenset({ASSIST, PARTIAL, FULL})},
    Move.ROLL_BACK: {level: frozenset(Level(name) for name in list(Level)[: level.rank + 1]) for level in Level},
    Move.FALL_BACK: {PARTIAL: frozenset({ASSIST}), FULL: frozenset({ASSIST})},
    Move.RAMP_STEP: {level: STAYS[level] for level in (PARTIAL, FULL)},
    Move.HALT: STAYS,
    Move.RESUME: STAYS,
}


def may_move(move: Move, start: Level, end: Level) -> bool:
    """Whether a line at `start` may come to `end` by a move.

    >>> may_move(Move.RAISE, Level.SHADOW, Level.ASSIST), may_move(Move.RAISE, Level.SHADOW, Level.PARTIAL)
    (True, False)
    """
    return end in MOVES[move].get(start, ())


def against(move: Move, start: Level, end: Level) -> str:
    """Why a line may not move so, as a sentence; empty: it may."""
    if may_move(move, start, end):
        return ""
    if move is Move.RAISE:
        upper = one_up(start)
        return f"One step up at a time: the next level is {upper.words if upper else 'none'}."
    return f"No line goes from {start.words} to {end.words} by this ({move.value})."


def move_to(start: Level, end: Level, *, other_version: bool) -> Move:
    """Which kind of change leads from one level to another.

    >>> move_to(Level.FULL, Level.SHADOW, other_version=False), move_to(Level.ASSIST, Level.ASSIST, other_version=True)
    (<Move.LOWER: 'lower'>, <Move.SWITCH: 'switch'>)
    """
    if end.rank > start.rank:
        return Move.RAISE
    if end.rank < start.rank:
        return Move.LOWER
    return Move.SWITCH if other_version else Move.EDIT


class ChangeState(StrEnum):
    """What has become of a change that somebody proposed."""

    PROPOSED = "proposed"
    REFUSED = "refused"  # a gate is unmet, or the change makes no sense: nothing is written
    AWAITING = "awaiting approval"
    APPLIED = "applied"
    WITHDRAWN = "withdrawn"  # its author proposed another one, or the line has changed since


CHANGES: dict[ChangeState, dict[ChangeState, str]] = {
    ChangeState.PROPOSED: {
        ChangeState.REFUSED: "a gate is unmet",
        ChangeState.APPLIED: "one person is enough",
        ChangeState.AWAITING: "the quorum asks for more",
    },
    ChangeState.AWAITING: {
        ChangeState.AWAITING: "one more agrees",
        ChangeState.APPLIED: "the quorum has agreed and the gates are met again",
        ChangeState.WITHDRAWN: "replaced, or the line has moved on",
    },
    ChangeState.REFUSED: {},
    ChangeState.APPLIED: {},
    ChangeState.WITHDRAWN: {},
}


def may_become(start: ChangeState, end: ChangeState) -> bool:
    return end in CHANGES[start]


def state_of(*, applied: bool, awaits: bool) -> ChangeState:
    """The state of a change that was written: a policy points to it, or it is the one that awaits approval, or neither."""
    if applied:
        return ChangeState.APPLIED
    return ChangeState.AWAITING if awaits else ChangeState.WITHDRAWN


def line_diagram() -> str:
    """The moves of a line as a Mermaid state diagram; what can lead from one level to another stands on one edge."""
    edges: dict[tuple[Level, Level], list[Move]] = defaultdict(list)
    for move, ends_of in MOVES.items():
        for start, ends in ends_of.items():
            for end in ends:
                edges[start, end].append(move)
    ordered = sorted(edges, key=lambda edge: (edge[0].rank, edge[1].rank))
    lines = [f"    {start} --> {end}: {', '.join(edges[start, end])}" for start, end in ordered]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {Level.HUMAN_ONLY}", *lines]) + "\n"


def change_diagram() -> str:
    """The states of a change as a Mermaid state diagram."""
    names = {state: state.value.replace(" ", "_") for state in ChangeState}
    lines = ["stateDiagram-v2", f"    [*] --> {names[ChangeState.PROPOSED]}"]
    lines += [
        f"    {names[start]} --> {names[end]}: {why}" for start, ends in CHANGES.items() for end, why in ends.items()
    ]
    lines += [f"    {names[state]} --> [*]" for state, ends in CHANGES.items() if not ends]
    return "\n".join(lines) + "\n"


def document() -> str:
    """What `docs/levels.md` holds."""
    moves = "".join(f"| {move} | {WORDS[move]} |\n" for move in Move)
    return (
        "# Levels of a line\n\n"
        "Printed by `manage.py levels`; the tables are those of `automation/ladder.py`, which every action obeys.\n\n"
        f"```mermaid\n{line_diagram()}```\n\n"
        f"| move | what it is |\n|---|---|\n{moves}\n"
        f"## A change\n\n```mermaid\n{change_diagram()}```\n"
    )
