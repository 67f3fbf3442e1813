"""The classifiers on the embedding space, evaluated in numpy: no scikit-learn, no pickle.

Three are those of the paper (CoDE, section 4): linear, 1-nearest-neighbour by cosine, one-class SVM on real images. The
fourth, a support vector machine of both classes, is ours. All take raw embeddings and give scores in which higher means
more likely generated; the score's sign is the decision of the fitted scikit-learn estimator.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from contrafake.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Vectors = NDArray[np.float32] | NDArray[np.float64]

HEADS = ("linear", "nearest", "svm")
"""Those of the paper."""
EVERY_HEAD = (*HEADS, "kernel")
"""And ours."""


class Head(Protocol):
    """Anything that scores embeddings."""

    def score(self, embeddings: Vectors) -> NDArray[np.float64]:
        """(N, D) raw embeddings -> (N,) float64 scores, higher = more likely generated."""
        ...

    def tensors(self) -> dict[str, NDArray[np.generic]]:
        """The head's parameters by name, to be stored."""
        ...


@dataclass(frozen=True, eq=False)
class LinearHead:
    """Logistic regression; the score is its logit.

    Attributes:
        weight: (D,) float64.
        bias: Intercept.
    """

    weight: NDArray[np.float64]
    bias: float

    def score(self, embeddings: Vectors) -> NDArray[np.float64]:
        """(N, D) -> (N,) logits."""
        return np.asarray(embeddings, np.float64) @ self.weight + self.bias

    def tensors(self) -> dict[str, NDArray[np.generic]]:
        """`weight` (D,) and `bias` (1,), float64."""
        return {"weight": self.weight, "bias": np.array([self.bias])}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[np.generic]]) -> LinearHead:
        """The inverse of `tensors`."""
        return cls(np.asarray(tensors["weight"], np.float64), float(np.asarray(tensors["bias"], np.float64)[0]))


@dataclass(frozen=True, eq=False)
class NearestHead:
    """Nearest neighbours by cosine distance; the score is the distance to the nearest real reference minus that to
    the nearest generated one.

    Attributes:
        references: (M, D) float32 raw embeddings of training images.
        labels: (M,) uint8, 0 = real, 1 = generated.
        origins: (M,) int32, an index into the bundle's list of origins.
    """  # noqa: D205

    references: NDArray[np.float32]
    labels: NDArray[np.uint8]
    origins: NDArray[np.int32]

    @cached_property
    def _directions(self) -> NDArray[np.float64]:
        return _unit(self.references)

    def distances(self, embeddings: Vectors) -> NDArray[np.float64]:
        """(N, D) -> (N, M) cosine distances, 0 to 2."""
        return np.clip(1 - _unit(embeddings) @ self._directions.T, 0, 2)

    @cached_property
    def _generated(self) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        chosen = self.labels == 1
        return _unit(self.references[chosen]).astype(np.float32), self.origins[chosen]

    def generated_distances(self, embeddings: Vectors) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """(N, D) -> (N, G) cosine distances to the generated references in single precision, and their (G,) origins."""
        directions, origins = self._generated
        return np.clip(1 - _unit(embeddings).astype(np.float32) @ directions.T, 0, 2), origins

    def score(self, embeddings: Vectors) -> NDArray[np.float64]:
        """(N, D) -> (N,) differences of cosine distances, -2 to 2."""
        distances = self.distances(embeddings)
        return np.asarray(distances[:, self.labels == 0].min(axis=1) - distances[:, self.labels == 1].min(axis=1))

    def tensors(self) -> dict[str, NDArray[np.generic]]:
        """`references` (M, D) float32, `labels` (M,) uint8, `origins` (M,) int32."""
        return {"references": self.references, "labels": self.labels, "origins": self.origins}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[np.generic]]) -> NearestHead:
        """The inverse of `tensors`."""
        return cls(
            np.asarray(tensors["references"], np.float32),
            np.asarray(tensors["labels"], np.uint8),
            np.asarray(tensors["origins"], np.int32),
        )


