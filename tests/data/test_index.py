"""The index: what is written comes back, and nothing else is taken for one."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from contrafake.data import Member
from contrafake.data.index import IndexRow, read_index, rows_of, schema, to_table, write_index
from contrafake.errors import DataError

pa = pytest.importorskip("pyarrow")

ROW = IndexRow(
    key="käfer/1",
    record="",
    label=1,
    origin="sdxl",
    source="a",
    group="",
    split="train",
    shard="train-lone-00000.tar",
    member="käfer%2F1.png",
    offset=2**40,
    bytes=7,
    sha256="ab" * 32,
    format="PNG",
    width=70_000,
    height=1,
    quality=-1,
    phash=2**64 - 1,
    phash2=2**63,
)


def rows(count: int) -> list[IndexRow]:
    return [replace(ROW, key=str(number), offset=number) for number in range(count)]


def test_a_row_comes_back_as_it_was(tmp_path: Path) -> None:
    assert write_index(tmp_path / "index.parquet", [ROW]) == 1
    assert list(rows_of(read_index(tmp_path / "index.parquet"))) == [ROW]


def test_many_rows_are_written_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contrafake.data.index.ROWS_AT_ONCE", 4)
    path = tmp_path / "index.parquet"
    assert write_index(path, iter(rows(10))) == 10
    assert pa.parquet.ParquetFile(path).num_row_groups == 3
    assert [row.offset for row in rows_of(read_index(path))] == list(range(10))
    assert [path.name for path in tmp_path.iterdir()] == ["index.parquet"]


def test_only_some_columns(tmp_path: Path) -> None:
    write_index(tmp_path / "i.parquet", rows(2))
    assert read_index(tmp_path / "i.parquet", ["label", "key"]).to_pydict() == {"label": [1, 1], "key": ["0", "1"]}


def test_a_row_knows_its_sample() -> None:
    sample = ROW.sample(Path("set"))
    assert (sample.key, sample.label, sample.split) == ("käfer/1", 1, "train")
    assert sample.image == Member("set/train-lone-00000.tar", "käfer%2F1.png", 2**40, 7)
    assert replace(ROW, label=0).sample(Path("set")).label == 0


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_index(tmp_path / name, rows(5))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_is_no_index_is_named(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no")
    short = to_table([ROW]).drop_columns(["phash"])
    pa.parquet.write_table(short, tmp_path / "short")
    for name, cause in (("gone", "cannot be read"), ("text", "cannot be read"), ("short", "no column phash")):
        with pytest.raises(DataError, match=rf"{name}.*{cause}"):
            read_index(tmp_path / name)


def test_a_full_disk_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.ParquetWriter.write_table", full)
    with pytest.raises(DataError, match=r"index\.parquet: cannot be written: No space left on device \(make room"):
        write_index(tmp_path / "index.parquet", rows(3))
    assert list(tmp_path.iterdir()) == []


def test_the_columns_are_the_fields() -> None:
    assert schema().names == list(ROW.__dataclass_fields__)


@pytest.mark.parametrize("name", ["split=train", "odd\udcff", "s3:"])
def test_the_name_of_a_folder_means_nothing(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    try:
        folder.mkdir()
    except (OSError, UnicodeEncodeError):
        pytest.skip("the file system takes no such name")
    write_index(folder / "index.parquet", [ROW])
    assert list(rows_of(read_index(folder / "index.parquet"))) == [ROW]
