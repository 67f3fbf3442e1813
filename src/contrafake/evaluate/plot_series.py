"""What is drawn as one line, or one row of bars: a detector in one part, with a colour and a look of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from contrafake.data.audit.shown import shown
from contrafake.evaluate.figures import PARTS
from contrafake.train.drawing import BLUE, INK, ORANGE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from contrafake.evaluate.figures import Part
    from contrafake.evaluate.robustness import Drop

WIDTH = 4.6
"""Inches of a figure; at this width its text can be read on a phone."""

# After Okabe and Ito, Color Universal Design (2008).
_COLOURS = (BLUE, ORANGE, "#009e73", "#cc79a7", "#56b4e9", "#8a6d00")
_Dashes: TypeAlias = Literal["-", "--", ":", "-."]
_DASHES: dict[Part, _Dashes] = {"seen": "-", "unseen": "--", "unknown": ":", "apart": "-."}
_PARTS: dict[Part, str] = {
    "seen": "seen origins",
    "unseen": "unseen origins",
    "unknown": "unknown whether seen",
    "apart": "reported apart",
}
_NAME = 28


@dataclass(frozen=True)
class Series:
    """A line, or the bars of one look.

    Attributes:
        name: For the legend, fit to be shown.
        colour: The detector's.
        dashes: The part's; "-" where there is one part only.
        drops: Its figures, by variant.
    """

    name: str
    colour: str
    dashes: _Dashes
    drops: Mapping[str, Drop]


def find_series(names: Sequence[str], known: Mapping[str, Sequence[Drop]]) -> list[Series]:
    """Divides detectors into parts.

    Args:
        names: Detectors in order.
        known: What `drops` gave of each.

    Returns:
        A series for each detector and part with any figure.
    """
    parts = [part for part in PARTS if any(drop.part == part for of_one in known.values() for drop in of_one)]
    series = []
    for place, name in enumerate(names):
        for part in parts:
            own = {drop.variant: drop for drop in known[name] if drop.part == part}
            words = [_short(name), _PARTS[part]] if len(names) > 1 else [_PARTS[part]]
            dashes: _Dashes = _DASHES[part] if len(parts) > 1 else "-"
            if own:
                series.append(Series(", ".join(words), _COLOURS[place % len(_COLOURS)], dashes, own))
    return series


def _short(name: str) -> str:
    text = shown(name)
    text = text if len(text) <= _NAME else f"{text[: _NAME - 1]}…"
    # matplotlib leaves names with a leading underscore out of the legend.
    return f" {text}" if text.startswith("_") else text


def empty_figure(width: float, height: float) -> Figure:
    """A figure of that many inches that makes room for what is in it."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import

    return Figure(figsize=(width, height), layout="constrained")


def finish(figure: Figure, title: str, handles: Sequence[Any]) -> Figure:
    """Adds the title, and the legend below."""
    figure.legend(handles=handles, loc="outside lower center", ncols=1, frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=9.5, color=INK)
    return figure
