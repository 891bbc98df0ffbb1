"""The key that signs what stations decide by: Ed25519, in a secret file of its own, made when it is first needed."""

import base64
import os
import secrets
from contextlib import suppress
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from django.conf import settings

from inspection.refusals import Conflict


def sign(content: bytes) -> bytes:
    """64 bytes. Raises Conflict where the file holds no such key."""
    return _key().sign(content)


def public_key() -> str:
    """The 32 bytes by which stations check signatures, in base64."""
    return base64.b64encode(_key().public_key().public_bytes_raw()).decode()


def _key() -> Ed25519PrivateKey:
    path = Path(settings.EDGE_KEY)
    if not path.exists():
        _make(path)
    return _read(path, path.stat().st_mtime_ns)


@cache
def _read(path: Path, _changed: int) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise Conflict(f"{path} holds no Ed25519 key. Put the key back from the backup; stations refuse another one.")
    return key


def _make(path: Path) -> None:
    """Put a new key there, whole or not at all; of several processes at once one does, and all read the same."""
    content = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(new, path)
    finally:
        new.unlink()
