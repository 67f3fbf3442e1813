"""The heads against the scikit-learn estimators they are made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import load, save

from contrafake.errors import BundleError, DataError
from contrafake.model.heads import (
    EVERY_HEAD,
    Head,
    KernelHead,
    LinearHead,
    NearestHead,
    SupportVectorHead,
    head_from_tensors,
)
from contrafake.train.head_fitting import fit_kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytest.importorskip("sklearn")


def embeddings(kind: str, dimension: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(400, D) vectors and their labels: without order, or in eight clusters of one class each."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(400, dimension))
    labels = rng.integers(2, size=400)
    if kind == "clustered":
        cluster = rng.integers(8, size=400)
        vectors = 0.5 * vectors + 3 * rng.normal(size=(8, dimension))[cluster]
        labels = cluster % 2
    return vectors.astype(np.float32), labels


def close(found: NDArray[np.float64], expected: NDArray[np.float64]) -> None:
    """Equal to 1e-5 relative; values that cancel to nearly nothing, relative to the scores' size."""
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-10 * np.abs(expected).max())


def same_side(score: NDArray[np.float64], predicted_generated: NDArray[np.bool_]) -> None:
    clear = np.abs(score) > 1e-9 * np.abs(score).max()
    assert clear.mean() > 0.8
    np.testing.assert_array_equal((score > 0)[clear], predicted_generated[clear])


CASES = [(kind, dimension) for kind in ("random", "clustered") for dimension in (32, 192)]


@pytest.mark.parametrize(("kind", "dimension"), CASES)
def test_linear_head_is_logistic_regression(kind: str, dimension: int) -> None:
    from sklearn.linear_model import LogisticRegression

    vectors, labels = embeddings(kind, dimension)
    train, test = vectors[:300].astype(np.float64), vectors[300:]
    fitted = LogisticRegression(C=0.316, max_iter=1500, class_weight="balanced").fit(train, labels[:300])
    score = LinearHead(fitted.coef_[0], float(fitted.intercept_[0])).score(test)
    assert score.dtype == np.float64
    close(score, fitted.decision_function(test.astype(np.float64)))
    same_side(score, fitted.predict(test.astype(np.float64)) == 1)


@pytest.mark.parametrize(("kind", "dimension"), CASES)
def test_nearest_head_is_one_nearest_neighbour(kind: str, dimension: int) -> None:
    from scipy.spatial.distance import cdist
    from sklearn.neighbors import KNeighborsClassifier

    vectors, labels = embeddings(kind, dimension)
    train, test = vectors[:300].astype(np.float64), vectors[300:]
    fitted = KNeighborsClassifier(n_neighbors=1, metric="cosine").fit(train, labels[:300])
    head = NearestHead(vectors[:300], labels[:300].astype(np.uint8), np.zeros(300, np.int32))
    distances = cdist(test.astype(np.float64), train, "cosine")
    score = head.score(test)
    assert score.dtype == np.float64
    real, generated = labels[:300] == 0, labels[:300] == 1
    close(score, distances[:, real].min(axis=1) - distances[:, generated].min(axis=1))
    np.testing.assert_allclose(head.distances(test), distances, atol=1e-12)
    same_side(score, fitted.predict(test.astype(np.float64)) == 1)


@pytest.mark.parametrize(("kind", "dimension"), CASES)
def test_svm_head_is_minus_the_one_class_svm(kind: str, dimension: int) -> None:
    from sklearn.svm import OneClassSVM

    vectors, labels = embeddings(kind, dimension)
    vectors64 = vectors.astype(np.float64)
    fitted = OneClassSVM(kernel="poly", degree=3, gamma="auto", nu=0.1).fit(vectors64[:300][labels[:300] == 0])
    head = SupportVectorHead(
        fitted.support_vectors_, fitted.dual_coef_[0], float(fitted.intercept_[0]), 1 / dimension, 0.0, 3
    )
    for some in (vectors[300:], 2 * vectors[300:], -vectors[:300]):
        score = head.score(some)
        assert score.dtype == np.float64
        close(score, -fitted.decision_function(some.astype(np.float64)))
        same_side(score, fitted.predict(some.astype(np.float64)) == -1)


@pytest.mark.parametrize(("kind", "dimension"), CASES)
def test_kernel_head_is_the_support_vector_machine(kind: str, dimension: int) -> None:
    from sklearn.svm import SVC

    vectors, labels = embeddings(kind, dimension)
    train, test = vectors[:300].astype(np.float64), vectors[300:]
    fitted = SVC(C=2.0, class_weight="balanced").fit(train, labels[:300])  # all components are a rotation
    head = fit_kernel(vectors[:300], labels[:300])
    score, expected = head.score(test), fitted.decision_function(test)
    assert score.dtype == np.float64
    np.testing.assert_allclose(score, expected, atol=0.02)  # support vectors are kept in half precision
    np.testing.assert_array_equal((score > 0)[np.abs(score) > 0.02], (expected > 0)[np.abs(score) > 0.02])


