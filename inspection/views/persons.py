"""What an admin does when a person asks for their data, or to be forgotten; and a person's own file."""

from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from inspection import actions
from inspection.figures_read import note_figures_read
from inspection.models import Erasure, User, Verdict, Where
from inspection.person_file import person_file
from inspection.refusals import Refused
from inspection.roles import May, caller, needs


@needs(May.JUDGE)
@require_POST
def own_file(request: HttpRequest) -> HttpResponseBase:
    """Everything that is kept of whoever asks."""
    return _file(caller(request), caller(request))


@needs(May.SET_UP)
@require_POST
def setup_user_file(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Everything that is kept of a person, for them: an admin hands it over."""
    return _file(get_object_or_404(User, pk=pk), caller(request))


def _file(person: User, by: User) -> HttpResponseBase:
    packed = person_file(person=person, by=by)
    return FileResponse(packed, as_attachment=True, filename=f"{person.pseudonym}.zip", content_type="application/zip")


@needs(May.SET_UP)
@require_http_methods(["GET", "HEAD", "POST"])
def erase_person(request: HttpRequest, pk: int) -> HttpResponse:
    """What an erasure takes and what it leaves; with the user name typed again it is begun."""
    person = get_object_or_404(User, pk=pk)
    note_figures_read(
        of=[person.pk], where=Where.ACCOUNTS, by=caller(request), action="pseudonyms_read"
    )  # shown beside the name
    erasure, refusal = Erasure.objects.filter(person=person).first(), None
    if request.method == "POST":
        try:
            begun = actions.begin_erasure(
                person=person, confirmed=request.POST.get("confirmed", ""), by=caller(request)
            )
        except Refused as refused:
            refusal = refused
        else:
            # The first events at once: for most people that is all, and the workers go on with the rest.
            done = actions.erase_some(erasure=begun).done_at
            words = (
                _("{pseudonym} is erased.") if done else _("{pseudonym} is being erased; the workers go on with it.")
            )
            messages.success(request, words.format(pseudonym=person.pseudonym))
            return redirect("setup_users")
    context = {
        "person": person, "erasure": erasure, "refusal": refusal,
        "verdicts": Verdict.objects.filter(inspector=person).count(),
    }  # fmt: skip
    return render(request, "setup/erase_person.html", context, status=refusal.status if refusal else 200)
