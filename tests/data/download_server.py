"""A web server on this machine for tests of the download, and a guard that lets it be asked."""

from __future__ import annotations

import http.server
import io
import ipaddress
import socket
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from conftest import jpeg, picture
from PIL import Image

from contrafake.data.download.ask import Manners
from contrafake.data.download.download import Download, Summary
from contrafake.data.download.fetch import Bounds
from contrafake.data.download.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PHOTO = jpeg(picture(np.random.default_rng(0), generated=False))
CONTACT = "mailto:owner@lab.example"


def png(side: int = 40) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (10, 200, 30)).save(buffer, "PNG")
    return buffer.getvalue()


HEAD = b"HTTP/1.1 200 OK\r\n"
ANSWERS: dict[str, tuple[bytes, dict[str, str], int]] = {
    "/png.jpg": (png(), {}, 200),
    "/tiny": (png(16), {}, 200),
    "/html": (b"<html>gone</html>", {}, 200),
    "/damaged": (PHOTO[: len(PHOTO) // 2], {}, 200),
    "/empty": (b"", {}, 200),
    "/noai": (PHOTO, {"X-Robots-Tag": "noai"}, 200),
    "/large": (b"\xff\xd8\xff" + bytes(200_000), {}, 200),
    "/busy": (b"", {"Retry-After": "1"}, 429),
    "/busy-for-hours": (b"", {"Retry-After": "86400"}, 503),
    "/round": (b"", {"Location": "/round"}, 301),
    "/nowhere": (b"", {}, 302),
}
DRIP = [(b"x", 0.05)] * 40
STREAMS: dict[str, tuple[bytes, list[tuple[bytes, float]]]] = {
    "/endless": (HEAD + b"Connection: close\r\n\r\n", [(bytes(10_000), 0.0)] * 100),
    "/cut": (HEAD + b"Content-Length: 9999\r\n\r\n" + PHOTO[:100], []),
    "/cut-chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n64\r\nabc", []),
    "/drip": (HEAD + b"Content-Length: 1000\r\n\r\n", DRIP),
    "/chatter": (HEAD + b"X-Long: ", DRIP),
    "/noise": (b"\x00\x01 what?\r\n\r\n", []),
    "/hang-up": (b"", []),
}


class Site(http.server.BaseHTTPRequestHandler):
    """Answers by path; says nothing on standard error."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        host = self.headers["Host"].partition(":")[0]
        with self.server.lock:
            self.server.asked.append((host, self.path, time.monotonic()))
            self.server.fields = dict(self.headers)
            self.server.now[host] += 1
            self.server.most[host] = max(self.server.most[host], self.server.now[host])
            turn = Counter(path for _, path, _ in self.server.asked)[self.path]
        try:
            self.answer(host, turn)
        finally:
            with self.server.lock:
                self.server.now[host] -= 1

    def answer(self, host: str, turn: int) -> None:
        path = self.path
        if path == "/robots.txt":
            known = self.server.robots.get(host, 404)
            if isinstance(known, str):
                self.reply(b"", {"Location": known}, 301)
            else:
                self.reply(*((known, {}, 200) if isinstance(known, bytes) else (b"", {}, known)))
        elif path in STREAMS:
            self.wfile.write(STREAMS[path][0])
            for piece, pause in STREAMS[path][1]:
                self.wfile.write(piece)
                time.sleep(pause)
            self.close_connection = True
        elif path.startswith("/photo"):
            self.reply(PHOTO)
        elif path.startswith("/status/"):
            self.reply(b"no", status=int(path.rpartition("/")[2]))
        elif path == "/busy" and turn > 1:
            self.reply(PHOTO)
        elif path.startswith("/to/"):
            self.reply(b"", {"Location": self.server.places[path.removeprefix("/to/")]}, 302)
        else:
            self.reply(*ANSWERS.get(path, (b"", {}, 404)))

    def reply(self, body: bytes, fields: dict[str, str] | None = None, status: int = 200) -> None:
        self.send_response(status)
        for name, value in (fields or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    """Counts what it is asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Site)
        self.lock = threading.Lock()
        self.asked: list[tuple[str, str, float]] = []
        self.now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.robots: dict[str, bytes | str | int] = {}  # its text, where it moved, or a status
        self.places: dict[str, str] = {}
        self.fields: dict[str, str] = {}

    def handle_error(self, *_: Any) -> None:
        """A client that leaves early is no error here."""

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def url(self, path: str, host: str = "a.example") -> str:
        return f"http://{host}:{self.port}{path}"

    def images_asked(self) -> list[str]:
        return [path for _, path, _ in self.asked if path != "/robots.txt"]


@contextmanager
def running_server() -> Iterator[Server]:
    """A server that answers until the block ends."""
    with Server() as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield running
        running.shutdown()


def lookup(host: str, port: int, **_: Any) -> Any:
    """Every host of .example is this machine; inner.example is another one, moved.example is both by turns."""
    if not host.endswith(".example") or host == "gone.example":
        raise socket.gaierror(socket.EAI_NONAME, "unknown")
    number = "10.0.0.1" if host == "inner.example" else "127.0.0.1"
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (number, port))]


def guard(server: Server, resolve: Any = lookup) -> Guard:
    return Guard(ports={server.port}, exempt=[ipaddress.ip_network("127.0.0.0/8")], resolve=resolve)


def manners(**changes: Any) -> Manners:
    bounds = Bounds(seconds=1.0, pause=0.5, bytes=100_000)
    return Manners(**{"contact": CONTACT, "delay": 0.01, "backoff": 0.02, "bounds": bounds, **changes})


def download(
    folder: Path, server: Server, links: dict[str, str], *, retry: bool = False, **changes: Any
) -> tuple[Summary, dict[str, tuple[str, str]]]:
    """Runs a download; gives the summary, and (status, reason) by id."""
    summary = Download(folder, manners(**changes), guard(server)).run(links.items(), retry=retry)
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as db:
        rows = db.execute("SELECT id, status, reason FROM links").fetchall()
    return summary, {name: (status, reason) for name, status, reason in rows}
