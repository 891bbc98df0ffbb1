"""What docs/integration.md promises to other systems: the columns, the metrics, the waits, and an example that verifies."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from automation.exporting import COLUMNS
from automation.line_metrics import KINDS
from monitoring.delivering import WAITS
from monitoring.feeding import SOON
from monitoring.webhooks import REFUSED, signature

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "integration.md").read_text()


def named(section: str) -> list[str]:
    """The names in the first column of a section's table, in their order."""
    table = next(part for part in GUIDE.split(section)[1].split("\n\n") if part.startswith("|"))
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])]


def test_the_columns_are_those_of_the_guide_in_its_order():
    assert tuple(named("Columns keep their names")) == COLUMNS


def test_the_metrics_are_those_of_the_guide():
    told = named("Nobody is named.")
    told = ["Last Disposition" + name if name.startswith("/") else name for name in told]
    assert told == list(KINDS)


def test_the_guide_says_how_long_a_message_is_tried():
    assert all(f"{status}" in GUIDE for status in REFUSED)
    assert (WAITS[:4], SOON) == ((10, 60, 300, 900), (10, 60, 300))
    assert timedelta(hours=23) < timedelta(seconds=sum(WAITS)) < timedelta(hours=25)


def test_the_example_verifies_what_is_sent_and_nothing_else():
    code = re.search(r"( {4}import hashlib.*?\n)\nA receiver", GUIDE, re.S)[1]
    example: dict = {}
    exec(re.sub(r"^ {4}", "", code, flags=re.M), example)  # noqa: S102 - the guide's own lines
    now, body = datetime.now(UTC), b'{"events": []}'
    genuine, header = example["genuine"], signature("secret", body, now)
    assert genuine("secret", header, body)
    assert not genuine("secret", header, body + b" ")
    assert not genuine("other", header, body)
    assert not genuine("secret", signature("secret", body, now - timedelta(minutes=6)), body)
