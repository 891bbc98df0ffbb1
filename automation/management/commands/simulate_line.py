"""Runs a simulated line against a running server."""

import itertools
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from django.conf import settings
from django.core.management.base import CommandParser
from django.db import close_old_connections
from django.utils import timezone

from automation.demo import SIMULATED
from automation.simulation import DRIFTS, ApiClient, Rates, Run, Unreachable, wait_for_server
from inspection import command
from inspection.actions.intake import find_line
from inspection.models import ApiToken, Line, SeededPart, User
from inspection.refusals import BadInput, Conflict
from shadow.vision.synthetic import VARIANTS

FIRST_PARTS = {"line-a": 160, "line-b": 8}  # the demo's quick start, so that every page has something to show
LEFT_FOR_YOU = 12
DEMO_RATE = 0.25  # parts a second and line


class Command(command.Command):
    help = (
        "Send rendered parts to a demo line through the real API of a running server, and judge them with simulated "
        "inspectors of stated error rates. --demo runs for ever and leaves part of the queue for you."
    )

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--line", help="slug of a demo line")
        parser.add_argument("--parts", type=int, default=100)
        parser.add_argument("--rate", type=float, help="parts a second; as fast as it goes when not given")
        parser.add_argument("--drift", choices=DRIFTS, help="what changes in the course of the run")
        parser.add_argument(
            "--drift-from", type=float, default=0.5, help="how far the run is when it changes, from 0 to 1; the middle"
        )
        parser.add_argument("--drift-station", default="", help="slug of the one station where it changes; all")
        parser.add_argument("--seed", type=int, help="the same seed sends the same parts")
        parser.add_argument("--leave", type=int, default=0, help="leave this many parts in the queue for people")
        parser.add_argument("--scratched", type=float, default=Rates.scratched, help="share of scratched parts")
        parser.add_argument("--miss", type=float, default=Rates.miss, help="share of scratched parts that people miss")
        parser.add_argument(
            "--false-alarm", type=float, default=Rates.false_alarm, help="share of good parts called scratched"
        )
        parser.add_argument(
            "--variant", default="", choices=["", *VARIANTS], help="the only product; all when not given"
        )
        parser.add_argument(
            "--unsure", type=float, default=Rates.unsure, help="share of parts of which people are unsure"
        )
        parser.add_argument("--url", default=f"http://127.0.0.1:{settings.PORT}")
        parser.add_argument("--demo", action="store_true", help="both demo lines, for ever")

    def run(self, *, demo: bool, **options: Any) -> dict[str, Any]:
        self.options = options
        rates = (options["scratched"], options["miss"], options["false_alarm"], options["unsure"])
        if not all(0 <= rate <= 1 for rate in rates):
            raise BadInput("--scratched, --miss, --false-alarm and --unsure are shares from 0 to 1.")
        if options["rate"] is not None and not options["rate"] > 0:
            raise BadInput("--rate is above 0.")
        if not 0 <= options["drift_from"] < 1:
            raise BadInput("--drift-from is a share of the run: from 0 to below 1.")
        if (options["seed"] or 0) < 0:
            raise BadInput("--seed is at least 0.")
        self.rates = Rates(*rates, options["variant"])
        self.seed = int(time.time()) % 1_000_000 if options["seed"] is None else options["seed"]
        try:
            return self._demo() if demo else self._one_line()
        except Unreachable as error:
            raise Conflict(f"{error} Start it with 'make up' or 'manage.py runserver'.") from None
        except KeyboardInterrupt:
            return {"stopped": True}

    def _run_on(self, line: Line) -> Run:
        if not line.demo:
            raise BadInput(f"{line.name} is not a demo line. Simulated parts are for demo lines only.")
        tokens = {username: _fresh_token(username) for username in SIMULATED}
        url = self.options["url"].rstrip("/")
        people = [ApiClient(url, tokens[name]) for name in SIMULATED if name != "sim-camera"]
        stations = list(line.stations.values_list("slug", flat=True)) or [""]
        drifting = self.options["drift_station"]
        if drifting and drifting not in stations:
            raise BadInput(
                f"{line.name} has no station {drifting!r}. It has {', '.join(filter(None, stations)) or 'none'}."
            )
        return Run(
            line.slug, ApiClient(url, tokens["sim-camera"]), people, self.rates, np.random.default_rng(self.seed),
            stations, self.options["drift"], _behind, begins=self.options["drift_from"], drifting=drifting,
        )  # fmt: skip

    def _one_line(self) -> dict[str, Any]:
        if not self.options["line"]:
            raise BadInput("Name the line with --line, or run --demo.")
        if self.options["parts"] < 1:
            raise BadInput("--parts is at least 1.")
        line = find_line(self.options["line"])
        run, parts, rate = self._run_on(line), self.options["parts"], self.options["rate"]
        wait_for_server(run.camera, 5)
        for number in _paced(range(parts), rate):
            run.send_next(self._number(number), number / parts)
            self._judge(run, line, self.options["leave"], at_most=2)
            self.progress(f"{run.sent} of {parts} parts sent, {run.judged} judged")
        self._judge(run, line, self.options["leave"], at_most=10 * parts)
        self.progress("", last=True)
        return {
            "line": line.slug, "seed": self.seed, "drift": run.drift, "sent": run.sent, "judged": run.judged,
            "scratched": run.scratched, "missed": run.missed, "false_alarms": run.false_alarms, "unsure": run.unsure,
            "seeded": run.seeded,
        }  # fmt: skip

    def _number(self, number: int) -> int:
        return self.seed * 1_000_000 + number

    def _judge(self, run: Run, line: Line, leave: int, *, at_most: int) -> None:
        for _ in range(at_most):
            if line.inspections.takeable(now=timezone.now()).count() <= leave or not run.judge_next():
                return

    def _demo(self) -> dict[str, Any]:
        """Both lines for ever: a quick start, then a calm pace; the oldest parts of the queue are left for you."""
        lines = list(Line.objects.filter(demo=True))
        if not lines:
            raise BadInput("There is no demo line. Run 'manage.py seed_demo' first.")
        runs = {line: self._run_on(line) for line in lines}
        wait_for_server(runs[lines[0]].camera, 120)
        for number in itertools.count():
            starting = [line for line, run in runs.items() if run.sent < FIRST_PARTS.get(line.slug, 0)]
            for index, line in enumerate(starting or lines):
                runs[line].send_next(self._number(number * len(lines) + index), 0.0)
                self._judge(runs[line], line, LEFT_FOR_YOU, at_most=2)
            close_old_connections()
            if not starting:
                time.sleep(1 / DEMO_RATE)
        return {}


def _paced(numbers: range, rate: float | None) -> Iterator[int]:
    """The numbers, no faster than `rate` a second."""
    started = time.monotonic()
    for number in numbers:
        if rate and (early := started + number / rate - time.monotonic()) > 0:
            time.sleep(early)
        yield number


def _behind(inspection: int) -> tuple[str, str] | None:
    """Serial and truth of the part that a seeded one shows again, from the database: nothing that is served of it says
    so. None for any other part."""
    seeded = SeededPart.objects.filter(pk=inspection)
    return seeded.values_list("source__serial", "truth").first()


def _fresh_token(username: str) -> str:
    """A token for a simulated user; those that have expired are cleared away."""
    user = User.objects.filter(username=username).first()
    if user is None:
        raise BadInput(f"The simulated user {username!r} is missing. Run 'manage.py seed_demo' first.")
    ApiToken.objects.filter(user=user, expires_at__lt=timezone.now()).delete()
    return ApiToken.issue(user, days=30)
