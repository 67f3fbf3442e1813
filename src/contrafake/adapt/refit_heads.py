"""The heads fitted anew: the references that a bundle remembers are replayed beside the new images."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from contrafake.errors import BundleError, UsageError
from contrafake.model.heads import KernelHead, LinearHead, NearestHead, SupportVectorHead
from contrafake.train.head_fitting import fit_kernel, fit_svm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from contrafake.model.bundle import Bundle
    from contrafake.model.heads import Head

REGULARISATION = 0.316
"""C of the logistic regression, as in training."""

MOST_SHARE = 0.4
"""Largest share of its class that new images get by being weighed up."""


@dataclass(frozen=True, eq=False)
class References:
    """Embeddings with their classes and origins.

    Attributes:
        vectors: (N, D) float32 raw embeddings.
        labels: (N,) uint8, 0 = real, 1 = generated.
        origins: (N,) int32 codes.
    """

    vectors: NDArray[np.float32]
    labels: NDArray[np.uint8]
    origins: NDArray[np.int32]


def remembered_references(bundle: Bundle) -> tuple[References, list[str]]:
    """The training images that the nearest-neighbour head of a bundle keeps, and what the codes of origins mean.

    Raises:
        BundleError: The bundle has no such head.
    """
    head = bundle.head("nearest")
    assert isinstance(head, NearestHead)  # noqa: S101 - the name says so
    names = list(bundle.config.origins)
    labels, origins = head.labels, head.origins
    if len(names) <= int(origins.max(initial=-1)):  # a model whose origins nobody wrote down
        names, origins = ["real", "earlier generators"], labels.astype(np.int32)
    for label, name in ((0, "real"), (1, "generated")):
        if not (labels == label).any():
            raise BundleError(str(bundle.path), f"its nearest head remembers no {name} image", "refit another model")
    return References(head.references, labels, origins), names


def share_of(new: int, others: Sequence[int]) -> float:
    """The share of its class that a few new images get beside many of other origins.

    At least their share of the images. Below 40 %, twice the share that square roots of the numbers give, so that 30
    images are heard among thousands; chosen on families that an encoder had not seen (docs/models/refitting.md).

    Args:
        new: Rows of the new origin, 1 or more.
        others: Rows of each of the others.
    """
    natural = new / (new + sum(others))
    roots = 2 * math.sqrt(new) / (math.sqrt(new) + sum(math.sqrt(count) for count in others))
    return max(natural, min(roots, MOST_SHARE))


def weigh(old: References, new: References) -> NDArray[np.float64]:
    """(N + M,) weights of the old rows, then of the new ones: both classes weigh the same, new origins `share_of`.

    Old origins keep their proportions to each other.
    """
    weights = np.ones(len(old.labels) + len(new.labels))
    labels = np.concatenate([old.labels, new.labels])
    for label in (0, 1):
        there = old.labels == label
        others = [int(count) for count in np.unique(old.origins[there], return_counts=True)[1]]
        added = new.labels == label
        codes, counts = np.unique(new.origins[added], return_counts=True)
        shares = np.array([share_of(int(count), others) for count in counts])
        natural = added.sum() / max(1, added.sum() + there.sum())
        if shares.sum() > max(0.5, natural):
            shares *= max(0.5, natural) / shares.sum()
        for code, count, share in zip(codes, counts, shares, strict=True):
            rows = np.flatnonzero(added & (new.origins == code)) + len(old.labels)
            weights[rows] = share / (1 - shares.sum()) * max(1, there.sum()) / count
        of_class = labels == label
        weights[of_class] *= len(labels) / 2 / weights[of_class].sum()
    return weights


def refit_heads(
    heads: dict[str, Head],
    old: References,
    new: References,
    *,
    nu: float = 0.1,
    most: int = 20000,
    seed: int = 0,
    moved: bool = False,
) -> dict[str, Head]:
    """Fits heads on what is remembered and what is new.

    Args:
        heads: Those of the bundle; the one-class SVM stays as it is where no real image is new.
        old: References.
        new: New images to fit on, and their copies.
        nu: Of the one-class SVM.
        most: References to keep; of more, each origin gives up what exceeds a common number.
        seed: Of the choice among these.
        moved: Whether the encoder is another one than that of `heads`, so that none can stay.

    Returns:
        The same heads, fitted anew.
    """
    joined = References(
        np.concatenate([old.vectors, new.vectors]),
        np.concatenate([old.labels, new.labels]),
        np.concatenate([old.origins, new.origins]),
    )
    found: dict[str, Head] = {}
    for name, head in heads.items():
        if isinstance(head, LinearHead):
            found[name] = _linear(joined, weigh(old, new))
        elif isinstance(head, NearestHead):
            kept = choose_references(joined, most, seed)
            found[name] = replace(
                head,
                references=np.ascontiguousarray(joined.vectors[kept]),
                labels=joined.labels[kept],
                origins=joined.origins[kept],
            )
        elif isinstance(head, SupportVectorHead) and (moved or (new.labels == 0).any()):
            found[name] = fit_svm(joined.vectors[joined.labels == 0], nu)
        elif isinstance(head, KernelHead):
            found[name] = fit_kernel(joined.vectors, joined.labels.astype(np.int64), seed, weigh(old, new))
        else:
            found[name] = head
    return found


def choose_references(references: References, most: int, seed: int) -> NDArray[np.int64]:
    """Which references to keep: all, or as many of each origin as a common limit allows, halves for the classes.

    Args:
        references: All.
        most: Number that may be kept, at least 2.
        seed: Of the choice within an origin.

    Returns:
        (K,) ascending positions, K at most `most`.

    Raises:
        UsageError: `most` is below 2.
    """
    if most < 2:
        raise UsageError("references", f"{most} is below 2")
    if len(references.labels) <= most:
        return np.arange(len(references.labels))
    rng, kept = np.random.default_rng(seed), []
    real = int((references.labels == 0).sum())
    generated = len(references.labels) - real
    for_real = min(real, max(most // 2, most - generated))
    for label, budget in ((0, for_real), (1, most - for_real)):
        codes, counts = np.unique(references.origins[references.labels == label], return_counts=True)
        limit = _limit(counts, budget)
        for code in codes:
            rows = np.flatnonzero((references.labels == label) & (references.origins == code))
            kept.append(rng.choice(rows, min(limit, len(rows)), replace=False))
    return np.sort(np.concatenate(kept))


def _limit(counts: NDArray[np.int64], budget: int) -> int:
    """The largest number with sum(min(count, number)) at most the budget; at least 1."""
    low, high = 1, int(counts.max(initial=1))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if np.minimum(counts, middle).sum() <= budget else (low, middle - 1)
    return low


def _linear(references: References, weights: NDArray[np.float64]) -> LinearHead:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - scoring needs no scikit-learn

    logistic = LogisticRegression(C=REGULARISATION, max_iter=1500, random_state=42)
    logistic.fit(references.vectors.astype(np.float64), references.labels, sample_weight=weights)
    return LinearHead(logistic.coef_[0].astype(np.float64), float(logistic.intercept_[0]))
