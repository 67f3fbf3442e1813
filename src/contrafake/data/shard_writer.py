"""Writing WebDataset shards: plain tar files that appear whole or not at all."""

from __future__ import annotations

import errno
import io
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from contrafake.data.location import Member
from contrafake.data.shards import escape_key
from contrafake.errors import DataError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from types import TracebackType

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} if hasattr(errno, "EDQUOT") else {errno.ENOSPC, errno.EFBIG}


class ShardWriter:
    """Writes one shard; it appears under its name only when complete.

    Members get fixed times and owners, so the same input gives the same bytes.

    Example:
        >>> with ShardWriter("set-0000.tar") as shard:  # doctest: +SKIP
        ...     shard.write("cat-1", {"jpg": data, "json": b'{"label": "real", "origin": "phone"}'})
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Opens a hidden file beside `path`; a shard that stands there is replaced when the writer closes.

        Raises:
            DataError: The file cannot be made.
        """
        self.path = Path(path)
        self._partial = self.path.with_name(f".{self.path.name}.partial")
        try:
            # Pax writes plain ustar headers, and a longer form only for names too long for them or not ASCII.
            self._tar = tarfile.open(self._partial, "w", format=tarfile.PAX_FORMAT, encoding="utf-8")  # noqa: SIM115 (closed in __exit__)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self._keys: set[str] = set()

    def write(self, key: str, members: Mapping[str, bytes]) -> dict[str, Member]:
        """Adds one sample: `members` maps suffixes ("jpg", "real.jpg", "json") to bytes.

        Returns:
            Where each member's bytes lie, by suffix.

        Raises:
            DataError: If the key is empty or was written before, or the shard cannot be written.
        """
        if not key or key in self._keys:
            raise DataError(f"{self.path}: {key!r}", "the key was written before" if key else "the key is empty")
        self._keys.add(key)
        written: dict[str, Member] = {}
        for suffix, data in members.items():
            info = tarfile.TarInfo(f"{escape_key(key)}.{suffix}")
            info.size = len(data)
            try:
                self._tar.addfile(info, io.BytesIO(data))
            except OSError as error:
                raise cannot_write(self.path, error) from error
            blocks = -(-len(data) // tarfile.BLOCKSIZE)
            start = self._tar.offset - blocks * tarfile.BLOCKSIZE
            written[suffix] = Member(str(self.path), info.name, start, len(data))
        return written

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._tar.close()
            if kind is None:
                self._partial.replace(self.path)
        except OSError as failure:
            if kind is None:  # else closing fails for the reason that is already being told
                raise cannot_write(self.path, failure) from failure
        finally:
            self._partial.unlink(missing_ok=True)


def cannot_write(path: str | os.PathLike[str], error: OSError) -> DataError:
    """What to raise when a file of the output cannot be written."""
    remedy = "make room, then run the same command again" if error.errno in _FULL else ""
    return DataError(str(path), f"cannot be written: {error.strerror or error}", remedy)
