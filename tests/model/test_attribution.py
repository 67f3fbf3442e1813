"""The vote of the nearest generated references, on hand-worked arrangements."""

from __future__ import annotations

import numpy as np
import pytest

from contrafake.model.attribution import vote
from contrafake.model.heads import NearestHead

# Directions in the plane by angle in degrees, with label and origin.
REFERENCES = [(0, 1, 0), (10, 1, 0), (20, 1, 1), (90, 1, 2), (100, 1, 2), (110, 1, 2), (2, 0, 3), (92, 0, 3)]


def directions(*degrees: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    radians = np.radians(degrees)
    return np.column_stack([np.cos(radians), np.sin(radians)]).astype(np.float32)


def head() -> NearestHead:
    angles, labels, origins = zip(*REFERENCES, strict=True)
    return NearestHead(directions(*angles), np.array(labels, np.uint8), np.array(origins, np.int32))


def test_most_of_the_nearest_name_the_origin() -> None:
    winner, share, distance = vote(head(), directions(5), neighbours=3)
    assert winner == 0
    assert share == pytest.approx(2 / 3)
    assert distance == pytest.approx(1 - np.cos(np.radians(5)), abs=1e-6)  # both voters are 5 degrees away


def test_real_references_never_vote() -> None:
    winner, share, _ = vote(head(), directions(92), neighbours=3)
    assert (winner, share) == (2, 1.0)


def test_length_of_the_embedding_does_not_matter() -> None:
    assert vote(head(), 1000 * directions(5), 3) == pytest.approx(vote(head(), directions(5), 3), abs=1e-6)


def test_all_crops_vote_together() -> None:
    winner, share, distance = vote(head(), directions(95, 105, 0), neighbours=2)
    assert winner == 2
    assert share == pytest.approx(4 / 6)
    assert distance == pytest.approx(1 - np.cos(np.radians(5)), abs=1e-6)


def test_more_neighbours_than_references_ask_all() -> None:
    winner, share, _ = vote(head(), directions(0), neighbours=50)
    assert (winner, share) == (2, 0.5)
