"""The servers of the test suite: where they are, and which of them answer. `python -m tests.servers` tells."""

import os
import socket
import sys
from urllib.parse import urlsplit

# Databases of their own: pytest makes and drops `test_shadowline`, and Redis' number 9 is emptied.
SERVERS = {
    "PostgreSQL": os.environ.get("TEST_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/shadowline"),
    "Redis": os.environ.get("TEST_BROKER_URL", "redis://127.0.0.1:6379/9"),
    "RabbitMQ": os.environ.get("TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//"),
}


def answers(url: str) -> bool:
    """Whether something accepts connections at the URL's host and port."""
    where = urlsplit(url)
    try:
        with socket.create_connection((where.hostname, where.port), timeout=1):
            return True
    except OSError:
        return False


def missing(names: list[str]) -> list[str]:
    """Of the servers named, a sentence for each that does not answer."""
    places = {name: urlsplit(SERVERS[name]) for name in names}
    return [
        f"{name} does not answer at {place.hostname}:{place.port}."
        for name, place in places.items()
        if not answers(SERVERS[name])
    ]


if __name__ == "__main__":
    sentences = missing(sys.argv[1:] or list(SERVERS))
    sys.stderr.write("".join(f"{sentence}\n" for sentence in sentences))
    sys.exit(1 if sentences else 0)
