"""Image cells of Parquet files: read in order, a few rows at a time."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from contrafake.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from contrafake.data.location import Cell

ROWS_AT_ONCE = 8
"""A row group of D3 holds some hundred images of 285 kB on average, so whole ones are never kept."""

OPEN_AT_ONCE = 8
"""Columns read side by side: the images of one row stand in different columns and are read one after the other."""


class _Column:
    """One image column of one row group, read forward; going back starts it again."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._start()

    def _start(self) -> None:
        # Buffered, the column chunk is read page by page instead of whole.
        self._file = parquet_file(self._cell.file, buffer_size=1 << 20, pre_buffer=False)
        groups = self._file.num_row_groups
        if self._cell.row_group >= groups:
            raise DataError(self._cell.address, f"the file has {groups} row groups", "list it again")
        self._batches: Iterator[Any] = self._file.iter_batches(
            ROWS_AT_ONCE, row_groups=[self._cell.row_group], columns=[self._cell.column]
        )
        self._first = 0
        self._rows: Any = ()

    def read(self, row: int) -> bytes | None:
        """The bytes in a row, None where there are none.

        Raises:
            IndexError: There is no such row, or the column holds no image structs.
        """
        if row < self._first:
            self.close()
            self._start()
        while row >= self._first + len(self._rows):
            batch = next(self._batches, None)
            if batch is None or not batch.num_columns:
                raise IndexError(row)
            self._first += len(self._rows)
            self._rows = batch.column(0)
        return _bytes_of(self._rows[row - self._first].as_py())

    def close(self) -> None:
        self._file.close()


_open: OrderedDict[tuple[str, str, int, int, int], _Column] = OrderedDict()
_lock = threading.Lock()


def cell_bytes(cell: Cell) -> bytes:
    """The image in a cell. Cheap for cells that follow each other; one further back costs a new start.

    Raises:
        DataError: The file is gone, damaged or of another shape, or the cell is empty.
        MissingExtraError: pyarrow is not installed.
    """
    library = arrow()
    try:
        status = os.stat(cell.file)  # noqa: PTH116 - plain strings keep undecodable names
        # A file that was replaced meanwhile must not be answered from the old one.
        key = cell.file, cell.column, cell.row_group, status.st_mtime_ns, status.st_size
        with _lock:
            column = _open.pop(key, None) or _Column(cell)
            data = column.read(cell.row)  # what fails is not kept
            _open[key] = column
            while len(_open) > OPEN_AT_ONCE:
                _open.popitem(last=False)[1].close()
    except IndexError as error:
        raise DataError(cell.address, "there is no such image cell", "list the set again") from error
    except (OSError, library.ArrowException) as error:
        raise DataError(cell.file, f"cannot be read: {error}", "download it again") from error
    if not data:
        raise DataError(cell.address, "the cell holds no image")
    return data


def arrow() -> ModuleType:
    """The library pyarrow.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - only Parquet needs it
    except ImportError as error:
        raise MissingExtraError(
            "reading Parquet", "not installed: pyarrow", 'pip install "contrafake[data]"'
        ) from error
    module: ModuleType = pa
    return module


def parquet() -> ModuleType:
    """The library pyarrow.parquet.

    Raises:
        MissingExtraError: It is not installed.
    """
    arrow()
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    module: ModuleType = pq
    return module


def parquet_file(path: str | os.PathLike[str], **options: Any) -> Any:
    """A `pyarrow.parquet.ParquetFile`, also of a path that is no text, which pyarrow would not take as it is.

    Raises:
        OSError: It cannot be read.
        MissingExtraError: pyarrow is not installed.
    """
    return parquet().ParquetFile(arrow().OSFile(os.fsencode(path)), **options)


def _bytes_of(cell: object) -> bytes | None:
    data = cell.get("bytes") if isinstance(cell, dict) else cell
    return data if isinstance(data, bytes) else None
