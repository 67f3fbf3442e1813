"""Which addresses may be asked: public web servers only.

Addresses in a data set were written by strangers. Each one is checked before it is asked, and again by the numbers it
resolves to; the connection then goes to the very number that was checked, so that a name that changes its mind in
between (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote, urlsplit

from contrafake.errors import ContrafakeError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

PORTS = {"http": 80, "https": 443}
LONGEST_URL = 8_192
HOST_NOT_FOUND = "host not found"

# IANA IPv4 Special-Purpose Address Registry, and multicast; listed here since Python's own lists differ by version.
_REFUSED_V4 = [
    *map(ipaddress.IPv4Network, ("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16")),
    *map(ipaddress.IPv4Network, ("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24")),
    *map(ipaddress.IPv4Network, ("192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24")),
    *map(ipaddress.IPv4Network, ("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4")),
]
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
# Of the global block: protocol assignments with Teredo, documentation, 6to4, AS112, documentation again, 6bone.
_REFUSED_V6 = [
    *map(ipaddress.IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48")),
    *map(ipaddress.IPv6Network, ("3fff::/20", "3ffe::/16")),
]
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_INNER_NAMES = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "home.arpa", "onion", "test")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)+")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class RefusedAddressError(ContrafakeError):
    """An address that is never asked."""


class UnknownHostError(ContrafakeError):
    """A host that has no address."""


class NoLookupError(UnknownHostError):
    """No name server answered; the host may well have an address."""


@dataclass(frozen=True)
class Target:
    """An address that may be asked, taken apart.

    Attributes:
        scheme: "http" or "https".
        host: Name in ASCII and lower case, or the number.
        port: Port.
        path: Path and query, percent-encoded.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Host, and the port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The address in one."""
        return f"{self.scheme}://{self.authority}{self.path}"


class Guard:
    """Decides what may be asked.

    Attributes:
        ports: Ports that may be asked.
        exempt: Networks that may be asked although they are not public.
    """

    def __init__(
        self,
        ports: Collection[int] = tuple(PORTS.values()),
        exempt: Sequence[Network] = (),
        resolve: Callable[..., list[tuple[int, int, int, str, tuple[object, ...]]]] = socket.getaddrinfo,  # type: ignore[assignment]
    ) -> None:
        """Takes the rules; the defaults are right for everything but tests.

        Args:
            ports: Ports that may be asked.
            exempt: Networks that may be asked although they are not public.
            resolve: What turns a host into addresses, with the signature of `socket.getaddrinfo`.
        """
        self.ports, self.exempt, self._resolve = frozenset(ports), tuple(exempt), resolve

    def parse(self, url: str) -> Target:
        """Takes an address apart.

        Raises:
            RefusedAddressError: It is no plain address of a public web server.
        """
        if len(url) > LONGEST_URL:
            raise RefusedAddressError(url[:100], "the address is too long")
        # A parser that strips a character and one that does not would see two different hosts.
        if re.search(r"[\x00-\x1f\x7f\\]", url.strip(" ")):
            raise RefusedAddressError(url, "control characters or backslashes in the address")
        try:
            parts = urlsplit(url.strip(" "))
            port = parts.port
        except ValueError as error:
            raise RefusedAddressError(url, "not a valid address") from error
        if parts.scheme not in PORTS:
            raise RefusedAddressError(url, "neither http nor https")
        if "@" in parts.netloc:
            raise RefusedAddressError(url, "a user name or password in the address")
        port = PORTS[parts.scheme] if port is None else port
        if port not in self.ports:
            raise RefusedAddressError(url, "another port than 80 or 443")
        host = self._host(url, parts.hostname or "", bracketed="[" in parts.netloc)
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
        query = f"?{quote(parts.query, safe='/%:@!$&()*+,;=~-._?')}" if parts.query else ""
        return Target(parts.scheme, host, port, path + query)

    def addresses(self, target: Target) -> list[str]:
        """The numbers that a target's host has, each one checked.

        Raises:
            RefusedAddressError: One of them is not public.
            UnknownHostError: There are none.
            NoLookupError: Nobody could be asked.
        """
        try:
            found = self._resolve(target.host, target.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
                raise NoLookupError(target.host, "no name server answers") from error
            raise UnknownHostError(target.host, HOST_NOT_FOUND) from error
        numbers = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not numbers:
            raise UnknownHostError(target.host, HOST_NOT_FOUND)
        for number in numbers:
            self._check(target.url, number)
        return numbers

    def _host(self, url: str, host: str, *, bracketed: bool) -> str:
        if not host:
            raise RefusedAddressError(url, "no host in the address")
        if bracketed:
            self._check(url, host)
            return host
        try:  # also turns full-width digits and dots into plain ones
            name = (host if host.isascii() else host.encode("idna").decode("ascii")).lower().removesuffix(".")
        except UnicodeError as error:
            raise RefusedAddressError(url, "not a valid host name") from error
        if _NUMBER.fullmatch(name.rpartition(".")[2]):
            # The system would take 127.1, 0x7f000001, 017700000001 and 2130706433 for numbers as well.
            try:
                ipaddress.IPv4Address(name)
            except ValueError as error:
                raise RefusedAddressError(url, "a number in an unusual form instead of a host") from error
            self._check(url, name)
            return name
        if any(name == inner or name.endswith(f".{inner}") for inner in _INNER_NAMES):
            raise RefusedAddressError(url, "a name of a private network")
        if not _HOST.fullmatch(name) or len(name) > 253:
            raise RefusedAddressError(url, "not a public host name")
        return name

    def _check(self, url: str, number: str) -> None:
        try:
            address = ipaddress.ip_address(number)
        except ValueError as error:
            raise RefusedAddressError(url, "not a valid number of a host") from error
        if not any(address in network for network in self.exempt) and not is_public(address):
            raise RefusedAddressError(url, "not a public network address")


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet, and to a single machine there.

    Of IPv6, only global unicast counts, and NAT64 (RFC 6052) of a public IPv4 address; IPv4-mapped addresses and
    tunnels (6to4, Teredo), which hide another address, do not.
    """
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _REFUSED_V4)
    if address.scope_id is not None:
        return False
    if address in _NAT64:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    return address in _GLOBAL_V6 and not any(address in network for network in _REFUSED_V6)
