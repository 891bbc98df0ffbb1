"""Pages of the API by cursor: newest first, and a page costs the same however deep it lies."""

from collections.abc import Callable
from typing import Any, TypeVar

from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request


class NewestFirst(CursorPagination):
    ordering = "-pk"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 500

    def decode_cursor(self, request: Request) -> Cursor | None:
        cursor = super().decode_cursor(request)
        if cursor and cursor.position is not None and not str(cursor.position).isdecimal():
            raise NotFound(self.invalid_cursor_message)  # a made-up cursor; ours is a row's number
        return cursor


View = TypeVar("View", bound=Callable[..., Any])


def paged(view: View) -> View:
    """Say of an API view that its lists come in such pages, for the API's description."""
    view.cls.pagination_class = NewestFirst  # type: ignore[attr-defined]
    return view
