"""How often may somebody guess a password, a code or a token? So often by name and address, and so often by address alone.

Wrong ones are rows of django-axes, which forgets them after AXES_COOLOFF_TIME. A name tried from one address has
AXES_FAILURE_LIMIT tries; an address that tries one name after the other (a spray) has SPRAY_LIMIT in all.
"""

import ipaddress
from datetime import datetime, timedelta
from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.signals import user_login_failed
from django.db.models import Sum
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from inspection.models import User
from inspection.refusals import Refused

TOKEN = "token:"  # noqa: S105 - no secret: how a wrong token's row is told from that of a name, which has no colon


class TooManyGuesses(Refused):
    """So many were wrong that none is looked at for a while."""

    status = 429


def minutes() -> int:
    """How long somebody waits who guessed too often."""
    return round(60 * float(settings.AXES_COOLOFF_TIME))


def client_address(request: HttpRequest) -> str | None:
    """The address that asks: the connection's, or what the outermost of PROXIES of our own has seen.

    What stands further left in X-Forwarded-For the client may have written itself. Of IPv6 it is the first address of the
    /64, of which one computer has as many as it likes.
    """
    told = [word.strip() for word in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    seen = told[-settings.PROXIES] if 0 < settings.PROXIES <= len(told) else ""
    for word in (seen, request.META.get("REMOTE_ADDR", "")):
        try:
            address = ipaddress.ip_address(word)
        except ValueError:
            continue
        if isinstance(address, ipaddress.IPv4Address):
            return str(address)
        mapped = address.ipv4_mapped
        return str(mapped or ipaddress.ip_network((address, 64), strict=False).network_address)
    return None


class Guesses(AxesDatabaseHandler):
    """The counting of django-axes, which knows one limit for all it counts by, with an address's own limit beside it."""

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """Wrong ones by name and address, or by address alone if those are nearer to their limit."""
        own = super().get_failures(request, credentials)
        sprayed = _sprayed(client_address(request), get_cool_off_threshold(request))
        return max(own, sprayed * settings.AXES_FAILURE_LIMIT // settings.SPRAY_LIMIT)


def _sprayed(address: str | None, since: datetime) -> int:
    if address is None:
        return 0
    wrong = AccessAttempt.objects.filter(ip_address=address, attempt_time__gte=since).exclude(
        username__startswith=TOKEN
    )
    return wrong.aggregate(n=Sum("failures_since_start"))["n"] or 0


def may_guess(request: HttpRequest, user: User) -> bool:
    return AxesProxyHandler.is_allowed(request, {"username": user.username})


def must_be_allowed_to_guess(request: HttpRequest, user: User) -> None:
    """Raise TooManyGuesses while none is looked at."""
    if not may_guess(request, user):
        refusal = TooManyGuesses(
            _("There were too many wrong ones. Wait {n} minutes, then try again.").format(n=minutes())
        )
        refusal.retry_after = minutes() * 60
        raise refusal


def note_wrong(request: HttpRequest, user: User) -> None:
    """Count a wrong password or code as one of the sign-in page. Call it outside of any transaction that may be undone."""
    user_login_failed.send(sender=__name__, credentials={"username": user.username}, request=request)


def too_many_tokens(request: HttpRequest) -> bool:
    """Whether the address has sent so many different wrong tokens that those of nobody in sight are looked at no more."""
    address = client_address(request)
    since = timezone.now() - timedelta(minutes=minutes())
    wrong = AccessAttempt.objects.filter(ip_address=address, attempt_time__gte=since, username__startswith=TOKEN)
    return address is not None and wrong.count() >= settings.WRONG_TOKEN_LIMIT


def note_wrong_token(request: HttpRequest, digest: str) -> None:
    """Count a wrong token once, however often it is sent: a station with yesterday's token guesses nothing."""
    AccessAttempt.objects.update_or_create(
        username=TOKEN + digest[:24], ip_address=client_address(request), user_agent="",
        defaults={"attempt_time": timezone.now(), "failures_since_start": 1, "path_info": request.path[:255]},
    )  # fmt: skip
