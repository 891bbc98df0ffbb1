"""Signing in: name and password, then a code where the account has a second factor."""

import time

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from inspection import actions, guessing
from inspection.models import User
from inspection.refusals import NotAllowed
from inspection.second_factor import PROVEN

BACKEND = "django.contrib.auth.backends.ModelBackend"
PENDING, SECONDS = "second_step", 600  # between password and code


class SignIn(LoginView):
    redirect_authenticated_user = True

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        user = form.get_user()
        if not isinstance(user, User) or not actions.has_second_factor(user):
            return super().form_valid(form)
        session = self.request.session
        session.cycle_key()
        session[PENDING] = {
            "user": user.pk, "hash": user.get_session_auth_hash(), "until": time.time() + SECONDS,
            "next": self.get_success_url(),
        }  # fmt: skip
        return redirect("login_code")


def _pending(request: HttpRequest) -> User | None:
    """Whose password was right a moment ago; nobody's when it has been changed since."""
    told = request.session.get(PENDING)
    if not told or told["until"] < time.time():
        return None
    user = User.objects.filter(pk=told["user"], is_active=True).first()
    if user is None:
        return None
    return user if constant_time_compare(told["hash"], user.get_session_auth_hash()) else None


@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "POST"])
def sign_in_code(request: HttpRequest) -> HttpResponse:
    """The second step: a code of the authenticator, or a recovery code."""
    user = _pending(request)
    if user is None or not actions.has_second_factor(user):
        return redirect("login")
    if request.method == "GET":
        return _page(request)
    if not guessing.may_guess(request, user):
        return render(request, settings.AXES_LOCKOUT_TEMPLATE, status=429)
    try:
        passed = actions.pass_second_step(user=user, code=request.POST.get("code", ""))
    except NotAllowed as refusal:
        return _page(request, str(refusal), status=refusal.status)
    if not passed:
        guessing.note_wrong(request, user)
        return _page(request, _("This code is not right, or was used already. Wait for the next one."), status=400)
    then = request.session.pop(PENDING)["next"]
    login(request, user, backend=BACKEND)
    request.session[PROVEN] = True
    return redirect(then)


def _page(request: HttpRequest, problem: str = "", *, status: int = 200) -> HttpResponse:
    return render(request, "registration/code.html", {"problem": problem}, status=status)
