"""Shards: what is read, what is skipped and said so, what is refused; and that WebDataset agrees."""

from __future__ import annotations

import json
import os
import pickle
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from conftest import write_lone_shard, write_paired_shard
from hypothesis import given, settings
from hypothesis import strategies as st

from contrafake.data import Member, ShardSet, ShardWriter
from contrafake.data.shards import escape_key, expand_patterns, unescape_key
from contrafake.errors import DataError

REAL = b'{"label": "real", "origin": "phone", "source": "s", "group": "g", "note": 1}'


def raw_tar(path: Path, members: list[tuple[str, bytes]]) -> Path:
    """A tar file written by the standard library, names as given."""
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, BytesIO(data))
    return path


def listed(path: Path, members: list[tuple[str, bytes]]) -> ShardSet:
    return ShardSet([str(raw_tar(path, members))])


# --- keys -----------------------------------------------------------------------------------------------------------


def test_a_key_ends_at_the_first_dot(tmp_path: Path) -> None:
    members = [("a.real.jpg", b"r"), ("a.gen_0.jpg", b"g"), ("folder.x/b.jpg", b"b"), ("folder.x/b.json", REAL)]
    shards = listed(tmp_path / "x.tar", members)
    assert [record.key for record in shards.records] == ["a"]
    assert [sample.key for sample in shards.samples] == ["folder.x/b"]


@pytest.mark.parametrize(
    ("key", "escaped"),
    [
        ("plain-1__x", "plain-1__x"),
        ("a.b", "a%2Eb"),
        ("a/b", "a%2Fb"),
        ("100%", "100%25"),
        ("%2E", "%252E"),
        ("a\0b", "a%00b"),
        ("..", "%2E%2E"),
    ],
)
def test_escapes_by_hand(key: str, escaped: str) -> None:
    assert escape_key(key) == escaped
    assert unescape_key(escaped) == key


@given(st.text())
def test_escaping_is_reversible_and_leaves_no_dot_or_folder(key: str) -> None:
    escaped = escape_key(key)
    assert unescape_key(escaped) == key
    assert not set(escaped) & set("./\0")


@settings(max_examples=40, deadline=None)
@given(keys=st.lists(st.text(min_size=1, max_size=150), min_size=1, max_size=4, unique=True))
def test_any_key_comes_back_from_a_written_shard(tmp_path_factory: pytest.TempPathFactory, keys: list[str]) -> None:
    path = tmp_path_factory.mktemp("keys") / "x.tar"
    with ShardWriter(path) as shard:
        for position, key in enumerate(keys):
            shard.write(key, {"jpg": bytes([position]), "json": REAL})
    shards = ShardSet([str(path)])
    assert {sample.key: shards.read(sample.image) for sample in shards.samples} == {
        key: bytes([position]) for position, key in enumerate(keys)
    }


# --- lone samples ---------------------------------------------------------------------------------------------------


def test_a_lone_sample_with_all_its_facts(tmp_path: Path) -> None:
    shards = listed(tmp_path / "x.tar", [("a.JPG", b"pixels"), ("a.json", REAL), ("a.txt", b"ignored")])
    [sample] = shards.samples
    assert (sample.key, sample.label, sample.origin, sample.source, sample.group) == ("a", 0, "phone", "s", "g")
    assert sample.metadata["note"] == 1
    assert shards.read(sample.image) == b"pixels"
    assert not shards.skipped
    assert not shards.records


def test_facts_that_are_missing_or_null_are_empty(tmp_path: Path) -> None:
    [sample] = listed(tmp_path / "x.tar", [("a.png", b""), ("a.json", b'{"label": 1, "origin": null}')]).samples
    assert (sample.label, sample.origin, sample.source, sample.group) == (1, "", "", "")


