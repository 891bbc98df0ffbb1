"""The room's keys in a template: `{% room_keys as keys %}` gives the reader's own, for the script and as a list."""

from typing import Any

from django import template
from django.template import Context

from inspection import keys

register = template.Library()


@register.simple_tag(takes_context=True)
def room_keys(context: Context) -> dict[str, Any]:
    user = context.get("user")
    return {"script": keys.for_script(user), "groups": keys.listed(user)}
