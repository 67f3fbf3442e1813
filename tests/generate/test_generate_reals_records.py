"""The file of records gives back what was written, whatever texts it holds."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contrafake.data.location import Cell, File, Member
from contrafake.errors import DataError
from contrafake.generate.reals.records_file import read_records, write_records
from contrafake.generate.record import BuildRecord, CaptionedReal, RealFacts

if TYPE_CHECKING:
    from pathlib import Path

texts = st.text(st.characters(codec=None, exclude_categories=[]), max_size=12) | st.sampled_from(
    ["", "\0", "\0ff", "a\udcff"]
)
numbers = st.integers(0, 2**40)
places = st.one_of(
    st.builds(File, texts),
    st.builds(Member, texts, texts, numbers, numbers),
    st.builds(Cell, texts, texts, numbers, numbers, texts),
)
plain = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(max_size=5)
metadata = st.dictionaries(
    st.text(max_size=5), st.recursive(plain, lambda inner: st.lists(inner, max_size=2), max_leaves=4)
)
reals = st.builds(CaptionedReal, texts, texts, places, texts, texts, texts, texts, texts, metadata)
phases = st.tuples(st.integers(0, 15), st.integers(0, 15))
facts = st.builds(
    RealFacts,
    st.integers(1, 2**31 - 1),
    st.integers(1, 2**31 - 1),
    st.sampled_from(["JPEG", "WEBP", "PNG"]),
    st.booleans(),
    st.integers(-1, 100),
    st.sampled_from(["4:4:4", "4:2:2", "4:2:0"]),
    phases,
    numbers,
    st.text("0123456789abcdef", min_size=64, max_size=64),
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(st.builds(BuildRecord, reals, facts), max_size=4))
def test_records_come_back_exactly(tmp_path: Path, records: list[BuildRecord]) -> None:
    assert write_records(tmp_path / "records.parquet", iter(records)) == len(records)
    found = read_records(tmp_path / "records.parquet")
    assert list(found) == records
    assert [record.real.metadata for record in found] == [record.real.metadata for record in records]
    assert found.splits == [record.real.split for record in records]
    assert list(found.keys()) == [record.key for record in records]
    assert found[1:] == records[1:]


def one(key: str = "k", **metadata: Any) -> BuildRecord:
    real = CaptionedReal(key, "a cat", File("/a.jpg"), "o", "s", split="val", metadata=metadata)
    return BuildRecord(real, RealFacts(3, 2, "JPEG", True, 90, "4:2:0", (0, 5), 10, "00"))


def test_metadata_that_json_does_not_know_becomes_text(tmp_path: Path) -> None:
    write_records(tmp_path / "r", [one(day=datetime.date(2026, 11, 23), place=(1, 2))])
    assert read_records(tmp_path / "r")[0].real.metadata == {"day": "2026-11-23", "place": [1, 2]}


def test_numbers_count_from_both_ends(tmp_path: Path) -> None:
    many = [one(str(number)) for number in range(5000)]
    write_records(tmp_path / "r", many)
    found = read_records(tmp_path / "r")
    assert (found[0], found[4999], found[-1]) == (many[0], many[4999], many[4999])
    for outside in (5000, -5001):
        with pytest.raises(IndexError):
            found[outside]
    assert pq.read_table(tmp_path / "r", columns=["key", "caption"])["caption"][7].as_py() == "a cat"


def test_a_failed_writing_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "r"
    write_records(path, [one()])

    def failing() -> Any:
        yield one("other")
        raise DataError("x", "gone")

    with pytest.raises(DataError):
        write_records(path, failing())
    assert [record.key for record in read_records(path)] == ["k"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["r"]


def test_what_is_no_file_of_records_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the records cannot be read"):
        read_records(tmp_path / "none")
    (tmp_path / "torn").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="the records cannot be read"):
        read_records(tmp_path / "torn")
    write_records(tmp_path / "r", [replace(one())])
    pq.write_table(pq.read_table(tmp_path / "r").drop(["url", "sha256"]), tmp_path / "less")
    with pytest.raises(DataError, match="the records have no column sha256, url"):
        read_records(tmp_path / "less")
