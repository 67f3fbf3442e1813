"""Former listings: used while the shard is the same, made anew when it is not, and never in the way."""

from __future__ import annotations

import os
import tarfile
from io import BytesIO
from pathlib import Path

import pytest
from conftest import write_lone_shard, write_paired_shard

from contrafake.data import Listing
from contrafake.data.listing import lister
from contrafake.data.listing.cache import cache_folder
from contrafake.data.listing.shard import list_tar
from contrafake.errors import DataError


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "contrafake" / "listings"


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the shards whose headers were read."""
    scanned: list[str] = []
    scan = list_tar

    def watched(shard: str) -> object:
        scanned.append(Path(shard).name)
        return scan(shard)

    monkeypatch.setattr(lister, "list_tar", watched)
    return scanned


def described(listing: Listing) -> object:
    return list(listing), listing.record.tolist(), listing.damage, list(listing.groups), listing.origins


def test_a_shard_is_listed_once(tmp_path: Path, scans: list[str]) -> None:
    write_lone_shard(tmp_path / "a.tar", 2, 1)
    write_paired_shard(tmp_path / "b.tar", 2, 2)
    with tarfile.open(tmp_path / "c.tar", "w") as file:
        for name in ("ü\udcff.jpg", "y.xyz"):
            file.addfile(tarfile.TarInfo(name), BytesIO())
    patterns = [str(tmp_path / "*.tar")]
    first = Listing.of(patterns)
    assert scans == ["a.tar", "b.tar", "c.tar"]
    assert len(first.damage) == 2
    assert described(Listing.of(patterns)) == described(first)
    assert described(Listing.of([f"{tmp_path}/../{tmp_path.name}/?.tar"])) != described(first)  # as it was called now
    assert scans == ["a.tar", "b.tar", "c.tar"]
    assert described(Listing.of(patterns, cache=False)) == described(first)
    assert len(scans) == 6
    with pytest.raises(DataError, match=r"c\.tar"):
        Listing.of(patterns, strict=True)


def test_without_the_cache_nothing_is_kept(tmp_path: Path, own_cache: Path) -> None:
    write_lone_shard(tmp_path / "a.tar", 2, 1)
    assert len(Listing.of([str(tmp_path / "a.tar")], cache=False)) == 4
    assert not own_cache.exists()


def test_strictness_stops_at_the_first_shard_with_damage(tmp_path: Path, scans: list[str]) -> None:
    for name in ("a", "c"):
        write_lone_shard(tmp_path / f"{name}.tar", 1, ord(name))
    (tmp_path / "b.tar").write_bytes(b"nonsense")
    with pytest.raises(DataError, match=r"b\.tar"):
        Listing.of([str(tmp_path / "*.tar")], strict=True)
    assert scans == ["a.tar", "b.tar"]


def test_another_size_or_time_makes_it_stale(tmp_path: Path, scans: list[str]) -> None:
    path = write_lone_shard(tmp_path / "a.tar", 2, 1)
    Listing.of([str(path)])
    status = path.stat()
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"fake"', b'"real"'))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert Listing.of([str(path)]).label.tolist() == [0] * 4
    path.write_bytes(content + bytes(512))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert Listing.of([str(path)]).label.tolist() == [0, 1] * 2
    assert len(scans) == 3
    assert len(Listing.of([str(path)])) == 4
    assert len(scans) == 3


def test_a_damaged_cache_is_ignored_and_written_anew(tmp_path: Path, scans: list[str], own_cache: Path) -> None:
    path = write_lone_shard(tmp_path / "a.tar", 2, 1)
    listing = Listing.of([str(path)])
    [kept] = own_cache.iterdir()
    whole = kept.read_bytes()
    flipped = bytearray(whole)
    flipped[whole.index(b"phone-1-1.jpg")] ^= 1
    for count, content in enumerate((b"", b"nonsense", whole[:-30], whole[: len(whole) // 2], bytes(flipped)), 2):
        kept.write_bytes(content)
        assert described(Listing.of([str(path)])) == described(listing)
        assert len(scans) == count
        assert described(Listing.of([str(path)])) == described(listing)
        assert len(scans) == count
    assert [file.name for file in own_cache.iterdir()] == [kept.name]


def test_nothing_is_unpickled_from_the_cache(tmp_path: Path, scans: list[str], own_cache: Path) -> None:
    import numpy as np

    path = write_lone_shard(tmp_path / "a.tar", 1, 1)
    Listing.of([str(path)])
    [kept] = own_cache.iterdir()
    with np.load(kept) as file:
        arrays = dict(file)
    np.savez(kept, **{**arrays, "rows": np.array([print], object)})
    assert len(Listing.of([str(path)])) == 2
    assert len(scans) == 2


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_lone_shard(tmp_path / "a.tar", 1, 1)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(Listing.of([str(path)])) == 2
    assert (tmp_path / "file").read_bytes() == b""


def test_where_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    monkeypatch.setenv("XDG_CACHE_HOME", "/else")
    assert cache_folder() == Path("/else/contrafake/listings")
    for unset in ("", "relative"):  # the specification says to ignore a relative one
        monkeypatch.setenv("XDG_CACHE_HOME", unset)
        assert cache_folder() == Path("/somewhere/.cache/contrafake/listings")
