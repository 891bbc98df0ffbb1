"""Two judges on the same parts: a person and a model, where the person is held right, or two people, where nobody is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from shadow.agreement.kappas import Kappa, cohen_kappa
from shadow.agreement.rates import PositiveAgreement, Rate


@dataclass(frozen=True)
class Confusion:
    """Counts of parts by person and model; the person is held right. Tables of disjoint parts can be added.

    Parameters
    ----------
    both_ok, overkill, escape, both_scratched : int
        Counts >= 0: overkill is person ok and model scratched, escape is person scratched and model ok. A
        negative count raises ValueError.
    """

    both_ok: int = 0
    overkill: int = 0
    escape: int = 0
    both_scratched: int = 0

    def __post_init__(self) -> None:
        if min(self.both_ok, self.overkill, self.escape, self.both_scratched) < 0:
            raise ValueError("A count of parts cannot be negative.")

    def __add__(self, other: Confusion) -> Confusion:
        return Confusion(
            self.both_ok + other.both_ok,
            self.overkill + other.overkill,
            self.escape + other.escape,
            self.both_scratched + other.both_scratched,
        )

    @property
    def n(self) -> int:
        return self.both_ok + self.overkill + self.escape + self.both_scratched

    @property
    def agreement(self) -> Rate:
        """Share of parts with the same answer: high for any model where scratches are rare."""
        return Rate(self.both_ok + self.both_scratched, self.n)

    @property
    def positive_agreement(self) -> PositiveAgreement:
        return PositiveAgreement(self.both_scratched, self.both_scratched + self.overkill + self.escape)

    @property
    def miss_rate(self) -> Rate:
        """Share of the scratched parts that the model calls ok."""
        return Rate(self.escape, self.escape + self.both_scratched)

    @property
    def false_alarm_rate(self) -> Rate:
        """Share of the good parts that the model calls scratched."""
        return Rate(self.overkill, self.overkill + self.both_ok)

    @property
    def escape_rate(self) -> Rate:
        """Share of the parts that the model calls ok which are scratched."""
        return Rate(self.escape, self.escape + self.both_ok)

    @property
    def overkill_rate(self) -> Rate:
        """Share of the parts that the model calls scratched which are good."""
        return Rate(self.overkill, self.overkill + self.both_scratched)

    @property
    def kappa(self) -> Kappa:
        """Agreement beyond chance. No parts, or every answer of both in one class: value None.

        Examples
        --------
        >>> round(Confusion(985, 5, 5, 5).kappa.value, 3)
        0.495
        """
        return cohen_kappa(self.both_ok, self.overkill, self.escape, self.both_scratched)


@dataclass(frozen=True)
class PeopleTable:
    """Parts that two people judged, neither of them held right. Tables of disjoint pairs can be added.

    Parameters
    ----------
    both_ok, differ, both_scratched : int
        Pairs of answers, >= 0. A negative count raises ValueError.
    unsure : int
        Pairs left out because one of the two was unsure, >= 0.
    """

    both_ok: int = 0
    differ: int = 0
    both_scratched: int = 0
    unsure: int = 0

    def __post_init__(self) -> None:
        if min(self.both_ok, self.differ, self.both_scratched, self.unsure) < 0:
            raise ValueError("A count of parts cannot be negative.")

    def __add__(self, other: PeopleTable) -> PeopleTable:
        return PeopleTable(
            self.both_ok + other.both_ok,
            self.differ + other.differ,
            self.both_scratched + other.both_scratched,
            self.unsure + other.unsure,
        )

    @property
    def n(self) -> int:
        """Pairs of two sure answers."""
        return self.both_ok + self.differ + self.both_scratched

    @property
    def cells(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The symmetric table, each pair counted once in either order, so twice: rows and columns ok, scratched."""
        return (2 * self.both_ok, self.differ), (self.differ, 2 * self.both_scratched)

    @property
    def agreement(self) -> Rate:
        return Rate(self.both_ok + self.both_scratched, self.n)

    @property
    def positive_agreement(self) -> PositiveAgreement:
        """The same in either order: 2a / (2a + differ)."""
        return PositiveAgreement(self.both_scratched, self.both_scratched + self.differ)

    @property
    def kappa(self) -> Kappa:
        """Kappa of the symmetric table, so chance is what two people of the same average habit would agree on.

        No pairs, or every answer in one class: value None.

        References
        ----------
        Scott (1955), Public Opinion Quarterly 19, 321-325; as the kappa of interchangeable judges, with this
        variance: Bloch and Kraemer (1989), Biometrics 45, 269-287.
        """
        (both_ok, differ), (_, both_scratched) = self.cells
        doubled = cohen_kappa(both_ok, differ, differ, both_scratched)
        return Kappa(doubled.value, self.n, 2 * doubled.variance)


def people_confusion(pairs: Iterable[tuple[bool | None, bool | None]]) -> PeopleTable:
    """Person against person on the same parts: the ceiling of what person against model can reach.

    Who of the two comes first means nothing, so each pair is counted in both orders and the figures are those of the
    average table: they stay the same whichever way round a pair is given.

    Parameters
    ----------
    pairs : iterable of (answer, answer)
        Answers of two different people to one part: True is scratched, None is unsure.

    Returns
    -------
    PeopleTable
        Pairs with an unsure answer are counted in `unsure` alone. No pairs: figures without a value.

    Examples
    --------
    >>> table = people_confusion([(False, False), (True, False), (False, True), (True, True), (None, True)])
    >>> table, table.agreement.value, table.positive_agreement.value
    (PeopleTable(both_ok=1, differ=2, both_scratched=1, unsure=1), 0.5, 0.5)
    """
    counted = Counter("unsure" if None in pair else sum(map(bool, pair)) for pair in pairs)
    return PeopleTable(counted[0], counted[1], counted[2], counted["unsure"])
