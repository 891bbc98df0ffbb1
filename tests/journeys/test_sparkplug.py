"""A process that publishes the lines is killed: the factory's MQTT broker tells of it."""

import os
import subprocess
import sys

import pytest

from automation.sparkplug import decoded
from tests.long.test_sparkplug import HOST, PORT, host, on_a_broker

__all__ = ["host"]
pytestmark = pytest.mark.journey


@on_a_broker
def test_of_a_process_that_is_killed_the_broker_tells_the_death(host, tmp_path):
    program = (
        "import django, sys; django.setup()\n"
        "from pathlib import Path\n"
        "from automation.edge_node import EdgeNode, read_broker\n"
        f"EdgeNode(read_broker('mqtt://{HOST}:{PORT}'), group={host.group!r}, node='site',"
        f" bd_seq_file=Path({str(tmp_path / 'bdseq')!r}), read=lambda: {{}}).run(every=1)\n"
    )
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings", "DATA_DIR": str(tmp_path), "DEBUG": "1"}
    (tmp_path / "bdseq").write_text("6")
    process = subprocess.Popen([sys.executable, "-c", program], env=environment)
    try:
        assert decoded(host.next("NBIRTH", wait=60).payload)["bdSeq"] == 7
        process.kill()
        assert decoded(host.next("NDEATH").payload) == {"bdSeq": 7}
    finally:
        process.kill()
        process.wait()
