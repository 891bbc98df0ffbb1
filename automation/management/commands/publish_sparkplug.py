"""Tells the factory's MQTT broker how the lines stand, as an edge node of Sparkplug B; runs until it is stopped."""

import signal
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from inspection import command


class Command(command.Command):
    help = (
        "Publish the lines as devices of one Sparkplug B edge node on the broker that MQTT_URL or --broker names, until it "
        "is stopped. Run one for the site, beside beat. docs/integration.md has the metrics. Needs the extra 'mqtt': "
        "pip install --editable '.[mqtt]' in the product's folder."
    )

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--broker", default=settings.MQTT_URL, metavar="URL", help="mqtt://host or mqtts://user:password@host"
        )
        parser.add_argument("--group", default=settings.SPARKPLUG_GROUP, help="the group's id (default: %(default)s)")
        parser.add_argument("--node", default=settings.SPARKPLUG_NODE, help="the edge node's id (default: %(default)s)")
        parser.add_argument("--every", type=float, default=5.0, metavar="SECONDS", help="how often changes are told")

    def run(self, *, broker: str, group: str, node: str, every: float, **options: Any) -> dict[str, Any]:
        try:
            from automation.edge_node import EdgeNode, read_broker  # late: an optional extra
        except ImportError as missing:
            raise CommandError(
                f"MQTT needs {missing.name}: pip install --editable '.[mqtt]' in the product's folder."
            ) from None
        if not 0.1 <= every <= 3600:
            raise CommandError("--every is a number of seconds from 0.1 to 3600.")
        edge = EdgeNode(read_broker(broker), group=group, node=node, bd_seq_file=settings.DATA_DIR / "sparkplug-bdseq")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: edge.end())
        edge.run(every=every)
        return {"messages": edge.published}
