"""Addresses of other file systems: the same images as from local files, and every failure named."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import pytest
from conftest import write_lone_shard, write_paired_shard

from contrafake.data import Listing, Member, ShardSet, remote
from contrafake.data.index import INDEX_NAME
from contrafake.data.listing import index as indexes
from contrafake.data.listing import lister
from contrafake.data.location import read_bytes
from contrafake.data.patterns import expand_patterns
from contrafake.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

fsspec = pytest.importorskip("fsspec")


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(remote, "PAUSES", [0.0, 0.0])


@pytest.fixture
def local(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    folder.mkdir()
    write_lone_shard(folder / "a-00.tar", 3, 1)
    write_lone_shard(folder / "a-01.tar", 2, 2)
    write_paired_shard(folder / "b[0].tar", 2, 3)
    return folder


@pytest.fixture
def memory(local: Path) -> Iterator[Any]:
    """The same files in fsspec's memory, under /set."""
    system = fsspec.filesystem("memory")
    for path in local.iterdir():
        system.pipe_file(f"/set/{path.name}", path.read_bytes())
    yield system
    system.rm("/set", recursive=True)


def plain(listing: Listing) -> list[Any]:
    """All but the shard's address."""
    rows = []
    for row, sample in enumerate(listing):
        image = sample.image
        assert isinstance(image, Member)
        facts = (sample.key, sample.label, sample.origin, sample.source, sample.group, sample.split)
        rows.append((*facts, image.name, image.offset, image.size, int(listing.record[row]), listing.read(row)))
    return rows


@pytest.mark.parametrize("protocol", ["file", "memory"])
def test_a_remote_listing_equals_a_local_one(local: Path, memory: object, protocol: str) -> None:
    base = f"file://{local}" if protocol == "file" else "memory://set"
    expected = plain(Listing.of([str(local / "*.tar")]))
    assert len(expected) == 16
    for _ in ("listed", "from the cache"):
        listing = Listing.of([f"{base}/*.tar"])
        assert plain(listing) == expected
    assert all(shard.startswith(f"{protocol}://") for shard in listing.shards)
    assert plain(Listing.of([f"{base}/a-{{00..01}}.tar", f"{base}/b[0].tar"], cache=False)) == expected
    objects = ShardSet([f"{base}/*.tar"])
    assert (len(objects.samples), len(objects.records)) == (10, 2)
    assert objects.read(objects.samples[0].image) == expected[0][-1]


def test_one_file_is_one_address(local: Path, memory: object) -> None:
    assert expand_patterns(["memory://set/a-00.tar", "memory:///set/a-*.tar"]) == [
        "memory:///set/a-00.tar",
        "memory:///set/a-01.tar",
    ]
    assert expand_patterns(["memory://set/b[[]0].tar", "memory://set/b[0].tar"]) == ["memory:///set/b[0].tar"]


