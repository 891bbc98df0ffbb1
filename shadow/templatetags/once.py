"""A piece that a page repeats many times, rendered once: `{% once "_outcome.html" outcome="ok" as ok %}`."""

from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag
def once(template_name: str, /, **context: Any) -> SafeString:
    return render_to_string(template_name, context)
