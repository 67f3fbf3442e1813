"""One image: asks for it, checks what comes, and stores it only if it is an image."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from contrafake.data.download.consent import AGENT, REDIRECTS, Robots, refusal
from contrafake.data.download.fetch import Bounds, FetchError, TooLargeError, fetch
from contrafake.data.download.guard import NoLookupError, RefusedAddressError, UnknownHostError
from contrafake.data.download.ledger import Outcome
from contrafake.data.download.place import SUFFIXES, place_of
from contrafake.data.download.politeness import retry_after
from contrafake.data.whole_file import write_whole
from contrafake.errors import DataError, ImageError, ImageTooLargeError, UnsupportedImageError, UsageError
from contrafake.images import Limits, read

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.data.download.fetch import Reply
    from contrafake.data.download.guard import Guard
    from contrafake.data.download.politeness import Task

SMALLEST_SIDE = 32
"""What is smaller in pixels is a spacer or a counter and not the picture that was there."""

_LATER = {408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524}
_LONGEST_CONTACT = 200


@dataclass(frozen=True)
class Manners:
    """How sites are asked.

    Attributes:
        contact: A web page or mail address at which a site's owner finds whoever downloads; sent with each request.
        delay: Least pause in seconds between two requests to one host; a longer Crawl-delay is kept.
        hosts: Hosts asked at the same time.
        tries: Requests for one image that may fail before it counts as failed.
        backoff: Pause in seconds after a failed request; it doubles with each further one for the same image.
        patience: Longest pause in seconds that a site may ask for with Retry-After.
        hops: Redirects followed.
        failures: Failed requests in a row after which a host is left alone for the rest of the run.
        bounds: Limits on the time and size of one request.
        pixels: Most pixels of an image.
    """

    contact: str
    delay: float = 1.0
    hosts: int = 8
    tries: int = 3
    backoff: float = 10.0
    patience: float = 600.0
    hops: int = 5
    failures: int = 5
    bounds: Bounds = field(default_factory=Bounds)
    pixels: int = 100_000_000

    def __post_init__(self) -> None:
        """Checks the contact, which goes into a header field.

        Raises:
            UsageError: It is no page or mail address, or a number makes no sense.
        """
        plain = self.contact.isascii() and self.contact.isprintable() and len(self.contact) <= _LONGEST_CONTACT
        if not plain or not ("@" in self.contact or self.contact.startswith(("http://", "https://"))):
            raise UsageError("contact", f"{self.contact!r} is no address", "give a web page or a mail address of yours")
        if min(self.hosts, self.tries) < 1 or self.delay < 0:
            raise UsageError("download", "hosts and tries are at least 1, and no pause is negative")


@dataclass(frozen=True)
class Again:
    """The image must be asked for again.

    Attributes:
        at: The address to ask.
        reason: What failed; "" after a redirect, or when only robots.txt was read.
        http_status: HTTP status of the failure, 0 for none.
        hop: Whether it is a redirect.
    """

    at: str
    reason: str = ""
    http_status: int = 0
    hop: bool = False


@dataclass(frozen=True)
class Answer:
    """What a request led to, and for how many seconds its host is then left alone."""

    result: Outcome | Again
    pause: float


class Asker:
    """Asks for images, one request a call; safe to call from several threads, each for another host."""

    def __init__(self, folder: Path, manners: Manners, guard: Guard) -> None:
        from contrafake import __version__  # noqa: PLC0415 - the package imports this room

        self._folder, self._manners, self._guard = folder, manners, guard
        agent = f"{AGENT}/{__version__} (data set download; {manners.contact})"
        self._headers = {"User-Agent": agent, "Accept": "image/*, */*;q=0.1"}
        self._robots = Robots(guard, {"User-Agent": agent})

    def ask(self, task: Task) -> Answer:
        """Makes the next request for an image.

        Raises:
            DataError: The image cannot be written.
        """
        try:
            return self._request(task)
        except (RefusedAddressError, UnknownHostError, FetchError) as error:
            return self._failure(task, error)

    def _request(self, task: Task) -> Answer:
        target = self._guard.parse(task.at)
        first = not self._robots.known(target)
        allowed, wish = self._robots.allows(target)
        pause = max(self._manners.delay, wish)
        if not allowed:
            return Answer(Outcome("refused", "robots.txt"), pause)
        if first:  # robots.txt was this turn's request
            return Answer(Again(task.at), pause)
        reply = fetch(target, self._guard, self._headers, self._manners.bounds)
        return self._judge(task, target.url, reply, pause)

    def _failure(self, task: Task, error: RefusedAddressError | UnknownHostError | FetchError) -> Answer:
        pause = self._manners.delay
        if isinstance(error, RefusedAddressError):
            return Answer(Outcome("refused", error.cause), pause)
        if isinstance(error, TooLargeError):
            return Answer(Outcome("dead", error.cause, 200), pause)
        if isinstance(error, UnknownHostError) and not isinstance(error, NoLookupError):
            return Answer(Outcome("dead", error.cause), 0.0)
        return Answer(Again(task.at, error.cause), self._backoff(task))

    def _judge(self, task: Task, url: str, reply: Reply, pause: float) -> Answer:
        status = reply.status
        if reason := refusal(reply.headers):
            return Answer(Outcome("refused", reason, status), pause)
        if status in REDIRECTS and (place := reply.headers.get("Location")):
            over = task.hops >= self._manners.hops
            result = Outcome("dead", "too many redirects", status) if over else Again(_joined(url, place), hop=True)
            return Answer(result, pause)
        if status in _LATER:
            return self._later(task, reply, pause)
        if status != 200:
            return Answer(Outcome("dead", f"HTTP {status}", status), pause)
        return Answer(self._store(task, reply.body), pause)

    def _later(self, task: Task, reply: Reply, pause: float) -> Answer:
        asked = retry_after(reply.headers.get("Retry-After"))
        if asked is not None and asked > self._manners.patience:
            outcome = Outcome("failed", "the site asks to wait too long", reply.status)
            return Answer(outcome, self._manners.patience)
        wait = self._backoff(task) if asked is None else asked
        return Answer(Again(task.at, f"HTTP {reply.status}", reply.status), max(pause, wait))

    def examine(self, url: str, body: bytes) -> Outcome:
        """Says whether bytes are an image that may be stored; its `file` is still empty.

        Args:
            url: Their address, for messages.
            body: The bytes.
        """
        limits = Limits(max_bytes=self._manners.bounds.bytes, max_pixels=self._manners.pixels)
        try:
            picture = read(body, name=url, limits=limits)
        except ImageTooLargeError:
            return Outcome("dead", "too many pixels or frames", 200)
        except UnsupportedImageError:
            return Outcome("dead", "not an image", 200)
        except ImageError:
            return Outcome("dead", "a damaged image", 200)
        if picture.format not in SUFFIXES:
            return Outcome("dead", f"format {picture.format} is not stored", 200)
        if min(picture.width, picture.height) < SMALLEST_SIDE:
            return Outcome("dead", f"smaller than {SMALLEST_SIDE} pixels", 200)
        return Outcome("stored", "", 200, picture.sha256 or "", len(body), picture.format)

    def _store(self, task: Task, body: bytes) -> Outcome:
        outcome = self.examine(task.url, body)
        if outcome.status != "stored":
            return outcome
        stem = place_of(self._folder, task.id)
        path = stem.with_name(stem.name + SUFFIXES[outcome.format])
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(str(path), f"cannot be written: {error.strerror}") from error
        write_whole(path, body)
        return replace(outcome, file=path.relative_to(self._folder).as_posix())

    def _backoff(self, task: Task) -> float:
        return max(self._manners.delay, self._manners.backoff * 2.0**task.tries)


def _joined(url: str, place: str) -> str:
    # The library reads header fields as Latin-1; addresses in them are UTF-8 where they are not ASCII.
    try:
        return urljoin(url, place.encode("latin-1", "replace").decode("utf-8", "replace"))
    except ValueError:
        return place
