"""The query fields of a period, as OpenAPI tells of them."""

from drf_spectacular.utils import OpenApiParameter

SPAN = [OpenApiParameter(name, str, description="A day (2026-01-31) or a moment.") for name in ("from", "to")]
