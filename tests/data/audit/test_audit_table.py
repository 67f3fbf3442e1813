"""Measuring a whole set: what is stored, what is measured again, and what a broken file or a full disk does."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import jpeg, picture

from contrafake.data.audit import measure as measuring
from contrafake.data.audit import table as tables
from contrafake.data.audit.feature import Feature
from contrafake.data.location import File
from contrafake.data.origins import OriginTable
from contrafake.data.sample import Sample
from contrafake.data.sources import Source
from contrafake.errors import DataError, ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FEATURES = (Feature("size", "size", "file", "number"), Feature("kind", "kind", "file", "category"))


class Files(Source):
    layout = "files"
    classes = ()

    def __init__(self, root: Path, contents: dict[str, bytes]) -> None:
        super().__init__(root)
        self.keys = list(contents)
        for key, data in contents.items():
            (root / key).write_bytes(data)

    @property
    def origins(self) -> OriginTable:
        return OriginTable()

    def _list(self) -> Iterator[Sample]:
        for place, key in enumerate(self.keys):
            yield Sample(key, 1 if place % 2 else 0, "o", f"s{place % 3}", "", File(str(self.root / key)), "train")


@dataclass
class Meter:
    """Stands in for the true measurement: counts its calls, refuses what says so."""

    calls: int = 0
    stop_after: int = 10**9

    def __call__(self, data: bytes, file_name: str) -> measuring.Measurement:
        if self.calls >= self.stop_after:
            raise KeyboardInterrupt
        self.calls += 1
        if data == b"broken":
            raise ImageError(file_name, "no image at all")
        values: dict[str, Any] = {"size": float(len(data)) if len(data) != 3 else None, "kind": data[:1].decode()}
        return measuring.Measurement(values, f"{len(data):064x}", 2**64 - 1, len(data))


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> Meter:
    meter = Meter()
    monkeypatch.setattr(measuring, "FEATURES", FEATURES)
    monkeypatch.setattr(measuring, "measure", meter)
    monkeypatch.setattr(tables, "SMALLEST", 4)
    return meter


def ten(folder: Path) -> Files:
    folder.mkdir()
    return Files(folder, {f"k{i}": (b"b" if i % 3 else b"a") * (i + 1) for i in range(10)})


def test_every_column_holds_what_was_measured(tmp_path: Path, meter: Meter) -> None:
    done: list[int] = []
    table = tables.measure_all(ten(tmp_path / "in"), tmp_path / "out", 1, done.append)
    assert done == [4, 4, 2]
    np.testing.assert_array_equal(table.numbers("size"), [1, 2, np.nan, 4, 5, 6, 7, 8, 9, 10])
    codes, names = table.codes("kind")
    assert [names[code] for code in codes] == list("abbabbabba")
    codes, names = table.codes("source")
    assert [names[code] for code in codes] == ["s0", "s1", "s2"] * 3 + ["s0"]
    assert table.integers("label").tolist() == [0, 1] * 5
    assert table.integers("phash").dtype == np.uint64
    assert set(table.integers("phash")) == {2**64 - 1}
    assert table.texts("key")[9] == "k9"


def test_unreadable_images_are_named_and_left_out(tmp_path: Path, meter: Meter) -> None:
    source = ten(tmp_path / "in")
    (tmp_path / "in/k3").write_bytes(b"broken")
    (tmp_path / "in/k5").unlink()
    table = tables.measure_all(source, tmp_path / "out", 1)
    found, count = table.unreadable(1)
    assert count == 2
    assert found == [("k3", "no image at all")]
    assert table.unreadable(9)[0][1][0] == "k5"
    assert list(table.texts("key")) == [f"k{i}" for i in range(10) if i not in {3, 5}]


def test_a_killed_run_goes_on(tmp_path: Path, meter: Meter) -> None:
    source = ten(tmp_path / "in")
    meter.stop_after = 6
    with pytest.raises(KeyboardInterrupt):
        tables.measure_all(source, tmp_path / "out", 1)
    assert sorted(path.suffix for path in (tmp_path / "out").iterdir()) == [".parquet"]
    meter.calls, meter.stop_after = 0, 10**9
    resumed = tables.measure_all(source, tmp_path / "out", 1)
    assert meter.calls == 6  # the first part of four was finished
    whole = tables.measure_all(source, tmp_path / "other", 1)
    assert resumed.path.read_bytes() == whole.path.read_bytes()


def test_what_changed_is_measured_again_and_nothing_else(tmp_path: Path, meter: Meter) -> None:
    source = ten(tmp_path / "in")
    tables.measure_all(source, tmp_path / "out", 1)
    meter.calls = 0
    tables.measure_all(source, tmp_path / "out", 1)
    assert meter.calls == 0
    (tmp_path / "in/k9").write_bytes(b"a longer text than before")
    table = tables.measure_all(source, tmp_path / "out", 1)
    assert meter.calls == 2
    assert table.numbers("size")[9] == 25
    assert len(list((tmp_path / "out").glob("part-*"))) == 3
    source.keys = source.keys[:9]
    tables.measure_all(source, tmp_path / "out", 1)
    assert meter.calls == 3


def test_parts_grow_with_the_set() -> None:
    def key(number: int) -> Sample:
        return Sample(str(number), 0, "", "", "", File(""))

    sizes = [len(part) for part in tables._parts(key(i) for i in range(64 * 64 + 64 * 128 + 10))]
    assert sizes == [64] * 64 + [128] * 64 + [10]


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path, meter: Meter, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow.parquet as pq

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(DataError, match=r"part-000000-.*No space left"):
        tables.measure_all(ten(tmp_path / "in"), tmp_path / "out", 1)
    assert not list((tmp_path / "out").iterdir())


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, meter: Meter) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(DataError, match="out: cannot be made"):
        tables.measure_all(ten(tmp_path / "in"), tmp_path / "out", 1)


def test_an_empty_source_is_refused(tmp_path: Path, meter: Meter) -> None:
    with pytest.raises(DataError, match="there is no image"):
        tables.measure_all(Files(tmp_path, {}), tmp_path / "out", 1)


def test_the_table_does_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "in").mkdir()
    data = {f"\udce9{i}.jpg" if i == 3 else f"{i}.jpg": jpeg(picture(rng, generated=bool(i % 2))) for i in range(66)}
    source = Files(tmp_path / "in", data)
    one = tables.measure_all(source, tmp_path / "one", 1)
    two = tables.measure_all(source, tmp_path / "two", 2)
    assert one.path.read_bytes() == two.path.read_bytes()
    assert one.texts("key")[3] == "\\udce93.jpg"
    assert set(one.codes("format")[1]) == {"JPEG"}


@pytest.mark.usefixtures("meter")
def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "album"
    folder.mkdir()
    (folder / "photo.jpg").write_bytes(b"mine")
    with pytest.raises(DataError, match=r"something else stands there: photo\.jpg"):
        tables.measure_all(ten(tmp_path / "set"), folder, 1)
    assert [path.name for path in folder.iterdir()] == ["photo.jpg"]