def test_kernel_head_tells_apart_what_no_plane_does() -> None:
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(600, 3))
    shell = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    labels = np.arange(600) % 2
    vectors = (shell * np.where(labels, 3.0, 1.0)[:, None]).astype(np.float32)
    score = fit_kernel(vectors[:400], labels[:400]).score(vectors[400:])
    assert ((score > 0) == labels[400:]).mean() > 0.99
    assert abs(fit_kernel(vectors[:400], labels[:400]).score(np.full((1, 3), 1e3))[0]) < 1.5  # far away it says little


def test_kernel_head_of_equal_vectors_is_refused() -> None:
    with pytest.raises(DataError, match="all embeddings are equal"):
        fit_kernel(np.ones((6, 4), np.float32), np.arange(6) % 2)


def made_heads() -> dict[str, Head]:
    rng = np.random.default_rng(3)
    references = rng.normal(size=(20, 8)).astype(np.float32)
    return {
        "linear": LinearHead(rng.normal(size=8), 0.1),
        "nearest": NearestHead(references, np.arange(20, dtype=np.uint8) % 2, np.arange(20, dtype=np.int32) % 5),
        "svm": SupportVectorHead(rng.normal(size=(6, 8)), rng.normal(size=6), -1 / 3, 1 / 7, 0.25, 3),
        "kernel": KernelHead(
            references.mean(axis=0),
            np.eye(8, dtype=np.float32)[:5],
            references[:7, :5].astype(np.float16),
            rng.normal(size=7),
            -1 / 3,
            1 / 7,
        ),
    }


@pytest.mark.parametrize("name", EVERY_HEAD)
def test_head_survives_storage_exactly(name: str) -> None:
    head = made_heads()[name]
    stored = save({key: np.ascontiguousarray(value) for key, value in head.tensors().items()})
    loaded = head_from_tensors(name, load(stored))
    assert type(loaded) is type(head)
    vectors = np.random.default_rng(4).normal(size=(30, 8))
    np.testing.assert_array_equal(loaded.score(vectors), head.score(vectors))
    for key, value in head.tensors().items():
        np.testing.assert_array_equal(loaded.tensors()[key], value)
        assert loaded.tensors()[key].dtype == value.dtype


@pytest.mark.parametrize("name", EVERY_HEAD)
def test_missing_parameter_is_named(name: str) -> None:
    for missing in made_heads()[name].tensors():
        tensors = {key: value for key, value in made_heads()[name].tensors().items() if key != missing}
        with pytest.raises(BundleError, match=f"head '{name}'.*'{missing}' is missing"):
            head_from_tensors(name, tensors)


def test_parameters_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(BundleError, match="damaged"):
        head_from_tensors("linear", {"weight": np.zeros(3), "bias": np.zeros(0)})
    with pytest.raises(BundleError, match="damaged"):
        head_from_tensors("svm", {"vectors": np.zeros((1, 3)), "coefficients": np.zeros(1), "kernel": np.zeros(3)})


def test_unknown_head_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BundleError, match=r"'forest': unknown kind .*linear, nearest, svm"):
        head_from_tensors("forest", {})


def test_zero_vector_is_at_distance_one_and_undecided() -> None:
    head = made_heads()["nearest"]
    assert isinstance(head, NearestHead)
    np.testing.assert_array_equal(head.distances(np.zeros((1, 8))), np.ones((1, 20)))
    assert head.score(np.zeros((1, 8))).tolist() == [0.0]


def test_a_reference_is_at_no_distance_from_itself() -> None:
    head = made_heads()["nearest"]
    assert isinstance(head, NearestHead)
    distances = head.distances(1e4 * head.references)
    assert (distances >= 0).all()
    np.testing.assert_allclose(np.diag(distances), 0, atol=1e-12)


@pytest.mark.parametrize("name", EVERY_HEAD)
def test_score_of_a_vector_does_not_depend_on_the_others(name: str) -> None:
    head, vectors = made_heads()[name], np.random.default_rng(5).normal(size=(40, 8)).astype(np.float32)
    alone = np.concatenate([head.score(vector[None]) for vector in vectors])
    np.testing.assert_allclose(head.score(vectors), alone, rtol=1e-10, atol=1e-12)
