"""From scores to figures: everything that an evaluation says, from what is on disk alone."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from contrafake.data.listing.listing import silent
from contrafake.data.sample import GENERATED, REAL
from contrafake.errors import DataError, UsageError
from contrafake.evaluate.comparisons import compare
from contrafake.evaluate.figures import Figures
from contrafake.evaluate.groups import find_groups
from contrafake.evaluate.resampling import Resampler
from contrafake.evaluate.rows import measure_row
from contrafake.evaluate.spreads import spreads

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from contrafake.evaluate.evaluation import Evaluation
    from contrafake.evaluate.figures import Comparison, Row, Spread

DETAILED = 2
"""Variants, from the first, with rows by family and generator, all intervals, spreads and comparisons."""
BRIEFLY = ("auc", "accuracy_real", "accuracy_generated", "balanced_accuracy")
"""Metrics with an interval on the variants after those."""


def compute_figures(
    evaluation: Evaluation,
    *,
    repeats: int = 1000,
    seed: int = 0,
    least: int = 20,
    detailed: int = DETAILED,
    report: Callable[[int, int], None] = silent,
) -> Figures:
    """Computes all figures; docs/evaluation/metrics.md defines each.

    The same evaluation, settings and version give the same figures, whatever the order of its images. A variant that a
    detector has no score on at all has no rows of that detector.

    Args:
        evaluation: Scores.
        repeats: Resamples behind each interval; 0 for figures without intervals.
        seed: Seed of the resamples.
        least: Scored images below which a generator is pooled with the other small ones, 1 or more.
        detailed: Variants, from the first, that get every level, all intervals, spreads and comparisons; the others get
            a row for each part, with intervals of AUC and the accuracies.
        report: Called with the steps done and their number.

    Raises:
        DataError: One class has no scored image at all.
        UsageError: `repeats`, `least` or `detailed` is out of range.
    """
    for name, value, smallest in (("repeats", repeats, 0), ("least", least, 1), ("detailed", detailed, 0)):
        if value < smallest:
            raise UsageError(name, f"{value} is below {smallest}")
    order = np.argsort(evaluation.images.key, kind="stable")
    images, scores = evaluation.images.take(order), evaluation.scores[:, order]
    scored = ~np.isnan(scores)
    _check_classes(images.label, np.asarray(scored.any(axis=(0, 2))))
    covered = np.asarray(scored.any(axis=1))
    resampler = Resampler(images.source, repeats, seed)
    rows: list[Row] = []
    differences: list[Spread] = []
    comparisons: list[Comparison] = []
    pairs = list(combinations(range(len(evaluation.detectors)), 2))
    compared = evaluation.variants[:detailed]
    done, total = 0, covered.size + len(pairs) * len(compared)
    for d, facts in enumerate(evaluation.detectors):
        for v, variant in enumerate(evaluation.variants):
            if covered[v, d]:
                deep = v < detailed
                groups = list(find_groups(images, scored[v, :, d], least, deep=deep))
                wanted = None if deep else BRIEFLY
                measured = [
                    measure_row(g, facts, variant.name, scores[v, :, d], resampler, least=least, intervals=wanted)
                    for g in groups
                ]
                rows += [one.row for one in measured]
                differences += spreads(measured, {g.part: g.members for g in groups if g.level == "pooled"})
            report(done := done + 1, total)
    for first, second in pairs:
        for v, variant in enumerate(compared):
            both = scores[v][:, [first, second]]
            named = evaluation.detectors[first], evaluation.detectors[second]
            for group in find_groups(images, scored[v, :, first], least, deep=False):
                comparisons += compare(group, *named, variant=variant.name, scores=both, resampler=resampler)
            report(done := done + 1, total)
    return Figures(tuple(rows), tuple(differences), tuple(comparisons), least, repeats, seed)


def _check_classes(label: NDArray[np.uint8], scored: NDArray[np.bool_]) -> None:
    for value, name in ((REAL, "real"), (GENERATED, "generated")):
        if not (scored & (label == value)).any():
            listed = int((label == value).sum())
            cause = f"none of {listed} {name} images has a score" if listed else f"there are no {name} images"
            raise DataError("evaluation", cause, "two-class figures need both; add images of that class")
