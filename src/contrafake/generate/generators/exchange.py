"""Requests to a service over HTTP: bounded in time and size, and following nothing."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from contrafake.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

_LONGEST_COMPLAINT = 1 << 16
T = TypeVar("T")


class NoAnswerError(Exception):
    """A request without a whole answer; its text is one clause. The service may have worked on it nevertheless."""


class UnreachableError(NoAnswerError):
    """No connection came about, so the service knows nothing of the request."""


@dataclass(frozen=True)
class Reply:
    """What a service answered.

    Attributes:
        status: HTTP status.
        headers: Header fields, their names in lower case.
        body: The body; of a status other than 200 at most 64 KiB.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Exchange:
    """Posts to one service, one request after another.

    A thread of its own waits for the network, so that a time-out counts from the first byte to the last one whatever
    the service sends in between, and so that an interrupt ends the wait at once.
    """

    def __init__(self) -> None:
        """Takes up nothing but a thread; connections are made when they are needed.

        Raises:
            MissingExtraError: `httpx` is not installed.
        """
        try:
            import httpx  # noqa: PLC0415 - not part of the light installation
        except ImportError as error:
            raise MissingExtraError("httpx", "not installed", "pip install 'contrafake[generate]'") from error
        self._client = httpx.AsyncClient(follow_redirects=False)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="contrafake-exchange", daemon=True)
        self._thread.start()

    def post(self, url: str, headers: Mapping[str, str], content: bytes, seconds: float, most: int) -> Reply:
        """Posts once.

        Args:
            url: Address, http or https; certificates are verified.
            headers: Header fields.
            content: The body.
            seconds: For everything, from connecting to the last byte.
            most: Largest answer in bytes.

        Raises:
            UnreachableError: No connection.
            NoAnswerError: No answer in time, one cut short, or one that is too large.
        """
        return self._wait(self._post(url, headers, content, seconds, most))

    def close(self) -> None:
        """Closes all connections and ends the thread."""
        if self._loop.is_closed():
            return
        self._wait(self._client.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()  # where an interrupt broke off the wait

    async def _post(self, url: str, headers: Mapping[str, str], content: bytes, seconds: float, most: int) -> Reply:
        import httpx  # noqa: PLC0415 - as above

        self._client.cookies.clear()  # no image depends on the one before it
        try:
            async with (
                asyncio.timeout(seconds),
                self._client.stream("POST", url, headers=headers, content=content, timeout=seconds) as response,
            ):
                body = await _body(response, most)
                fields = {name.lower(): value for name, value in response.headers.items()}
                return Reply(response.status_code, fields, body)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.InvalidURL) as error:
            raise UnreachableError(f"no connection: {error}" if str(error) else "no connection") from None
        except (TimeoutError, httpx.TimeoutException):
            raise NoAnswerError(f"no answer within {seconds:g} s") from None
        except httpx.HTTPError as error:
            raise NoAnswerError(f"no whole answer ({type(error).__name__})") from None


async def _body(response: Any, most: int) -> bytes:
    """The body, unpacked in parts, so that a small one cannot unfold into more than is allowed."""
    parts, left = [], most if response.status_code == 200 else _LONGEST_COMPLAINT
    async for part in response.aiter_bytes(1 << 16):
        left -= len(part)
        if left < 0 and response.status_code == 200:
            raise NoAnswerError(f"the answer has more than {most:,} bytes")
        parts.append(part)
        if left < 0:
            break
    return b"".join(parts)
