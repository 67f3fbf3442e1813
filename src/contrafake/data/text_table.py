"""Tables of text: CSV, tab-separated values and JSON Lines, one row at a time."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any, TextIO

from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DELIMITERS = {".csv": ",", ".tsv": "\t", ".jsonl": ""}
"""By suffix, what separates cells; "" where each line is a JSON object."""

LONGEST_LINE = 1 << 20
"""Characters in one line, so that a file without line breaks is refused and not read whole."""

Row = dict[str, Any]


def read_rows(
    path: Path, *, named: Callable[[list[str]], list[str]] = list, strict: bool = False
) -> Iterator[tuple[int, Row]]:
    """The rows of a table, each with the number of its first line.

    Args:
        path: The file; an unknown suffix counts as CSV.
        named: What the cells of a header, without white space around them, are called in the rows.
        strict: Whether quotes in odd places are an error.

    Raises:
        DataError: It cannot be read, is no UTF-8, or a line is neither a row nor a JSON object; or what `named` raises.
    """
    delimiter = DELIMITERS.get(path.suffix.lower(), ",")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if delimiter:
                yield from _csv_rows(path, csv.reader(_lines(path, file), delimiter=delimiter, strict=strict), named)
            else:
                yield from _json_rows(path, file)
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(str(path), "not UTF-8 text", "save it as UTF-8") from error


def _csv_rows(path: Path, reader: Any, named: Callable[[list[str]], list[str]]) -> Iterator[tuple[int, Row]]:
    line = 1
    try:
        names = named([name.strip() for name in next(reader, [])])
        line = reader.line_num + 1
        for cells in reader:
            if cells:
                if len(cells) != len(names):
                    cause = f"{len(cells)} cells, the header has {len(names)}"
                    raise DataError(f"{path}: line {line}", cause, "quote cells that hold the separator")
                yield line, dict(zip(names, cells, strict=True))
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}: line {line}", f"not readable as CSV: {error}") from error


def _json_rows(path: Path, file: TextIO) -> Iterator[tuple[int, Row]]:
    for line, text in enumerate(_lines(path, file), 1):
        if text.strip():
            try:
                row = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise DataError(f"{path}: line {line}", f"not readable as JSON: {error}") from error
            if not isinstance(row, dict):
                raise DataError(f"{path}: line {line}", "not a JSON object", "write one object a line")
            yield line, row


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    line = 0
    while text := file.readline(LONGEST_LINE + 1):
        line += 1
        if len(text) > LONGEST_LINE:
            raise DataError(f"{path}: line {line}", f"longer than {LONGEST_LINE:,} characters")
        yield text
