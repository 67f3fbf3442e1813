"""Files of other machines, by fsspec addresses such as ``s3://bucket/a.tar``: found, described, read by byte range.

Local paths pass through `open_shard` and `shard_status` as well, so that a listing need not tell them apart. fsspec is
imported only for an address that has ``://`` in it.
"""

from __future__ import annotations

import gc
import importlib
import os
import posixpath
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeVar

from contrafake.errors import ContrafakeError, DataError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Result = TypeVar("Result")

PAUSES: Final = [0.2, 1.0, 4.0]
"""Seconds between the attempts at one request."""

_BLOCK = 1 << 22
_USED: set[Any] = set()  # classes of file systems that connections may be open of
_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
# What file systems call the facts that change with a file's content; times of access are none of them.
_VERSIONS = (
    "ETag", "etag", "Content-MD5", "md5Hash", "generation", "version_id",
    "mtime", "LastModified", "Last-Modified", "last_modified", "modified", "updated", "created",
)  # fmt: skip


@dataclass(frozen=True)
class ShardStatus:
    """What tells one state of a shard from another without reading it.

    Attributes:
        size: Length in bytes.
        version: Time of the last change in nanoseconds for local files, ETag, time or the like for others, "" where
            the file system tells none.
    """

    size: int
    version: str


def is_remote(address: str) -> bool:
    """Whether it is an fsspec address, not a path."""
    return "://" in address


def file_name(shard: str) -> str:
    """The last part of a shard's path or address, without the query of a signed one."""
    return posixpath.basename(shard.partition("?")[0]) if is_remote(shard) else Path(shard).name


def beside(shard: str, name: str) -> str | None:
    """The path or address of another file in a shard's folder; None where an address cannot tell (signed, chained)."""
    if not is_remote(shard):
        return str(Path(shard).with_name(name))
    return None if "?" in shard or "::" in shard else f"{posixpath.dirname(shard)}/{name}"


def expand_address(pattern: str) -> list[str]:
    """The addresses that match a pattern; one without wildcards, or chained by ``::``, stands for itself.

    Raises:
        DataError: Nothing matches, or the file system is unknown or cannot be reached.
        MissingExtraError: The file system needs a library that is not installed.
    """
    system, path = file_system(pattern)
    if "::" in pattern:
        return [pattern]
    wildcards = "*[" if pattern.startswith(("http://", "https://")) else "*?["  # there, ? begins the query
    if not any(mark in path for mark in wildcards) or _attempt(pattern, lambda: system.exists(path)):
        return [system.unstrip_protocol(path)]
    found = [system.unstrip_protocol(name) for name in _attempt(pattern, lambda: system.glob(path))]
    if not found:
        raise DataError(pattern, "no shard matches", "check the address")
    return found


def shard_status(shard: str) -> ShardStatus:
    """Size and version of a local or remote shard.

    Raises:
        DataError: It is not there, cannot be reached, or its size is not told.
    """
    if not is_remote(shard):
        try:
            status = os.stat(shard)  # noqa: PTH116 - plain strings keep undecodable names
        except OSError as error:
            raise DataError(shard, f"cannot be read: {error.strerror}") from error
        return ShardStatus(status.st_size, str(status.st_mtime_ns))
    system, path = file_system(shard)
    facts = _attempt(shard, lambda: system.info(path))
    if facts.get("size") is None:
        raise DataError(shard, "the server tells no size, so no part of it can be asked for", "copy it here")
    versions = [f"{name} {facts[name]}" for name in _VERSIONS if facts.get(name)]
    return ShardStatus(int(facts["size"]), "; ".join(versions))


@contextmanager
def open_shard(shard: str) -> Iterator[tuple[BinaryIO, int]]:
    """A local or remote file, open for reading, and its size in bytes.

    Raises:
        DataError: It is not there or reading it fails.
    """
    errors: type[Exception] = OSError
    if is_remote(shard):
        errors = Exception  # every file system has errors of its own
        system, path = file_system(shard)
        size = shard_status(shard).size
        file = _attempt(shard, lambda: system.open(path, "rb", block_size=_BLOCK, cache_type="readahead"))
    else:
        size = shard_status(shard).size
        try:
            file = open(shard, "rb")  # noqa: PTH123, SIM115 - as above; closed below
        except OSError as error:
            raise DataError(shard, f"cannot be read: {error.strerror}") from error
    try:
        with file:
            yield file, size
    except ContrafakeError:
        raise
    except errors as error:
        raise DataError(shard, f"cannot be read: {_cause(error)}") from error


def read_range(address: str, start: int, stop: int) -> bytes:
    """Bytes `start` to `stop` of a remote file; a failed request is made again a few times.

    Raises:
        DataError: It is not there, or every attempt failed.
    """
    system, path = file_system(address)
    data: bytes = _attempt(address, lambda: system.cat_file(path, start=start, end=stop))
    return data


def file_system(address: str) -> tuple[Any, str]:
    """The fsspec file system of an address, and the path in it; to be asked for each time it is used.

    fsspec keeps one for each process, which must not be carried into a forked one.

    Raises:
        DataError: It is out of reach.
        MissingExtraError: No library for this kind of address is installed.
    """
    try:
        core = importlib.import_module("fsspec.core")
        system, path = core.url_to_fs(address)
    except ImportError as error:
        raise MissingExtraError(
            address, str(error), 'pip install "contrafake[train]" and the fsspec library for this kind of address'
        ) from error
    except Exception as error:
        raise DataError(address, f"cannot be reached: {_cause(error)}") from error
    if not _USED:
        os.register_at_fork(before=_drop_connections)
    _USED.add(type(system))
    return system, path


def _drop_connections() -> None:
    """Forgets all file systems, which closes what they hold open.

    A forked process shares the event poll of its parent. When it tidies up its copy of a connection, the parent is no
    longer told of answers on it, and waits for ever. New connections are made where they are needed next.
    """
    for kind in _USED:
        kind.clear_instance_cache()
    gc.collect()  # closing is left to finalisers, and sessions stand in reference cycles


def _attempt(address: str, request: Callable[[], Result]) -> Result:
    for pause in [*PAUSES, None]:
        try:
            return request()
        except Exception as error:
            if isinstance(error, _FINAL) and not _may_pass(error):
                raise DataError(address, f"cannot be read: {_cause(error)}") from error
            if pause is None:
                cause = f"cannot be read, {len(PAUSES) + 1} attempts failed: {_cause(error)}"
                raise DataError(address, cause) from error
        time.sleep(pause)
    raise AssertionError


def _may_pass(error: Exception) -> bool:
    """Whether what is called a missing file is a failed connection, or a server that is busy or broken."""
    hidden = _hidden(error)
    return hidden is not None and not 400 <= getattr(hidden, "status", 500) < 429


def _hidden(error: Exception) -> Exception | None:
    """Of a web server fsspec calls every failure a missing file; this is what it was, None for a missing file."""
    behind = error.__cause__
    web = isinstance(behind, TimeoutError | ConnectionError) or type(behind).__module__.startswith("aiohttp")
    return behind if isinstance(behind, Exception) and web and getattr(behind, "status", None) != 404 else None


def _cause(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        hidden = _hidden(error)
        return "no such file" if hidden is None else str(hidden) or type(hidden).__name__
    return str(getattr(error, "strerror", None) or str(error) or type(error).__name__)
