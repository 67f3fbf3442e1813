"""What `generate` built is read as records, whatever is missing, and every command of `data` takes it so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("pyarrow")

import pyarrow.parquet as pq
from built_example import picture, record_name, write_build, write_built, write_records

from contrafake.data import ShardSet
from contrafake.data.index import INDEX_NAME, read_index, rows_of, to_table
from contrafake.data.info import data_info
from contrafake.data.location import read_bytes
from contrafake.data.matching.match import match
from contrafake.data.matching.settings import MatchSettings
from contrafake.data.pack import pack
from contrafake.data.sample import Record
from contrafake.data.sources import open_source
from contrafake.data.sources.built import Built, image_key
from contrafake.data.splits import SplitSettings, plan_splits
from contrafake.errors import DataError
from contrafake.images import encode

if TYPE_CHECKING:
    from pathlib import Path


def records(folder: Path) -> tuple[Built, list[Record]]:
    source = open_source(folder)
    assert isinstance(source, Built)
    items = list(source)
    assert all(isinstance(item, Record) for item in items)
    return source, [item for item in items if isinstance(item, Record)]


def spoil(folder: Path, **changes: Any) -> None:
    """Changes the first row of the index."""
    table = read_index(folder / INDEX_NAME)
    first, *rest = rows_of(table)
    row = type(first)(**{**vars(first), **changes})
    pq.write_table(to_table([row, *rest]), folder / INDEX_NAME)


def test_a_key_tells_its_record_and_generator_apart_and_shows_neither() -> None:
    import hashlib

    assert image_key("a", "real") == hashlib.blake2b(b"a\x00real", digest_size=12).hexdigest()
    assert image_key("odd\udcff", "real") == hashlib.blake2b(b"odd\xed\xb3\xbf\x00real", digest_size=12).hexdigest()
    assert len({image_key(record, name) for record in "ab" for name in ("real", "x", "y")}) == 6


def test_records_with_what_was_made_for_them(tmp_path: Path) -> None:
    source, found = records(write_built(tmp_path / "set"))
    assert (source.census.records, source.census.of_class(0), source.census.of_class(1)) == (6, 6, 12)
    assert not source.census.skipped
    for number, record in enumerate(found):
        split = "val" if number % 3 == 2 else "train"
        name = record_name(number)
        assert record.key == f"tiny__{split}__{name}"
        assert (record.caption, record.url) == (f"a picture of {name}", f"https://example.org/{number}")
        assert [s.key.removeprefix(record.key) for s in record.samples] == [".real", ".gen_0", ".gen_1"]
        assert [s.origin for s in record.samples] == ["camera", "blur", "edges"]
        assert {(s.source, s.split, s.group) for s in record.samples} == {(f"album-{number}", split, record.key)}
        for sample, generator in zip(record.samples, ("real", "blur", "edges"), strict=True):
            assert read_bytes(sample.image) == encode(picture(number, generator, 64), "JPEG", 90)
            assert sample.metadata == {"record": name, "image": image_key(name, generator)}
    assert source.origins.get(1, "blur").family == "own"


def test_a_group_of_the_real_images_own_stays(tmp_path: Path) -> None:
    folder = write_built(tmp_path / "set")
    rows = [type(r)(**{**vars(r), "group": "one walk"}) for r in rows_of(read_index(folder / INDEX_NAME))]
    pq.write_table(to_table(rows), folder / INDEX_NAME)
    assert {s.group for record in records(folder)[1] for s in record.samples} == {"one walk"}


def test_what_was_not_made_is_absent_and_leaves_its_number_free(tmp_path: Path) -> None:
    lost = {(0, "blur"), (1, "real"), (2, "blur"), (2, "edges")}
    source, found = records(write_built(tmp_path / "set", lost=lost))
    assert [[s.key.rpartition(".")[2] for s in record.samples] for record in found] == [
        ["real", "gen_1"], *[["real", "gen_0", "gen_1"]] * 3,
    ]  # fmt: skip
    assert source.census.skipped == {"its real image is missing": 1, "it has no generated image": 1}
    assert source.census.examples["its real image is missing"][0].endswith(record_name(1))


def test_images_of_no_record_are_named(tmp_path: Path) -> None:
    folder = write_built(tmp_path / "set")
    write_build(folder, generators=["blur"])  # one was taken out, and its shards still lie there
    source, found = records(folder)
    assert [len(record.samples) for record in found] == [2] * 6
    assert source.census.skipped == {"an image of no record": 6}
    assert source.census.examples["an image of no record"][0].startswith(str(folder / INDEX_NAME))


def test_more_records_than_are_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_built(tmp_path / "set", 5)
    _, whole = records(folder)
    monkeypatch.setattr("contrafake.data.sources.built.RECORDS_AT_ONCE", 2)
    assert records(folder)[1] == whole


def test_a_key_that_utf8_cannot_hold(tmp_path: Path) -> None:
    from contrafake.data.location import File
    from contrafake.generate.reals.records_file import write_records as write_real_ones
    from contrafake.generate.record import BuildRecord, CaptionedReal, RealFacts

    folder = write_built(tmp_path / "set", 2)
    keys = ["odd\udcff", record_name(1)]
    facts = RealFacts(64, 64, "JPEG", True, 90, "4:2:0", (0, 0), 1, "")
    reals = [CaptionedReal(key, "", File("x"), "camera", "album", split="train") for key in keys]
    write_real_ones(folder / "records.parquet", [BuildRecord(real, facts) for real in reals])
    spoil(folder, key=image_key(keys[0], "real"))
    rows = list(rows_of(read_index(folder / INDEX_NAME)))
    renamed = {image_key(record_name(0), name): image_key(keys[0], name) for name in ("blur", "edges")}
    rows = [type(row)(**{**vars(row), "key": renamed.get(row.key, row.key)}) for row in rows]
    pq.write_table(to_table(rows), folder / INDEX_NAME)
    assert [record.key for record in records(folder)[1]] == [f"tiny__train__{key}" for key in keys]


@pytest.mark.parametrize(
    ("name", "start"), [("a__b", "a_b"), ("__", "built"), (None, "built"), ("x_", "x"), ("é 1/2", "é_1_2")]
)
def test_a_name_never_ends_the_first_part_of_a_key(tmp_path: Path, name: str | None, start: str) -> None:
    folder = write_built(tmp_path / "set", 3, name=name)
    assert [record.key.split("__", 2)[0] for record in records(folder)[1]] == [start] * 3


def test_an_unfinished_set_is_shards_and_nothing_more(tmp_path: Path) -> None:
    folder = write_built(tmp_path / "set")
    (folder / "build.json").unlink()
    source = open_source(folder)
    assert source.layout == "shards"
    assert len(list(source)) == 18
    (folder / "build.json").write_text('{"layout": "something else"}')
    assert open_source(folder).layout == "shards"


def test_packing_gives_official_records(tmp_path: Path) -> None:
    source, found = records(write_built(tmp_path / "set", lost={(0, "blur")}))
    packed = pack(source, tmp_path / "out", form="paired", workers=1)
    assert packed.failures == []
    assert packed.records == 6
    read = ShardSet([str(tmp_path / "out" / "*.tar")])
    assert not read.samples
    assert not read.skipped
    again = {record.key: record for record in read.records}
    for record in found:
        other = again[record.key]
        assert (other.caption, other.url) == (record.caption, record.url)
        for mine, theirs in zip(record.samples, other.samples, strict=True):
            assert (mine.key, mine.label, mine.origin, mine.source, mine.group, mine.split) == (
                theirs.key, theirs.label, theirs.origin, theirs.source, theirs.group, theirs.split,
            )  # fmt: skip
            assert read_bytes(mine.image) == read_bytes(theirs.image)
            assert theirs.metadata["record"] == mine.metadata["record"]


def test_matching_takes_records_for_cells(tmp_path: Path) -> None:
    source, found = records(write_built(tmp_path / "set", lost={(0, "blur")}, side=96))
    settings = MatchSettings(mode="auto", min_side=32)
    report = match(source, tmp_path / "out", settings)
    assert report.cells == len(found)
    matched = ShardSet([str(tmp_path / "out" / "*.tar")]).records
    assert {record.caption for record in matched} == {record.caption for record in found}
    assert {len(record.samples) for record in matched} == {2, 3}


def test_info_and_splits(tmp_path: Path) -> None:
    source, found = records(write_built(tmp_path / "set", 30))
    info = data_info(source)
    assert (info.layout, info.records, info.groups, info.skipped) == ("built", 30, 30, [])
    assert info.splits == {"train": {"real": 20, "generated": 40}, "val": {"real": 10, "generated": 20}}
    assert {(o.name, o.width) for o in info.origins} == {("camera", 64), ("blur", 64), ("edges", 64)}
    plan = plan_splits(source, SplitSettings(by="keep", duplicates="ignore"))
    assert plan.counts() == info.splits
    assert len({record.key for record in found}) == 30


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"shard": "../elsewhere.tar"}, r"names a shard outside of its folder: \.\./elsewhere"),
        ({"key": "not-hex"}, "not-hex: is no key of a built set"),
        ({"key": image_key(record_name(1), "real")}, "the key stands there twice"),
        ({"label": 1}, "has the label of the other class"),
    ],
)
def test_an_index_that_cannot_be_true_is_refused(tmp_path: Path, changes: dict[str, Any], complaint: str) -> None:
    folder = write_built(tmp_path / "set")
    spoil(folder, **changes)
    with pytest.raises(DataError, match=rf"index\.parquet.*{complaint}"):
        records(folder)


@pytest.mark.parametrize("name", ["build.json", "index.parquet", "records.parquet"])
@pytest.mark.parametrize("content", [b"", b"PAR1 {nothing", None])
def test_a_damaged_or_missing_part_is_named(tmp_path: Path, name: str, content: bytes | None) -> None:
    folder = write_built(tmp_path / "set", 3)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=name.replace(".", r"\.")):
        list(open_source(folder, "built"))


def test_a_damaged_build_is_not_taken_for_shards(tmp_path: Path) -> None:
    folder = write_built(tmp_path / "set", 3)
    (folder / "build.json").write_text("{")
    with pytest.raises(DataError, match=r"build\.json: cannot be read"):
        list(open_source(folder))


@pytest.mark.parametrize("generators", [None, [], "blur", [1]])
def test_a_build_without_generators_is_refused(tmp_path: Path, generators: Any) -> None:
    folder = write_built(tmp_path / "set", 3)
    write_build(folder, generators=generators)
    with pytest.raises(DataError, match="names no generators"):
        list(open_source(folder))


def test_records_that_cannot_be_true_are_refused(tmp_path: Path) -> None:
    folder = write_built(tmp_path / "set", 3)
    write_records(folder, [record_name(0), record_name(0)], ["train", "train"])
    with pytest.raises(DataError, match=r"records\.parquet: a key stands there twice"):
        records(folder)
    table = pq.read_table(folder / "records.parquet").drop_columns(["caption"])
    pq.write_table(table, folder / "records.parquet")
    with pytest.raises(DataError, match=r"records\.parquet: the records have no column caption"):
        records(folder)


def test_no_generated_image_at_all_is_an_error(tmp_path: Path) -> None:
    folder = write_built(tmp_path / "set", 2, lost={(n, g) for n in range(2) for g in ("blur", "edges")})
    with pytest.raises(DataError, match=r"layout built: no real image \(2 skipped: it has no generated image"):
        records(folder)
