"""What several people's answers come to: the likeliest truth of each part, and each person's error rates beside it.

Dawid and Skene (1979), Maximum likelihood estimation of observer error-rates using the EM algorithm, Applied Statistics
28, 20-28. Nobody is held right: who agrees with the others where they agree weighs more where they do not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.special import logsumexp

from shadow.agreement import Trial

FEWEST_PEOPLE = 3  # who must have judged a part before what they say is a consensus
SMOOTHING = 0.01  # answers that each cell has beforehand, so that no rate is 0/0 and none is exactly 0
TOLERANCE = 1e-6  # converged when no probability moves by more
MOST_ITERATIONS = 1000

OK, SCRATCHED = 0, 1

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """What `dawid_skene` found, items, raters and classes numbered as they were given.

    `truth` (items, classes) is the probability that an item is of the class; `prevalence` (classes,) how common the
    class is; `errors` (raters, classes, labels) how often the rater says the label of an item of the class; `behind`
    (raters, classes) how many of the rater's answers are expected to be about the class.
    """

    truth: Floats
    prevalence: Floats
    errors: Floats
    behind: Floats
    log_likelihood: float
    converged: bool
    iterations: int


def dawid_skene(items: ArrayLike, raters: ArrayLike, labels: ArrayLike, classes: int) -> Fit:
    """Estimate the truth of items and the error rates of raters from nothing but answers.

    Parameters
    ----------
    items, raters, labels : array_like of int, shape (answers,)
        Each numbered from 0 without gaps; labels are below `classes`. A rater may answer an item several times.
    classes : int
        Number of classes, >= 1.

    Returns
    -------
    Fit
        Begun at each item's shares of votes; converged when no probability of `truth` moves by more than 1e-6 in an
        iteration, given up after 1000. Each count has 0.01 answers added before it becomes a rate, so a rater who
        answered nothing about a class is given nearly equal rates there, with nearly 0 `behind`. The log-likelihood is that of the
        answers under the rates found. No answers: no items and no raters, equal prevalences, a log-likelihood of 0.
    """
    votes, raters_n = _votes(items, raters, labels, classes)  # (items, raters * labels)
    answers = votes @ np.ones((votes.shape[1], 1))
    truth = votes @ np.tile(np.eye(classes), (raters_n, 1)) / answers
    log_likelihood, iterations, moved = 0.0, 0, 1.0 if len(truth) else 0.0
    prevalence, errors, behind = _rates(votes, truth, raters_n)
    while moved > TOLERANCE and iterations < MOST_ITERATIONS:
        prevalence, errors, behind = _rates(votes, truth, raters_n)
        of_labels = np.log(errors).transpose(0, 2, 1).reshape(-1, classes)  # (raters * labels, classes)
        joint = np.log(prevalence) + votes @ of_labels  # (items, classes)
        evidence = logsumexp(joint, axis=1, keepdims=True)
        before, truth = truth, np.exp(joint - evidence)
        log_likelihood, moved = float(evidence.sum()), float(np.abs(truth - before).max())
        iterations += 1
    return Fit(truth, prevalence, errors, behind, log_likelihood, moved <= TOLERANCE, iterations)


def _votes(items: ArrayLike, raters: ArrayLike, labels: ArrayLike, classes: int) -> tuple[csr_array, int]:
    """How often each rater gave each label to each item, shape (items, raters * labels), and the number of raters."""
    item, rater, label = (np.asarray(numbers, dtype=np.int64) for numbers in (items, raters, labels))
    items_n, raters_n = int(item.max(initial=-1)) + 1, int(rater.max(initial=-1)) + 1
    places = (item, rater * classes + label)
    return csr_array((np.ones(len(item)), places), shape=(items_n, raters_n * classes)), raters_n


def _rates(votes: csr_array, truth: Floats, raters_n: int) -> tuple[Floats, Floats, Floats]:
    """Prevalence, error rates and the answers behind them, given the truth: equations 2.3 and 2.4."""
    classes = truth.shape[1]
    said = (votes.T @ truth).reshape(raters_n, classes, classes).transpose(0, 2, 1)  # (raters, classes, labels)
    smooth = said + SMOOTHING
    prevalence = (truth.sum(axis=0) + SMOOTHING) / (len(truth) + classes * SMOOTHING)
    return prevalence, smooth / smooth.sum(axis=2, keepdims=True), said.sum(axis=2)


@dataclass(frozen=True)
class PartConsensus:
    """How likely a part is scratched by all that was said of it, by how many people in how many answers."""

    part: str
    p_scratched: float
    people: int
    answers: int

    @property
    def enough(self) -> bool:
        """Three people or more: what one or two say is no consensus, whatever the probability."""
        return self.people >= FEWEST_PEOPLE


@dataclass(frozen=True)
class InspectorQuality:
    """An inspector against the consensus: shares of the scratched parts found and of the good ones passed.

    `on_scratched` and `on_ok` are how many of the answers are expected to be about such parts; with few of them the
    rate beside it says nothing: without any it is near 0.5. They add up to `answers`.
    """

    inspector: str
    sensitivity: float
    specificity: float
    on_scratched: float
    on_ok: float
    answers: int


@dataclass(frozen=True)
class Consensus:
    """The parts as they were first named, the inspectors by name, and how the estimate came about."""

    parts: tuple[PartConsensus, ...]
    inspectors: tuple[InspectorQuality, ...]
    prevalence: float | None
    log_likelihood: float
    converged: bool
    iterations: int
    unsure: int

    @property
    def enough(self) -> tuple[PartConsensus, ...]:
        """The parts that three people or more judged."""
        return tuple(part for part in self.parts if part.enough)


def consensus(trials: Iterable[Trial]) -> Consensus:
    """The consensus of people who judged the same parts, ok or scratched; references are not looked at.

    Every part helps to know the inspectors, one that a single person judged too; `enough` says which parts have a
    consensus. Where most people are more often wrong than right, the consensus is wrong with them: hold it against
    parts of known truth.

    Parameters
    ----------
    trials : iterable of Trial
        Any number of answers per inspector and part. Unsure ones are counted in `unsure` and left out.

    Returns
    -------
    Consensus
        `prevalence` is the share scratched. No sure answers: no parts, no inspectors, no prevalence, converged.
    """
    every = [Trial(*trial) for trial in trials]
    sure = [trial for trial in every if trial.answer is not None]
    parts, names = _number(trial.part for trial in sure), _number(sorted({trial.inspector for trial in sure}))
    fit = dawid_skene(
        [parts[trial.part] for trial in sure],
        [names[trial.inspector] for trial in sure],
        [SCRATCHED if trial.answer else OK for trial in sure],
        classes=2,
    )
    return Consensus(
        parts=tuple(_parts(parts, sure, fit)),
        inspectors=tuple(_inspectors(names, sure, fit)),
        prevalence=float(fit.prevalence[SCRATCHED]) if sure else None,
        log_likelihood=fit.log_likelihood,
        converged=fit.converged,
        iterations=fit.iterations,
        unsure=len(every) - len(sure),
    )


def _number(names: Iterable[str]) -> dict[str, int]:
    """Number the names from 0 as they are first met."""
    return {name: place for place, name in enumerate(dict.fromkeys(names))}


def _parts(parts: dict[str, int], sure: Sequence[Trial], fit: Fit) -> Iterable[PartConsensus]:
    people: dict[str, set[str]] = defaultdict(set)
    answers = np.bincount([parts[trial.part] for trial in sure], minlength=len(parts)).tolist()
    for trial in sure:
        people[trial.part].add(trial.inspector)
    for (part, place), p_scratched in zip(parts.items(), fit.truth[:, SCRATCHED].tolist(), strict=True):
        yield PartConsensus(part, p_scratched, len(people[part]), answers[place])


def _inspectors(names: dict[str, int], sure: Sequence[Trial], fit: Fit) -> Iterable[InspectorQuality]:
    answers = np.bincount([names[trial.inspector] for trial in sure], minlength=len(names)).tolist()
    for name, place in names.items():
        found, passed = fit.errors[place, SCRATCHED, SCRATCHED], fit.errors[place, OK, OK]
        on_ok, on_scratched = fit.behind[place].tolist()
        yield InspectorQuality(name, float(found), float(passed), on_scratched, on_ok, answers[place])
