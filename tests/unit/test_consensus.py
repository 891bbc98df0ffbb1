"""Dawid and Skene's consensus, against the published table, a straight-line implementation and parts of known truth."""

import math
import time

import numpy as np
import pytest

from shadow.agreement import Trial
from shadow.consensus import MOST_ITERATIONS, SMOOTHING, TOLERANCE, Consensus, consensus, dawid_skene

# Dawid and Skene (1979), table 1: 45 patients, what anaesthetist 1 said three times, then 2 to 5 once each.
ANAESTHETISTS = [
    "1111111", "3334334", "1122122", "2223121", "2223222", "2223322", "1222111", "3333433", "2222223",
    "2322223", "4444444", "2223343", "1111111", "2223212", "1211111", "1112111", "1111111", "1111111",
    "2222221", "2221322", "2222222", "2222221", "2223222", "2212222", "1111111", "1111111", "2322222",
    "1111111", "1111111", "1121121", "1111111", "3333233", "1111111", "2222222", "2223232", "4334343",
    "2212232", "2323233", "3333432", "1111111", "1111111", "1212111", "2322222", "1211111", "2222222",
]  # fmt: skip
WHO = (0, 0, 0, 1, 2, 3, 4)


def anaesthetists():
    return np.array(
        [
            (patient, who, int(said) - 1)
            for patient, row in enumerate(ANAESTHETISTS)
            for who, said in zip(WHO, row, strict=True)
        ]
    ).T


def straight(items, raters, labels, classes):
    """The paper's equations one product at a time, with the same smoothing and the same end."""
    numbers = list(zip(items, raters, labels, strict=True))
    n, people = max(items) + 1, max(raters) + 1
    truth = [[0.0] * classes for _ in range(n)]
    for item, _, label in numbers:
        truth[item][label] += 1 / list(items).count(item)
    iterations, moved = 0, 1.0
    while moved > TOLERANCE and iterations < MOST_ITERATIONS:
        iterations += 1
        prevalence = [(sum(row[k] for row in truth) + SMOOTHING) / (n + classes * SMOOTHING) for k in range(classes)]
        errors = {}
        for rater in range(people):
            for k in range(classes):
                said = [sum(truth[i][k] for i, r, b in numbers if (r, b) == (rater, label)) for label in range(classes)]
                for label in range(classes):
                    errors[rater, k, label] = (said[label] + SMOOTHING) / (sum(said) + classes * SMOOTHING)
        log_likelihood, moved = 0.0, 0.0
        for item in range(n):
            joint = list(prevalence)
            for i, rater, label in numbers:
                if i == item:
                    joint = [joint[k] * errors[rater, k, label] for k in range(classes)]
            log_likelihood += math.log(sum(joint))
            after = [one / sum(joint) for one in joint]
            moved = max(moved, *(abs(a - b) for a, b in zip(after, truth[item], strict=True)))
            truth[item] = after
    return truth, prevalence, errors, log_likelihood, iterations


def votes(seed, items, raters, classes):
    """Answers of raters who are right three times in four, with gaps and repeats."""
    rng = np.random.default_rng(seed)
    rows = []
    for item in range(items):
        truth = rng.integers(classes)
        for rater in range(raters):
            for _ in range(rng.integers(0, 3) if (item or rater) else 1):
                rows.append((item, rater, truth if rng.random() < 0.75 else rng.integers(classes)))
    found = np.array(rows).T
    return *(np.unique(numbers, return_inverse=True)[1] for numbers in found[:2]), found[2]


def test_the_published_table_of_the_anaesthetists():
    fit = dawid_skene(*anaesthetists(), classes=4)
    assert fit.converged
    assert fit.prevalence == pytest.approx([0.40, 0.42, 0.11, 0.07], abs=0.005)
    assert fit.errors[0] == pytest.approx(
        np.array([[0.89, 0.11, 0, 0], [0.07, 0.88, 0.05, 0], [0, 0.34, 0.66, 0], [0, 0, 0.56, 0.44]]), abs=0.0075
    )
    assert fit.behind.sum(axis=1) == pytest.approx([135, 45, 45, 45, 45])


