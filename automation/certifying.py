"""Freezes what a change rests on as its certificate: the counts, the gates, and which rows there were.

It holds counts and not parts, and beside them the last keys: nothing written since changes what it says, and anybody
may count again (`automation.verifying`).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import version as version_of
from typing import Any

from django.utils import timezone

from automation.counts import Evidence, Tally
from automation.facts import evidence_start, facts_of
from automation.gates import Facts, Gate, Limits, certified_limit, seeds_passed
from automation.levels import Level
from automation.models import Policy, Void
from inspection.models import AuditEvent, Line
from inspection.refusals import Conflict
from shadow.as_of import AsOf
from shadow.models import ModelVersion
from shadow.rollups import FOR_A_READER, left_to_count

FORM = 2  # raised when a certificate holds something else, or counts it otherwise
TRIES = 20  # to read the evidence while nobody judges: a reading takes some tens of milliseconds

Json = dict[str, Any]


def facts_at_rest(
    line: Line, version: ModelVersion | None, *, now: datetime, policy: Policy
) -> tuple[Facts, AsOf | None]:
    """The facts of a line, and exactly which rows they were counted from; None: too much is being written to tell."""
    for _ in range(TRIES):
        backlog = left_to_count() > FOR_A_READER
        as_of = AsOf.now(timezone.now())
        facts = facts_of(line, version, now=now, policy=policy)
        if not backlog and not as_of.passed_by(line):
            return facts, as_of
        if backlog:
            break
    return facts, None


def freeze(
    *,
    line: Line,
    version: ModelVersion,
    kind: str,
    proposed: Mapping[str, Any],
    facts: Facts,
    gates: Sequence[Gate],
    as_of: AsOf | None,
    now: datetime,
) -> Json:
    """The certificate of a change whose gates are met. Raises Conflict while its evidence is still being counted."""
    if as_of is None:
        raise Conflict(f"The verdicts of {line.name} are still being counted. Try again in a minute.")
    limits, level = Limits.from_json(proposed["limits"]), Level(proposed["level"])
    since, voids = evidence_start(line, version), Void.objects.filter(line=line, version=version).count()
    return sealed({
        "form": FORM, "at": now.isoformat(), "line": line.slug, "kind": kind, "level": level,
        "version": {
            "name": version.name, "weights_sha256": version.weights_sha256, "threshold": version.threshold,
            "thresholds": version.thresholds,
        },
        "pass_below": proposed["pass_below"], "reject_from": proposed["reject_from"], "limits": limits.to_json(),
        "certified": certified(facts, limits, proposed["pass_below"]) if level.machine_decides else None,
        "strata": proposed["strata"] if level.machine_decides else None,
        "evidence": {"since": since.isoformat() if since else None, "voids": voids, **evidence_json(facts.evidence)},
        "seeds": {"judged": len(facts.seeds), "found": sum(found for _, found in facts.seeds)},
        "gates": [{"name": g.name, "met": g.met, "reason": g.reason, "figures": g.figures} for g in gates],
        "as_of": as_of.to_json(), "software": f"shadowline {version_of('shadowline')}",
    })  # fmt: skip


def without_gates(proposed: Mapping[str, Any], now: datetime) -> Json:
    """What stands in the place of a certificate where a change takes no gate: a step down, a switch, more care."""
    return {"at": now.isoformat(), "level": proposed["level"], "gates": []}


def certified(facts: Facts, limits: Limits, pass_below: float) -> Json:
    """The limit and the error probability that were certified at, and the seeds that thinned them (trap 3)."""
    alpha, delta = certified_limit(facts, limits, pass_below)
    seeds, found = seeds_passed(facts, pass_below)
    return {"alpha": alpha, "delta": delta, "seeds_passed": seeds, "seeds_found": found}


# ---- as JSON


def evidence_json(evidence: Evidence) -> Json:
    """The counts by stratum and slot, and for each bar below which somebody waited what had been settled before."""
    counts = [
        {"station": stratum[0], "variant": stratum[1], "slot": slot, **tally._asdict()}
        for stratum in evidence.strata
        for slot, tally in sorted(evidence.everything[stratum].items(), key=_by_slot)
    ]
    settled = [
        {"bar": evidence.bars[bar], "strata": [_settled(*row) for row in sorted(strata.items())]}
        for bar, strata in sorted(evidence.settled.items())
    ]
    return {"bars": list(evidence.bars), "counts": counts, "settled": settled}


def _by_slot(row: tuple[int | None, Tally]) -> tuple[bool, int]:
    """Parts whose score is no use come last."""
    return row[0] is None, row[0] or 0


def _settled(stratum: tuple[str, str], found: tuple[int, int]) -> Json:
    return {"station": stratum[0], "variant": stratum[1], "parts": found[0], "escapes": found[1]}


def canonical(value: Any) -> str:
    """The one text of a certificate: keys in order, no spaces, whole numbers without a point."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def plain(value: Any) -> Any:
    """A database may give a whole number back with or without its point."""
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def digest_of(certificate: Mapping[str, Any]) -> str:
    """SHA-256 over the canonical text of all but the digest itself."""
    content = {name: value for name, value in certificate.items() if name != "sha256"}
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def sealed(certificate: Json) -> Json:
    return {**certificate, "sha256": digest_of(certificate)}


def applied_to(policy: Policy) -> Json | None:
    """The certificate that a policy was written on: judged again at its approval, it stands in the policy's audit row."""
    row = AuditEvent.objects.filter(subject=f"policy {policy.pk}", action__startswith="level_").first()
    return row.data.get("certificate") if row else None
