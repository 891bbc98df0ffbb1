"""An acknowledgement that a Redis broker did not take is counted as given, or the worker would never take work again.

kombu takes a message off its list of those in hand only after the broker has answered. When that fails, Celery logs it and
goes on, with the message in hand for good; a worker that has as many as it may prefetch waits for ever, until somebody
starts it anew. Left unacknowledged at the broker, a wake-up comes back after its visibility timeout: harmless.
"""

from kombu.transport import redis, virtual


class QoS(redis.QoS):
    """kombu's, but for what it thinks to hold after a failure."""

    def ack(self, delivery_tag: str) -> None:
        try:
            super().ack(delivery_tag)
        except self.channel.connection_errors:
            virtual.QoS.ack(self, delivery_tag)
            raise


def install() -> None:
    redis.Channel.QoS = QoS
