"""API tokens: issued by an admin or at the command line, withdrawn by their bearer too."""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from inspection import audit
from inspection.models import ApiToken, Line, Scope, User
from inspection.refusals import BadInput, NotAllowed
from inspection.roles import ACTS_AS, May, may, must

MAX_DAYS = 3650


@transaction.atomic
def issue_token(
    *,
    user: User,
    by: User | str,
    scope: str = Scope.ALL,
    days: int = 365,
    lines: Iterable[Line] = (),
    label: str = "",
    now: datetime | None = None,
) -> str:
    """Make a token and return its secret, which is shown this once. `by`: an admin, or what the system calls itself.

    Nobody issues one for themselves who does not set up the factory: a token asks for no second factor and outlives a
    session. Raises BadInput for a closed account, a scope that its roles do not hold, or days out of 1 to 3650.
    """
    lines = list(lines)
    if isinstance(by, User):
        must(by, May.SET_UP)
    if not 1 <= days <= MAX_DAYS:
        raise BadInput(_("A token is valid for 1 to {n} days.").format(n=MAX_DAYS))
    if scope not in Scope.values:
        known = ", ".join(Scope.values)
        raise BadInput(_("There is no scope {scope!r}. The scopes are {known}.").format(scope=scope, known=known))
    if not user.is_active:
        raise BadInput(_("{name} may not sign in, with a token neither.").format(name=user.username))
    what = ACTS_AS[scope][0] if scope in ACTS_AS else None
    if what and not may(user, what):
        words = _("{name} may not {what}, and a token may never do more than its account.")
        raise BadInput(words.format(name=user.username, what=_(what)))
    for line in lines:
        user.must_work_on(line)
    secret = ApiToken.issue(user, days=days, now=now, lines=lines, scope=scope, label=label.strip()[:80])
    token = ApiToken.objects.get(digest=ApiToken.digest_of(secret))
    audit.record(
        "token_issued", by=by, subject=f"user {user.username}", token=token.pk, days=days, scope=str(scope),
        lines=sorted(line.slug for line in lines), label=token.label,
    )  # fmt: skip
    return secret


@transaction.atomic
def withdraw_token(*, token: ApiToken, by: User, now: datetime | None = None) -> ApiToken:
    """End a token at once: its bearer's, or as an admin anybody's. One that is withdrawn already stays as it is."""
    if token.user_id != by.pk and not may(by, May.SET_UP):
        raise NotAllowed(_("Everybody withdraws their own tokens; an admin anybody's."))
    token = ApiToken.objects.select_for_update(of=("self",)).select_related("user").get(pk=token.pk)
    if token.withdrawn_at is None:
        token.withdrawn_at = now or timezone.now()
        token.save(update_fields=["withdrawn_at"])
        audit.record("token_withdrawn", by=by, subject=f"user {token.user.username}", token=token.pk, label=token.label)
    return token
