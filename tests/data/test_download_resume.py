"""Downloads that are stopped, killed or run again; nobody is asked twice, and nothing is left half-written."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from download_server import CONTACT, PHOTO, Server, download, running_server

from contrafake.data.download.ledger import Ledger, Outcome
from contrafake.data.download.place import find_file, place_of
from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[Server]:
    with running_server() as running:
        yield running


def test_nobody_is_asked_twice(server: Server, tmp_path: Path) -> None:
    links = {"1": server.url("/photo"), "2": server.url("/status/404"), "3": server.url("/noai"), "4": "ftp://x/"}
    first, entries = download(tmp_path, server, links)
    asked = len(server.asked)
    report = first.report.read_bytes()
    second, again = download(tmp_path, server, links)
    assert len(server.asked) == asked
    assert again == entries
    assert (second.known, second.counts) == (4, first.counts)
    assert second.report.read_bytes() == report
    third, _ = download(tmp_path, server, links, retry=True)
    assert third.known == 1
    assert sorted(server.images_asked()) == ["/noai", "/noai", "/photo", "/status/404", "/status/404"]
    # An address that was corrected in the data set is a new one.
    fourth, _ = download(tmp_path, server, {"2": server.url("/photo2")})
    assert fourth.stored == 2


def test_a_file_whose_entry_was_lost_is_entered_and_not_asked_for(server: Server, tmp_path: Path) -> None:
    place = place_of(tmp_path, "1").with_suffix(".jpg")
    place.parent.mkdir(parents=True)
    place.write_bytes(PHOTO)
    other = place_of(tmp_path, "2").with_suffix(".jpg")
    other.parent.mkdir(parents=True)
    other.write_bytes(PHOTO[:50])
    summary, _ = download(tmp_path, server, {"1": server.url("/photo1"), "2": server.url("/photo2")})
    assert (summary.known, summary.stored) == (1, 2)
    assert server.images_asked() == ["/photo2"]
    assert other.read_bytes() == PHOTO


def test_the_same_picture_under_many_addresses_is_said(server: Server, tmp_path: Path) -> None:
    links = {str(k): server.url(f"/photo{k}") for k in range(3)} | {"p": server.url("/png.jpg")}
    assert download(tmp_path, server, links)[0].repeated == (1, 3)


def test_without_a_network_nothing_is_called_dead_for_long(server: Server, tmp_path: Path) -> None:
    links = {str(k): server.url("/photo", "gone.example") for k in range(300)}
    with pytest.raises(DataError, match="network: the first 100 hosts were not found"):
        download(tmp_path / "1", server, links)
    with Ledger(tmp_path / "1") as ledger:
        assert ledger.counts() == [("dead", "host not found", 99)]
    # One answer is enough to know better.
    links = {"photo": server.url("/photo")} | links
    assert download(tmp_path / "2", server, links, hosts=1)[0].counts[1] == ("dead", "host not found", 300)


def test_a_second_download_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.put("1", "http://a.example/", Outcome("dead", "HTTP 404", 404))
        with pytest.raises(DataError, match="another download works in this folder"):
            Ledger(tmp_path)


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(b"not a data base" * 100)
    with pytest.raises(DataError, match=r"ledger\.sqlite: the record of the download"):
        Ledger(tmp_path)


def test_a_full_disk_stops_the_download_and_leaves_nothing_half_written(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        write(path, data[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(DataError, match="No space left on device"):
            download(tmp_path, server, {"1": server.url("/photo")})
    assert find_file(tmp_path, "1") is None
    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and "ledger" not in path.name] == []
    assert download(tmp_path, server, {"1": server.url("/photo")})[0].stored == 1


@contextmanager
def running_download(server: Server, folder: Path, count: int) -> Iterator[subprocess.Popen[bytes]]:
    code = f"""
        import ipaddress, socket
        from pathlib import Path
        from contrafake.data.download.ask import Manners
        from contrafake.data.download.download import Download
        from contrafake.data.download.guard import Guard
        def resolve(host, port, **_):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
        guard = Guard(ports={{{server.port}}}, exempt=[ipaddress.ip_network("127.0.0.0/8")], resolve=resolve)
        links = [(str(k), f"http://a{{k % 4}}.example:{server.port}/photo{{k}}") for k in range({count})]
        Download(Path({str(folder)!r}), Manners("{CONTACT}", delay=0.02), guard).run(links)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)]) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_killed_run_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    count = 60
    with running_download(server, tmp_path, count) as process:
        deadline = time.monotonic() + 30
        while len(server.images_asked()) < count // 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    half = server.images_asked()
    assert count // 2 <= len(half) < count
    links = {str(k): server.url(f"/photo{k}", f"a{k % 4}.example") for k in range(count)}
    summary, _ = download(tmp_path, server, links, hosts=4)
    assert summary.stored == count
    times_asked = Counter(server.images_asked())
    # Only what was under way at the kill, one image for each host, may be asked for again.
    assert sum(times_asked.values()) - count <= 4
    assert all(find_file(tmp_path, name) for name in links)
    assert not list(tmp_path.rglob("*.partial"))
