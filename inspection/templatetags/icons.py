"""An inline picture by its name: `{% icon "ok" %}`; `title` gives it a spoken name, `look` one more class.

Every template has this tag without loading it. Without a title a picture is only decoration beside a word.
"""

from django import template
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

PATHS = {
    "ok": '<circle cx="12" cy="12" r="9"/><path d="m8 12.4 2.8 2.8L16 9.6"/>',
    "scratched": '<path d="m12 2.6 9.4 9.4-9.4 9.4L2.6 12z"/><path d="m14.6 8-5.2 8"/>',
    "unsure": (
        '<circle cx="12" cy="12" r="9" stroke-dasharray=".1 3.4"/>'
        '<path d="M9.4 9.5a2.6 2.6 0 1 1 3.8 2.3c-.8.5-1.2 1-1.2 2"/>'
        '<path d="M12 16.7h.01"/>'
    ),
    "model": (
        '<rect x="3.5" y="3.5" width="17" height="17" rx="3" stroke-dasharray="3.4 3"/><path d="M8.5 12h7M12 8.5v7"/>'
    ),
    "none": '<path d="M7 12h10"/>',
    "person": '<circle cx="12" cy="8" r="3.8"/><path d="M4.8 20c.6-3.8 3.4-5.8 7.2-5.8s6.6 2 7.2 5.8"/>',
    "help": (
        '<circle cx="12" cy="12" r="9"/>'
        '<path d="M9.4 9.5a2.6 2.6 0 1 1 3.8 2.3c-.8.5-1.2 1-1.2 2"/>'
        '<path d="M12 16.7h.01"/>'
    ),
    "fit": '<path d="M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5"/>',
    "plus": '<path d="M12 5v14M5 12h14"/>',
    "minus": '<path d="M5 12h14"/>',
    "light": (
        '<circle cx="12" cy="12" r="4"/>'
        '<path d="M12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6 7 7M17 17l1.4 1.400M5.6 18.4 7 17M17 7l1.4-1.4"/>'
    ),
    "contrast": '<circle cx="12" cy="12" r="8.5"/><path d="M12 3.500v17a8.5 8.5 0 0 0 0-17z" fill="currentColor"/>',
    "mark": '<path d="M4 8V4h4M20 8V4h-4M4 16v4h4"/><path d="m14 20 .6-3 5-5a1.7 1.7 0 0 1 2.4 2.400l-5 5z"/>',
    "undo": '<path d="M8 5 4 9l4 4"/><path d="M4 9h9.500a6 6 0 0 1 0 12H9"/>',
    "more": '<path d="M5 12h.01M12 12h.01M19 12h.01" stroke-width="3"/>',
    "down": '<path d="m6 9 6 6 6-6"/>',
    "left": '<path d="m15 5-7 7 7 7"/>',
    "right": '<path d="m9 5 7 7-7 7"/>',
    "search": '<circle cx="11" cy="11" r="6.5"/><path d="m20 20-4.4-4.4"/>',
    "close": '<path d="m6 6 12 12M18 6 6 18"/>',
    "warning": '<path d="M12 3.5 22 20.500H2z"/><path d="M12 10v4.500M12 17.600h.01"/>',
    "halt": '<path d="M8 2.800h8L21.2 8v8L16 21.200H8L2.8 16V8z"/><path d="M8 12h8"/>',
    "success": '<path d="m5 12.5 4.5 4.500L19 7.5"/>',
    "theme": '<path d="M20 14.500A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.500z"/>',
    "out": '<path d="M14 4h5v16h-5M4 12h11M8 8l-4 4 4 4"/>',
    "download": '<path d="M12 4v11M7 11l5 5 5-5M5 20h14"/>',
    "clean": (
        '<path d="M12 3c3.6 4.200 6 7 6 10.200a6 6 0 0 1-12 0C6 10 8.4 7.200 12 3z"/>'
        '<path d="M9.200 13.500a2.8 2.800 0 0 0 2.800 2.800"/>'
    ),
    "speech": '<path d="M4 5h16v11H11l-5 4v-4H4z"/><path d="M8 9.500h8M8 12.500h5"/>',
    "clock": '<circle cx="12" cy="12" r="9"/><path d="M12 7v5l3.5 2"/>',
    "one_to_one": '<path d="M5 7.5 7.5 6v12M16.5 7.5 19 6v12M12 10h.01M12 15h.01"/>',
    "keep": '<path d="M9 3.5h6l-.8 6 3.3 3.500H6.500L9.800 9.500z"/><path d="M12 13v7.500"/>',
    "gamma": '<path d="M4 4v16h16"/><path d="M4 20c1.500-9 6-13.500 15-15"/>',
    "sliders": '<path d="M4 7h9M17 7h3M4 17h3M11 17h9"/><circle cx="15" cy="7" r="2"/><circle cx="9" cy="17" r="2"/>',
    "equalise": '<path d="M4 20V9M9.300 20v-7M14.700 20V6M20 20v-9"/><path d="M3 5h5M16 3h5" stroke-width="1.500"/>',
    "invert": (
        '<rect x="4" y="4" width="16" height="16" rx="2"/><path d="M4 18V6a2 2 0 0 1 2-2h12z" fill="currentColor"/>'
    ),
    "reset": '<path d="M5.500 9A7.500 7.500 0 1 1 4.500 13"/><path d="M5 4v5h5"/>',
    "compare": (
        '<rect x="3.500" y="5" width="7.500" height="14" rx="1.500"/>'
        '<rect x="13" y="5" width="7.500" height="14" rx="1.500"/>'
        '<path d="m15.500 14 2.500-4"/>'
    ),
    "pause": '<path d="M8.500 5v14M15.500 5v14" stroke-width="3"/>',
    "summary": '<path d="M5 20v-6M10 20V9M15 20v-8M20 20V5"/>',
}
STROKE = 'fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"'


@register.simple_tag
def icon(name: str, *, title: str = "", look: str = "") -> SafeString:
    """The picture, drawn in the colour of its words on 24 by 24 units; a name without a picture is an empty one."""
    spoken = f'role="img" aria-label="{conditional_escape(title)}"' if title else 'aria-hidden="true"'
    drawn = PATHS.get(name, "")
    classes = f"icon {conditional_escape(name)} {conditional_escape(look)}"
    return mark_safe(f'<svg class="{classes}" viewBox="0 0 24 24" {STROKE} {spoken}>{drawn}</svg>')  # noqa: S308 - each escaped
