"""Holds certificates against the rows as they stood at their moment, and says what differs."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from automation.certifying import FORM, Json, applied_to, canonical, certified, digest_of, evidence_json, plain
from automation.counts import Tally
from automation.evidence_rows import evidence_by_rows, seeds_by_rows
from automation.gates import Facts, Limits, gates_to
from automation.levels import Level
from automation.models import Change, Void
from inspection.models import AuditEvent, Line
from shadow.as_of import AsOf
from shadow.models import ModelVersion

CLOSE = 1e-9  # relative; another release of the library of beta functions may differ in the last digits
# The gates that people's blind verdicts decide; the others tell of that day (its latency, its alarms).
BY_EVIDENCE = frozenset({
    "certificate", "miss limit", "overkill limit", "strata", "inspectors", "blind pairs", "miss rate",
    "false alarm rate",
})  # fmt: skip


@dataclass(frozen=True)
class Held:
    """A certificate that was held against the rows: what differs, as sentences; none: it is what the rows say."""

    change: int
    policy: int | None  # the number of the policy that was written on it; None: it is the proposal's
    line: str
    level: str
    at: str
    differs: list[str] = field(default_factory=list)


def verify(*, line: Line | None = None, change: int | None = None) -> Iterator[Held]:
    """Hold every certificate against the rows as they stood at its moment: the proposals', and those applied."""
    changes = Change.objects.select_related("line", "from_policy").order_by("pk")
    if line:
        changes = changes.filter(line=line)
    if change is not None:
        changes = changes.filter(pk=change)
    for row in changes.iterator(chunk_size=100):
        if row.certificate.get("gates"):
            yield _held(row, row.certificate, None, _against_the_trail(row))
            yield from _applied(row)


def _against_the_trail(change: Change) -> list[str]:
    row = AuditEvent.objects.filter(subject=f"change {change.pk}", action="change_proposed").first()
    if row is None:
        return ["its row in the audit trail is missing"]
    same = row.data.get("certificate") == change.certificate.get("sha256")
    return [] if same else ["its digest is not the one that the audit trail noted"]


def _applied(change: Change) -> Iterator[Held]:
    """What the audit trail holds of a change that was applied; not again where it is the proposal's own."""
    policy = change.policies.order_by("number").first()
    if policy is None:
        return
    certificate = applied_to(policy)
    if certificate is None:
        missing = ["the audit trail does not hold the certificate that was applied"]
        yield _found(change, change.certificate, policy.number, missing)
    elif certificate != change.certificate:
        yield _held(change, certificate, policy.number, [])


def _found(change: Change, certificate: Json, policy: int | None, differs: list[str]) -> Held:
    level, at = str(certificate.get("level", "")), str(certificate.get("at", ""))
    return Held(change.pk, policy, change.line.slug, level, at, differs)


def _held(change: Change, certificate: Json, policy: int | None, differs: list[str]) -> Held:
    if certificate.get("form") != FORM:
        unread = f"it has form {certificate.get('form')!r}; this release reads form {FORM}"
        return _found(change, certificate, policy, [*differs, unread])
    if digest_of(certificate) != certificate.get("sha256"):
        differs = [*differs, "it was altered: its digest is another"]
    try:
        differs = differs + _against_the_rows(change, certificate)
    except (KeyError, TypeError, ValueError) as error:  # an altered one may hold anything
        differs = [*differs, f"it cannot be read ({type(error).__name__}: {error})"]
    return _found(change, certificate, policy, differs)


def _against_the_rows(change: Change, certificate: Json) -> list[str]:
    """What was counted, counted again; and the gates that it decides, judged again."""
    named = certificate["version"]
    version = ModelVersion.objects.filter(name=named["name"]).first()
    if version is None:
        return [f"there is no version {named['name']}"]
    differs = [
        f"{name} of {version}: {named[name]}, and by its row {getattr(version, name)}"
        for name in ("weights_sha256", "threshold", "thresholds")
        if plain(named[name]) != plain(getattr(version, name))
    ]
    said, told = certificate["evidence"], certificate["evidence"]["since"]
    since = _evidence_start(change, version, said["voids"])
    facts = _facts_by_rows(change, certificate, version, since)
    if told != (since.isoformat() if since else None):
        differs.append(f"evidence counts from {told}, and by what voided it before, from {since}")
    differs += _other_counts(said, evidence_json(facts.evidence))
    differs += _other_seeds(certificate["seeds"], facts)
    differs += _other_gates(certificate, facts)
    if differs and (purges := _purged_since(certificate)):
        differs.append(f"history was purged since (audit trail: {purges} times); what is missing may have gone with it")
    return differs


