"""An image service over HTTP as a generator: JSON out, an image back."""

from __future__ import annotations

import base64
import json
import os
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from contrafake.data.download.fetch import Bounds
from contrafake.data.download.politeness import retry_after
from contrafake.errors import ConfigError, ContrafakeError, UsageError
from contrafake.generate.generators import placeholders
from contrafake.generate.generators.answer import affirmed, at, complaint, image_bytes, parsed
from contrafake.generate.generators.arrived import LIMITS, arrived, excerpt
from contrafake.generate.generators.exchange import Exchange, NoAnswerError, UnreachableError
from contrafake.generate.generators.generator import GenerationError
from contrafake.generate.generators.linked import LinkedImages
from contrafake.images import encode
from contrafake.settings import expand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contrafake.data.download.guard import Guard
    from contrafake.generate.generators.exchange import Reply
    from contrafake.generate.generators.generator import Made, Request
    from contrafake.generate.generators.settings import Service

_KNOWN = ("prompt", "negative_prompt", "width", "height", "seed", "image")
_BUSY = frozenset({429, 502, 503})
_FATAL = {
    401: ("the service refuses the key", "check the variable that `headers` names"),
    402: ("the service asks for payment", "see to the account, then run again: what is made is kept"),
    403: ("the service refuses the key", "check the variable that `headers` names, and what the account may do"),
    404: ("the service knows no such address", "check `url`"),
    405: ("the service takes no POST at this address", "check `url`"),
}
_MOST_JSON = LIMITS.max_bytes * 4 // 3 + 2**20  # base64 takes four bytes for three
_NAME = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class Patience:
    """How a busy service is asked again: with 429, 502 or 503, or when it cannot be reached.

    Attributes:
        tries: Requests for one image at most.
        backoff: Seconds before the second one; they double with each further one. Retry-After goes before.
        longest: Longest wait in seconds that a service may ask for with Retry-After.
    """

    tries: int = 4
    backoff: float = 2.0
    longest: float = 120.0


