"""What the page shows of a line's flow: the branches with their shares, and in words why people decide."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automation.charts import Stretch, flow_picture
from automation.edge_rules import NOT_BORNE_OUT, NOT_TAKEN
from automation.fallbacks import NO_ANSWER, Fallback, fallbacks, kind_of
from automation.gates import percent
from automation.levels import Level
from automation.recent import Lately
from automation.reports import Flow, flow
from automation.routing import OUT_OF_DISTRIBUTION, UNSURE_BAND
from automation.versus import VERSIONS_DISAGREE
from inspection.models import Line

MOST = 8  # reasons
REASON_WORDS = {
    UNSURE_BAND: gettext_lazy("Score between the thresholds"),
    OUT_OF_DISTRIBUTION: gettext_lazy("Unlike the photos that the model learned from"),
    VERSIONS_DISAGREE: gettext_lazy("Live version and standby disagree"),
    "stratum not certified": gettext_lazy("Station and variant not certified"),
    "the policy has no usable thresholds": gettext_lazy("The policy has no usable thresholds"),
    NOT_TAKEN: gettext_lazy("Decided at the station, which was not to"),
    NOT_BORNE_OUT: gettext_lazy("Decided at the station, and the server's score does not bear it out"),
    "halted": gettext_lazy("The line was halted"),
    "drawn blind": gettext_lazy("Drawn for a blind verdict"),
    "people decide with advice at assist": gettext_lazy("People decide with advice"),
    "people judge every part at shadow": gettext_lazy("People judge every part"),
    "people judge every part at human only": gettext_lazy("People judge every part"),
}
FALLBACK_WORDS = {
    Fallback.TIMEOUT: gettext_lazy("No answer within the hold"),
    Fallback.LATE: gettext_lazy("The answer came after the hold"),
    Fallback.OVERLOAD: gettext_lazy("Still waits to be scored: the workers are overloaded"),
    Fallback.NO_ANSWER: gettext_lazy("The version gave no score"),
    Fallback.BLANK: gettext_lazy("Blank photo"),
    Fallback.OUT_OF_DISTRIBUTION: gettext_lazy("Unlike the photos that the model learned from"),
    Fallback.VERSION_MISSING: gettext_lazy("The version could not run"),
    Fallback.CLOCK: gettext_lazy("The clock was set back"),
}


@dataclass(frozen=True)
class FlowPage:
    """The flow as it is read: the branches with their shares in words, the picture, the reasons and the fallbacks."""

    flow: Flow
    branches: list[tuple[Stretch, str, str]]  # with the share of all parts, and of the branch what is audited
    picture: SafeString
    reasons: list[tuple[str, int]]
    fallbacks: list[tuple[str, int]]
    machine: bool  # whether the machine decides by the policy in force: then no fallback is good news
    at: datetime


def flow_page(line: Line, level: Level, *, now: datetime, lately: Lately | None = None) -> FlowPage:
    found = flow(line, now=now, lately=lately)
    hours = (now - found.since) / timedelta(hours=1) if found.since else 0.0
    failed = fallbacks(line, now=now, hours=hours)
    branches = stretches(found)
    return FlowPage(
        found, [(branch, percent(branch.share), _audited(branch)) for branch in branches], flow_picture(branches),
        reasons_of(found), [(str(FALLBACK_WORDS[kind]), n) for kind, n in failed.most_common()], level.machine_decides,
        now,
    )  # fmt: skip


def _audited(branch: Stretch) -> str:
    if branch.audited is None or not branch.count:
        return ""
    return _("{n} audited, {share}").format(n=f"{branch.audited:,}", share=percent(branch.audited / branch.count))


def stretches(flow: Flow) -> list[Stretch]:
    """The branches from top to bottom; together they are all parts. What the machine does stands there once it does it."""
    rows = (
        ("pass", _("Passed by machine"), flow.decisions["pass"], flow.audited_passes),
        ("reject", _("Rejected by machine"), flow.decisions["reject"], flow.audited_rejects),
        ("escalated", _("Escalated to people"), flow.escalated, None),
        ("late", _("Decided too late: to people"), flow.late, None),
        ("people", _("To people by the policy"), flow.by_policy, None),
        ("station", _("Decided at the station: not yet scored here"), flow.at_station, None),
        ("unrouted", _("Not answered: to people"), flow.without_answer, None),
    )
    machine = any(flow.decisions[name] for name in ("pass", "reject")) or flow.escalated
    always = ("pass", "reject", "escalated", "people") if machine else ("people",)
    return [
        Stretch(kind, words, n, n / flow.total if flow.total else 0.0, audited)
        for kind, words, n, audited in rows
        if n or kind in always
    ]


def reasons_of(flow: Flow) -> list[tuple[str, int]]:
    """Why people decide, in the reader's words, the most frequent first; but for what the fallbacks tell."""
    found: Counter[str] = Counter()
    for reason, n in [*flow.reasons.items(), *flow.escalations.items()]:
        if reason in flow.reasons or kind_of("person", reason, False) is None:
            found[reason_words(reason)] += n
    return found.most_common(MOST)


def reason_words(reason: str) -> str:
    """A reason of the router in the reader's language; what a version says of a missing answer stays as it is."""
    if reason.startswith(NO_ANSWER):
        return _("No answer: {why}").format(why=reason.removeprefix(NO_ANSWER))
    known = REASON_WORDS.get(reason)
    return str(known) if known else reason[:1].upper() + reason[1:]
