"""Where the lines and bars of the page's small drawings stand; the templates only write them down as SVG."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING, Literal

from contrafake.data.audit.shown import in_short

if TYPE_CHECKING:
    from contrafake.data.audit.result import Distribution, Interval

WIDTH, HALF = 320, 46
"""Width of a drawing, and the height of each of its two halves, in SVG units."""

TOP = 14
LOWEST = 0.5
_GAP = 10.0
_LETTER = 6.0


@dataclass(frozen=True)
class Bar:
    """A rectangle in SVG units."""

    x: float
    y: float
    width: float
    height: float
    kind: Literal["real", "generated"]


@dataclass(frozen=True)
class Tick:
    """A text below the axis."""

    x: float
    text: str
    anchor: Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Histogram:
    """A number's distribution: real images upwards, generated ones downwards from a common line.

    Attributes:
        bars: All bars; the empty ones are left out.
        ticks: The first, the middle and the last edge, and the names of what is no number.
        medians: Position of the median of the real and of the generated images, None outside the bins.
        peak: Share that the tallest bar stands for.
    """

    bars: list[Bar]
    ticks: list[Tick]
    medians: tuple[float | None, float | None]
    peak: float


def histogram(distribution: Distribution) -> Histogram:
    """Lays out a number's distribution.

    All bins are equally wide, whatever their edges are, so that a long tail does not squeeze the rest; what the labels
    have beyond the bins (missing values) stands apart on the right.

    Args:
        distribution: One with edges.
    """
    bins, slots = len(distribution.edges) - 1, len(distribution.real)
    step = (WIDTH - (_GAP if slots > bins else 0)) / max(slots, 1)
    peak = max([*distribution.real, *distribution.generated, 1e-9])
    left = [slot * step + (_GAP if slot >= bins else 0) for slot in range(slots)]
    middle = TOP + HALF
    bars = []
    for slot, (real, generated) in enumerate(zip(distribution.real, distribution.generated, strict=True)):
        x, width = round(left[slot] + 0.5, 2), round(max(step - 1, 0.5), 2)
        for share, kind in ((real, "real"), (generated, "generated")):
            height = round(HALF * share / peak, 2)
            if height > 0:
                y = round(middle - height, 2) if kind == "real" else float(middle)
                bars.append(Bar(x, y, width, height, "real" if kind == "real" else "generated"))
    medians = (
        _position(distribution.real_median, distribution.edges, step),
        _position(distribution.generated_median, distribution.edges, step),
    )
    return Histogram(bars, _ticks(distribution, bins, step, left), medians, peak)


def above_chance(auc: float) -> float:
    """Length of an AUC's bar in per cent: 0 at 0.5 or below and for NaN, 100 at 1.

    Args:
        auc: AUC in [0, 1], or NaN.
    """
    return round(100 * min(max((auc - LOWEST) / (1 - LOWEST), 0), 1), 2) if isfinite(auc) else 0.0


def whisker(interval: Interval) -> tuple[float, float] | None:
    """Ends of an interval on the scale of `above_chance`; None where it has no bounds."""
    if not (isfinite(interval.low) and isfinite(interval.high)):
        return None
    return above_chance(interval.low), above_chance(interval.high)


def _position(value: float | None, edges: list[float], step: float) -> float | None:
    if value is None or not isfinite(value) or len(edges) < 2 or not edges[0] <= value <= edges[-1]:
        return None
    for slot, (low, high) in enumerate(pairwise(edges)):
        if value <= high:
            return round(step * (slot + ((value - low) / (high - low) if high > low else 0.5)), 2)
    return None


def _ticks(distribution: Distribution, bins: int, step: float, left: list[float]) -> list[Tick]:
    edges, names = distribution.edges, distribution.labels
    beyond = list(zip(left[bins:], names[bins:], strict=False))
    if bins >= 1 and not any(" to " in name for name in names[:bins]):  # each bin is one value
        shown = sorted({0, bins // 2, bins - 1})
        ticks = [Tick(round(step * (slot + 0.5), 2), names[slot], "middle") for slot in shown]
        return ticks + _beyond(beyond, step)
    ticks = [Tick(0, in_short(edges[0]), "start")]
    if bins >= 4:
        ticks.append(Tick(round(step * (bins // 2), 2), in_short(edges[bins // 2]), "middle"))
    if bins >= 2:
        # A narrow last slot leaves its name too little room.
        room = _LETTER * (len(beyond[-1][1]) + 1) if beyond else 0
        ticks.append(Tick(round(min(step * bins, WIDTH - room), 2), in_short(edges[-1]), "end"))
    return ticks + _beyond(beyond, step)


def _beyond(slots: list[tuple[float, str]], step: float) -> list[Tick]:
    """Names of the slots that are no bins; the last one ends with the drawing."""
    ticks = [Tick(round(x + step / 2, 2), name, "middle") for x, name in slots[:-1]]
    return ticks + [Tick(WIDTH, name, "end") for _, name in slots[-1:]]
