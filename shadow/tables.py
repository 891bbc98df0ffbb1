"""The agreement report as others read it: JSON, and CSV with a row for each group."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import version as version_of
from typing import Any

from rest_framework.renderers import JSONRenderer

from inspection.sheets import harmless
from shadow.agreement import PeopleTable
from shadow.ceiling import Ceiling, People
from shadow.dossier import Dossier
from shadow.reports import CONFIDENCE, FIGURES, AgreementReport, Group, counts, figure, figures
from shadow.scores import ScoreCounts, expected_calibration_error, histogram, reliability, risk_coverage

EDGES = ("value", "low", "high", "n")
WAYS = ("drawn", "chosen", "looked", "within")


def report_json(found: Dossier) -> dict[str, Any]:
    """All of the report. The same rows give the same answer to the same reader, to the byte: it names no time of its own."""
    report = found.report
    return {
        "filters": report.asked.echo(),
        "evidence": report.asked.evidence,
        "evidence_counts": dict(report.evidence_counts),
        "uncounted": report.uncounted,
        "confidence": CONFIDENCE,
        "confusion": counts(report.confusion),
        **figures(report.confusion),
        "groups": groups_json(report.groups),
        "days": groups_json(report.days),
        "excluded": dict(report.excluded),
        "adjudicated": {cell: asdict(settled) for cell, settled in report.adjudicated.items()},
        "scores": scores_json(report),
        "people": people_json(found.people),
        "marks": [event.told() for event in found.happened],
        "models": models_json(report),
        "software": software(),
    }


def software() -> str:
    """The product's version."""
    return f"Shadowline {version_of('shadowline')}"


def digest_of(found: Dossier) -> str:
    """SHA-256 of the bytes that the API answers this reader as JSON: a file can be checked against it."""
    return hashlib.sha256(JSONRenderer().render(report_json(found))).hexdigest()


def models_json(report: AgreementReport) -> list[dict[str, Any]]:
    return [
        {"name": version.name, "weights_sha256": version.weights_sha256, "threshold": version.threshold}
        for version in report.asked.versions
    ]


def groups_json(groups: Iterable[Group]) -> list[dict[str, Any]]:
    return [
        {"key": group.key, "name": group.name, "confusion": counts(group.confusion), **figures(group.confusion)}
        for group in groups
    ]


def scores_json(report: AgreementReport) -> dict[str, Any] | None:
    """The scores of one version; null where several are asked for, whose scores are on different scales."""
    return _scores(report.scores) if report.asked.version else None


def _scores(found: ScoreCounts) -> dict[str, Any]:
    return {
        "histogram": [asdict(bar) for bar in histogram(found)],
        "risk_coverage": [
            {
                "threshold": point.threshold, "coverage": figure(point.coverage), "risk": figure(point.risk),
                "miss": figure(point.miss),
            }
            for point in risk_coverage(found)
        ],
        "reliability": [
            {
                "low": group.low, "high": group.high, "n": group.n, "mean_score": group.mean_score,
                "scratched": figure(group.scratched),
            }
            for group in reliability(found)
        ],
        "expected_calibration_error": expected_calibration_error(found),
    }  # fmt: skip


def people_json(found: Ceiling) -> dict[str, Any]:
    """People against people, by how the parts came to be judged twice."""
    ways: Mapping[str, People] = {way: getattr(found, way) for way in WAYS}
    return {way: {"parts": people.parts, **_people(people.table)} for way, people in ways.items()} | {"cut": found.cut}


def _people(table: PeopleTable) -> dict[str, Any]:
    return {
        **asdict(table), "agreement": figure(table.agreement), "positive_agreement": figure(table.positive_agreement),
        "kappa": figure(table.kappa),
    }  # fmt: skip


def csv_rows(report: AgreementReport) -> Iterator[list[Any]]:
    """A heading, the whole, then each group. An undefined value is an empty cell."""
    edges = [f"{name}_{edge}" for name in FIGURES for edge in EDGES]
    yield [report.asked.group_by, "name", "evidence", *counts(report.confusion), *edges]
    for group in (Group("all", "all", report.confusion), *report.groups):
        yield [harmless(group.key), harmless(group.name), report.asked.evidence, *group_cells(group)]


def group_cells(group: Group) -> list[Any]:
    """The counts of a group and its figures with their intervals, in a row."""
    cells = [said[edge] for said in figures(group.confusion).values() for edge in EDGES]
    return [*counts(group.confusion).values(), *cells]
