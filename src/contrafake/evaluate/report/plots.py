"""The curves of a report, drawn from scores: ROC, DET, and reliability."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from contrafake.data.audit.shown import shown
from contrafake.evaluate.groups import find_groups
from contrafake.measure import balanced_weights, reliability, roc
from contrafake.train.drawing import BLUE, DIM, INK, ORANGE, RAIL, canvas, png, style

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from contrafake.evaluate.evaluation import DetectorFacts, Evaluation
    from contrafake.evaluate.report.view import View

# Okabe and Ito, Color Universal Design (2008), without black and the yellow that paper swallows.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
_Dash: TypeAlias = Literal["-", "--", ":", "-."]
_DASHES: tuple[_Dash, ...] = ("-", "--", ":", "-.")
WIDTH = 4.3
"""Inches; at this width the text can be read on a phone."""
BINS = 10
"""Bins of equal mass in the reliability diagram, as in the calibration error."""
_RATES = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
_PART_COLOURS = {"unseen": ORANGE, "seen": BLUE, "unknown": "#009e73", "apart": "#cc79a7"}
_NAME = 34


def part_scores(
    evaluation: Evaluation, part: str, variant: str, detector: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores of a part's images, the same as behind its overall figures.

    Args:
        evaluation: The scores.
        part: One of `PARTS`.
        variant: Name of a variant.
        detector: Name of a detector.

    Returns:
        (N,) of its real images, or of all where it has none, and (M,) of its generated ones; without NaN.
    """
    scores = evaluation.of(variant, detector)
    nothing = np.empty(0, np.float64)
    for group in find_groups(evaluation.images, ~np.isnan(scores), 1, deep=False):
        if group.part == part:
            real, generated = scores[group.real], scores[group.generated]
            return real[~np.isnan(real)], generated[~np.isnan(generated)]
    return nothing, nothing


def draw_roc(view: View, part: str) -> bytes | None:
    """PNG of the ROC curves of a part: detectors by colour, variants by line; None without images of both classes."""
    with style():
        figure, axes = canvas(WIDTH, 4.2)
        drawn = []
        for line, real, generated in _lines(view, part):
            fpr, tpr, _ = roc(real, generated)
            axes.plot(100 * fpr, 100 * tpr, color=line.colour, linestyle=line.dash, linewidth=1.5)
            drawn.append(line)
        if not drawn:
            return None
        axes.plot([0, 100], [0, 100], color=RAIL, linewidth=1, zorder=0)
        axes.set_xlim(-1, 101)
        axes.set_ylim(-1, 101)
        axes.set_aspect("equal")
        axes.set_xlabel("false alarms, % of real images")
        axes.set_ylabel("found, % of generated images")
        return _finished(figure, axes, drawn)


def draw_det(view: View, part: str) -> bytes | None:
    """PNG of the DET curves of a part, misses against false alarms on normal-deviate axes.

    After Martin et al., "The DET curve in assessment of detection task performance" (Eurospeech 1997). Rates of 0 and
    1 have no place on such axes: a curve ends with the last rate between them.
    """
    deviate = np.vectorize(NormalDist().inv_cdf, otypes=[float])
    with style():
        figure, axes = canvas(WIDTH, 4.2)
        drawn = []
        for line, real, generated in _lines(view, part):
            fpr, tpr, _ = roc(real, generated)
            inside = (fpr > 0) & (fpr < 1) & (tpr > 0) & (tpr < 1)
            x, y = (deviate(rates[inside]) if inside.any() else [] for rates in (fpr, 1 - tpr))
            axes.plot(x, y, color=line.colour, linestyle=line.dash, linewidth=1.5)
            drawn.append(line)
        if not drawn:
            return None
        ticks = deviate(np.array(_RATES))
        labels = [f"{100 * rate:g}" for rate in _RATES]
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(ticks, labels)
        axes.set_xlim(ticks[0], ticks[-1])
        axes.set_ylim(ticks[0], ticks[-1])
        axes.plot(ticks[[0, -1]], ticks[[-1, 0]], color=RAIL, linewidth=1, zorder=0)
        axes.set_aspect("equal")
        axes.set_xlabel("false alarms, % of real images")
        axes.set_ylabel("missed, % of generated images")
        return _finished(figure, axes, drawn)