@pytest.mark.parametrize("wrong", ['{"a": 1}', '["train"]', "true", "null"])
def test_facts_that_are_no_text_are_none(tmp_path: Path, wrong: str) -> None:
    facts = ", ".join(f'"{name}": {wrong}' for name in ("origin", "source", "group", "split"))
    members = [("a.png", b""), ("a.json", f'{{"label": 0, {facts}}}'.encode())]
    members += [("b.png", b""), ("b.json", f'{{"label": {wrong}}}'.encode())]
    origins = f'{{"origins": {{"real": {wrong}}}, "sources": {wrong}, {facts}}}'
    members += [("d3__val__1.real.png", b""), ("d3__val__1.gen_0.png", b""), ("d3__val__1.json", origins.encode())]
    shards = listed(tmp_path / "x.tar", members)
    [sample], [record] = shards.samples, shards.records
    assert (sample.origin, sample.source, sample.group, sample.split) == ("", "", "", "")
    assert shards.skipped == {"b": "its .json has no label"}
    real = record.real  # its key says what the facts do not
    assert (real.origin, real.source, real.group, real.split) == ("d3", "d3", "d3__val__1", "val")


def test_numbers_count_as_text(tmp_path: Path) -> None:
    facts = b'{"label": 1, "origin": 7, "source": 1.5, "group": 0, "split": "train"}'
    [sample] = listed(tmp_path / "x.tar", [("a.png", b""), ("a.json", facts)]).samples
    assert (sample.label, sample.origin, sample.source, sample.group) == (1, "7", "1.5", "0")


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([("a.json", REAL)], "no image"),
        ([("a.txt", b"x")], "no image"),
        ([("a.jpg", b"x"), ("a.png", b"y"), ("a.json", REAL)], "2 images"),
        ([("a.jpg", b"x")], "no readable .json"),
        ([("a.jpg", b"x"), ("a.json", b"{")], "no readable .json"),
        ([("a.jpg", b"x"), ("a.json", b"\xff\xfe\xff")], "no readable .json"),
        ([("a.jpg", b"x"), ("a.json", b"[1]")], "no readable .json"),
        ([("a.jpg", b"x"), ("a.json", b"[" * 100_000)], "no readable .json"),
        ([("a.jpg", b"x"), ("a.json", b"{}")], "no label"),
        ([("a.jpg", b"x"), ("a.json", b'{"label": null}')], "no label"),
        ([("a.real.jpg", b"x")], "paired record"),
        ([("a.gen_0.jpg", b"x"), ("a.gen_1.jpg", b"x")], "paired record"),
        ([("a.real.txt", b"x"), ("a.gen_0.jpg", b"x")], "paired record"),
        ([("a.real.jpg", b"x"), ("a.real.png", b"y"), ("a.gen_0.jpg", b"x")], "several images are called real"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_reason(
    tmp_path: Path, members: list[tuple[str, bytes]], reason: str
) -> None:
    good = [("good.jpg", b"x"), ("good.json", REAL)]
    shards = listed(tmp_path / "x.tar", [*members, *good])
    assert list(shards.skipped) == ["a"]
    assert reason in shards.skipped["a"]
    assert [sample.key for sample in shards.samples] == ["good"]


def test_an_unknown_label_stops_the_listing_and_names_the_sample(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"x\.tar: a: unknown label 'maybe'"):
        listed(tmp_path / "x.tar", [("a.jpg", b"x"), ("a.json", b'{"label": "maybe"}')])


class Bomb:
    """Leaves a trace when unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (self.path,)


def test_pickled_members_are_never_loaded(tmp_path: Path) -> None:
    bomb = pickle.dumps(Bomb(str(tmp_path / "exploded")))
    suffixes = ("pyd", "pickle", "pkl", "pth", "npy", "cls")
    dangerous = [(f"a.{suffix}", bomb) for suffix in suffixes]
    shards = listed(tmp_path / "x.tar", [("a.jpg", b"x"), ("a.json", REAL), *dangerous])
    assert [sample.key for sample in shards.samples] == ["a"]
    assert not (tmp_path / "exploded").exists()


# --- paired records -------------------------------------------------------------------------------------------------


def test_a_paired_record(tmp_path: Path) -> None:
    names = ["gen_10.jpg", "gen_2.png", "real.webp", "gen_0.jpg"]
    members = [(f"d3__train__7.{name}", name.encode()) for name in names]
    members += [("d3__train__7.caption.txt", "ein Käfer".encode()), ("d3__train__7.url.txt", b"http://x")]
    shards = listed(tmp_path / "x.tar", members)
    [record] = shards.records
    assert (record.key, record.caption) == ("d3__train__7", "ein Käfer")
    assert [sample.origin for sample in record.generated] == ["gen_0", "gen_2", "gen_10"]
    assert [shards.read(sample.image) for sample in record.generated] == [b"gen_0.jpg", b"gen_2.png", b"gen_10.jpg"]
    assert shards.read(record.real.image) == b"real.webp"
    assert (record.real.label, record.real.origin, record.real.source) == (0, "d3", "d3")
    assert {sample.label for sample in record.generated} == {1}
    assert {sample.group for sample in (record.real, *record.generated)} == {"d3__train__7"}
    assert len({sample.key for sample in (record.real, *record.generated)}) == 4


def test_a_record_without_caption(tmp_path: Path) -> None:
    [record] = listed(tmp_path / "x.tar", [("a.real.jpg", b"x"), ("a.gen_0.jpg", b"y")]).records
    assert record.caption == ""


# --- files ----------------------------------------------------------------------------------------------------------


def test_a_truncated_shard_is_named_wherever_it_was_cut(tmp_path: Path) -> None:
    whole = write_lone_shard(tmp_path / "whole.tar", 2, 0)
    with tarfile.open(whole) as tar:
        last = tar.getmembers()[-1]
        first_data = tar.getmembers()[0]
    content = whole.read_bytes()
    end = last.offset_data + 512
    cuts = {
        "inside the first header": 100,
        "inside an image": first_data.offset_data + 10,
        "after a header": last.offset_data,
        "inside a header": last.offset + 100,
        "between two members": last.offset,
        "before the end mark": end,
    }
    for where, length in cuts.items():
        cut = tmp_path / "cut.tar"
        cut.write_bytes(content[:length])
        with pytest.raises(DataError) as caught:
            ShardSet([str(cut)])
        assert str(cut) in caught.value.subject, where


def test_a_damaged_header_in_the_middle_is_not_taken_for_the_end(tmp_path: Path) -> None:
    path = write_lone_shard(tmp_path / "x.tar", 2, 0)
    with tarfile.open(path) as tar:
        middle = tar.getmembers()[4].offset
    content = bytearray(path.read_bytes())
    content[middle + 150] ^= 0xFF  # inside the header's checksum
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"damaged at byte {middle}"):
        ShardSet([str(path)])


@pytest.mark.parametrize("content", [b"", b"no tar at all", b"\x1f\x8b" + bytes(600)])
def test_what_is_no_tar_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.tar: not a readable tar file"):
        ShardSet([str(path)])


def test_an_empty_shard_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the shard is empty"):
        listed(tmp_path / "x.tar", [])


def test_a_key_in_two_shards_is_refused_and_both_are_named(tmp_path: Path) -> None:
    members = [("a.jpg", b"x"), ("a.json", REAL)]
    shards = [str(raw_tar(tmp_path / name, members)) for name in ("one.tar", "two.tar")]
    with pytest.raises(DataError, match=r"two\.tar: a: the key stands in .*one\.tar"):
        ShardSet(shards)


def test_one_member_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.jpg: this member stands there twice"):
        listed(tmp_path / "x.tar", [("a.jpg", b"x"), ("a.json", REAL), ("a.jpg", b"y")])


def test_keys_that_differ_only_before_unescaping_are_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="twice"):
        listed(tmp_path / "x.tar", [("a/b.jpg", b"x"), ("a%2Fb.jpg", b"y")])


def test_folders_links_and_hidden_files_are_no_samples(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as tar:
        for name, kind in (("d", tarfile.DIRTYPE), ("link.jpg", tarfile.SYMTYPE), ("hard.jpg", tarfile.LNKTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        for name in (".hidden", "nodot", "a.jpg"):
            info = tarfile.TarInfo(name)
            info.size = 1
            tar.addfile(info, BytesIO(b"x"))
    shards = ShardSet([str(path)])
    assert list(shards.skipped) == ["a"]


def test_no_command_is_ever_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="never read through a command"):
        ShardSet([f"pipe:touch {tmp_path / 'ran'}"])
    assert not (tmp_path / "ran").exists()


def test_patterns(tmp_path: Path) -> None:
    for name in ("b-1.tar", "b-0.tar", "c[0].tar"):
        (tmp_path / name).touch()
    found = expand_patterns([str(tmp_path / "b-*.tar"), str(tmp_path / "b-0.tar"), str(tmp_path / "c[0].tar")])
    assert found == [str(tmp_path / name) for name in ("b-0.tar", "b-1.tar", "c[0].tar")]
    with pytest.raises(DataError, match="no shard matches"):
        expand_patterns([str(tmp_path / "d-*.tar")])


def test_a_shard_that_shrinks_or_goes_away_after_the_listing_is_named(tmp_path: Path) -> None:
    path = write_lone_shard(tmp_path / "x.tar", 1, 0)
    shards = ShardSet([str(path)])
    image = shards.samples[0].image
    assert isinstance(image, Member)
    os.truncate(path, image.offset + 3)
    with pytest.raises(DataError, match=rf"{image.name}: 3 of {image.size} bytes are left"):
        shards.read(image)
    path.unlink()
    with pytest.raises(DataError, match=r"x\.tar: cannot be read"):
        shards.read(image)


def test_nothing_stays_open_between_two_reads(tmp_path: Path) -> None:
    shards = ShardSet([str(write_lone_shard(tmp_path / "x.tar", 1, 0))])
    opened = Path("/proc/self/fd")
    before = len(list(opened.iterdir()))
    data = shards.read(shards.samples[0].image)
    assert len(list(opened.iterdir())) == before
    assert shards.read(shards.samples[0].image) == data


# --- writing --------------------------------------------------------------------------------------------------------


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    one, other = (write_paired_shard(tmp_path / name, 3, 5).read_bytes() for name in ("one.tar", "other.tar"))
    assert one == other


def test_an_exception_leaves_no_file(tmp_path: Path) -> None:
    def write_and_fail() -> None:
        with ShardWriter(tmp_path / "x.tar") as shard:
            shard.write("a", {"jpg": b"x", "json": REAL})
            assert not (tmp_path / "x.tar").exists()
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_and_fail()
    assert list(tmp_path.iterdir()) == []


def test_an_exception_keeps_the_older_shard(tmp_path: Path) -> None:
    path = write_lone_shard(tmp_path / "x.tar", 1, 0)
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="stop"), ShardWriter(path):
        raise RuntimeError("stop")
    assert [file.name for file in tmp_path.iterdir()] == ["x.tar"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("key", ["", "a"])
def test_empty_and_repeated_keys_are_not_written(tmp_path: Path, key: str) -> None:
    with ShardWriter(tmp_path / "x.tar") as shard:
        shard.write("a", {"jpg": b"x", "json": REAL})
        with pytest.raises(DataError, match="key"):
            shard.write(key, {"jpg": b"y", "json": REAL})
    shards = ShardSet([str(tmp_path / "x.tar")])
    assert [shards.read(sample.image) for sample in shards.samples] == [b"x"]


# --- the WebDataset library -----------------------------------------------------------------------------------------

LONG = "a photograph, " * 12


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the library leaves the file open
def test_webdataset_reads_what_we_write(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    written = {"a.b/c%": b"\xff\xd8one", "käfer": b"two", LONG: b"three"}
    with ShardWriter(tmp_path / "x.tar") as shard:
        for key, data in written.items():
            shard.write(key, {"jpg": data, "json": REAL})
    dataset = webdataset.WebDataset(str(tmp_path / "x.tar"), shardshuffle=False)
    found = {unescape_key(sample["__key__"]): sample for sample in dataset}
    assert {key: sample["jpg"] for key, sample in found.items()} == written
    assert all(json.loads(sample["json"])["label"] == "real" for sample in found.values())


def test_we_read_what_webdataset_writes(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    with webdataset.TarWriter(str(tmp_path / "x.tar"), encoder=False) as sink:
        sink.write({"__key__": "dir/a", "jpg": b"one", "json": REAL})
        sink.write({"__key__": "b", "real.jpg": b"two", "gen_0.jpg": b"three", "caption.txt": b"c"})
        sink.write({"__key__": LONG, "png": b"four", "json": REAL})
    shards = ShardSet([str(tmp_path / "x.tar")])
    assert {sample.key: shards.read(sample.image) for sample in shards.samples} == {"dir/a": b"one", LONG: b"four"}
    [record] = shards.records
    assert [shards.read(sample.image) for sample in (record.real, *record.generated)] == [b"two", b"three"]
    assert not shards.skipped
