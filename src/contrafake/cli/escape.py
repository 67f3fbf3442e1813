r"""The one place where text from outside is made harmless for a terminal, and whole for CSV.

File names, notes and error messages can carry escape codes, direction overrides or bytes that are no text. They are
spelled out in ASCII, and the spelling can be reversed, so that two different names never look the same:

* an undecodable byte (a surrogate escape of `os.fsdecode`) and an ASCII control character become ``\xNN``,
* every other hidden character becomes ``\uNNNN`` or ``\UNNNNNNNN``,
* a backslash is doubled only where it would otherwise be read as the start of one of these.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.text import Text

_SPELLED = re.compile(r"\\(?:\\|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")

# `str.isprintable` knows controls, format characters (bidi, zero width) and odd spaces; these print as nothing, or hide
# in the character before them, and yet count as printable.
_BLANKS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def for_terminal(text: str) -> str:
    """Spell out everything in a text that a terminal would act on or not show.

    Args:
        text: Any string, surrogates included.

    Returns:
        One printable line; different texts give different lines.
    """
    if text.isprintable() and "\\" not in text and not _BLANKS.search(text):
        return text
    return _spell_out(text, lambda character: not character.isprintable() or _BLANKS.match(character) is not None)


def for_csv(text: str) -> str:
    """Spell out only what UTF-8 cannot hold (surrogates); line breaks and the rest are left to CSV quoting.

    Args:
        text: Any string, surrogates included.

    Returns:
        A string that encodes as UTF-8; different texts give different strings.
    """
    return _spell_out(text, lambda character: "\ud800" <= character <= "\udfff")


def as_text(text: str, style: str = "") -> Text:
    """The harmless form as a rich `Text`, in which square brackets and `:emoji:` codes are content and not markup.

    Args:
        text: Any string.
        style: Style of the whole text.
    """
    from rich.text import Text  # noqa: PLC0415 - rich is imported only where something is drawn

    return Text(for_terminal(text), style=style)


def _spell_out(text: str, hidden: Callable[[str], bool]) -> str:
    spelled: list[str] = []
    for at, character in enumerate(text):
        if character == "\\":
            following = text[at + 1 : at + 2]
            ambiguous = _SPELLED.match(text, at) or (following and hidden(following))
            spelled.append("\\\\" if ambiguous else "\\")
        else:
            spelled.append(_spelling(character) if hidden(character) else character)
    return "".join(spelled)


def _spelling(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
