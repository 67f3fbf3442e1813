"""From what the user writes to the shards it names: globs, brace ranges and addresses of other file systems."""

from __future__ import annotations

import glob
import itertools
import os
import re
from typing import TYPE_CHECKING, Final

from contrafake.data.remote import expand_address, is_remote
from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")

MOST_SHARDS: Final = 1_000_000
"""A brace range beyond it is taken for a slip."""


def expand_patterns(patterns: Iterable[str]) -> list[str]:
    """Turns patterns into a sorted list of shards.

    A pattern is a path or an fsspec address (``s3://bucket/train-*.tar``); ``*``, ``?`` and ``[...]`` match where the
    file system can list, and ``{0000..0031}`` counts up everywhere. A file whose own name looks like a pattern is that
    file. Nothing is asked of a remote address without a wildcard: whether it is there shows when it is listed.

    Raises:
        DataError: If a pattern names a pipe or matches nothing; each name a range gives counts as a pattern.
        MissingExtraError: An address needs a library that is not installed.
    """
    shards: list[str] = []
    for pattern in patterns:
        if pattern.startswith("pipe:") or "::pipe:" in pattern:
            raise DataError(pattern, "shards are never read through a command", "give a file or a glob pattern")
        literal = not is_remote(pattern) and os.path.lexists(pattern)  # a file's own name may hold brackets
        for one in [pattern] if literal else expand_ranges(pattern):
            shards.extend(expand_address(one) if is_remote(one) else _expand_path(one))
    return sorted(set(shards))


def expand_ranges(pattern: str) -> Iterator[str]:
    """Every name that brace ranges stand for: ``a-{08..10}.tar`` is a-08.tar, a-09.tar and a-10.tar.

    Raises:
        DataError: A range counts down, or there are more than `MOST_SHARDS` names.
    """
    texts = _RANGE.split(pattern)  # text, first, last, text, first, last, text ...
    ranges: list[list[str]] = []
    names = 1
    for first, last in zip(texts[1::3], texts[2::3], strict=True):
        count = int(last) - int(first) + 1
        names *= count
        if not 0 < count <= MOST_SHARDS or names > MOST_SHARDS:
            raise DataError(pattern, f"{{{first}..{last}}} gives {names:,} names", "count up from the first shard")
        width = len(first) if first.startswith("0") else 0
        ranges.append([f"{number:0{width}d}" for number in range(int(first), int(last) + 1)])
    for numbers in itertools.product(*ranges):
        yield texts[0] + "".join(number + text for number, text in zip(numbers, texts[3::3], strict=True))


def _expand_path(pattern: str) -> list[str]:
    literal = os.path.lexists(pattern)
    found = [pattern] if literal else glob.glob(pattern)  # noqa: PTH207 (patterns are absolute as often as not)
    if not found:
        raise DataError(pattern, "no shard matches", "check the path and ${CONTRAFAKE_DATA}")
    return found
