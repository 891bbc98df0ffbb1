"""Bundles as rows and as files: which a station has, until when they hold and why they ended, and what is inside."""

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from automation import edge_key, policies
from automation.certificates import certificate_in_force
from automation.edge_rules import Bundle, Standing
from automation.facts import critical_alarms
from automation.levels import Level
from automation.models import EdgeBundle, EdgeEnd, EdgeTicket, Halt, Policy, Void
from inspection.models import Line, Station
from inspection.refusals import Unknown

FORM = 1  # of the manifest
Json = dict[str, Any]


@dataclass(frozen=True)
class Ending:
    """When a bundle ended for good, and why in words; `by` is a person's name, which no row may keep in its words."""

    at: datetime
    why: str
    by: str = ""


def standing_of(line: Line, station: Station, policy: Policy | None = None) -> Standing:
    """What decides whether a station may decide by itself, now."""
    policy = policy or policies.in_force(line)
    rule = policies.rule_of(policy)
    return Standing(
        line=line.name, station=station.slug, level=Level(policy.level),
        version=policy.version.name if policy.version else None, pass_below=policy.pass_below,
        reject_from=policy.reject_from, share=rule.canary_share, halted=policies.halt_of(line) is not None,
        certified=certificate_in_force(policy) is not None, strata=rule.strata,
        critical_alarms=critical_alarms(line), imported=policy.version is not None and policy.version.is_imported,
    )  # fmt: skip


def latest(line: Line, station: Station) -> EdgeBundle | None:
    """The station's last bundle, ended or not."""
    rows = EdgeBundle.objects.filter(line=line, station=station)
    return rows.select_related("line", "station", "policy", "version").defer("version__card").first()


def find_bundle(line: Line, number: int) -> EdgeBundle:
    """The line's bundle of a number. Raises Unknown."""
    rows = EdgeBundle.objects.filter(line=line, number=number) if number < 2**31 else EdgeBundle.objects.none()
    bundle = rows.select_related("line", "station", "policy", "version").defer("version__card").first()
    if bundle is None:
        raise Unknown(f"{line.name} has no bundle {number}.")
    return bundle


def end_of(bundle: EdgeBundle) -> Ending | None:
    """What ended the bundle first: a person, another policy, a halt, a void, a later bundle. None: nothing has.

    For good: a line that is resumed, or that goes back to the same thresholds, needs a new one.
    """
    return min(_endings(bundle), key=lambda ending: ending.at, default=None)


def _endings(bundle: EdgeBundle) -> list[Ending]:
    of_line = {"line": bundle.line_id, "at__gte": bundle.at}
    policy = Policy.objects.filter(line=bundle.line_id, number__gt=bundle.policy.number).order_by("number").first()
    halts = Halt.objects.filter(on=True, at__gte=bundle.at)
    halt = (halts.filter(line=None) | halts.filter(line=bundle.line_id)).order_by("at").first()
    void = Void.objects.filter(version=bundle.version_id, **of_line).order_by("at").first()
    later = EdgeBundle.objects.filter(station=bundle.station_id, number__gt=bundle.number).order_by("number").first()
    ended = EdgeEnd.objects.filter(bundle=bundle).first()
    found = [
        ended and Ending(ended.at, f"a person ended it: {ended.reason}", ended.by),
        policy and Ending(policy.at, f"policy {policy.number} took the place of policy {bundle.policy.number}"),
        halt and Ending(halt.at, f"halted: {halt.reason}", halt.by),
        void and Ending(void.at, f"the certificate was voided: {void.reason}"),
        later and Ending(later.at, f"bundle {later.number} took its place"),
    ]
    return [ending for ending in found if ending]


def as_given(bundle: EdgeBundle) -> Bundle:
    """The bundle as the rules read it, with the last ticket and the end."""
    ticket, ending = bundle.tickets.last(), end_of(bundle)
    return Bundle(
        number=bundle.number, station=bundle.station.slug, pass_below=bundle.pass_below, reject_from=bundle.reject_from,
        strata=None if bundle.strata is None else frozenset((station, variant) for station, variant in bundle.strata),
        most=bundle.most, at=bundle.at, ticket_ends=ticket.ends_at if ticket else None,
        ended_at=ending.at if ending else None, ended_why=ending.why if ending else "",
    )  # fmt: skip


# ---- As files


def canonical(value: Mapping[str, Any]) -> bytes:
    """The bytes of an object that are signed: names in order, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def manifest_of(bundle: EdgeBundle, files: Mapping[str, bytes]) -> Json:
    return {
        "format": FORM, "number": bundle.number, "line": bundle.line.slug, "station": bundle.station.slug,
        "version": {"name": bundle.version.name, "sha256": bundle.version.weights_sha256},
        "policy": bundle.policy.number, "pass_below": bundle.pass_below, "reject_from": bundle.reject_from,
        "strata": bundle.strata, "most": bundle.most, "made_at": bundle.at.isoformat(),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())},
    }  # fmt: skip


def packed(bundle: EdgeBundle, files: Mapping[str, bytes]) -> bytes:
    """The ZIP, nothing compressed: the manifest, the files, and the signature over the manifest's bytes."""
    manifest = canonical(manifest_of(bundle, files))
    inside = {"manifest.json": manifest, **files, "signature": edge_key.sign(manifest)}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in inside.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # of no date: the same bundle is the same file
    return buffer.getvalue()


def bundle_path(sha256: str) -> Path:
    """Beside the weights, which a backup takes along."""
    return Path(settings.MODEL_ROOT) / "bundles" / f"{sha256}.zip"


def content_of(bundle: EdgeBundle) -> bytes:
    """The file. Raises Unknown where it is gone."""
    path = bundle_path(bundle.sha256)
    if not path.exists():
        raise Unknown(f"The file of bundle {bundle.number} is not on this server. Bring it back from the backup.")
    return path.read_bytes()


def ticket_json(bundle: EdgeBundle, ticket: EdgeTicket) -> Json:
    """The ticket as a station checks it: `signature` is over the canonical JSON of the rest."""
    told = {
        "bundle": bundle.number, "sha256": bundle.sha256, "line": bundle.line.slug, "station": bundle.station.slug,
        "issued_at": ticket.issued_at.isoformat(), "ends_at": ticket.ends_at.isoformat(),
    }  # fmt: skip
    return told | {"signature": base64.b64encode(edge_key.sign(canonical(told))).decode()}
