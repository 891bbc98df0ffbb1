"""Figures as the pages write them."""

from datetime import timedelta
from typing import Any

from django import template
from django.utils.translation import gettext as _

from shadow import charts

register = template.Library()


@register.filter
def percent(share: float | None) -> str:
    """A share in 0..1 as people read it."""
    return charts.percent(share)


@register.filter
def cell(value: Any) -> str:
    """A value of a model's card in a table's cell; what is missing is a dash."""
    if value is None or value == "":
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


@register.filter
def about(number: float) -> str:
    """A forecast: whole from 10 on, one decimal below."""
    return f"{number:,.0f}" if number >= 10 else f"{number:.1f}".removesuffix(".0")


@register.filter
def lasting(span: timedelta | None) -> str:
    """A stretch of time as people say it; None is a dash."""
    if span is None:
        return "-"
    minutes = round(span.total_seconds() / 60)
    if minutes < 1:
        return _("under a minute")
    hours, rest = divmod(minutes, 60)
    return _("{hours} h {minutes} min").format(hours=hours, minutes=rest) if hours else _("{n} min").format(n=rest)
