"""What takes long by its nature belongs here: trainings, simulations, studies, long stories, whole pages. As a rule, what
takes a tenth of a second a test or more. The props are those of the unit tests.
"""

import threading
import time

import pytest

from inspection import waiting
from inspection.models import ApiToken
from station.client import Client
from station.sending import Sender
from station.settings import Settings
from station.spool import Spool
from station.state import read_state
from station.taking import Taker
from tests.unit.conftest import audited, compared, no_static_files

__all__ = ["audited", "compared", "no_static_files"]


@pytest.fixture
def rig(tmp_path, transactional_db, live_server, line, cam, monkeypatch):
    """A watch folder, a spool and a sender on the live server, stepped by hand."""

    class Rig:
        def __init__(self):
            self.watch = tmp_path / "watch"
            self.watch.mkdir()
            self.settings = Settings(
                server=live_server.url,
                line=line.slug,
                spool=tmp_path / "spool",
                watch=self.watch,
                settle=0,
                min_free_gb=0,
            )
            self.spool = Spool(self.settings.spool)
            self.client = Client(live_server.url, timeout=10)
            self.sender = Sender(self.spool, self.client, sent=lambda: None)

        def taker(self, **settings):
            told = {name: getattr(self.settings, name) for name in Settings.__annotations__} | settings
            return Taker(Settings(**told), self.spool, taken=lambda: None)

        def send_all(self):
            while self.sender.step() == 0:
                pass

        def state(self):
            return read_state(self.spool)

    monkeypatch.setenv("STATION_TOKEN", ApiToken.issue(cam))
    monkeypatch.setattr(waiting, "MAX_SECONDS", 0.5)  # a killed agent's question is not waited for any longer
    made = Rig()
    yield made
    made.client.close()
    made.spool.close()
    deadline = time.monotonic() + 10
    while any("process_request_thread" in thread.name for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "the server is still at work for an agent that is gone"
        time.sleep(0.02)
