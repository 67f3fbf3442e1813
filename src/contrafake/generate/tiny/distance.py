"""How far apart two sets of images are, by their features: the Frechet and the kernel distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contrafake.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def feature_distance(real: ArrayLike, made: ArrayLike) -> float:
    """The Frechet distance between Gaussians fitted to features (Heusel et al. 2017, section 3).

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)). The last trace is the sum of the roots of the eigenvalues of the
    symmetric C1^(1/2) C2 C1^(1/2), which are those of C1 C2. It grows as the number of images shrinks, so that only
    distances between sets of one size can be compared.

    Args:
        real: (N, D) features, N at least 2.
        made: (M, D) features, M at least 2.

    Returns:
        At least 0, in squared units of the features; 0 for equal mean and covariance.

    Raises:
        UsageError: The shapes do not fit, or a number is not finite.
    """
    first, second = _checked(real, made)
    apart = float(np.square(first.mean(0) - second.mean(0)).sum())
    left, right = (np.atleast_2d(np.cov(features, rowvar=False)) for features in (first, second))
    values, vectors = np.linalg.eigh(left)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    shared = np.sqrt(np.clip(np.linalg.eigvalsh(root @ right @ root), 0, None)).sum()
    return max(apart + float(np.trace(left) + np.trace(right) - 2 * shared), 0.0)


def kernel_distance(real: ArrayLike, made: ArrayLike) -> float:
    """The squared maximum mean discrepancy under the kernel (x y / D + 1)^3 (Binkowski et al. 2018, section 4).

    Unbiased: its mean does not depend on the number of images, and it may fall below 0 for sets of one law.

    Args:
        real: (N, D) features, N at least 2.
        made: (M, D) features, M at least 2.

    Raises:
        UsageError: The shapes do not fit, or a number is not finite.
    """
    first, second = _checked(real, made)

    def kernel(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
        table: NDArray[np.float64] = (one @ other.T / one.shape[1] + 1) ** 3
        return table

    def within(features: NDArray[np.float64]) -> float:
        table, count = kernel(features, features), len(features)
        return float((table.sum() - np.trace(table)) / (count * (count - 1)))

    return within(first) + within(second) - 2 * float(kernel(first, second).mean())


def _checked(real: ArrayLike, made: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first, second = np.asarray(real, np.float64), np.asarray(made, np.float64)
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise UsageError("features", f"{first.shape} and {second.shape} are not (N, D) and (M, D)")
    if min(len(first), len(second)) < 2:
        raise UsageError("features", f"{len(first)} and {len(second)} images have no variance", "give two at least")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise UsageError("features", "not all numbers are finite")
    return first, second
