"""What became of every address: a record that survives a kill at any moment, so that nobody is asked twice."""

from __future__ import annotations

import csv
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType

LEDGER_NAME, REPORT_NAME = "ledger.sqlite", "dead-links.csv"

Status = Literal["stored", "dead", "refused", "failed"]
"""Stored; gone for good; refused by the site or by us; or not to be had this time, after several tries."""

_TABLE = """
CREATE TABLE IF NOT EXISTS links (
    id TEXT PRIMARY KEY, url TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL, http_status INTEGER NOT NULL,
    sha256 TEXT NOT NULL, bytes INTEGER NOT NULL, format TEXT NOT NULL, file TEXT NOT NULL, time TEXT NOT NULL
) WITHOUT ROWID
"""


@dataclass(frozen=True)
class Outcome:
    """What became of one address.

    Attributes:
        status: See `Status`.
        reason: One of a few fixed phrases, "" where it was stored.
        http_status: The last HTTP status, 0 where there was none.
        sha256: Hex digest of the stored bytes.
        bytes: Their number.
        format: Their format, by the bytes themselves.
        file: Where they lie, from the ledger's folder on.
    """

    status: Status
    reason: str = ""
    http_status: int = 0
    sha256: str = ""
    bytes: int = 0
    format: str = ""
    file: str = ""


class Ledger:
    """The record in a folder; a second program cannot open it at the same time."""

    def __init__(self, folder: Path) -> None:
        """Opens or begins the record.

        Raises:
            DataError: Another download works in the folder, or the file is damaged.
        """
        self.path = folder / LEDGER_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(str(folder), f"cannot be written: {error.strerror}") from error
        try:
            self._db = sqlite3.connect(self.path, timeout=0, isolation_level=None)
        except sqlite3.Error as error:
            raise self._error(error) from error
        try:
            # Only one process at a time; with a write-ahead log each entry is safe at once and costs no waiting.
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute(_TABLE)
            self._db.execute("CREATE INDEX IF NOT EXISTS by_hash ON links (sha256) WHERE sha256 != ''")
        except sqlite3.Error as error:
            self.close()
            raise self._error(error) from error

    def get(self, name: str) -> tuple[str, Status] | None:
        """The address and the status that an id has in the record."""
        rows = self._run("SELECT url, status FROM links WHERE id = ?", (name,))
        return rows[0] if rows else None

    def put(self, name: str, url: str, outcome: Outcome) -> None:
        """Enters what became of an address, in place of what stood there."""
        o, time = outcome, datetime.now(UTC).isoformat(timespec="seconds")
        row = (name, url, o.status, o.reason, o.http_status, o.sha256, o.bytes, o.format, o.file, time)
        self._run("INSERT OR REPLACE INTO links VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def counts(self) -> list[tuple[str, str, int]]:
        """(status, reason, number), the most frequent first, "stored" before all."""
        query = (
            "SELECT status, reason, COUNT(*) AS n FROM links GROUP BY 1, 2 ORDER BY status != 'stored', n DESC, 1, 2"
        )
        return self._run(query)

    def repeated(self) -> tuple[int, int]:
        """How many contents were stored more than once (often a "not available" picture), and how often in all."""
        [(contents, times)] = self._run(
            "SELECT COUNT(*), COALESCE(SUM(n), 0) FROM "
            "(SELECT COUNT(*) AS n FROM links WHERE sha256 != '' GROUP BY sha256 HAVING n > 1)"
        )
        return contents, times

    def write_report(self) -> Path:
        """Writes the list of all that is not stored, by id, beside the record.

        Returns:
            The file's path.

        Raises:
            DataError: It cannot be written.
        """
        path = self.path.with_name(REPORT_NAME)
        partial = path.with_name(f".{path.name}.partial")
        query = "SELECT id, url, status, reason, http_status FROM links WHERE status != 'stored' ORDER BY id"
        try:
            with partial.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(("id", "url", "status", "reason", "http_status"))
                writer.writerows(self._db.execute(query))
            partial.replace(path)
        except OSError as error:
            raise DataError(str(path), f"cannot be written: {error.strerror}") from error
        except sqlite3.Error as error:
            raise self._error(error) from error
        finally:
            partial.unlink(missing_ok=True)
        return path

    def close(self) -> None:
        """Folds the log into the file."""
        self._db.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, query: str, values: Iterable[object] = ()) -> list[tuple]:  # type: ignore[type-arg]
        try:
            return self._db.execute(query, tuple(values)).fetchall()
        except sqlite3.Error as error:
            raise self._error(error) from error

    def _error(self, error: sqlite3.Error) -> DataError:
        if "locked" in str(error):
            return DataError(
                str(self.path), "another download works in this folder", "wait for it, or give another one"
            )
        return DataError(str(self.path), f"the record of the download: {error}")
