"""Reads what the environment may say, and fails with a sentence where it says nonsense."""

import os
import secrets
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.Env()


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


def storage_folder(url: str, data_dir: Path) -> Path:
    """The folder that keeps photos. Raises ImproperlyConfigured for a scheme that this release cannot serve."""
    if "://" in url:
        raise ImproperlyConfigured(
            f"STORAGE_URL is {url.split('?')[0]!r}: this release keeps photos in a folder. Set a path, or leave it unset."
        )
    return Path(url) if url else data_dir / "photos"


def mail_options(url: str) -> dict:
    """Django's EMAIL_ settings of `smtp+tls://user:password@host:587`. Raises ImproperlyConfigured for another scheme."""
    scheme = url.partition(":")[0]
    if scheme not in ("smtp", "smtp+tls", "smtp+ssl"):
        raise ImproperlyConfigured(
            f"EMAIL_URL begins with {scheme!r}: say smtp://host:25, smtp+tls://user:password@host:587 or smtp+ssl://..."
        )
    return {name: value for name, value in env.email_url_config(url).items() if name.startswith("EMAIL_")}


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
