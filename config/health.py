"""Whether the process lives, whether it is ready, and its figures for Prometheus: no personal data.

The figures tell what models answer, so they are for whoever has METRICS_TOKEN, or without one for this computer alone.

Every figure is counted from the database when it is asked for, so that it is right with any number of processes.
"""

import hmac
import tempfile
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import structlog
from celery import current_app
from django.conf import settings
from django.core.cache import cache
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from kombu.exceptions import OperationalError
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from automation import policies
from automation.levels import Level
from config.celery import CONNECT_SECONDS
from config.watched import Figures
from inspection import months
from inspection.append_only import missing_triggers
from inspection.models import Inspection, Line
from monitoring.models import Alarm
from shadow import changes
from shadow.models import Prediction, ScoringJob

log = structlog.get_logger("shadowline.health")
OK = "ok"
PROBE_SECONDS = 5
FORWARDED = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Forwarded")


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 while this process answers at all."""
    return JsonResponse({"status": OK})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when parts can be taken in and judged; else 503, with a word for what fails.

    A broker that does not answer is told and changes nothing: failing means that a person decides.
    """
    words = {name: check() for name, check in CHECKS.items()}
    ready = all(word == OK for word in words.values())
    body = {"status": OK if ready else "not ready", "checks": words, "broker": broker()}
    return JsonResponse(body, status=200 if ready else 503)


def database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "does not answer"
    return OK


def migrations() -> str:
    try:
        executor = MigrationExecutor(connection)
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return "cannot be read"
    return f"{len(waiting)} to apply: run manage.py migrate" if waiting else OK


def history() -> str:
    """Whether triggers guard every append-only table, and note what reports have to count again."""
    try:
        missing = missing_triggers() + changes.missing_triggers()
    except DatabaseError:
        return "cannot be read"
    return f"{len(missing)} triggers are missing: run manage.py migrate" if missing else OK


def parts_of_tables() -> str:
    """Whether the tables that PostgreSQL keeps by month have this month and the next."""
    try:
        missing = months.missing_months(timezone.now())
    except DatabaseError:
        return "cannot be read"
    return f"{missing[0]} is missing: run manage.py make_months, and see whether beat runs" if missing else OK


def photo_store() -> str:
    """Whether photos can be kept. A bucket is asked once in PROBE_SECONDS, however often we are: each asking costs."""
    if settings.PHOTO_BUCKET:
        fault = cache.get_or_set("photo-store", settings.PHOTO_BUCKET.fault, PROBE_SECONDS)
        return f"the bucket cannot be used: {fault}" if fault else OK
    folder = Path(settings.PHOTO_ROOT)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return OK
    except OSError as error:
        return f"cannot be written: {error.strerror}"


def tell_photo_store() -> None:
    """Say in the log of a process that starts what is wrong with the photo store; it starts all the same."""
    if (word := photo_store()) != OK:
        log.error("photo_store", fault=word)


CHECKS: dict[str, Callable[[], str]] = {
    "database": database,
    "migrations": migrations,
    "history": history,
    "months": parts_of_tables,
    "photo_store": photo_store,
}


def broker() -> str:
    try:
        with current_app.connection_for_write() as broker_connection:
            broker_connection.ensure_connection(max_retries=0, timeout=CONNECT_SECONDS)
    except OperationalError:
        return "does not answer: people judge every part until it does"
    return OK


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The factory's figures in Prometheus' text format."""
    if not may_scrape(request):
        words = "Send METRICS_TOKEN as a bearer token; where none is set, this computer alone reads its figures.\n"
        return HttpResponse(words, status=401, headers={"WWW-Authenticate": "Bearer"}, content_type="text/plain")
    registry = CollectorRegistry()
    for add in (add_parts, add_predictions, add_jobs, add_levels, add_alarms):
        add(registry)
    registry.register(Figures())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def may_scrape(request: HttpRequest) -> bool:
    """Whether the request has the token; where none is set, whether it comes from this computer and by no proxy."""
    if settings.METRICS_TOKEN:
        sent = request.headers.get("Authorization", "").encode()
        return hmac.compare_digest(sent, f"Bearer {settings.METRICS_TOKEN}".encode())
    if any(name in request.headers for name in FORWARDED):
        return False  # a proxy on this computer: whoever asked it may be anywhere
    address = request.META.get("REMOTE_ADDR", "")
    return not address or ip_address(address).is_loopback  # none: a socket file of this computer


def add_parts(registry: CollectorRegistry) -> None:
    gauge = Gauge("shadowline_parts_open", "Parts without a disposition.", ["line", "state"], registry=registry)
    open_parts = Inspection.objects.open().unseeded().order_by()
    for line, state, number in open_parts.values_list("line__slug", "state").annotate(Count("pk")):
        gauge.labels(line, state).set(number)


def add_predictions(registry: CollectorRegistry) -> None:
    names = ["model"]
    answers = Gauge("shadowline_predictions_last_hour", "Answers and failures of a model.", names, registry=registry)
    nulls = Gauge("shadowline_null_predictions_last_hour", "Recorded failures of a model.", names, registry=registry)
    recent = Prediction.objects.filter(at__gte=timezone.now() - timedelta(hours=1)).order_by()
    counts = recent.values_list("version__name").annotate(number=Count("pk"), failed=Count("pk", filter=Q(score=None)))
    for name, number, failures in counts:
        answers.labels(name).set(number)
        nulls.labels(name).set(failures)


def add_jobs(registry: CollectorRegistry) -> None:
    gauge = Gauge("shadowline_scoring_jobs", "Scoring jobs that are not done.", ["state"], registry=registry)
    counts = dict(ScoringJob.objects.exclude(state="done").order_by().values_list("state").annotate(Count("pk")))
    for state in ("pending", "leased"):
        gauge.labels(state).set(counts.get(state, 0))


def add_levels(registry: CollectorRegistry) -> None:
    gauge = Gauge(
        "shadowline_level", "0 human only, 1 shadow, 2 assist, 3 partial, 4 full.", ["line"], registry=registry
    )
    for line in Line.objects.all():
        gauge.labels(line.slug).set(Level(policies.in_force(line).level).rank)


def add_alarms(registry: CollectorRegistry) -> None:
    gauge = Gauge("shadowline_alarms_open", "Open alarms.", ["line", "severity"], registry=registry)
    counts = Alarm.objects.open().order_by().values_list("line__slug", "severity").annotate(Count("pk"))
    for line, severity, number in counts:
        gauge.labels(line, severity).set(number)
