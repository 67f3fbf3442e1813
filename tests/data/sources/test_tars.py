"""Shards as a source: splits by name, keys over several shards, and what is skipped."""

from __future__ import annotations

import csv
import json
import os
import tarfile
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import write_lone_shard, write_paired_shard
from hypothesis import given
from hypothesis import strategies as st

from contrafake.data import Member, Record, Sample, ShardWriter, seen
from contrafake.data.location import read_bytes
from contrafake.data.seen import Seen
from contrafake.data.sources import open_data, open_source
from contrafake.data.sources.tars import Shards
from contrafake.errors import DataError
from contrafake.images import read

if TYPE_CHECKING:
    from contrafake.data.sources import Item


def shard(path: Path, *keys: str, label: str = "real", split: str = "") -> Path:
    """A shard of lone samples with a few bytes for an image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {"label": label, "origin": "phone", "source": "album", **({"split": split} if split else {})}
    with ShardWriter(path) as writer:
        for key in keys:
            writer.write(key, {"jpg": key.encode(), "json": json.dumps(facts).encode()})
    return path


def splits(source: Shards) -> dict[str, str]:
    return {item.key: (item.real if isinstance(item, Record) else item).split for item in source}


def test_a_folder_of_both_forms(tmp_path: Path) -> None:
    write_lone_shard(tmp_path / "train-0000.tar", 3, 1)
    write_paired_shard(tmp_path / "train-0001.tar", 2, 2)
    (tmp_path / "notes.txt").write_text("not a shard")
    source = open_source(tmp_path)
    assert source.layout == "shards"
    items = list(source)
    assert sum(isinstance(item, Record) for item in items) == 2
    assert (source.census.records, source.census.of_class(0), source.census.of_class(1)) == (2, 3 + 2, 3 + 4)
    record = next(item for item in items if isinstance(item, Record))
    assert record.caption == "scene 0"
    assert [s.split for s in record.samples] == ["train"] * 3
    assert read(read_bytes(record.real.image)).pixels.shape == (72, 72, 3)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train-0000.tar", "train"),
        ("VAL_1.tar", "val"),
        ("validation.0.tar", "val"),
        ("valid-0.tar", "val"),
        ("test-0.tar", "test"),
        ("training-0.tar", "train"),
        ("trainer-0.tar", ""),
        ("a-train-0.tar", ""),
        ("test.tar", "test"),
    ],
)
def test_the_split_by_the_name(tmp_path: Path, name: str, split: str) -> None:
    shard(tmp_path / name, "a")
    assert splits(Shards(tmp_path / name)) == {"a": split}


def test_what_the_samples_say_of_their_split_counts_more(tmp_path: Path) -> None:
    shard(tmp_path / "train-0.tar", "a", split="test")
    write_paired_shard(tmp_path / "val-0.tar", 1, 0)  # its key says train
    assert splits(Shards(tmp_path)) == {"a": "test", "tiny__train__0000": "train"}


def test_patterns_and_names_that_look_like_patterns(tmp_path: Path) -> None:
    for name in ("a-0.tar", "a-1.tar", "b-0.tar", "c[1].tar"):
        shard(tmp_path / name, name)
    assert set(splits(Shards(tmp_path / "a-*.tar"))) == {"a-0.tar", "a-1.tar"}
    assert set(splits(Shards(tmp_path / "c[1].tar"))) == {"c[1].tar"}
    shard(tmp_path / "set[1]" / "x-0.tar", "x")
    assert set(splits(Shards(tmp_path / "set[1]"))) == {"x"}
    with pytest.raises(DataError, match="no shard matches"):
        list(Shards(tmp_path / "z-*.tar"))


def test_one_key_in_two_shards_is_refused_and_both_are_named(tmp_path: Path) -> None:
    shard(tmp_path / "a-0.tar", "x", "y")
    shard(tmp_path / "a-1.tar", "z")
    shard(tmp_path / "a-2.tar", "w", "y")
    with pytest.raises(DataError) as caught:
        list(Shards(tmp_path))
    assert str(caught.value) == f"{tmp_path / 'a-2.tar'}: y: the key stands in {tmp_path / 'a-0.tar'} as well"


def test_a_lone_sample_and_a_record_share_the_same_keys(tmp_path: Path) -> None:
    write_paired_shard(tmp_path / "a-0.tar", 1, 0)
    shard(tmp_path / "a-1.tar", "tiny__train__0000")
    with pytest.raises(DataError, match="stands in"):
        list(Shards(tmp_path))


def test_two_keys_of_one_hash_are_two_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Seen, "add", lambda *_: False)
    shard(tmp_path / "a-0.tar", "x")
    shard(tmp_path / "a-1.tar", "y")
    assert set(splits(Shards(tmp_path))) == {"x", "y"}


def test_what_has_no_label_or_image_is_named(tmp_path: Path) -> None:
    members = {"a.jpg": b"1", "b.json": b"{}", "c.jpg": b"1", "c.json": b'{"label": "fake"}', "d.real.jpg": b"1"}
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, BytesIO(data))
    source = Shards(tmp_path / "x.tar")
    items: list[Item] = list(source)
    assert [item.key for item in items] == ["c"]
    assert source.census.skipped == {
        "no readable .json beside the image": 1,
        "no image": 1,
        "a paired record needs real.* and at least one gen_*.*": 1,
    }
    assert source.census.examples["no image"] == [f"{tmp_path / 'x.tar'}: b"]


def test_a_cut_shard_is_refused(tmp_path: Path) -> None:
    path = write_lone_shard(tmp_path / "a.tar", 2, 0)
    path.write_bytes(path.read_bytes()[:-12_000])
    with pytest.raises(DataError, match=r"a\.tar"):
        list(Shards(path))


def test_one_class_alone_is_no_error(tmp_path: Path) -> None:
    assert len(list(Shards(shard(tmp_path / "a.tar", "x", label="fake")))) == 1


def test_origins_lie_beside_the_shards(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.tar", "x")
    (tmp_path / "origins.csv").write_text("label,origin,family\nfake,new,strange\n", encoding="utf-8")
    for root in (path, tmp_path, tmp_path / "*.tar"):
        assert Shards(root).origins.get(1, "new").family == "strange"
    assert Shards(tmp_path / "none" / "*.tar").origins.get(1, "new").family == "new"


def test_the_set_is_listed_shard_by_shard(tmp_path: Path) -> None:
    shard(tmp_path / "a-0.tar", "x")
    (tmp_path / "a-1.tar").write_bytes(b"broken")
    items = iter(Shards(tmp_path))
    first = next(items)
    assert isinstance(first, Sample)
    assert first.key == "x"
    with pytest.raises(DataError):
        next(items)


@given(st.lists(st.text(max_size=3), max_size=60))
def test_seen_is_a_set(names: list[str]) -> None:
    plain: set[str] = set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seen, "_AT_ONCE", 4)  # so that the sorted part is used
        found = Seen()
        for name in names:
            assert found.add(name) is (name not in plain)
            plain.add(name)
            assert len(found) == len(plain)


def test_seen_takes_names_that_are_no_text() -> None:
    found = Seen()
    assert found.add("a\udcff")
    assert not found.add("a\udcff")
    assert found.add("a\udcfe")


@pytest.mark.corpus
@pytest.mark.skipif(
    not Path(os.environ.get("CONTRAFAKE_DATA", "/none"), "corpus").is_dir(),
    reason="${CONTRAFAKE_DATA}/corpus is not there",
)
def test_the_corpus_is_listed_as_its_manifest_says() -> None:
    folder = Path(os.environ["CONTRAFAKE_DATA"], "corpus")
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] in {"val", "test"}]
    source = open_data([str(folder / "val-*.tar"), str(folder / "test-*.tar")])
    listed = {s.key.partition("/")[2]: s for s in source if isinstance(s, Sample)}
    assert len(listed) == len(rows) > 1_000
    for row in rows:
        sample = listed[row["key"]]
        assert (sample.split, sample.label, sample.origin) == (row["split"], int(row["label"] != "real"), row["origin"])
        assert isinstance(sample.image, Member)
        assert (sample.source, sample.image.size) == (row["source"], int(row["bytes"]))
    assert not source.census.skipped
