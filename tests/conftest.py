"""The cast and the props: ivy inspects, sam supervises, ada administers, otto has no role; a line, a station, photos."""

import gc
import io
import json
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import cache

import pytest
import torch
from django.apps import apps
from django.conf import settings as site
from django.db import connection, transaction
from django.test import TransactionTestCase
from django.utils import timezone, translation
from hypothesis import HealthCheck, settings
from PIL import Image, ImageDraw
from rest_framework.test import APIClient
from safetensors.torch import save

from automation import actions as automation
from automation import policies
from automation.actions.changing import write_policy
from automation.levels import Level
from automation.models import Change
from inspection import actions, append_only
from inspection.models import ApiToken, DefectKind, Draw, Inspection, Line, User, Verdict
from inspection.roles import Role, give_role
from scoring.grid import ARCHITECTURE
from shadow.actions import register_version
from shadow.models import ModelVersion, Prediction
from shadow.vision import runtime
from shadow.vision.locator import Locator
from shadow.vision.network import FEATURES, ScratchNet

PASSWORD = "correct horse battery"

# Each of several test processes would calculate on every core, and its threads would wait for those of the others: the
# suite took twice the time.
torch.set_num_threads(1)

# Other processes share the machine: that a case took long is no failure of a rule.
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")

# A worker keeps the two versions of a line; tests with a third would read one of them anew with each registration.
KEPT_AT_A_SITE, runtime.KEPT = runtime.KEPT, 6


OTHERS = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
OF_MIGRATIONS = {"django_content_type", "auth_permission"}


def pytest_addoption(parser):
    parser.addoption("--with-database", action="store_true", help="only the tests that ask a database something")


def pytest_configure(config):
    """--no-migrations from the start: set with the first database, it would end with that test's own settings."""
    if config.getoption("nomigrations"):
        site.MIGRATION_MODULES = dict.fromkeys(app.label for app in apps.get_app_configs())


def pytest_collection_modifyitems(config, items):
    """On a second database only what asks it something runs again, each question once; numbers, words and pixels are the
    same everywhere."""
    if config.getoption("--with-database"):
        asking = set({item.nodeid.partition("[")[0]: item for item in reversed(items) if _asks(item)}.values())
        config.hook.pytest_deselected(items=[item for item in items if item not in asking])
        items[:] = [item for item in items if item in asking]


def _asks(item) -> bool:
    ways = {"db", "transactional_db"}
    asks = ways & set(item.fixturenames) or item.get_closest_marker("django_db")
    return bool(asks) and not item.get_closest_marker("one_database")


def pytest_collection_finish():
    """Torch, scipy and the tests themselves stay until the end; no collection of garbage has to walk over them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def own_folders(tmp_path, settings):
    """Each test keeps photos and weights in a folder of its own."""
    settings.PHOTO_ROOT, settings.PHOTO_BUCKET, settings.PHOTO_DELIVERY = tmp_path / "photos", None, "stream"
    settings.MODEL_ROOT = tmp_path / "models"


@pytest.fixture(autouse=True)
def no_power_cut(monkeypatch):
    """Nothing waits for the disk: what a power cut would leave is not asked here."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    monkeypatch.setattr("os.sync", lambda: None)


@pytest.fixture(autouse=True)
def in_english():
    """A page's language stays with the thread after it; here the next test begins without."""
    yield
    translation.deactivate()


@pytest.fixture(autouse=True)
def no_wake_ups(monkeypatch):
    """Unit tests call the workers' actions themselves; no thread looks for a broker behind them."""
    monkeypatch.setattr("inspection.wake._wake", lambda: None)


@pytest.fixture(scope="session", autouse=True)
def flush_through_the_door():
    """What a transactional test has written is deleted through the one door that lets history go.

    Only the tables that have rows, and without what follows a migration: emptying all of them and making their triggers
    anew takes seconds a test.
    """
    original = TransactionTestCase._fixture_teardown

    def teardown(self):
        tables = sorted(set(connection.introspection.django_table_names(only_existing=True)) - OF_MIGRATIONS)
        asked = " UNION ALL ".join(f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM {table})" for table in tables)
        with append_only.open_door(), connection.cursor() as cursor:
            while filled := _all(cursor, asked):  # deletions are noted in a table of their own
                with connection.constraint_checks_disabled(), transaction.atomic():
                    for (table,) in filled:
                        cursor.execute(f"DELETE FROM {table}")
            end = time.monotonic() + 2
            while connection.vendor == "postgresql" and _all(cursor, OTHERS) and time.monotonic() < end:
                time.sleep(
                    0.01
                )  # a session that a thread has closed may live on for moments: no database is dropped then

    TransactionTestCase._fixture_teardown = teardown
    yield
    TransactionTestCase._fixture_teardown = original


