"""A moment as people say it, with the line's own clock on hover: `{% ago row.at line.time_zone %}`.

Every template has this tag without loading it.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from django import template
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.utils.html import format_html
from django.utils.timezone import localtime

register = template.Library()


@register.simple_tag
def ago(at: datetime | None, zone: str = "") -> str:
    """The `<time>` of it, which the page's script keeps up to date; without a moment nothing, without a zone UTC."""
    if not at:
        return ""
    there = at.astimezone(ZoneInfo(zone or "UTC"))
    return format_html(
        '<time datetime="{}" data-ago title="{}">{}</time>',
        localtime(at).isoformat(),
        f"{there:%Y-%m-%d %H:%M:%S %Z}",
        naturaltime(at),
    )
