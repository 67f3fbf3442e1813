"""File names for keys: any key becomes a path that every file system takes, and comes back from it."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_to_bytes

LONGEST_PIECE = 180
"""Characters in one name; file systems take 255 bytes, of which a suffix and a partial file's name need some."""
LONGEST = 3000
"""Characters in the whole of it; Linux takes paths of 4,096 bytes."""

_EMPTY, _GOES_ON = "%_", "%"
_SIGN = re.compile("%[0-9A-F]{2}|.")


def file_name(key: str) -> str:
    """The path, relative and without a suffix, under which the image of a key is written; `key_of` is the inverse.

    Slashes stay, and all else but ASCII letters, digits and ``_ - ~ + = @ .`` is written as its UTF-8 bytes, ``%20``
    for a space. So is a dot in front and any dot in the name of a folder: no file is hidden, no path leads upwards, and
    no file with a suffix can have the name of a folder. A name between two slashes with nothing in it becomes ``%_``,
    and one that is too long becomes folders that end in ``%``.

    Args:
        key: Any text, surrogates included.

    Returns:
        ASCII; different keys give different paths.
    """
    *folders, last = key.split("/")
    names = [_pieces(name, dots=False) for name in folders]
    return "/".join([*names, _pieces(last, dots=True)])


def key_of(name: str) -> str:
    """The key whose path this is.

    Args:
        name: A path as `file_name` gives it; any other text comes back with its percent escapes read, or as it is.
    """
    joined = name.replace(f"{_GOES_ON}/", "")
    text = "/".join("" if part == _EMPTY else part for part in joined.split("/"))
    try:
        return unquote_to_bytes(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return name


def _pieces(name: str, *, dots: bool) -> str:
    if not name:
        return _EMPTY
    quoted = quote(name, safe="+=@~", errors="surrogatepass")
    if not dots or len(quoted) >= LONGEST_PIECE:
        quoted = quoted.replace(".", "%2E")
    elif quoted.startswith("."):
        quoted = f"%2E{quoted[1:]}"
    pieces = [""]
    for sign in _SIGN.findall(quoted):
        if len(pieces[-1]) + len(sign) >= LONGEST_PIECE:
            pieces.append("")
        pieces[-1] += sign
    return f"{_GOES_ON}/".join(pieces)
