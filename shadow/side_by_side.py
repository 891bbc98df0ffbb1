"""A new version beside the live one, on parts from which neither has learnt: held out for ever, or not yet seen.

Retrospective: it says which version promises more, and certifies nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from inspection.models import Inspection, Line, Truth
from inspection.photos import path_of
from scoring.answers import Answer
from shadow.actions.versions import load_scorer
from shadow.agreement import Rate
from shadow.cards import as_mapping, as_sequence
from shadow.models import ModelVersion, Prediction, Snapshot, SnapshotPart, Split
from shadow.snapshots import rows_of
from shadow.vision.evaluation import auroc, auroc_interval

BATCH = 16
RECENT = 500  # parts of a replay
CONFIDENCE = 0.95
Scores = Sequence[float | None]


def learnt_by(version: ModelVersion) -> set[str]:
    """The serials from which a version has its weights or its thresholds, those of the versions that it began from
    included."""
    found: set[str] = set()
    seen: set[str] = set()
    while version.weights_sha256 not in seen:
        seen.add(version.weights_sha256)
        card = as_mapping(version.card)
        groups = as_mapping(as_mapping(card.get("data")).get("groups"))
        found |= {str(group) for split in ("train", "calibrate") for group in as_sequence(groups.get(split))}
        parent = ModelVersion.objects.filter(weights_sha256=card.get("start_sha256") or "-").first()
        version = parent or version
    return found


def recent_parts(line: Line) -> list[int]:
    """The latest parts of a line, the oldest first."""
    parts = Inspection.objects.unseeded().filter(line=line).order_by("-pk")
    return sorted(parts.values_list("pk", flat=True)[:RECENT])


def compare(
    snapshot: Snapshot, new: ModelVersion, live: ModelVersion | None, heed: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Both versions' counts on the snapshot's held parts, as JSON."""
    known = learnt_by(new) | (learnt_by(live) if live else set())
    rows = list(rows_of(snapshot, Split.TEST))
    fair = [row for row in rows if row.inspection.serial not in known]
    truths = [row.label == Truth.SCRATCHED for row in fair]
    scores = {"new": _scores(new, fair, heed)}
    if live:
        scores["live"] = _scores(live, fair, heed)
    versions = {"new": new} | ({"live": live} if live else {})
    return {
        "live": live.name if live else None,
        "held": {
            "parts": len(fair), "serials": len({row.inspection.serial for row in fair}), "left_out": len(rows) - len(fair),
            "sides": {side: counts(scores[side], truths, version.threshold) for side, version in versions.items()},
            "differ": differences(scores["new"], scores["live"], truths, new.threshold, live.threshold) if live else None,
        },
    }  # fmt: skip


def _scores(version: ModelVersion, rows: Sequence[SnapshotPart], heed: Callable[[], None]) -> Scores:
    """What a version says of these parts; of an earlier system, what it said when they were inspected."""
    if version.is_imported:
        answers = Prediction.objects.filter(version=version, inspection__in=[row.inspection_id for row in rows])
        said = dict(answers.values_list("inspection_id", "score"))
        return [said.get(row.inspection_id) for row in rows]
    scorer = load_scorer(version)
    scores: list[float | None] = []
    for at in range(0, len(rows), BATCH):
        heed()
        photos = [[path_of(photo.stored) for photo in row.inspection.photos.all()] for row in rows[at : at + BATCH]]
        scores += [answer.score if isinstance(answer, Answer) else None for answer in scorer.score(photos)]
    return scores


def counts(scores: Scores, truths: Sequence[bool], threshold: float) -> dict[str, Any]:
    """What a side comes to; a part without an answer is neither missed nor a false alarm, and counted apart."""
    known = [(score, truth) for score, truth in zip(scores, truths, strict=True) if score is not None]
    scratched, good = [s for s, truth in known if truth], [s for s, truth in known if not truth]
    return {
        "misses": sum(score < threshold for score in scratched), "scratched": len(scratched),
        "alarms": sum(score >= threshold for score in good), "good": len(good), "nulls": len(scores) - len(known),
        "auroc": auroc(np.array([s for s, _ in known], float), np.array([t for _, t in known], bool)),
    }  # fmt: skip


def differences(new: Scores, live: Scores, truths: Sequence[bool], new_bar: float, live_bar: float) -> dict[str, int]:
    """The parts on which only one of the two is wrong: only they say which is better (McNemar 1947)."""
    found = dict.fromkeys(("new_misses", "live_misses", "new_alarms", "live_alarms"), 0)
    for mine, theirs, truth in zip(new, live, truths, strict=True):
        if mine is None or theirs is None or (mine >= new_bar) == (theirs >= live_bar):
            continue
        wrong = "live" if (mine >= new_bar) == truth else "new"
        found[f"{wrong}_{'misses' if truth else 'alarms'}"] += 1
    return found


@dataclass(frozen=True)
class Side:
    """What a version comes to on some parts, with intervals."""

    version: str
    misses: Rate
    alarms: Rate
    nulls: int
    auroc: float | None

    @property
    def auroc_interval(self) -> tuple[float, float]:
        return auroc_interval(self.auroc, self.misses.n, self.alarms.n, CONFIDENCE)


def side_of(version: str, told: Any) -> Side:
    """A side as `counts` keeps it."""
    told = as_mapping(told)
    n = {name: int(told.get(name) or 0) for name in ("misses", "scratched", "alarms", "good", "nulls")}
    area = told.get("auroc")
    return Side(version, Rate(n["misses"], n["scratched"]), Rate(n["alarms"], n["good"]), n["nulls"], area)


@dataclass(frozen=True)
class Replay:
    """What two versions say of a line's latest parts."""

    parts: int
    answered: int  # by both
    waiting: int
    agree: int
    new_rejects: int  # that the live version would pass
    live_rejects: int
    new_nulls: int
    live_nulls: int


def replay_of(new: ModelVersion, live: ModelVersion | None, parts: Iterable[int]) -> Replay:
    """As far as the answers are there; they are asked for when the training ends, and come after every live part's."""
    parts = list(parts)
    answers: dict[int, dict[int, str]] = {version.pk: {} for version in (new, live) if version}
    rows = Prediction.objects.filter(version__in=answers, inspection__in=parts).order_by()
    for version, part, outcome in rows.values_list("version_id", "inspection_id", "outcome"):
        answers[version][part] = outcome
    mine, theirs = answers[new.pk], answers[live.pk] if live else {}
    both = [(mine[part], theirs[part]) for part in parts if mine.get(part) and theirs.get(part)]
    return Replay(
        parts=len(parts), answered=len(both), waiting=len(parts) - len(mine),
        agree=sum(one == other for one, other in both),
        new_rejects=both.count(("scratched", "ok")), live_rejects=both.count(("ok", "scratched")),
        new_nulls=sum(not said for said in mine.values()), live_nulls=sum(not said for said in theirs.values()),
    )  # fmt: skip
