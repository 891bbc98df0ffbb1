"""Keyed draws: which parts are in the canary, audited, or blind. A hash decides: nobody can choose, all can check."""

import hashlib
import hmac
from typing import Literal

Purpose = Literal["canary", "audit", "blind"]


def uniform(secret: bytes, purpose: Purpose, part: int) -> float:
    """A number in [0, 1) from HMAC-SHA-256(secret, "purpose:part"); the same for ever for the same three.

    A part is in iff the number is below the share, so the 5 % are among the 25 %. The purposes are independent of each
    other and of anything about the part.
    """
    digest = hmac.new(secret, f"{purpose}:{part}".encode(), hashlib.sha256).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def key_id(secret: bytes) -> str:
    """A name for the secret that tells nothing of it."""
    return hashlib.sha256(b"shadowline draw key:" + secret).hexdigest()[:12]
