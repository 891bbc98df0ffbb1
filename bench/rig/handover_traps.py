"""The traps of counting evidence, each without its rule and with it: at R = alpha, so that every certificate is false."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from automation.counts import Evidence, Tally
from automation.evidence import certify, found_limit, horvitz_thompson
from automation.gates import Facts, Limits, certified_limit, certified_strata
from automation.levels import Level
from automation.routing import OUTCOMES, Rule, Stratum, Why, decide_many
from bench.rig.handover_histories import Counted, History, by_the_rules, filed, mixed, words_of
from bench.rig.handover_looks import (
    NEVER,
    Counts,
    Flags,
    arrivals,
    ever_certified,
    every_look,
    first_certified,
    reaches,
)
from bench.rig.handover_table import (
    ALPHA,
    DELTA,
    LOOKS,
    Row,
    Size,
    at_least,
    at_most,
    chunks,
    equal,
    far_over,
    near,
    share_near,
)

BAR, SCORE = 0.1, 0.05  # every part here is one that the version passes
FALSE = "false certificates"
RUNS = 2_000


# ---- Traps in which parts are counted that should not be: histories, counted in two ways


def shares(
    about: str, size: Size, make: Callable[[int], tuple[History, Counted]], what: str, start: int = 0
) -> list[Row]:
    """False certificates at any look, counted naively and by the rules. `make` gives so many runs of both."""
    runs, naive_hits, hits, sizes = size.of(RUNS, least=60), 0, 0, every_look(ALPHA, DELTA)
    for count in chunks(runs, 200):
        history, naive = make(count)
        naive_hits += int(ever_certified(*naive, sizes, start).sum())
        hits += int(ever_certified(*by_the_rules(history), sizes, start).sum())
    return [
        far_over(about, f"{FALSE}, {what}", naive_hits, runs, DELTA),
        at_most(about, f"{FALSE} by the rule", hits, runs, DELTA),
    ]


def _escapes(rng: np.random.Generator, runs: int, rate: float = ALPHA, parts: int = LOOKS) -> Flags:
    return rng.random((runs, parts)) < rate


def assisted_verdicts(size: Size, rng: np.random.Generator) -> list[Row]:
    """1. At assist a person may look at the answer; of two scratches that they would have seen they look at one first,
    of the good parts at one in ten; and whoever has read "ok" says ok nine times out of ten."""
    about, rule = "1 Assisted verdicts", Rule(Level.ASSIST, blind_share=0.25)

    def make(runs: int, *, unserved_only: bool) -> tuple[History, Counted]:
        scratched = _escapes(rng, runs)
        draws = rng.random(scratched.size)
        routed = decide_many(rule, np.full(scratched.size, SCORE), None, draws, draws, draws)
        drawn, offered = (flags.reshape(scratched.shape) for flags in (routed.blind, routed.advice))
        asks = rng.random(scratched.shape) < np.where(scratched, 0.5, 0.1)
        leaks = rng.random(scratched.shape) < 0.001  # somebody drawn blind has seen it all the same
        served = (offered & asks) | (drawn & leaks)
        said = scratched & ~(served & (rng.random(scratched.shape) < 0.9))
        judged = ~served if unserved_only else np.ones(scratched.shape, dtype=bool)
        return History(scratched, drawn=drawn, served=served), Counted(judged, said)

    every = shares(about, size, lambda runs: make(runs, unserved_only=False), "every verdict counted")
    unserved = shares(about, size, lambda runs: make(runs, unserved_only=True), "those counted that were not served")
    return [every[0], *unserved]


def same_part_twice(size: Size, rng: np.random.Generator) -> list[Row]:
    """5. Each part comes five times in a row: retries of a sender that got no answer, copies of a photo."""

    def make(runs: int) -> tuple[History, Counted]:
        serial = np.broadcast_to(np.arange(LOOKS) // 5, (runs, LOOKS))
        scratched = np.take_along_axis(_escapes(rng, runs, parts=LOOKS // 5), serial, axis=1)
        return History(scratched, serial=serial), Counted(np.ones(scratched.shape, dtype=bool), scratched)

    return shares("5 The same part twice", size, make, "each of its five inspections counted")


def retrospective_evidence(size: Size, rng: np.random.Generator) -> list[Row]:
    """6. The best of 50 candidates, all of them at R = alpha, by their escapes among the same 2,000 past parts."""
    past, candidates = 2_000, 50

    def make(runs: int) -> tuple[History, Counted]:
        best = rng.binomial(past, ALPHA, size=(runs, candidates)).min(axis=1)
        places = np.argsort(rng.random((runs, past)), axis=1)
        scratched = np.concatenate([places < best[:, None], _escapes(rng, runs, parts=LOOKS - past)], axis=1)
        replayed = np.broadcast_to(np.arange(LOOKS) < past, scratched.shape)
        return History(scratched, retrospective=replayed), Counted(np.ones(scratched.shape, dtype=bool), scratched)

    return shares("6 Retrospective evidence", size, make, "the replay that chose it counted")


def a_new_version(size: Size, rng: np.random.Generator) -> list[Row]:
    """8. 5,000 parts of a version five times as good as the limit, then one that is at it; or the same one, after an
    alarm at which its escapes had risen to the limit."""
    before = 5_000

    def make(runs: int, *, alarm: bool) -> tuple[History, Counted]:
        good, rest = _escapes(rng, runs, ALPHA / 5, before), _escapes(rng, runs)
        scratched = np.concatenate([good, rest], axis=1)
        old = np.broadcast_to(np.arange(before + LOOKS) < before, scratched.shape)
        history = History(scratched, since=before) if alarm else History(scratched, other=old)
        return history, Counted(np.ones(scratched.shape, dtype=bool), scratched)

    told = "the version before counted"
    found = shares("8 A new version", size, lambda runs: make(runs, alarm=False), told, before)
    told = "what was before the alarm counted"
    return [*found, *shares("8 An alarm", size, lambda runs: make(runs, alarm=True), told, before)]


def second_thoughts(size: Size, rng: np.random.Generator) -> list[Row]:
    """10. One person in ten presses the wrong key first and puts it right; of the escapes three in five are taken back
    once the answer has been shown."""

    def make(runs: int) -> tuple[History, Counted]:
        scratched = _escapes(rng, runs)
        slipped = scratched & (rng.random(scratched.shape) < 0.1)
        persuaded = scratched & (rng.random(scratched.shape) < 0.6)
        every = np.ones(scratched.shape, dtype=bool)
        return History(scratched, slipped=slipped, persuaded=persuaded), Counted(every, scratched & ~persuaded)

    return shares("10 Second thoughts", size, make, "the last word counted")


def rules_as_rows(size: Size, rng: np.random.Generator) -> list[Row]:
    """The rules of 1, 5, 6, 8 and 10 are queries: what they count of rows is what is counted here."""
    histories, parts, differ = size.of(5, least=1), size.of(400, least=120), 0
    for _ in range(histories):
        history = mixed(rng, parts)
        differ += filed(history) != [word for word in words_of(history)[0].tolist() if word]
    told = f"of {histories} histories of {parts} rows with everything in them, those that production counts otherwise"
    return [equal("1, 5, 6, 8, 10 together", told, differ, 0)]


# ---- Traps of their own kind


def late_labels(size: Size, rng: np.random.Generator) -> list[Row]:
    """2. A good part is judged after five more have come, a scratched one after 1,500. Looked at every 25 parts."""
    about, parts = "2 Late labels", 6_000
    runs, sizes = size.of(RUNS, least=60), every_look(ALPHA, DELTA)
    naive_hits = hits = 0
    for count in chunks(runs, 100):
        scratched = _escapes(rng, count, parts=parts)
        judged_at = np.arange(parts) + rng.geometric(np.where(scratched, 1 / 1_500, 1 / 5))
        naive, ruled = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
        for look in range(25, parts + 1, 25):
            known, escaped = judged_at[:, :look] <= look, scratched[:, :look]  # (runs, arrived)
            naive |= reaches(known.sum(axis=1), (known & escaped).sum(axis=1), sizes)
            for run in np.flatnonzero(may_certify(known, escaped, sizes) & ~ruled):
                verdicts = np.where(known[run], escaped[run], math.nan)
                said = certify(np.full(look, SCORE), verdicts, [BAR], ALPHA, DELTA)
                ruled[run] = said.verdict == "certified"
        naive_hits, hits = naive_hits + int(naive.sum()), hits + int(ruled.sum())
    return [
        far_over(about, f"{FALSE}, parts counted when they are judged", naive_hits, runs, DELTA),
        at_most(about, f"{FALSE} by the rule", hits, runs, DELTA),
    ]


def never_judged(size: Size, rng: np.random.Generator) -> list[Row]:
    """2. Half of the scratched parts are cleaned and never come back, and two in a thousand of the good ones; the others
    are judged after fifty more have come. What waits for longer than 500 is overdue. Looked at every 25 parts."""
    about, parts, hours = "2 Never judged", 6_000, 500
    runs, sizes = size.of(RUNS, least=60), every_look(ALPHA, DELTA)
    naive_hits = hits = 0
    for count in chunks(runs, 100):
        scratched = _escapes(rng, count, parts=parts)
        lost = rng.random(scratched.shape) < np.where(scratched, 0.5, 0.002)
        judged_at = np.where(lost, NEVER, np.arange(parts) + rng.geometric(1 / 50, size=scratched.shape))
        naive, ruled = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
        for look in range(25, parts + 1, 25):
            known, escaped = judged_at[:, :look] <= look, scratched[:, :look]  # (runs, arrived)
            late = ~known & (np.arange(look) < look - hours)
            naive |= reaches(known.sum(axis=1), (known & escaped).sum(axis=1), sizes)
            for run in np.flatnonzero(may_certify(known | late, escaped | late, sizes) & ~ruled):
                judged, waits = np.where(escaped[run], "scratched", "ok"), np.where(late[run], "overdue", "pending")
                words = np.where(known[run], judged, waits).tolist()
                said = Evidence.of((BAR,), [SCORE] * look, words).certify_at(BAR, [BAR], ALPHA, DELTA)
                ruled[run] = said.verdict == "certified"
        naive_hits, hits = naive_hits + int(naive.sum()), hits + int(ruled.sum())
    return [
        far_over(about, f"{FALSE}, those that nobody judges left out", naive_hits, runs, DELTA),
        at_most(about, f"{FALSE} by the rule", hits, runs, DELTA),
    ]


def may_certify(known: Flags, escaped: Flags, sizes: Counts) -> Flags:
    """Runs that `certify` is asked about: few reach the boundary, with all of their parts or those before any that wait."""
    arrived = known.shape[1]
    oldest = np.where(known.all(axis=1), arrived, known.argmin(axis=1))
    before = np.arange(arrived) < oldest[:, None]
    everything = reaches(np.full(len(known), arrived), (escaped | ~known).sum(axis=1), sizes)
    return everything | reaches(oldest, (escaped & before).sum(axis=1), sizes)


def inspectors_miss_scratches(size: Size, rng: np.random.Generator) -> list[Row]:
    """3. Inspectors see half of the scratches that the version passes, and nine in ten of those that it rejects; of both
    kinds they have judged 200 seeds."""
    about, seeds, runs, limits = "3 Inspectors miss scratches", 200, size.of(20_000, least=200), Limits()
    hard, easy = rng.binomial(seeds, 0.5, size=runs), rng.binomial(seeds, 0.9, size=runs)
    escapes = arrivals(rng, ALPHA * 0.5, runs)

    def certified(found: Counts, limit_of: Callable[[int], tuple[float, float]]) -> int:
        """Runs certified at the limit that these seeds give; runs with as many of them found have the same."""
        groups = ((escapes[found == many], limit_of(int(many))) for many in np.unique(found))
        return sum(int((first_certified(times, every_look(*limit)) < NEVER).sum()) for times, limit in groups)

    def from_any_seeds(found: int) -> tuple[float, float]:
        return found_limit(ALPHA, seeds, found, DELTA / 5), DELTA * 4 / 5

    def from_those_passed(found: int) -> tuple[float, float]:
        passed = [(SCORE, number < found) for number in range(seeds)]
        rejected = [(0.9, True)] * seeds
        return certified_limit(Facts(thresholds=[BAR], seeds=passed + rejected), limits, BAR)

    soon = int((first_certified(escapes, every_look(ALPHA, DELTA)) <= 6_000).sum())
    return [
        far_over(about, f"{FALSE} within 6,000 parts, what they find taken for all", soon, runs, 0.5),
        far_over(about, f"{FALSE}, their eyes measured by easy seeds", certified(easy, from_any_seeds), runs, DELTA),
        at_most(about, f"{FALSE} by the rule", certified(hard, from_those_passed), runs, DELTA),
    ]


def pooling(size: Size, rng: np.random.Generator) -> list[Row]:
    """4. Three stations at 0.1 %, the fourth at 1 %, twice the limit; parts come from them in turn."""
    about, runs, each = "4 Pooling", size.of(RUNS, least=60), LOOKS // 4
    limits, sizes = Limits(sensitivity_from_seeds=False), every_look(ALPHA, DELTA)
    own = [arrivals(rng, rate, runs, each) for rate in (0.001, 0.001, 0.001, 0.01)]
    pooled = np.sort(np.concatenate([4 * times - (3 - place) for place, times in enumerate(own)], axis=1), axis=1)
    bad_at, hidden = first_certified(own[3], sizes[sizes <= each]), first_certified(pooled, sizes) < NEVER

    def certified_after(run: int, parts: int) -> frozenset[Stratum]:
        """Production's strata once each station has had so many parts."""
        escaped = [int((times[run] <= parts).sum()) for times in own]
        everything = {(f"cam-{n}", ""): {0: Tally(ok=parts - k, scratched=k)} for n, k in enumerate(escaped)}
        return certified_strata(Facts(evidence=Evidence((BAR,), everything), thresholds=[BAR]), limits, BAR)

    bad = ("cam-3", "")
    hits = sum(bad in certified_after(int(run), int(bad_at[run])) for run in np.flatnonzero(bad_at < NEVER))
    at_last = [certified_after(run, each) for run in range(runs)]
    good = sum(len(strata - {bad}) for strata in at_last)
    rule = Rule(Level.FULL, pass_below=BAR, reject_from=BAR, strata=at_last[0])
    left = decide_many(rule, [SCORE], None, [0.5], [0.5], [0.5], [bad])
    return [
        far_over(about, "the bad station handed over with the pool", int(hidden.sum()), runs, 0.5),
        at_most(about, "the bad station handed over by the rule, at any look", hits, runs, DELTA),
        at_least(about, f"good stations certified by {each:,} parts of their own", 100 * good / (3 * runs), 95, " %"),
        equal(about, "why a person gets a part of the bad station", Why(left.why[0]).name, Why.NOT_CERTIFIED.name),
    ]


