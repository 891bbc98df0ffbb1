"""Signatures: whoever proposes, approves or resumes on a signed line enters their password again, and it is said what for.

A password is checked before the action's transaction begins: what comes of the action does not take the counting of a
wrong one back.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from django.conf import settings
from django.contrib.auth import authenticate
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from automation.models import Policy
from inspection.models import User
from inspection.refusals import NotAllowed


@dataclass(frozen=True)
class Signature:
    """A password that was entered and found right; of whom."""

    by: User


Password = str | Signature  # as it was entered, or what it was found to be by an action that calls another


@sensitive_variables("password")
def sign(*, by: User, password: Password) -> Signature | None:
    """The signature that a password makes; None without one. Raises NotAllowed for a wrong one.

    Wrong ones are counted as those of the sign-in page are, by the user's name: after so many none is looked at for a
    while. Call it outside of any transaction.
    """
    if isinstance(password, Signature):
        return password
    if not password:
        return None
    request = _asking()
    if not AxesProxyHandler.is_allowed(request, {"username": by.username}):
        raise NotAllowed(_too_many())
    known = authenticate(request, username=by.username, password=password)
    if known is None or known.pk != by.pk:
        raise NotAllowed(f"This is not the password of {by.username}. Nothing was changed; enter your own again.")
    return Signature(by)


def _asking() -> HttpRequest:
    """What the throttle is told. No address: a name's wrong passwords count together wherever they come from, and apart
    from those of the sign-in page, so that nobody is kept from working by them."""
    request = HttpRequest()
    request.META["PATH_INFO"] = "signature"
    return request


def _too_many() -> str:
    minutes = round(60 * float(settings.AXES_COOLOFF_TIME))
    return f"Too many wrong passwords were entered. Nothing was changed; wait {minutes} minutes, then enter it again."


def must_be_signed(policy: Policy, by: User, signature: Signature | None) -> None:
    """Raise NotAllowed where the line asks for a signature and this person has given none."""
    if signature is not None and signature.by.pk != by.pk:
        raise NotAllowed("A signature is given by the person who acts.")
    if policy.signed and signature is None:
        raise NotAllowed(f"{policy.line.name} asks for signatures. Enter your password again to sign.")


def signed_words(signature: Signature | None, meaning: str, now: datetime) -> dict[str, Any]:
    """What the audit row says of a signature: whose, when, and what it means; nothing without one."""
    if signature is None:
        return {}
    name = signature.by.get_full_name() or signature.by.username
    return {"signed": {"name": name, "at": now.isoformat(), "meaning": meaning}}
