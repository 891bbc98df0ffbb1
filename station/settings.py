"""What the agent is told: by flags, by a TOML file, and its secrets by files or the environment."""

import ipaddress
import os
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PATHS = ("watch", "spool", "out", "ca_file")


class BadSetting(Exception):
    """A setting is missing or cannot be used; the text says which and what to do."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything but the secrets. A folder that is None is not used."""

    server: str
    line: str
    spool: Path
    station: str = ""
    lot: str = ""
    variant: str = ""
    watch: Path | None = None
    out: Path | None = None
    settle: float = 1.0  # seconds for which a drop has to lie still before it is taken
    max_spool_gb: float = 10.0
    min_free_gb: float = 1.0
    keep_sent: float = 24.0  # hours
    timeout: float = 60.0  # seconds for the server to take or to answer anything
    ca_file: Path | None = None
    webhook: str = ""
    listen: str = ""
    edge: bool = False  # whether to decide by the server's bundle while the server does not answer
    plain_http: bool = False  # whether photos and token may cross a network in the clear


NAMES = {field.name: field.type for field in fields(Settings)}


def read_file(path: Path) -> dict[str, Any]:
    """The settings of a TOML file. Raises BadSetting for what is no TOML and for names that are no setting."""
    try:
        told = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadSetting(f"{path} cannot be read: {error}.") from None
    if unknown := sorted(set(told) - set(NAMES)):
        raise BadSetting(f"{path}: there is no setting {unknown[0]!r}. The settings are {', '.join(NAMES)}.")
    for name in PATHS:
        if name in told:
            told[name] = path.parent / str(told[name])  # relative to the file, wherever the agent is started
    return told


def settle(told: dict[str, Any]) -> Settings:
    """The settings of what was told, checked. Raises BadSetting."""
    told = {name: value for name, value in told.items() if value is not None}
    for name in ("server", "line", "spool"):
        if not told.get(name):
            raise BadSetting(f"The setting {name!r} is missing: give --{name}, or {name} in the file of --config.")
    for name, type_ in NAMES.items():
        if name in told:
            told[name] = _as(type_, name, told[name])
    settings = Settings(**told)
    if settings.edge and not settings.station:
        raise BadSetting("The setting 'edge' needs 'station': a bundle is of one station.")
    for name in ("server", "webhook"):
        _check_address(name, getattr(settings, name))
        if not settings.plain_http:
            _check_encrypted(name, getattr(settings, name))
    if settings.watch and settings.watch.resolve() == settings.spool.resolve():
        raise BadSetting("The spool lies in the watch folder itself. Give it a folder of its own.")
    return settings


def _as(type_: Any, name: str, value: Any) -> Any:
    if type_ is bool:
        if not isinstance(value, bool):
            raise BadSetting(f"The setting {name!r} is {value!r}; it is true or false.")
        return value
    if type_ is float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            raise BadSetting(f"The setting {name!r} is {value!r}; it is a number, 0 or more.")
        return float(value)
    if not isinstance(value, str | Path):
        raise BadSetting(f"The setting {name!r} is {value!r}; it is text.")
    return str(value) if type_ is str else Path(value)


def _check_address(name: str, address: str) -> None:
    if not address:
        return
    try:
        parts = urlsplit(address)
        fits = parts.scheme in ("http", "https") and parts.hostname and not parts.username and parts.port != 0
    except ValueError:
        fits = False
    if not fits or (name == "server" and parts.query):
        raise BadSetting(f"The setting {name!r} is no address such as https://shadowline.example.")


def _check_encrypted(name: str, address: str) -> None:
    """Refuse to send in the clear to another computer: whoever listens would read the token, and send in its name."""
    parts = urlsplit(address)
    if parts.scheme == "http" and not this_computer(parts.hostname or ""):
        raise BadSetting(
            f"The setting {name!r} is plain http to another computer: token and photos would be sent in the clear. Use "
            "https (with --ca-file for a certificate of your own), or say --plain-http if the network itself is closed."
        )


def this_computer(host: str) -> bool:
    """Whether a host's name or address is this computer's own loopback.

    >>> [this_computer(host) for host in ("localhost", "127.0.0.2", "::1", "10.0.0.5", "localhost.example.org")]
    [True, True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def secret(name: str) -> str:
    """A secret from the file that NAME_FILE names, or from NAME itself; empty when neither is set.

    The file is read at each call, so a new token is taken up without a restart.
    """
    if file := os.environ.get(f"{name}_FILE"):
        try:
            return Path(file).read_text().strip()
        except OSError as error:
            raise BadSetting(f"{name}_FILE cannot be read: {error}.") from None
    return os.environ.get(name, "").strip()


def token() -> str:
    """The API token. Raises BadSetting without one, or with one that no header can carry."""
    found = secret("STATION_TOKEN")
    if not found:
        raise BadSetting("There is no token. Set STATION_TOKEN_FILE to a file that holds it, or STATION_TOKEN.")
    if not (found.isascii() and found.isprintable() and " " not in found):
        raise BadSetting("The token holds characters that no token has.")
    return found
