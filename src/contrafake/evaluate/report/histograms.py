"""Where the scores of each group of origins lie, with the thresholds across them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contrafake.data.sample import GENERATED, REAL
from contrafake.evaluate.figures import PARTS
from contrafake.evaluate.groups import SEEN_IN
from contrafake.evaluate.report.plots import WIDTH, cut
from contrafake.train.drawing import BLUE, DIM, INK, ORANGE, RAIL, canvas, png, style

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from contrafake.evaluate.evaluation import DetectorFacts
    from contrafake.evaluate.report.view import View

MOST_ROWS = 9
"""Groups of one class and part that have a row of their own; the smaller ones share one."""
_CELLS = 36
_EDGE = 0.25  # per cent of the scores beyond each end of the axis


def draw_histograms(view: View, detector: DetectorFacts) -> bytes | None:
    """PNG of a detector's scores on the first variant: one row for each real origin and each generated family.

    Each row is a histogram with its own height, since groups differ in size. What lies beyond the axis is drawn at its
    ends. Lines are the first decision rule: from the solid one "generated", up to the dashed one "real".

    Args:
        view: The evaluation.
        detector: The detector.

    Returns:
        PNG bytes; None where nothing was scored.
    """
    scores = view.evaluation.of(view.detailed[0], detector.name)
    rows = list(_rows(view, scores))
    known = scores[np.isfinite(scores)]
    if not rows or not len(known):
        return None
    low, high = np.percentile(known, [_EDGE, 100 - _EDGE])
    if detector.points:
        rule = detector.points[0]
        low, high = min(low, rule.uncertain_from), max(high, rule.threshold)
    pad = 0.02 * (high - low) or 1.0
    edges = np.linspace(low - pad, high + pad, _CELLS + 1)
    with style():
        figure, axes = canvas(WIDTH, 0.75 + 0.27 * len(rows))
        for place, (_, found, colour) in enumerate(rows):
            counts, _ = np.histogram(np.clip(found, edges[0], edges[-1]), edges)
            heights = 0.86 * counts / counts.max()
            axes.stairs(place - heights, edges, baseline=place, fill=True, color=colour, linewidth=0)
            axes.axhline(place, color=RAIL, linewidth=0.6, zorder=0)
        if detector.points:
            axes.axvline(detector.points[0].threshold, color=INK, linewidth=0.9)
            if detector.points[0].uncertain_from < detector.points[0].threshold:
                axes.axvline(detector.points[0].uncertain_from, color=INK, linewidth=0.9, linestyle="--")
        axes.set_yticks([place - 0.35 for place in range(len(rows))], [name for name, _, _ in rows], fontsize=7.5)
        axes.set_ylim(len(rows) - 0.9, -1.1)
        axes.set_xlim(edges[0], edges[-1])
        axes.spines["left"].set_visible(False)
        axes.tick_params(length=0)
        axes.set_xlabel("score", color=DIM)
        return png(figure)


def _rows(view: View, scores: NDArray[np.float64]) -> Iterator[tuple[str, NDArray[np.float64], str]]:
    """(name with its number, scores, colour) of each group, real ones first."""
    images = view.evaluation.images
    scored = np.isfinite(scores)
    for label, column, colour in ((REAL, images.origin, BLUE), (GENERATED, images.family, ORANGE)):
        for part in PARTS:
            inside = (images.label == label) & (images.seen == SEEN_IN[part]) & scored
            names, counts = np.unique(column[inside].astype(str), return_counts=True)
            order = np.argsort(-counts, kind="stable")
            own = names[order[:MOST_ROWS]].tolist() if len(names) > MOST_ROWS + 1 else names[order].tolist()
            for name in own:
                found = scores[inside & (column == name)]
                yield f"{cut(name, 22)}, {part} ({len(found)})", found, colour
            rest = inside & ~np.isin(column.astype(str), own)
            if rest.any():
                yield f"{len(names) - len(own)} more, {part} ({int(rest.sum())})", scores[rest], colour
