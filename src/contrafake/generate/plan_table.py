"""The plan as a table: one flat row an image, for people, spreadsheets and programs."""

from __future__ import annotations

import csv
import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from contrafake.data.parallel import in_chunks
from contrafake.data.shard_writer import cannot_write
from contrafake.errors import UsageError
from contrafake.generate.job import Job

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from contrafake.generate.generators.settings import AnyGenerator
    from contrafake.generate.job import Compression, Skip
    from contrafake.generate.plan import Planner
    from contrafake.generate.record import BuildRecord

Row: TypeAlias = "dict[str, str | int | float | None]"

_TEXTS = (
    "record", "generator", "key", "kind", "model", "revision", "prompt", "negative_prompt", "scheduler", "format",
    "subsampling", "earlier_format", "earlier_subsampling", "skipped",
)  # fmt: skip
_NUMBERS = ("guidance", "strength", "factor")
COLUMNS = (
    "record", "generator", "key", "kind", "model", "revision", "prompt", "negative_prompt", "width", "height", "steps",
    "guidance", "strength", "scheduler", "seed", "frame_left", "frame_top", "frame_right", "frame_bottom",
    "crop_width", "crop_height", "earlier_format", "earlier_quality", "earlier_subsampling", "earlier_x", "earlier_y",
    "factor", "format", "quality", "subsampling", "skipped",
)  # fmt: skip
"""Columns of a row. ``skipped`` is the reason of a row without a job; what does not apply is None. ``format`` is None
where the real file is kept as it is."""

_ROWS_AT_ONCE = 4096
# Spreadsheets run a cell that starts like this as a formula; the wide forms count in East Asian ones.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def plan_rows(planner: Planner, records: Iterable[BuildRecord], generators: Sequence[AnyGenerator]) -> Iterator[Row]:
    """The rows of the plan, record by record: the real image first, then the generators as they are given.

    Args:
        planner: Of the build.
        records: Their order is that of the rows and changes nothing else.
        generators: Which to list.
    """
    for record in records:
        yield _row(planner.real(record))
        for generator in generators:
            yield _row(planner.job(record, generator))


def check_plan_name(path: str | os.PathLike[str]) -> None:
    """Refuses a name that does not say how to write a plan, before any work is done.

    Raises:
        UsageError: It does not end in ``.csv``, ``.jsonl`` or ``.parquet``.
    """
    if Path(path).suffix.lower() not in _writers():
        raise UsageError(str(path), "its name does not say how to write it", f"end it in {', '.join(_writers())}")


def write_plan(path: str | os.PathLike[str], rows: Iterable[Row]) -> int:
    r"""Writes rows to a file that appears when it is complete; holds a few thousand in memory.

    Args:
        path: Ends in ``.csv`` (a text that a spreadsheet would run gets an apostrophe before it), ``.jsonl`` or
            ``.parquet``. Bytes of names that are no text are spelled ``\udcNN`` in all three.
        rows: With the columns of `COLUMNS`.

    Returns:
        Number of rows.

    Raises:
        UsageError: The name ends differently.
        DataError: It cannot be written.
    """
    check_plan_name(path)
    target, count = Path(path), 0
    partial = target.with_name(f".{target.name}.partial")
    try:
        with _writers()[target.suffix.lower()](partial) as write:
            for chunk in in_chunks(rows, _ROWS_AT_ONCE):
                write(chunk)
                count += len(chunk)
        partial.replace(target)
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        partial.unlink(missing_ok=True)
    return count


def _row(planned: Job | Skip) -> Row:
    row: Row = dict.fromkeys(COLUMNS)
    row |= {"record": planned.record, "generator": planned.generator}
    if not isinstance(planned, Job):
        return row | {"skipped": planned.reason}
    same = ("key", "kind", "model", "revision", "prompt", "negative_prompt", "width", "height", "steps", "guidance")
    row |= {name: getattr(planned, name) for name in (*same, "strength", "scheduler", "seed")}
    row |= dict(zip(("frame_left", "frame_top", "frame_right", "frame_bottom"), planned.frame, strict=True))
    treatment = planned.treatment
    if treatment.crop is not None:
        row |= dict(zip(("crop_width", "crop_height"), treatment.crop, strict=True))
    if treatment.earlier is not None:
        row |= _encoding(treatment.earlier, "earlier_")
        row |= dict(zip(("earlier_x", "earlier_y"), treatment.earlier.phase, strict=True))
    if treatment.final is not None:
        row |= _encoding(treatment.final, "")
    return row | {"factor": treatment.factor}


def _encoding(how: Compression, prefix: str) -> Row:
    return {
        f"{prefix}format": how.format,
        f"{prefix}quality": how.quality,
        f"{prefix}subsampling": how.subsampling,
    }


@contextmanager
def _csv(path: Path) -> Iterator[Callable[[list[Row]], None]]:
    def cell(value: str | float | None) -> str | float | None:
        if not isinstance(value, str):
            return value
        text = _text(value)
        return f"'{text}" if text.startswith(_FORMULA) else text

    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        out.writerow(COLUMNS)
        yield lambda rows: out.writerows([cell(row[name]) for name in COLUMNS] for row in rows)


@contextmanager
def _jsonl(path: Path) -> Iterator[Callable[[list[Row]], None]]:
    with path.open("w", encoding="utf-8", newline="") as file:
        yield lambda rows: file.writelines(f"{json.dumps(_plain(row), ensure_ascii=False)}\n" for row in rows)


@contextmanager
def _parquet(path: Path) -> Iterator[Callable[[list[Row]], None]]:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    kinds = {**dict.fromkeys(_TEXTS, pa.string()), **dict.fromkeys(_NUMBERS, pa.float64())}
    schema = pa.schema([(name, kinds.get(name, pa.int64())) for name in COLUMNS])
    with path.open("wb") as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        yield lambda rows: writer.write_table(pa.Table.from_pylist([_plain(row) for row in rows], schema=schema))


def _writers() -> dict[str, Callable[[Path], AbstractContextManager[Callable[[list[Row]], None]]]]:
    return {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}


def _plain(row: Row) -> dict[str, Any]:
    return {name: _text(row[name]) for name in COLUMNS}


def _text(value: Any) -> Any:
    """Bytes of names that are no text, spelled out: none of the three formats holds them."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
