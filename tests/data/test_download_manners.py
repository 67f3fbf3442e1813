"""Downloads from a real server: who asks, how often, and whether a site's wishes are kept."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from download_server import CONTACT, Server, download, running_server

from contrafake import __version__
from contrafake.data.download.ask import Manners
from contrafake.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def server() -> Iterator[Server]:
    with running_server() as running:
        yield running


def test_sites_learn_who_asks(server: Server, tmp_path: Path) -> None:
    download(tmp_path, server, {"1": server.url("/photo")})
    assert server.fields["User-Agent"] == f"contrafake/{__version__} (data set download; {CONTACT})"
    assert server.fields["Accept-Encoding"] == "identity"
    assert server.fields["Host"] == f"a.example:{server.port}"


@pytest.mark.parametrize("contact", ["", "me", "a@b\r\nX: 1", "ü@b", "https://x" + "y" * 300])
def test_a_contact_is_needed(contact: str) -> None:
    with pytest.raises(UsageError, match="contact"):
        Manners(contact)


def test_a_redirect_waits_for_the_pause_of_its_host(server: Server, tmp_path: Path) -> None:
    server.places = {"b": server.url("/photo2", "b.example")}
    links = {"1": server.url("/photo1", "b.example"), "2": server.url("/to/b")}
    assert download(tmp_path, server, links, delay=0.3)[0].stored == 2
    times = [at for host, _, at in server.asked if host == "b.example"]
    assert len(times) == 3
    assert np.diff(times).min() >= 0.29


def test_robots_txt_is_kept(server: Server, tmp_path: Path) -> None:
    server.robots = {
        "all.example": b"User-agent: *\nDisallow: /",
        "us.example": b"User-agent: contrafake\nDisallow: /photo1\n\nUser-agent: *\nAllow: /",
        "others.example": b"User-agent: googlebot\nDisallow: /",
    }
    links = {
        f"{host}{k}": server.url(f"/photo{k}", f"{host}.example") for host in ("all", "us", "others") for k in (1, 2)
    }
    _, entries = download(tmp_path, server, links)
    stored = {name for name, (status, _) in entries.items() if status == "stored"}
    assert stored == {"us2", "others1", "others2"}
    assert {reason for _, reason in entries.values()} == {"", "robots.txt"}
    # Asked once for each host.
    assert Counter(host for host, path, _ in server.asked if path == "/robots.txt").most_common(1)[0][1] == 1


def test_robots_txt_that_moved_or_cannot_be_had(server: Server, tmp_path: Path) -> None:
    server.robots = {
        "moved.example": server.url("/robots.txt", "strict.example"),
        "strict.example": b"User-agent: *\nDisallow: /",
        "round.example": "/robots.txt",
        "ill.example": 503,
        "closed.example": 403,
        "inner-moved.example": server.url("/robots.txt", "inner.example"),
        "odd.example": b"\xff\xfe\x00 <html> User-agent",
    }
    hosts = ("moved", "round", "ill", "closed", "inner-moved", "odd")
    links = {host: server.url("/photo", f"{host}.example") for host in hosts}
    _, entries = download(tmp_path, server, links, tries=2)
    # RFC 9309: a client error means that there are no rules, a server error that nothing is allowed now.
    assert entries == {
        "moved": ("refused", "robots.txt"),
        "round": ("stored", ""),
        "ill": ("failed", "robots.txt cannot be had"),
        "closed": ("stored", ""),
        "inner-moved": ("refused", "not a public network address"),
        "odd": ("stored", ""),
    }


def test_hosts_are_asked_one_after_the_other_with_a_pause(server: Server, tmp_path: Path) -> None:
    server.robots["slow.example"] = b"User-agent: *\nCrawl-delay: 1"
    links = {f"a{k}": server.url(f"/photo{k}", "a.example") for k in range(5)}
    links |= {f"b{k}": server.url(f"/photo{k}", "b.example") for k in range(5)}
    links["slow"] = server.url("/photo", "slow.example")
    summary, _ = download(tmp_path, server, links, delay=0.1)
    assert summary.stored == 11
    assert max(server.most.values()) == 1
    times: dict[str, list[float]] = {}
    for host, _, at in server.asked:
        times.setdefault(host, []).append(at)
    assert len(times["a.example"]) == 6
    for host, least in (("a.example", 0.1), ("b.example", 0.1), ("slow.example", 1.0)):
        assert np.diff(times[host]).min() >= least - 0.01
    # Both hosts were served side by side.
    assert times["b.example"][0] < times["a.example"][-1]
    assert times["a.example"][0] < times["b.example"][-1]


def test_retry_after_is_kept(server: Server, tmp_path: Path) -> None:
    _, entries = download(tmp_path, server, {"1": server.url("/busy"), "2": server.url("/photo")})
    assert {status for status, _ in entries.values()} == {"stored"}
    [first, second] = [at for _, path, at in server.asked if path == "/busy"]
    assert second - first >= 1.0
    # The whole host was left alone meanwhile.
    assert not [path for _, path, at in server.asked if first < at < first + 0.99]


def test_a_host_that_fails_again_and_again_is_left_alone(server: Server, tmp_path: Path) -> None:
    links = {str(k): server.url("/status/500") for k in range(20)}
    links["fine"] = server.url("/photo", "b.example")
    _, entries = download(tmp_path, server, links, failures=4)
    assert entries.pop("fine") == ("stored", "")
    assert Counter(entries.values())["failed", "the host failed too often"] >= 16
    assert len([path for path in server.images_asked() if path == "/status/500"]) == 4
