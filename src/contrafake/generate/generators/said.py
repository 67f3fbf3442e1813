"""What a library or a program said, as one clause for an error."""

from __future__ import annotations

import re

_LONGEST = 300
# A path from the root, but for its last part; the address of a web page is none.
_FOLDERS = re.compile(r"(?<![\w:/.~-])/(?:[^\s/:;,'\"()\[\]{}<>]+/)+")


def said(error: BaseException, most: int = _LONGEST) -> str:
    """The words of an error on one line, without a full stop; the name of its class where it has none.

    Args:
        error: Raised by a library.
        most: Characters, at most.
    """
    words = " ".join(str(error).split()).rstrip(".")
    return words[:most] or type(error).__name__


def without_folders(text: str) -> str:
    """A text whose absolute paths have lost all but their last part: what is stored with a set names no folders."""
    return _FOLDERS.sub("", text)
