"""The key that signs what stations decide by: Ed25519, in a secret file of its own, made when it is first needed.

The package `cryptography` is in the extra `edge`. Without it a line decides as ever while the network is up, and pages and
API say why a station cannot without it.
"""

from __future__ import annotations

import base64
import os
import secrets
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from inspection.refusals import Conflict

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NO_PACKAGE = (
    "This server cannot sign what a station decides by: the package cryptography is not installed. "
    "Install shadowline with the extra edge."
)


def why_no_key() -> str:
    """Why nothing can be signed here; empty: it can."""
    return "" if find_spec("cryptography") else NO_PACKAGE


def sign(content: bytes) -> bytes:
    """64 bytes. Raises Conflict where the package is not installed or the file holds no such key."""
    return _key().sign(content)


def public_key() -> str:
    """The 32 bytes by which stations check signatures, in base64; empty where nothing can be signed."""
    return "" if why_no_key() else base64.b64encode(_key().public_key().public_bytes_raw()).decode()


def _key() -> Ed25519PrivateKey:
    if reason := why_no_key():
        raise Conflict(reason)
    path = Path(settings.EDGE_KEY)
    if not path.exists():
        _make(path)
    return _read(path, path.stat().st_mtime_ns)


@cache
def _read(path: Path, _changed: int) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise Conflict(f"{path} holds no Ed25519 key. Put the key back from the backup; stations refuse another one.")
    return key


def _make(path: Path) -> None:
    """Put a new key there, whole or not at all; of several processes at once one does, and all read the same."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

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
