"""Long polling for a station that wants a disposition, without letting waiters take all threads of the web process."""

import threading
import time

from django.conf import settings
from django.db import connection

from inspection.models import Disposition, Inspection

MAX_SECONDS = 20
PERIOD = 0.25  # seconds between two looks
_places = threading.BoundedSemaphore(max(1, settings.WEB_THREADS // 2))


def wait_for_disposition(inspection: Inspection, seconds: float) -> bool:
    """Wait up to `seconds` for a disposition. False: no place to wait; the caller answers at once with Retry-After."""
    if not _places.acquire(blocking=False):
        return False
    try:
        deadline = time.monotonic() + min(max(seconds, 0), MAX_SECONDS)
        while time.monotonic() < deadline and not Disposition.objects.filter(inspection=inspection).exists():
            if connection.settings_dict["OPTIONS"].get("pool"):
                connection.close()  # it goes back to the pool: whoever sleeps needs none
            time.sleep(PERIOD)
    finally:
        _places.release()
    return True
