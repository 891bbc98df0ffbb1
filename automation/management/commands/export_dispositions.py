"""Writes dispositions into a file for other systems of the factory: of days, of a shift, or on from the last one written."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from django.core.management.base import CommandParser

from automation.exporting import CSV, FORMATS, Wanted, csv_rows, json_lines, read_wanted, records
from inspection import command
from inspection.refusals import BadInput
from inspection.sheets import written


class Command(command.Command):
    help = (
        "Write what became of parts into a file, as CSV or JSON lines; docs/integration.md has the columns. Nobody who "
        "judged is named. The file is there whole or not at all. 'next' of the answer is the --after of the next export."
    )

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the file to write; an older one of that name is replaced")
        parser.add_argument("--line", default="", help="slug of the line; without it, all lines")
        parser.add_argument("--from", default="", dest="since", metavar="DAY", help="first day (2026-01-31) or moment")
        parser.add_argument("--to", default="", dest="until", metavar="DAY", help="last day, or moment before which")
        parser.add_argument("--shift", default="", help="only the shift of this name")
        parser.add_argument("--after", default="", metavar="ID", help="only dispositions with a greater id")
        parser.add_argument("--format", choices=FORMATS, default=CSV)

    def run(
        self, *, file: Path, line: str, since: str, until: str, shift: str, after: str, format: str, **options: Any
    ) -> dict[str, Any]:
        wanted = read_wanted({"line": line, "from": since, "to": until, "shift": shift, "after": after})
        rows = self._write(file.resolve(), wanted, format)
        self.progress("", last=True)
        return {"file": str(file), "dispositions": rows, "next": wanted.following}

    def _write(self, file: Path, wanted: Wanted, format: str) -> int:
        counted = 0

        def found() -> Iterator[dict[str, Any]]:
            nonlocal counted
            for record in records(wanted):
                counted += 1
                if counted % 1000 == 0:
                    self.progress(f"{counted:,} dispositions")
                yield record

        lines = written(csv_rows(found())) if format == CSV else json_lines(found())
        try:
            with NamedTemporaryFile("w", dir=file.parent, suffix=".part", delete=False, encoding="utf-8") as part:
                try:
                    part.writelines(lines)
                except BaseException:
                    Path(part.name).unlink()
                    raise
            Path(part.name).chmod(0o640)  # a program of the same group takes it up
            Path(part.name).replace(file)
        except OSError as error:
            raise BadInput(f"{file} cannot be written: {error.strerror}.") from None
        return counted
