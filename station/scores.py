"""Scores a part by a bundle's files: the one module of the agent that needs the extra `edge`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scoring.answers import Answer
from scoring.photos import why_not_as_sent
from scoring.scorer import BundleScorer
from station.bundles import Kept


@dataclass(frozen=True)
class Scored:
    """What the bundle's version says of a part; `failure` is the reason why it says nothing."""

    score: float = float("nan")
    novelty: float = float("nan")
    failure: str = ""


class Scores:
    """Keeps the scorer of the bundle in use; making one takes a fifth of a second."""

    def __init__(self) -> None:
        self._sha256 = ""
        self._scorer: BundleScorer | None = None

    def of(self, kept: Kept, photos: Sequence[Path]) -> Scored:
        """The score of a part's photos. It never raises for what photos or files may be: a part that fails is held."""
        try:
            if reason := next(filter(None, map(why_not_as_sent, photos)), ""):
                return Scored(failure=reason)
            (found,) = self._scorer_of(kept).score([list(photos)])
        except Exception as error:  # whatever it is, a person decides
            return Scored(failure=f"scoring failed: {type(error).__name__}: {error}")
        if isinstance(found, Answer):
            return Scored(found.score, found.novelty)
        return Scored(failure=found.reason)

    def _scorer_of(self, kept: Kept) -> BundleScorer:
        if self._scorer is None or self._sha256 != kept.ticket.sha256:
            self._scorer = BundleScorer.from_bundle(kept.files)
            self._sha256 = kept.ticket.sha256
        return self._scorer
