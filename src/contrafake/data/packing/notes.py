"""Notes on finished shards, kept in a hidden folder until all are finished: what a killed run is resumed from."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple

from contrafake.data.index import IndexRow
from contrafake.data.whole_file import write_whole

if TYPE_CHECKING:
    from pathlib import Path

NOTES = ".packing"
"""The hidden folder inside the output."""


_COLUMNS = [column.name for column in fields(IndexRow)]


class Failure(NamedTuple):
    """An image that was listed and could not be packed."""

    key: str
    cause: str


@dataclass(frozen=True)
class ShardNote:
    """What is known of a written shard.

    Attributes:
        digest: Of everything that it was made from.
        rows: Its rows of the index; none where no image could be read, and then there is no shard either.
        failures: Its images that could not be packed.
    """

    digest: str
    rows: list[IndexRow]
    failures: list[Failure]


def note_path(shard: Path) -> Path:
    """Where the note on a shard stands."""
    return shard.parent / NOTES / f"{shard.name}.json"


def write_note(shard: Path, note: ShardNote) -> None:
    """Writes the note on a shard.

    Raises:
        DataError: It cannot be written.
    """
    rows = [[getattr(row, name) for name in _COLUMNS] for row in note.rows]
    text = json.dumps({"digest": note.digest, "rows": rows, "failures": note.failures})
    write_whole(note_path(shard), text.encode())


def read_note(shard: Path) -> ShardNote | None:
    """The note on a shard; None where there is none that can be read."""
    try:
        values = json.loads(note_path(shard).read_bytes())
        rows = [IndexRow(*row) for row in values["rows"]]
        return ShardNote(values["digest"], rows, [Failure(*failure) for failure in values["failures"]])
    except (OSError, ValueError, TypeError, KeyError):
        return None
