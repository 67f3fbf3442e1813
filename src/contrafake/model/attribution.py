"""Whose training images lie nearest: the generated references vote, and say how far an image lies from each origin."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from contrafake.model.heads import NearestHead, Vectors

_SHRINKAGE = 0.3
_CHUNK = 512
"""Crops whose distances to all references are held at a time."""


@dataclass(frozen=True, eq=False)
class Standings:
    """How N images stand to O origins.

    Attributes:
        codes: (O,) codes of the origins that have references, ascending.
        shares: (N, O) float64 share of the votes of the nearest references, over all crops of an image; rows sum to 1.
        distances: (N, O) float64 distance to each origin, see `ReferenceSpace`, mean over the crops.
    """

    codes: NDArray[np.int64]
    shares: NDArray[np.float64]
    distances: NDArray[np.float64]

    def ranks(self) -> NDArray[np.int64]:
        """(N, O) columns of the other arrays: most votes first, of equal ones the nearer."""
        return np.lexsort((self.distances, -self.shares), axis=1)

    def first(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """(N,) code, share and distance of the origin that has most votes."""
        best = self.ranks()[:, :1]
        share, distance = (np.take_along_axis(values, best, 1)[:, 0] for values in (self.shares, self.distances))
        return self.codes[best[:, 0]], share, distance


class ReferenceSpace:
    """The generated references of a nearest-neighbour head, arranged by origin.

    They vote by cosine distance. The distance of a crop to an origin is the Mahalanobis distance (Lee et al., NeurIPS
    2018) to the mean of its references' directions, with one covariance within origins for all, of which 30 % are
    spread evenly over the dimensions. Its unit is the root mean square over the references: 1 is as far from an origin
    as its own training images are.
    """

    def __init__(self, directions: NDArray[np.float32], origins: NDArray[np.int32]) -> None:
        """Args are (G, D) references of length 1, G at least 1, and their (G,) origins."""
        self._directions = directions
        self._origins = origins
        found, self._place = np.unique(origins, return_inverse=True)
        self.codes: NDArray[np.int64] = found.astype(np.int64)

    @classmethod
    def of(cls, head: NearestHead) -> ReferenceSpace:
        """The space of a head's generated references."""
        generated = head.labels == 1
        return cls(_directions(head.references[generated]).astype(np.float32), head.origins[generated])

    def without(self, code: int) -> ReferenceSpace:
        """The space as it would be, had an origin no references."""
        kept = self._origins != code
        return ReferenceSpace(self._directions[kept], self._origins[kept])

    def stand(self, embeddings: Vectors, owner: NDArray[np.int64], neighbours: int) -> Standings:
        """How images stand to the origins.

        Args:
            embeddings: (M, D) raw embeddings, a row for each crop.
            owner: (M,) the image that a row belongs to, 0 to N - 1, each at least once.
            neighbours: References that vote per crop; all where there are fewer.
        """
        votes = np.empty((len(embeddings), len(self.codes)))
        distances = np.empty_like(votes)
        for start in range(0, len(embeddings), _CHUNK):
            crops = _directions(embeddings[start : start + _CHUNK])
            votes[start : start + _CHUNK] = self._votes(crops, neighbours)
            distances[start : start + _CHUNK] = self._distances(crops)
        shares = _by_image(votes, owner)
        return Standings(self.codes, shares, _by_image(distances, owner))

    def _votes(self, crops: NDArray[np.float64], neighbours: int) -> NDArray[np.float64]:
        count = min(neighbours, len(self._origins))
        similar = crops.astype(np.float32) @ self._directions.T
        nearest = np.argpartition(-similar, count - 1, axis=1)[:, :count]
        places = self._place[nearest]
        votes = [(places == place).sum(axis=1) for place in range(len(self.codes))]
        return np.stack(votes, axis=1) / count

    def _distances(self, crops: NDArray[np.float64]) -> NDArray[np.float64]:
        transform, means = self._clouds
        moved = crops @ transform
        return np.stack([np.linalg.norm(moved - mean, axis=1) for mean in means], axis=1)

    @cached_property
    def _clouds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(D, D) transform that makes the spread within origins round and 1, and (O, D) transformed means."""
        directions = self._directions.astype(np.float64)
        means = np.stack([directions[self._place == place].mean(axis=0) for place in range(len(self.codes))])
        apart = directions - means[self._place]
        spread = apart.T @ apart / len(apart)
        even = np.eye(len(spread)) * np.trace(spread) / len(spread)
        if not even.any():  # each origin is one point
            return np.eye(len(spread)), means
        shrunk = (1 - _SHRINKAGE) * spread + _SHRINKAGE * even
        transform = np.linalg.inv(np.linalg.cholesky(shrunk)).T
        transform /= np.sqrt(np.square(apart @ transform).sum(axis=1).mean())
        return transform, means @ transform


def _by_image(values: NDArray[np.float64], owner: NDArray[np.int64]) -> NDArray[np.float64]:
    counts = np.bincount(owner)
    return np.stack([np.bincount(owner, column) / counts for column in values.T], axis=1)


def _directions(vectors: Vectors) -> NDArray[np.float64]:
    exact = vectors.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    return np.asarray(exact / np.where(lengths > 0, lengths, 1))
