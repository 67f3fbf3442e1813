"""Where the bytes of an image lie: in a shard, in a file of its own, or in a cell of a Parquet file.

A location is small, can be sent to another process, and is all that is needed to read the bytes there.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import PurePath
from typing import TypeAlias

from contrafake.data.remote import is_remote, read_range
from contrafake.errors import DataError
from contrafake.images import DEFAULT_LIMITS
from contrafake.images.source import file_bytes


@dataclass(frozen=True)
class Member:
    """A file inside a shard.

    Attributes:
        shard: Path or fsspec address of the tar file.
        name: Member name inside it.
        offset: First byte of the data, counted from the start of the tar file.
        size: Length of the data in bytes.
    """

    shard: str
    name: str
    offset: int
    size: int

    @property
    def address(self) -> str:
        """How messages name it."""
        return f"{self.shard}: {self.name}"

    @property
    def file_name(self) -> str:
        """Its name without folders."""
        return PurePath(self.name).name


@dataclass(frozen=True)
class File:
    """A file of its own.

    Attributes:
        path: Its path; undecodable bytes are surrogate escapes.
    """

    path: str

    @property
    def address(self) -> str:
        """How messages name it."""
        return self.path

    @property
    def file_name(self) -> str:
        """Its name without folders."""
        return PurePath(self.path).name


@dataclass(frozen=True)
class Cell:
    """An image in a Parquet file: a struct with a `bytes` field, as on model hubs, or plain binary.

    Attributes:
        file: Path of the Parquet file.
        column: Name of the column.
        row_group: Row group that holds it.
        row: Row within the row group.
        file_name: Name of the file it once was, "" where nobody wrote it down.
    """

    file: str
    column: str
    row_group: int
    row: int
    file_name: str = ""

    @property
    def address(self) -> str:
        """How messages name it."""
        return f"{self.file}: {self.column}, row {self.row} of row group {self.row_group}"


Location: TypeAlias = Member | File | Cell


def read_bytes(location: Location) -> bytes:
    """The bytes that lie at a location.

    Raises:
        DataError: A shard or Parquet file is gone, out of reach or shorter than its listing said, or holds no bytes
            there.
        ImageError: A file of its own is missing, unreadable, empty, or larger than `Limits.max_bytes`.
    """
    if isinstance(location, Member):
        return _member_bytes(location)
    if isinstance(location, File):
        return file_bytes(location.path, location.path, DEFAULT_LIMITS.max_bytes)
    from contrafake.data.cells import cell_bytes  # noqa: PLC0415 - only Parquet needs it

    return cell_bytes(location)


def _member_bytes(member: Member) -> bytes:
    if is_remote(member.shard):
        data = read_range(member.shard, member.offset, member.offset + member.size) if member.size else b""
    else:
        try:
            descriptor = os.open(member.shard, os.O_RDONLY)
            try:
                data = os.pread(descriptor, member.size, member.offset)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise DataError(member.shard, f"cannot be read: {error.strerror}") from error
    if len(data) != member.size:
        raise DataError(member.address, f"{len(data)} of {member.size} bytes are left")
    return data
