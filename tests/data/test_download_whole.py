"""Downloads from a real server on this machine: what is stored, and what is not asked or not stored."""

from __future__ import annotations

import csv
import hashlib
import shutil
import sqlite3
import ssl
import subprocess
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from download_server import PHOTO, Server, download, guard, lookup, manners, running_server

from contrafake.data.download import fetch
from contrafake.data.download.download import Download
from contrafake.data.download.place import find_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def server() -> Iterator[Server]:
    with running_server() as running:
        yield running


def test_an_image_is_stored_as_it_came_and_entered(server: Server, tmp_path: Path) -> None:
    links = {"7": server.url("/photo"), "../x": server.url("/png.jpg", "b.example")}
    summary, _ = download(tmp_path, server, links)
    found = find_file(tmp_path, "7")
    assert found is not None
    assert found.read_bytes() == PHOTO
    assert found.parent.name == hashlib.sha256(b"7").hexdigest()[:3]
    escaped = find_file(tmp_path, "../x")
    assert escaped is not None
    assert escaped.resolve().is_relative_to(tmp_path.resolve())
    assert escaped.suffix == ".png"  # by its bytes, whatever the address says
    assert summary.counts == [("stored", "", 2)]
    assert (summary.stored, summary.missing, summary.known) == (2, 0, 0)
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as db:
        row = db.execute("SELECT url, http_status, sha256, bytes, format, file FROM links WHERE id = '7'").fetchone()
    place = found.relative_to(tmp_path).as_posix()
    assert row == (links["7"], 200, hashlib.sha256(PHOTO).hexdigest(), len(PHOTO), "JPEG", place)
    assert not [path for path in tmp_path.rglob("*") if "partial" in path.name]


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("/status/404", "dead", "HTTP 404"),
        ("/status/410", "dead", "HTTP 410"),
        ("/status/403", "dead", "HTTP 403"),
        ("/status/204", "dead", "HTTP 204"),
        ("/status/500", "failed", "HTTP 500"),
        ("/html", "dead", "not an image"),
        ("/empty", "dead", "not an image"),
        ("/damaged", "dead", "a damaged image"),
        ("/tiny", "dead", "smaller than 32 pixels"),
        ("/large", "dead", "too large"),
        ("/endless", "dead", "too large"),
        ("/cut", "failed", "the answer was cut short"),
        ("/cut-chunk", "failed", "the answer was cut short"),
        ("/noise", "failed", "not an HTTP answer"),
        ("/hang-up", "failed", "not an HTTP answer"),
        ("/nowhere", "dead", "HTTP 302"),
        ("/drip", "failed", "no answer in time"),
        ("/chatter", "failed", "no answer in time"),
        ("/busy-for-hours", "failed", "the site asks to wait too long"),
        ("/noai", "refused", "X-Robots-Tag: noai"),
        ("/round", "dead", "too many redirects"),
    ],
)
def test_what_is_not_stored_is_counted_and_named(
    server: Server, tmp_path: Path, path: str, status: str, reason: str
) -> None:
    started = time.monotonic()
    summary, entries = download(tmp_path, server, {"x": server.url(path)}, tries=2)
    assert entries == {"x": (status, reason)}
    assert time.monotonic() - started < 8
    assert {path.name for path in tmp_path.rglob("*")} == {"ledger.sqlite", "dead-links.csv"}
    [row] = csv.DictReader(summary.report.read_text(encoding="utf-8").splitlines())
    assert (row["id"], row["url"], row["status"], row["reason"]) == ("x", server.url(path), status, reason)


def test_addresses_that_are_never_asked(server: Server, tmp_path: Path) -> None:
    places = {
        "inner": server.url("/photo", "inner.example"),
        "file": "file:///etc/passwd",
        "number": f"http://[::1]:{server.port}/photo",
        "port": "http://a.example:1/photo",
    }
    server.places = places
    links = {f"direct-{name}": url for name, url in places.items()}
    links |= {f"by-{name}": server.url(f"/to/{name}") for name in places}
    _, entries = download(tmp_path, server, {**links, "gone": server.url("/photo", "gone.example")})
    assert entries.pop("gone") == ("dead", "host not found")
    assert {status for status, _ in entries.values()} == {"refused"}
    assert entries["direct-inner"] == ("refused", "not a public network address")
    assert entries["by-file"] == ("refused", "redirect: neither http nor https")
    assert set(server.images_asked()) == {f"/to/{name}" for name in places}


def test_a_name_that_changes_its_mind_gains_nothing(server: Server, tmp_path: Path) -> None:
    """The connection goes to the number that was checked: the name is looked up once for each connection."""
    looked_up: list[str] = []

    def rebinding(host: str, port: int, **_: Any) -> Any:
        looked_up.append(host)
        return lookup("a.example" if len(looked_up) % 2 else "inner.example", port)

    links = {"1": server.url("/photo")}
    summary = Download(tmp_path, manners(), guard(server, rebinding)).run(links.items())
    # The first look-up was for robots.txt, the second, private one for the image.
    assert summary.counts == [("refused", "not a public network address", 1)]
    assert looked_up == ["a.example"] * 2
    assert server.images_asked() == []


def test_proxies_of_the_environment_are_not_used(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    assert download(tmp_path, server, {"1": server.url("/photo")})[0].stored == 1


def test_redirects_are_followed_across_hosts(server: Server, tmp_path: Path) -> None:
    server.places = {"b": server.url("/to/c", "b.example"), "c": "/photo"}
    server.robots["b.example"] = b"User-agent: *\nDisallow: /private"
    summary, _ = download(tmp_path, server, {"1": server.url("/to/b")})
    assert summary.stored == 1
    hosts = [(host, path) for host, path, _ in server.asked]
    assert hosts == [
        ("a.example", "/robots.txt"),
        ("a.example", "/to/b"),
        ("b.example", "/robots.txt"),
        ("b.example", "/to/c"),
        ("b.example", "/photo"),
    ]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate of the test server")
def test_secure_connections_check_the_certificate(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(
        [*make, "-subj", "/CN=a.example", "-addext", "subjectAltName=DNS:a.example"], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    links = {name: f"https://{name}.example:{server.port}/photo" for name in ("a", "b")}
    _, unknown = download(tmp_path / "1", server, links, tries=1)
    assert set(unknown.values()) == {("failed", "no secure connection")}
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    fetch._secure.cache_clear()
    try:
        _, known = download(tmp_path / "2", server, links, tries=1)
    finally:
        fetch._secure.cache_clear()
    assert known == {"a": ("stored", ""), "b": ("failed", "no secure connection")}  # the certificate is a's alone
