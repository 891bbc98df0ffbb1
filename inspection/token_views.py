"""The set-up pages of API tokens and of a lost second factor: who holds which, since when unused; issue, withdraw, reset."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from inspection import actions
from inspection.forms import TokenForm
from inspection.models import ApiToken, User
from inspection.refusals import Refused
from inspection.roles import May, caller, needs
from inspection.setup_views import BY_NAME, SECTIONS

TOKENS = BY_NAME["token"]


@never_cache
@needs(May.SET_UP)
@require_http_methods(["GET", "POST"])
def issue_token(request: HttpRequest) -> HttpResponse:
    """Issue a token; the answer shows it once."""
    form = TokenForm(request.POST or None, initial={"user": request.GET.get("user", "")})
    if request.method == "POST" and form.is_valid():
        try:
            secret = actions.issue_token(by=caller(request), **form.cleaned_data)
        except Refused as refusal:
            form.add_error(None, refusal.reasons)
        else:
            context = {"section": TOKENS, "sections": SECTIONS, "title": _("A new token"), "secret": secret}
            return render(request, "setup/token_issued.html", context | {"account": form.cleaned_data["user"]})
    context = {"section": TOKENS, "sections": SECTIONS, "title": _("New token"), "form": form}
    return render(request, "setup/row.html", context, status=400 if form.errors else 200)


@needs(May.SET_UP)
@require_POST
def withdraw_token(request: HttpRequest, pk: int) -> HttpResponse:
    token = get_object_or_404(ApiToken.objects.select_related("user"), pk=pk)
    actions.withdraw_token(token=token, by=caller(request))
    words = _("The token of {name} is withdrawn. Whatever sends with it is refused from now on.")
    messages.success(request, words.format(name=token.user.username))
    return redirect("setup_tokens")


@needs(May.SET_UP)
@require_POST
def reset_second_factor(request: HttpRequest, pk: int) -> HttpResponse:
    """For somebody whose telephone is lost, after it is certain who asks."""
    user = get_object_or_404(User, pk=pk)
    if actions.reset_second_factor(user=user, by=caller(request)):
        messages.success(request, _("{name} signs in with the password alone.").format(name=user.username))
    return redirect("setup_user", pk)
