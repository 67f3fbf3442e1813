"""An image service on this machine for tests: answers as it is told, and remembers what it was asked."""

from __future__ import annotations

import http.server
import io
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from PIL import Image

from contrafake.generate.generators.generator import Request
from contrafake.generate.job import Job, Treatment

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray


def png(pixels: NDArray[np.uint8] | None = None) -> bytes:
    """A PNG file: of the pixels, or 24 x 16 and green."""
    buffer = io.BytesIO()
    image = Image.new("RGB", (24, 16), (10, 200, 30)) if pixels is None else Image.fromarray(pixels)
    image.save(buffer, "PNG")
    return buffer.getvalue()


def request(
    prompt: str = "a dog", negative: str = "", seed: int = 7, image: NDArray[np.uint8] | None = None
) -> Request:
    """What a build asks a generator for: 24 x 16 pixels."""
    treatment = Treatment(None, None, 1.0, None)
    job = Job(
        "key", "record", "made", "program", "model", "", prompt, negative, (0, 0, 24, 16), 24, 16,
        None, None, None, "", 1, treatment,
    )  # fmt: skip
    return Request(job, seed, image)


@dataclass
class Answer:
    """One answer; after each `drip` seconds one byte of the body is sent, or all at once."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    drip: float = 0.0


def as_json(value: Any, status: int = 200, **headers: str) -> Answer:
    """An answer in JSON."""
    return Answer(json.dumps(value).encode(), status, {"Content-Type": "application/json", **headers})


@dataclass
class Asked:
    """One request that the service got."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    time: float

    @property
    def json(self) -> Any:
        """Its body."""
        return json.loads(self.body)


class ImageService(http.server.ThreadingHTTPServer):
    """Gives its answers one after another, the last one for ever."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[Answer] = [Answer(png())]
        self.asked: list[Asked] = []
        self.url = f"http://127.0.0.1:{self.server_port}/v1/images"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away early is part of the tests."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ImageService

    def do_POST(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        pass

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server = self.server
        server.asked.append(Asked(self.command, self.path, dict(self.headers), body, time.monotonic()))
        answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        self.send_response(answer.status)
        for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        step = 1 if answer.drip else max(1, len(answer.body))
        for start in range(0, len(answer.body), step):
            self.wfile.write(answer.body[start : start + step])
            self.wfile.flush()
            time.sleep(answer.drip)


@contextmanager
def running_service() -> Iterator[ImageService]:
    """A service that runs until the block ends."""
    with ImageService() as server:
        # Asks for the end 100 times a second, so that each stop does not cost half a second.
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
