"""A factory that does not exist: rendered parts sent through the real API, judged by people who err at stated rates."""

import io
import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from shadow.vision.synthetic import VARIANTS, render

DRIFTS = ("lighting", "cast", "blur", "gradual", "faint", "concept")
DIRT = ("none", "oil", "stain", "dust")


@dataclass(frozen=True)
class Rates:
    """How often parts are scratched and people err, as shares in [0, 1], and what is produced."""

    scratched: float = 0.2
    miss: float = 0.04  # of the scratched parts, judged ok
    false_alarm: float = 0.02  # of the good parts, judged scratched
    unsure: float = 0.01
    variant: str = ""  # the only product on the line; empty: all of them, mixed


@dataclass(frozen=True)
class SimulatedPart:
    """A part and its truth, both given by its number alone."""

    number: int
    serial: str
    flaw: str
    variant: str

    @property
    def scratched(self) -> bool:
        return self.flaw == "scratch"


def part_of(number: int, rates: Rates) -> SimulatedPart:
    rng = np.random.default_rng([number, 21])
    flaw = "scratch" if rng.random() < rates.scratched else str(rng.choice(DIRT, p=[0.55, 0.15, 0.15, 0.15]))
    variant = str(rng.choice(list(VARIANTS)))
    return SimulatedPart(number, f"SIM{number:012d}", flaw, rates.variant or variant)


def number_of(serial: str) -> int | None:
    """The number of a simulated serial; None for parts of other origin."""
    return int(serial[3:]) if serial.startswith("SIM") and serial[3:].isdigit() else None


def photo_of(part: SimulatedPart, drift: str | None, progress: float, *, begins: float = 0.5) -> bytes:
    """The part's photo as JPEG. `progress` in [0, 1] is how far the run is, `begins` in [0, 1) when its drift sets in."""
    late = max(0.0, progress - begins) / (1 - begins) if drift == "gradual" else float(progress >= begins)
    changes: dict[str, Any] = {}
    if drift in ("lighting", "gradual"):
        changes["lighting"] = 1 - 0.1 * late
    elif drift == "cast":
        changes["cast"] = (1 + 0.12 * late, 1.0, 1 - 0.12 * late)
    elif drift == "blur":
        changes["blur"] = 2.0 * late
    elif drift == "faint" and late:
        changes["hardness"] = 1.0  # another tool scratches: so finely that a model misses what people see
    image = render(part.number % 2**31, flaw=part.flaw, variant=part.variant, **changes).image
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def verdict_of(part: SimulatedPart, rates: Rates, rng: np.random.Generator, *, concept_moved: bool = False) -> str:
    """What a simulated person says. When the concept has moved, oil and stains count as scratches too."""
    if rng.random() < rates.unsure:
        return "unsure"
    bad = part.scratched or (concept_moved and part.flaw in ("oil", "stain"))
    erred = rng.random() < (rates.miss if bad else rates.false_alarm)
    return "scratched" if bad != erred else "ok"


def part_behind(serial: str, truth: str, rates: Rates) -> SimulatedPart | None:
    """A part by its serial, and by its truth where that is known: the truth holds, for rates may have been others when
    the part was sent. None: neither tells what it is."""
    number = number_of(serial)
    part = part_of(number, rates) if number is not None else None
    if not truth or (part and part.scratched == (truth == "scratched")):
        return part
    return SimulatedPart(-1, serial, "scratch" if truth == "scratched" else "none", "")


def never_seeded(inspection: int) -> None:
    """For a run that does not look behind seeded parts."""


class Unreachable(Exception):
    """No server answered."""


