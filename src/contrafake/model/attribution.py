"""Whose training images lie nearest: a vote of generated references."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from contrafake.model.heads import NearestHead, Vectors


def vote(head: NearestHead, embeddings: Vectors, neighbours: int) -> tuple[int, float, float]:
    """The origin with most of the nearest generated references, over all crops of one image.

    Args:
        head: Holds the references.
        embeddings: (N, D) raw embeddings of the image's crops.
        neighbours: References that vote per crop.

    Returns:
        Index of the origin, its share of the votes (0 to 1), and the mean cosine distance of its voters.
    """
    distances, of_origin = head.generated_distances(embeddings)  # (N, G), (G,)
    count = min(neighbours, len(of_origin))
    nearest = np.argpartition(distances, count - 1, axis=1)[:, :count]
    origins: NDArray[np.int32] = of_origin[nearest].ravel()
    near = np.take_along_axis(distances, nearest, axis=1).ravel()
    votes = np.bincount(origins)
    winner = int(votes.argmax())
    return winner, float(votes[winner] / origins.size), float(near[origins == winner].mean())
