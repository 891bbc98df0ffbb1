"""Writes everything that is kept of a person into a zip."""

import os
import shutil
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from inspection import command
from inspection.models import User
from inspection.person_file import person_file
from inspection.refusals import BadInput, Unknown


class Command(command.Command):
    help = "Write everything that is kept of a person (account, verdicts, studies, events, readings) into a zip of CSV and JSON."

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--to", help="the file to write (default USERNAME.zip here); it must not be there yet")

    def run(self, *, username: str, to: str | None, **options: Any) -> dict[str, Any]:
        person = User.objects.filter(username=username).first()
        if person is None:
            raise Unknown(f"There is no user {username!r}.")
        target = Path(to or f"{username}.zip")
        try:
            kept = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(kept, "wb") as file, person_file(person=person, by="command line") as packed:
                shutil.copyfileobj(packed, file)
        except FileExistsError:
            raise BadInput(f"{target} is there already. Name another file with --to.") from None
        except OSError as error:
            raise BadInput(f"{target} cannot be written: {error.strerror}.") from None
        return {"file": str(target), "bytes": target.stat().st_size}
