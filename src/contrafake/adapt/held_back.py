"""Thresholds and probabilities tried on images that they were not made from: cross-fitting over folds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.measure import binomial_tail, clopper_pearson
from contrafake.model.calibration import exceeding, fit_calibration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from contrafake.model.calibration import Calibration


@dataclass(frozen=True)
class Counted:
    """So many of so many images, as a share with its exact 95 % interval.

    Attributes:
        count: Images that it happened to.
        images: Images looked at, 1 or more.
    """

    count: int
    images: int

    @property
    def share(self) -> float:
        """The share, 0 to 1."""
        return self.count / self.images

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the share (Clopper and Pearson 1934)."""
        return clopper_pearson(self.count, self.images)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {"count": self.count, "images": self.images, "share": self.share, "interval": list(self.interval)}

    @classmethod
    def over(cls, happened: NDArray[np.bool_]) -> Counted:
        """From (N,) booleans."""
        return cls(int(happened.sum()), len(happened))


def units_of(groups: Sequence[str], sources: Sequence[str], folds: int) -> tuple[NDArray[np.int64], str]:
    """What must stay on one side: whole sources where there are enough of them, else groups, else single images.

    Args:
        groups: (N,) images that belong together, "" where none is known.
        sources: (N,) where each image comes from.
        folds: Number of folds that the sources must fill.

    Returns:
        (N,) codes of the units, and what they are: "source", "group" or "image".
    """
    if len(set(sources)) >= folds:
        return _codes(sources), "source"
    if any(groups):
        return _codes([group or f"\0{i}" for i, group in enumerate(groups)]), "group"
    return np.arange(len(groups)), "image"


def divide(units: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """Folds of about equal size, no unit in two.

    Args:
        units: (N,) codes.
        folds: How many; fewer where there are fewer units.
        seed: Of the shuffle.

    Returns:
        (N,) number of each image's fold, from 0.
    """
    codes, inverse, sizes = np.unique(units, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(codes))
    order = order[np.argsort(-sizes[order], kind="stable")]  # large ones first, into the emptiest fold
    filled, place = np.zeros(max(1, min(folds, len(codes))), np.int64), np.empty(len(codes), np.int64)
    for unit in order:
        place[unit] = filled.argmin()
        filled[place[unit]] += sizes[unit]
    return place[inverse]


def fewest_to_fit(folds: NDArray[np.int64]) -> int:
    """Images that are left to fit on while the largest fold is held back."""
    return len(folds) - int(np.bincount(folds).max())


def flagged_held_back(scores: NDArray[np.float64], folds: NDArray[np.int64], rate: float) -> NDArray[np.bool_]:
    """Which real images exceed the threshold that the other folds' images set.

    Args:
        scores: (N,) of real images.
        folds: (N,) from `divide`.
        rate: False-alarm rate aimed at.

    Returns:
        (N,) booleans.

    Raises:
        UsageError: The images outside a fold are too few for the rate (`fewest_to_fit`).
    """
    flagged = np.zeros(len(scores), bool)
    for fold in np.unique(folds):
        rest = np.sort(scores[folds != fold])
        flagged[folds == fold] = scores[folds == fold] > rest[len(rest) - exceeding(rate, len(rest))]
    return flagged


def ratios_held_back(
    real: NDArray[np.float64],
    generated: NDArray[np.float64],
    folds: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Likelihood ratios of images from a calibration on the other folds.

    Args:
        real: (N,) scores of real images.
        generated: (M,) of generated ones.
        folds: (N,) and (M,) numbers of their folds.

    Returns:
        (N,) and (M,) natural-log likelihood ratios; None where fewer than two images of a class are left to fit on.
    """
    if min(fewest_to_fit(one) for one in folds) < 2:
        return None
    found = np.zeros(len(real)), np.zeros(len(generated))
    for fold in np.union1d(*folds):
        rest = [scores[of != fold] for scores, of in zip((real, generated), folds, strict=True)]
        fitted = fit_calibration(rest[0], rest[1], np.zeros(len(rest[0]), np.int32))
        for ratios, scores, of in zip(found, (real, generated), folds, strict=True):
            ratios[of == fold] = likelihood_ratios(fitted, scores[of == fold])
    return found


def likelihood_ratios(calibration: Calibration, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) scores -> (N,) natural-log likelihood ratios."""
    bound = calibration.bound
    return np.clip(calibration.slope * scores + calibration.intercept, -bound, bound)


def differ(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> float:
    """Chance of so uneven a change if none were real: the exact two-sided sign test (McNemar 1947).

    Args:
        before: (N,) what happened to the images before.
        after: (N,) to the same images, after.

    Returns:
        0 to 1; 1 where nothing changed.
    """
    gone, come = int((before & ~after).sum()), int((after & ~before).sum())
    return 1.0 if gone + come == 0 else min(1.0, 2 * binomial_tail(gone + come, max(gone, come), 0.5))


def _codes(names: Sequence[str]) -> NDArray[np.int64]:
    return np.asarray(np.unique(np.asarray(names, dtype=str), return_inverse=True)[1], np.int64)
