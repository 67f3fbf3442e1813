"""How well one feature alone tells the classes apart, on images that were not taught."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from contrafake.errors import DataError
from contrafake.measure import bootstrap_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from contrafake.data.audit.folds import Folds

LEAVES: Final = 8
PRIOR: Final = 20
"""Images' worth of evenly mixed evidence that every value of a category starts with."""


def auc_within_folds(label: NDArray[np.int64], score: NDArray[np.float64], fold: NDArray[np.int64]) -> float:
    """AUC over all pairs of a real and a generated image that were asked in the same fold, ties counted half.

    Each fold has its own model, whose scores need not lie on one scale; pooling them would mix models, and with sources
    of unequal size it falls below one half even where nothing leaks (Forman and Scholz, Apples-to-Apples in
    Cross-Validation Studies, SIGKDD Explorations 12, 2010). This is the mean over folds, weighted by their pairs.

    Args:
        label: (N,) 0 = real, 1 = generated.
        score: (N,) float64, higher = more likely generated.
        fold: (N,) fold of each image.

    Raises:
        DataError: No fold has images of both classes.
    """
    places, starts = _places(score, fold)
    return _auc(places[label == 0], places[label == 1], starts)


def interval_over_sources(
    label: NDArray[np.int64],
    score: NDArray[np.float64],
    fold: NDArray[np.int64],
    source: NDArray[np.int64],
    *,
    repeats: int = 500,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % bootstrap interval of `auc_within_folds` over sources and their images; the models are not fitted again.

    Args:
        label: As above.
        score: As above.
        fold: As above.
        source: (N,) what is drawn with replacement, in each class.
        repeats: Number of resamples.
        seed: Seed of the resampling.

    Returns:
        (low, high); NaN where a class has fewer than two sources, or too many resamples leave no pair.
    """
    real, generated = label == 0, label == 1
    if min(np.unique(source[real]).size, np.unique(source[generated]).size) < 2:
        return float("nan"), float("nan")
    places, starts = _places(score, fold)
    try:
        return bootstrap_interval(
            lambda r, g: _auc(r, g, starts),
            places[real],
            places[generated],
            groups=[source[real], source[generated]],
            repeats=repeats,
            seed=seed,
        )
    except DataError:
        return float("nan"), float("nan")


def single_auc(
    values: NDArray[np.float64] | NDArray[np.int64],
    kind: Literal["number", "category"],
    label: NDArray[np.int64],
    folds: Folds,
) -> float:
    """Cross-validated AUC of a small model on one feature: a tree of 8 leaves, or each value's share of the classes.

    A missing value is a value like any other: that an image has no JPEG quality says a lot. Classes weigh the same in
    fitting, however many images they have.

    Args:
        values: (N,) numbers, NaN for missing; or codes of a category, -1 for missing.
        kind: Which of the two.
        label: (N,) 0 = real, 1 = generated.
        folds: How they are divided.

    Returns:
        0 to 1; below 0.5 where what the feature says of some sources is wrong for others.
    """
    codes = values.astype(np.int64) if kind == "category" else ranks(values)
    if codes.min(initial=0) == codes.max(initial=0):
        return 0.5
    score = np.empty(label.size)
    for number in range(folds.count):
        asked = folds.fold == number
        fitted = _shares if kind == "category" else _tree
        score[asked] = fitted(codes[~asked], label[~asked], codes[asked])
    return auc_within_folds(label, score, folds.fold)


def ranks(values: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) place of each value among the D different ones, from 1; -D for NaN. It knows nothing of the labels.

    So far below, because trees cut halfway between values they were taught: others must not fall to the missing ones.
    """
    different, inverse = np.unique(values, return_inverse=True)
    return np.where(np.isnan(values), -different.size, inverse.ravel() + 1)


def weights(label: NDArray[np.int64]) -> NDArray[np.float64]:
    """(N,) weight of each image with which both classes weigh N / 2."""
    return (label.size / 2 / np.maximum(np.bincount(label, minlength=2), 1))[label]


def _tree(taught: NDArray[np.int64], label: NDArray[np.int64], asked: NDArray[np.int64]) -> NDArray[np.float64]:
    from sklearn.tree import DecisionTreeClassifier  # noqa: PLC0415 - an extra

    # About 1 % or 20 images, but never so much of the smaller class that no leaf could hold it.
    smallest = max(min(max(label.size // 100, 20), int(np.bincount(label).min()) // 4), 1)
    tree = DecisionTreeClassifier(max_leaf_nodes=LEAVES, min_samples_leaf=smallest, random_state=0)
    tree.fit(taught[:, None], label, sample_weight=weights(label))
    return np.asarray(tree.predict_proba(asked[:, None])[:, 1], np.float64)


def _shares(taught: NDArray[np.int64], label: NDArray[np.int64], asked: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of generated images among those with the same value, drawn towards one half where they are few."""
    prior = min(PRIOR, label.size / 10)
    size = int(max(taught.max(), asked.max())) + 2
    evidence = [np.bincount((taught + 1)[label == c], weights(label)[label == c], size) for c in (0, 1)]
    share = (evidence[1] + prior / 2) / (evidence[0] + evidence[1] + prior)
    return np.asarray(share[asked + 1], np.float64)


def _places(score: NDArray[np.float64], fold: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Place of each image's score among the different ones of its fold, numbered on from fold to fold; each's start."""
    places, starts = np.empty(score.size, np.int64), [0]
    for number in np.unique(fold):
        here = fold == number
        different, inverse = np.unique(score[here], return_inverse=True)
        places[here] = inverse.ravel() + starts[-1]
        starts.append(starts[-1] + different.size)
    return places, np.array(starts)


def _auc(real: NDArray[np.int64], generated: NDArray[np.int64], starts: NDArray[np.int64]) -> float:
    size = int(starts[-1])
    reals, found = np.bincount(real, minlength=size), np.bincount(generated, minlength=size)
    below = np.concatenate([[0], np.cumsum(reals)])
    before = np.repeat(below[starts[:-1]], np.diff(starts))
    won = found @ (below[:-1] - before + reals / 2)
    pairs = np.add.reduceat(reals, starts[:-1]) @ np.add.reduceat(found, starts[:-1])
    if not pairs:
        raise DataError("folds", "none has images of both classes")
    return float(won / pairs)
