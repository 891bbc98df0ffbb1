"""What a line's audits found so far, how many wait, and how the watch over them stands, in figures and in words."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from automation.audits import watch_of
from automation.delay import mean_delay
from automation.evidence import BurstDetector, EscapeDetector, expected_unaudited_escapes, smallest_burst
from automation.gates import percent
from automation.reports import Standing
from automation.what_if import BEFORE, RISE

SHARES = (0.05, 0.1, 0.2, 0.5)  # audit shares to compare the present one with


@dataclass(frozen=True)
class Watch:
    """How far the watch is from an alarm: `way` from 0 to 100, on a logarithmic scale, and the same in words."""

    alarm: bool
    way: float
    words: str


@dataclass(frozen=True)
class AuditReport:
    """The audits of the version that decides on the line: how many wait and were judged, what was found, and the watch."""

    waiting: int
    overdue: int
    audit_hours: int
    judged: int
    passes: int
    escapes: int
    watch: Watch

    @property
    def share(self) -> float | None:
        """Of the audits due, those judged; None: there is none."""
        due = self.waiting + self.judged
        return self.judged / due if due else None


def audit_report(standing: Standing, *, now: datetime) -> AuditReport | None:
    """None while the version has never decided here: there is nothing to audit."""
    line, version, facts, limits = standing.line, standing.version, standing.facts, standing.limits
    row = watch_of(line, version) if version else None
    if row is None or standing.counted is None:
        return None
    late = standing.counted.overdue_audits(now - timedelta(hours=limits.audit_hours))
    return AuditReport(
        waiting=facts.audits_due - facts.audits_judged, overdue=late,
        audit_hours=limits.audit_hours, judged=facts.audits_judged, passes=row.passes, escapes=row.escapes,
        watch=watch_state(row.state, limits.alpha),
    )  # fmt: skip


def watch_state(state: dict[str, Any], alpha: float) -> Watch:
    """The detectors as they stand, in words; before their first look they are fresh."""
    escapes = EscapeDetector.from_json(state["escapes"]) if "escapes" in state else EscapeDetector(alpha)
    burst = BurstDetector.from_json(state["burst"]) if "burst" in state else BurstDetector(alpha)
    if escapes.alarm or burst.alarm:
        words = _("Alarm: escapes came more often than the limit of {limit} allows.")
        return Watch(True, 100.0, words.format(limit=percent(escapes.alpha)))
    passes = state.get("passes", 0)
    if not passes:
        return Watch(
            False,
            0.0,
            _(
                "Quiet: no audit of a part that the machine passed counts yet; each does once its verdict can be undone no more."
            ),
        )
    words = ngettext(
        "Quiet: of {passes} audited pass {found} escaped; of the last {window} audits {recent}, and {enough} would be an alarm.",
        "Quiet: of {passes} audited passes {found} escaped; of the last {window} audits {recent}, and {enough} would be an alarm.",
        passes,
    )
    figures = {
        "passes": f"{passes:,}", "found": f"{state.get('found', 0):,}", "window": len(burst.recent),
        "recent": sum(burst.recent), "enough": smallest_burst(burst.alpha, burst.every, burst.window),
    }  # fmt: skip
    return Watch(False, _way(escapes), words.format(**figures))


def _way(detector: EscapeDetector) -> float:
    """From no suspicion to an alarm, by the logarithm of its sum."""
    mean = sum(detector.sums) / len(detector.sums) if detector.sums else 0.0
    return min(100.0, 100 * math.log1p(max(0.0, mean)) / math.log1p(detector.every))


def leave_unaudited(alpha: float, audit_share: float) -> float | None:
    """Scratched parts that leave unaudited before the watch lowers the line, if escapes rise from well below the limit to
    twice it: what the watch is slowest to see. None: it would not see that."""
    rate = min(1.0, RISE * alpha)
    escapes = expected_unaudited_escapes(mean_delay(alpha, rate, BEFORE * alpha), rate, audit_share)
    return escapes if math.isfinite(escapes) else None


def risk_words(alpha: float, audit_share: float) -> str:
    """The same for the present audit share and for others, to be read beside the field."""
    now = leave_unaudited(alpha, audit_share)
    if now is None:
        return _("With a limit of {limit} the watch could not see escapes rise.").format(limit=percent(alpha))
    words = _(
        "At {share} about {escapes} scratched parts leave unaudited before the watch lowers the line, if escapes rise to {rate}."
    )
    first = words.format(share=percent(audit_share), escapes=f"{now:,.0f}", rate=percent(min(1.0, RISE * alpha)))
    others = [(share, leave_unaudited(alpha, share)) for share in SHARES if share != audit_share]
    return " ".join(
        [first, *(_("At {share}: {escapes}.").format(share=percent(share), escapes=f"{n:,.0f}") for share, n in others)]
    )
