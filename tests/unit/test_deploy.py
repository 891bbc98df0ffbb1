"""The units and the Compose file run what the Procfile runs, with settings that there are."""

import re
import shutil
import subprocess
import tomllib
from configparser import ConfigParser
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from config.processes import procfile

ROOT = Path(__file__).resolve().parent.parent.parent
UNITS = ROOT / "deploy" / "systemd"
GUIDE = (ROOT / "docs" / "deploying.md").read_text()
COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
LEFT_OUT = {"broker", "simulate"}  # the embedded broker and the demo's cameras


def plain(command: str) -> str:
    """A command without where its program lies, how quiet and nice it is, and where it listens."""
    words = (
        command.replace("%%", "%")
        .replace("--quiet ", "")
        .replace("nice -n 10 ", "")
        .replace(" --bind 0.0.0.0:8000", "")
    )
    return re.sub(r"^\S*/", "", words)


PROCESSES = {name: plain(command) for name, command in procfile(ROOT / "Procfile").items() if name not in LEFT_OUT}


def unit(name: str) -> ConfigParser:
    read = ConfigParser(interpolation=None, strict=False)
    read.optionxform = str
    read.read(UNITS / name)
    return read


@pytest.mark.parametrize("name", PROCESSES)
def test_each_process_of_the_procfile_has_its_unit_and_its_service(name):
    service = unit(f"shadowline-{name}.service")["Service"]
    assert plain(service["ExecStart"]) == PROCESSES[name]
    assert plain(" ".join(COMPOSE[name]["command"])) == PROCESSES[name]
    assert service["Restart"] == "always"
    assert unit(f"shadowline-{name}.service")["Install"]["WantedBy"] == "shadowline.target"
    assert f"shadowline-{name}" in re.search(r"systemctl enable --now ((?:.*\\\n)*.*)", GUIDE)[1].split()


def test_the_target_brings_no_second_beat():
    """What it wanted by itself would run on each computer of the site."""
    assert "Wants" not in unit("shadowline.target")["Unit"]


def test_the_command_for_people_runs_as_the_units_do():
    command = (UNITS / "shadowline-manage").read_text()
    service = unit("shadowline-web.service")["Service"]
    for key in ("User", "Group", "WorkingDirectory"):
        words = {"User": "uid", "Group": "gid"}.get(key, "working-directory")
        assert f"--{words}={service[key]}" in command
    for key in ("EnvironmentFile", "StateDirectory", "StateDirectoryMode", "UMask", "NoNewPrivileges"):
        assert f"--property={key}={service[key]}" in command
    assert f"--setenv={service['Environment']}" in command


@pytest.mark.parametrize("path", sorted(UNITS.glob("*.service")), ids=lambda path: path.stem)
def test_a_unit_is_confined(path):
    service = unit(path.name)["Service"]
    assert service["User"] == "shadowline"
    assert service["ProtectSystem"] == "strict"
    assert service["NoNewPrivileges"] == "yes"
    assert service["CapabilityBoundingSet"] == ""


def test_every_setting_that_is_named_is_one():
    documented = set(re.findall(r"`([A-Z_]{4,})`", (ROOT / "docs" / "operator.md").read_text()))
    example = re.findall(r"^([A-Z_]+)=", (UNITS / "shadowline.env.example").read_text(), re.M)
    assert set(example) | set(COMPOSE["web"]["environment"]) <= documented


def test_the_site_answers_this_computer():
    """Compose asks the web's health by it, and Prometheus the figures; an unknown host name is a 400."""
    example = re.search(r"^ALLOWED_HOSTS=(.*)", (UNITS / "shadowline.env.example").read_text(), re.M)[1]
    for hosts in (example, COMPOSE["web"]["environment"]["ALLOWED_HOSTS"]):
        assert "127.0.0.1" in hosts.split(",")


def test_an_image_holds_no_secret_and_names_no_index():
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".git", "var", "deploy/secrets", "**/.env", "**/.venv"} <= set(ignored)
    assert not [line for line in ignored if line.startswith("!")]
    assert "://" not in (ROOT / "deploy" / "Dockerfile").read_text()


def test_a_wheel_carries_what_the_code_reads():
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = [pattern.rstrip("*") for pattern in setuptools["packages"]["find"]["include"]]
    assert {"templates", "static", "locale", "inspection", "shadow", "monitoring", "automation", "config"} <= set(
        folders
    )
    of_people = {".py", ".pyc", ".po", ".md", ".toml"}  # code goes by itself; the rest is read by people and tools
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    carried = setuptools["package-data"]["*"]
    left = [path for path in files if not any(fnmatch(path.name, pattern) for pattern in carried)]
    assert {path.suffix for path in left} <= of_people


def test_compose_hands_secrets_over_in_files():
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    handed = {f"/run/secrets/{name}" for name in compose["secrets"]}
    for name, service in compose["services"].items():
        environment = service.get("environment", {})
        assert not {"SECRET_KEY", "DATABASE_URL", "POSTGRES_PASSWORD"} & set(environment), name
        files = {value for key, value in environment.items() if key.endswith("_FILE")}
        assert files == {f"/run/secrets/{secret}" for secret in service.get("secrets", [])} <= handed, name


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not on this computer")
def test_systemd_finds_nothing_wrong():
    paths = [str(path) for path in UNITS.iterdir() if path.suffix in (".service", ".target", ".timer")]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *paths], capture_output=True, text=True, check=False
    )
    # The programs lie where a site has them, not where the tests run.
    assert [
        line for line in done.stderr.splitlines() if "/deploy/systemd/" in line and "not executable" not in line
    ] == []
