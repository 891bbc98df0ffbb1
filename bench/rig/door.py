"""A door of TCP before a server: what goes through it may be shut out, held up, delayed, or answered by the door itself."""

import socket
import threading
import time
from contextlib import suppress
from enum import Enum

SLOW_SECONDS = 3.0  # before each piece of an answer
FAILURE = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Way(Enum):
    OPEN = "every byte goes through"
    SHUT = "connections are broken off, and new ones at once"
    SILENT = "connections are taken and kept, and nothing goes through, as behind a cable that is out"
    SLOW = "answers come late"
    FAILING = "each request gets an HTTP 500, the server never sees it"


class Door:
    """Listens on a port of its own and leads to `port`; `set` changes the way of all connections, those of before too."""

    def __init__(self, port: int):
        self.beyond, self.port, self.way = port, free_port(), Way.OPEN
        self.changed, self.open = threading.Condition(), set[socket.socket]()
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._listen, daemon=True).start()

    def set(self, way: Way) -> None:
        with self.changed:
            before, self.way = self.way, way
            self.changed.notify_all()
        if way in (Way.SHUT, Way.FAILING) or before == Way.SILENT:  # what was kept waiting is broken by then
            self._break_off()

    def during(self, way: Way, seconds: float) -> None:
        self.set(way)
        time.sleep(seconds)
        self.set(Way.OPEN)

    def stop(self) -> None:
        self.listener.close()
        self._break_off()

    def _break_off(self) -> None:
        for one in list(self.open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        with suppress(OSError):  # closed at the end
            while True:
                guest, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=[guest], daemon=True).start()

    def _serve(self, guest: socket.socket) -> None:
        with guest:
            if self.way == Way.SHUT:
                return
            if self.way == Way.FAILING:
                guest.settimeout(2)
                with suppress(OSError):
                    guest.recv(65536)
                    guest.sendall(FAILURE)
                return
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.beyond), timeout=5) as server:
                server.settimeout(None)
                self.open |= {guest, server}
                there = threading.Thread(target=self._carry, args=[guest, server, False], daemon=True)
                there.start()
                self._carry(server, guest, True)
                there.join()
                self.open -= {guest, server}

    def _carry(self, source: socket.socket, target: socket.socket, answer: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(65536):
                with self.changed:
                    self.changed.wait_for(lambda: self.way != Way.SILENT)
                if answer and self.way == Way.SLOW:
                    time.sleep(SLOW_SECONDS)
                target.sendall(piece)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
