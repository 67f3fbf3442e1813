"""What a file's name gives away: its pattern, with numbers and hashes left out."""

from __future__ import annotations

import re

from contrafake.data.audit.feature import Feature, Value

FEATURES = (Feature("name_pattern", "file-name pattern", "name", "category", phrase="are called like {value}"),)

_LONGEST = 32
_WORDS = 3
# A hash mixes digits and letters a to f; "decade" and "2024" are none.
_HEX = re.compile(r"(?=[0-9a-f]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{6,}", re.IGNORECASE)
_DIGITS = re.compile(r"\d+")
_WORD = re.compile(r"[^\W\d_]+")


def name_facts(file_name: str) -> dict[str, Value]:
    """The pattern of a file's name."""
    return {"name_pattern": name_pattern(file_name)}


def name_pattern(file_name: str) -> str:
    """A name with runs of digits as 9, hashes as x, and all words after the third cut off.

    Words stay, because they tell the label as often as not ("real", "midjourney"); the suffix stays in its case.

    Args:
        file_name: Name without folders; anything may stand in it.

    Returns:
        At most 48 characters, "IMG_9.jpg"; "" for an empty name.
    """
    stem, dot, suffix = file_name.rpartition(".")
    if not stem:
        stem, dot, suffix = file_name, "", ""
    # A private character keeps the marks apart from the name's own letters until the words are counted.
    stem = _DIGITS.sub("9", _HEX.sub("\ue000", stem))
    words = list(_WORD.finditer(stem.replace("\ue000", "9")))
    if len(words) > _WORDS:
        stem = stem[: words[_WORDS - 1].end()] + "..."
    if len(stem) > _LONGEST:
        stem = stem[:_LONGEST] + "..."
    return stem.replace("\ue000", "x") + dot + _DIGITS.sub("9", suffix)[:12]
