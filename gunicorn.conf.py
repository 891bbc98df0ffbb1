"""Settings of the web process, read by `gunicorn config.wsgi` from the folder that it is started in."""

import ctypes
import gc
import os
import sys
from contextlib import suppress

from django.urls import get_resolver

bind = f"127.0.0.1:{os.environ.get('PORT', '8000')}"
worker_class = "gthread"
workers = int(os.environ.get("WEB_PROCESSES", "2"))
threads = int(os.environ.get("WEB_THREADS", "8"))  # of each process; stations waiting for an answer take up to half
keepalive = 75  # a browser's connection lives from one verdict to the next; an idle one holds no thread
timeout = 60
graceful_timeout = 5  # a waiting station asks again; nobody waits for it at the stop
control_socket_disable = True  # it would lie in the home folder, one for all instances
accesslog = None  # config.middleware writes one structured line per request
loglevel = "warning"

M_ARENA_MAX = -8  # of mallopt(3)
ARENAS = 2


def post_worker_init(worker):
    """Make a process ready for its first request."""
    # Every view is loaded now: an inspector's first answer after a restart must not wait for that.
    _ = get_resolver().url_patterns
    if worker.age == 1:  # the first says it for all
        from config.health import tell_photo_store  # late: settings are loaded with the application

        tell_photo_store()
    # Each statement gives up the interpreter, and getting it back takes up to this long while other threads compute.
    # Python's own 5 ms would make a verdict's dozen statements hold the database's lock for a tenth of a second.
    sys.setswitchinterval(0.0005)
    # glibc gives each thread an arena of its own, and each keeps the 8 MB of the last photo that it has decoded: memory would
    # grow for hours, until every thread has had one. Two for all keep only what was ever in hand at once.
    with suppress(AttributeError):  # other C libraries have neither the call nor the arenas
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)
    # What is loaded by now stays: looked through again and again, it would hold up one answer in twenty by 0.1 s.
    gc.collect()
    gc.freeze()
