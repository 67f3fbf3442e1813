"""What was measured on every image, on disk: written part by part, read column by column."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from contrafake.data.audit import measure as measuring
from contrafake.data.location import File, Member, read_bytes
from contrafake.data.parallel import map_in_order
from contrafake.data.sources.source import samples_of
from contrafake.errors import ContrafakeError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from contrafake.data.location import Location
    from contrafake.data.sample import Sample
    from contrafake.data.sources.source import Source

VERSION: Final = 2
"""Part of every part's name: raise it when a measurement changes its meaning."""

TABLE: Final = "images.parquet"
_OURS: Final = re.compile(r"\.?part-\d{6}-[0-9a-f]{16}\.parquet(\.partial)?|\.?images\.parquet(\.partial)?")
SMALLEST, LARGEST, PARTS_OF_A_SIZE = 64, 1024, 64
_TEXTS = ("key", "origin", "source", "group", "split", "sha256", "error")
_ROWS = 65_536


def measure_all(source: Source, folder: Path, workers: int, on_progress: Callable[[int], None] | None = None) -> Table:
    """Measures every image of a source into a folder; a killed run goes on where it was.

    Parts hold 64 images at first and up to 1,024 later, so that small sets keep all workers busy and large ones do
    not end in too many files. A part's name tells of the keys, labels, places and times of change of its images:
    what changed is measured again. At the end all parts become one table, `images.parquet`.

    Args:
        source: The images.
        folder: Where parts and table go; made if missing.
        workers: Processes that measure.
        on_progress: Called with the number of images done since the last call.

    Returns:
        The table of all images, those that could not be read with the cause in column `error`.

    Raises:
        DataError: The folder cannot be written or holds something else, or the source is unusable.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        foreign = next((path.name for path in folder.iterdir() if not _OURS.fullmatch(path.name)), None)
    except OSError as error:
        raise DataError(str(folder), f"cannot be made: {error.strerror}", "choose another folder") from error
    if foreign is not None:
        raise DataError(str(folder), f"something else stands there: {foreign}", "name a new folder for measurements")
    paths = []
    samples = (sample for item in source for sample in samples_of(item))
    for path, count in map_in_order(partial(_measure_part, folder), enumerate(_parts(samples)), workers):
        paths.append(path)
        if on_progress is not None:
            on_progress(count)
    if not paths:
        lost = "; ".join(source.census.describe_skipped()) or "nothing was skipped"
        raise DataError(str(source.root), f"there is no image ({lost})", "check the layout")
    _write(folder / TABLE, (_read(path) for path in paths))
    for stale in set(folder.glob("part-*.parquet")) - set(paths):
        stale.unlink(missing_ok=True)
    return Table(folder / TABLE)


@dataclass(frozen=True)
class Table:
    """All measured images; each call reads one column of those that could be read, so memory holds one at a time.

    Attributes:
        path: The Parquet file.
    """

    path: Path

    def numbers(self, name: str) -> NDArray[np.float64]:
        """(N,) a number of each image, NaN where it has none."""
        column = self._column(name)
        values = column.to_numpy(zero_copy_only=False).astype(np.float64)
        values[~np.isfinite(values)] = np.nan
        return np.asarray(values, np.float64)

    def integers(self, name: str) -> NDArray[Any]:
        """(N,) the labels or hashes, in the type in which they are stored."""
        return np.asarray(self._column(name).to_numpy(zero_copy_only=False))

    def codes(self, name: str) -> tuple[NDArray[np.int64], list[str]]:
        """A text of each image as its (N,) place in the list of different texts, -1 where it has none."""
        import pyarrow as pa  # noqa: PLC0415

        column = self._column(name)
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        chunks = column.unify_dictionaries().chunks
        if not chunks:
            return np.empty(0, np.int64), []
        codes = np.concatenate([chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False) for chunk in chunks])
        return codes.astype(np.int64), chunks[0].dictionary.to_pylist()

    def texts(self, name: str) -> Sequence[str]:
        """A text of each image."""
        texts: list[str] = self._column(name).to_pylist()
        return texts

    def unreadable(self, most: int) -> tuple[list[tuple[str, str]], int]:
        """(key, cause) of the first images that could not be read, and how many there are."""
        table = _read(self.path, ["key", "error"])
        import pyarrow.compute as pc  # noqa: PLC0415

        bad = table.filter(pc.not_equal(table["error"], ""))
        first = bad.slice(0, most)
        return list(zip(first["key"].to_pylist(), first["error"].to_pylist(), strict=True)), bad.num_rows

    def _column(self, name: str) -> Any:
        import pyarrow.compute as pc  # noqa: PLC0415

        table = _read(self.path, [name, "error"])
        return table.filter(pc.equal(table["error"], ""))[name]


def schema() -> pa.Schema:
    """Columns of the table: what is known of the image, then one column for each feature."""
    import pyarrow as pa  # noqa: PLC0415 - an extra

    known = [(name, pa.string()) for name in _TEXTS]
    known += [("label", pa.int8()), ("phash", pa.uint64()), ("phash2", pa.uint64())]
    kinds = {"number": pa.float64(), "category": pa.dictionary(pa.int32(), pa.string())}
    return pa.schema(known + [(feature.name, kinds[feature.kind]) for feature in measuring.FEATURES])


def _parts(samples: Iterable[Sample]) -> Iterator[list[Sample]]:
    iterator, number = iter(samples), 0
    while part := list(islice(iterator, min(SMALLEST << (number // PARTS_OF_A_SIZE), LARGEST))):
        yield part
        number += 1


def _measure_part(folder: Path, numbered: tuple[int, list[Sample]]) -> tuple[Path, int]:
    """Measures a part unless it is there already; runs in a worker, which writes the part itself."""
    import pyarrow as pa  # noqa: PLC0415

    number, samples = numbered
    path = folder / f"part-{number:06d}-{_fingerprint(samples)}.parquet"
    if not path.exists():
        _write(path, iter([pa.Table.from_pylist([_row(sample) for sample in samples], schema=schema())]))
    return path, len(samples)


def _row(sample: Sample) -> dict[str, Any]:
    known = {name: _storable(getattr(sample, name)) for name in ("key", "origin", "source", "group", "split")}
    known["label"] = sample.label
    name = sample.image.file_name
    try:
        found = measuring.measure(read_bytes(sample.image), name)
    except ContrafakeError as error:
        return {**known, "sha256": "", "phash": 0, "phash2": 0, "error": _storable(error.cause) or "unreadable"}
    values = {key: _storable(value) for key, value in found.values.items()}
    return {**known, "sha256": found.sha256, "phash": found.phash, "phash2": found.phash2, "error": "", **values}


def _storable(value: Any) -> Any:
    """Texts that Parquet can hold: undecodable bytes of file names are spelled out."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _fingerprint(samples: list[Sample]) -> str:
    digest = hashlib.sha256(f"{VERSION} {[(f.name, f.kind) for f in measuring.FEATURES]}".encode())
    for s in samples:
        known = (s.key, s.label, s.origin, s.source, s.group, s.split, s.image, _changed(s.image))
        digest.update(repr(known).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


def _changed(location: Location) -> tuple[int, int]:
    if isinstance(location, File):
        return _stamp.__wrapped__(location.path)
    return _stamp(location.shard if isinstance(location, Member) else location.file)


@lru_cache(maxsize=64)
def _stamp(path: str) -> tuple[int, int]:
    """Size and time of change of a file; many images stand in one shard."""
    try:
        status = os.stat(path)  # noqa: PTH116 - plain strings keep undecodable names
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns


def _read(path: Path, columns: list[str] | None = None) -> pa.Table:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        # Opened here, because Arrow takes no undecodable name, and makes columns of folders named like `key=value`.
        with path.open("rb") as file:
            return pq.read_table(file, columns=columns)
    except (OSError, pa.ArrowException) as error:
        raise DataError(str(path), f"cannot be read: {error}", "remove it and audit again") from error


def _write(path: Path, tables: Iterator[pa.Table]) -> None:
    """Writes tables one after the other; the file appears under its name only when complete."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    unfinished = path.with_name(f".{path.name}.partial")
    try:
        with unfinished.open("wb") as file, pq.ParquetWriter(file, schema(), compression="zstd") as writer:
            waiting: list[pa.Table] = []
            for table in tables:
                waiting.append(table)
                if sum(map(len, waiting)) >= _ROWS:
                    writer.write_table(pa.concat_tables(waiting), row_group_size=_ROWS)
                    waiting = []
            if waiting:
                writer.write_table(pa.concat_tables(waiting), row_group_size=_ROWS)
        unfinished.replace(path)
    except OSError as error:
        cause = f"cannot be written: {error.strerror or error}"
        raise DataError(str(path), cause, "free some space or choose another folder") from error
    finally:
        unfinished.unlink(missing_ok=True)
