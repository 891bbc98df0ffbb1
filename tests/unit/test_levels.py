"""The five levels and their order."""

import pytest

from automation.levels import Level, lower_of, one_up

ORDER = ["human_only", "shadow", "assist", "partial", "full"]


def test_the_levels_stand_in_their_order():
    assert list(Level) == ORDER
    assert [level.rank for level in Level] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("level", "upper"), list(zip(ORDER, [*ORDER[1:], None], strict=True)))
def test_the_next_level_is_one_up(level, upper):
    assert one_up(Level(level)) == upper


@pytest.mark.parametrize("first", Level)
@pytest.mark.parametrize("second", Level)
def test_the_lower_of_two_is_never_above_either(first, second):
    lower = lower_of(first, second)
    assert lower in (first, second)
    assert lower.rank == min(first.rank, second.rank)


@pytest.mark.parametrize(
    ("level", "runs", "decides"),
    list(zip(ORDER, [False, True, True, True, True], [False, False, False, True, True], strict=True)),
)
def test_the_model_runs_from_shadow_on_and_decides_from_partial_on(level, runs, decides):
    assert Level(level).runs_model is runs
    assert Level(level).machine_decides is decides


def test_a_level_reads_as_words():
    assert Level.HUMAN_ONLY.words == "human only"
