"""Where a build lies: a folder, or an address of an object store; files appear there whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrafake.data.remote import file_system, is_remote
from contrafake.data.shard_writer import cannot_write
from contrafake.data.whole_file import write_whole
from contrafake.errors import ContrafakeError, DataError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

WORK = ".work"
"""Folder of a store for what only an unfinished build, or one that grows, needs."""


class Store:
    """Named files under one address. Names are relative, with forward slashes.

    Two machines may work on one store: each writes files of its own, and a file that both write has the same bytes,
    unless it is of a generator that does not give the same image twice.

    Attributes:
        address: The folder or fsspec address.
        folder: The folder, None for an address.
    """

    def __init__(self, address: str | os.PathLike[str]) -> None:
        """Opens a store; a folder is made when the first file is written.

        Raises:
            MissingExtraError: No library for this kind of address is installed.
        """
        self.address = str(address).rstrip("/") or "/"
        self.folder = None if is_remote(self.address) else Path(self.address)
        if self.folder is None:
            file_system(self.address)  # an address that no library knows shows now

    def place(self, name: str) -> str:
        """How messages and indexes name a file."""
        return f"{self.address}/{name}" if self.folder is None else str(self.folder / name)

    def names(self, under: str = "") -> set[str]:
        """Names of the files in one folder of the store, without its subfolders; none where there is no such folder.

        Raises:
            DataError: The store is out of reach.
        """
        return self._listed(under, "file")

    def folders(self, under: str = "") -> set[str]:
        """Names of the subfolders of one folder of the store; none where there is no such folder.

        Raises:
            DataError: The store is out of reach.
        """
        return self._listed(under, "directory")

    def read(self, name: str) -> bytes:
        """The bytes of a file.

        Raises:
            DataError: It is missing or cannot be read.
        """
        found = self.find(name)
        if found is None:
            raise DataError(self.place(name), "no such file")
        return found

    def find(self, name: str) -> bytes | None:
        """The bytes of a file, None where there is none.

        Raises:
            DataError: It cannot be read.
        """
        try:
            with self._told(name, "read"):
                if self.folder is not None:
                    return (self.folder / name).read_bytes()
                data: bytes = self._system.cat_file(self._path(name))
                return data
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Writes a file, or leaves what stood there.

        Raises:
            DataError: It cannot be written.
        """
        with self._told(name, "written"):
            if self.folder is not None:
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                write_whole(self.folder / name, data)
            else:
                self._system.makedirs(self._path(name).rsplit("/", 1)[0], exist_ok=True)
                self._system.pipe_file(self._path(name), data)

    def put(self, file: Path, name: str) -> None:
        """Brings a finished local file under its name; in a folder it is moved.

        Raises:
            DataError: It cannot be written.
        """
        with self._told(name, "written"):
            if self.folder is not None:
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                file.replace(self.folder / name)
            else:
                self._system.makedirs(self._path(name).rsplit("/", 1)[0], exist_ok=True)
                self._system.put_file(str(file), self._path(name))

    def fetch(self, name: str, file: Path) -> Path:
        """A local copy of a file; in a folder, the file itself.

        Raises:
            DataError: It is missing or cannot be read.
        """
        if self.folder is not None:
            return self.folder / name
        try:
            with self._told(name, "read"):
                self._system.get_file(self._path(name), str(file))
        except FileNotFoundError as error:
            raise DataError(self.place(name), "no such file") from error
        return file

    def remove(self, name: str) -> None:
        """Removes a file, if it is there.

        Raises:
            DataError: It cannot be removed.
        """
        with suppress(FileNotFoundError), self._told(name, "removed"):
            if self.folder is not None:
                (self.folder / name).unlink(missing_ok=True)
            else:
                self._system.rm_file(self._path(name))

    def remove_all(self, under: str) -> None:
        """Removes a folder of the store with all that is in it, if it is there.

        Raises:
            DataError: It is out of reach.
        """
        if self.folder is not None:
            shutil.rmtree(self.folder / under, ignore_errors=True)
            return
        with suppress(FileNotFoundError), self._told(under, "removed"):
            if self._system.exists(self._path(under)):
                self._system.rm(self._path(under), recursive=True)

    @contextmanager
    def room(self) -> Iterator[Path]:
        """A local folder for files in the making, gone afterwards; `put` moves from there at no cost.

        Raises:
            DataError: It cannot be made.
        """
        inside = None if self.folder is None else self.folder / WORK
        try:
            if inside is not None:
                inside.mkdir(parents=True, exist_ok=True)
            made = tempfile.TemporaryDirectory(dir=inside, prefix="room-")
        except OSError as error:
            raise cannot_write(inside or "temporary folder", error) from error
        with made as path:
            yield Path(path)

    def sweep(self) -> None:
        """Removes what killed runs left unfinished in a folder; for the only run there.

        Raises:
            DataError: It cannot be removed.
        """
        if self.folder is not None:
            with self._told(WORK, "cleared"):
                partial = [*self.folder.glob(".*.partial"), *(self.folder / WORK).rglob(".*.partial")]
                for left in [*partial, *(self.folder / WORK).glob("room-*")]:
                    shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)

    def _listed(self, under: str, kind: str) -> set[str]:
        try:
            with self._told(under, "listed"):
                if self.folder is not None:
                    place = self.folder / under
                    found = [e for e in (place.iterdir() if place.is_dir() else ()) if not e.name.startswith(".")]
                    return {entry.name for entry in found if (entry.is_file() if kind == "file" else entry.is_dir())}
                system, path = self._system, self._path(under)
                system.invalidate_cache()
                listed = [(e["name"].strip("/"), e["type"]) for e in system.ls(path, detail=True)]
                # Object stores may list a folder within itself.
                return {name.rsplit("/", 1)[-1] for name, what in listed if what == kind and name != path.strip("/")}
        except FileNotFoundError:
            return set()

    @contextmanager
    def _told(self, name: str, done: str) -> Iterator[None]:
        """Says which file could not be read, written or removed; a missing one is for the caller."""
        errors = OSError if self.folder is not None else Exception  # every file system has errors of its own
        try:
            yield
        except FileNotFoundError:
            if done == "written":
                raise DataError(self.place(name), "cannot be written: there is no such folder") from None
            raise
        except ContrafakeError as error:
            if isinstance(error.__cause__, OSError) and done == "written":
                raise cannot_write(self.place(name), error.__cause__) from error  # which knows what to do
            raise
        except errors as error:
            if done == "written" and isinstance(error, OSError):
                raise cannot_write(self.place(name), error) from error
            cause = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise DataError(self.place(name), f"cannot be {done}: {cause}") from error

    @property
    def _system(self) -> Any:
        return file_system(self.address)[0]

    def _path(self, name: str) -> str:
        root = file_system(self.address)[1].rstrip("/")
        return f"{root}/{name}" if name else root
