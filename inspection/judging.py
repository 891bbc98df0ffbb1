"""What a part's verdicts come to: a pure rule over what people said, in the order they said it."""

from collections.abc import Sequence
from dataclasses import dataclass

from inspection.moves import State


@dataclass(frozen=True)
class Finding:
    """Where the part goes. `index` is the verdict that decides, or None while nobody has decided."""

    state: State
    index: int | None


def finding_of(outcomes: Sequence[str]) -> Finding:
    """The last verdict that is not `unsure` decides; one `unsure` asks a second person, two a supervisor.

    `outcomes` are the verdicts' outcomes as corrected, oldest first. No verdict at all waits for one.

    >>> finding_of(["unsure", "ok"])
    Finding(state=<State.DECIDED: 'decided'>, index=1)
    >>> finding_of(["unsure"]).state, finding_of(["unsure", "unsure"]).state
    (<State.SECOND_OPINION: 'second_opinion'>, <State.WITH_SUPERVISOR: 'with_supervisor'>)
    """
    for index in range(len(outcomes) - 1, -1, -1):
        if outcomes[index] != "unsure":
            return Finding(State.DECIDED, index)
    return Finding((State.WAITING, State.SECOND_OPINION, State.WITH_SUPERVISOR)[min(len(outcomes), 2)], None)
