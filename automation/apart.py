"""One thing after the other, so that the fault of one line never stops the rest."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import structlog

log = structlog.get_logger("shadowline.automation")
Thing = TypeVar("Thing")
Result = TypeVar("Result")


def apart(step: Callable[[Thing], Result], things: Iterable[Thing], *, doing: str) -> list[Result]:
    """Do a step for each thing, and return what came of those that went well; what went wrong is logged."""
    done = []
    for thing in things:
        try:
            done.append(step(thing))
        except Exception as error:  # whatever it is: the others must have their turn
            name = getattr(thing, "__name__", str(thing))
            log.error(f"{doing}_failed", of=name, error=f"{type(error).__name__}: {error}"[:300])
    return done
