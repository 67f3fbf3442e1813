"""How the figures of an evaluation are written, the same in the page and in Markdown."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from contrafake.data.audit.shown import UNKNOWN
from contrafake.evaluate.figures import METRICS
from contrafake.evaluate.report.document import Cell, Column

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contrafake.evaluate.figures import Estimate, Row

PLAIN = frozenset({"auc", "average_precision", "cllr", "nll", "calibration_error"})
"""Metrics that are written as they are; all others are shares, written in per cent."""

SHADED = frozenset({"auc", "accuracy_real", "accuracy_generated", "balanced_accuracy"})

SHORT = {
    "average_precision": "AP",
    "best_balanced_accuracy": "best possible",
    "balanced_accuracy": "balanced",
    "tpr_at_1": "found at 1 %",
    "tpr_at_5": "found at 5 %",
    "eer": "EER",
    "nll": "NLL",
    "uncertain_real": "real uncertain",
    "uncertain_generated": "generated uncertain",
}

PART_NAMES = {
    "seen": "Seen in training",
    "unseen": "Unseen in training",
    "unknown": "Seen or not: unknown",
    "apart": "Reported apart",
}


def column(metric: str) -> Column:
    """The head of a metric's column, leading to its definition."""
    return Column(SHORT.get(metric, METRICS[metric]), term=metric)


def figure(metric: str, value: float) -> str:
    """A metric's value: "0.812", or "81.2 %" for shares.

    Args:
        metric: Its name in `METRICS`.
        value: The value.
    """
    return three(value) if metric in PLAIN else percent(value)


def three(value: float | None) -> str:
    """A number with three decimals, a dash for None."""
    return UNKNOWN if value is None or math.isnan(value) else f"{value:.3f}"


def percent(value: float | None) -> str:
    """A share in per cent with one decimal, a dash for None."""
    return UNKNOWN if value is None or math.isnan(value) else f"{100 * value:.1f} %"


def estimate(metric: str, found: Estimate | None, *, shaded: bool = False) -> Cell:
    """A metric with its interval below; a dash where the group or the detector does not allow it.

    Args:
        metric: Its name in `METRICS`.
        found: The figure.
        shaded: Whether a high value is drawn dark, if high is good.
    """
    if found is None:
        return Cell(UNKNOWN)
    level = min(max(int(found.value * 10 + 1e-9) - 4, 0), 5) if shaded and metric in SHADED else 0
    return Cell(figure(metric, found.value), interval(metric, found), level)


def interval(metric: str, found: Estimate) -> str:
    """A 95 % interval: "0.79–0.83", "" where there is none."""
    if found.low is None or found.high is None:
        return ""
    low, high = figure(metric, found.low), figure(metric, found.high)
    return f"{low.removesuffix(' %')}–{high}"


def difference(metric: str, found: Estimate | None, *, shaded: bool = False) -> Cell:
    """A difference with its sign and its interval: "+0.031" over "+0.010 to +0.050"; points of per cent for shares.

    Args:
        metric: Its name in `METRICS`.
        found: The difference, None for none.
        shaded: Draw it dark.
    """
    if found is None:
        return Cell(UNKNOWN)
    under = ""
    if found.low is not None and found.high is not None:
        under = f"{_signed(metric, found.low)} to {_signed(metric, found.high)}"
    return Cell(_signed(metric, found.value), under, 2 if shaded else 0)


def _signed(metric: str, value: float) -> str:
    if math.isnan(value):
        return UNKNOWN
    if value == 0:
        return "0.000" if metric in PLAIN else "0.0"
    return with_minus(f"{value:+.3f}" if metric in PLAIN else f"{100 * value:+.1f}")


def with_minus(text: str) -> str:
    """A number with a minus sign in place of the hyphen."""
    return text.replace("-", "−")


def count(number: int, thing: str = "") -> str:
    """A number with its thing: "1 image", "1,064 images"; without a thing, "1,064"."""
    words = f"{number:,}"
    return f"{words} {thing}{'' if number == 1 else 's'}" if thing else words


def of_class(row: Row, kind: str) -> Cell:
    """How many images of a class were scored, and of how many sources.

    Args:
        row: A row of figures.
        kind: "real" or "generated".
    """
    number = row.real if kind == "real" else row.generated
    sources = row.sources_real if kind == "real" else row.sources_generated
    borrowed = " †" if row.borrowed and kind == "real" else ""
    return Cell(f"{count(number)}{borrowed}", count(sources, "source") if number else "")


def remarks(rows: Iterable[tuple[str, Row]], least: int = 0) -> tuple[str, ...]:
    """What stands below a table: notes of its rows, each once, images without a score, and borrowed images.

    Args:
        rows: Each row with what it is called in the table.
        least: Generated images below which a row is named as one of few.
    """
    found: dict[str, list[str]] = {}
    few, lacking, borrowed, size = [], [], False, 0
    for name, row in rows:
        size += 1
        for note in row.notes:
            # Said once for the table by what follows.
            if not (row.borrowed and note.endswith("stand in")) and not note.endswith("generated images only"):
                found.setdefault(note, []).append(name)
        if 0 < row.generated < least:
            few.append(name)
        if row.missing:
            lacking.append((name, row.missing))
        borrowed = borrowed or row.borrowed
    notes = [
        f"{note[:1].upper()}{note[1:]}" if len(names) == size else f"{_names(names)}: {note}"
        for note, names in found.items()
    ]
    if borrowed:
        notes.append("† No real images of its own: those of the other parts stand in")
    if few:
        notes.append(f"Fewer than {count(least)} generated images, so read with care: {', '.join(few)}")
    if lacking:
        numbers = {number for _, number in lacking}
        if len(lacking) == size and len(numbers) == 1:
            notes.append(f"{count(numbers.pop(), 'image')} without a score{' in each row' if size > 1 else ''}")
        else:
            notes.append(f"Without a score: {', '.join(f'{name} ({count(number)})' for name, number in lacking)}")
    return tuple(notes)


def _names(names: list[str]) -> str:
    each = list(dict.fromkeys(names))
    return ", ".join(each[:4]) + (f" and {len(each) - 4} more" if len(each) > 4 else "")
