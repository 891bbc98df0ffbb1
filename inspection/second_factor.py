"""Codes of an authenticator (TOTP, RFC 6238): the secret and how it is sealed, the picture to scan, which code is right."""

import base64
import hashlib
import secrets
from datetime import datetime

import pyotp
import segno
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.safestring import SafeString, mark_safe

PROVEN = "second_factor"  # in the session of whoever entered a code
SECONDS = 30
DRIFT = 1  # steps that a telephone's clock may be early or late
RECOVERY_CODES = 10


class Unreadable(Exception):
    """The secret was sealed with another SECRET_KEY than those that the site knows."""


def new_secret() -> str:
    """160 random bits, as base32."""
    return pyotp.random_base32()


def seal(secret: str) -> str:
    """The secret as it is kept: whoever reads the database or a backup of it, and not SECRET_KEY, cannot make codes."""
    return _box().encrypt(secret.encode()).decode()


def unseal(sealed: str) -> str:
    """Raises Unreadable where SECRET_KEY was changed and the one before is not among SECRET_KEY_FALLBACKS."""
    try:
        return _box().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Unreadable from None


def _box() -> MultiFernet:
    return MultiFernet([Fernet(_key(key)) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def _key(secret_key: str) -> bytes:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"shadowline second factor")
    return base64.urlsafe_b64encode(derived.derive(secret_key.encode()))


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """The half minute since 1970 that the code belongs to, within the drift; None for a wrong one.

    >>> from datetime import UTC
    >>> step_of("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "287082", datetime.fromtimestamp(59, UTC))  # RFC 6238, appendix B
    1
    """
    current = int(now.timestamp()) // SECONDS
    codes = pyotp.TOTP(secret, interval=SECONDS)
    right = [step for step in range(current - DRIFT, current + DRIFT + 1) if _same(codes.generate_otp(step), code)]
    return right[-1] if right else None


def _same(known: str, code: str) -> bool:
    return secrets.compare_digest(known.encode(), code.encode())


def address(secret: str, username: str, issuer: str) -> str:
    """What an authenticator reads: `otpauth://totp/...`."""
    return pyotp.TOTP(secret, interval=SECONDS).provisioning_uri(name=username, issuer_name=issuer)


def picture(address: str) -> SafeString:
    """The address as a QR code, dark on white in either theme: scanners need the light frame."""
    drawn = segno.make(address, error="m", micro=False).svg_inline(scale=5, border=4, light="#fff", dark="#000")
    return mark_safe(drawn)  # noqa: S308 - made of squares alone


def in_groups(secret: str) -> str:
    """The secret in groups of four, for whoever types it."""
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))


def new_recovery_code() -> str:
    """80 random bits in four groups of lower case letters and digits that no eye confuses."""
    word = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    return "-".join(word[start : start + 4] for start in range(0, 16, 4))


def digest_of(user: int, code: str) -> str:
    """What is kept of a recovery code; its hyphens, spaces and capitals do not matter."""
    plain = "".join(code.lower().replace("-", " ").split())
    return hashlib.sha256(f"{user}:{plain}".encode()).hexdigest()
