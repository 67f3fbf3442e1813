"""From whatever names an image file to its bytes, within a bound."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from contrafake.errors import ImageError, ImageTooLargeError, UnsupportedImageError

if TYPE_CHECKING:
    import os

_CHUNK = 1 << 20
_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def file_bytes(path: str | os.PathLike[str], name: str, max_bytes: int) -> bytes:
    """Read a regular file whole.

    Args:
        path: The file.
        name: What errors call it.
        max_bytes: Refuse larger files, before reading them.

    Raises:
        ImageTooLargeError: The file is larger than `max_bytes`.
        UnsupportedImageError: Not a regular file (opening a pipe would wait for ever), or an empty one.
        ImageError: It is missing or cannot be read.
    """
    try:
        status = Path(path).stat()
        for is_kind, phrase in _KINDS:
            if is_kind(status.st_mode):
                raise UnsupportedImageError(name, f"is {phrase}, not an image file")
        if status.st_size > max_bytes:
            raise _too_large(name, max_bytes)
        with Path(path).open("rb") as file:
            return stream_bytes(file, name, max_bytes)
    except FileNotFoundError as error:
        remedy = "download it first" if "://" in name else ""
        raise ImageError(name, "no such file", remedy) from error
    except PermissionError as error:
        raise ImageError(name, "no permission to read the file") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(name, f"the file cannot be read: {reason}") from error


def stream_bytes(file: BinaryIO, name: str, max_bytes: int) -> bytes:
    """Read a binary file object from where it stands to its end, at most `max_bytes` + 1 bytes.

    Args:
        file: Anything with a `read(n)` that gives bytes, b"" at the end.
        name: What errors call it.
        max_bytes: Refuse longer streams.

    Raises:
        ImageTooLargeError: There is more than `max_bytes`.
        UnsupportedImageError: It does not give bytes, or gives none.
        ImageError: Reading fails.
    """
    chunks: list[bytes] = []
    left = max_bytes + 1
    while left > 0:
        try:
            chunk: object = file.read(min(left, _CHUNK))
        except (OSError, ValueError) as error:
            raise ImageError(name, f"the stream cannot be read: {error}") from error
        if not isinstance(chunk, bytes):
            raise UnsupportedImageError(name, f"the stream gives {type(chunk).__name__}, not bytes", "open it as 'rb'")
        if not chunk:
            break
        chunks.append(chunk)
        left -= len(chunk)
    return checked(b"".join(chunks), name, max_bytes)


def checked(data: bytes, name: str, max_bytes: int) -> bytes:
    """Bytes that are already here, held to the same bounds.

    Raises:
        ImageTooLargeError: More than `max_bytes`.
        UnsupportedImageError: None at all.
    """
    if len(data) > max_bytes:
        raise _too_large(name, max_bytes)
    if not data:
        raise UnsupportedImageError(name, "the file is empty (0 bytes)")
    return data


def _too_large(name: str, max_bytes: int) -> ImageTooLargeError:
    return ImageTooLargeError(name, f"more bytes than the limit of {max_bytes:,}", "raise Limits.max_bytes to read it")
