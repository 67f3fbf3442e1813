"""Damaged shards: what is wrong is named, nothing else is lost, and strictness stops at it."""

from __future__ import annotations

import json
import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import pytest
from conftest import write_lone_shard
from listed_tars import GOOD, REAL, listed, names, record, tar

from contrafake.data import Listing
from contrafake.errors import DataError


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """No test meets what stands in the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


FULL = record("r")


@pytest.mark.parametrize(
    ("members", "address", "cause"),
    [
        ([("a.json", REAL)], "a", "no image, only .json"),
        ([("a.caption.txt", b"words")], "a", "no image, only .caption.txt"),
        ([("a.xyz", b"x"), ("a.json", REAL)], "a", "no image, only .xyz, .json"),
        ([("a.jpg", b""), ("a.json", REAL)], "a.jpg", "the image is empty (0 bytes)"),
        ([("a.jpg", b"x"), ("a.png", b"y"), ("a.json", REAL)], "a", "2 images"),
        ([("a.jpg", b"x")], "a", "no readable .json beside the image"),
        ([("a.jpg", b"x"), ("a.json", b"{")], "a", "no readable .json beside the image"),
        ([("a.jpg", b"x"), ("a.json", b"[" * 100_000)], "a", "no readable .json beside the image"),
        ([("a.jpg", b"x"), ("a.json", b"{}")], "a", "its .json has no label"),
        ([("a.jpg", b"x"), ("a.json", b'{"label": "maybe"}')], "a", "unknown label 'maybe'"),
        ([("a.jpg", b"x"), ("a.json", b'{"label": "anomalous"}')], "a", "unknown label 'anomalous'"),
        ([("a.real.jpg", b"x")], "a", "a paired record needs real.* and at least one gen_*.*"),
        ([("a.gen_0.jpg", b"x"), ("a.gen_1.jpg", b"y")], "a", "a paired record needs"),
        ([("a.real.jpg", b""), ("a.gen_0.jpg", b"y")], "a", "a paired record needs"),
        ([("a.real.xyz", b"x"), ("a.gen_0.jpg", b"y")], "a", "a paired record needs"),
        ([("a.real.jpg", b"x"), ("a.gen_0.jpg", b"y"), ("a.json", b"{")], "a", "its .json cannot be read"),
        ([("a.real.jpg", b"x"), ("a.real.png", b"y"), ("a.gen_0.jpg", b"y")], "a", "several images are called real"),
        ([("good.jpg", b"again")], "good.jpg", "this member stands there twice"),
    ],
)
def test_damage_is_named_and_nothing_else_is_lost(
    tmp_path: Path, members: list[tuple[str, bytes]], address: str, cause: str
) -> None:
    path = tmp_path / "x.tar"
    listing = listed(path, [*GOOD, *members, *FULL])
    assert names(listing) == ["good", "r.real", "r.gen_0"]
    assert listing.read(0) == b"x"
    assert listing.damage[f"{path}: {address}"].startswith(cause)
    with pytest.raises(DataError, match=r"x\.tar: (a|good)"):
        Listing.of([str(path)], strict=True)


@pytest.mark.parametrize(
    ("wrong", "cause"),
    [(("a.gen_1.jpg", b""), "the image is empty"), (("a.gen_1.xyz", b"x"), "no image by its suffix .xyz")],
)
def test_a_record_loses_only_the_sibling_that_is_none(tmp_path: Path, wrong: tuple[str, bytes], cause: str) -> None:
    path = tmp_path / "x.tar"
    members = [("a.gen_0.jpg", b"0"), wrong, ("a.gen_2.jpg", b"2"), ("a.real.jpg", b"r")]
    listing = listed(path, [*members, ("a.gen_0.txt", b"a prompt"), ("a.mask.png", b"")])
    assert names(listing) == ["a.real", "a.gen_0", "a.gen_2"]
    [(address, said)] = listing.damage.items()
    assert address == f"{path}: {wrong[0]}"
    assert said.startswith(cause)


def test_a_shard_without_damage_may_be_listed_strictly(tmp_path: Path) -> None:
    assert names(listed(tmp_path / "x.tar", [*GOOD, *FULL], strict=True)) == ["good", "r.real", "r.gen_0"]


def test_a_truncated_shard_gives_what_stands_before_the_cut(tmp_path: Path) -> None:
    whole = write_lone_shard(tmp_path / "whole.tar", 3, 0)
    with tarfile.open(whole) as file:
        members = file.getmembers()
    content = whole.read_bytes()
    complete = names(Listing.of([str(whole)]))
    for member in members:
        # inside the header (where the library sees an end), inside the data, and before the next header
        for length in (member.offset + 100, member.offset_data + member.size // 2, member.offset_data + 512):
            path = tmp_path / f"cut-{length}.tar"
            path.write_bytes(content[:length])
            before = sum(other.offset_data + other.size <= length for other in members)
            listing = Listing.of([str(path)])
            assert names(listing) == complete[: before // 2], length
            told = [address for address in listing.damage if "at byte" in listing.damage[address]]
            told += [address for address in listing.damage if "not a readable tar" in listing.damage[address]]
            assert told[0].startswith(str(path)), length
            with pytest.raises(DataError, match=path.name):
                Listing.of([str(path)], strict=True)
    assert f"byte {members[2].offset_data + 5}" in _cut(tmp_path, content, members[2].offset_data + 5)
    assert f"byte {members[2].offset}" in _cut(tmp_path, content, members[2].offset + 5)


def _cut(folder: Path, content: bytes, length: int) -> str:
    path = folder / "cut.tar"
    path.write_bytes(content[:length])
    return " ".join(Listing.of([str(path)]).damage.values())


def test_a_record_cut_off_from_its_json_gets_no_wrong_origins(tmp_path: Path) -> None:
    facts = json.dumps({"origins": {"real": "phone", "gen_0": "sd"}}).encode()
    members = [(f"{key}.{name}", b"x" * 600) for key in "ab" for name in ("gen_0.jpg", "real.jpg")]
    members = [*members[:2], ("a.json", facts), *members[2:], ("b.json", facts)]
    path = Path(tar(tmp_path / "x.tar", members))
    with tarfile.open(path) as file:
        last = file.getmembers()[-1]
    for length in (last.offset, last.offset + 9, last.offset_data + 9):
        os.truncate(path, length)
        listing = Listing.of([str(path)])
        assert names(listing) == ["a.real", "a.gen_0"]
        assert set(listing.origins) == {"phone", "sd"}
        assert listing.damage[f"{path}: b"] == "its .json lies behind the end of the shard"
        path = Path(tar(tmp_path / "x.tar", members))


@pytest.mark.parametrize("content", [b"", b"no tar at all", b"\x1f\x8b" + bytes(600), bytes(1024)])
def test_what_is_no_tar_is_left_out_and_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    tar(tmp_path / "b.tar", GOOD)
    listing = Listing.of([str(tmp_path / "?.tar")])
    assert names(listing) == ["good"]
    assert listing.shard.tolist() == [1]
    assert list(listing.damage) == [str(tmp_path / "a.tar")]
    only = Listing.of([str(tmp_path / "a.tar")])
    assert (len(only), list(only), only.origins, only.rows(0).tolist()) == (0, [], [], [])


def test_of_a_key_in_several_shards_the_first_is_kept(tmp_path: Path) -> None:
    one = tar(tmp_path / "1.tar", [*GOOD, ("k.jpg", b"first"), ("k.json", REAL)])
    two = tar(
        tmp_path / "2.tar", [*FULL, ("k.real.jpg", b"r"), ("k.gen_0.jpg", b"g"), ("z.jpg", b"z"), ("z.json", REAL)]
    )
    three = tar(
        tmp_path / "3.tar", [("k.jpg", b"third"), ("k.json", REAL), ("q.real.jpg", b"r"), ("q.gen_0.jpg", b"g")]
    )
    listing = Listing.of([three, two, one])
    assert names(listing) == ["good", "k", "r.real", "r.gen_0", "z", "q.real", "q.gen_0"]
    assert listing.read(1) == b"first"
    assert listing.read(4) == b"z"
    assert listing.record.tolist() == [-1, -1, 0, 0, -1, 1, 1]
    cause = f"the key stands in {one} as well"
    assert listing.damage == {f"{two}: k": cause, f"{three}: k": cause}
    with pytest.raises(DataError, match=r"2\.tar: k: the key stands in .*1\.tar"):
        Listing.of([one, two, three], strict=True)


class Bomb:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (self.path,)


def test_pickled_members_are_never_loaded(tmp_path: Path) -> None:
    bomb = pickle.dumps(Bomb(str(tmp_path / "exploded")))
    dangerous = [(f"{key}.{kind}", bomb) for key in ("good", "b") for kind in ("pyd", "pickle", "pkl", "pth", "npy")]
    listing = listed(tmp_path / "x.tar", [*GOOD, *dangerous])
    assert names(listing) == ["good"]
    assert listing.read(0) == b"x"
    assert not (tmp_path / "exploded").exists()
    pickle.loads(bomb)  # noqa: S301 - our own
    assert (tmp_path / "exploded").exists()  # it would have gone off
