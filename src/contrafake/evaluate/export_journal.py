"""What an export has written so far: a line for each file, from which the same call goes on."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from contrafake.data.whole_file import write_whole
from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType

JOURNAL = ".export.jsonl"


class Written(NamedTuple):
    """A file of the export.

    Attributes:
        path: Relative to the folder.
        sha256: Hex digest of its bytes.
    """

    path: str
    sha256: str


class Journal:
    """The hidden file of an export's folder; it says what the folder is, and stays when all is done.

    While it is open, no other export writes to the folder (where the system has such locks).
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        """Takes a new, empty or interrupted folder.

        Args:
            folder: The folder; it is made.
            fingerprint: What is exported; a folder of another export is refused.

        Raises:
            DataError: Something else stands there, another export is at work on it, or it cannot be written.
        """
        self.folder = folder
        self._path = folder / JOURNAL
        self._files: dict[tuple[str, str], Written] = {}
        self._tables: dict[str, set[str]] = {}
        try:
            taken = folder.exists() and (not folder.is_dir() or any(path != self._path for path in folder.iterdir()))
            folder.mkdir(parents=True, exist_ok=True)
            if not self._path.exists():
                if taken:
                    raise DataError(str(folder), "something else stands there", "name a new or empty folder")
                write_whole(self._path, f"{json.dumps({'fingerprint': fingerprint})}\n".encode())
            self._file = self._path.open("r+", encoding="utf-8", newline="\n")
        except OSError as error:
            raise DataError(str(folder), f"cannot be written: {error.strerror or error}") from error
        try:
            self._lock()
            self._read(fingerprint)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Journal:
        """The journal itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes it."""
        self._file.close()

    def sweep(self, variants: Iterable[str]) -> None:
        """Removes what a killed export left half-written in the folders of some variants and at the top.

        Raises:
            DataError: It cannot be removed.
        """
        for folder in (self.folder, *(self.folder / name for name in variants)):
            try:
                for partial in folder.glob(".*.partial"):
                    partial.unlink(missing_ok=True)
            except OSError as error:
                raise DataError(str(folder), f"cannot be written: {error.strerror or error}") from error

    def of(self, key: str, variant: str) -> Written | None:
        """The file of a variant of an image, None where it was not written yet."""
        return self._files.get((key, variant))

    def note(self, key: str, variant: str, written: Written) -> None:
        """Notes a file that has been written.

        Raises:
            DataError: The journal cannot be written.
        """
        if self._files.get((key, variant)) != written:
            self._files[key, variant] = written
            self._add([key, variant, *written])

    def write_table(self, name: str, data: bytes) -> None:
        """Writes a table in the folder's top, over none but an earlier one of this export.

        Raises:
            DataError: Another file of that name stands there, or it cannot be written.
        """
        path, digests = self.folder / name, self._tables.setdefault(name, set())
        try:
            ours = not path.exists() or sha256(path.read_bytes()).hexdigest() in digests
        except OSError as error:
            raise DataError(str(path), f"cannot be read: {error.strerror or error}") from error
        if not ours:
            raise DataError(str(path), "is no longer as it was written", "move it away, and export again")
        digest = sha256(data).hexdigest()
        digests.add(digest)
        self._add([name, digest])  # first, so that a table that stands there is always known
        write_whole(path, data)

    def _add(self, line: list[str]) -> None:
        try:
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
        except OSError as error:
            raise DataError(str(self._path), f"cannot be written: {error.strerror or error}") from error

    def _lock(self) -> None:
        try:
            import fcntl  # noqa: PLC0415 - not on Windows
        except ImportError:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(str(self.folder), "another export is writing into it", "wait for its end") from error
        except OSError:  # a file system without locks
            return

    def _read(self, fingerprint: str) -> None:
        first, *lines = self._file.read().split("\n")
        if first != json.dumps({"fingerprint": fingerprint}):
            cause = "another set, other variants or other settings were exported into it"
            raise DataError(str(self.folder), cause, "name a new folder")
        for line in lines:
            try:
                *about, digest = json.loads(line)
            except ValueError:
                continue  # the last one of a run that was killed
            if len(about) == 1:
                self._tables.setdefault(about[0], set()).add(digest)
            else:
                key, variant, path = about
                self._files[key, variant] = Written(path, digest)
        if lines and lines[-1]:
            self._file.write("\n")
        self._file.seek(0, os.SEEK_END)
