"""One's own account: the password, the second factor and its recovery codes, and the tokens that act for it."""

from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from inspection import actions, guessing, second_factor
from inspection.actions.accounts import WrongPassword
from inspection.forms import OwnPasswordForm
from inspection.models import ApiToken, SecondFactor
from inspection.refusals import Conflict, Refused
from inspection.roles import May, asks_second_factor, caller, needs
from inspection.second_factor import PROVEN

ISSUER = "Shadowline"


@never_cache
@needs(May.KEEP_ACCOUNT)
@require_safe
def account(request: HttpRequest) -> HttpResponse:
    return _page(request)


def _page(request: HttpRequest, refusal: Refused | None = None, *, about: str = "", **context) -> HttpResponse:
    by = caller(request)
    factor = SecondFactor.objects.filter(user=by.pk).first()
    context = {"password_form": OwnPasswordForm(by), **context} | {
        "factor": factor if factor and factor.confirmed_at else None,
        "codes_left": by.recovery_codes.filter(used_at=None).count(),
        "asked": asks_second_factor(by), "proven": request.session.get(PROVEN, False),
        "tokens": ApiToken.objects.filter(user=by).in_force(timezone.now()).select_related("user").prefetch_related("lines"),
        "refusals": {about: refusal} if refusal else {},
    }  # fmt: skip
    wrong = refusal.status if refusal else 400 if context["password_form"].errors else 200
    return render(request, "inspection/account.html", context, status=wrong)


@never_cache
@sensitive_post_parameters()
@needs(May.KEEP_ACCOUNT)
@require_POST
def own_password(request: HttpRequest) -> HttpResponse:
    """Change one's own password; every other session of the account ends."""
    by, form = caller(request), OwnPasswordForm(caller(request), request.POST)
    if form.is_valid():
        sent = form.cleaned_data
        try:
            guessing.must_be_allowed_to_guess(request, by)
            actions.set_own_password(by=by, old_password=sent["old_password"], password=sent["password"])
        except WrongPassword as refusal:
            guessing.note_wrong(request, by)
            form.add_error("old_password", str(refusal))
        except Refused as refusal:
            form.add_error("password", refusal.reasons)
    if form.errors:
        return _page(request, password_form=form)
    update_session_auth_hash(request, by)
    messages.success(request, _("Your password is changed. Your sessions elsewhere have ended; API tokens stay."))
    return redirect("account")


@needs(May.KEEP_ACCOUNT)
@require_POST
def begin_second_factor(request: HttpRequest) -> HttpResponse:
    try:
        actions.begin_second_factor(by=caller(request))
    except Conflict as refusal:
        return _page(request, refusal, about="factor")
    return redirect("second_factor")


@never_cache
@sensitive_post_parameters("code")
@needs(May.KEEP_ACCOUNT)
def second_factor_page(request: HttpRequest) -> HttpResponse:
    """The new secret as a picture and as text, and the code that takes it into use (POST)."""
    by = caller(request)
    factor = SecondFactor.objects.filter(user=by.pk, confirmed_at=None).first()
    if factor is None:
        return redirect("account")
    problem = None
    if request.method == "POST":
        try:
            codes = actions.confirm_second_factor(by=by, code=request.POST.get("code", ""))
        except Refused as refusal:
            problem = refusal
        else:
            request.session[PROVEN] = True
            return render(request, "inspection/recovery_codes.html", {"codes": codes})
    try:
        secret = second_factor.unseal(factor.sealed_secret)
    except second_factor.Unreadable:  # SECRET_KEY was changed in between
        return redirect("account")
    context = {
        "picture": second_factor.picture(second_factor.address(secret, by.username, ISSUER)),
        "secret": second_factor.in_groups(secret), "problem": problem,
    }  # fmt: skip
    return render(request, "inspection/second_factor.html", context, status=problem.status if problem else 200)


def _with_password(request: HttpRequest, about: str, act: Callable[[str], object]) -> object | HttpResponse:
    """Act where the password that was entered is right; else the page that says why not."""
    by = caller(request)
    try:
        guessing.must_be_allowed_to_guess(request, by)
        return act(request.POST.get("password", ""))
    except WrongPassword as refusal:
        guessing.note_wrong(request, by)
        return _page(request, refusal, about=about)
    except Refused as refusal:
        return _page(request, refusal, about=about)


@never_cache
@sensitive_post_parameters("password")
@needs(May.KEEP_ACCOUNT)
@require_POST
def turn_off_second_factor(request: HttpRequest) -> HttpResponse:
    by = caller(request)
    done = _with_password(request, "factor", lambda word: actions.turn_off_second_factor(by=by, password=word))
    if isinstance(done, HttpResponse):
        return done
    request.session.pop(PROVEN, None)
    messages.success(request, _("Your second factor is turned off."))
    return redirect("account")


@never_cache
@sensitive_post_parameters("password")
@needs(May.KEEP_ACCOUNT)
@require_POST
def renew_recovery_codes(request: HttpRequest) -> HttpResponse:
    by = caller(request)
    done = _with_password(request, "codes", lambda word: actions.renew_recovery_codes(by=by, password=word))
    return (
        done if isinstance(done, HttpResponse) else render(request, "inspection/recovery_codes.html", {"codes": done})
    )


@needs(May.KEEP_ACCOUNT)
@require_POST
def withdraw_own_token(request: HttpRequest, pk: int) -> HttpResponse:
    by = caller(request)
    actions.withdraw_token(token=get_object_or_404(ApiToken, pk=pk, user=by), by=by)
    messages.success(request, _("The token is withdrawn. Whatever sends with it is refused from now on."))
    return redirect("account")
