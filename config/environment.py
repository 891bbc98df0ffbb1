"""Reads what the environment may say, and fails with a sentence where it says nonsense."""

import os
import re
import secrets
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from inspection.bucket import Bucket

env = environ.Env()
ROLES = ("station", "inspector", "supervisor", "admin")  # of inspection.roles, which needs the settings first


def secret(name: str) -> str:
    """The setting NAME, or what stands in the file that NAME_FILE names, as systemd and Docker hand secrets over.

    Empty where neither is set. Raises ImproperlyConfigured for both, or a file that cannot be read or says nothing; no
    message of this module repeats a secret.
    """
    told, file = env.str(name, default=""), env.str(f"{name}_FILE", default="")
    if not file:
        return told
    if told:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set. Leave one of them out.")
    try:
        found = Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", "") or "it is no text"
        raise ImproperlyConfigured(f"{name}_FILE names {file}, which cannot be read: {why}.") from None
    if not found:
        raise ImproperlyConfigured(f"{name}_FILE names {file}, which is empty.")
    return found


def database(url: str) -> dict:
    """Django's settings of DATABASE_URL. Raises ImproperlyConfigured for what is none, without the URL: it holds a password."""
    try:
        found = env.db_url_config(url)
    except Exception:
        found = {}
    if found.get("ENGINE") not in ("django.db.backends.postgresql", "django.db.backends.sqlite3"):
        raise ImproperlyConfigured(
            "DATABASE_URL cannot be read. Write it as postgres://user:password@host:5432/name, with signs such as / @ # of"
            " the password as %2F %40 %23."
        )
    return found


def broker(url: str) -> str:
    """BROKER_URL, or several with semicolons. Raises ImproperlyConfigured for one whose host and port cannot be told from the
    password, which the broker's client would repeat."""
    for one in filter(None, url.split(";")):
        if "://" not in one or not _has_a_port_or_none(one):
            raise ImproperlyConfigured(
                "BROKER_URL cannot be read. Write it as redis://:password@host:6379/0 or amqp://user:password@host:5672//,"
                " with signs such as / @ # of the password as %2F %40 %23."
            )
    return url


def _has_a_port_or_none(url: str) -> bool:
    try:
        port = urlsplit(url).port
    except ValueError:  # a word stands where the port should
        return False
    return port is None or port > 0


def roles(name: str) -> list[str]:
    """The roles that a setting names, with commas. Raises ImproperlyConfigured for a word that is none."""
    found = env.list(name, default=[])
    if unknown := sorted(set(found) - set(ROLES)):
        raise ImproperlyConfigured(f"{name} names {unknown[0]!r}. The roles are {', '.join(ROLES)}.")
    return found


def secret_from_file(path: Path) -> str:
    """The secret kept in `path`; made there on first use, readable by its owner only.

    The file is created exclusively, so of several processes that start at once one writes and all read the same.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
    except FileExistsError:
        pass
    return path.read_text().strip()


def cores() -> int:
    """The cores that this process may use; a container may have fewer than its computer."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def photo_store(url: str, data_dir: Path) -> tuple[Path, Bucket | None]:
    """The folder that STORAGE_URL names, or the bucket (`s3://bucket/prefix?endpoint=https://host:port&region=name`).

    Raises ImproperlyConfigured with what to write instead.
    """
    folder = data_dir / "photos"
    if "://" not in url:
        return Path(url) if url else folder, None
    told, asked = urlsplit(url), dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
    endpoint = urlsplit(asked.get("endpoint", ""))
    if told.scheme != "s3":
        raise ImproperlyConfigured(
            f"STORAGE_URL begins with {told.scheme}://: name a folder, or s3://bucket?endpoint=.."
        )
    if "@" in told.netloc or "@" in endpoint.netloc:
        raise ImproperlyConfigured(
            "STORAGE_URL holds a key. Leave it out: it is read from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,"
            " or from the files that AWS_SHARED_CREDENTIALS_FILE names."
        )
    if unknown := sorted(set(asked) - {"endpoint", "region"}):
        raise ImproperlyConfigured(f"STORAGE_URL asks for {unknown[0]!r}: only endpoint and region are known.")
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", told.netloc):
        raise ImproperlyConfigured(f"STORAGE_URL names the bucket {told.netloc!r}, which can be no bucket's name.")
    if "endpoint" in asked and not (
        endpoint.scheme in ("http", "https") and endpoint.netloc and not endpoint.path.strip("/")
    ):
        raise ImproperlyConfigured(f"STORAGE_URL's endpoint is {asked['endpoint']!r}: write it as https://host:port.")
    if find_spec("boto3") is None:
        raise ImproperlyConfigured(
            "STORAGE_URL names a bucket, which needs boto3: pip install --editable '.[s3]' in the product's folder."
        )
    prefix = told.path.strip("/")
    prefix = f"{prefix}/" if prefix else ""
    return folder, Bucket(told.netloc, prefix, asked.get("endpoint", "").rstrip("/"), asked.get("region", ""))


