"""Makes the small pictures of new photos ahead of their readers, so that no request has to."""

from collections import deque

from inspection import photos
from inspection.bucket import StoreAway
from inspection.models import Photo
from inspection.refusals import BadInput

NEWEST = 400  # photos looked at in one round; an older one gets its preview when it is first asked for
_seen: deque[photos.Place] = deque(maxlen=2 * NEWEST)  # not asked for again: in a bucket every question is a request


def make_missing_previews() -> int:
    """Make the previews that the newest photos lack, and return how many. One whose file is gone is the page's to tell."""
    made = 0
    seen = set(_seen)
    for digest in Photo.objects.order_by("-pk").values_list("stored", flat=True)[:NEWEST]:
        place = photos.path_of(digest, folder="previews")
        if place in seen:
            continue
        try:
            if not place.exists():
                photos.preview_path(digest)
                made += 1
        except StoreAway:
            break  # the next round is in seconds
        except (FileNotFoundError, BadInput):
            pass
        _seen.append(place)
    return made
