"""The words of the pages' scripts: a classic script that defines `gettext` and its kin before the modules run."""

import hashlib
from functools import cache

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.utils import translation
from django.utils.cache import get_conditional_response, patch_cache_control
from django.views.decorators.http import require_safe
from django.views.i18n import JavaScriptCatalog

FRESH = 4 * 3600  # seconds until a browser asks whether the words have changed


@require_safe
def script_words(request: HttpRequest, language: str) -> HttpResponseBase:
    """The catalogue of one language. The address names it, so a kept copy is right whoever signs in next."""
    if language not in dict(settings.LANGUAGES):
        raise Http404
    script, digest = _catalogue(language)
    response = get_conditional_response(request, etag=digest)
    response = response or HttpResponse(script, content_type="text/javascript; charset=utf-8")
    response["ETag"], response["Content-Language"] = digest, language
    patch_cache_control(response, public=True, max_age=FRESH)
    return response


@cache
def _catalogue(language: str) -> tuple[bytes, str]:
    with translation.override(language):
        script = JavaScriptCatalog().get(HttpRequest()).content
    return script, f'"{hashlib.sha256(script).hexdigest()}"'
