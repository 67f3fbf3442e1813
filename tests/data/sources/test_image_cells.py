"""Cells of Parquet files: read in any order, in flat memory, and never from a file that was replaced."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from d3_miniature import image, row, write

from contrafake.data.location import Cell, read_bytes
from contrafake.errors import DataError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

if TYPE_CHECKING:
    from pathlib import Path


def test_going_back_in_a_large_row_group(tmp_path: Path) -> None:
    rows = [row(0) | {f"image_gen{k}": {"bytes": b"%d-%d" % (n, k), "path": None} for k in range(4)} for n in range(40)]
    path = write(tmp_path / "train-0.parquet", rows, row_group_size=40)
    for n in [39, 0, 20, 7, 8, 19, 3, 39, *range(40)]:
        for k in (3, 0):
            assert read_bytes(Cell(str(path), f"image_gen{k}", 0, n)) == b"%d-%d" % (n, k)


def test_a_cell_that_is_not_there(tmp_path: Path) -> None:
    path = str(write(tmp_path / "val-0.parquet", [row(5)]))
    for cell in (
        Cell(path, "image_gen0", 0, 1),
        Cell(path, "image_gen0", 3, 0),
        Cell(path, "image_gen9", 0, 0),
        Cell(path, "id", 0, 0),
        Cell(path + "x", "image_gen0", 0, 0),
    ):
        with pytest.raises(DataError):
            read_bytes(cell)


def test_a_file_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    path = write(tmp_path / "train-0.parquet", [row(0)])
    cell = Cell(str(path), "image_gen0", 0, 0)
    assert read_bytes(cell) == image(0)
    write(path, [row(0, image_gen0={"bytes": image(99), "path": None}), row(1)])
    assert read_bytes(cell) == image(99)


def test_memory_stays_flat_over_a_large_row_group(tmp_path: Path) -> None:
    """A row group of 96 MB is listed and read in a process that may not hold it."""
    code = f"""
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
rng = np.random.default_rng(0)
kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
rows = pa.array([dict(bytes=rng.bytes(1 << 20), path=None) for _ in range(96)], kind)
pq.write_table(pa.table(dict(image=rows)), {str(tmp_path / "big.parquet")!r}, compression="none", use_dictionary=False)
"""
    reading = f"""
import resource
from contrafake.data.location import Cell, read_bytes
import pyarrow.parquet
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
path = {str(tmp_path / "big.parquet")!r}
read_bytes(Cell(path, "image", 0, 0))
before = peak()
assert sum(len(read_bytes(Cell(path, "image", 0, row))) for row in range(96)) == 96 << 20
print(peak() - before)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    done = subprocess.run([sys.executable, "-c", reading], check=True, capture_output=True, text=True)
    assert float(done.stdout) < 60
