"""Small files that appear under their name only when they are complete."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from contrafake.errors import DataError


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes a file, or leaves whatever stood there before as it was.

    Args:
        path: Where to; a file that stands there is replaced.
        data: All of its bytes.

    Raises:
        DataError: It cannot be written, for example because the disk is full; nothing half-written is left.
    """
    target = Path(path)
    # Two processes may write one file at a time: each has a partial one of its own.
    partial = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    try:
        try:
            partial.write_bytes(data)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(str(path), f"cannot be written: {error.strerror or error}") from error
