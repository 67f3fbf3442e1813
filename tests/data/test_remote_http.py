"""Shards on a real web server, in another process: listed, read by byte range, fed by forked workers."""

from __future__ import annotations

import gc
import multiprocessing
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from conftest import write_lone_shard

from contrafake.data import Listing, remote
from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("aiohttp")

SERVER = """
import http.server, re, sys
from pathlib import Path

root = Path(sys.argv[1])

class Ranges(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.answer(head=True)

    def do_GET(self):
        self.answer(head=False)

    def answer(self, head):
        file = root / self.path.lstrip("/")
        if self.path.startswith("/status-"):
            self.send_response(int(self.path[8:])); self.send_header("Content-Length", "0"); self.end_headers(); return
        if not file.is_file():
            self.send_response(404); self.send_header("Content-Length", "0"); self.end_headers(); return
        data, status, extra = file.read_bytes(), 200, {}
        total = len(data)
        asked = re.fullmatch(r"bytes=(\\d+)-(\\d+)", self.headers.get("Range") or "")
        if asked:
            first, last = int(asked[1]), min(int(asked[2]), total - 1)
            data, status = data[first:last + 1], 206
            extra["Content-Range"] = f"bytes {first}-{last}/{total}"
        self.send_response(status)
        extra |= {"Accept-Ranges": "bytes", "ETag": f'"{total}"', "Content-Length": str(len(data))}
        for name, value in extra.items():
            self.send_header(name, value)
        self.end_headers()
        if not head:
            self.wfile.write(data)

    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ranges)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    for number in range(2):
        write_lone_shard(folder / f"train-000{number}.tar", 4, number)
    return folder


@pytest.fixture(scope="module")
def address(shards: Path) -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(shards)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_a_served_set_is_the_local_one(shards: Path, address: str) -> None:
    local = Listing.of([str(shards / "train-*.tar")], cache=False)
    served = Listing.of([f"{address}/train-{{0000..0001}}.tar"], cache=False)
    assert [sample.key for sample in served] == [sample.key for sample in local]
    assert (served.label == local.label).all()
    assert [served.read(row) for row in range(len(served))] == [local.read(row) for row in range(len(local))]
    assert {sample.image.address.partition(": ")[0] for sample in served} == {
        f"{address}/train-000{number}.tar" for number in range(2)
    }


def test_forked_workers_read_from_the_server(shards: Path, address: str) -> None:
    pytest.importorskip("torch")
    from contrafake.train.config import DataConfig, ViewConfig
    from contrafake.train.feed import Steps, batches

    data = DataConfig(train=["a"], validation=["b"], order="epoch")

    def drawn(listing: Listing, workers: int) -> list[tuple[bytes, list[str]]]:
        steps = Steps(listing, data, ViewConfig(), size=32, records=2, seed=1)
        found = list(batches(steps, range(3), workers))
        return [(batch.views.numpy().tobytes(), batch.origins) for batch in found]

    served = Listing.of([f"{address}/train-{{0000..0001}}.tar"], cache=False)
    served.read(0)  # the parent's connections must not be carried into its children
    assert drawn(served, 2) == drawn(Listing.of([str(shards / "train-*.tar")], cache=False), 0)


def test_reading_goes_on_after_a_fork(address: str) -> None:
    """A child that tidies up its copy of a connection must not make the parent deaf on it."""
    served = Listing.of([f"{address}/train-{{0000..0001}}.tar"], cache=False)
    wanted = [served.read(row) for row in range(4)]
    found: list[bytes] = []
    for row in range(4):
        child = multiprocessing.get_context("fork").Process(target=_read_and_tidy_up, args=(served,))
        child.start()
        child.join(30)
        assert child.exitcode == 0
        reader = threading.Thread(target=lambda row=row: found.append(served.read(row)), daemon=True)
        reader.start()
        reader.join(30)
        assert found == wanted[: row + 1]


def _read_and_tidy_up(served: Listing) -> None:
    served.read(5)
    gc.collect()


def test_what_the_server_does_not_have(address: str) -> None:
    with pytest.raises(DataError, match=r"train-0007\.tar"):
        Listing.of([f"{address}/train-0007.tar"], cache=False)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PAUSES", [0.0, 0.0, 0.0])


@pytest.mark.usefixtures("impatient")
def test_a_server_that_does_not_answer_is_no_missing_file() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(DataError, match=r"4 attempts failed: .*127\.0\.0\.1"):
        Listing.of([f"http://127.0.0.1:{port}/train-0000.tar"], cache=False)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("status-403", "cannot be read: 403"),
        ("status-503", "4 attempts failed: 503"),
        ("status-404", "cannot be read: no such file"),
    ],
)
def test_what_the_server_refuses_is_told(address: str, name: str, cause: str) -> None:
    with pytest.raises(DataError, match=cause):
        Listing.of([f"{address}/{name}"], cache=False)
