"""What the what-if page says of its figures: each number with what it was counted of and where it must stay."""

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from automation import gates
from automation.evidence import Certificate
from automation.rerouting import Rerouted
from automation.routing import Why
from automation.what_if import Rate, Step, WhatIf
from automation.what_if_chart import rate_bar

WHY_WORDS = {
    Why.UNSURE_BAND: gettext_lazy("Score between the thresholds"),
    Why.NO_ANSWER: gettext_lazy("No answer of the model"),
    Why.OUT_OF_DISTRIBUTION: gettext_lazy("Unlike the photos that the model learned from"),
    Why.NOT_CERTIFIED: gettext_lazy("Station and variant not certified"),
    Why.HALTED: gettext_lazy("Outside the share: the line is halted"),
    Why.PEOPLE_JUDGE_ALL: gettext_lazy("Outside the share: people judge every part"),
    Why.DRAWN_BLIND: gettext_lazy("Outside the share: drawn blind"),
    Why.ADVICE: gettext_lazy("Outside the share: people decide with advice"),
}


@dataclass(frozen=True)
class Figure:
    """One figure: what it is, the number, and in words what stands behind it."""

    label: str
    value: str
    notes: tuple[str, ...]
    bar: str = ""


def percent(share: float) -> str:
    return gates.percent(share).replace(" ", "\u00a0")


def share_or_dash(share: float | None) -> str:
    return "-" if share is None else percent(share)


def sentence_of(found: WhatIf) -> str:
    asked = found.asked
    if not found.below.judged:
        return _("No part that scores below {bar:g} has been judged blind yet.").format(bar=asked.pass_below)
    words = _(
        "The machine would decide {coverage} of the parts; of those that it passes, at most {bound} are scratched."
    )
    if asked.share < 1:
        words = _(
            "The machine would decide {coverage} of the {share} of parts that it is given; of those that it passes, at "
            "most {bound} are scratched."
        )
    shares = {"coverage": percent(found.coverage or 0.0), "share": percent(asked.share)}
    return words.format(bound=percent(found.escapes.bound), **shares)


def state_of(found: WhatIf) -> str:
    """The certificate in a word; one that holds for perfect inspectors alone is none yet."""
    verdict = found.certificate.figures["verdict"]
    return "not_yet" if verdict == "certified" and not found.certificate.met else verdict


def stratum_words(seen: Certificate, known: bool, pass_below: float) -> str:
    """What the look at a station and variant says, and at which threshold where a stricter one holds it up."""
    words = verdict_words(seen, known)
    if seen.tested == pass_below or seen.tested is None:
        return words
    return _("below {bar}: {words}").format(bar=f"{seen.tested:g}", words=words)


def verdict_words(seen: Certificate, known: bool, reached: bool = True) -> str:
    """What one look says, as short as a table's cell. `known`: how many scratches inspectors find."""
    if not reached:
        return _("waits for a stricter one")
    if seen.verdict == "certified":
        return _("certified") if known else _("certified, if inspectors miss nothing")
    if seen.verdict == "refuted":
        return _("refuted")
    if seen.more is None:
        return _("not yet: no number of parts is enough")
    return _("not yet: {more} more").format(more=f"{seen.more:,}") if seen.more else _("not yet: pending parts first")


def figures_of(found: WhatIf) -> list[Figure]:
    return [*_shares(found), *_in_a_day(found)]


def _shares(found: WhatIf) -> list[Figure]:
    limits, one_look = found.asked.limits, _("{share} at one planned look (Clopper-Pearson)")
    decided = (
        *_automated(found),
        _("{k} of {n} parts of the evidence").format(k=f"{found.machine:,}", n=f"{found.parts:,}"),
        _("{passed} passed, {rejected} rejected").format(
            passed=f"{found.passed.parts:,}", rejected=f"{found.rejected.parts:,}"
        ),
    )
    escapes = [*_rate_words(found.escapes, found.alpha)]
    if found.escapes.n:
        escapes.append(one_look.format(share=percent(found.one_look)))
    if found.below.waiting:
        escapes.append(_("and {n} that wait for a person").format(n=f"{found.below.waiting:,}"))
    return [
        Figure(_("Decided by machine"), share_or_dash(found.coverage), decided),
        Figure(
            _("Scratched among passed"), share_or_dash(found.escapes.value), tuple(escapes),
            rate_bar(found.escapes, found.alpha, found.one_look),
        ),
        _limited(_("Scratched parts missed"), found.missed, limits.miss_limit),
        _limited(_("Good among rejected"), found.overkill, limits.overkill_limit),
    ]  # fmt: skip


