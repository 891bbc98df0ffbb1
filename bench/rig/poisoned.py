"""The product's Celery application with one change: a photo of 640 x 310 pixels kills the process that scores it.

As a decoder's segmentation fault or the kernel's out-of-memory killer would. Leases are short, so that the bench need not
wait for minutes until the attempts are used up.
"""

import os
import signal

from celery.signals import worker_process_init
from PIL import Image

from config.celery import app

POISON = (640, 310)
LEASE_SECONDS = 20
__all__ = ["POISON", "app"]


def poison(**kwargs) -> None:
    from shadow import jobs
    from shadow.vision import runtime

    jobs.LEASE_SECONDS = LEASE_SECONDS
    read = runtime.Scorer.read

    def read_or_die(self, photos):
        for place in [place for part in photos for place in part]:  # files, or objects of a bucket
            with place.open("rb") as file, Image.open(file) as image:
                if image.size == POISON:
                    os.kill(os.getpid(), signal.SIGKILL)
        return read(self, photos)

    runtime.Scorer.read = read_or_die


worker_process_init.connect(poison)
