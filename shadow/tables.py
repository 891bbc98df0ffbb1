"""The agreement report as others read it: JSON, and CSV with a row for each group."""

import csv
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from django.http import StreamingHttpResponse

from shadow.reports import CONFIDENCE, FIGURES, AgreementReport, Group, counts, figures

EDGES = ("value", "low", "high", "n")


def report_json(report: AgreementReport) -> dict[str, Any]:
    return {
        "filters": report.asked.echo(),
        "evidence": report.asked.evidence,
        "evidence_counts": dict(report.evidence_counts),
        "confidence": CONFIDENCE,
        "confusion": counts(report.confusion),
        **figures(report.confusion),
        "groups": [
            {"key": group.key, "name": group.name, "confusion": counts(group.confusion), **figures(group.confusion)}
            for group in report.groups
        ],
        "excluded": dict(report.excluded),
        "adjudicated": {cell: asdict(settled) for cell, settled in report.adjudicated.items()},
    }


class Echo:
    """A file of one line: what csv writes is handed on at once."""

    def write(self, text: str) -> str:
        return text


def csv_rows(report: AgreementReport) -> Iterator[list[Any]]:
    """A heading, the whole, then each group. An undefined value is an empty cell."""
    edges = [f"{name}_{edge}" for name in FIGURES for edge in EDGES]
    yield [report.asked.group_by, "name", "evidence", *counts(report.confusion), *edges]
    for group in (Group("all", "all", report.confusion), *report.groups):
        cells = [figure[edge] for figure in figures(group.confusion).values() for edge in EDGES]
        yield [_text(group.key), _text(group.name), report.asked.evidence, *counts(group.confusion).values(), *cells]


def _text(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def csv_response(report: AgreementReport) -> StreamingHttpResponse:
    writer = csv.writer(Echo())
    response = StreamingHttpResponse((writer.writerow(row) for row in csv_rows(report)), content_type="text/csv")
    response["Content-Disposition"] = f'attachment; filename="agreement-by-{report.asked.group_by}.csv"'
    return response
