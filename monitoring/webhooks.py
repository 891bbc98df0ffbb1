"""Posts a signed message to a webhook, and only to where the factory's own network is not behind it.

A person who sets up a channel must not reach the database, a cloud's metadata or another service by it: the address is
looked up once, every address that it has must be public, and the connection goes to that very address. Redirects are
not followed. WEBHOOK_ALLOW names the hosts, addresses and networks of one's own that may be posted to all the same.
"""

import hashlib
import hmac
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from django.utils.translation import gettext as _
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.exceptions import HTTPError

Address = IPv4Address | IPv6Address

CONNECT_SECONDS, ANSWER_SECONDS = 3.0, 5.0
SIGNATURE = "Shadowline-Signature"
REFUSED = (400, 409, 413, 415, 422)  # about the message itself, not about the way to the receiver
NAT64 = ip_network("64:ff9b::/96")  # an IPv4 address in IPv6 clothes
# What the internet routes. Outside of it lie clothes that a network may take off by itself: ::10.0.0.1, ::ffff:0:10.0.0.1,
# a NAT64 of its own (64:ff9b:1::/48), and the site-local fec0::/10, which Python calls global.
UNICAST = ip_network("2000::/3")
ISATAP = 0x5EFE  # in the middle of an address whose end is an IPv4 one


class Undelivered(Exception):
    """The message did not arrive; the text says why. `refused`: the receiver read it and will not have it, now or later."""

    def __init__(self, words: str, *, refused: bool = False):
        self.refused = refused
        super().__init__(words)


@dataclass(frozen=True)
class Target:
    """Where a URL leads: the addresses are those that its name has now and that may be posted to."""

    scheme: str
    host: str
    port: int
    path: str
    addresses: tuple[str, ...]

    @property
    def named(self) -> str:
        """The Host header: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == {"http": 80, "https": 443}[self.scheme] else f"{host}:{self.port}"


def signature(secret: str, body: bytes, at: datetime) -> str:
    """The header's value: `t=<Unix seconds>,v1=<HMAC-SHA256 of "<seconds>." and the body, in hex>`.

    The receiver makes the same of what it got, compares in constant time, and refuses what is older than some minutes.

    >>> from datetime import timezone
    >>> signature("secret", b"{}", datetime(2026, 1, 1, tzinfo=timezone.utc))[:19]
    't=1767225600,v1=8c0'
    """
    seconds = int(at.timestamp())
    digest = hmac.new(secret.encode(), b"%d." % seconds + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


def post(url: str, body: bytes, *, secret: str, at: datetime, allowed: Sequence[str]) -> None:
    """Post JSON; any answer of 200 to 299 is an arrival. Raises Undelivered for everything else."""
    target = find_target(url, allowed=allowed)
    headers = {
        "Host": target.named, "Content-Type": "application/json", "User-Agent": "Shadowline",
        SIGNATURE: signature(secret, body, at),
    }  # fmt: skip
    trouble = ""
    for address in target.addresses:
        try:
            status = _post_to(address, target, body, headers)
        except HTTPError as error:
            trouble = _("{host} does not answer: {error}").format(host=target.host, error=_plain(error))
            continue
        if 200 <= status < 300:
            return
        if 300 <= status < 400:
            raise Undelivered(_("The answer was a redirect ({status}); none is followed.").format(status=status))
        raise Undelivered(_("The answer was {status}.").format(status=status), refused=status in REFUSED)
    raise Undelivered(trouble)


def _plain(error: HTTPError) -> str:
    """What went wrong, without the connection's own name in memory."""
    return str(getattr(error, "reason", None) or error).rpartition(": ")[2] or type(error).__name__


def _post_to(address: str, target: Target, body: bytes, headers: dict[str, str]) -> int:
    """One POST to this very address. TLS asks for the certificate of the name, not of the address."""
    timeout = Timeout(connect=CONNECT_SECONDS, read=ANSWER_SECONDS)
    pool: HTTPConnectionPool
    if target.scheme == "https":
        pool = HTTPSConnectionPool(
            address, target.port, timeout=timeout, retries=False, server_hostname=target.host,
            assert_hostname=target.host,
        )  # fmt: skip
    else:
        pool = HTTPConnectionPool(address, target.port, timeout=timeout, retries=False)
    with pool:
        answer = pool.urlopen("POST", target.path, body, headers, redirect=False, preload_content=False)
        answer.close()  # what it says beyond its status is nothing to us, and may have no end
        return int(answer.status)


def find_target(url: str, *, allowed: Sequence[str]) -> Target:
    """Where a URL leads now. Raises Undelivered with the reason why nothing is sent there."""
    parts, port = parsed(url)
    host = (parts.hostname or "").rstrip(".").lower()
    port = port or (443 if parts.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Undelivered(_("There is no host {host}.").format(host=host)) from None
    addresses = list(dict.fromkeys(str(place[4][0]) for place in found))
    own = [address for address in addresses if _is_own(host, ip_address(address), allowed)]
    if parts.scheme != "https" and len(own) < len(addresses):
        raise Undelivered(_("Only https is sent to; plain http to hosts that WEBHOOK_ALLOW names."))
    for address in addresses:
        if address not in own and not is_public(ip_address(address)):
            words = _("{host} is inside the network ({address}). WEBHOOK_ALLOW has to name it.")
            raise Undelivered(words.format(host=host, address=address))
    path = parts.path or "/"
    return Target(parts.scheme, host, port, f"{path}?{parts.query}" if parts.query else path, tuple(addresses))


def check_webhook(url: str) -> None:
    """Raise Undelivered for what can never be a webhook's address; where its name leads is asked when something is
    sent, each time anew."""
    parsed(url)


def parsed(url: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Undelivered(_("That is not the address of a webhook.")) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Undelivered(_("A webhook's address begins with https:// and names a host."))
    if parts.username or parts.password:
        raise Undelivered(_("A webhook's address holds no user name or password."))
    return parts, port


def _is_own(host: str, address: Address, allowed: Iterable[str]) -> bool:
    """Whether WEBHOOK_ALLOW names the host, the address, or a network that the address is in."""
    for entry in allowed:
        if entry.lower() == host:
            return True
        network = _network(entry)
        if network is not None and network.version == address.version and address in network:
            return True
    return False


def _network(entry: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(entry, strict=False)
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Whether an address belongs to the internet at large; one that carries another is as public as that.

    >>> [is_public(ip_address(a)) for a in ("93.184.216.34", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1")]
    [True, False, False, False]
    """
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and address in NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is None and (int(address) >> 32) & 0xFDFFFFFF == ISATAP:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address not in UNICAST:
            return False
    return address.is_global and not address.is_multicast