class ServiceCaller:
    """Asks a service for one image after another."""

    def __init__(self, settings: Service, patience: Patience | None = None, guard: Guard | None = None) -> None:
        """Checks what can be checked without asking.

        Args:
            settings: What the configuration says of it.
            patience: How a busy service is asked again.
            guard: Decides which addresses in answers are fetched; another one is for tests.

        Raises:
            ConfigError: The address is none, a placeholder unknown, or a variable that a header names is not set.
            MissingExtraError: `httpx` is not installed.
        """
        self._settings, self._patience = settings, patience or Patience()
        self._host = _check(settings)
        self._headers()
        self._linked, self._next = LinkedImages(settings.url, guard), 0.0
        self._exchange = Exchange()

    @property
    def facts(self) -> dict[str, Any]:
        """Host of the service and version of the model behind it."""
        return {"service": self._host, "version": self._settings.version}

    def make(self, requests: Sequence[Request]) -> list[Made | GenerationError]:
        """Makes one image for each request, in order, one at a time.

        Raises:
            ConfigError: A variable that a header names is not set any more.
            ContrafakeError: The service refuses the key, asks for payment or for a long wait, has moved, or cannot be
                reached.
        """
        return [self._one(request) for request in requests]

    def close(self) -> None:
        """Closes the connections."""
        self._exchange.close()

    def _one(self, request: Request) -> Made | GenerationError:
        body = self._body(request)
        try:
            reply = self._ask(body)
            return self._made(reply) if reply.status == 200 else self._failure(reply)
        except UnreachableError as error:
            cause = self._clean(f"cannot be reached, {error}")
            raise ContrafakeError(self._subject, cause, "start it or check `url`, then run again") from None
        except NoAnswerError as error:
            return GenerationError(self._settings.name, self._clean(str(error)))

    def _body(self, request: Request) -> bytes:
        image = ""
        if "image" in placeholders.names(self._settings.body):
            if request.image is None:
                raise UsageError(self._settings.name, "a request without a real image for a body with {image}")
            image = base64.b64encode(encode(request.image, "PNG")).decode("ascii")
        job = request.job
        values: dict[str, str | int] = {
            "prompt": job.prompt,
            "negative_prompt": job.negative_prompt,
            "width": job.width,
            "height": job.height,
            "seed": request.seed,
            "image": image,
        }
        return json.dumps(placeholders.fill_tree(self._settings.body, values)).encode("ascii")

    def _ask(self, body: bytes) -> Reply:
        """Asks until the service is neither busy nor out of reach, or patience ends."""
        for left in reversed(range(self._patience.tries)):
            wait = self._patience.backoff * 2.0 ** (self._patience.tries - 1 - left)
            try:
                reply = self._post(body)
            except UnreachableError:
                if not left:
                    raise
            else:
                if reply.status not in _BUSY or not left:
                    return reply
                wait = self._asked_for(reply, wait)
            time.sleep(wait)
        raise UsageError(self._settings.name, "a service is asked at least once")

    def _post(self, body: bytes) -> Reply:
        time.sleep(max(0.0, self._next - time.monotonic()))
        try:
            return self._exchange.post(self._settings.url, self._headers(), body, self._settings.seconds, _MOST_JSON)
        finally:
            self._next = time.monotonic() + self._settings.pause

    def _asked_for(self, reply: Reply, wait: float) -> float:
        asked = retry_after(reply.headers.get("retry-after"))
        if asked is None:
            return wait
        if asked > self._patience.longest:
            cause = f"the service asks to wait {asked:,.0f} s (HTTP {reply.status})"
            raise ContrafakeError(self._subject, cause, "run again later: what is made is kept")
        return asked

    def _made(self, reply: Reply) -> Made | GenerationError:
        name, answer = self._settings.name, parsed(reply.body) if self._reads_json(reply) else None
        flagged = affirmed(at(answer, self._settings.flagged)) if self._settings.flagged else None
        image = reply.body if not self._settings.answer and answer is None else self._image(answer)
        if image is not None:
            return arrived(image, name, flagged)
        words = self._clean(complaint(reply.body)) if answer is not None else ""
        if flagged:
            return GenerationError(name, f"refused by the service: {words or 'it gives no reason'}")
        where = f"at {self._settings.answer} in" if self._settings.answer else "as"
        return GenerationError(name, f"no image {where} the answer" + (f": {words}" if words else ""))

    def _reads_json(self, reply: Reply) -> bool:
        # An answer that should be an image may be JSON all the same, to say why it is none.
        return bool(self._settings.answer) or "json" in reply.headers.get("content-type", "").lower()

    def _image(self, answer: Any) -> bytes | None:
        text = at(answer, self._settings.answer) if self._settings.answer else None
        if not isinstance(text, str) or not text:
            return None
        if text[:8].lower().startswith(("http://", "https://")):
            return self._linked.fetch(text, Bounds(self._settings.seconds, self._settings.seconds, LIMITS.max_bytes))
        return image_bytes(text)

    def _failure(self, reply: Reply) -> GenerationError:
        status, answer = reply.status, parsed(reply.body)
        words = self._clean(complaint(reply.body))
        said = f": {words}" if words else ""
        if self._settings.flagged and affirmed(at(answer, self._settings.flagged)):
            return GenerationError(self._settings.name, f"refused by the service{said}")
        if status in _FATAL:
            cause, remedy = _FATAL[status]
            said = "" if status == 401 else said  # services like to repeat a part of the key they refuse
            raise ContrafakeError(self._subject, f"{cause} (HTTP {status}){said}", remedy)
        if 300 <= status < 400:
            cause = f"the service points elsewhere (HTTP {status}), which is not followed"
            raise ContrafakeError(self._subject, cause, "give the new address as `url`")
        return GenerationError(self._settings.name, f"HTTP {status}{said}")

    def _headers(self) -> dict[str, str]:
        """The header fields, read from the environment anew, so that a key can be changed while a build runs."""
        own = {"Content-Type": "application/json", "Accept": "application/json, image/*", "User-Agent": "contrafake"}
        given = {name.title(): expand(value) for name, value in self._settings.headers.items()}
        for name, value in given.items():
            # A library's error would repeat the value.
            if not (value.isascii() and value.isprintable() and re.fullmatch(r"[A-Za-z0-9-_]+", name)):
                raise ConfigError(f"{self._settings.name}: headers.{name}", "holds characters that no header can")
        return own | {"Accept-Encoding": "identity"} | given

    def _clean(self, text: str) -> str:
        found = {name for value in self._settings.headers.values() for name in _NAME.findall(value)}
        return excerpt(text, {f"${{{name}}}": os.environ.get(name, "") for name in found})

    @property
    def _subject(self) -> str:
        return f"{self._settings.name} ({self._host})"


def _check(settings: Service) -> str:
    """Checks what a configuration says of a service; returns the service's host."""
    subject = f"{settings.name}: url"
    try:
        parts = urlsplit(settings.url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(subject, "no valid address") from error
    if parts.scheme not in {"http", "https"} or not host or not settings.url.isprintable() or " " in settings.url:
        raise ConfigError(subject, "no address that begins with http:// or https://")
    if "@" in parts.netloc:
        raise ConfigError(subject, "holds a password", "use a header and ${NAME}, which is written down nowhere")
    placeholders.check(settings.body, _KNOWN, f"{settings.name}: body")
    try:
        json.dumps(settings.body, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{settings.name}: body", f"cannot be written as JSON: {error}") from error
    return host
