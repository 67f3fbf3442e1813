"""What stands in a tar file: its members by key, found in one pass over the headers, damage named and survived.

A key is a member's name up to its first dot, so dots inside keys are escaped (``%2E``); suffixes are read in lower
case. Members are only ever read as bytes: nothing is unpickled, whatever its suffix.
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final, Self

from contrafake.data.location import Member
from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Collection

# What may not stand in a key, and how it is written: "%" comes first, because the others are written with it.
_ESCAPES = {"%": "%25", ".": "%2E", "/": "%2F", "\0": "%00"}

LARGEST_TEXT: Final = 1 << 24
"""Bytes of a JSON or text member beyond which it counts as unreadable; all of them are held while a shard is listed."""


def escape_key(key: str) -> str:
    """Makes any text a shard key; `unescape_key` gives it back."""
    for character, written in _ESCAPES.items():
        key = key.replace(character, written)
    return key


def unescape_key(key: str) -> str:
    """The inverse of `escape_key`."""
    if "%" in key:
        for character, written in reversed(_ESCAPES.items()):
            key = key.replace(written, character)
    return key


def key_and_suffix(name: str) -> tuple[str, str]:
    """The key of a member and its suffix in lower case; the key is "" for a member that has none."""
    folder, slash, file = name.rpartition("/")
    stem, dot, suffix = file.partition(".")
    return (unescape_key(folder + slash + stem), suffix.lower()) if stem and dot else ("", "")


@dataclass
class TarContents:
    """The members of one tar file.

    Attributes:
        keys: Each key's members by suffix, in the order of the file.
        texts: The bytes of the members that were wanted, by their offset.
        damage: What is wrong with the file, in the order in which it was met.
        cut: The key that the end of a truncated file parts, as far as it is known.
    """

    keys: dict[str, dict[str, Member]] = field(default_factory=dict)
    texts: dict[int, bytes] = field(default_factory=dict)
    damage: list[DataError] = field(default_factory=list)
    cut: str = ""

    def text(self, member: Member | None) -> bytes | None:
        """The bytes of a member that was wanted; None for one that is not there or too large."""
        return None if member is None else self.texts.get(member.offset)


def scan_tar(file: BinaryIO, size: int, shard: str, wanted: Collection[str], start: int = 0) -> TarContents:
    """Lists a tar file from its headers.

    Args:
        file: The file, open for reading and able to seek.
        size: Its length in bytes.
        shard: What members and errors call it.
        wanted: Suffixes of the members whose bytes are kept, as the pass comes by them: "json", "caption.txt" ...
        start: Where to begin, the place of a header; members before it are left out.

    Raises:
        OSError: The file cannot be read.
    """
    found = TarContents()
    file.seek(start)
    offset = start
    try:
        with tarfile.open(fileobj=file, mode="r:", encoding="utf-8", tarinfo=_Header) as tar:
            for info in tar:
                offset = tar.offset
                if not 0 <= info.size <= size - info.offset_data:
                    found.cut = key_and_suffix(info.name)[0]
                    cause = f"the shard ends inside this member, at byte {size}"
                    found.damage.append(DataError(f"{shard}: {info.name}", cause, "copy it again"))
                    break
                _take(file, info, shard, wanted, found)
            else:
                # The library takes a damaged or cut header for the end; the true end is a block of zeros.
                file.seek(tar.offset)
                if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                    found.cut = next(reversed(found.keys), "")
                    cause = f"cut off or damaged at byte {tar.offset}"
                    found.damage.append(DataError(shard, cause, "copy it again"))
    except tarfile.TarError as error:
        found.cut = next(reversed(found.keys), "")
        where = f" after byte {offset}" if offset > start else ""
        found.damage.append(DataError(shard, f"not a readable tar file{where}: {error}"))
    if not found.keys and not found.damage:
        found.damage.append(DataError(shard, "the shard is empty"))
    return found


class _Header(tarfile.TarInfo):
    """Of the header of a plain file, only what a listing needs is read: that halves the time of a pass."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Like the library's; whatever is not plain, or is damaged, is left to it."""
        regular = len(buf) == tarfile.BLOCKSIZE and buf[156:157] == tarfile.REGTYPE
        if regular and buf[345:346] == b"\0":  # else the name has a second part
            try:
                size, checksum = (int(buf[start:stop].rstrip(b" \0"), 8) for start, stop in ((124, 136), (148, 156)))
            except ValueError:
                return super().frombuf(buf, encoding, errors)
            if checksum == 256 + sum(buf[:148]) + sum(buf[156:]):
                header = cls(bytes(buf[:100]).partition(b"\0")[0].decode(encoding, errors))
                header.size = size
                return header
        return super().frombuf(buf, encoding, errors)


def _take(file: BinaryIO, info: tarfile.TarInfo, shard: str, wanted: Collection[str], found: TarContents) -> None:
    key, suffix = key_and_suffix(info.name)
    if not key or not info.isfile():
        return
    member = Member(shard, info.name, info.offset_data, info.size)
    if found.keys.setdefault(key, {}).setdefault(suffix, member) is not member:
        found.damage.append(DataError(member.address, "this member stands there twice"))
    elif suffix in wanted and info.size <= LARGEST_TEXT:
        file.seek(info.offset_data)
        found.texts[info.offset_data] = file.read(info.size)
