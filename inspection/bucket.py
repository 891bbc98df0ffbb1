"""Photos in a bucket of S3, or of what speaks like it: written whole or not at all, read as files are."""

import hashlib
import io
import os
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO

import structlog
from django.utils.translation import gettext as _

from inspection.refusals import Refused

log = structlog.get_logger("shadowline.photos")
CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 2, 10, 2  # a station asks again; nobody waits long for what is down
CONNECTIONS = 32  # kept open by a process: each thread of the web asks for a photo at once
FRESH_SECONDS = 300  # a signed address leads to its photo for so long
PROBE = "ready"  # the object that tells whether the bucket can be written
ABSENT = {"NoSuchKey", "404"}
# What the server answers, or the client finds before it asks, and what to do about it.
FAULTS = {
    "NoSuchBucket": "the bucket does not exist",
    "AccessDenied": "the key may not do this in the bucket",
    "403": "the key may not do this in the bucket, or its secret is wrong",
    "InvalidAccessKeyId": "the access key is not known there",
    "SignatureDoesNotMatch": "the secret key is wrong",
    "NoCredentialsError": "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "PartialCredentialsError": "half of the credentials is missing: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "EndpointConnectionError": "does not answer",
    "ConnectTimeoutError": "does not answer",
    "ReadTimeoutError": "does not answer in time",
    "SSLError": "its certificate cannot be trusted",
    "BadDigest": "the bytes changed on their way",
}


class StoreAway(Refused, ConnectionError):
    """The photo store does not answer or does not let us in: nothing is lost, and asking again later may help.

    A ConnectionError too, so that what knows nothing of refusals can tell it from a photo that is broken.
    """

    status = 503
    retry_after = 5  # seconds

    def __init__(self, fault: str):
        self.fault = fault  # for the log and for /readyz
        super().__init__(_("The photo store cannot be used now. Try again in a moment; if it stays so, tell an admin."))


@dataclass(frozen=True)
class Bucket:
    """Where STORAGE_URL leads. Keys and secrets are not part of it: they come by the usual variables and files of AWS."""

    name: str
    prefix: str = ""  # empty, or ends in a slash
    endpoint: str = ""  # scheme, host and port; empty: Amazon's own
    region: str = ""

    def place(self, key: str) -> "Object":
        return Object(self, self.prefix + key)

    @property
    def origin(self) -> str:
        """Scheme, host and port that signed addresses lead to, as a content security policy names them."""
        return self.endpoint or f"https://{self.name}.s3.{self.region}.amazonaws.com"

    def fault(self) -> str:
        """A few words on why photos cannot be kept and read there now; empty when they can."""
        try:
            self.place(PROBE).write(b"")
            self.place(PROBE).read_bytes()
        except StoreAway as away:
            return away.fault
        except FileNotFoundError:
            return "what was written cannot be read"
        return ""


@dataclass(frozen=True)
class Object:
    """One object of a bucket, with the words of a pathlib.Path that photos need. All raise StoreAway."""

    bucket: Bucket
    key: str

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]

    def exists(self) -> bool:
        try:
            with _asked():
                self.client.head_object(**self._named)
        except FileNotFoundError:
            return False
        return True

    def read_bytes(self) -> bytes:
        """Raises FileNotFoundError when there is none."""
        with _asked():
            return bytes(self.client.get_object(**self._named)["Body"].read())

    def open(self, mode: str = "rb") -> BinaryIO:
        """The object, read whole: photos are limited at intake, and a broken connection must not cut one short."""
        return io.BytesIO(self.read_bytes())

    def write(self, data: bytes) -> None:
        """Write the object; the server keeps it whole or not at all, and only if the bytes arrived as they left."""
        digest = b64encode(hashlib.sha256(data).digest()).decode()
        with _asked():
            self.client.put_object(**self._named, Body=data, ChecksumSHA256=digest)

    def signed_address(self, content_type: str, cache_control: str) -> str:
        """An address that anybody can read the object at for FRESH_SECONDS."""
        asked = self._named | {"ResponseContentType": content_type, "ResponseCacheControl": cache_control}
        with _asked():
            return str(self.client.generate_presigned_url("get_object", Params=asked, ExpiresIn=FRESH_SECONDS))

    def __str__(self) -> str:
        return f"s3://{self.bucket.name}/{self.key}"

    @property
    def _named(self) -> dict[str, str]:
        return {"Bucket": self.bucket.name, "Key": self.key}

    @property
    def client(self) -> Any:
        return _client_of(self.bucket, os.getpid())


@lru_cache(maxsize=4)
def _client_of(bucket: Bucket, process: int) -> Any:
    """One client for all threads of a process; a forked worker must not share its parent's connections."""
    from boto3.session import Session  # late: an optional extra, and half a second that a folder does not need
    from botocore.config import Config

    options = Config(
        connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, max_pool_connections=CONNECTIONS,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"}, signature_version="s3v4",
        s3={"addressing_style": "path" if bucket.endpoint else "virtual"},
        # The SHA-256 that we send is enough; many servers beside Amazon's refuse the trailers of the default.
        request_checksum_calculation="when_required", response_checksum_validation="when_required",
    )  # fmt: skip
    return Session().client(
        "s3", endpoint_url=bucket.endpoint or None, region_name=bucket.region or None, config=options
    )


@contextmanager
def _asked() -> Iterator[None]:
    """Turns the client's errors into FileNotFoundError, or StoreAway with the reason; the log never holds a key."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in ABSENT:
            raise FileNotFoundError(code) from None
        raise _away(code) from None
    except BotoCoreError as error:
        raise _away(type(error).__name__) from None


def _away(code: str) -> StoreAway:
    fault = FAULTS.get(code, code)
    log.error("photo_store_away", fault=fault, code=code)
    return StoreAway(fault)
