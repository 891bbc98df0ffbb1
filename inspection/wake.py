"""Tells the workers that there is work: a wake-up without payload, which may be lost at no harm."""

import contextvars
import threading
import time

import structlog
from celery import current_app
from django.conf import settings
from django.db import transaction

log = structlog.get_logger("shadowline.wake")
PERIOD = 1.0  # seconds: at most one wake-up a second per process; the rows say what the work is
_gate = threading.Lock()
_last = 0.0


def wake_workers_on_commit() -> None:
    transaction.on_commit(_wake)


def send_on_commit(task: str) -> None:
    """Send a payload-free message that may be lost: something else finds the work again."""
    transaction.on_commit(lambda: _send_apart(task))


def _wake() -> None:
    global _last
    with _gate:
        if time.monotonic() - _last < PERIOD:
            return
        _last = time.monotonic()
    _send_apart(settings.WAKE_UP_TASK)


def _send_apart(task: str) -> None:
    """A broker that hangs must not hold up the request that made the work, so the sending has its own thread."""
    here = contextvars.copy_context()  # the message names the request that it is sent for
    threading.Thread(target=here.run, args=[_send, task], daemon=True).start()


def _send(task: str) -> None:
    try:
        current_app.send_task(task, retry=False, ignore_result=True)
    except Exception as error:  # any failure is harmless: the periodic sweep wakes the workers again
        log.warning("wake_up_not_sent", error=str(error)[:200])
