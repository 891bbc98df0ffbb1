"""The query fields of a period and of what a report is narrowed to, as OpenAPI tells of them."""

from drf_spectacular.utils import OpenApiParameter

SPAN = [OpenApiParameter(name, str, description="A day (2026-01-31) or a moment.") for name in ("from", "to")]
DAYS = [OpenApiParameter(name, str, description="A day (2026-01-31).") for name in ("from", "to")]
NARROW = [
    OpenApiParameter("station", str, description="Slug."),
    OpenApiParameter("variant", str, description="Slug."),
    OpenApiParameter("inspector", str, description="As reports call the person: a pseudonym, or your own user name."),
    OpenApiParameter("lot", str),
]
