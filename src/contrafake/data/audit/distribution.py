"""One feature in both classes, side by side."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from contrafake.data.audit.result import Distribution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NONE: Final = "none"
OTHER: Final = "other"
MOST_VALUES: Final = 12
"""Values of a category that are shown by name."""

MOST_BINS: Final = 24
_STEPS = (1, 2, 2.5, 5, 10)


def category_distribution(codes: NDArray[np.int64], names: Sequence[str], label: NDArray[np.int64]) -> Distribution:
    """Shares of the most frequent values in each class, the most frequent first; classes count alike.

    Args:
        codes: (N,) place of each image's value in `names`, -1 for missing.
        names: The values.
        label: (N,) 0 = real, 1 = generated.
    """
    size = len(names) + 1
    shares = np.stack([np.bincount(codes[label == c] + 1, minlength=size) / max(np.sum(label == c), 1) for c in (0, 1)])
    # By name where equally frequent: their places in `names` depend on which image came first.
    order = sorted((p for p in range(1, size) if shares[:, p].any()), key=lambda p: (-shares[:, p].sum(), names[p - 1]))
    kept, rest = order[:MOST_VALUES], order[MOST_VALUES:]
    columns = [(names[p - 1] or "(empty)", shares[:, p]) for p in kept]
    if rest:
        columns.append((OTHER, shares[:, rest].sum(axis=1)))
    if shares[:, 0].any():
        columns.append((NONE, shares[:, 0]))
    real, generated = ([float(share[c]) for _, share in columns] for c in (0, 1))
    return Distribution([name for name, _ in columns], [], real, generated)


def number_distribution(values: NDArray[np.float64], label: NDArray[np.int64]) -> Distribution:
    """Shares of a number's bins in each class; up to 24 different values have a bin each, else the edges are round.

    Args:
        values: (N,) NaN for missing.
        label: (N,) 0 = real, 1 = generated.

    Returns:
        The distribution; the last share is that of missing values, if there are any. Bins hold their lower edge, the
        last one both.
    """
    there = ~np.isnan(values)
    edges, names = _bins(values[there])
    shares = []
    for c in (0, 1):
        chosen = values[there & (label == c)]
        shares.append(np.histogram(chosen, edges)[0] / max(np.sum(label == c), 1) if edges else np.empty(0))
    medians = [float(np.median(values[there & (label == c)])) if (there & (label == c)).any() else None for c in (0, 1)]
    missing = [float(np.mean(~there[label == c])) if (label == c).any() else 0.0 for c in (0, 1)]
    beyond = [[m] if any(missing) else [] for m in missing]
    return Distribution(
        [*names, *([NONE] if any(missing) else [])],
        edges,
        [*map(float, shares[0]), *beyond[0]],
        [*map(float, shares[1]), *beyond[1]],
        medians[0],
        medians[1],
    )


def as_text(number: float) -> str:
    """A number in three digits, or all digits before the point: "0.0123", "2.5", "512", "12,345"."""
    return f"{number:.3g}" if abs(number) < 999.5 else f"{number:,.0f}"


def _bins(values: NDArray[np.float64]) -> tuple[list[float], list[str]]:
    """Edges and names of the bins."""
    if not values.size:
        return [], []
    different = np.unique(values)
    if different.size <= MOST_BINS and len({as_text(value) for value in different}) == different.size:
        inner = different[:-1] / 2 + different[1:] / 2
        around = 0.5 if different.size < 2 else float(np.diff(different).min()) / 2
        edges = [float(different[0] - around), *map(float, inner), float(different[-1] + around)]
        if all(low < high for low, high in pairwise(edges)):
            return edges, [as_text(value) for value in different]
    low, high = (float(value) for value in np.quantile(values, [0.01, 0.99], method="nearest"))
    inner = _round_logarithmic(low, high) if low > 0 and high / low > 30 else _round_linear(low, high)
    least, most = float(different[0]), float(different[-1])
    within = [float(edge) for edge in inner if least < edge < most]
    edges = [least, *within, most if most > least else least + max(1.0, abs(least) * 1e-6)]
    return edges, [f"{as_text(a)} to {as_text(b)}" for a, b in pairwise(edges)]


def _round_linear(low: float, high: float) -> NDArray[np.float64]:
    rough = (high - low) / (MOST_BINS - 4)
    if not np.isfinite(rough) or rough <= 0:
        return np.array([low])
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * nice for nice in _STEPS if power * nice >= rough * (1 - 1e-9))
    return np.asarray(np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step, np.float64)


def _round_logarithmic(low: float, high: float) -> NDArray[np.float64]:
    """1, 2, 5, 10 and so on."""
    powers = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    edges = (10.0 ** powers[:, None] * np.array([1, 2, 5])).ravel()
    return np.asarray(edges[(edges >= low) & (edges <= high)], np.float64)