def draw_reliability(view: View, detector: DetectorFacts) -> bytes | None:
    """PNG of how often a probability came true, by part, with the number of images of each bin below.

    Bins of equal mass with both classes weighing the same, as in the calibration error, on the first variant.

    Args:
        view: The evaluation.
        detector: The detector.

    Returns:
        PNG bytes; None where the detector gives no probabilities or no part has both classes.
    """
    found = []
    for part in view.parts:
        real, generated = part_scores(view.evaluation, part, view.detailed[0], detector.name)
        llr = detector.llr(np.concatenate([real, generated]))
        if llr is None or not len(real) or not len(generated):
            continue
        labels = np.repeat([0, 1], [len(real), len(generated)])
        # Half of the images are generated by this prior; exp of a large number is no error here.
        with np.errstate(over="ignore"):
            chances = 1 / (1 + np.exp(-llr))
        found.append((part, *reliability(chances, labels, BINS, balanced_weights(labels))))
    if not found:
        return None
    with style():
        figure, axes = canvas(WIDTH, 4.8)
        axes.remove()
        above, below = figure.subplots(2, 1, height_ratios=[3.4, 1], sharex=True)
        above.plot([0, 1], [0, 1], color=RAIL, linewidth=1, zorder=0)
        for place, (part, given, came, counts) in enumerate(found):
            colour, marker = _PART_COLOURS[part], "os^D"[place]
            above.plot(given, came, color=colour, marker=marker, markersize=4.5, linewidth=1.3, label=_label(part))
            below.vlines(given + 0.006 * (place - (len(found) - 1) / 2), 0, counts, color=colour, linewidth=3.5)
        above.set_ylabel("share that is generated")
        above.set_xlim(-0.02, 1.02)
        above.set_ylim(-0.02, 1.02)
        above.legend(loc="upper left", frameon=False, fontsize=8)
        below.set_ylabel("images")
        below.set_xlabel("probability given, at even odds")
        for each in (above, below):
            each.grid(color=RAIL, linewidth=0.6)
            each.set_axisbelow(True)
            each.tick_params(length=0)
        figure.align_ylabels()
        return png(figure)


def _label(part: str) -> str:
    return "reported apart" if part == "apart" else f"{part} origins"


def cut(text: str, width: int = _NAME) -> str:
    """A text from outside on one line of a picture, at most so many characters."""
    text = shown(text)
    # matplotlib would leave a label that starts with an underscore out of the legend.
    text = f" {text}" if text.startswith("_") else text
    return text if len(text) <= width else f"{text[: width - 1]}…"


@dataclass(frozen=True)
class _Line:
    """How the curve of a detector on a variant looks."""

    detector: str
    variant: str
    colour: str
    dash: _Dash


def _lines(view: View, part: str) -> Iterator[tuple[_Line, NDArray[np.float64], NDArray[np.float64]]]:
    """(look, real scores, generated scores) of each line.

    A colour for a detector, a dash for a variant; where colours come back, there is one variant only and the dash tells
    detectors of one colour apart.
    """
    variants = view.detailed[: len(_DASHES)] if len(view.detectors) <= len(COLOURS) else view.detailed[:1]
    for at, detector in enumerate(view.detectors):
        for place, variant in enumerate(variants):
            real, generated = part_scores(view.evaluation, part, variant, detector.name)
            if len(real) and len(generated):
                dash = _DASHES[(place + at // len(COLOURS)) % len(_DASHES)]
                yield _Line(detector.name, view.title(variant), COLOURS[at % len(COLOURS)], dash), real, generated


def _finished(figure: Figure, axes: Axes, drawn: list[_Line]) -> bytes:
    """Adds a legend of detectors and, where there are several, of variants."""
    from matplotlib.lines import Line2D  # noqa: PLC0415

    axes.grid(color=RAIL, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=8.5)
    detectors = {line.detector: line for line in reversed(drawn)}
    variants = {line.variant: line for line in reversed(drawn)}
    handles = []
    if len(detectors) > 1 or len(variants) == 1:
        for name, line in reversed(detectors.items()):
            dash = "-" if len(variants) > 1 else line.dash
            handles.append(Line2D([], [], color=line.colour, linestyle=dash, label=cut(name)))
    if len(variants) > 1:
        colour = DIM if len(detectors) > 1 else COLOURS[0]
        for name, line in reversed(variants.items()):
            handles.append(Line2D([], [], color=colour, linestyle=line.dash, label=cut(name)))
    names = [str(handle.get_label()) for handle in handles]
    columns = 2 if max(map(len, names)) <= 26 and len(names) > 1 else 1
    figure.set_figheight(4.1 + 0.18 * -(-len(names) // columns))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=8, labelcolor=INK
    )  # fmt: skip
    return png(figure)
