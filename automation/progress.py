"""How far a gate is from now to enough, as the length of a bar; for gates whose figures can be drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from automation.gates import Gate, Limits, percent, seconds
from automation.ramp import RampFacts

Figures = dict[str, Any]


@dataclass(frozen=True)
class Bar:
    """A bar of `share` percent, with a tick at `limit` percent where less is better; `words` say the same."""

    share: float
    words: str
    limit: float | None = None


def bar_of(gate: Gate) -> Bar | None:
    """The gate's bar; None where there is no figure to draw."""
    draw = DRAWN.get(gate.name)
    return draw(gate.figures) if draw else None


def _at_least(have: float, enough: float | None, unit: str) -> Bar | None:
    """From nothing to enough: a full bar is enough."""
    if enough is None:
        return None
    if have >= enough:
        return Bar(100.0, f"{_number(have)} {unit}, {_number(enough)} needed")
    return Bar(100 * have / enough, f"{_number(have)} of {_number(enough)} {unit}")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"


def _at_most(value: float | None, limit: float, words: Callable[[float], str]) -> Bar | None:
    """A value that must stay at or below its tick; the scale reaches to twice the limit, or to the value beyond."""
    if value is None or limit <= 0:
        return None
    scale = max(2 * limit, value)
    return Bar(100 * value / scale, f"{words(value)}, at most {words(limit)}", 100 * limit / scale)


def _rate(hits: int, n: int, limit: float) -> Bar | None:
    return _at_most(hits / n, limit, percent) if n else None


def _certificate(figures: Figures) -> Bar | None:
    if figures["verdict"] == "not_yet":
        more = figures["more"]
        return None if more is None else _at_least(figures["n"], figures["n"] + more, "parts passed and judged")
    return _at_most(figures.get("bound"), figures.get("alpha", 0), percent)


def _counted(figures: Figures) -> Bar | None:
    if missing := figures.get("missing"):
        return _at_least(figures["n"], figures["n"] + missing, "judged")
    return _rate(figures["k"], figures["n"], figures["limit"])


def _audits(figures: Figures) -> Bar | None:
    return _share_of(figures["judged"], figures["due"], 0.95)


DRAWN: dict[str, Callable[[Figures], Bar | None]] = {
    "null rate": lambda f: _rate(f["nulls"], f["answers"], f["limit"]),
    "latency": lambda f: _at_most(f["p95_seconds"], f["hold_seconds"], seconds),
    "shifts": lambda f: _at_least(f["shifts"], f["needed"], "shifts"),
    "days": lambda f: _at_least(f["days"], f["needed"], "days"),
    "blind pairs": lambda f: _at_least(f["have"], f["needed"], "blind verdicts"),
    "miss rate": lambda f: _rate(f["k"], f["n"], f["limit"]),
    "false alarm rate": lambda f: _rate(f["k"], f["n"], f["limit"]),
    "certificate": _certificate,
    "miss limit": _counted,
    "overkill limit": _counted,
    "strata": lambda f: _at_least(len(f["certified"]), len(f["strata"]) or 1, "stations and variants"),
    "time at partial": lambda f: _at_least(f["days"], f["needed"], "days"),
    "escalations": lambda f: _at_most(f["share"], f["limit"], percent),
    "audits": _audits,
}


def ramp_bars(facts: RampFacts, limits: Limits) -> list[tuple[str, Bar | None]]:
    """What the next step of a ramp counts: (name, bar), in the order in which its reasons to wait are told."""
    due, escapes = facts.due, facts.unaudited
    return [
        ("bound", _at_most(facts.proof.bound, facts.alpha, percent)),
        ("audited passes in this step", _at_least(facts.passes, limits.step_audits, "judged")),
        ("audits judged", _share_of(facts.judged, due, limits.audits_share)),
        ("unaudited escapes, as estimated", _at_most(escapes, limits.escape_budget, _number) if limits.escape_budget else None),
    ]  # fmt: skip


def _share_of(part: int, whole: int, least: float) -> Bar | None:
    words = f"{part:,} of {whole:,}, at least {percent(least)}"
    return Bar(100 * part / whole, words, 100 * least) if whole else None