def _all(cursor, query) -> list:
    cursor.execute(query)
    return cursor.fetchall()


def make_person(username: str, *roles: Role) -> User:
    user = User.objects.create_user(username=username, password=PASSWORD)
    for role in roles:
        give_role(user, role)
    return user


@pytest.fixture
def ivy(db):
    return make_person("ivy", Role.INSPECTOR)


@pytest.fixture
def ian(db):
    """A second inspector."""
    return make_person("ian", Role.INSPECTOR)


@pytest.fixture
def sam(db):
    return make_person("sam", Role.SUPERVISOR)


@pytest.fixture
def ada(db):
    return make_person("ada", Role.ADMIN)


@pytest.fixture
def otto(db):
    return make_person("otto")


@pytest.fixture
def cam(db):
    """A camera station."""
    return make_person("cam", Role.STATION)


@pytest.fixture
def line(db):
    return Line.objects.create(slug="line-a", name="Line A")


@pytest.fixture
def station(line):
    return line.stations.create(slug="cam-1", name="Camera 1")


@pytest.fixture
def kinds(db):
    scratch = DefectKind.objects.create(slug="scratch", name="Scratch", rejects=True, key="s")
    oil = DefectKind.objects.create(slug="oil", name="Oil", rejects=False, contamination=True, key="o")
    return scratch, oil


def photo_bytes(*, size=(320, 180), seed=None, format="JPEG", **options) -> bytes:
    """A dark screen with a few light lines; another seed is another picture."""
    chance = random.Random(seed)
    image = Image.new("RGB", size, (18, 20, 24))
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        points = [(chance.randrange(size[0]), chance.randrange(size[1])) for _ in range(2)]
        draw.line(points, fill=tuple(chance.randrange(60, 255) for _ in range(3)), width=chance.randrange(1, 4))
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


@pytest.fixture
def make_photo():
    return photo_bytes


@pytest.fixture
def make_part(line):
    """Receives a part as the intake does."""
    numbers = iter(range(1, 10_000))

    def make(serial=None, *, photos=1, on=None, **fields) -> Inspection:
        serial = serial or f"SN{next(numbers):05d}"
        sent = [actions.NewPhoto(photo_bytes(seed=f"{serial}/{number}")) for number in range(photos)]
        part, _ = actions.receive_inspection(line=on or line, serial=serial, photos_sent=sent, by=None, **fields)
        return part

    return make


@pytest.fixture
def judge():
    """Claims and judges a part as a person does: `judge(part, ivy, "ok")`."""

    def give(part: Inspection, by: User, outcome: str, **fields):
        lease = actions.claim(line=part.line, by=by)
        assert lease is not None and lease.inspection_id == part.pk, "the queue offers another part first"
        return actions.record_verdict(inspection=part, by=by, lease=lease.token, outcome=outcome, **fields)

    return give


@pytest.fixture
def api():
    """A client of the API signed in by token: `api(ivy).get(...)`."""

    def client_of(user: User | None) -> APIClient:
        client = APIClient()
        if user is not None:
            client.credentials(HTTP_AUTHORIZATION=f"Token {ApiToken.issue(user)}")
        return client

    return client_of


@pytest.fixture
def page(client):
    """A signed-in browser without JavaScript: `page(ivy).get(...)`."""

    def signed_in(user: User):
        client.force_login(user)
        return client

    return signed_in


@pytest.fixture
def at_once(transactional_db, tmp_path):
    """Runs calls at the same moment, each on a connection of its own: `at_once(first, second)` gives what each
    returned or raised.

    The SQLite of the other tests is in memory, where a second writer fails at once instead of waiting its turn; here
    it is a file, as in production.
    """
    memory = connection.connection
    if connection.vendor == "sqlite":
        name, file = connection.settings_dict["NAME"], str(tmp_path / "at_once.sqlite3")
        connection.cursor().execute("VACUUM INTO %s", [file])
        connection.connection, connection.settings_dict["NAME"] = None, file
    yield run_at_once
    if connection.vendor == "sqlite":
        connection.close()
        connection.connection, connection.settings_dict["NAME"] = memory, name


def run_at_once(*calls) -> list:
    gate = threading.Barrier(len(calls))

    def run(call):
        try:
            gate.wait(10)
            return call()
        except Exception as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@pytest.fixture
def later():
    """The clock, some seconds on."""
    return lambda seconds: timezone.now() + timedelta(seconds=seconds)


THRESHOLDS = [0.05, 0.1, 0.2, 0.3, 0.5]


