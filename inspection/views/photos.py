"""Serves photos and previews to those who may look at the part; a browser keeps them for good."""

from pathlib import Path

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from inspection import photos
from inspection.bucket import FRESH_SECONDS, Object
from inspection.models import Photo
from inspection.refusals import Unknown
from inspection.roles import May, caller, judges_blind, needs
from inspection.sight import readable

# The bytes under a photo's address never change. Private: a shared cache knows nothing of roles.
FOR_GOOD = "private, max-age=31536000, immutable"
ACCEL_PREFIX = "/stored-photos/"
MISSING = gettext_lazy("The photo's file is missing from the photo store. Tell an admin.")


@needs(May.JUDGE)
@require_safe
def photo(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The photo as it is kept."""
    row = _visible(request, pk)
    return served(request, photos.path_of(row.stored), name_of(row), photos.FORMATS[row.format])


@needs(May.JUDGE)
@require_safe
def photo_preview(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The photo's small WebP; a worker has made it, or it is made now."""
    row = _visible(request, pk)
    return served_preview(request, row.stored, name_of(row))


def name_of(row: Photo) -> str:
    """What the photo is called to a browser. By its row and not by its bytes, which a seeded part has in common with
    the part that it shows again."""
    return f"photo-{row.pk}"


def _visible(request: HttpRequest, pk: int) -> Photo:
    """An inspector's photos are those of parts they hold or judged; overseers see all of their lines."""
    row = Photo.objects.filter(pk=pk, inspection__in=readable(caller(request))).first()
    if row is None:
        raise Unknown(_("There is no photo {number} that you may see.").format(number=pk))
    return row


def served(request: HttpRequest, place: photos.Place, name: str, content_type: str) -> HttpResponseBase:
    """A picture under a name that stands for the same bytes for ever, or 304 for a browser that has it.

    Its bytes come through this process, or as PHOTO_DELIVERY says from the proxy in front or from the bucket itself.
    """
    # The bucket's address shows the digest of the bytes, which a seeded part has in common with the part it shows again.
    if settings.PHOTO_DELIVERY == "redirect" and isinstance(place, Object) and not judges_blind(request.user):
        return _led_to(place, content_type)
    response = get_conditional_response(request, etag=f'"{name}"') or _opened(place, name, content_type)
    response["ETag"] = f'"{name}"'
    response["Cache-Control"] = FOR_GOOD
    return response


def served_preview(request: HttpRequest, stored: str, name: str) -> HttpResponseBase:
    try:
        place = photos.preview_path(stored)
    except FileNotFoundError:
        raise Unknown(str(MISSING)) from None
    return served(request, place, f"{name}-preview", "image/webp")


def _opened(place: photos.Place, name: str, content_type: str) -> HttpResponseBase:
    filename = f"{name}.{content_type[6:]}"
    try:
        if settings.PHOTO_DELIVERY == "accel" and isinstance(place, Path) and place.is_relative_to(settings.PHOTO_ROOT):
            return _left_to_proxy(place, filename, content_type)
        return FileResponse(place.open("rb"), content_type=content_type, filename=filename)
    except FileNotFoundError:
        raise Unknown(str(MISSING)) from None


def _left_to_proxy(path: Path, filename: str, content_type: str) -> HttpResponse:
    """An empty answer that tells nginx which file to send (its location for ACCEL_PREFIX is `internal`)."""
    if not path.exists():
        raise FileNotFoundError(path)
    address = f"{ACCEL_PREFIX}{path.relative_to(settings.PHOTO_ROOT).as_posix()}"
    disposition = f'inline; filename="{filename}"'
    return HttpResponse(
        content_type=content_type, headers={"X-Accel-Redirect": address, "Content-Disposition": disposition}
    )


def _led_to(place: Object, content_type: str) -> HttpResponse:
    """To the bucket, by an address that is signed anew before it runs out."""
    response = HttpResponseRedirect(place.signed_address(content_type, FOR_GOOD))
    response["Cache-Control"] = f"private, max-age={FRESH_SECONDS // 2}"
    return response
