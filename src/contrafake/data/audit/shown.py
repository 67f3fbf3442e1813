"""How an audit's numbers and texts are written, the same on the page, in the plots and on the terminal."""

from __future__ import annotations

import math
import re
from typing import Literal, TypeAlias

Strength: TypeAlias = Literal["strong", "clear", "some", "little", "unknown"]
"""How far an AUC is from chance: from 0.9, from 0.7, from 0.6, below that; unknown for NaN."""

UNKNOWN = "–"

# They print as nothing, or hide in the character before them, and yet `str.isprintable` is true.
_BLANKS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def shown(text: str) -> str:
    r"""Spells out what a reader would not see or what would turn other text around: controls, bidi marks, surrogates.

    Markup is not touched: the page's templates escape it.

    Args:
        text: Any string from outside.

    Returns:
        One line that encodes as UTF-8; a hidden character is its code point, such as `\u202e`.
    """
    if text.isprintable() and not _BLANKS.search(text):
        return text
    return "".join(c if c.isprintable() and not _BLANKS.match(c) else _spelled(ord(c)) for c in text)


def in_short(number: float) -> str:
    """A number in a few characters for the axis of a plot: "512", "0.031", "1.05M".

    Args:
        number: Any number; what is not finite gives a dash.
    """
    if not math.isfinite(number):
        return UNKNOWN
    size = abs(number)
    if size >= 999_500:
        return f"{number / 1e6:.3g}M" if size < 999.5e6 else f"{number:.0e}"
    if size >= 9_999.5:
        return f"{number / 1e3:.3g}k"
    if 0 < size < 0.001:
        return f"{number:.0e}"
    return f"{number:.3g}" if size < 999.5 else f"{number:.0f}"


def auc_in_words(auc: float) -> str:
    """An AUC with two digits, a dash for NaN.

    Args:
        auc: AUC in [0, 1], or NaN where it could not be found.
    """
    return f"{auc:.2f}" if math.isfinite(auc) else UNKNOWN


def share_in_words(share: float) -> str:
    """A share in per cent: "94 %", and neither "0 %" of something nor "100 %" of not quite all.

    Args:
        share: From 0 to 1.
    """
    if 0 < share < 0.005:
        return "<1 %"
    if 0.995 <= share < 1 - 1e-9:
        return ">99 %"
    return f"{100 * share:.0f} %"


def strength(auc: float) -> Strength:
    """How far an AUC is from chance.

    Args:
        auc: AUC in [0, 1], or NaN. Below 0.5 nothing carried over from the training folds: that is "little".
    """
    if not math.isfinite(auc):
        return "unknown"
    # As it is printed: a figure shown as 0.90 is not called less than 0.9.
    auc = round(auc, 2)
    if auc >= 0.9:
        return "strong"
    if auc >= 0.7:
        return "clear"
    return "some" if auc >= 0.6 else "little"


def _spelled(code: int) -> str:
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
