"""The five degrees of automation and their order."""

from enum import StrEnum


class Level(StrEnum):
    """Who decides on a line, from people alone to the machine for every part that it can score."""

    HUMAN_ONLY = "human_only"
    SHADOW = "shadow"
    ASSIST = "assist"
    PARTIAL = "partial"
    FULL = "full"

    @property
    def rank(self) -> int:
        """0 for human_only to 4 for full."""
        return list(Level).index(self)

    @property
    def machine_decides(self) -> bool:
        """Whether a part can get its disposition without a person."""
        return self in (Level.PARTIAL, Level.FULL)

    @property
    def runs_model(self) -> bool:
        return self is not Level.HUMAN_ONLY

    @property
    def words(self) -> str:
        """The level as people read it."""
        return self.value.replace("_", " ")


def one_up(level: Level) -> Level | None:
    """The next level, or None at the top.

    >>> one_up(Level.SHADOW), one_up(Level.FULL)
    (<Level.ASSIST: 'assist'>, None)
    """
    return list(Level)[level.rank + 1] if level.rank < len(Level) - 1 else None


def lower_of(first: Level, second: Level) -> Level:
    """The lower of two levels: a rollback never raises."""
    return min(first, second, key=lambda level: level.rank)
