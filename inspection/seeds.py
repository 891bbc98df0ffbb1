"""Which part is shown again, under which serial, and until when: rules over plain values."""

import re
import string
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import combinations, pairwise
from math import gcd
from random import Random
from typing import NamedTuple

from django.utils.translation import gettext as _

from inspection.moves import State

MOST_WAITING = 20  # seeded parts of a line, those of studies aside; where they pile up, no more are mixed in
PORTION = 5  # trials of a study that wait for one inspector: many at once could be told by their number
FEWEST_REFERENCES = 10
ROUNDS = range(1, 6)
STALE = timedelta(days=1)  # a part mixed in that found nobody for so long is taken out again
LONGEST = 120  # signs of a serial
TRIES = 40  # serials with the same places redrawn, before one more place is; and numbers that are next in turn
FEWEST_NUMBERS, MOST_NUMBERS = 4, 12  # of the newest serials that are looked at, to see whether they count up
NUMBER = re.compile("(.*?)([0-9]+)([^0-9]*)", re.DOTALL)  # the last number of a serial, and what stands around it


class Candidate(NamedTuple):
    """A reference that may be mixed in: its inspection's key, its truth, and how often it was shown lately."""

    source: int
    truth: str
    shown: int


def drawn(percent: float, u: float) -> bool:
    """Whether a uniform u in [0, 1) draws a part, `percent` of which are drawn.

    >>> drawn(2, 0.019), drawn(2, 0.02), drawn(0, 0.0)
    (True, False, False)
    """
    return u < percent / 100


def pick(pool: Sequence[Candidate], chance: Random) -> Candidate | None:
    """One of the pool, or None when it is empty: half ok and half scratched where it has both, of these one of those
    that were shown least often."""
    if not pool:
        return None
    truth = chance.choice(sorted({candidate.truth for candidate in pool}))
    of_it = [candidate for candidate in pool if candidate.truth == truth]
    fewest = min(candidate.shown for candidate in of_it)
    return chance.choice([candidate for candidate in of_it if candidate.shown == fewest])


def serials_in_turn(like: str, recent: Sequence[str], chance: Random) -> Iterator[str]:
    """The serials of the next numbers on a line that counts its parts, 40 by 40 in random order; else none.

    `recent` are the line's serials, newest first. Those count that differ from `like` in their last number alone. The
    numbers go on from the newest of them and keep the step that they have in common.
    """
    parts = NUMBER.fullmatch(like)
    before, digits, after = parts.groups() if parts else ("", "", "")
    found = [own for serial in recent if (own := NUMBER.fullmatch(serial)) and (own[1], own[3]) == (before, after)]
    numbers = list(dict.fromkeys(int(own[2]) for own in found))[:MOST_NUMBERS]
    if not counts_up(numbers):
        return
    newest, step = numbers[0], gcd(*(one - other for one, other in pairwise(numbers)))
    while len(f"{before}{newest + TRIES * step:0{len(digits)}}{after}") <= LONGEST:
        for ahead in chance.sample(range(1, TRIES + 1), TRIES):
            yield f"{before}{newest + ahead * step:0{len(digits)}}{after}"
        newest += TRIES * step


def counts_up(numbers: Sequence[int]) -> bool:
    """Whether numbers, newest first, rise with time: four of five pairs do. Cameras side by side swap some.

    >>> counts_up([106, 104, 105, 103]), counts_up([3, 880, 41, 7]), counts_up([2, 1])
    (True, False, False)
    """
    pairs = [newer > older for newer, older in combinations(numbers, 2)]
    return len(numbers) >= FEWEST_NUMBERS and sum(pairs) >= 0.8 * len(pairs)


def serials_like(recent: Sequence[str], chance: Random) -> Iterator[str]:
    """Serials that look like the newest of some recent ones (at least one), without end.

    The length and each place's class (digit, capital, small letter) are those of the newest. Redrawn are the places in
    which recent serials of that length differ, and after every 40 tries one more: digits first, from the right. A
    letter is one of those that recent serials have, so that a hexadecimal serial stays one.
    """
    newest = recent[0]
    alike = [serial for serial in recent if len(serial) == len(newest)]
    places = [place for place, sign in enumerate(newest) if sign in string.ascii_letters + string.digits]
    redrawn = [place for place in places if len({serial[place] for serial in alike}) > 1]
    fixed = [place for place in places if place not in redrawn]
    fixed.sort(key=lambda place: (newest[place] in string.digits, place))
    while True:
        for _try in range(TRIES if redrawn else 0):
            yield _redrawn(newest, redrawn, alike, chance)
        if not fixed:  # as good as never: every serial of this shape is taken
            newest = newest[: LONGEST - 1] + "0"
            fixed = [len(newest) - 1]
        redrawn.append(fixed.pop())


def _redrawn(serial: str, places: Sequence[int], alike: Sequence[str], chance: Random) -> str:
    signs = list(serial)
    for place in places:
        signs[place] = chance.choice(_signs_for(serial[place], alike))
    return "".join(signs)


def _signs_for(sign: str, alike: Sequence[str]) -> str:
    if sign in string.digits:
        return string.digits
    for letters in (string.ascii_uppercase, string.ascii_lowercase):
        if sign in letters:
            return "".join(sorted(set("".join(alike)) & set(letters)))
    return sign


def is_spent(state: str, age: timedelta, *, undo: timedelta, second_opinion: timedelta, wanted: bool) -> bool:
    """Whether a seeded part that nobody holds is to be closed, `age` after it came to its state.

    A seeded part is never a supervisor's work. It stays open while the verdict behind it can still be undone, as an
    ordinary part would. `wanted`: a person's answer is still waited for.
    """
    if state == State.WITH_SUPERVISOR:
        return age > undo
    if state == State.SECOND_OPINION:
        return age > max(undo, second_opinion)
    return state == State.WAITING and not wanted


def against_study(
    *, name: str, rounds: int, truths: Sequence[str], inspectors: int, cannot: Sequence[str], know: Sequence[str]
) -> list[str]:
    """Why a study may not begin; an empty list: it may.

    `truths` of its references; `cannot` and `know`: the names of inspectors who may not judge there, and of those who
    know something of a reference.
    """
    reasons = []
    if not 1 <= len(name) <= 80:
        reasons.append(_("Name the study, in at most 80 characters."))
    if rounds not in ROUNDS:
        reasons.append(_("A study has {first} to {last} rounds.").format(first=ROUNDS[0], last=ROUNDS[-1]))
    if len(truths) < FEWEST_REFERENCES:
        words = _("Choose at least {least} references of this line; {count} are chosen.")
        reasons.append(words.format(least=FEWEST_REFERENCES, count=len(truths)))
    if len(set(truths)) < 2:
        reasons.append(_("Choose references of both kinds, ok and scratched."))
    if inspectors < 1 or (inspectors == 1 and rounds < 2):
        reasons.append(_("Choose at least two inspectors, or one and at least two rounds."))
    if cannot:
        words = _("These cannot take part: {names}. A study is for inspectors of the line, who do not oversee it.")
        reasons.append(words.format(names=", ".join(cannot)))
    if know:
        words = _("These know some of the references, or what the model answered to them: {names}.")
        reasons.append(words.format(names=", ".join(know)))
    return reasons
