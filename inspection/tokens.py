"""Signs API callers in by `Authorization: Token ...`, and holds each request against what its token is for."""

from contextlib import suppress
from datetime import datetime, timedelta

from django.db import OperationalError
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied, Throttled
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from inspection import guessing
from inspection.models import ApiToken, Scope, User

NOTED_EVERY = timedelta(minutes=1)  # a use costs a write; so often is enough to see that a token is needed
IN_USE = timedelta(days=1)


class TokenAuthentication(BaseAuthentication):
    """The one place that every request by token passes.

    It refuses what a token of scope `read` may not, and from here on `by_token` narrows the account: its roles in
    `inspection.roles.roles_of`, its lines in `Line.objects.for_user`. A session has no token and nothing is narrowed.
    """

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        words = get_authorization_header(request).split()
        if not words or words[0].lower() != b"token":
            return None
        if len(words) != 2:
            raise AuthenticationFailed(_("Send the header as 'Authorization: Token YOUR-TOKEN'."))
        now = timezone.now()
        token = _known(request, ApiToken.digest_of(words[1].decode("latin-1")), now)
        if token.expires_at <= now:
            raise AuthenticationFailed(_("This token has expired. Ask an admin for a new one."))
        _note_use(token, now)
        if token.scope == Scope.READ and request.method not in SAFE_METHODS:
            raise PermissionDenied(_("This token may only read. Ask an admin for one that may do more."))
        token.user.by_token = token
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return "Token"


def _known(request: Request, digest: str, now: datetime) -> ApiToken:
    """The token of that digest. An address that guessed too often gets none but those that are in daily use: a stranger
    behind the same proxy cannot keep the stations from sending."""
    token = ApiToken.objects.select_related("user").filter(digest=digest).first()
    if token is not None and (token.withdrawn_at or not token.user.is_active):
        token = None
    used = token is not None and token.last_used_at is not None and now - token.last_used_at < IN_USE
    if not used and guessing.too_many_tokens(request):
        words = _("Too many wrong tokens came from this address. Try again later.")
        raise Throttled(wait=guessing.minutes() * 60, detail=words)
    if token is None:
        guessing.note_wrong_token(request, digest)
        raise AuthenticationFailed(_("This token is unknown or was withdrawn. Ask an admin for a new one."))
    return token


def _note_use(token: ApiToken, now: datetime) -> None:
    if token.last_used_at is None or now - token.last_used_at >= NOTED_EVERY:
        with suppress(OperationalError):  # a disk that is full keeps nobody from reading
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = "inspection.tokens.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema) -> dict:
        told = (
            "Token YOUR-TOKEN. It may what its account may, as far as its scope and its lines reach; beyond that: 403."
        )
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": told}
