"""The rows of a table of scores that another program wrote, each checked for itself."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING, NamedTuple

from contrafake.data.sample import parse_label
from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NAMES, SCORES = ("path", "key"), ("score", "probability")
OPTIONAL = ("variant", "label", "seconds", "error")
_SHOWN = 6
_REMEDY = "the first line names the columns: path or key, score or probability, perhaps variant, label, seconds, error"


class ScoreRow(NamedTuple):
    """What one row says.

    Attributes:
        line: Its first line in the file, counted from 1.
        path: As written, "" where there is none.
        key: Likewise.
        variant: Likewise.
        label: 0 = real, 1 = generated, None where it says nothing.
        score: NaN where there is an error instead.
        seconds: Processor seconds, None where not written down.
        error: Why there is no score, "" where there is one.
    """

    line: int
    path: str
    key: str
    variant: str
    label: int | None
    score: float
    seconds: float | None
    error: str

    @property
    def name(self) -> str:
        """How messages name the image."""
        return self.path or self.key


def read_rows(data: bytes, subject: str) -> tuple[str, list[ScoreRow]]:
    """Reads the table.

    Columns are separated by commas, tabs or semicolons, whichever the first line has most of. Names of columns count in
    any case, and all others are passed over.

    Args:
        data: The file's bytes, UTF-8 with or without a byte order mark.
        subject: Its name, for errors.

    Returns:
        ("score" or "probability", at least one row).

    Raises:
        DataError: It is no such table, or a row makes no sense; the error names its line.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(subject, "not UTF-8 text", "save it as UTF-8") from error
    head = text.partition("\n")[0]
    delimiter = max(",\t;", key=head.count)
    lines = _cells(text, delimiter, subject)
    _, header = next(lines, (1, []))
    if not header:
        raise DataError(subject, "is empty", "give a header, and one row for each image")
    names = [name.strip().lower() for name in header]
    kind = _kind(names, subject)
    rows: list[ScoreRow] = []
    for line, cells in lines:
        where = f"{subject}: line {line}"
        if len(cells) != len(names):
            cause = f"{len(cells)} cells, the header has {len(names)}"
            raise DataError(where, cause, "quote cells that hold the separator")
        rows.append(_row(line, dict(zip(names, cells, strict=True)), kind, where))
    if not rows:
        raise DataError(subject, "has a header and no row", "give one row for each image")
    return kind, rows


def _cells(text: str, delimiter: str, subject: str) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row that has some, with the number of its first line."""
    reader, line = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), 1
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{subject}: line {line}", f"not readable as CSV: {error}") from error


def _kind(names: Sequence[str], subject: str) -> str:
    for name in (*NAMES, *SCORES, *OPTIONAL):
        if names.count(name) > 1:
            raise DataError(subject, f"two columns are called {name}", "keep one of them")
    for wanted in (NAMES, SCORES):
        if not set(wanted) & set(names):
            there = ", ".join(map(repr, names[:_SHOWN])) + (", ..." if len(names) > _SHOWN else "")
            raise DataError(subject, f"has no column {' or '.join(wanted)}, but {there}", _REMEDY)
    found = [name for name in SCORES if name in names]
    if len(found) > 1:
        raise DataError(subject, "has both a score and a probability", "keep the column that is to be judged")
    return found[0]


def _row(line: int, cells: dict[str, str], kind: str, where: str) -> ScoreRow:
    path = cells.get("path", "")
    key, variant, label, seconds, error = (
        cells.get(name, "").strip() for name in ("key", "variant", "label", "seconds", "error")
    )
    if not path.strip() and not key:
        raise DataError(where, "names no image", "write its path or its key")
    return ScoreRow(
        line=line,
        path=path if path.strip() else "",
        key=key,
        variant=variant,
        label=parse_label(label, where) if label else None,
        score=_score(cells[kind].strip(), kind, error, where),
        seconds=_seconds(seconds, where) if seconds else None,
        error=" ".join(error.split()),
    )


def _score(text: str, kind: str, error: str, where: str) -> float:
    if error:
        if text and not math.isnan(_number(text, kind, where)):
            raise DataError(where, f"has a {kind} and an error", "write one of them")
        return math.nan
    if not text:
        raise DataError(where, f"has no {kind}", "write one, or say in a column error why there is none")
    score = _number(text, kind, where)
    if not math.isfinite(score):
        cause = f"the {kind} is {text}"
        raise DataError(where, cause, "leave it empty, and say in a column error why there is none")
    if kind == "probability" and not 0 <= score <= 1:
        cause = f"the probability is {text}, not within 0 and 1"
        raise DataError(where, cause, "call the column score if it is no probability")
    return score


def _seconds(text: str, where: str) -> float:
    seconds = _number(text, "seconds", where)
    if not 0 <= seconds < math.inf:
        raise DataError(where, f"seconds is {text}", "write processor seconds, or nothing")
    return seconds


def _number(text: str, name: str, where: str) -> float:
    try:
        if "_" in text:  # Python reads 1_000
            raise ValueError
        return float(text)
    except ValueError:
        remedy = f"write {text.replace(',', '.')}" if text.count(",") == 1 and "." not in text else ""
        raise DataError(where, f"{name} is {text!r}, no number", remedy) from None
