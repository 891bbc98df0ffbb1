"""The whole API asked with generated requests by each role and by nobody: no answer is a fault, and each is what was described.

    python bench/fuzz_api.py [--max-examples 20] [--roles station inspector ..] [--seed 1] [--json]

It starts gunicorn on a demo factory of its own, asks it for its OpenAPI description, and has Schemathesis (extra `dev`)
make requests of every operation, sound ones and broken ones; half of the numbers in addresses are those of rows that are
there. Wrong is a status of the 5xx, no answer at all, a request of nobody's that is taken, and an answer of the 2xx that is
not as described. Exits 1 where there was one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.rig.faulty_servers import free_port, reachable, until  # noqa: E402 - the path is set first

ROLES = {"station": "sim-camera", "inspector": "sim-1", "supervisor": "sam", "admin": "ada", "nobody": ""}
ROWS = 6  # the first numbers, which most tables of the demo factory have rows for
NO_LONG_POLL = "0"


@dataclass
class Seen:
    """What came back to one role."""

    statuses: Counter[str] = field(default_factory=Counter)
    wrong: dict[str, str] = field(default_factory=dict)  # one example of each kind of fault at each operation


def set_up(folder: Path) -> dict[str, str]:
    """The demo factory with some parts of its first line, in the environment of this process; a token for each role."""
    os.environ.pop("DATABASE_URL", None)
    os.environ.update(
        DATA_DIR=str(folder), DJANGO_SETTINGS_MODULE="config.settings", SECRET_KEY="b" * 50, DEBUG="0", STORAGE_URL="",
        BROKER_URL="", LOG_LEVEL="ERROR",
    )  # fmt: skip
    import django

    django.setup()
    from django.core.management import call_command

    from automation.demo import set_up_demo
    from inspection.models import ApiToken, User

    call_command("migrate", verbosity=0)
    set_up_demo(password="a password of the bench")
    return {role: ApiToken.issue(User.objects.get(username=name)) if name else "" for role, name in ROLES.items()}


def send_parts(url: str, token: str) -> None:
    """Some parts in the queue, so that there is something to claim, judge and read."""
    import io

    from PIL import Image

    from automation.simulation import ApiClient

    camera = ApiClient(url, token)
    for number in range(ROWS):
        buffer = io.BytesIO()
        Image.new("RGB", (320, 240), (40 * number, 90, 120)).save(buffer, "JPEG")
        line = ("line-a", "line-b")[number % 2]
        fields = {"serial": f"F{number}", "line": line, "station": "front", "origin": "simulated"}
        status, told = camera.send_part(fields, buffer.getvalue(), f"F{number}")
        assert status == 201, told


def ask(operation: Any, token: str, url: str, examples: int, seed: int, seen: Seen) -> None:
    """So many generated requests of one operation; what is wrong is noted, and the next is asked."""
    from hypothesis import HealthCheck, Phase, given, settings, strategies
    from hypothesis import seed as seeded

    headers = {"Authorization": f"Token {token}"} if token else {}

    @seeded(seed)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), row=strategies.integers(1, ROWS), known=strategies.booleans())
    def one(case: Any, row: int, known: bool) -> None:
        if known:
            numbers = {name: row for name in case.path_parameters or {} if name.endswith(("id", "pk"))}
            lines = {name: "line-a" for name in case.path_parameters or {} if name in ("slug", "line")}
            case.path_parameters = {**(case.path_parameters or {}), **numbers, **lines}
        if "wait" in (case.query or {}):
            case.query["wait"] = NO_LONG_POLL
        judge(case, headers, url, token, seen)

    one()


def judge(case: Any, headers: dict[str, str], url: str, token: str, seen: Seen) -> None:
    import requests
    from schemathesis.checks import CHECKS
    from schemathesis.core.failures import FailureGroup

    label = f"{case.method} {case.path}"
    case.headers = {**(case.headers or {}), **headers}
    try:
        answer = case.call(base_url=url, timeout=30)
    except requests.RequestException as error:
        if not isinstance(error, requests.exceptions.InvalidHeader | requests.exceptions.InvalidURL):
            seen.wrong.setdefault(f"{label}: no answer", str(error)[:300])
        return
    seen.statuses[f"{answer.status_code // 100}xx"] += 1
    if answer.status_code >= 500:
        body = str(case.body)[:200]
        seen.wrong.setdefault(
            f"{label}: {answer.status_code}", f"{case.formatted_path}?{case.query} {body} -> {answer.text[:200]}"
        )
    elif answer.status_code < 300 and not token and not case.path.startswith(("/healthz", "/readyz")):
        seen.wrong.setdefault(f"{label}: taken from nobody", answer.text[:200])
    elif answer.status_code < 300:
        schema = [check for check in CHECKS.get_all() if check.__name__ == "response_schema_conformance"]
        try:
            case.validate_response(answer, checks=schema)
        except FailureGroup as group:
            told = "; ".join(str(failure)[:300] for failure in group.exceptions)
            seen.wrong.setdefault(f"{label}: not as described", told)


def run(folder: Path, asked: Any) -> dict[str, Seen]:
    import requests

    tokens, port = set_up(folder), free_port()
    url = f"http://127.0.0.1:{port}"
    env = os.environ | {"PORT": str(port), "WEB_PROCESSES": "1"}
    with (folder / "log").open("wb") as log:
        web = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "config.wsgi"], cwd=ROOT, env=env, stdout=log, stderr=log
        )
    try:
        until(lambda: reachable(port), 120, "An answer of the web")
        send_parts(url, tokens["station"])
        return {role: asked_by(role, url, tokens, asked, requests) for role in asked.roles}
    finally:
        web.terminate()
        with suppress(subprocess.TimeoutExpired):
            web.wait(20)
        web.kill()


def asked_by(role: str, url: str, tokens: dict[str, str], asked: Any, requests: Any) -> Seen:
    import schemathesis

    headers = {"Authorization": f"Token {tokens['admin']}", "Accept": "application/vnd.oai.openapi+json"}
    told = requests.get(f"{url}/api/schema/", headers=headers, timeout=60)
    schema = schemathesis.openapi.from_dict(told.json())
    seen = Seen()
    for found in schema.get_all_operations():
        operation = found.ok()
        if asked.only and asked.only not in operation.path:
            continue
        ask(operation, tokens[role], url, asked.max_examples, asked.seed, seen)
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--max-examples", type=int, default=20, help="requests of each operation by each role (default 20)"
    )
    parser.add_argument("--roles", nargs="+", choices=list(ROLES), default=list(ROLES))
    parser.add_argument("--only", default="", help="operations with this in their address")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one line of JSON instead of the table")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seen = run(Path(folder), asked)
    if asked.json:
        print(json.dumps({role: {"statuses": one.statuses, "wrong": one.wrong} for role, one in seen.items()}))
    else:
        for role, one in seen.items():
            print(f"{role:<12}{sum(one.statuses.values()):>7} answers  {dict(sorted(one.statuses.items()))}")
            for what, example in one.wrong.items():
                print(f"    {what}\n        {example}")
    if wrong := sum(len(one.wrong) for one in seen.values()):
        raise SystemExit(f"{wrong} kinds of answers are wrong.")


if __name__ == "__main__":
    main()
