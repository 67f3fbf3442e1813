"""One detector against another on the same images, drawn together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contrafake.evaluate.figures import Comparison
from contrafake.evaluate.group_metrics import GroupMetrics
from contrafake.evaluate.resampling import estimate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from contrafake.evaluate.evaluation import DetectorFacts
    from contrafake.evaluate.groups import Group
    from contrafake.evaluate.resampling import Resampler

COMPARED = ("auc", "balanced_accuracy", "cllr")


def compare(
    group: Group,
    first: DetectorFacts,
    second: DetectorFacts,
    *,
    variant: str,
    scores: NDArray[np.float64],
    resampler: Resampler,
) -> Iterator[Comparison]:
    """First minus second, by metric that both allow, on the images that both scored.

    Every resample holds the same images for both, so that what makes an image easy or hard for both cancels.

    Args:
        group: The images.
        first: A detector.
        second: Another.
        variant: Name of the variant.
        scores: (N, 2) scores of all images by the two on the variant, NaN where missing.
        resampler: Draws of the images.
    """
    both = np.asarray(~np.isnan(scores).any(axis=1))
    real, generated = group.real[both[group.real]], group.generated[both[group.generated]]
    if not len(real) or not len(generated):
        return
    one, other = (
        GroupMetrics(facts, scores[real, at], scores[generated, at]) for at, facts in enumerate((first, second))
    )
    shared = [metric for metric in COMPARED if metric in one.values and metric in other.values]
    drawn: tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]] = ({}, {})
    if resampler.repeats:
        counts = resampler.counts(real), resampler.counts(generated)
        drawn = one.resampled(*counts, shared), other.resampled(*counts, shared)
    for metric in shared:
        resampled = drawn[0][metric] - drawn[1][metric] if resampler.repeats else None
        difference = estimate(one.values[metric] - other.values[metric], resampled)
        low, high = difference.low, difference.high
        yield Comparison(
            first=first.name,
            second=second.name,
            variant=variant,
            part=group.part,
            metric=metric,
            real=len(real),
            generated=len(generated),
            difference=difference,
            # Where nothing varies between resamples, nothing was learned about other images either.
            decided=low is not None and high is not None and low < high and (low > 0 or high < 0),
        )
