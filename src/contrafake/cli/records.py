r"""Verdicts as JSON, JSON Lines and CSV, for programs.

JSON is written in ASCII with escapes, so a name whose bytes are no text survives: `os.fsencode(record["name"])` gives
the bytes back. CSV is UTF-8 with quoting as RFC 4180; such bytes are spelled `\xNN` there (`escape.for_csv`).

Spreadsheets run a cell that starts with `=`, `+`, `-` or `@` as a formula. A name that does is written with `./` before
it, which still names the same file; any other text gets the apostrophe that spreadsheets take for "this is text".
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import stat
import sys
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from contrafake.cli.escape import for_csv, for_terminal
from contrafake.detect.verdict import SCHEMA_VERSION
from contrafake.errors import ContrafakeError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from contrafake.detect.verdict import Attribution, ModelId, Verdict

COLUMNS = (
    "name", "label", "probability", "calibrated", "llr", "score", "operating_point", "threshold", "false_alarm_rate",
    "head", "crops", "origin", "distance", "distance_limit", "nearest_origin", "nearest_share", "notes", "error",
    "sha256", "model", "model_version", "model_hash", "schema_version",
)  # fmt: skip

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # the wide forms count in East Asian spreadsheets


def print_json_line(verdict: Verdict) -> None:
    """Print a verdict as one line of JSON, at once.

    Args:
        verdict: The verdict.
    """
    print(json.dumps(_finite(verdict.to_dict()), allow_nan=False), flush=True)


def print_json(verdicts: Sequence[Verdict], model: ModelId, summary: Mapping[str, Any]) -> None:
    """Print all verdicts as one JSON document.

    Args:
        verdicts: The verdicts.
        model: Which model spoke.
        summary: Counts and settings of the run.
    """
    document = {
        "schema_version": SCHEMA_VERSION,
        "model": {"name": model.name, "version": model.version, "hash": model.hash},
        "summary": summary,
        "verdicts": [verdict.to_dict() for verdict in verdicts],
    }
    print(json.dumps(_finite(document), indent=2, allow_nan=False))


def _finite(value: Any) -> Any:
    """JSON has no infinity and no NaN; both become null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def csv_rows(target: str) -> Iterator[Callable[[Verdict], None]]:
    """Open a CSV file that appears whole or not at all.

    Args:
        target: The file, or `-` for standard output.

    Yields:
        A function that writes one verdict as a row.

    Raises:
        UsageError: The file cannot be written there.
    """
    if target == "-":
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", newline="")
        yield _writer(sys.stdout, for_terminal if sys.stdout.isatty() else for_csv)
        return
    with _replaced(target) as file:
        yield _writer(file, for_csv, target)


def check_csv(target: str) -> None:
    """Refuse a file that could not be written, before any work is done.

    Args:
        target: The file, or `-` for standard output.

    Raises:
        UsageError: It is a folder, or its folder does not exist or is not writable.
    """
    path = os.path.realpath(target)
    folder = os.path.dirname(path)  # noqa: PTH120 - a plain name, surrogates included
    if target == "-":
        return
    if os.path.isdir(path):  # noqa: PTH112
        raise UsageError("--csv", f"{target} is a folder", "name a file in it")
    if not os.path.isdir(folder):  # noqa: PTH112
        raise UsageError("--csv", f"the folder {folder} does not exist")
    if not os.access(folder, os.W_OK) and not _is_special(path):
        raise UsageError("--csv", f"the folder {folder} is not writable")


def _writer(file: TextIO, clean: Callable[[str], str], target: str = "") -> Callable[[Verdict], None]:
    rows = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    rows.writerow(COLUMNS)

    def write(verdict: Verdict) -> None:
        cells = (clean(cell) if isinstance(cell, str) else cell for cell in _row(verdict))
        with _blaming(target):
            rows.writerow(cells)

    return write


def _row(verdict: Verdict) -> list[str | float | None]:
    point, model = verdict.operating_point, verdict.model
    name = f"./{verdict.name}" if verdict.name.startswith(_FORMULA) else verdict.name
    return [
        *(name, verdict.label, verdict.probability, _yes(verdict.calibrated), verdict.llr, verdict.score),
        *((_text(point.name), point.threshold, point.false_alarm_rate) if point else (None, None, None)),
        *(_text(verdict.head), verdict.crops),
        *_origin(verdict.attribution),
        *(_text("; ".join(verdict.notes)), _text(verdict.error), verdict.sha256),
        *(_text(model.name), _text(model.version), _text(model.hash), SCHEMA_VERSION),
    ]


def _origin(found: Attribution | None) -> list[str | float | None]:
    if found is None:
        return [None] * 5
    first = found.nearest[0] if found.nearest else None
    nearest = (_text(first.origin), first.share) if first else (None, None)
    return [_text(found.origin), found.distance, found.limit, *nearest]


def _yes(fact: bool | None) -> str | None:
    return None if fact is None else ("no", "yes")[fact]


def _text(text: str | None) -> str | None:
    return f"'{text}" if text and text.startswith(_FORMULA) else text


@contextmanager
def _replaced(target: str) -> Iterator[TextIO]:
    path = os.path.realpath(target)
    if _is_special(path):
        with _blaming(target):
            file = open(path, "w", encoding="utf-8", newline="")  # noqa: PTH123, SIM115 - closed below
        with file:
            yield file
        return
    folder, name = os.path.split(path)
    with _blaming(target):
        handle, part = tempfile.mkstemp(prefix=f".{name[:40]}.", suffix=".part", dir=folder)
    try:
        with open(handle, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123
            yield file
            with _blaming(target):
                file.flush()
                os.fsync(file.fileno())
        with _blaming(target):
            os.chmod(part, _usual_mode(path))  # noqa: PTH101
            os.replace(part, path)  # noqa: PTH105
    except BaseException:
        os.unlink(part)  # noqa: PTH108
        raise


@contextmanager
def _blaming(target: str) -> Iterator[None]:
    """Name the file in what the system says; a reader of standard output that left is another matter."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ContrafakeError(target, f"this file cannot be written: {error.strerror or error}") from error


def _is_special(path: str) -> bool:
    """A pipe or a device such as /dev/null, which has to be written to and not replaced."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116
    except OSError:
        return False


def _usual_mode(path: str) -> int:
    try:
        return stat.S_IMODE(os.stat(path).st_mode)  # noqa: PTH116
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