def pooling_at_any_threshold(size: Size, rng: np.random.Generator) -> list[Row]:
    """4. Three stations without a scratch, so that the pool is certified at all of 17 thresholds; the fourth is at the
    limit below each of them. Somebody takes the threshold at which its own parts happen to be certified, or its parts
    are looked at in the frozen order."""
    about, runs, order = "4 Pooling, 17 thresholds", size.of(RUNS, least=200), np.linspace(0.2, 1, 17)
    looks = np.unique(np.geomspace(200, LOOKS, 100).round().astype(int))
    limits, sizes, bad = Limits(sensitivity_from_seeds=False), every_look(ALPHA, DELTA), ("cam-3", "")
    free = frozen = 0
    for _ in range(runs):
        slots, escaped = np.searchsorted(order, rng.random(LOOKS), side="right"), rng.random(LOOKS) < ALPHA
        in_slot = _by_look(slots, looks, order.size)
        found = _by_look(slots[escaped], looks, order.size, np.flatnonzero(escaped))
        alone = reaches(np.cumsum(in_slot, axis=1), np.cumsum(found, axis=1), sizes)  # (looks, thresholds)
        free += bool(alone.any())
        first = [(int(alone[:, bar].argmax()), bar) for bar in np.flatnonzero(alone.any(axis=0))]
        frozen += any(
            bad
            in certified_strata(_with_good_stations(order, bad, in_slot[look], found[look]), limits, float(order[bar]))
            for look, bar in first
        )
    return [
        far_over(about, "the bad station handed over at whichever threshold suits it", free, runs, DELTA),
        at_most(about, "the bad station handed over by the rule, at any look", frozen, runs, DELTA),
    ]