def _unit(vectors: Vectors) -> NDArray[np.float64]:
    """Rows scaled to length 1; zero rows stay, at distance 1 from everything, as in scikit-learn."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float64)


@dataclass(frozen=True, eq=False)
class SupportVectorHead:
    """One-class SVM with a polynomial kernel, fitted on real images; the score is minus its decision function.

    Attributes:
        vectors: (M, D) float64 support vectors.
        coefficients: (M,) float64 dual coefficients.
        intercept: Offset of the decision function.
        gamma: Kernel ``(gamma <x, y> + coef0) ** degree``.
        coef0: Kernel constant.
        degree: Kernel exponent.
    """

    vectors: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    intercept: float
    gamma: float
    coef0: float
    degree: int

    def score(self, embeddings: Vectors) -> NDArray[np.float64]:
        """(N, D) -> (N,) minus the decision function; above zero lies outside the real images."""
        products = np.asarray(embeddings, np.float64) @ self.vectors.T
        kernel = (self.gamma * products + self.coef0) ** self.degree
        return np.asarray(-(kernel @ self.coefficients + self.intercept))

    def tensors(self) -> dict[str, NDArray[np.generic]]:
        """`vectors`, `coefficients`, and `kernel` (4,): intercept, gamma, coef0, degree; all float64."""
        kernel = np.array([self.intercept, self.gamma, self.coef0, self.degree], np.float64)
        return {"vectors": self.vectors, "coefficients": self.coefficients, "kernel": kernel}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[np.generic]]) -> SupportVectorHead:
        """The inverse of `tensors`."""
        intercept, gamma, coef0, degree = np.asarray(tensors["kernel"], np.float64).tolist()
        vectors = np.asarray(tensors["vectors"], np.float64)
        coefficients = np.asarray(tensors["coefficients"], np.float64)
        return cls(vectors, coefficients, intercept, gamma, coef0, int(degree))


@dataclass(frozen=True, eq=False)
class KernelHead:
    """Support vector machine of both classes with a Gaussian kernel on principal components; its decision function.

    Where a linear head weighs each number of an embedding for itself, this one asks which training images an image
    resembles as a whole, and forgets what lies far from all of them.

    Attributes:
        mean: (D,) float32, subtracted first.
        components: (K, D) float32, rows of length 1.
        vectors: (M, K) float16 support vectors.
        coefficients: (M,) float64 dual coefficients, generated positive.
        intercept: Added to the sum.
        gamma: Kernel ``exp(-gamma |x - y|^2)``.
    """

    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    vectors: NDArray[np.float16]
    coefficients: NDArray[np.float64]
    intercept: float
    gamma: float

    @cached_property
    def _exact(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        vectors = self.vectors.astype(np.float64)
        return vectors, np.square(vectors).sum(axis=1)

    def score(self, embeddings: Vectors) -> NDArray[np.float64]:
        """(N, D) -> (N,) values of the decision function."""
        points = (np.asarray(embeddings, np.float64) - self.mean) @ self.components.T.astype(np.float64)
        vectors, lengths = self._exact
        distances = np.square(points).sum(axis=1)[:, None] + lengths - 2 * points @ vectors.T
        return np.asarray(np.exp(-self.gamma * np.maximum(distances, 0)) @ self.coefficients + self.intercept)

    def tensors(self) -> dict[str, NDArray[np.generic]]:
        """`mean`, `components`, `vectors`, `coefficients`, and `kernel` (2,) float64: intercept, gamma."""
        return {
            "mean": self.mean,
            "components": self.components,
            "vectors": self.vectors,
            "coefficients": self.coefficients,
            "kernel": np.array([self.intercept, self.gamma], np.float64),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[np.generic]]) -> KernelHead:
        """The inverse of `tensors`."""
        intercept, gamma = np.asarray(tensors["kernel"], np.float64).tolist()
        return cls(
            mean=np.asarray(tensors["mean"], np.float32),
            components=np.asarray(tensors["components"], np.float32),
            vectors=np.asarray(tensors["vectors"], np.float16),
            coefficients=np.asarray(tensors["coefficients"], np.float64),
            intercept=intercept,
            gamma=gamma,
        )


_TYPES = {"linear": LinearHead, "nearest": NearestHead, "svm": SupportVectorHead, "kernel": KernelHead}


def head_from_tensors(name: str, tensors: Mapping[str, NDArray[np.generic]]) -> Head:
    """Builds a head of `EVERY_HEAD` from its stored parameters.

    Raises:
        BundleError: If the name is unknown or a parameter is missing.
    """
    if name not in _TYPES:
        raise BundleError(f"head {name!r}", "unknown kind", f"one of {', '.join(EVERY_HEAD)}")
    try:
        head: Head = _TYPES[name].from_tensors(tensors)  # type: ignore[attr-defined]
    except KeyError as error:
        raise BundleError(f"head {name!r}", f"its parameter {error.args[0]!r} is missing") from error
    except (ValueError, IndexError) as error:
        raise BundleError(f"head {name!r}", f"its parameters are damaged: {error}") from error
    return head