def test_chained_and_signed_addresses_are_taken_as_they_are(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chained = f"simplecache::file://{local}/a-00.tar"
    assert expand_patterns([chained]) == [chained]
    assert plain(Listing.of([chained])) == plain(Listing.of([str(local / "a-00.tar")]))
    assert remote.beside(chained, INDEX_NAME) is None
    assert remote.beside("https://host/a.tar?signature=b/c", INDEX_NAME) is None
    assert remote.file_name("https://host/a.tar?signature=b/c") == "a.tar"
    assert remote.beside("s3://bucket/x/a.tar", INDEX_NAME) == "s3://bucket/x/index.parquet"


@pytest.mark.parametrize(
    ("pattern", "cause"),
    [
        ("memory://set/z*.tar", "no shard matches"),
        ("memory://set/z.tar", "no such file"),
        ("memory://set/a-{00..02}.tar", "no such file"),
        ("nosuch://set/a.tar", "cannot be reached"),
        ("pipe:cat memory://set/a-00.tar", "never read through a command"),
        ("simplecache::pipe:cat a.tar", "never read through a command"),
    ],
)
def test_what_is_not_there_is_always_an_error(memory: object, pattern: str, cause: str) -> None:
    with pytest.raises(DataError, match=cause):
        Listing.of([pattern])


def test_a_shard_that_changes_is_listed_anew(memory: Any, local: Path) -> None:
    address = "memory://set/a-00.tar"
    assert len(Listing.of([address])) == 6
    memory.pipe_file("/set/a-00.tar", (local / "a-01.tar").read_bytes())
    assert len(Listing.of([address])) == 4


def test_truncated_and_empty_remote_shards_are_damage(memory: Any, local: Path) -> None:
    whole = (local / "a-00.tar").read_bytes()
    memory.pipe_file("/set/a-00.tar", whole[: len(whole) // 2])
    memory.pipe_file("/set/a-01.tar", b"")
    listing = Listing.of(["memory://set/a-*.tar"])
    assert 0 < len(listing) < 6
    assert {address.partition(".tar")[0] for address in listing.damage} == {"memory:///set/a-00", "memory:///set/a-01"}


class Flaky:
    """Fails some times before it works."""

    def __init__(self, function: Any, failures: int, error: Exception) -> None:
        self.function, self.left, self.error, self.calls = function, failures, error, 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise self.error
        return self.function(*args, **kwargs)


@pytest.mark.parametrize("error", [OSError("connection reset"), RuntimeError("connection reset"), TimeoutError()])
def test_a_failed_request_is_made_again(memory: Any, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    listing = Listing.of(["memory://set/a-00.tar"])
    data = listing.read(0)
    flaky = Flaky(memory.cat_file, 2, error)
    monkeypatch.setattr(type(memory), "cat_file", staticmethod(flaky))
    assert listing.read(0) == data
    assert flaky.calls == 3
    flaky.left = 9
    cause = str(error) or "TimeoutError"
    with pytest.raises(DataError, match=rf"memory:///set/a-00\.tar: cannot be read, 3 attempts failed: {cause}"):
        listing.read(0)
    assert flaky.calls == 6


def test_what_is_gone_is_not_asked_for_again(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = Listing.of(["memory://set/a-00.tar"])
    flaky = Flaky(memory.cat_file, 9, FileNotFoundError("/set/a-00.tar"))
    monkeypatch.setattr(type(memory), "cat_file", staticmethod(flaky))
    with pytest.raises(DataError, match=r"memory:///set/a-00\.tar: cannot be read: no such file"):
        listing.read(0)
    assert flaky.calls == 1


def test_a_read_that_comes_back_short_is_named(memory: Any) -> None:
    listing = Listing.of(["memory://set/a-00.tar"])
    image = listing[0].image
    assert isinstance(image, Member)
    memory.pipe_file("/set/a-00.tar", bytes(image.offset + 5))
    with pytest.raises(DataError, match=f"5 of {image.size} bytes are left"):
        listing.read(0)
    assert read_bytes(Member("memory://set/gone.tar", "empty.jpg", 512, 0)) == b""  # nothing is asked for


def test_a_listing_takes_only_ranges(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = Listing.of(["memory://set/a-00.tar"])
    asked: list[tuple[int, int]] = []
    read = memory.cat_file

    def watched(path: str, start: int, end: int) -> Any:
        asked.append((start, end))
        return read(path, start=start, end=end)

    monkeypatch.setattr(type(memory), "cat_file", staticmethod(watched))
    listing.read(1)
    image = listing[1].image
    assert isinstance(image, Member)
    assert asked == [(image.offset, image.offset + image.size)]


def test_the_index_beside_remote_shards_is_used(tmp_path: Path, memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    from contrafake.data.pack import pack
    from contrafake.data.sources import open_data

    pack(open_data([str(tmp_path / "set" / "*.tar")]), tmp_path / "packed")
    for path in tmp_path.joinpath("packed").glob("*.*"):
        memory.pipe_file(f"/set/packed/{path.name}", path.read_bytes())
    expected = plain(Listing.of([str(tmp_path / "packed" / "*.tar")], cache=False))
    monkeypatch.setattr(lister, "list_tar", None)
    assert plain(Listing.of(["memory://set/packed/*.tar"])) == expected
    assert plain(Listing.of([f"file://{tmp_path}/packed/*.tar"])) == expected
    monkeypatch.setattr(indexes, "scan_tar", None)
    assert plain(Listing.of(["memory://set/packed/*.tar"])) == expected  # from the cache


def test_fingerprints(local: Path, memory: object) -> None:
    import hashlib

    [first, *_] = found = Listing.of([str(local / "*.tar")]).fingerprints(sha256=True)
    content = (local / "a-00.tar").read_bytes()
    assert first == {"name": "a-00.tar", "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert len(found) == 3
    assert Listing.of([str(local / "a-00.tar")]).fingerprints() == [{"name": "a-00.tar", "bytes": len(content)}]
    [far] = Listing.of(["memory://set/a-00.tar"]).fingerprints(sha256=True)
    assert (far["name"], far["bytes"], set(far)) == ("a-00.tar", len(content), {"name", "bytes", "version"})


def test_libraries_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "fsspec.core", None)
        with pytest.raises(MissingExtraError, match=r"s3://bucket/a\.tar.*fsspec"):
            Listing.of(["s3://bucket/a.tar"])
    importlib.import_module("fsspec.core")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "s3fs", None)
        with pytest.raises(MissingExtraError, match=r"s3://bucket/a\.tar: .*s3fs"):
            Listing.of(["s3://bucket/a.tar"])


def test_local_paths_need_no_fsspec(local: Path) -> None:
    import subprocess

    code = (
        "import sys; sys.modules['fsspec'] = None\n"
        "from contrafake.data import Listing\n"
        "listing = Listing.of([sys.argv[1]]); print(len(listing), len(listing.read(0)) > 100)"
    )
    done = subprocess.run([sys.executable, "-c", code, local / "a-00.tar"], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["6", "True"], done.stderr
