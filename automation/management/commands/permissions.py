"""Prints who may reach which address of the site, as `docs/permissions.md` holds it."""

import re
from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, get_resolver

from inspection import command
from inspection.roles import TABLE, May, Role

HEAD = """# Who may reach what

Made by `manage.py permissions > docs/permissions.md`; a test fails when it is stale. Each address asks for one permission before anything
else; where an address takes several methods, what writes may ask for more, as `inspection/roles.py` and the action say.

The column *of another line* says what somebody gets who is bound to other lines: *refused* is 403 or 404 by any method, also where the
number alone is of the other line; *not told* is an answer that holds nothing of it; set-up is *of the factory* as a whole, since whoever sets
up may bind and unbind people. `tests/long/test_other_lines.py` asks all of it of every address and role, `tests/long/test_roles.py` the roles.
"""


# Numbers and serials are of things of a line; the names of versions are the factory's.
NAMES_A_THING = re.compile(r"<(int:pk|int:change|path:serial|slug:line|slug:slug)>")


class Command(command.Command):
    help = "Print every address with the roles that may reach it: 'manage.py permissions > docs/permissions.md'."

    def run(self, **options: Any) -> dict[str, Any]:
        return {
            "rows": [
                {"address": route, "needs": needs, "of_another_line": other, "roles": roles}
                for route, needs, other, roles in rows()
            ]
        }

    def table(self, answer: dict[str, Any]) -> str:
        marks = [
            f"| `{row['address']}` | {row['needs']} | {row['of_another_line']} | "
            + " | ".join("yes" if r in row["roles"] else "" for r in Role)
            + " |"
            for row in answer["rows"]
        ]
        head = "| address | needs | of another line | " + " | ".join(Role) + " |\n|---|---|---|" + "---|" * len(Role)
        return "\n".join([HEAD, head, *marks])


def rows() -> list[tuple[str, str, str, list[str]]]:
    """Address, permission, what it says of another line, and roles of every URL, in the order of the addresses."""
    found = []
    for route, pattern in patterns(get_resolver(), "/"):
        needs = needs_of(pattern)
        roles = [str(role) for role in Role if role in TABLE[needs]] if needs else []
        found.append(
            (route, str(needs.value) if needs else "nothing, or an account", of_another_line(route, needs), roles)
        )
    return sorted(found)


def of_another_line(route: str, needs: May | None) -> str:
    """What the address answers of a line to which the person is not bound."""
    if needs is None:
        return ""
    if needs is May.SET_UP:
        return "of the factory"
    return "refused" if NAMES_A_THING.search(route) else "not told"


def needs_of(pattern: URLPattern) -> May | None:
    """What the view says that it needs: the page's attribute, or that of the API view's only permission class."""
    view: Any = pattern.callback
    if hasattr(view, "cls"):
        [permission] = view.cls.permission_classes
        return getattr(permission, "needs", None)
    return getattr(view, "needs", None)


def patterns(resolver: Any, prefix: str) -> Iterator[tuple[str, URLPattern]]:
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield route, pattern
        else:
            yield from patterns(pattern, route)