def _by_look(slots: Counts, looks: Counts, bars: int, places: Counts | None = None) -> Counts:
    """How many of the parts (at these places of the arrivals) had come to each slot by each look, (looks, bars)."""
    at = np.searchsorted(looks, (np.arange(slots.size) if places is None else places) + 1)
    counts = np.bincount(at * (bars + 1) + slots, minlength=looks.size * (bars + 1))
    return np.cumsum(counts.reshape(looks.size, bars + 1), axis=0)[:, :bars]


def _with_good_stations(order: NDArray[np.float64], bad: Stratum, in_slot: Counts, found: Counts) -> Facts:
    good = {slot: Tally(ok=3 * int(n)) for slot, n in enumerate(in_slot)}
    everything: dict[Stratum, dict[int | None, Tally]] = {(f"cam-{n}", ""): {**good} for n in range(3)}
    pairs = zip(in_slot.tolist(), found.tolist(), strict=True)
    everything[bad] = {slot: Tally(ok=n - k, scratched=k) for slot, (n, k) in enumerate(pairs)}
    return Facts(evidence=Evidence(tuple(order.tolist()), everything), thresholds=order.tolist())


def no_data(size: Size, rng: np.random.Generator) -> list[Row]:
    """7. Quiet shifts in which two parts or so are judged, of a version four times as bad as the limit."""
    about, runs = "7 No data", size.of(20_000, least=200)
    judged = rng.poisson(2.0, size=runs)
    escaped = rng.binomial(judged, 4 * ALPHA)

    def verdict(n: int, k: int) -> str:
        return certify([SCORE] * n, [True] * k + [False] * (n - k), [BAR], ALPHA, DELTA).verdict

    told = {(n, k): verdict(n, k) for n, k in {*zip(judged.tolist(), escaped.tolist(), strict=True)}}
    certified = sum(told[n, k] == "certified" for n, k in zip(judged.tolist(), escaped.tolist(), strict=True))
    empty = (verdict(0, 0), Evidence().certify_at(BAR, [BAR], ALPHA, DELTA).verdict)
    return [
        far_over(
            about,
            "shifts that pass a gate of escapes <= alpha x parts",
            int((escaped <= ALPHA * judged).sum()),
            runs,
            0.5,
        ),
        at_most(about, "shifts certified by the rule", certified, runs, 0.0),
        equal(about, "what an empty window is, by both counts", empty, ("not_yet", "not_yet")),
    ]


