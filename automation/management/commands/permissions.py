"""Prints who may reach which address of the site, as `docs/permissions.md` holds it."""

from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, get_resolver

from inspection import command
from inspection.roles import TABLE, May, Role

HEAD = """# Who may reach what

Made by `manage.py permissions > docs/permissions.md`; a test fails when it is stale. Each address asks for one permission before anything
else; where an address takes several methods, what writes may ask for more, as `inspection/roles.py` and the action say. A person who is bound to
lines reaches only what belongs to those; what belongs to another line answers 403 or 404.
"""


class Command(command.Command):
    help = "Print every address with the roles that may reach it: 'manage.py permissions > docs/permissions.md'."

    def run(self, **options: Any) -> dict[str, Any]:
        return {"rows": [{"address": route, "needs": needs, "roles": roles} for route, needs, roles in rows()]}

    def table(self, answer: dict[str, Any]) -> str:
        marks = [
            f"| `{row['address']}` | {row['needs']} | "
            + " | ".join("yes" if r in row["roles"] else "" for r in Role)
            + " |"
            for row in answer["rows"]
        ]
        head = "| address | needs | " + " | ".join(Role) + " |\n|---|---|" + "---|" * len(Role)
        return "\n".join([HEAD, head, *marks])


def rows() -> list[tuple[str, str, list[str]]]:
    """Address, permission and roles of every URL, in the order of the addresses."""
    found = []
    for route, pattern in patterns(get_resolver(), "/"):
        needs = needs_of(pattern)
        roles = [str(role) for role in Role if role in TABLE[needs]] if needs else []
        found.append((route, str(needs.value) if needs else "nothing, or an account", roles))
    return sorted(found)


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