def photo_delivery(word: str, bucket: Bucket | None) -> str:
    """How photos reach a browser. Raises ImproperlyConfigured for a word that does not fit where they lie."""
    known = ("stream", "redirect") if bucket else ("stream", "accel")
    if word not in known:
        where = "a bucket" if bucket else "a folder"
        raise ImproperlyConfigured(f"PHOTO_DELIVERY is {word!r}: photos in {where} go by {known[0]!r} or {known[1]!r}.")
    if word == "redirect" and bucket and not (bucket.endpoint or bucket.region):
        raise ImproperlyConfigured("PHOTO_DELIVERY is 'redirect': STORAGE_URL has to name an endpoint or a region.")
    return word


def mail_options(url: str) -> dict:
    """Django's EMAIL_ settings of `smtp+tls://user:password@host:587`. Raises ImproperlyConfigured for another scheme."""
    scheme, said, _ = url.partition("://")
    if not said or scheme not in ("smtp", "smtp+tls", "smtp+ssl"):
        begins = f"begins with {scheme!r}" if said else "has no scheme"
        raise ImproperlyConfigured(
            f"EMAIL_URL {begins}: say smtp://host:25, smtp+tls://user:password@host:587 or smtp+ssl://..."
        )
    try:
        found = env.email_url_config(url)
    except Exception:
        raise ImproperlyConfigured(
            "EMAIL_URL cannot be read. Signs such as / @ # of its password are written as %2F %40 %23."
        ) from None
    return {name: value for name, value in found.items() if name.startswith("EMAIL_")}


def traces() -> bool:
    """Whether OpenTelemetry's standard variables name a collector of traces.

    Raises ImproperlyConfigured where they name one that cannot be sent to.
    """
    name = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
    if not env.str(name, default=""):
        name = "OTEL_EXPORTER_OTLP_ENDPOINT"
    endpoint = env.str(name, default="")
    disabled = env.str("OTEL_SDK_DISABLED", default="").lower() == "true"
    if disabled or not endpoint or env.str("OTEL_TRACES_EXPORTER", default="") == "none":
        return False
    told = urlsplit(endpoint)
    if told.scheme not in ("http", "https") or not told.netloc:
        raise ImproperlyConfigured(f"{name} cannot be read. Write it as http://collector.example:4318.")
    if "@" in told.netloc:
        raise ImproperlyConfigured(f"{name} holds a password. Leave it out, and send it by OTEL_EXPORTER_OTLP_HEADERS.")
    for asked in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if env.str(asked, default="http/protobuf") not in ("", "http/protobuf"):
            raise ImproperlyConfigured(f"{asked} asks for something else than http/protobuf: nothing else is spoken.")
    try:
        find_spec("opentelemetry.exporter.otlp.proto.http")  # imports the empty packages above it
    except ModuleNotFoundError:
        words = f"{name} is set, which needs OpenTelemetry: pip install --editable '.[otel]' in the product's folder."
        raise ImproperlyConfigured(words) from None
    return True


def sqlite_options(database: dict) -> dict:
    """SQLite as a server's database: writers wait in line from their first statement, readers never block them."""
    database["ENGINE"] = "config.fair_sqlite"
    database["TEST"] = {
        "NAME": ":memory:"
    }  # as it is by itself, but parallel test runs know that of Django's engine only
    database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",  # a write lock at BEGIN: no upgrade that fails half-way as "database is locked"
        "timeout": 20,
        # FULL: NORMAL may lose an acknowledged part in a power cut.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-32000;",
    }
    return database