def verification_bias(size: Size, rng: np.random.Generator) -> list[Row]:
    """9. The version passes 12 % of the scratched parts and leaves 28 % of them to people; a tenth is drawn blind."""
    about, parts = "9 Verification bias", size.of(4_000_000, least=400_000)
    passes, band, rejects = 0.05, 0.3, 0.9
    scratched, u = rng.random(parts) < 0.02, rng.random(parts)
    bad = np.select([u < 0.12, u < 0.4], [passes, band], rejects)
    scores = np.where(scratched, bad, np.where(u < 0.95, passes, band))
    rule = Rule(Level.PARTIAL, pass_below=BAR, reject_from=0.5, audit_share=0.1)
    draws = rng.random(parts)
    routed = decide_many(rule, scores, None, draws, draws, draws)
    escalated, passed = (routed.outcome == OUTCOMES.index(outcome) for outcome in ("person", "pass"))

    def seen(labelled: Flags) -> tuple[int, int]:
        """Of the scratched parts with a label, those that the version did not pass."""
        return int((scores[labelled & scratched] >= BAR).sum()), int((labelled & scratched).sum())

    def biased(figure: str, hits: int, labels: int) -> Row:
        return far_over(about, f"sensitivity by {figure}", hits, labels, 0.93, ", where 88 % is true")

    truth = 0.88
    audits = scratched[passed & routed.audited]
    return [
        biased("the labels of parts left to people", *seen(escalated)),
        biased("those and all audits", *seen(escalated | routed.blind)),
        share_near(
            about,
            "sensitivity by the rule: parts left to people thinned by the audits' draw",
            *seen(routed.blind),
            truth,
            0.0,
        ),
        share_near(about, "R by audits alone", int(audits.sum()), audits.size, float(scratched[passed].mean()), 0.0),
        *_unequal_audits(size, rng),
    ]


def _unequal_audits(size: Size, rng: np.random.Generator) -> list[Row]:
    """Of the parts passed a tenth lies close below the bar, has most of the escapes and is audited four times as often."""
    about, parts = "9 Unequal audits", size.of(2_000_000, least=200_000)
    close = rng.random(parts) < 0.1
    escaped = rng.random(parts) < np.where(close, 0.04, 0.001)
    share = np.where(close, 0.2, 0.05)
    audited = rng.random(parts) < share
    y = [bad if seen else None for bad, seen in zip(escaped.tolist(), audited.tolist(), strict=True)]
    truth = float(escaped.mean())
    unweighted, weighted = float(escaped[audited].mean()) / truth, (horvitz_thompson(y, share.tolist()) or 0.0) / truth
    sd = float(
        np.sqrt((escaped * (1 - share) / share).sum()) / escaped.sum()
    )  # of the estimate, as a share of the truth
    return [
        Row(
            about,
            "R by the plain mean, over the true one",
            unweighted,
            f"{unweighted:.3g}",
            "fails: > 2",
            unweighted > 2,
        ),
        near(about, "R by Horvitz and Thompson, over the true one", weighted, 1.0, 3.3 * sd),
    ]
