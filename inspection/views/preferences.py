"""What people set for themselves: the keys of the room and the language of the pages."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from inspection import actions
from inspection.keys import ACTIONS, GROUPS, MOST, NAMES, OWN, key_called, keys_of, name_of, problems_of
from inspection.roles import May, caller, needs


class Row(NamedTuple):
    """One action with its fields, and what is wrong with them."""

    name: str
    words: str | Promise
    fields: list[str]
    problem: str


@never_cache
@needs(May.JUDGE)
@require_safe
def preferences(request: HttpRequest) -> HttpResponse:
    return _page(request, keys_of(caller(request)))


def _page(
    request: HttpRequest, keys: Mapping[str, Sequence[str]], problems: Mapping[str, str] | None = None
) -> HttpResponse:
    problems = problems or {}
    return render(request, "inspection/preferences.html", {
        "groups": [(words, _rows(group, keys, problems)) for group, words in GROUPS.items()], "problems": problems,
        "key_names": NAMES | {"-": name_of("-")}, "languages": settings.LANGUAGES, "own": bool(caller(request).keys),
    }, status=400 if problems else 200)  # fmt: skip


def _rows(group: str, keys: Mapping[str, Sequence[str]], problems: Mapping[str, str]) -> list[Row]:
    rows = []
    for name in OWN:
        if ACTIONS[name].group == group:
            fields = [name_of(key) for key in keys[name]][:MOST]
            rows.append(Row(name, ACTIONS[name].words, fields + [""] * (MOST - len(fields)), problems.get(name, "")))
    return rows


@needs(May.JUDGE)
@require_POST
def own_keys(request: HttpRequest) -> HttpResponse:
    """Keep the keys that were given, or go back to the defaults."""
    by = caller(request)
    if "reset" in request.POST:
        actions.set_own_keys(user=by, keys={}, by=by)
        messages.success(request, _("The keys are the defaults again."))
        return redirect("preferences")
    given = {name: [key_called(text) for text in request.POST.getlist(name) if text.strip()] for name in OWN}
    if problems := problems_of(given):
        return _page(request, given, problems)
    actions.set_own_keys(user=by, keys=given, by=by)
    messages.success(request, _("Your keys are saved."))
    return redirect("preferences")


@needs(May.JUDGE)
@require_POST
def own_language(request: HttpRequest) -> HttpResponse:
    """Choose the language, and say so in it."""
    by, language = caller(request), request.POST.get("language", "")
    actions.set_own_language(user=by, language=language, by=by)
    with translation.override(language or translation.get_language_from_request(request)):
        messages.success(request, _("Your language is saved."))
    return redirect("preferences")
