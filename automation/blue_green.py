"""The versions of a line side by side: which are live, standby and candidates, and whether one is better than another."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automation import policies
from automation.actions.changing import landing
from automation.discordant import Span, drawn_apart, drawn_good, sent_scratched, sent_waiting
from automation.facts import evidence_start, facts_of
from automation.gates import Facts, Limits, certificate_gate, percent
from automation.levels import Level
from automation.models import Policy
from automation.recent import routed_lately
from automation.reports import Standing
from automation.versus import VERSIONS_DISAGREE, Versus
from inspection.models import Line
from inspection.prepared import Given, Prepared
from shadow.models import Assignment, ModelVersion, Role
from shadow.rollups import up_to_date

LATELY = timedelta(hours=24)


@dataclass(frozen=True)
class Compared:
    """What people found of the parts that two versions saw; `waiting` are those on which they differ and nobody has said."""

    blue: ModelVersion
    green: ModelVersion
    versus: Versus
    waiting: int

    @property
    def finding(self) -> str:
        """Which of the two is better, as far as anybody can tell, in a sentence."""
        names = {"blue": self.blue.name, "green": self.green.name, "confidence": percent(1 - self.versus.delta)}
        if self.versus.finding == "green":
            words = _("{green} misses fewer scratched parts than {blue}, with {confidence} confidence at every look.")
        elif self.versus.finding == "blue":
            words = _("{blue} misses fewer scratched parts than {green}, with {confidence} confidence at every look.")
        else:
            words = ngettext(
                "Nobody can tell yet which misses fewer. {n} more scratched part that only {blue} misses would show that "
                "{green} is better, if {green} alone misses no other.",
                "Nobody can tell yet which misses fewer. {n} more scratched parts that only {blue} misses would show that "
                "{green} is better, if {green} alone misses no other.",
                self.versus.missing,
            )
        return words.format(**names, n=self.versus.missing)

    @property
    def counts(self) -> str:
        """What it rests on, in a sentence."""
        versus = self.versus
        words = _(
            "So far {blue} alone missed {only_blue} scratched parts and {green} alone {only_green}; of the newest good "
            "parts that either rejected, {blue} alone rejected {good_blue} and {green} alone {good_green}."
        )
        return words.format(
            blue=self.blue.name, green=self.green.name, only_blue=versus.only_blue, only_green=versus.only_green,
            good_blue=versus.good_blue, good_green=versus.good_green,
        )  # fmt: skip


def compare_versions(line: Line, blue: ModelVersion, green: ModelVersion, *, now: datetime) -> Compared:
    """Two versions by the parts that both saw and on which they differ, by the same rules of evidence as a certificate.

    It says which is better, and certifies neither. Parts count from the last alarm that voided a certificate of either.
    """
    up_to_date([line])
    starts = [start for version in (blue, green) if (start := evidence_start(line, version))]
    span = Span(line, max(starts, default=None), now)
    sent, good = sent_scratched(span, blue, green), drawn_good(span, blue, green)
    only_green, green_waits = drawn_apart(span, green, blue)
    only_blue, blue_waits = drawn_apart(span, blue, green)
    delta = Limits.from_json(policies.in_force(line).limits).delta
    versus = Versus(only_green + sent[green.pk], only_blue + sent[blue.pk], good[green.pk], good[blue.pk], delta)
    return Compared(blue, green, versus, green_waits + blue_waits + sent_waiting(span, blue, green))


@dataclass(frozen=True)
class VersionOnLine:
    """One version that scores the line's parts. `lands` is the level on which a switch to it would land; `back`: it was
    live just before, so one person switches back to it; `agreed`: a switch to it takes more."""

    version: ModelVersion
    role: Role
    since: datetime
    answers: int
    nulls: int
    certified: Policy | None
    certificate: str
    lands: Level
    back: bool
    agreed: bool
    compared: Compared | None  # with the live version as blue

    @property
    def null_rate(self) -> str:
        return percent(self.nulls / self.answers) if self.answers else "-"


@dataclass(frozen=True)
class Versions:
    """The live version first, then the standby, then candidates; `others` are registered and do not score the line."""

    line: Line
    policy: Policy
    rows: list[VersionOnLine]
    others: list[ModelVersion]
    disagreed: int  # of the parts routed lately, those that a person got because live and standby disagreed
    routed: int
    runs: bool

    @property
    def standby(self) -> VersionOnLine | None:
        return next((row for row in self.rows if row.role == Role.STANDBY), None)


_ASSIGNED = Prepared(
    lambda: (
        Assignment.objects.current()
        .filter(line=Given("line"))
        .select_related("version")
        .defer("version__card")
        .order_by("pk")
    )
)
_REGISTERED = Prepared(lambda: ModelVersion.objects.defer("card"))


def registered() -> list[ModelVersion]:
    """All versions, the newest first."""
    return _REGISTERED()


def versions_of(line: Line, standing: Standing, *, now: datetime | None = None) -> Versions:
    """What the page shows of the versions on a line."""
    now = now or timezone.now()
    policy, order = standing.policy, list(Role)
    assigned = sorted(_ASSIGNED(line=line.pk), key=lambda row: (order.index(Role(row.role)), -row.version_id))
    live = next((row.version for row in assigned if row.role == Role.LIVE), None)
    rows = [_row(row, live, standing, now) for row in assigned]
    scoring = {row.version_id for row in assigned}
    others = [version for version in registered() if version.pk not in scoring]
    groups = routed_lately(line, now - LATELY).groups if policy.standby_id else []
    disagreed = sum(group.parts for group in groups if group.reason == VERSIONS_DISAGREE)
    routed = sum(group.parts for group in groups)
    return Versions(line, policy, rows, others, disagreed, routed, standing.level.runs_model)


def _row(assigned: Assignment, live: ModelVersion | None, standing: Standing, now: datetime) -> VersionOnLine:
    line, policy, version = standing.line, standing.policy, assigned.version
    facts = standing.facts if version == standing.version else facts_of(line, version, now=now, policy=policy)
    held, lands = policies.certified(line, version), Level(landing(line, policy, version.pk)["level"])
    back = version.pk == policies.live_before(policy)
    return VersionOnLine(
        version=version, role=Role(assigned.role), since=assigned.assigned_at, answers=facts.recent,
        nulls=facts.recent_nulls, certified=held, certificate=_certificate(line, version, facts, held, policy),
        lands=lands, back=back, agreed=lands.machine_decides and policy.quorum > 1 and not back,
        compared=None if live is None or version == live else compare_versions(line, live, version, now=now),
    )  # fmt: skip


def _certificate(line: Line, version: ModelVersion, facts: Facts, held: Policy | None, policy: Policy) -> str:
    """Whether a version has proven itself on the line: by which policy it was certified, or what is missing."""
    if held:
        words = _("Certified at {level} by policy {number}.")
        if held.limits != policy.limits:
            words = _("Certified at {level} by policy {number}, but for other limits than those of today.")
        return words.format(level=held.get_level_display(), number=held.number)
    bar = min(version.thresholds, default=version.threshold)
    reason = certificate_gate(facts, Limits.from_json(policy.limits), bar).reason
    if evidence_start(line, version):
        return _("An alarm has voided its certificate. {reason}").format(reason=reason)
    return reason


def versions_json(shown: Versions) -> list[dict[str, Any]]:
    """The same for a machine; what was found is of each version as green beside the live one as blue."""
    return [
        {
            "model": row.version.name, "role": row.role, "since": row.since, "answers": row.answers, "nulls": row.nulls,
            "certificate": row.certificate, "lands": row.lands,
            "compared": None if row.compared is None else _compared_json(row.compared),
        }
        for row in shown.rows
    ]  # fmt: skip


def _compared_json(compared: Compared) -> dict[str, Any]:
    versus = compared.versus
    figures = {"only_green_misses": versus.only_green, "only_blue_misses": versus.only_blue, "missing": versus.missing}
    figures |= {"only_green_rejects": versus.good_green, "only_blue_rejects": versus.good_blue}
    return {"better": versus.finding, "reason": compared.finding, "waiting": compared.waiting, **figures}
