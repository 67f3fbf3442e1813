"""The index beside packed shards: one row an image, so that a set can be divided, counted and searched undecoded."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrafake.data.cells import arrow, parquet
from contrafake.data.location import Member
from contrafake.data.parallel import in_chunks
from contrafake.data.sample import GENERATED, REAL, Sample
from contrafake.data.shard_writer import cannot_write
from contrafake.errors import DataError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    import pyarrow as pa

INDEX_NAME = "index.parquet"
ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class IndexRow:
    """One packed image.

    Attributes:
        key: Unique name within the set; for images of paired records `<record>.real`, `<record>.gen_0`, ...
        record: Key of its paired record, "" for lone samples.
        label: 0 = real, 1 = generated.
        origin: Data set or generator.
        source: What shares hidden traits.
        group: What it belongs to together with others, "" for none.
        split: "train", "val", "test" or "".
        shard: File name of its shard, beside the index.
        member: Member name in the shard.
        offset: First byte of the data in the shard.
        bytes: Length of the data.
        sha256: Hex digest of the bytes.
        format: Container format by its bytes: "JPEG", "PNG" ...
        width: Width as stored.
        height: Height as stored.
        quality: libjpeg quality by the tables of a JPEG, -1 for others or unknown tables.
        phash: Perceptual hash, 64 bits.
        phash2: Second perceptual hash of another kind, 64 bits, to confirm near duplicates.
    """

    key: str
    record: str
    label: int
    origin: str
    source: str
    group: str
    split: str
    shard: str
    member: str
    offset: int
    bytes: int
    sha256: str
    format: str
    width: int
    height: int
    quality: int
    phash: int
    phash2: int

    def sample(self, folder: Path) -> Sample:
        """The sample, its shard in `folder`."""
        image = Member(str(folder / self.shard), self.member, self.offset, self.bytes)
        return Sample(
            self.key, GENERATED if self.label else REAL, self.origin, self.source, self.group, image, self.split
        )


def write_index(path: str | os.PathLike[str], rows: Iterable[IndexRow]) -> int:
    """Writes an index in bounded memory; it appears under its name only when complete.

    Returns:
        Number of rows.

    Raises:
        DataError: It cannot be written.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415

    target, count = Path(path), 0
    partial = target.with_name(f".{target.name}.partial")
    try:
        with partial.open("wb") as file, pq.ParquetWriter(file, schema(), compression="zstd") as writer:
            for chunk in in_chunks(rows, ROWS_AT_ONCE):
                writer.write_table(to_table(chunk))
                count += len(chunk)
        partial.replace(target)
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        partial.unlink(missing_ok=True)
    return count


def read_index(path: str | os.PathLike[str], columns: list[str] | None = None) -> pa.Table:
    """The index as a table.

    Args:
        path: The file.
        columns: Only these columns; all by default.

    Raises:
        DataError: It is missing, damaged, or lacks a column.
        MissingExtraError: pyarrow is not installed.
    """
    pa, pq = arrow(), parquet()
    try:
        with Path(path).open("rb") as file:  # of a name, pyarrow would take folders like split=train for columns
            table = pq.read_table(file, columns=columns)
    except (OSError, pa.ArrowException) as error:
        raise DataError(str(path), f"the index cannot be read: {error}", "pack the set again") from error
    missing = set(columns or schema().names) - set(table.column_names)
    if missing:
        raise DataError(str(path), f"the index has no column {', '.join(sorted(missing))}", "pack the set again")
    return table


def rows_of(table: pa.Table) -> Iterator[IndexRow]:
    """The rows of a table with all columns."""
    for batch in table.to_batches(ROWS_AT_ONCE):
        for row in batch.select(schema().names).to_pylist():
            yield IndexRow(**row)


def to_table(rows: list[IndexRow]) -> pa.Table:
    """Rows as an Arrow table of `schema`."""
    import pyarrow as pa  # noqa: PLC0415

    columns = {name: [getattr(row, name) for row in rows] for name in schema().names}
    return pa.Table.from_pydict(columns, schema=schema())


def schema() -> pa.Schema:
    """The columns: names and order as in `IndexRow`."""
    import pyarrow as pa  # noqa: PLC0415

    special: dict[str, Any] = {
        "label": pa.int8(),
        "width": pa.int32(),
        "height": pa.int32(),
        "quality": pa.int8(),
        "phash": pa.uint64(),
        "phash2": pa.uint64(),
    }
    kinds = {"str": pa.string(), "int": pa.int64()}
    return pa.schema([(f.name, special.get(f.name, kinds[str(f.type)])) for f in fields(IndexRow)])
