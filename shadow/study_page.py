"""How far a study is: every inspector and round, and whether its figures are preliminary still."""

from collections import defaultdict
from dataclasses import dataclass

from inspection.models import Study, User
from inspection.people import usernames_for
from inspection.shown_again import Progress, progress_of


@dataclass(frozen=True)
class StudyStanding:
    """A study with its progress: a row for each inspector, in the order of their names here, with their rounds."""

    study: Study
    references: int
    rows: tuple[tuple[str, tuple[Progress, ...]], ...]

    @property
    def judged(self) -> int:
        return sum(one.judged for _name, rounds in self.rows for one in rounds)

    @property
    def unanswered(self) -> int:
        return sum(one.unanswered for _name, rounds in self.rows for one in rounds)

    @property
    def total(self) -> int:
        return sum(one.total for _name, rounds in self.rows for one in rounds)

    @property
    def share(self) -> float:
        """Of the trials, those that are over, in percent."""
        return 100 * (self.judged + self.unanswered) / self.total if self.total else 0.0

    @property
    def table(self) -> list[tuple[str, list[tuple[Progress, float]]]]:
        """The rows with the share of each round that is judged, in percent."""
        return [
            (name, [(one, 100 * one.judged / one.total if one.total else 0.0) for one in rounds])
            for name, rounds in self.rows
        ]

    @property
    def complete(self) -> bool:
        return all(one.done for _name, rounds in self.rows for one in rounds)

    @property
    def preliminary(self) -> bool:
        """More answers may come."""
        return not self.complete and self.study.closed_at is None

    @property
    def state(self) -> str:
        if self.complete:
            return "complete"
        return "running" if self.study.closed_at is None else "closed"


def standing_of(study: Study, reader: User) -> StudyStanding:
    """Where a study stands, its inspectors by the names that the reader knows them by."""
    rounds: dict[int, list[Progress]] = defaultdict(list)
    for one in progress_of(study):
        rounds[one.inspector_id].append(one)
    called = usernames_for(reader, rounds)
    rows = sorted((called[person], tuple(found)) for person, found in rounds.items())
    return StudyStanding(study, study.references.count(), tuple(rows))
