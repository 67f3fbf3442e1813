"""The validation images as the encoder saw them: a bundle can be calibrated and tested anew without the images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from contrafake.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_HALF = 60000.0
"""Largest value that is stored in half precision."""


@dataclass(frozen=True, eq=False)
class ValidationMemory:
    """Embeddings of N validation images, all crops in one array.

    Attributes:
        vectors: (M, D) float32 raw embeddings, one row a crop; an image's first is its centre crop.
        owner: (M,) int64, ascending: the image that a row belongs to.
        labels: (N,) int64, 0 = real, 1 = generated.
        origins: (N,) int64 codes, named by the bundle's `validation.origins`.
        sources: (N,) int64 codes, named by `validation.sources`.
    """

    vectors: NDArray[np.float32]
    owner: NDArray[np.int64]
    labels: NDArray[np.int64]
    origins: NDArray[np.int64]
    sources: NDArray[np.int64]

    def centres(self) -> NDArray[np.float32]:
        """(N, D) embeddings of the centre crops."""
        return self.vectors[np.searchsorted(self.owner, np.arange(len(self.labels)))]

    def take(self, images: NDArray[np.int64] | NDArray[np.bool_]) -> ValidationMemory:
        """Some of the images, by positions in ascending order or by a mask over all."""
        positions = np.flatnonzero(images) if images.dtype == np.bool_ else images
        place = np.full(len(self.labels), -1, np.int64)
        place[positions] = np.arange(len(positions))
        rows = place[self.owner] >= 0
        return ValidationMemory(
            self.vectors[rows], place[self.owner[rows]], self.labels[positions], self.origins[positions],
            self.sources[positions],
        )  # fmt: skip

    def mean_scores(self, crop_scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """(M,) scores of crops -> (N,) mean score of each image."""
        count = np.bincount(self.owner, minlength=len(self.labels))
        return np.asarray(np.bincount(self.owner, crop_scores, minlength=len(self.labels)) / count)

    def tensors(self) -> dict[str, NDArray[np.generic]]:
        """What is stored; embeddings in half precision, which moves a score by a thousandth of its spread."""
        half = np.abs(self.vectors).max(initial=0) < _HALF
        return {
            "vectors": self.vectors.astype(np.float16) if half else self.vectors,
            "owner": self.owner.astype(np.int32),
            "labels": self.labels.astype(np.uint8),
            "origins": self.origins.astype(np.int32),
            "sources": self.sources.astype(np.int32),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[np.generic]]) -> ValidationMemory:
        """The inverse of `tensors`.

        Raises:
            BundleError: A tensor is missing.
        """
        try:
            codes = {name: np.asarray(tensors[name], np.int64) for name in ("owner", "labels", "origins", "sources")}
            return cls(np.asarray(tensors["vectors"], np.float32), **codes)
        except KeyError as error:
            raise BundleError("validation memory", f"its {error.args[0]!r} is missing") from error
