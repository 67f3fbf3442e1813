"""One request for one address: bounded in time and size, to an address that was checked, without following anything."""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import ssl
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from contrafake.errors import ContrafakeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contrafake.data.download.guard import Guard, Target

_CHUNK = 1 << 16


class FetchError(ContrafakeError):
    """A request that got no whole answer; `cause` is one of a few fixed phrases, so that they can be counted."""


class TooLargeError(FetchError):
    """The answer is larger than was allowed."""


@dataclass(frozen=True)
class Bounds:
    """How much one request may take.

    Attributes:
        seconds: For everything, from connecting to the last byte.
        pause: Longest wait in seconds for the next byte.
        bytes: Largest body.
    """

    seconds: float = 60.0
    pause: float = 15.0
    bytes: int = 64 * 2**20


@dataclass(frozen=True)
class Reply:
    """What a server answered.

    Attributes:
        status: HTTP status.
        headers: Header fields, in the order in which they came.
        body: The body of a 200, else b"".
    """

    status: int
    headers: http.client.HTTPMessage
    body: bytes


def fetch(target: Target, guard: Guard, headers: Mapping[str, str], bounds: Bounds) -> Reply:
    """Asks for one address; redirects are answers like any other, and no proxy is used.

    Args:
        target: What to ask for.
        guard: Gives the checked numbers to connect to.
        headers: Header fields to send.
        bounds: Limits on time and size.

    Raises:
        RefusedAddressError: The host's address is not public.
        UnknownHostError: The host has no address.
        TooLargeError: The body is larger than `bounds.bytes`.
        FetchError: No connection, no answer in time, or an answer cut short.
    """
    numbers = guard.addresses(target)
    clock = _Clock(time.monotonic() + bounds.seconds, bounds.pause)
    try:
        with contextlib.closing(_connect(target, numbers, clock)) as raw:
            connection = _Connection(target, raw, clock)
            connection.request("GET", target.path, headers={**headers, "Accept-Encoding": "identity"})
            with connection.getresponse() as response:
                body = _body(response, target, bounds.bytes) if response.status == 200 else b""
                return Reply(response.status, response.headers, body)
    except TimeoutError as error:
        raise FetchError(target.url, "no answer in time") from error
    except ssl.SSLError as error:
        raise FetchError(target.url, "no secure connection") from error
    except http.client.IncompleteRead as error:
        raise FetchError(target.url, "the answer was cut short") from error
    except http.client.HTTPException as error:
        raise FetchError(target.url, "not an HTTP answer") from error
    except OSError as error:
        raise FetchError(target.url, "no connection, or it broke") from error


def _body(response: http.client.HTTPResponse, target: Target, most: int) -> bytes:
    announced = response.length or 0
    if announced > most:
        raise TooLargeError(target.url, "too large")
    chunks, left = [], most
    while chunk := response.read(_CHUNK):
        left -= len(chunk)
        if left < 0:
            raise TooLargeError(target.url, "too large")
        chunks.append(chunk)
    body = b"".join(chunks)
    if len(body) < announced:  # the library says nothing of it when it reads in parts
        raise FetchError(target.url, "the answer was cut short")
    return body


def _connect(target: Target, numbers: list[str], clock: _Clock) -> socket.socket:
    failure = OSError()
    for number in numbers:
        try:
            raw = socket.create_connection((number, target.port), clock.left())
        except OSError as error:
            failure = error
        else:
            if target.scheme == "http":
                return raw
            try:
                raw.settimeout(clock.left())
                return _secure().wrap_socket(raw, server_hostname=target.host)
            except BaseException:
                raw.close()
                raise
    raise failure


@cache
def _secure() -> ssl.SSLContext:
    return ssl.create_default_context()


@dataclass
class _Clock:
    end: float
    pause: float

    def left(self) -> float:
        """Seconds to wait for the next thing."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return min(left, self.pause)


class _Timed(io.RawIOBase):
    """A socket's bytes. Without the clock, a server that sends a byte now and then could hold a request for ever."""

    def __init__(self, raw: socket.socket, clock: _Clock) -> None:
        self._raw, self._clock = raw, clock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._raw.settimeout(self._clock.left())
        return self._raw.recv_into(buffer)


class _TimedSocket:
    """What `http.client` needs of a socket. It closes what it holds once it has the header; the body comes after."""

    def __init__(self, raw: socket.socket, clock: _Clock) -> None:
        self._raw, self._clock = raw, clock

    def sendall(self, data: bytes) -> None:
        self._raw.settimeout(self._clock.left())
        self._raw.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Timed(self._raw, self._clock))

    def close(self) -> None:
        pass


class _Connection(http.client.HTTPConnection):
    """A connection over a socket that is open already."""

    def __init__(self, target: Target, raw: socket.socket, clock: _Clock) -> None:
        super().__init__(target.host, target.port)
        self.default_port = 443 if target.scheme == "https" else 80  # leaves the port out of the Host field
        self.sock = _TimedSocket(raw, clock)

    def connect(self) -> None:
        raise ConnectionError  # never a second time: the address would not have been checked
