"""A seeded handful of `bench/fuzz_photos.py`: whatever a file is, it is taken or refused in words."""

from bench.fuzz_photos import KINDS, run


def test_mutated_files_are_taken_or_refused_in_words():
    outcomes, faults = run(files=6 * len(KINDS), seed=7)
    assert faults == []
    assert sum(outcomes.values()) == 6 * len(KINDS)
    assert outcomes["other_format", next(said for name, said in outcomes if name == "other_format")] == 6
