"""Fetching an image that a service's answer only names, from where that is allowed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit

from contrafake.data.download.fetch import Bounds, FetchError, fetch
from contrafake.data.download.guard import (
    PORTS,
    Guard,
    RefusedAddressError,
    Target,
    UnknownHostError,
)
from contrafake.generate.generators.exchange import NoAnswerError

if TYPE_CHECKING:
    from urllib.parse import SplitResult

_REDIRECTS, _HOPS = frozenset({301, 302, 303, 307, 308}), 3
_HEADERS = {"User-Agent": "contrafake", "Accept": "image/*, */*;q=0.1"}


class LinkedImages:
    """Fetches what a service points to.

    An answer could point to machines that only this one can reach. So an address is asked only if it is public, by
    name and by the numbers it resolves to, or if it is at the service's own scheme, host and port. The service's
    headers, and so its key, are not sent along. Up to three redirects are followed, each by the same rule.
    """

    def __init__(self, service: str, guard: Guard | None = None) -> None:
        """Takes the rule.

        Args:
            service: Address of the service.
            guard: What tells public addresses; another one is for tests.
        """
        self._own, self._guard = _place(urlsplit(service)), guard or Guard()

    def fetch(self, url: str, bounds: Bounds) -> bytes:
        """Fetches one image; errors do not repeat its address, which may hold a signature.

        Args:
            url: Its address.
            bounds: Limits on time and size.

        Raises:
            NoAnswerError: It is refused, or does not come whole.
        """
        for _ in range(_HOPS + 1):
            try:
                reply = fetch(*self._target(url), _HEADERS, bounds)
            except (RefusedAddressError, UnknownHostError, FetchError) as error:
                raise NoAnswerError(f"the address in the answer: {error.cause}") from None
            if reply.status in _REDIRECTS and reply.headers.get("Location"):
                url = _joined(url, reply.headers["Location"])
                continue
            if reply.status != 200:
                raise NoAnswerError(f"the address in the answer: HTTP {reply.status}")
            return reply.body
        raise NoAnswerError("the address in the answer: too many redirects")

    def _target(self, url: str) -> tuple[Target, Guard]:
        if re.search(r"[\x00-\x20\x7f\\]", url):
            raise RefusedAddressError("", "control characters, blanks or backslashes in it")
        try:
            parts = urlsplit(url)
            own = _place(parts) == self._own and "@" not in parts.netloc
        except ValueError as error:
            raise RefusedAddressError("", "not a valid address") from error
        if not own:
            return self._guard.parse(url), self._guard
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
        query = f"?{quote(parts.query, safe='/%:@!$&()*+,;=~-._?')}" if parts.query else ""
        return Target(*self._own, path + query), _Anywhere()


class _Anywhere(Guard):
    """Lets the service's own host be asked whatever its number: the person who wrote the configuration named it."""

    def _check(self, url: str, number: str) -> None:
        pass


def _place(parts: SplitResult) -> tuple[str, str, int]:
    port = parts.port if parts.port is not None else PORTS.get(parts.scheme, 0)
    return parts.scheme, parts.hostname or "", port


def _joined(url: str, place: str) -> str:
    try:
        return urljoin(url, place)
    except ValueError:
        return place
