"""What people write as a reason: words that can be kept, read and exported, so no control characters."""

import re

from django.utils.translation import gettext as _
from rest_framework import serializers

from inspection.refusals import BadInput

MOST = 500  # characters
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")  # but for tab and the ends of lines


def must_be_words(text: str) -> None:
    """Raise BadInput for text with a control character: a database refuses one, a terminal obeys others."""
    if CONTROL.search(text):
        raise BadInput(_("The reason holds a control character. Write it in words."))


def stated(reason: str, ask: str) -> str:
    """The reason as it is kept. Raises BadInput with `ask` where nothing is said, and for control characters."""
    must_be_words(reason)
    if not reason.strip():
        raise BadInput(ask)
    return reason.strip()[:MOST]


class ReasonField(serializers.CharField):
    """A reason in the API."""

    def __init__(self, **options):
        super().__init__(**{"max_length": MOST} | options)

    def to_internal_value(self, data) -> str:
        text = super().to_internal_value(data)
        must_be_words(text)
        return text
