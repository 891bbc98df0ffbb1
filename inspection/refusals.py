"""What the rules say when they refuse: the text is what page and API print."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Refused(Exception):
    """A rule refused. `reasons` are sentences that say what is missing and what to do."""

    status = 409
    title: str | Promise = _("Not possible now")
    retry_after = 0  # seconds after which asking again may help; 0: it will not

    def __init__(self, *reasons: str):
        self.reasons = list(reasons)
        super().__init__(" ".join(reasons))


class Conflict(Refused):
    """The row is no longer what the caller thought: lease gone, another body under the same key, gate unmet."""


class BadInput(Refused):
    """What was sent cannot be taken."""

    status = 400
    title = _("Not accepted")


class LengthNeeded(BadInput):
    """A body whose length nobody has said."""

    status = 411


class NotAllowed(Refused):
    """This person, role or line may not."""

    status = 403
    title = _("Not allowed")


class Unknown(Refused):
    """No such thing, or none that this person may know of."""

    status = 404
    title = _("Not found")
