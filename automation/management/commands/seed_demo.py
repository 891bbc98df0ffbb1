"""Seeds the demo factory."""

import os
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from automation.demo import set_up_demo
from inspection import command
from inspection.refusals import NotAllowed


class Command(command.Command):
    help = (
        "Make the demo factory: users ivy, sam and ada (password from DEMO_PASSWORD, default 'shadowline'), defect "
        "kinds, line-a at shadow with the starter model, line-b at human only. Only where DEBUG is on. Harmless when "
        "repeated."
    )

    def arguments(self, parser: CommandParser) -> None:
        pass

    def run(self, **options: Any) -> dict[str, Any]:
        if not settings.DEBUG:
            raise NotAllowed("The demo has known passwords, so it is made only where DEBUG is on. Set DEBUG=1 for it.")
        return set_up_demo(password=os.environ.get("DEMO_PASSWORD") or "shadowline")

    def table(self, answer: dict[str, Any]) -> str:
        rows = [f"{what}: {', '.join(names) or 'nothing new'}" for what, names in answer.items()]
        return "\n".join(["The demo factory is ready.", *rows])
