"""The samples of a line: all on one page, served beside the part, and added from a part that has been judged."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST, require_safe

from inspection import actions, photos
from inspection.actions.intake import find_line
from inspection.actions.samples import refuse_open_part
from inspection.forms import PartSampleForm
from inspection.models import Line, Photo, Sample, User
from inspection.refusals import Refused, Unknown
from inspection.roles import May, caller, may, needs
from inspection.sight import readable
from inspection.views.photos import served, served_preview


def samples_of(line: Line) -> list[Sample]:
    """The line's samples in the order of their meaning: good parts, then both sides of the limit."""
    return list(line.samples.select_related("variant"))


def find_sample(user: User, pk: int) -> Sample:
    sample = Sample.objects.select_related("line").filter(pk=pk, line__in=Line.objects.for_user(user)).first()
    if sample is None:
        raise Unknown(_("There is no sample {pk} on your lines.").format(pk=pk))
    return sample


@needs(May.JUDGE)
@require_safe
def sample(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The sample's photo as it is kept."""
    row = find_sample(caller(request), pk)
    return served(request, photos.path_of(row.stored), row.stored, photos.FORMATS[row.format])


@needs(May.JUDGE)
@require_safe
def sample_preview(request: HttpRequest, pk: int) -> HttpResponseBase:
    row = find_sample(caller(request), pk)
    return served_preview(request, row.stored, row.stored)


@needs(May.JUDGE)
@require_GET
def samples(request: HttpRequest, line: str) -> HttpResponse:
    """All samples of a line, with what each one shows."""
    place = find_line(line, caller(request))
    may_remove = may(caller(request), May.KEEP_SAMPLES)
    context = {"line": place, "samples": samples_of(place), "may_remove": may_remove}
    return render(request, "inspection/samples.html", context)


@needs(May.KEEP_SAMPLES)
def add_sample(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask what the photo of a judged part shows, and keep it among the samples."""
    photo = Photo.objects.select_related("inspection").filter(pk=pk, inspection__in=readable(caller(request))).first()
    if photo is None:
        raise Unknown(_("There is no photo {pk} that you may see.").format(pk=pk))
    refuse_open_part(photo)
    form, status = PartSampleForm(photo, caller(request), request.POST or None), 200
    if form.is_valid():
        try:
            added = actions.add_sample(photo=photo, by=caller(request), **form.cleaned_data)
        except Refused as refusal:
            form.add_error(None, refusal.reasons)
            status = refusal.status
        else:
            messages.success(request, _("The photo is among the samples of {line}.").format(line=added.line))
            return redirect("part_history", serial=photo.inspection.serial)
    elif form.errors:
        status = 400
    return render(request, "inspection/add_sample.html", {"photo": photo, "form": form}, status=status)


@needs(May.KEEP_SAMPLES)
@require_POST
def remove_sample(request: HttpRequest, pk: int) -> HttpResponse:
    row = find_sample(caller(request), pk)
    words = _("The sample '{sample}' is removed.").format(sample=row)
    actions.remove_sample(sample=row, by=caller(request))
    messages.success(request, words)
    return redirect("samples", line=row.line.slug)
