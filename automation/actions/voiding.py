"""Takes a version's certificate on a line away: its evidence counts again from that moment, whoever decides there then."""

from datetime import datetime

from automation import policies
from automation.models import Void
from inspection import audit
from inspection.models import Line
from shadow.models import ModelVersion

SYSTEM = "system"


def void_evidence(*, line: Line, version: ModelVersion, reason: str, now: datetime) -> Void:
    """Write that what the version was certified for here is void up to the policy in force.

    Within the transaction of whoever found the reason, who holds the line's lock: no change is certified meanwhile.
    """
    number = policies.in_force(line).number
    void = Void.objects.create(line=line, version=version, number=number, reason=reason[:500], by=SYSTEM, at=now)
    audit.record(
        "evidence_voided", by=SYSTEM, line=line.slug, subject=void, version=version.name, number=number,
        reason=void.reason,
    )  # fmt: skip
    return void
