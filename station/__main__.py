"""The command line: run the agent, send one part and wait for its answer, read the agent's state."""

import argparse
import json
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from station import settings as told
from station.agent import Agent, client_of
from station.bundles import EDGE, Fetcher, Shelf
from station.client import Client, Unreachable
from station.deciding import Decider, Probe, scores
from station.edge import SILENCE
from station.parts import NotAPart, Part, read_part
from station.pulse import Pulse
from station.sending import Sender
from station.settings import BadSetting, Settings, read_file, settle
from station.spool import InUse, Row, Spool
from station.state import as_text, existing, read_state
from station.taking import GB, Disk, copy_into
from station.telling import WAIT, Asker

PASS, REJECT, UNDECIDED, FAILED = range(4)  # exit codes of `send`; 3 is an error everywhere
OURS = 120.0  # seconds for which a part of `send` is left to it before an agent on the same spool sends it


class Parser(argparse.ArgumentParser):
    """Exits with 3 on a wrong command line: 2 means that nobody has decided yet."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(FAILED, f"{self.prog}: {message}\n")


def parser() -> Parser:
    flags = Parser(add_help=False)
    flags.add_argument("--config", type=Path, help="a TOML file of these settings, with _ for -")
    flags.add_argument("--server", help="the address of Shadowline, https://shadowline.example")
    flags.add_argument("--line", help="the line's short name")
    flags.add_argument("--station", help="the station's short name on the line")
    flags.add_argument("--spool", type=Path, help="the folder that keeps what is not sent yet; one for each agent")
    flags.add_argument("--lot", help="of parts that say none themselves")
    flags.add_argument("--variant", help="of parts that say none themselves")
    flags.add_argument("--max-spool-gb", type=float, help="take no more parts beyond this (10)")
    flags.add_argument("--min-free-gb", type=float, help="nor when less than this is free on the spool's disk (1)")
    flags.add_argument("--timeout", type=float, help="seconds for the server to take or answer anything (60)")
    flags.add_argument("--ca-file", type=Path, help="certificates to trust instead of the system's")

    flags.add_argument(
        "--edge", action="store_const", const=True, help="decide by the server's bundle while the server is away"
    )
    flags.add_argument(
        "--plain-http", action="store_const", const=True, help="allow http to another computer, unencrypted"
    )

    whole = Parser(prog="shadowline-station", description=__doc__)
    commands = whole.add_subparsers(dest="command", required=True, parser_class=Parser)
    run = commands.add_parser("run", parents=[flags], help="watch a folder and send what comes, until stopped")
    run.add_argument("--watch", type=Path, help="the folder into which the camera writes")
    run.add_argument("--out", type=Path, help="the folder for SERIAL.json, what came of each part")
    run.add_argument("--settle", type=float, help="seconds that a part has to lie still before it is taken (1)")
    run.add_argument("--keep-sent", type=float, help="hours that photos are kept after the server has them (24)")
    run.add_argument("--webhook", help="an address that is posted what came of each part, signed")
    run.add_argument("--listen", help="HOST:PORT that answers the state as JSON, 200 or 503")
    send = commands.add_parser(
        "send", parents=[flags], help="send one part and wait: exits 0 pass, 1 reject, 2 not decided yet, 3 error"
    )
    send.add_argument("photos", nargs="+", type=Path, metavar="PHOTO")
    send.add_argument("--serial", required=True)
    send.add_argument("--wait", type=float, default=30.0, help="seconds to wait for the disposition (30)")
    status = commands.add_parser("status", help="read the agent's state: exits 0 when all is well, 1 when not")
    status.add_argument("--config", type=Path)
    status.add_argument("--spool", type=Path)
    status.add_argument("--json", action="store_true", help="one line of JSON")
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    asked = vars(parser().parse_args(arguments))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    command = {"run": run, "send": send, "status": status}[asked.pop("command")]
    try:
        return command(asked)
    except (BadSetting, InUse, NotAPart, OSError) as error:
        print(error, file=sys.stderr)
        return FAILED


def settings_of(asked: dict[str, Any]) -> Settings:
    """A flag counts before the file."""
    file = asked.get("config")
    flags = {name: value for name, value in asked.items() if name in told.NAMES and value is not None}
    return settle((read_file(file) if file else {}) | flags)


def run(asked: dict[str, Any]) -> int:
    return Agent(settings_of(asked)).run()


def status(asked: dict[str, Any]) -> int:
    folder = asked["spool"] or (read_file(asked["config"]).get("spool") if asked["config"] else None)
    if folder is None:
        raise BadSetting("Which spool? Give --spool, or spool in the file of --config.")
    spool = existing(folder)
    if spool is None:
        raise BadSetting(f"There is no spool in {folder}.")
    state = read_state(spool)
    print(json.dumps(state) if asked["json"] else as_text(state))
    return 1 if state["trouble"] else 0


def send(asked: dict[str, Any]) -> int:
    settings, photos = settings_of(asked), asked["photos"]
    told.token()  # before anything is kept
    part = part_of(photos, asked["serial"], settings)
    spool = Spool(settings.spool)
    size = sum(photo.stat().st_size for photo in photos)
    why = Disk(settings.max_spool_gb * GB, settings.min_free_gb * GB).why_full(spool, size, copied=True)
    if why:
        raise BadSetting(why)
    due_at = time.time() + OURS + asked["wait"]
    key = copy_into(spool, photos, part, line=settings.line, station=settings.station, due_at=due_at)
    pulse = Pulse()
    client = client_of(settings, pulse)
    sender = Sender(spool, client, sent=lambda: None)
    decider = decider_of(settings, sender, pulse) if settings.edge else None
    sender.send(_row(spool, key))
    if decider:
        answer_or_send(sender, decider, key, asked["wait"])
    row = wait_for(spool, client_of(settings), key, asked["wait"])
    print(said(row))
    return exit_code(row)


def decider_of(settings: Settings, sender: Sender, pulse: Pulse) -> Decider:
    """What decides here while the server is silent; the sender asks for a ticket before it sends."""
    shelf = Shelf(sender.spool.folder / EDGE)
    sender.probe = Probe(Fetcher(sender.spool, sender.client, shelf, settings.line, settings.station), pulse)
    return Decider(sender.spool, shelf, pulse, scores(), decided=lambda: None)


def answer_or_send(sender: Sender, decider: Decider, key: str, seconds: float) -> None:
    """Try to send the part until the server has been silent for long enough, and then answer for it here."""
    deadline = time.monotonic() + max(seconds, SILENCE + 1)
    while (row := _row(sender.spool, key)).state == "waiting" and row.disposition is None:
        if time.monotonic() > deadline:
            return
        if decider.pulse.silence() >= SILENCE:
            decider.answer(row)
            continue
        if not decider.pulse.silence():
            return  # it has answered, and did not take the part
        time.sleep(1.0)
        sender.send(row)


def part_of(photos: Sequence[Path], serial: str, settings: Settings) -> Part:
    """The photos as one part. Raises NotAPart, or OSError where a photo cannot be read."""
    found = [read_part(photo, lot=settings.lot, variant=settings.variant) for photo in photos]
    if len({photo.name for photo in photos}) < len(photos) or len(photos) > 8:
        raise NotAPart("A part has 1 to 8 photos with names of their own: the name is the view.")
    serial = serial.strip()
    if not (1 <= len(serial) <= 120 and serial.isprintable()):
        raise NotAPart("The serial has 1 to 120 characters.")
    views = [photo.stem[:40] if len(photos) > 1 else "" for photo in photos]
    files = tuple(zip((photo.name for photo in photos), views, strict=True))
    return Part(serial, settings.lot, settings.variant, max(part.captured_at for part in found), files)


def wait_for(spool: Spool, client: Client, key: str, seconds: float) -> Row:
    """The part's row when it is decided, refused or not sent, or when the time is over."""
    asker = Asker(spool, client, waits=True, decided=lambda: None)
    deadline = time.monotonic() + seconds
    while (row := _row(spool, key)).state == "sent" and row.disposition is None:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        try:
            time.sleep(min(left, asker.ask(row, min(left, WAIT))))
        except Unreachable:
            time.sleep(min(left, 1.0))
    return row


def exit_code(row: Row) -> int:
    if row.state == "refused" or (row.state == "waiting" and row.disposition is None):
        return FAILED
    return {"pass": PASS, "reject": REJECT}.get((row.disposition or {}).get("outcome", ""), UNDECIDED)


def said(row: Row) -> str:
    if row.state == "refused":
        return f"{row.serial} was refused and put aside: {row.error}"
    if row.state == "waiting" and row.disposition:
        return f"{row.serial} is in the spool: {row.disposition['outcome']} ({row.disposition['reason']})"
    if row.state == "waiting":
        return f"{row.serial} is in the spool, and an agent sends it later: {row.error}"
    if row.disposition is None:
        return f"{row.serial} is inspection {row.inspection}: not decided yet, a person decides."
    return f"{row.serial} is inspection {row.inspection}: {row.disposition['outcome']} ({row.disposition['reason']})"


def _row(spool: Spool, key: str) -> Row:
    row = spool.get(key)
    assert row  # noqa: S101 - we have written it
    return row


if __name__ == "__main__":
    sys.exit(main())