@dataclass
class ApiClient:
    """The HTTP API as a camera station or a person uses it."""

    url: str
    token: str

    def send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, Any]:
        request = urllib.request.Request(f"{self.url}{path}", data=body, method=method)  # noqa: S310 - our own server
        for name, value in {"Authorization": f"Token {self.token}", **headers}.items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
                content = response.read()
                return response.status, json.loads(content) if content else None
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")[:500]
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            raise Unreachable(f"No server answers at {self.url}: {error}.") from None

    def post(self, path: str, fields: dict[str, Any]) -> tuple[int, Any]:
        return self.send("POST", path, json.dumps(fields).encode(), {"Content-Type": "application/json"})

    def send_part(self, fields: dict[str, str], photo: bytes, key: str) -> tuple[int, Any]:
        boundary = uuid.uuid4().hex
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in fields.items()
        ]
        parts.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="photos"; filename="front.jpg"\r\n'
            "Content-Type: image/jpeg\r\n\r\n".encode()
        )
        body = b"".join(parts) + photo + f"\r\n--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Idempotency-Key": key}
        return self.send("POST", "/api/v1/inspections/", body, headers)


@dataclass
class Run:
    """One simulated run on one line, and what it came to."""

    line: str
    camera: ApiClient
    people: list[ApiClient]
    rates: Rates
    rng: np.random.Generator
    stations: list[str]
    drift: str | None = None
    # A seeded part's serial tells nothing, so a simulated person looks behind it where a real one looks at the photo.
    behind: Callable[[int], tuple[str, str] | None] = never_seeded
    sent: int = 0
    judged: int = 0
    scratched: int = 0
    missed: int = 0
    false_alarms: int = 0
    unsure: int = 0
    seeded: int = 0
    begins: float = 0.5  # how far the run is when the drift sets in
    drifting: str = ""  # the one station that drifts; empty: all
    moved: set[int] = field(default_factory=set)  # numbers sent after the concept moved

    def send_next(self, number: int, progress: float) -> None:
        part = part_of(number, self.rates)
        station = self.stations[number % len(self.stations)]
        drift = self.drift if self.drifting in ("", station) else None
        if drift == "concept" and progress >= self.begins:
            self.moved.add(number)
        fields = {
            "serial": part.serial, "line": self.line, "station": station,
            "lot": f"L{number // 50:06d}"[-7:], "variant": part.variant, "origin": "simulated",
        }  # fmt: skip
        status, answer = self.camera.send_part(fields, photo_of(part, drift, progress, begins=self.begins), part.serial)
        if status not in (200, 201):
            raise Unreachable(f"The server refused a part with status {status}: {answer}")
        self.sent += 1

    def judge_next(self) -> bool:
        """Let one simulated person judge one part; False when nothing waits for any of them."""
        for index in self.rng.permutation(len(self.people)):
            person = self.people[int(index)]
            status, answer = person.post("/api/v1/queue/claim/", {"line": self.line})
            if status == 200:
                self._judge(person, answer)
                return True
        return False

    def _judge(self, person: ApiClient, answer: Any) -> None:
        inspection, lease = answer["inspection"], answer["lease"]["token"]
        path = f"/api/v1/inspections/{inspection['id']}"
        shown = self.behind(inspection["id"])
        serial, truth = shown or (inspection["serial"], "")
        part = part_behind(serial, truth, self.rates)
        if part is None:
            person.post(f"{path}/skip/", {"lease": lease, "reason": "not a simulated part"})
            return
        outcome = verdict_of(part, self.rates, self.rng, concept_moved=part.number in self.moved)
        duration = int(self.rng.gamma(4, 700))
        status, _ = person.post(f"{path}/verdicts/", {"outcome": outcome, "lease": lease, "duration_ms": duration})
        if status == 201:
            self._count(part, outcome, seeded=shown is not None)

    def _count(self, part: SimulatedPart, outcome: str, *, seeded: bool) -> None:
        self.seeded += seeded
        if seeded:
            return
        self.judged += 1
        self.scratched += part.scratched
        self.missed += part.scratched and outcome == "ok"
        self.false_alarms += not part.scratched and outcome == "scratched"
        self.unsure += outcome == "unsure"


def wait_for_server(client: ApiClient, seconds: float) -> None:
    """Return when the server answers. Raises Unreachable when it does not in time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            client.send("GET", "/healthz", None, {})
            return
        except Unreachable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
