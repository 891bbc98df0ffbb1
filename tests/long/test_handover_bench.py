"""The simulation of the hand-over at a hundredth of its runs: it says what the whole of it says, and asks production itself."""

import math

import numpy as np
import pytest

from automation.evidence import certify, needed
from bench.handover import measure, show
from bench.rig.handover_histories import filed, mixed, words_of
from bench.rig.handover_looks import every_look
from bench.rig.handover_table import Row, at_most, far_over, share_near
from bench.rig.handover_traps import may_certify
from bench.rig.handover_watch import ROUTING

pytestmark = pytest.mark.one_database


@pytest.fixture
def rows(db) -> list[Row]:
    return list(measure(0.01, seed=1))


def test_every_figure_holds_with_few_runs(rows):
    """But for those of the machine's speed, which a test does not judge."""
    assert [row for row in rows if not row.holds and row.about != ROUTING] == []
    assert {row.about for row in rows} > {"Every look", "Rollback detector", "Canary shares", "Blue and green", ROUTING}
    for trap in range(1, 11):
        about = [row for row in rows if row.about.split()[0] == str(trap)]
        without = [row.value for row in about if row.expected.startswith("fails")]
        by_the_rule = [row.value for row in about if "by the rule" in row.figure]
        assert without and by_the_rule and max(by_the_rule) < min(without), f"trap {trap}"


def test_the_table_says_what_does_not_hold(capsys):
    rows = [at_most("Looks", "false", 90, 100, 0.05), far_over("Looks", "false without", 90, 100, 0.05)]
    assert [row.holds for row in show(iter(rows))] == [False, True]
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "Looks"
    assert lines[2].endswith("DOES NOT HOLD") and lines[3].endswith(" holds")


@pytest.mark.parametrize(
    ("row", "holds"),
    [
        (at_most("", "", 8, 100, 0.05), True),  # chance brings it
        (at_most("", "", 80, 1_000, 0.05), False),
        (at_most("", "", 1, 1_000, 0.0), False),
        (far_over("", "", 8, 100, 0.05), False),  # too few to be seen to fail
        (far_over("", "", 80, 1_000, 0.05), True),
        (share_near("", "", 430, 10_000, 0.043, 0.0), True),
        (share_near("", "", 550, 10_000, 0.043, 0.003), False),
    ],
)
def test_a_share_holds_unless_the_runs_show_otherwise(row, holds):
    assert row.holds is holds


def test_the_boundary_is_the_number_needed():
    assert every_look(0.05, 0.05, 300).tolist() == [
        needed(0.05, 0.05, k) for k in range(len(every_look(0.05, 0.05, 300)))
    ]
    assert needed(0.05, 0.05, len(every_look(0.05, 0.05, 300))) > 300


@pytest.mark.parametrize("seed", range(3))
def test_no_certificate_is_missed_among_parts_that_wait(seed):
    """`certify` is asked only of the runs that may be certified; of all others it would say no."""
    rng = np.random.default_rng(seed)
    alpha, delta, parts = 0.2, 0.05, 60
    known = rng.random((400, parts)) < np.linspace(0.85, 1, 400)[:, None]
    escaped = rng.random((400, parts)) < 0.05
    certified = np.array(
        [
            certify([0.05] * parts, np.where(told, bad, math.nan), [0.1], alpha, delta).verdict == "certified"
            for told, bad in zip(known, escaped, strict=True)
        ]
    )
    asked = may_certify(known, escaped, every_look(alpha, delta, parts))
    assert 0 < certified.sum() < len(certified)
    assert not (certified & ~asked).any()


def test_words_are_those_that_production_counts_of_the_rows(db):
    history = mixed(np.random.default_rng(7), 150)
    counted = filed(history)
    assert counted == [word for word in words_of(history)[0].tolist() if word]
    assert {"ok", "scratched", "served"} == set(counted)
