"""The vote of the nearest generated references, and the distance to each origin, on hand-worked arrangements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from contrafake.model.attribution import ReferenceSpace
from contrafake.model.heads import NearestHead

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from contrafake.model.attribution import Standings

# Directions in the plane by angle in degrees, with label and origin.
REFERENCES = [(0, 1, 0), (10, 1, 0), (20, 1, 1), (90, 1, 2), (100, 1, 2), (110, 1, 2), (2, 0, 3), (92, 0, 3)]


def directions(*degrees: float) -> NDArray[np.float32]:
    radians = np.radians(degrees)
    return np.column_stack([np.cos(radians), np.sin(radians)]).astype(np.float32)


def space() -> ReferenceSpace:
    angles, labels, origins = zip(*REFERENCES, strict=True)
    head = NearestHead(directions(*angles), np.array(labels, np.uint8), np.array(origins, np.int32))
    return ReferenceSpace.of(head)


def stand(vectors: NDArray[np.float32], neighbours: int, owner: list[int] | None = None) -> Standings:
    return space().stand(vectors, np.array(owner or [0] * len(vectors), np.int64), neighbours)


def test_shares_are_those_of_the_nearest() -> None:
    found = stand(directions(5), 3)
    assert found.codes.tolist() == [0, 1, 2]  # the real references' origin 3 has no vote
    assert found.shares.tolist() == [[pytest.approx(2 / 3), pytest.approx(1 / 3), 0]]


def test_real_references_never_vote() -> None:
    assert stand(directions(92), 3).shares.tolist() == [[0, 0, 1]]


def test_length_of_the_embedding_does_not_matter() -> None:
    short, long = stand(directions(5), 3), stand(1000 * directions(5), 3)
    np.testing.assert_allclose(short.shares, long.shares)
    np.testing.assert_allclose(short.distances, long.distances, rtol=1e-6)


def test_all_crops_of_an_image_vote_together_and_those_of_others_apart() -> None:
    together = stand(directions(95, 105, 0), 2, [0, 0, 1])
    np.testing.assert_allclose(together.shares, [[0, 0, 1], [1, 0, 0]])
    mixed = stand(directions(95, 105, 0), 2)
    np.testing.assert_allclose(mixed.shares, [[2 / 6, 0, 4 / 6]])
    each = [stand(directions(angle), 2).distances for angle in (95, 105, 0)]
    np.testing.assert_allclose(mixed.distances, np.mean(each, axis=0), rtol=1e-6)


def test_more_neighbours_than_references_ask_all() -> None:
    found = stand(directions(0), 50)
    np.testing.assert_allclose(found.shares, [[2 / 6, 1 / 6, 3 / 6]])


def test_of_equal_shares_the_nearer_origin_is_first() -> None:
    two = ReferenceSpace(directions(0, 4, 40, 44), np.array([7, 7, 5, 5], np.int32))
    near_seven, near_five = (
        two.stand(directions(angle), np.zeros(1, np.int64), 4).first()[0].tolist() for angle in (10, 30)
    )
    assert (near_seven, near_five) == ([7], [5])


def test_distance_is_that_of_mahalanobis_in_units_of_the_references() -> None:
    """Against scipy-free definition: the quadratic form of the inverse covariance, solved for each vector alone."""
    rng = np.random.default_rng(3)
    origins = np.repeat([0, 1, 2], [40, 30, 20]).astype(np.int32)
    raw = rng.normal(size=(90, 6)) * [1, 0.5, 2, 1, 1, 0.2] + 3 * np.eye(6)[origins]
    unit = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    means = [unit[origins == code].astype(float).mean(axis=0) for code in range(3)]
    residuals = np.concatenate([unit[origins == code] - means[code] for code in range(3)])
    covariance = sum(np.outer(row, row) for row in residuals) / 90
    covariance = 0.7 * covariance + 0.3 * np.mean(np.diag(covariance)) * np.eye(6)

    def form(difference: NDArray[np.float64]) -> float:
        return float(difference @ np.linalg.solve(covariance, difference))

    scale = np.mean([form(row) for row in residuals])
    image = rng.normal(size=6)
    expected = [np.sqrt(form(image / np.linalg.norm(image) - mean) / scale) for mean in means]
    arranged = ReferenceSpace(unit, origins)
    one = arranged.stand(image[None], np.zeros(1, np.int64), 5)
    np.testing.assert_allclose(one.distances, [expected], rtol=1e-5)
    own = arranged.stand(unit, np.arange(90), 5).distances[np.arange(90), origins]
    assert np.sqrt(np.mean(own**2)) == pytest.approx(1, rel=1e-5)


def test_many_crops_are_as_each_alone() -> None:
    rng = np.random.default_rng(0)
    crops = rng.normal(size=(1200, 2)).astype(np.float32)
    together = stand(crops, 2, list(range(1200)))
    for at in (0, 511, 512, 1199):
        alone = stand(crops[at : at + 1], 2)
        np.testing.assert_allclose(together.shares[at], alone.shares[0])
        np.testing.assert_allclose(together.distances[at], alone.distances[0], rtol=1e-6)


def test_an_origin_taken_away_gives_its_votes_to_others() -> None:
    less = space().without(2)
    assert less.codes.tolist() == [0, 1]
    found = less.stand(directions(95), np.zeros(1, np.int64), 2)
    np.testing.assert_allclose(found.shares, [[0.5, 0.5]])


def test_origins_that_are_points_have_distances() -> None:
    points = ReferenceSpace(directions(0, 0, 90), np.array([0, 0, 1], np.int32))
    found = points.stand(directions(0), np.zeros(1, np.int64), 1)
    np.testing.assert_allclose(found.distances, [[0, np.sqrt(2)]], atol=1e-6)
