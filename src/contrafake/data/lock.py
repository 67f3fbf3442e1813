"""One run at a time in a folder, or one for each of its parts."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOCK = "lock"
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
"""How file systems without locks answer: there, nobody is kept away."""


@contextmanager
def locked(folder: Path, part: tuple[int, int] | None, cause: str) -> Iterator[None]:
    """Holds a folder; parts may run beside each other, but neither the same part twice nor any beside a whole run.

    Args:
        folder: Holds the lock's files; it must exist. The parent is what the error names.
        part: Which of how many parts runs, None for a whole run.
        cause: What the error says.

    Raises:
        DataError: Another run holds it, or its files cannot be opened.
    """
    try:
        import fcntl  # noqa: PLC0415 - not on Windows
    except ImportError:
        yield
        return
    names = [_LOCK] if part is None else [_LOCK, f"{_LOCK}-{part[0]}"]
    files: list[int] = []
    try:
        for name in names:
            shared = name == _LOCK and part is not None
            try:
                files.append(os.open(folder / name, os.O_RDWR | os.O_CREAT))
                fcntl.flock(files[-1], (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise DataError(str(folder.parent), cause, "wait for its end") from error
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise DataError(str(folder / name), f"cannot be locked: {error.strerror}") from error
        yield
    finally:
        for file in files:
            os.close(file)
