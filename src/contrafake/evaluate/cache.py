"""What detectors measured before, kept in one file: a run that was stopped, or comes again, measures only the rest."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import threading
import time
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from contrafake.data.listing.cache import cache_folder

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from numpy.typing import NDArray

    Measured = NDArray[np.float32] | NDArray[np.float64]

Result = TypeVar("Result")

FILE: Final = "measured-1.sqlite"
"""The number counts up whenever what stands in the file could be read wrongly."""

SIZE_LIMIT: Final = 4 * 2**30
PATIENCE: Final = 30.0
"""Seconds to wait for another process that is writing."""

_DTYPES: Final = {"float32", "float64"}
_REMEMBERED: Final = 3600
"""Seconds within which a second use is not written down."""
_LOOKED_AT: Final = 32 * 2**20
"""Bytes written between two looks at the file's size."""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS measured (
    key BLOB PRIMARY KEY, used INTEGER NOT NULL, dtype TEXT NOT NULL, shape TEXT NOT NULL, crc INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS by_use ON measured (used);
CREATE TABLE IF NOT EXISTS cost (
    identity TEXT, processor TEXT, seconds REAL NOT NULL, PRIMARY KEY (identity, processor)
);
"""


class CacheWarning(UserWarning):
    """The cache of an evaluation is damaged or cannot be used; the evaluation goes on without."""


def default_folder() -> Path:
    """``$XDG_CACHE_HOME/contrafake/evaluations``, else the same in ``~/.cache``."""
    return cache_folder().with_name("evaluations")


class Cache:
    """Arrays by who measured them and what of, in one SQLite file; numbers only, nothing is ever unpickled.

    Several threads and processes may use it at once. No failure of it stops an evaluation: a damaged file is set aside,
    and where it can be neither read nor written (no permission, a full disk) nothing is kept; either is said once, as a
    `CacheWarning`, and stands in `notes`.

    Attributes:
        path: The file.
        notes: What went wrong with it.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None, *, size_limit: int = SIZE_LIMIT) -> None:
        """Opens the cache in a folder, which is made.

        Args:
            folder: None takes `default_folder()`.
            size_limit: Bytes that the file may hold; beyond, what was used longest ago goes first.
        """
        self.path = Path(default_folder() if folder is None else folder) / FILE
        self.size_limit = size_limit
        self.notes: list[str] = []
        self._lock = threading.RLock()
        self._used: set[bytes] = set()
        self._written = 0
        self._margin = min(_LOOKED_AT, size_limit // 8)
        self._open: sqlite3.Connection | None = None
        self._attempt(self._connect, None)

    def get(self, identity: str, change: str, sha256: str) -> Measured | None:
        """What was measured, None where nothing is kept.

        Args:
            identity: Who measures.
            change: What was done to the image before.
            sha256: Hex digest of the image's bytes.
        """
        key = _key(identity, change, sha256)

        def select(db: sqlite3.Connection) -> tuple[str, str, int, bytes, int] | None:
            query = "SELECT dtype, shape, crc, data, used FROM measured WHERE key = ?"
            found: tuple[str, str, int, bytes, int] | None = db.execute(query, (key,)).fetchone()
            return found

        row = self._do(select, None)
        if row is None:
            return None
        dtype, shape, crc, data, used = row
        try:
            if dtype not in _DTYPES or _crc(dtype, shape, data) != crc:
                return None
            found = np.frombuffer(data, dtype).reshape([int(side) for side in shape.split(",") if side])
        except (AttributeError, TypeError, ValueError):  # the file is no more than a file: anything may stand in it
            return None
        if time.time() - used > _REMEMBERED:
            with self._lock:
                self._used.add(key)
        return found

    def put(self, identity: str, change: str, sha256: str, measured: Measured) -> None:
        """Keeps what was measured; arguments as for `get`, float32 or float64, any shape."""
        data = np.ascontiguousarray(measured).tobytes()
        dtype, shape = measured.dtype.name, ",".join(map(str, measured.shape))
        row = (_key(identity, change, sha256), int(time.time()), dtype, shape, _crc(dtype, shape, data), data)
        self._do(lambda db: db.execute("INSERT OR REPLACE INTO measured VALUES (?, ?, ?, ?, ?, ?)", row), None)
        with self._lock:
            self._written += len(data)
            if self._written >= self._margin:
                self._written = 0
                self._do(self._shrink, None)

    def seconds(self, identity: str, processor: str) -> float | None:
        """Processor seconds for 1,000 images that were measured before on such a processor."""
        query = "SELECT seconds FROM cost WHERE identity = ? AND processor = ?"
        row = self._do(lambda db: db.execute(query, (identity, processor)).fetchone(), None)
        return None if row is None else float(row[0])

    def keep_seconds(self, identity: str, processor: str, seconds: float) -> None:
        """Keeps them, in place of former ones."""
        row = (identity, processor, seconds)
        self._do(lambda db: db.execute("INSERT OR REPLACE INTO cost VALUES (?, ?, ?)", row), None)

    def close(self) -> None:
        """Writes down what was used, keeps to the size limit, and lets go of the file."""
        with self._lock:
            self._do(self._note_use, None)
            self._do(self._shrink, None)
            self._drop()

    def __enter__(self) -> Cache:
        """The cache itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes it."""
        self.close()

    def _connect(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        self._open = db
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # counts for a new file only
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(_SCHEMA)
        db.execute("SELECT dtype, shape, crc, data, used FROM measured LIMIT 1")

    def _do(self, work: Callable[[sqlite3.Connection], Result], otherwise: Result) -> Result:
        with self._lock:
            db = self._open
            return otherwise if db is None else self._attempt(lambda: work(db), otherwise)

    def _attempt(self, work: Callable[[], Result], otherwise: Result) -> Result:
        try:
            return work()
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                return otherwise  # another process has been writing for long; this one thing is not kept
            # Its exact class: permissions and full disks are OperationalErrors.
            damaged = type(error) is sqlite3.DatabaseError
            self._drop()
            if damaged and not any("damaged" in note for note in self.notes):
                self._set_aside(error)
            else:
                self._warn(f"{self.path}: the cache cannot be used, nothing more is kept: {error}")
        return otherwise

    def _set_aside(self, error: Exception) -> None:
        aside = self.path.with_name(f"{self.path.name}.damaged")
        self._warn(f"{self.path}: the cache is damaged ({error}); it now is {aside.name}, and a new one is begun")
        with contextlib.suppress(OSError):
            self.path.replace(aside)
            for tail in ("-wal", "-shm"):
                self.path.with_name(self.path.name + tail).unlink(missing_ok=True)
        self._attempt(self._connect, None)

    def _warn(self, note: str) -> None:
        self.notes.append(note)
        warnings.warn(note, CacheWarning, stacklevel=2)

    def _drop(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._open is not None:
                self._open.close()
        self._open = None

    def _note_use(self, db: sqlite3.Connection) -> None:
        now = int(time.time())
        with _transaction(db):
            db.executemany("UPDATE measured SET used = ? WHERE key = ?", [(now, key) for key in self._used])
        self._used.clear()

    def _shrink(self, db: sqlite3.Connection) -> None:
        if self._bytes(db) <= self.size_limit - self._margin:
            return
        self._note_use(db)
        [rows] = db.execute("SELECT COUNT(*) FROM measured").fetchone()
        while rows > 0 and self._bytes(db) > self.size_limit * 8 // 10:
            part = max(1, rows // 20)
            oldest = "SELECT rowid FROM measured ORDER BY used, rowid LIMIT ?"
            db.execute(f"DELETE FROM measured WHERE rowid IN ({oldest})", (part,))  # noqa: S608 - no text from outside
            rows -= part
        db.execute("PRAGMA incremental_vacuum").fetchall()

    @staticmethod
    def _bytes(db: sqlite3.Connection) -> int:
        pages, free, size = (
            int(db.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _key(identity: str, change: str, sha256: str) -> bytes:
    digest = hashlib.blake2b(digest_size=20)
    for part in (identity, change, sha256):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8) + data)
    return digest.digest()


def _crc(dtype: str, shape: str, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(f"{dtype} {shape}".encode()))
