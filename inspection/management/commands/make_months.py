"""Makes the next months of the tables that PostgreSQL keeps by month; beat does so each hour."""

from typing import Any

from django.utils import timezone

from inspection import command, months


class Command(command.Command):
    help = "Make the next months of the tables that PostgreSQL keeps in a part a month. Beat does it, too."

    def run(self, **options: Any) -> dict[str, Any]:
        return {"made": months.make_months(now=timezone.now()), "missing": months.missing_months(timezone.now())}
