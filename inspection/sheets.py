"""CSV that is handed on row by row, and in which no spreadsheet finds a formula."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.http import StreamingHttpResponse


class _Echo:
    """A file that hands each written row straight on."""

    def write(self, row: str) -> str:
        return row


def harmless(cell: str) -> str:
    """A cell that a spreadsheet would run as a formula is written as text."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def written(rows: Iterable[Sequence[Any]]) -> Iterator[Any]:
    """Each row as a line of CSV."""
    writer = csv.writer(_Echo())
    return (writer.writerow(row) for row in rows)


def csv_response(name: str, rows: Iterable[Sequence[Any]]) -> StreamingHttpResponse:
    """A download of that name (plain letters, no quotes) that streams."""
    named = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return StreamingHttpResponse(written(rows), content_type="text/csv; charset=utf-8", headers=named)