def _automated(found: WhatIf) -> tuple[str, ...]:
    """Of which stations and variants the machine's share is told; nothing where all are certified."""
    known = {place for place, seen in found.strata if found.known and seen.verdict == "certified"}
    if len(known) == len(found.strata):
        return ()
    if found.asked.certified_only:
        words = _("{n} of {all} stations and variants, those certified; the parts of the others go to people")
        return (words.format(n=f"{len(known):,}", all=f"{len(found.strata):,}"),)
    if known:
        return (_("all stations and variants, also those that are not certified"),)
    return (_("all stations and variants, as if they were certified: none is yet"),)


def _limited(label: str, rate: Rate, limit: float) -> Figure:
    return Figure(label, share_or_dash(rate.value), _rate_words(rate, limit), rate_bar(rate, limit))


def _rate_words(rate: Rate, limit: float) -> tuple[str, ...]:
    if not rate.n:
        return (_("none judged blind yet; limit {limit}").format(limit=percent(limit)),)
    return (
        _("{k} of {n} judged blind").format(k=f"{rate.k:,}", n=f"{rate.n:,}"),
        _("at most {bound}; limit {limit}").format(bound=percent(rate.bound), limit=percent(limit)),
    )


def _in_a_day(found: WhatIf) -> list[Figure]:
    day = found.day
    people, saved = _("To people, a day"), _("Inspector hours saved, a day")
    if not day.days:
        none = (_("the version answered no part in the last weeks"),)
        return [Figure(people, "-", none), Figure(saved, "-", none)]
    load = (
        _("of {parts} parts, and {audits} audits").format(parts=f"{day.parts:,.0f}", audits=f"{day.audits:,.0f}"),
        ngettext("counted on {days} day", "counted on {days} days", day.days).format(days=day.days),
    )
    if day.seconds is None:
        return [
            Figure(people, f"{day.people:,.0f}", load),
            Figure(saved, "-", (_("no verdict of the last weeks was timed"),)),
        ]
    pace = (
        _("{seconds} s a part, less the audits").format(seconds=f"{day.seconds:.1f}"),
        _("median of {n} verdicts").format(n=f"{day.timed:,}"),
    )
    return [Figure(people, f"{day.people:,.0f}", load), Figure(saved, f"{day.saved_hours:,.1f}", pace)]


def risk_of(found: WhatIf) -> tuple[str, str]:
    """How many escapes leave unaudited before a rollback, and of what that was told."""
    risk = found.risk
    if risk.escapes is None or risk.delay is None:
        return "-", _("At this limit the watch over audits sees no rise.")
    words = _(
        "unaudited escapes before a rollback, if escapes rise to {rate}: the watch takes {delay} audits, the mean of "
        "simulated runs"
    )
    told = words.format(rate=percent(risk.rate), delay=f"{risk.delay:,.0f}")
    if risk.days is not None:
        days = max(1, round(risk.days))
        told += ngettext(", about {days} day", ", about {days} days", days).format(days=f"{days:,}")
    return f"{risk.escapes:,.0f}", f"{told}."


def step_words(step: Step, known: bool) -> list[str]:
    """The cells of a threshold's row after the threshold."""
    rate = step.escapes
    counted = f"{rate.k:,} / {rate.n:,}"
    shares = (percent(step.coverage), counted, share_or_dash(rate.value), percent(rate.bound))
    return [*shares, verdict_words(step.look, known, step.reached)]


def routes_of(recent: Rerouted) -> list[tuple[str, str, int, str]]:
    """The recent parts by who would have got them: a kind, its words, how many, and their share."""
    rows = (
        ("pass", _("Passed by machine"), recent.passed),
        ("reject", _("Rejected by machine"), recent.rejected),
        ("people", _("To people"), recent.people),
        ("audited", _("Of the machine's parts, audited blind"), recent.audited),
    )
    return [(kind, words, n, share_or_dash(n / recent.parts if recent.parts else None)) for kind, words, n in rows]


def reasons_of(recent: Rerouted) -> list[tuple[str, int]]:
    return [(str(WHY_WORDS.get(why, why.name)), n) for why, n in recent.reasons.most_common()]
