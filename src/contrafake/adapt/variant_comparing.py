"""What a variant costs: its scores beside those of the fp32 graph, on the same crops of the same images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from contrafake.errors import DataError
from contrafake.measure import auc, bootstrap_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from contrafake.model.calibration import OperatingPoint

MOST_LOST = 0.002
"""AUC that a default variant may lose."""


@dataclass(frozen=True)
class Comparison:
    """One variant against fp32; the fields of `Variant` of the same names.

    Attributes:
        images: (real, generated).
        auc: Of the variant.
        auc_lost: AUC of fp32 minus that.
        auc_lost_interval: 95 %, images resampled in pairs within each class.
        score_change: Mean and largest absolute change of a score.
        score_spread: Standard deviation of the fp32 scores.
        flips: Share of verdicts that changed; None without an operating point.
    """

    images: tuple[int, int]
    auc: float
    auc_lost: float
    auc_lost_interval: tuple[float, float]
    score_change: tuple[float, float]
    score_spread: float
    flips: float | None

    @property
    def undecided(self) -> bool:
        """Whether the images leave open on which side of `MOST_LOST` the loss lies."""
        low, high = self.auc_lost_interval
        return low <= MOST_LOST < high


def compare(
    fp32: NDArray[np.float64],
    variant: NDArray[np.float64],
    labels: NDArray[np.int64],
    sources: NDArray[np.object_],
    point: OperatingPoint | None = None,
    *,
    repeats: int = 1000,
) -> Comparison:
    """Compares (N,) scores of the same images; the interval resamples sources, then images within them.

    Args:
        fp32: Scores of the fp32 graph.
        variant: Scores of the variant.
        labels: 0 = real, 1 = generated.
        sources: Where each was collected.
        point: Rule whose verdicts are compared.
        repeats: Resamples behind the interval.

    Raises:
        DataError: A class is missing.
    """
    real, generated = labels == 0, labels == 1
    if not real.any() or not generated.any():
        raise DataError("images", f"{real.sum()} real and {generated.sum()} generated", "both classes are needed")
    pairs = np.column_stack([fp32, variant])

    def lost(of_real: NDArray[np.float64], of_generated: NDArray[np.float64]) -> float:
        return auc(of_real[:, 0], of_generated[:, 0]) - auc(of_real[:, 1], of_generated[:, 1])

    named = sources.astype(str)
    interval = bootstrap_interval(
        lost, pairs[real], pairs[generated], groups=[named[real], named[generated]], repeats=repeats
    )
    change = np.abs(variant - fp32)
    flips = None
    if point is not None:
        flips = float(np.mean([point.label(old) != point.label(new) for old, new in pairs.tolist()]))
    return Comparison(
        images=(int(real.sum()), int(generated.sum())),
        auc=auc(variant[real], variant[generated]),
        auc_lost=lost(pairs[real], pairs[generated]),
        auc_lost_interval=interval,
        score_change=(float(change.mean()), float(change.max())),
        score_spread=float(fp32.std()),
        flips=flips,
    )
