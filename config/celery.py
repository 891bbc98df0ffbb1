"""The Celery application: its broker, its queues, and what beat repeats."""

import atexit
import gc
import os
import signal
import sys
from typing import Any

from celery import Celery
from celery.signals import (
    beat_init,
    before_task_publish,
    task_postrun,
    task_prerun,
    worker_init,
    worker_process_shutdown,
)
from django.conf import settings

from config import acks, logs, tracing

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

CLOCKS_APART = 60.0  # seconds by which a worker's clock may be ahead of beat's
CONNECT_SECONDS = 1.0  # an intake waits no longer than this for a broker that does not answer

QUEUES = ("score", "train", "watch", "default")  # a worker without -Q serves all of them
ROUTES = {
    "automation.tasks.score_*": {"queue": "score"},
    "shadow.tasks.train_*": {"queue": "train"},
    "monitoring.tasks.*": {"queue": "watch"},  # a long look, or a slow mail server, holds up no sweep of leases
}
EVERY = {  # seconds
    "automation.tasks.sweep": 2.0,  # finds again what a lost wake-up missed
    "inspection.tasks.contain_escapes": 2.0,
    "shadow.tasks.count_pairs": 2.0,
    "shadow.tasks.look_for_trainings": 5.0,
    "shadow.tasks.start_trainings_due": 3600.0,
    "inspection.tasks.make_previews": 2.0,
    "inspection.tasks.mix_seeds": 5.0,
    "inspection.tasks.keep_house": 30.0,
    "inspection.tasks.seal_late": 3600.0,
    "inspection.tasks.make_months": 3600.0,
    "monitoring.tasks.watch": 30.0,
    "monitoring.tasks.start_suggested": 60.0,
    "monitoring.tasks.deliver": 10.0,
    "monitoring.tasks.prune_figures": 3600.0,
}


def broker_url() -> str:
    """BROKER_URL, or the embedded broker of DATA_DIR."""
    from config.broker import EmbeddedBroker  # late: `python -m config.broker` must be the first to import it

    return settings.BROKER_URL or EmbeddedBroker(settings.DATA_DIR).url


def transport_options(url: str) -> dict[str, Any]:
    """How to talk to the broker: a sender tries once and gives up, a killed worker's messages come back soon."""
    once = {"max_retries": 0}
    if not url.startswith("redis"):
        return once  # RabbitMQ hands a lost worker's messages out again at once
    return once | {
        "visibility_timeout": 900,  # seconds; longer than any task may run (CELERY_TASK_TIME_LIMIT)
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": 2.0,
    }


def queues(url: str) -> dict[str, dict[str, Any]]:
    """The queues as they are declared. With BROKER_QUORUM those of RabbitMQ are kept by most of its nodes."""
    quorum = settings.BROKER_QUORUM and url.startswith("amqp")
    arguments = {"queue_arguments": {"x-queue-type": "quorum"}} if quorum else {}
    return {name: {"routing_key": name, **arguments} for name in QUEUES}


def defaults() -> dict[str, Any]:
    """What Celery is told beyond the CELERY_ settings. Asked late: the settings import this package."""
    url = broker_url()
    return {
        "broker_url": url,
        "broker_transport_options": transport_options(url),
        "broker_connection_timeout": CONNECT_SECONDS,
        "broker_connection_max_retries": None,  # a worker waits for its broker for ever
        "task_publish_retry": False,
        "task_queues": queues(url),
        "task_routes": ROUTES,
        "beat_scheduler": "config.beat:Scheduler",
        "beat_schedule_filename": str(settings.DATA_DIR / "beat-schedule"),
        # A repetition that nobody took up before the next but one is due is worth nothing. It expires by the worker's
        # clock, counted from beat's: without an allowance, one five seconds ahead would drop every sweep.
        "beat_schedule": {
            task: {"task": task, "schedule": seconds, "options": {"expires": 2 * seconds + CLOCKS_APART}}
            for task, seconds in EVERY.items()
        },
    }


acks.install()
app = Celery("shadowline")
app.set_default()  # the web server's threads send wake-ups through this one too
app.config_from_object("django.conf:settings", namespace="CELERY")
app.add_defaults(defaults)
app.autodiscover_tasks()


def start_embedded_broker(**kwargs: Any) -> None:
    """Worker and beat see to their broker before they connect; whoever leaves last stops it."""
    from config.broker import BrokerError, EmbeddedBroker

    if settings.BROKER_URL:
        return
    broker = EmbeddedBroker(settings.DATA_DIR)
    atexit.register(broker.leave)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # until Celery sets its own, so that `leave` runs
    try:
        broker.join()
    except BrokerError as error:
        raise SystemExit(str(error)) from None


def bring_torch(*, sender: Any, **kwargs: Any) -> None:
    """A worker that scores or trains brings torch before it forks, so that its children share the memory.

    All of it: a training counts the threads that it may have when it is imported, and a scorer leaves one.
    """
    if {"score", "train"} & set(sender.app.amqp.queues.consume_from):
        import shadow.retraining  # noqa: F401 - late: a second and 200 MB that the web and beat do without


def tell_of_photo_store(**kwargs: Any) -> None:
    from config.health import tell_photo_store  # late: it reads models, which are loaded with the applications

    tell_photo_store()


def keep_memory_shared(**kwargs: Any) -> None:
    """What a worker has loaded before it forks is looked through no more.

    A child's first full search for garbage writes a mark to every object, which copies 50 MB that it has in common with its parent.
    """
    gc.collect()
    gc.freeze()


worker_init.connect(start_embedded_broker)
worker_init.connect(bring_torch)
worker_init.connect(tell_of_photo_store)
worker_init.connect(keep_memory_shared)  # the last: behind everything that loads
beat_init.connect(start_embedded_broker)
before_task_publish.connect(logs.give_request_id)
before_task_publish.connect(tracing.give_traceparent)
task_prerun.connect(logs.begin_task)
task_prerun.connect(tracing.begin_task)  # after the log's, which forgets what was bound before
task_postrun.connect(tracing.end_task)
task_postrun.connect(logs.end_task)
worker_process_shutdown.connect(tracing.end_process)
