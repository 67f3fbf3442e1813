"""Embeddings with what is known of their images, wherever they were computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Embedded:
    """Embeddings of N images, all crops in one array.

    Attributes:
        vectors: (M, D) float32, one row per crop.
        owner: (M,) int64, the position of the image that a row of `vectors` belongs to; ascending.
        labels: (N,) int64 of the images that could be read, 0 = real, 1 = generated.
        origins: (N,) their origins, as strings.
        sources: (N,) their sources, as strings.
        broken: Cause by address, of the images that could not be read.
    """

    vectors: NDArray[np.float32]
    owner: NDArray[np.int64]
    labels: NDArray[np.int64]
    origins: NDArray[np.object_]
    sources: NDArray[np.object_]
    broken: dict[str, str]

    def image_scores(self, crop_scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """(M,) scores of crops -> (N,) mean score of each image."""
        count = np.bincount(self.owner, minlength=len(self.labels))
        return np.asarray(np.bincount(self.owner, crop_scores, minlength=len(self.labels)) / count)
