"""The key of the draws: which one is in use, since when and by whom, and how it is changed. The rows never tell it."""

import os
import secrets
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction

from automation import draws, policies
from automation.models import DrawKey
from inspection import audit, seals
from inspection.models import User
from inspection.refusals import BadInput, Conflict
from inspection.roles import May, must

NOTERS_LOCK = 0xD4A3  # among PostgreSQL's advisory locks
# Processes that were started before a rotation draw with the key before until they are started anew. Each is told of
# once; one that goes on for longer than this is told of again.
LINGERS = timedelta(hours=1)


@transaction.atomic
def note_draw_key(*, now: datetime) -> DrawKey | None:
    """Write down the key that this process draws with, if it is another than the last; None: nothing was to write."""
    _one_at_a_time()
    key, last = draws.key_id(policies.draw_secret()), DrawKey.objects.last()
    if last and last.key == key:
        return None
    if last and now - last.at < LINGERS and DrawKey.objects.filter(key=key).exists():
        return None
    return _note(key, by="system", now=now, action="draw_key_noted", before=last.key if last else "")


def _note(key: str, *, by: User | str, now: datetime, action: str, **told: str) -> DrawKey:
    row = DrawKey.objects.create(key=key, by=audit.name_of(by), at=now)
    audit.record(action, by=by, subject=row, key=key, **told)
    seals.seal_trail(line="")
    return row


def _one_at_a_time() -> None:
    """Two sweeps at once would both write the row. SQLite has one writer at a time as it is."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [NOTERS_LOCK])


def secret_file() -> Path:
    return Path(settings.DATA_DIR) / "draw_secret"


@transaction.atomic
def rotate_draw_key(*, by: User, reason: str, now: datetime) -> DrawKey:
    """Write a new secret over the one in `DATA_DIR`, of which nothing is kept, and note by whom and why.

    Parts that were drawn keep their numbers and the name of their key. Raises Conflict where the secret comes from the
    environment: whoever set it there changes it there.
    """
    must(by, May.SET_UP)
    if not reason.strip():
        raise BadInput("Say why the key is changed; the reason stands in the audit trail.")
    if os.environ.get("DRAW_SECRET") or os.environ.get("DRAW_SECRET_FILE"):
        raise Conflict(
            "The key comes from the environment (DRAW_SECRET or DRAW_SECRET_FILE). Set another one there, on every node, and start the "
            "processes anew: that they draw with it is noted by itself."
        )
    note_draw_key(now=now)
    secret, before = secrets.token_urlsafe(48), draws.key_id(policies.draw_secret())
    row = _note(
        draws.key_id(secret.encode()), by=by, now=now, action="draw_key_rotated", before=before, reason=reason.strip()[:500]
    )  # fmt: skip
    _replace(secret_file(), secret)  # last: should the row be lost after it, the sweep notes the key that it finds
    return row


def _replace(path: Path, secret: str) -> None:
    """Put the new secret in the place of the old one at once: a process that starts now reads one of the two whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        with suppress(FileNotFoundError):
            new.unlink()
