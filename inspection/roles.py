"""May this person? The contract's table of roles, one decorator for pages, one permission class for the API."""

from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import cast

from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from inspection.models import ApiToken, Scope, User
from inspection.prepared import Given, Prepared
from inspection.refusals import NotAllowed


class Role(StrEnum):
    """A role is a Django group of this name, which pages show in the reader's language."""

    STATION = gettext_noop("station")
    INSPECTOR = gettext_noop("inspector")
    SUPERVISOR = gettext_noop("supervisor")
    ADMIN = gettext_noop("admin")


class May(StrEnum):
    """What a role allows. The value completes the sentence 'You may not ...'."""

    SEND = gettext_noop("send parts")
    ANSWER = gettext_noop("answer for an earlier inspection system")
    JUDGE = gettext_noop("judge parts")
    READ_PARTS = gettext_noop("read inspections")
    READ_EVIDENCE = gettext_noop("read predictions, reports and the state of automation")
    SUPERVISE = gettext_noop("adjudicate, approve, acknowledge or halt")
    KEEP_SAMPLES = gettext_noop("keep the samples to compare with")
    PROPOSE = gettext_noop("propose changes of automation")
    SET_UP = gettext_noop("set up the factory")
    KEEP_ACCOUNT = gettext_noop("keep an account of your own")


STATION_ONLY = frozenset({Role.STATION, Role.ADMIN})
JUDGES = frozenset({Role.INSPECTOR, Role.SUPERVISOR, Role.ADMIN})
OVERSEERS = frozenset({Role.SUPERVISOR, Role.ADMIN})
TABLE: dict[May, frozenset[Role]] = {
    May.SEND: STATION_ONLY,
    May.ANSWER: STATION_ONLY,
    May.JUDGE: JUDGES,
    May.READ_PARTS: JUDGES | STATION_ONLY,
    May.READ_EVIDENCE: OVERSEERS,
    May.SUPERVISE: OVERSEERS,
    May.KEEP_SAMPLES: OVERSEERS,
    May.PROPOSE: frozenset({Role.ADMIN}),
    May.SET_UP: frozenset({Role.ADMIN}),
    May.KEEP_ACCOUNT: frozenset(Role),
}

# A token of this scope acts as this role, where its account may do what the scope is for.
ACTS_AS: dict[str, tuple[May, Role]] = {
    Scope.SEND: (May.SEND, Role.STATION),
    Scope.JUDGE: (May.JUDGE, Role.INSPECTOR),
}


GROUPS = Prepared(lambda: Group.objects.filter(user=Given("user")).values_list("name"))


def roles_of(user) -> frozenset[Role]:
    """The roles of a user, as far as the token of this request has them; a superuser is an admin. Asked once per request."""
    if not user.is_authenticated:
        return frozenset()
    if not hasattr(user, "_roles"):
        names = {name for (name,) in GROUPS(user=user.pk)} | ({"admin"} if user.is_superuser else set())
        user._roles = narrowed(frozenset(role for role in Role if role.value in names), user.by_token)
    return user._roles


def narrowed(roles: frozenset[Role], token: ApiToken | None) -> frozenset[Role]:
    """What a token leaves of its account's roles: never more than they allow, none where they lack what it is for."""
    if token is None or token.scope not in ACTS_AS:
        return roles
    what, role = ACTS_AS[token.scope]
    return frozenset({role}) if roles & TABLE[what] else frozenset()


def may(user, what: May) -> bool:
    return bool(roles_of(user) & TABLE[what])


def oversees(user) -> bool:
    """Whether the user reads as a supervisor or admin does: everything of a part, not only what they judged."""
    return bool(roles_of(user) & OVERSEERS)


def caller(request: HttpRequest | Request) -> User:
    """Who asks, behind a guard: somebody is signed in there, which the type of `request.user` does not know."""
    return cast(User, request.user)


def judges_blind(user) -> bool:
    """Whether the user judges and does not oversee: of a part's decision they may learn their own share alone."""
    return may(user, May.JUDGE) and not oversees(user)


def asks_second_factor(user) -> bool:
    """Whether one of the user's roles has to sign in with a second factor (TOTP_REQUIRED_FOR)."""
    return bool(settings.TOTP_REQUIRED_FOR) and bool(roles_of(user) & set(settings.TOTP_REQUIRED_FOR))


def must(user, what: May) -> None:
    """Raise NotAllowed with the roles that could."""
    if not may(user, what):
        raise NotAllowed(_missing(what, user))


def _missing(what: May, user=None) -> str:
    token = getattr(user, "by_token", None)
    if token is not None and token.scope in ACTS_AS:
        words = _("This token may not {what}: it is there to {scope}. Ask an admin for one that may.")
        return words.format(what=_(what), scope=token.get_scope_display())
    able = get_text_list([_(role) for role in sorted(TABLE[what])], _("or"))
    return _("You may not {what}. This needs the role {roles}.").format(what=_(what), roles=able)


View = Callable[..., HttpResponseBase]


def needs(what: May) -> Callable[[View], View]:
    """Guard a page: a stranger signs in first, a wrong role gets the refusal page (403)."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args, **kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            must(request.user, what)
            return view(request, *args, **kwargs)

        setattr(guarded, "needs", what)  # noqa: B010 - read by the test that holds every URL against the contract's table
        return guarded

    return decorate


class Nobody(BasePermission):
    """The API's default: a view that names no permission is closed."""

    def has_permission(self, request: Request, view) -> bool:
        return False


def needs_to(what: May) -> type[BasePermission]:
    """The permission class of an API view."""

    class Needs(BasePermission):
        needs = what

        def has_permission(self, request: Request, view) -> bool:
            self.message = _missing(what, request.user)
            return may(request.user, what)

    Needs.__name__ = f"NeedsTo{what.name.title().replace('_', '')}"
    return Needs


def ensure_roles() -> None:
    for role in Role:
        Group.objects.get_or_create(name=role.value)


def give_role(user: User, role: Role) -> None:
    ensure_roles()
    user.groups.add(Group.objects.get(name=role.value))
