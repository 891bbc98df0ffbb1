"""What people said of parts below a bar, as arrays (runs, parts) in the order of arrival, and as rows that production counts.

The rules of `shadow.comparisons` are queries, one history at a time; `words_of` says the same of thousands. That the two
are the same is measured: `filed` writes a history as rows, and production counts them.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from automation.counts import Tally
from bench.rig.handover_looks import Counts, Flags
from inspection.models import Origin
from shadow.certifying import KINDS
from shadow.comparisons import counts_as
from shadow.pairs import counts_as_live, kind_of

NONE = ""  # no evidence
SAID = ("ok", "scratched")


@dataclass
class History:
    """Flags of each arrival; what is not given is no. The person's eyes are perfect: what is said unseeing is the truth."""

    scratched: Flags
    serial: Counts | None = None  # None: each part comes once
    drawn: Flags | None = None  # None: all are drawn blind
    served: Flags | None = None  # the model's answer reached the judge before the verdict
    slipped: Flags | None = None  # the first verdict was the wrong key, corrected before anything was served
    persuaded: Flags | None = None  # after the verdict the answer was shown, and the verdict then corrected to ok
    retrospective: Flags | None = None  # scored by a replay
    other: Flags | None = None  # answered by the version before
    since: int = 0  # the arrival from which evidence counts: an alarm voided what was before

    shape: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self.shape = self.scratched.shape

    def flags(self, name: str, default: bool = False) -> Flags:
        given = getattr(self, name)
        return np.full(self.shape, default) if given is None else given


class Counted(NamedTuple):
    """Which parts count, and which of them as escapes."""

    judged: Flags
    escaped: Flags


def first_of_serial(history: History) -> Flags:
    """A serial counts once, by its first inspection."""
    if history.serial is None:
        return np.ones(history.shape, dtype=bool)
    first = np.zeros(history.shape, dtype=bool)
    for run, serials in enumerate(history.serial):
        first[run, np.unique(serials, return_index=True)[1]] = True
    return first


def words_of(history: History) -> NDArray[np.str_]:
    """What each part counts as, by the rules: the words are production's own `counts_as`."""
    shape, words = history.shape, np.full(history.shape, NONE, dtype="<U9")
    drawn, served, again = (history.flags("drawn", True), history.flags("served"), history.flags("retrospective"))
    counts = first_of_serial(history) & ~history.flags("other") & (np.arange(shape[1]) >= history.since)
    live = counts_as_live(Origin.LIVE, demo=False)
    for was_served, replayed, scratched in product((False, True), repeat=3):
        if kind_of(Origin.LIVE, live, replayed, blind=not was_served) in KINDS:
            here = drawn & (served == was_served) & (again == replayed) & (history.scratched == scratched)
            words[here & counts] = counts_as(SAID[scratched], served=was_served, audited=False)
    return words


def by_the_rules(history: History) -> Counted:
    """As production's `Tally` sorts the words."""
    words = words_of(history)
    tallies = {word: Tally(**{word: 1}) for word in Tally._fields}
    judged = np.isin(words, [word for word, tally in tallies.items() if tally.judged])
    return Counted(judged, np.isin(words, [word for word, tally in tallies.items() if tally.escapes]))


# ---- The same history as rows


def mixed(rng: np.random.Generator, parts: int) -> History:
    """One history in which everything happens often, alone and together."""

    def often() -> Flags:
        return rng.random((1, parts)) < 0.25

    serial = rng.integers(0, parts, size=(1, parts))
    return History(often(), serial, ~often(), often(), often(), often(), often(), often(), since=parts // 5)


def filed(history: History) -> list[str]:
    """Write a history of one run as rows, and return what production counts its parts as, in the order of arrival."""
    from automation.facts import evidence_start
    from automation.models import Void
    from inspection.models import Line, User
    from shadow.certifying import Counted as Evidence
    from shadow.models import ModelVersion

    number = Line.objects.count()
    line = Line.objects.create(slug=f"history-{number}", name=f"History {number}")
    ours, others = (
        ModelVersion.objects.create(name=f"{name}-{number}", thresholds=[0.1], threshold=0.5) for name in ("new", "old")
    )
    judge = User.objects.create_user(username=f"judge-{number}")
    start = datetime.fromisoformat("2026-01-05T06:00:00+00:00")
    moments = [start + timedelta(seconds=60 * part) for part in range(history.shape[1])]
    _write(history, line, [ours, others], judge, moments)
    if history.since:
        Void.objects.create(line=line, number=1, version=ours, by="bench", reason="alarm", at=moments[history.since])
    return Evidence(line, ours, evidence_start(line, ours)).in_order(1, len(moments))


def _write(history: History, line, versions, judge, moments: list[datetime]) -> None:
    from inspection.models import Correction, Draw, Inspection, ModelOutputShown, Verdict
    from shadow.models import Prediction

    def of(name: str, default: bool = False) -> list[bool]:
        return history.flags(name, default)[0].tolist()

    second = timedelta(seconds=1)
    serials = range(len(moments)) if history.serial is None else history.serial[0].tolist()
    parts = Inspection.objects.bulk_create(
        Inspection(line=line, serial=f"S{serial}", captured_at=at, received_at=at, hold_until=at, state="decided")
        for serial, at in zip(serials, moments, strict=True)
    )
    Draw.objects.bulk_create(
        Draw(inspection=part, key="k", u_canary=0.5, u_audit=0.5, u_blind=0.5, blind=blind)
        for part, blind in zip(parts, of("drawn", True), strict=True)
    )
    Prediction.objects.bulk_create(
        Prediction(inspection=part, version=versions[old], score=0.05, outcome="ok", at=at, retrospective=again)
        for part, at, old, again in zip(parts, moments, of("other"), of("retrospective"), strict=True)
    )
    truths, slips = of("scratched"), of("slipped")
    verdicts = Verdict.objects.bulk_create(
        Verdict(inspection=part, inspector=judge, outcome=SAID[truth != slip], at=at + 10 * second)
        for part, at, truth, slip in zip(parts, moments, truths, slips, strict=True)
    )
    told = list(zip(verdicts, moments, truths, slips, of("served"), of("persuaded"), strict=True))
    Correction.objects.bulk_create(
        Correction(verdict=verdict, outcome=SAID[truth], reason="the wrong key", by=judge, at=at + 12 * second)
        for verdict, at, truth, slip, _, _ in told
        if slip
    )
    ModelOutputShown.objects.bulk_create(
        ModelOutputShown(
            inspection=verdict.inspection, user=judge, where="bench", at=at + (5 if served else 15) * second
        )
        for verdict, at, _, _, served, persuaded in told
        if served or persuaded
    )
    Correction.objects.bulk_create(
        Correction(verdict=verdict, outcome="ok", reason="the model is right", by=judge, at=at + 20 * second)
        for verdict, at, *_, persuaded in told
        if persuaded
    )
