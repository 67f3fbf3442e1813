"""Fits heads on embeddings: three with the paper's settings (CoDE, section 4, and the official code), and ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from contrafake.errors import ConfigError, DataError
from contrafake.model.heads import HEADS, KernelHead, LinearHead, NearestHead, SupportVectorHead

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from contrafake.model.heads import Head
    from contrafake.train.config import FitConfig

COMPONENTS = 300
"""Principal components that the kernel head goes by, where an embedding has more numbers."""
_COST = 2.0  # C of the kernel head, chosen on leave-one-family-out: docs/model-development.md
_ROWS = 512  # scored at a time; the nearest-neighbour head holds a distance to every reference for each


class HeadSettings(Protocol):
    """What fitting a head may be told; `FitConfig` has it."""

    @property
    def nearest_references(self) -> int:
        """Largest number of reference embeddings that the nearest-neighbour head keeps."""
        ...

    @property
    def svm_nu(self) -> float:
        """The one-class SVM's nu, within (0, 1)."""
        ...


@dataclass(frozen=True)
class HeadFit:
    """The settings of `FitConfig` unless told otherwise, for those who fit heads without a training configuration.

    Attributes:
        nearest_references: Largest number of reference embeddings that the nearest-neighbour head keeps.
        svm_nu: The one-class SVM's nu, within (0, 1).
    """

    nearest_references: int = 20000
    svm_nu: float = 0.1


def copies(config: FitConfig, seed: int) -> list[int | None]:
    """The copies of every fitting image: None is the untouched one, a number the seed of a transformed one.

    Raises:
        ConfigError: If there is none.
    """
    found = [None] * config.untouched_copy + [seed + 1 + copy for copy in range(config.transformed_copies)]
    if not found:
        raise ConfigError("fit", "no copy of an image to fit the heads on", "set untouched_copy or transformed_copies")
    return found


def fit_heads(
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    origins: NDArray[np.int32] | None = None,
    *,
    config: HeadSettings,
    seed: int,
    names: Sequence[str] = HEADS,
) -> dict[str, Head]:
    """Fits heads.

    Args:
        vectors: (N, D) float32 raw embeddings of fitting images.
        labels: (N,) 0 = real, 1 = generated.
        origins: (N,) codes that `NearestHead.origins` keeps; None where nobody asks for them.
        config: `nearest_references` and `svm_nu`.
        seed: Of the choice of references, where there are more than may be kept.
        names: Which of `EVERY_HEAD`.

    Returns:
        The heads by name, in the order of `names`.

    Raises:
        DataError: If a class has no image.
    """
    for label, name in ((0, "real"), (1, "generated")):
        if not (labels == label).any():
            raise DataError("heads", f"there is no {name} image to fit them on", "both classes are needed")
    codes = np.zeros(len(labels), np.int32) if origins is None else origins
    fits: dict[str, Callable[[], Head]] = {
        "linear": lambda: fit_linear(vectors, labels),
        "nearest": lambda: fit_nearest(vectors, labels, codes, config.nearest_references, seed),
        "svm": lambda: fit_svm(vectors[labels == 0], config.svm_nu),
        "kernel": lambda: fit_kernel(vectors, labels, seed),
    }
    return {name: fits[name]() for name in names}


def fit_linear(vectors: NDArray[np.float32], labels: NDArray[np.int64]) -> LinearHead:
    """Logistic regression, C 0.316, classes balanced; (N, D) embeddings, (N,) labels of both classes."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - scoring needs no scikit-learn

    logistic = LogisticRegression(C=0.316, max_iter=1500, class_weight="balanced", random_state=42)
    logistic.fit(vectors.astype(np.float64), labels)
    return LinearHead(logistic.coef_[0].astype(np.float64), float(logistic.intercept_[0]))


def fit_nearest(
    vectors: NDArray[np.float32], labels: NDArray[np.int64], origins: NDArray[np.int32], most: int, seed: int
) -> NearestHead:
    """One nearest neighbour by cosine.

    Args:
        vectors: (N, D) float32 raw embeddings, the references.
        labels: (N,) 0 = real, 1 = generated.
        origins: (N,) int32 codes that the head keeps.
        most: Largest number of references; of more, a choice is kept.
        seed: Of the choice.
    """
    kept = np.arange(len(vectors))
    if len(kept) > most:
        kept = np.sort(np.random.default_rng(seed).choice(kept, most, replace=False))
    return NearestHead(np.ascontiguousarray(vectors[kept]), labels[kept].astype(np.uint8), origins[kept])


def fit_svm(real: NDArray[np.float32], nu: float) -> SupportVectorHead:
    """One-class SVM with a cubic kernel and gamma 1 / D on (N, D) embeddings of real images alone.

    Its threshold, score 0, is the boundary that about `nu` of these real images lie outside of.
    """
    from sklearn.svm import OneClassSVM  # noqa: PLC0415 - as above

    svm = OneClassSVM(kernel="poly", degree=3, gamma="auto", nu=nu)
    svm.fit(real.astype(np.float64))
    return SupportVectorHead(
        vectors=np.ascontiguousarray(svm.support_vectors_, np.float64),
        coefficients=svm.dual_coef_[0].astype(np.float64),
        intercept=float(svm.intercept_[0]),
        gamma=1 / real.shape[1],
        coef0=0.0,
        degree=3,
    )


def fit_kernel(
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    seed: int = 0,
    weights: NDArray[np.float64] | None = None,
) -> KernelHead:
    """Support vector machine with a Gaussian kernel, classes balanced unless weighted.

    Memory and time grow with the square of N. The kernel's width is scikit-learn's "scale": gamma 1 / (K variance) of
    K components.

    Args:
        vectors: (N, D) float32 raw embeddings.
        labels: (N,) of both classes.
        seed: Of the search for the components.
        weights: (N,) of the images; None weighs the classes alike.

    Raises:
        DataError: All embeddings are equal.
    """
    from sklearn.decomposition import PCA  # noqa: PLC0415 - as above
    from sklearn.svm import SVC  # noqa: PLC0415

    exact = vectors.astype(np.float64)
    if not exact.var():
        raise DataError("heads", "all embeddings are equal", "the encoder tells nothing apart")
    count = min(COMPONENTS, *exact.shape)
    components = PCA(count, svd_solver="randomized", random_state=seed).fit(exact)
    points = components.transform(exact)
    gamma = float(1 / (count * points.var()))
    svm = SVC(C=_COST, gamma=gamma, class_weight="balanced" if weights is None else None, cache_size=1000)
    svm.fit(points, labels, sample_weight=weights)
    return KernelHead(
        mean=components.mean_.astype(np.float32),
        components=components.components_.astype(np.float32),
        vectors=svm.support_vectors_.astype(np.float16),
        coefficients=svm.dual_coef_[0].astype(np.float64),
        intercept=float(svm.intercept_[0]),
        gamma=gamma,
    )


def score_all(head: Head, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N, D) -> (N,) `head.score`, a few rows at a time: its memory does not grow with N."""
    parts = [head.score(vectors[start : start + _ROWS]) for start in range(0, len(vectors), _ROWS)]
    return np.concatenate(parts) if parts else np.empty(0)
