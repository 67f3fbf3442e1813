"""How well a small model on many features together tells the classes apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from contrafake.data.audit.leakage import auc_within_folds, interval_over_sources, ranks, single_auc, weights
from contrafake.data.audit.result import Interval, JointResult
from contrafake.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from contrafake.data.audit.feature import Feature
    from contrafake.data.audit.folds import Folds

Divide: TypeAlias = "Callable[[NDArray[np.int64]], Folds]"

CONTRARY: Final = 0.5
"""A laxer bound would let through what harms. The price: a feature which says nothing alone seldom helps others."""

TREES: Final = 100
TAUGHT: Final = 4000
"""Most images that one tree sees: what larger sets add, their other trees see."""

SHUFFLED: Final = 2000
"""Most images of a fold on which the leaders are found."""

LEADERS: Final = 5


def joint_result(
    name: str,
    features: Sequence[Feature],
    values: Mapping[str, NDArray[Any]],
    label: NDArray[np.int64],
    source: NDArray[np.int64],
    *,
    by_source: Folds,
    by_image: Folds,
    divide: Mapping[str, Divide],
    seed: int = 0,
) -> JointResult:
    """Fits extremely randomised trees on several features at once, and asks them about images they have not seen.

    Geurts, Ernst, Wehenkel, Extremely Randomized Trees, Machine Learning 63 (2006). They need no tuning, no scaling,
    and no images set aside to stop early, which for sets of few sources would be too few.

    A model takes no feature that speaks against itself among the images it is taught with: one whose own
    cross-validated AUC there is below `CONTRARY`. A feature whose values are balanced exactly between the classes, as
    matching leaves them, teaches the opposite of what is asked, and would hide what the others know.

    Args:
        name: What the result is called.
        features: The features to use; with none, or none that varies, the AUC is 0.5.
        values: For each feature's name (N,) numbers, NaN for missing, or codes of a category, -1 for missing.
        label: (N,) 0 = real, 1 = generated.
        source: (N,) number of each image's source.
        by_source: Folds for the first figure.
        by_image: Folds for the second.
        divide: For "source" and for "image", how images that are taught are divided again, by their (T,) positions.
        seed: Seed of trees, shuffling and resampling.

    Returns:
        The figures; the interval has no bounds where folds could not go by source.
    """
    chosen = [_Chooser(features, values, label, divide[by], seed) for by in ("source", "image")]
    table = np.stack([_column(values[f.name], f.kind) for f in features] or [np.zeros(label.size)], axis=1)
    score, drops = _asked(table, label, by_source, chosen[0], seed, leaders=True)
    auc = auc_within_folds(label, score, by_source.fold)
    bounds = (float("nan"), float("nan"))
    if by_source.grouped_by == "source":
        bounds = interval_over_sources(label, score, by_source.fold, source, seed=seed)
    order = np.argsort(-drops, kind="stable")[: min(LEADERS, len(features))]
    return JointResult(
        name=name,
        auc=Interval(auc, *bounds),
        auc_same_sources=auc_within_folds(label, _asked(table, label, by_image, chosen[1], seed)[0], by_image.fold),
        features=[feature.name for feature in features],
        leaders=[(features[place].name, float(drops[place])) for place in order if drops[place] > 0],
        folds=by_source.count,
        grouped_by=by_source.grouped_by,
        note=by_source.note,
    )


def _column(values: NDArray[Any], kind: str) -> NDArray[np.float64]:
    """Whole numbers in which trees can cut: a number's place; a category's rank by frequency; missing ones below."""
    if kind == "number":
        return ranks(values).astype(np.float64)
    counts = np.bincount(values[values >= 0], minlength=1)
    rank = np.empty(counts.size + 1, np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(1, counts.size + 1)
    rank[-1] = 0
    return np.asarray(rank[values], np.float64)


@dataclass(frozen=True)
class _Chooser:
    """Which features a model takes, told from the images that it is taught with alone."""

    features: Sequence[Feature]
    values: Mapping[str, NDArray[Any]]
    label: NDArray[np.int64]
    divide: Divide
    seed: int

    def __call__(self, taught: NDArray[np.int64]) -> NDArray[np.intp]:
        """Places of the features, from the positions of the images."""
        if taught.size > TAUGHT:
            taught = np.sort(np.random.default_rng(self.seed).choice(taught, TAUGHT, replace=False))
        try:
            folds = self.divide(taught)
        except DataError:  # too few to divide again
            return np.arange(len(self.features))
        label = self.label[taught]
        aucs = [single_auc(self.values[f.name][taught], f.kind, label, folds) for f in self.features]
        return np.flatnonzero(np.array(aucs) >= CONTRARY)


def _asked(
    table: NDArray[np.float64],
    label: NDArray[np.int64],
    folds: Folds,
    choose: _Chooser,
    seed: int,
    *,
    leaders: bool = False,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Score of each image by the model of its fold, and by how much shuffling each column lowers the AUC."""
    from sklearn.ensemble import ExtraTreesClassifier  # noqa: PLC0415 - an extra

    score = np.full(label.size, 0.5)
    drops = np.zeros(table.shape[1])
    generator = np.random.default_rng(seed)
    for number in range(folds.count):
        asked, taught = np.flatnonzero(folds.fold == number), np.flatnonzero(folds.fold != number)
        model = ExtraTreesClassifier(
            TREES,
            min_samples_leaf=3,
            max_features=None,  # one strong leak among many idle features must not be missed by most splits
            bootstrap=taught.size > TAUGHT,
            max_samples=TAUGHT if taught.size > TAUGHT else None,
            random_state=seed,
        )
        kept = choose(taught)
        if not kept.size:
            continue
        model.fit(table[np.ix_(taught, kept)], label[taught], sample_weight=weights(label[taught]))
        score[asked] = model.predict_proba(table[np.ix_(asked, kept)])[:, 1]
        if leaders:
            some = generator.permutation(asked)[:SHUFFLED]
            drops[kept] += _drops(model, table[:, kept], label, score, chosen=some, generator=generator)
    return score, drops / folds.count


def _drops(
    model: Any,
    table: NDArray[np.float64],
    label: NDArray[np.int64],
    score: NDArray[np.float64],
    *,
    chosen: NDArray[np.int64],
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """(F,) loss of AUC on the chosen images when a column is shuffled among them; 0 where they are of one class."""
    drops = np.zeros(table.shape[1])
    truth, alone = label[chosen], np.zeros(chosen.size, np.int64)
    if np.unique(truth).size < 2:
        return drops
    whole = auc_within_folds(truth, score[chosen], alone)
    for column in range(table.shape[1]):
        mixed = table[chosen]
        if (mixed[:, column] == mixed[0, column]).all():
            continue
        mixed[:, column] = generator.permutation(mixed[:, column])
        drops[column] = whole - auc_within_folds(truth, model.predict_proba(mixed)[:, 1], alone)
    return drops
