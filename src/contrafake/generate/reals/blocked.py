"""Words that no caption may hold."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from contrafake.errors import ConfigError
from contrafake.settings import expand

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contrafake.generate.config import RealsSettings

BLOCKED = "its caption holds a blocked word"

_WORD = re.compile(r"\w+")


class BlockedWords:
    """Finds words and phrases in captions: whole ones only, in any case and any Unicode form."""

    def __init__(self, words: Iterable[str]) -> None:
        """Takes words, or phrases of several; empty ones do not count."""
        plain = {" ".join(_folded(word).split()) for word in words} - {""}
        self._words = {word for word in plain if _WORD.fullmatch(word)}
        phrases = sorted(plain - self._words)
        joined = "|".join(r"\s+".join(map(re.escape, phrase.split())) for phrase in phrases)
        self._phrases = re.compile(rf"(?<!\w)(?:{joined})(?!\w)") if phrases else None

    def found(self, caption: str) -> str:
        """The first blocked word or phrase in a caption, "" for none."""
        if not self._words and self._phrases is None:
            return ""
        folded = _folded(caption)
        word = next((word for word in _WORD.findall(folded) if word in self._words), "")
        if not word and self._phrases and (phrase := self._phrases.search(folded)):
            return phrase[0]
        return word


def blocked_words(settings: RealsSettings) -> BlockedWords:
    """The words that a configuration names, and those of its file.

    Raises:
        ConfigError: The file cannot be read.
    """
    words = list(settings.blocked_words)
    if settings.blocked_words_file is not None:
        path = expand(settings.blocked_words_file)
        try:
            words += Path(path).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            cause = f"cannot be read: {getattr(error, 'strerror', None) or error}"
            raise ConfigError(f"blocked_words_file: {path}", cause) from error
    return BlockedWords(words)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text.casefold())