@pytest.mark.parametrize("classes", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(5))
def test_a_straight_line_implementation_finds_the_same(seed, classes):
    answers = votes(seed, items=15, raters=4, classes=classes)
    fit = dawid_skene(*answers, classes)
    truth, prevalence, errors, log_likelihood, iterations = straight(*map(np.ndarray.tolist, answers), classes)
    assert fit.iterations == iterations
    assert fit.truth == pytest.approx(np.array(truth), abs=1e-9)
    assert fit.prevalence == pytest.approx(prevalence, abs=1e-9)
    assert fit.errors.ravel() == pytest.approx([errors[key] for key in sorted(errors)], abs=1e-9)
    assert fit.log_likelihood == pytest.approx(log_likelihood, abs=1e-7)


def answers_of(right, *, parts=2000, scratched=0.1, seed=3):
    """Trials of inspectors that find `right[name][0]` of the scratched parts and pass `right[name][1]` of the others."""
    rng = np.random.default_rng(seed)
    truth = rng.random(parts) < scratched
    return [
        Trial(name, f"P{part}", bool(is_scratched == (rng.random() < (sensitivity if is_scratched else specificity))))
        for name, (sensitivity, specificity) in right.items()
        for part, is_scratched in enumerate(truth)
    ], truth


def test_sensitivity_and_specificity_are_found_without_a_reference():
    right = {"ivy": (0.95, 0.99), "max": (0.8, 0.97), "pia": (0.9, 0.9), "zoe": (0.7, 0.99)}
    trials, truth = answers_of(right)
    found = consensus(trials)
    assert found.converged
    assert found.prevalence == pytest.approx(truth.mean(), abs=0.01)
    for one in found.inspectors:
        assert (one.sensitivity, one.specificity) == pytest.approx(right[one.inspector], abs=0.06)
        assert (one.answers, one.on_scratched + one.on_ok) == (2000, pytest.approx(2000))
    told = np.array([part.p_scratched > 0.5 for part in found.parts])
    majority = np.array([sum(t.answer for t in trials[part::2000]) > 2 for part in range(2000)])
    assert (told != truth).sum() < (majority != truth).sum()


def test_a_part_has_a_consensus_from_three_different_people():
    trials = [Trial(name, "A", True) for name in ("ivy", "max", "pia")]
    trials += [Trial("ivy", "B", True), Trial("ivy", "B", True), Trial("max", "B", False), Trial("pia", "B", None)]
    found = consensus(trials)
    assert [(p.part, p.people, p.answers, p.enough) for p in found.parts] == [("A", 3, 3, True), ("B", 2, 3, False)]
    assert found.enough == found.parts[:1]
    assert found.unsure == 1


@pytest.mark.parametrize(("trials", "unsure"), [([], 0), ([Trial("ivy", "A", None)], 1)])
def test_without_a_sure_answer_there_is_nothing(trials, unsure):
    assert consensus(trials) == Consensus((), (), None, 0.0, True, 0, unsure)


@pytest.mark.parametrize("answer", [True, False])
def test_three_people_who_agree_on_one_part_are_believed(answer):
    found = consensus([Trial(name, "A", answer) for name in ("ivy", "max", "pia")])
    assert found.parts[0].p_scratched == pytest.approx(float(answer), abs=0.01)


def test_an_inspector_who_saw_no_scratched_part_has_a_rate_with_nothing_behind():
    found = consensus([Trial(name, f"P{part}", False) for name in ("ivy", "max", "pia") for part in range(50)])
    for one in found.inspectors:
        assert one.on_scratched == pytest.approx(0, abs=0.01)
        assert 0.4 < one.sensitivity < 0.6
        assert one.specificity > 0.999
    assert found.prevalence == pytest.approx(0.0, abs=0.001)


def test_a_reference_is_not_looked_at():
    trials, truth = answers_of({"ivy": (0.9, 0.9), "max": (0.8, 0.9), "pia": (0.9, 0.8)}, parts=100)
    told = [trial._replace(reference=bool(truth[int(trial.part[1:])])) for trial in trials]
    assert consensus(told) == consensus(trials)


def test_100_000_answers_take_less_than_a_second():
    right = {f"inspector {number}": (0.7 + 0.01 * number, 0.97) for number in range(20)}
    trials, _ = answers_of(right, parts=5000, scratched=0.05)
    began = time.perf_counter()
    found = consensus(trials)
    assert len(trials) == 100_000
    assert found.converged
    assert time.perf_counter() - began < 5  # 0.3 s on two idle cores; a busy machine is not a fault