def _evidence_start(change: Change, version: ModelVersion, voids: int) -> datetime | None:
    """As `automation.facts.evidence_start` was when the change was judged: by the voids that there were, which are written
    one after the other."""
    found = Void.objects.filter(line=change.line, version=version).order_by("pk")
    return max((void.at for void in found[:voids]), default=None)


def _facts_by_rows(change: Change, certificate: Json, version: ModelVersion, since: datetime | None) -> Facts:
    as_of, now = AsOf.from_json(certificate["as_of"]), datetime.fromisoformat(certificate["at"])
    hours = Limits.from_json(certificate["limits"]).audit_hours
    return Facts(
        version=version.name,
        threshold=version.threshold,
        thresholds=version.thresholds,
        evidence=evidence_by_rows(change.line, version, now=now, audit_hours=hours, since=since, as_of=as_of),
        seeds=seeds_by_rows(change.line, version, as_of),
    )


def _other_counts(said: Json, counted: Json) -> list[str]:
    def by_place(rows: list[Json]) -> dict[tuple[str, str, int | None], Json]:
        return {(row["station"], row["variant"], row["slot"]): row for row in rows}

    before, now = by_place(said["counts"]), by_place(counted["counts"])
    found = []
    for place in sorted(before.keys() | now.keys(), key=str):
        old, new = (_words(rows.get(place)) for rows in (before, now))
        if old != new:
            station, variant, slot = place
            where = f"station {station or '-'}, variant {variant or '-'}, slot {'-' if slot is None else slot}"
            found.append(f"{where}: {old}, and by the rows {new}")
    if plain(said["bars"]) != plain(counted["bars"]):
        found.append(f"bars {said['bars']}, and by the version's row {counted['bars']}")
    if plain(said["settled"]) != plain(counted["settled"]):
        found.append(f"settled {canonical(said['settled'])}, and by the rows {canonical(counted['settled'])}")
    return found


def _words(row: Json | None) -> str:
    counts = {name: row[name] for name in Tally._fields if row[name]} if row else {}
    return ", ".join(f"{n} {name}" for name, n in counts.items()) or "none"


def _other_seeds(said: Json, facts: Facts) -> list[str]:
    judged, found = len(facts.seeds), sum(found for _, found in facts.seeds)
    if (said["judged"], said["found"]) == (judged, found):
        return []
    return [f"seeds: {said['found']} of {said['judged']} found, and by the rows {found} of {judged}"]


def _other_gates(certificate: Json, facts: Facts) -> list[str]:
    """The gates that evidence decides, judged again by what was counted."""
    limits, level = Limits.from_json(certificate["limits"]), Level(certificate["level"])
    pass_below = certificate["pass_below"]
    again = gates_to(level, facts, limits, pass_below, certificate["reject_from"])
    judged = {gate.name: gate for gate in again if gate.name in BY_EVIDENCE}
    said = {gate["name"]: gate for gate in certificate["gates"] if gate["name"] in BY_EVIDENCE}
    found = [
        f"gate {name}: judged then and not now, or now and not then" for name in sorted(said.keys() ^ judged.keys())
    ]
    for name in sorted(said.keys() & judged.keys()):
        gate = judged[name]
        if said[name]["met"] != gate.met or not _close(said[name]["figures"], gate.figures):
            found.append(f"gate {name}: {said[name]['reason']} By the rows: {gate.reason}")
    if level.machine_decides and not _close(certificate["certified"], certified(facts, limits, pass_below)):
        found.append(f"certified at {canonical(certificate['certified'])}, and by the rows otherwise")
    return found


def _close(said: Any, judged: Any) -> bool:
    """Whether two figures are the same but for the last digits of a float."""
    if isinstance(said, Mapping) and isinstance(judged, Mapping):
        return said.keys() == judged.keys() and all(_close(said[name], judged[name]) for name in said)
    if isinstance(said, list | tuple) and isinstance(judged, list | tuple):
        return len(said) == len(judged) and all(map(_close, said, judged))
    if isinstance(said, float) or isinstance(judged, float):
        numbers = isinstance(said, int | float) and isinstance(judged, int | float)
        return numbers and math.isclose(said, judged, rel_tol=CLOSE)
    return bool(said == judged)


def _purged_since(certificate: Json) -> int:
    at = datetime.fromisoformat(certificate["at"])
    return AuditEvent.objects.filter(action="history_purged", at__gte=at).count()
