"""Listings: the same images as `ShardSet`, in columns that stay small; damage named, and nothing else lost."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import write_lone_shard, write_paired_shard
from hypothesis import given, settings
from hypothesis import strategies as st
from listed_tars import GOOD, REAL, names, tar

from contrafake.data import Listing, Member, Sample, ShardSet, ShardWriter
from contrafake.data.listing import lister
from contrafake.data.listing.listing import silent
from contrafake.data.listing.names import Names
from contrafake.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """No test meets what stands in the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def by_objects(shards: list[str]) -> list[Sample]:
    """Every sample of a `ShardSet`, which keeps lone ones and records apart, by key."""
    found = ShardSet(shards)
    samples = [*found.samples, *(sample for record in found.records for sample in record.samples)]
    return sorted(samples, key=lambda sample: sample.key)


# --- what a listing holds -------------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
facts = st.fixed_dictionaries({"label": st.sampled_from(["real", "fake"])}, optional=dict.fromkeys(
    ("origin", "source", "group", "split"), texts
))  # fmt: skip
keys = st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=6, unique=True)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), keys=keys)
def test_the_same_samples_as_objects(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, keys: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("set")
    half = data.draw(st.integers(0, len(keys) - 1))
    for number, part in enumerate((keys[:half], keys[half:])):
        with ShardWriter(folder / f"{number}.tar") as shard:
            for key in part:
                if data.draw(st.booleans()):
                    shard.write(
                        key, {"JPG": key.encode("utf-8", "replace"), "json": json.dumps(data.draw(facts)).encode()}
                    )
                    continue
                members = {f"gen_{k}.png": b"g%d" % k for k in data.draw(st.sets(st.integers(0, 12), min_size=1))}
                members["real.webp"] = b"r"
                if data.draw(st.booleans()):
                    more = data.draw(facts) | {"origins": {"gen_0": data.draw(texts)}, "sources": {"real": "x"}}
                    members["json"] = json.dumps(more).encode()
                shard.write(key, members)
        if not part:
            (folder / f"{number}.tar").unlink()
    shards = [str(path) for path in folder.glob("*.tar")]
    listing = Listing.of([str(folder / "*.tar")])
    assert sorted(listing, key=lambda sample: sample.key) == by_objects(shards)
    assert listing.shards == sorted(shards)
    assert not listing.damage
    assert [listing.read(row) for row in range(len(listing))] == [ShardSet.read(s.image) for s in listing]


def test_columns_by_hand(tmp_path: Path) -> None:
    paired = [(f"d__val__7.{name}", name.encode()) for name in ("gen_10.jpg", "gen_2.jpg", "real.jpg", "caption.txt")]
    lone = [("b.jpg", b"b"), ("b.json", b'{"label": 1, "origin": "sd", "source": "t", "group": "h", "split": "val"}')]
    more = [("e__train__1.gen_0.jpg", b"0"), ("e__train__1.real.jpg", b"r"), ("a.png", b"a"), ("a.json", REAL)]
    shards = [tar(tmp_path / "one.tar", [*paired, *lone]), tar(tmp_path / "two.tar", more)]
    listing = Listing.of(reversed(shards))
    assert len(listing) == 7
    assert names(listing) == [
        "d__val__7.real", "d__val__7.gen_2", "d__val__7.gen_10", "b", "e__train__1.real", "e__train__1.gen_0", "a",
    ]  # fmt: skip
    assert listing.label.tolist() == [0, 1, 1, 1, 0, 1, 0]
    assert listing.shard.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert listing.record.tolist() == [0, 0, 0, -1, 1, 1, -1]
    assert [listing.origins[code] for code in listing.origin] == ["d", "gen_2", "gen_10", "sd", "e", "gen_0", "phone"]
    assert [listing.sources[code] for code in listing.source] == ["d", "d", "d", "t", "e", "e", "s"]
    groups = [listing.groups[code] for code in listing.group]
    assert groups == [*["d__val__7"] * 3, "h", *["e__train__1"] * 2, "g"]
    assert len(set(listing.groups)) == len(listing.groups) == 4
    assert [sample.split for sample in listing] == [*["val"] * 4, *["train"] * 2, ""]
    assert listing.read(2) == b"gen_10.jpg"
    assert listing[-1] == listing[6]
    image = listing[3].image
    assert isinstance(image, Member)
    assert (image.shard, image.name, image.size) == (shards[0], "b.jpg", 1)
    kinds = {name: getattr(listing, name).dtype for name in ("label", "origin", "source", "group", "shard", "record")}
    assert kinds == {
        "label": np.uint8, "origin": np.int32, "source": np.int32, "group": np.int32, "shard": np.int32,
        "record": np.int64,
    }  # fmt: skip
    with pytest.raises(IndexError):
        listing[7]


def test_rows(tmp_path: Path) -> None:
    listing = Listing.of([str(write_lone_shard(tmp_path / "x.tar", 6, 1))])
    samples = list(listing)
    for label in (None, 0, 1):
        for origin in (None, "gan", "phone", "nobody"):
            for source in (None, "source-1", "nowhere"):
                expected = [
                    row
                    for row, sample in enumerate(samples)
                    if label in (None, sample.label)
                    and origin in (None, sample.origin)
                    and source in (None, sample.source)
                ]
                assert listing.rows(label, origin, source).tolist() == expected
    assert listing.rows(origin=listing.origins.index("gan")).tolist() == listing.rows(origin="gan").tolist()
    assert listing.rows().dtype == np.int64


def test_it_can_be_sent_to_a_process_that_shares_nothing(tmp_path: Path) -> None:
    listing = Listing.of([str(write_paired_shard(tmp_path / "x.tar", 2, 1))])
    (tmp_path / "listing").write_bytes(pickle.dumps(listing))
    code = (
        "import pickle, sys\n"
        "listing = pickle.load(open(sys.argv[1], 'rb'))\n"
        "print([(s.key, s.label, len(listing.read(i))) for i, s in enumerate(listing)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "listing"], capture_output=True, text=True, check=True
    )
    assert eval(done.stdout) == [(s.key, s.label, len(listing.read(i))) for i, s in enumerate(listing)]  # noqa: S307


@given(st.lists(st.text(st.characters(), max_size=6) | st.just("\udcff")), st.data())
def test_names(words: list[str], data: st.DataObject) -> None:
    packed = Names.of(words)
    assert list(packed) == words
    assert packed[1:] == words[1:]
    places = data.draw(st.lists(st.integers(0, len(words) - 1))) if words else []
    assert list(packed.take(np.array(places, np.int64))) == [words[place] for place in places]
    cut = data.draw(st.integers(0, len(words)))
    assert list(Names.join([Names.of(words[:cut]), Names.of(words[cut:])])) == words


def test_memory_of_many_rows() -> None:
    """A million rows of synthetic shards, merged: bytes that are allocated, against the sum of the names."""
    code = """
import json, tracemalloc
import numpy as np
from contrafake.data.listing.listing import Listing
from contrafake.data.listing.merge import merge
from contrafake.data.listing.names import Names
from contrafake.data.listing.shard import ROW, ShardListing
tracemalloc.start()
parts, characters = [], 0
blob, ends = Names.of(f"0000-{row:08d}.jpg" for row in range(10_000)).arrays
group_blob, group_ends = Names.of(f"0000-{group:04d}" for group in range(2_000)).arrays
for number in range(100):
    rows = np.zeros(10_000, ROW)
    rows["unit"] = rows["offset"] = np.arange(10_000)
    rows["origin"] = np.arange(10_000) % 50
    rows["group"] = np.arange(10_000) // 5
    units = np.arange(10_000, dtype=np.uint64) + np.uint64(10_000 * number)
    hashes = np.arange(2_000, dtype=np.uint64) + np.uint64(2_000 * number)
    members, groups = Names(blob.copy(), ends.copy()), Names(group_blob.copy(), group_ends.copy())
    parts.append(ShardListing(rows, members, ["o"] * 50, ["s"], groups, [""], units, hashes, []))
    characters += blob.nbytes + group_blob.nbytes
names = [str(number) for number in range(100)]
listing = Listing(names, merge(names, parts))
del parts, rows, members, groups, units, hashes
held, peak = tracemalloc.get_traced_memory()
last = listing[765_432]
print(json.dumps([len(listing), held, peak, characters, listing.nbytes, last.image.shard, last.key, last.image.offset]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rows, held, peak, characters, said, *last = json.loads(done.stdout)
    assert (rows, last) == (1_000_000, ["76", "0000-00005432", 5432])
    assert (held - characters) / rows < 60
    assert peak / rows < 400
    assert said <= held < said + 3e6


# --- patterns -------------------------------------------------------------------------------------------------------


def test_patterns_that_match_nothing_and_pipes_are_refused(tmp_path: Path) -> None:
    for strict in (False, True):
        with pytest.raises(DataError, match="no shard matches"):
            Listing.of([str(tmp_path / "*.tar")], strict=strict)
        with pytest.raises(DataError, match="never read through a command"):
            Listing.of([f"pipe:touch {tmp_path / 'ran'}"], strict=strict)
    tar(tmp_path / "a-0.tar", GOOD)
    with pytest.raises(DataError, match=r"a-1\.tar: no shard matches"):
        Listing.of([str(tmp_path / "a-{0..1}.tar")])
    assert not (tmp_path / "ran").exists()


def test_brace_ranges_count_up(tmp_path: Path) -> None:
    for number in range(8, 12):
        tar(tmp_path / f"a-{number:03d}.tar", [(f"{number}.jpg", b"x"), (f"{number}.json", REAL)])
    assert names(Listing.of([str(tmp_path / "a-{009..010}.tar")])) == ["9", "10"]
    with pytest.raises(DataError, match="count up"):
        Listing.of([str(tmp_path / "a-{010..009}.tar")])
    with pytest.raises(DataError, match="names"):
        Listing.of([str(tmp_path / "a-{0..999999999}.tar")])
    (tmp_path / "a-008.tar").rename(tmp_path / "{1..2}.tar")
    assert names(Listing.of([str(tmp_path / "{1..2}.tar")])) == ["8"]  # a file's own name


def test_progress_counts_shards(tmp_path: Path) -> None:
    for number in range(3):
        tar(tmp_path / f"{number}.tar", [(f"{number}.jpg", b"x"), (f"{number}.json", REAL)])
    told: list[tuple[int, int]] = []
    Listing.of([str(tmp_path / "*.tar")], report=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_several_processes_list_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        write_lone_shard(tmp_path / f"{number}.tar", 1, number)
    (tmp_path / "2.tar").write_bytes(b"")
    alone = Listing.of([str(tmp_path / "*.tar")], cache=False)
    monkeypatch.setattr(lister, "_ALONE", 0.0)
    monkeypatch.setattr(lister, "default_workers", lambda: 2)
    together = Listing.of([str(tmp_path / "*.tar")], cache=False, report=silent)
    assert list(alone) == list(together)
    assert alone.damage == together.damage
