"""A worker whose acknowledgement was lost goes on taking messages."""

import os
import signal

import pytest
from kombu import Connection, Consumer, Producer, Queue

from config.broker import EmbeddedBroker


@pytest.fixture
def broker(tmp_path):
    server = EmbeddedBroker(tmp_path)
    server.start()
    yield server
    server.stop()


def test_a_message_that_could_not_be_acknowledged_does_not_stop_the_worker(broker):
    options = {"socket_timeout": 0.05, "max_retries": 0}
    queue, taken = Queue("score", routing_key="score"), []
    with Connection(broker.url, transport_options=options) as connection:
        channel = connection.channel()
        for number in (1, 2):
            Producer(channel).publish({"n": number}, routing_key="score", declare=[queue])
        with Consumer(
            channel, [queue], callbacks=[lambda body, message: taken.append((body["n"], message))]
        ) as consumer:
            consumer.qos(prefetch_count=1)
            connection.drain_events(timeout=5)
            _, message = taken[0]
            server = broker.living_pid()
            os.kill(server, signal.SIGSTOP)
            try:
                with pytest.raises(connection.connection_errors):
                    message.ack()
            finally:
                os.kill(server, signal.SIGCONT)
            connection.drain_events(timeout=5)
    assert [number for number, _ in taken] == [1, 2]
