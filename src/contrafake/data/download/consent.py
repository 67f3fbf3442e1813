"""What a site says of being collected: robots.txt, and header fields beside an image."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING
from urllib.parse import urljoin
from urllib.robotparser import RobotFileParser

from contrafake.data.download.fetch import Bounds, FetchError, TooLargeError, fetch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import Message

    from contrafake.data.download.guard import Guard, Target

AGENT = "contrafake"
"""The name that robots.txt and X-Robots-Tag may address."""

REDIRECTS = frozenset({301, 302, 303, 307, 308})

_ROBOTS_BOUNDS = Bounds(seconds=20.0, pause=10.0, bytes=512 * 1024)  # RFC 9309 asks for at least 500 KiB
_MOST_HOSTS, _MOST_HOPS, _LONGEST_DELAY = 2_000, 5, 60.0
_REFUSALS = {"noai", "noimageai", "noindex", "noimageindex", "none"}
_WITH_VALUES = {"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"}


class Robots:
    """The robots.txt files of the hosts met last (RFC 9309; wildcards inside paths are taken literally)."""

    def __init__(self, guard: Guard, headers: Mapping[str, str]) -> None:
        self._guard, self._headers = guard, headers
        self._rules: OrderedDict[tuple[str, str, int], RobotFileParser] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, target: Target) -> bool:
        """Whether the file of a target's host was read already."""
        with self._lock:
            return _site(target) in self._rules

    def allows(self, target: Target) -> tuple[bool, float]:
        """Reads the file of a target's host where it is not known.

        Returns:
            Whether the target may be asked for, and the pause in seconds that the host wishes between requests.

        Raises:
            FetchError: The file cannot be had just now, which forbids everything (RFC 9309, section 2.3.1.4).
        """
        with self._lock:
            rules = self._rules.get(_site(target))
        if rules is None:
            rules = self._read(target)
        with self._lock:
            self._rules[_site(target)] = rules
            self._rules.move_to_end(_site(target))
            if len(self._rules) > _MOST_HOSTS:
                self._rules.popitem(last=False)
        delay = float(str(rules.crawl_delay(AGENT) or 0))
        return rules.can_fetch(AGENT, target.url), min(delay, _LONGEST_DELAY)

    def _read(self, target: Target) -> RobotFileParser:
        rules, url = RobotFileParser(), f"{target.scheme}://{target.authority}/robots.txt"
        text = ""  # no such file, or one that nobody could read to its end, allows everything
        for _ in range(_MOST_HOPS + 1):
            try:
                reply = fetch(self._guard.parse(url), self._guard, self._headers, _ROBOTS_BOUNDS)
            except TooLargeError:
                break
            if reply.status in REDIRECTS and reply.headers.get("Location"):
                url = urljoin(url, reply.headers["Location"])
                continue
            if reply.status == 429 or reply.status >= 500:
                raise FetchError(url, "robots.txt cannot be had")
            text = reply.body.decode("utf-8", "replace") if reply.status == 200 else ""
            break
        rules.parse(text.removeprefix("\ufeff").splitlines())
        return rules


def refusal(headers: Message) -> str:
    """Which header field refuses that an image is collected for learning.

    X-Robots-Tag with noai, noimageai, noindex, noimageindex or none, to all or to this program; and the reservation
    of text and data mining (W3C TDM Reservation Protocol).

    Args:
        headers: Header fields of the reply.

    Returns:
        The reason in words, "" where nothing refuses.
    """
    for field in headers.get_all("X-Robots-Tag", []):
        agent = ""
        for part in str(field).lower().split(","):
            name, colon, directive = part.strip().partition(":")
            if colon and name.strip() in _WITH_VALUES:
                continue
            if colon:
                agent = name.strip()
            word = (directive if colon else name).strip()
            if word in _REFUSALS and agent in {"", "*", AGENT}:
                return f"X-Robots-Tag: {word}"
    if str(headers.get("TDM-Reservation", "")).strip() == "1":
        return "TDM-Reservation"
    return ""


def _site(target: Target) -> tuple[str, str, int]:
    return target.scheme, target.host, target.port
