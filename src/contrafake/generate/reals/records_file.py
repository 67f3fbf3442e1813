"""The records of a build as a Parquet file: written once, then read by number from wherever images are made."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from contrafake.data.cells import arrow, parquet
from contrafake.data.location import Cell, File, Location, Member
from contrafake.data.parallel import in_chunks
from contrafake.data.shard_writer import cannot_write
from contrafake.errors import DataError
from contrafake.generate.record import BuildRecord, CaptionedReal, RealFacts

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    import pyarrow as pa

ROWS_AT_ONCE = 4096
_REPEATED = ("origin", "source", "split", "kind", "file", "format", "subsampling")
_UNENCODABLE = "\0"

_OF_THE_REAL = ("key", "caption", "origin", "source", "group", "split", "url", "metadata")
_OF_THE_PLACE = ("kind", "file", "name", "file_name")
_TEXTS = (*_OF_THE_REAL, *_OF_THE_PLACE, "format", "subsampling", "sha256")
_NUMBERS = {"offset": "int64", "size": "int64", "width": "int32", "height": "int32", "quality": "int8"}
_NUMBERS |= {"grid_x": "int8", "grid_y": "int8", "bytes": "int64"}


class Records(Sequence[BuildRecord]):
    """The records of a build by number. Only columns are held, about 0.5 kB a record; a record is made when asked for.

    Attributes:
        splits: Split of each record.
    """

    def __init__(self, table: pa.Table) -> None:
        """Takes a table of `schema`."""
        self._columns = {name: table.column(name).combine_chunks() for name in schema().names}
        kept: dict[str, str] = {}
        self.splits: list[str] = [kept.setdefault(split, split) for split in map(_text, self._values("split"))]

    def __len__(self) -> int:
        return len(self.splits)

    @overload
    def __getitem__(self, number: int) -> BuildRecord: ...
    @overload
    def __getitem__(self, number: slice) -> list[BuildRecord]: ...
    def __getitem__(self, number: int | slice) -> BuildRecord | list[BuildRecord]:
        """One record, or a list of some."""
        if isinstance(number, slice):
            return [self[at] for at in range(*number.indices(len(self)))]
        if not -len(self) <= number < len(self):
            raise IndexError(number)
        at = number % len(self)
        return _record({name: column[at].as_py() for name, column in self._columns.items()})

    def keys(self) -> Iterator[str]:
        """The keys, in order."""
        return map(_text, self._values("key"))

    def _values(self, name: str) -> Iterator[str]:
        return (value.as_py() for value in self._columns[name])


def write_records(path: str | os.PathLike[str], records: Iterable[BuildRecord]) -> int:
    """Writes records in bounded memory; the file appears under its name only when complete.

    Args:
        path: Where to; a file that stands there is replaced.
        records: The records; metadata that JSON does not know is written as text.

    Returns:
        Number of records.

    Raises:
        DataError: It cannot be written.
        MissingExtraError: pyarrow is not installed.
    """
    library, writing = arrow(), parquet()
    target, count = Path(path), 0
    partial = target.with_name(f".{target.name}.partial")
    try:
        with partial.open("wb") as file, writing.ParquetWriter(file, schema(), compression="zstd") as writer:
            for chunk in in_chunks(records, ROWS_AT_ONCE):
                rows = [_row(record) for record in chunk]
                columns = {name: [row[name] for row in rows] for name in schema().names}
                writer.write_table(library.Table.from_pydict(columns, schema=schema()))
                count += len(chunk)
        partial.replace(target)
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        partial.unlink(missing_ok=True)
    return count


def read_records(path: str | os.PathLike[str]) -> Records:
    """Reads what `write_records` wrote.

    Raises:
        DataError: The file is missing, damaged, or lacks a column.
        MissingExtraError: pyarrow is not installed.
    """
    library, reading = arrow(), parquet()
    remedy = "begin the build anew in another folder"
    try:
        with Path(path).open("rb") as file:  # of a name, pyarrow would take folders like split=train for columns
            table = reading.read_table(file, read_dictionary=list(_REPEATED))
    except (OSError, library.ArrowException) as error:
        raise DataError(str(path), f"the records cannot be read: {error}", remedy) from error
    if missing := set(schema().names) - set(table.column_names):
        raise DataError(str(path), f"the records have no column {', '.join(sorted(missing))}", remedy)
    return Records(table)


def schema() -> pa.Schema:
    """The columns of the file."""
    library = arrow()
    numbers = [(name, getattr(library, kind)()) for name, kind in _NUMBERS.items()]
    return library.schema([*((name, library.string()) for name in _TEXTS), ("lossy", library.bool_()), *numbers])


def _row(record: BuildRecord) -> dict[str, Any]:
    real, facts = record.real, record.facts
    texts = {
        "key": real.key,
        "caption": real.caption,
        "origin": real.origin,
        "source": real.source,
        "group": real.group,
        "split": real.split,
        "url": real.url,
        "metadata": json.dumps(real.metadata, default=str),
        "format": facts.format,
        "subsampling": facts.subsampling,
        "sha256": facts.sha256,
    }
    kind, file, name, offset, size, file_name = _placed(real.image)
    texts |= {"kind": kind, "file": file, "name": name, "file_name": file_name}
    return {
        **{column: _encodable(text) for column, text in texts.items()},
        "offset": offset,
        "size": size,
        "width": facts.width,
        "height": facts.height,
        "lossy": facts.lossy,
        "quality": facts.quality,
        "grid_x": facts.grid[0],
        "grid_y": facts.grid[1],
        "bytes": facts.bytes,
    }


def _record(row: dict[str, Any]) -> BuildRecord:
    text = {name: _text(row[name]) for name in _TEXTS}
    real = CaptionedReal(
        key=text["key"],
        caption=text["caption"],
        image=_location(text, row["offset"], row["size"]),
        origin=text["origin"],
        source=text["source"],
        group=text["group"],
        split=text["split"],
        url=text["url"],
        metadata=json.loads(text["metadata"]),
    )
    facts = RealFacts(
        width=row["width"],
        height=row["height"],
        format=text["format"],
        lossy=row["lossy"],
        quality=row["quality"],
        subsampling=text["subsampling"],
        grid=(row["grid_x"], row["grid_y"]),
        bytes=row["bytes"],
        sha256=text["sha256"],
    )
    return BuildRecord(real, facts)


def _placed(image: Location) -> tuple[str, str, str, int, int, str]:
    if isinstance(image, Member):
        return "member", image.shard, image.name, image.offset, image.size, ""
    if isinstance(image, Cell):
        return "cell", image.file, image.column, image.row_group, image.row, image.file_name
    return "file", image.path, "", 0, 0, ""


def _location(text: dict[str, str], offset: int, size: int) -> Location:
    if text["kind"] == "member":
        return Member(text["file"], text["name"], offset, size)
    if text["kind"] == "cell":
        return Cell(text["file"], text["name"], offset, size, text["file_name"])
    return File(text["file"])


def _encodable(text: str) -> str:
    """Text as Parquet can hold it: undecodable bytes of a path are no UTF-8, so such a text is spelled in hex."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return _UNENCODABLE + text.encode("utf-8", "surrogatepass").hex()
    return _UNENCODABLE + text.encode().hex() if text.startswith(_UNENCODABLE) else text


def _text(written: str) -> str:
    if not written.startswith(_UNENCODABLE):
        return written
    return bytes.fromhex(written[1:]).decode("utf-8", "surrogatepass")