@cache
def untrained_weights(seed: int = 1, **metadata: str) -> bytes:
    """A version that runs and knows nothing: for tests of what stands around it. It takes the whole photo for the phone."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network, locator = ScratchNet(), Locator()
    with torch.no_grad():
        locator.head[-1].bias.fill_(8.0)
    tensors = {f"network.{name}": value.contiguous() for name, value in network.state_dict().items()}
    tensors |= {f"locator.{name}": value.contiguous() for name, value in locator.state_dict().items()}
    tensors |= {"novelty.mean": torch.zeros(FEATURES), "novelty.whiten": torch.eye(FEATURES)}
    fields = {
        "architecture": ARCHITECTURE, "slope": "1.0", "offset": "0.0", "threshold": "0.5", "quality": "{}",
        "thresholds": json.dumps(THRESHOLDS), "novelty_limit": "100.0", "code_version": "test",
    }  # fmt: skip
    return save(tensors, fields | metadata)


@pytest.fixture
def version(db) -> ModelVersion:
    return register_version(name="v1", weights=untrained_weights(), card={}, by="test")


@pytest.fixture
def other_version(db) -> ModelVersion:
    """A second version, green beside the blue one."""
    return register_version(name="v2", weights=untrained_weights(seed=2), card={}, by="test")


@pytest.fixture
def set_level():
    """Puts a line on a level without its gates, as a demo does."""

    def put(line: Line, level: str, version: ModelVersion | None = None, **fields):
        current = policies.in_force(line)
        copied = {name: getattr(current, name) for name in policies.FIELDS}
        copied |= {"level": Level(level), "version_id": version.pk if version else current.version_id}
        copied |= {"step": 0, "strata": None, "hold_seconds": 60} | fields
        return write_policy(line=line, fields=copied, by="test", reason="set", action="level_set", now=timezone.now())

    return put


@pytest.fixture
def certified_level(set_level):
    """Puts a line on a level on a certificate, as its gates would: `certified_level(line, "partial", version, by=ada)`."""

    def put(line: Line, level: str, version: ModelVersion, *, by: User, **fields):
        before = set_level(line, "shadow", version)
        change = Change.objects.create(
            line=line, from_policy=before, kind="raise", proposed={}, reason="proven", by=by,
            certificate={"gates": [{"name": "certificate", "met": True, "reason": "proven", "figures": {}}]},
        )  # fmt: skip
        copied = {name: getattr(before, name) for name in policies.FIELDS} | {"level": Level(level), "version": version}
        copied |= {"hold_seconds": 60, "pass_below": 0.3, "reject_from": 0.5, "audit_share": 0.1} | fields
        return write_policy(
            line=line,
            fields=copied,
            by="test",
            reason="proven",
            change=change,
            action="level_raise",
            now=timezone.now(),
        )

    return put


@pytest.fixture
def shadowed(line, version, set_level):
    """Line A at shadow with a version."""
    set_level(line, "shadow", version)
    return line


@pytest.fixture
def answer():
    """Writes a version's answer as the worker would have, and settles the part: `answer(part, version, 0.9)`."""

    def write(part: Inspection, version: ModelVersion, score: float | None, **fields) -> Prediction:
        outcome = "" if score is None else "scratched" if score >= version.threshold else "ok"
        reason = "blank photo" if score is None else ""
        prediction = Prediction.objects.create(
            inspection=part, version=version, score=score, outcome=outcome, null_reason=reason, **fields
        )
        automation.settle(prediction=prediction)
        part.refresh_from_db()
        return prediction

    return write


@pytest.fixture
def make_evidence(db):
    """Files blind pairs in one go, over four days: `make_evidence(line, version, 30, 0.05, "ok", by=ivy)`."""

    def make(line: Line, version: ModelVersion, count: int, score: float, outcome: str, *, by: User, moments=None):
        now, start = timezone.now(), Inspection.objects.count()
        moments = moments or [now - timedelta(days=n % 4, seconds=60) for n in range(count)]
        parts = Inspection.objects.bulk_create(
            Inspection(
                line=line, serial=f"E{start + n}", captured_at=at, received_at=at, hold_until=at, state="decided"
            )
            for n, at in enumerate(moments)
        )
        Draw.objects.bulk_create(
            Draw(inspection=part, key="k", u_canary=0.5, u_audit=0.5, u_blind=0.5, blind=True) for part in parts
        )
        answer = "scratched" if score >= version.threshold else "ok"
        predictions = Prediction.objects.bulk_create(
            Prediction(inspection=part, version=version, score=score, outcome=answer, at=at)
            for part, at in zip(parts, moments, strict=True)
        )
        Verdict.objects.bulk_create(
            Verdict(inspection=part, inspector=by, outcome=outcome, at=at)
            for part, at in zip(parts, moments, strict=True)
        )
        return predictions

    return make
