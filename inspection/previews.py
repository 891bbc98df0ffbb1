"""Makes the small pictures of new photos ahead of their readers, so that no request has to."""

from inspection import photos
from inspection.models import Photo
from inspection.refusals import BadInput

NEWEST = 400  # photos looked at in one round; an older one gets its preview when it is first asked for


def make_missing_previews() -> int:
    """Make the previews that the newest photos lack, and return how many. One whose file is gone is the page's to tell."""
    made = 0
    for digest in Photo.objects.order_by("-pk").values_list("stored", flat=True)[:NEWEST]:
        if photos.has_preview(digest):
            continue
        try:
            photos.preview_path(digest)
        except (FileNotFoundError, BadInput):
            continue
        made += 1
    return made
