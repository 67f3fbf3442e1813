"""Locations: small, sendable, and all that is needed to read an image's bytes; what is gone is named."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest
from conftest import write_paired_shard
from hypothesis import given
from hypothesis import strategies as st

from contrafake.data import Member, Record, ShardSet
from contrafake.data.location import Cell, File, Location, read_bytes
from contrafake.errors import DataError, ImageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("location", "address", "file_name"),
    [
        (Member("d/a.tar", "x/b.real.jpg", 512, 3), "d/a.tar: x/b.real.jpg", "b.real.jpg"),
        (File("d/e/1.png"), "d/e/1.png", "1.png"),
        (Cell("d/t.parquet", "image_gen0", 2, 7, "1.jpg"), "d/t.parquet: image_gen0, row 7 of row group 2", "1.jpg"),
    ],
)
def test_names(location: Location, address: str, file_name: str) -> None:
    assert (location.address, location.file_name) == (address, file_name)
    assert pickle.loads(pickle.dumps(location)) == location  # noqa: S301 - our own
    assert len({location, pickle.loads(pickle.dumps(location))}) == 1  # noqa: S301


@given(st.binary(max_size=40), st.integers(0, 40), st.integers(0, 40))
def test_a_member_is_its_range_of_bytes_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, offset: int, size: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "range.bin"
    path.write_bytes(data)
    member = Member(str(path), "m.jpg", offset, size)
    if offset + size <= len(data) or not size:
        assert read_bytes(member) == data[offset : offset + size]
    else:
        left = max(0, len(data) - offset)
        with pytest.raises(DataError, match=rf"m\.jpg: {left} of {size} bytes are left"):
            read_bytes(member)


def test_members_of_a_shard(tmp_path: Path) -> None:
    path = write_paired_shard(tmp_path / "a.tar", 1, 0)
    [record] = ShardSet([str(path)]).records
    assert isinstance(record, Record)
    assert read_bytes(record.real.image).startswith(b"\xff\xd8\xff")
    path.unlink()
    with pytest.raises(DataError, match=r"a\.tar: cannot be read: No such file"):
        read_bytes(record.real.image)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    with pytest.raises(ImageError, match="no such file"):
        read_bytes(File(str(path)))
    path.write_bytes(b"")
    with pytest.raises(ImageError, match="empty"):
        read_bytes(File(str(path)))
    path.write_bytes(b"x")
    assert read_bytes(File(str(path))) == b"x"
    with pytest.raises(ImageError, match="a directory"):
        read_bytes(File(str(tmp_path)))


def test_cells_are_tested_with_d3() -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_bytes(Cell("/none/a.parquet", "image", 0, 0))
