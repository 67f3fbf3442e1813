"""Classifiers become heads: those that scikit-learn 1.3.2 saved score as it did, other forms are refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contrafake.adapt.official_heads import head_from_estimator, read_heads
from contrafake.errors import BundleError
from contrafake.model.heads import NearestHead
from contrafake.model.inert import Estimator, read_estimator

OLD = Path(__file__).parent.parent / "model" / "inert" / "fixtures" / "sklearn-1.3.2"
KINDS = {"linear": "LogisticRegression", "nearest": "KNeighborsClassifier", "svm": "OneClassSVM"}
WIDTH = 6


def old(kind: str, **changes: Any) -> Estimator:
    """What scikit-learn 1.3.2 saved, with attributes changed; `...` takes one away."""
    found = read_estimator(OLD / f"{KINDS[kind]}.sav")
    attributes: dict[str, Any] = {**found.attributes, **changes}
    return Estimator(found.kind, found.version, {key: value for key, value in attributes.items() if value is not ...})


def test_files_of_scikit_learn_1_3_2_score_as_it_did() -> None:
    expected = np.load(OLD / "expected.npz")
    heads, found = read_heads(tuple(OLD / f"{kind}.sav" for kind in reversed(KINDS.values())), WIDTH)
    assert list(heads) == list(KINDS)
    assert {estimator.version for _, estimator in found.values()} == {"1.3.2"}
    asked = expected["asked"]
    np.testing.assert_allclose(heads["linear"].score(asked), expected["linear_decision"], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(heads["linear"].score(asked) > 0, expected["linear_label"] == 1)
    np.testing.assert_allclose(heads["svm"].score(asked), -expected["one_class_decision"], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(heads["svm"].score(asked) > 0, expected["one_class_label"] == -1)
    nearest = heads["nearest"]
    assert isinstance(nearest, NearestHead)
    distances = nearest.distances(asked)
    np.testing.assert_allclose(distances.min(axis=1), expected["nearest_distance"], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(distances.argmin(axis=1), expected["nearest_neighbour"])
    np.testing.assert_array_equal(nearest.score(asked) > 0, expected["nearest_label"] == 1)
    np.testing.assert_array_equal(nearest.labels, nearest.origins)


def test_reversed_classes_turn_the_sign() -> None:
    _, head = head_from_estimator(old("linear"), "x", WIDTH)
    _, turned = head_from_estimator(old("linear", classes_=np.array([1, 0])), "x", WIDTH)
    vectors = np.random.default_rng(0).normal(size=(5, WIDTH))
    np.testing.assert_array_equal(turned.score(vectors), -head.score(vectors))
    _, nearest = head_from_estimator(old("nearest"), "x", WIDTH)
    _, swapped = head_from_estimator(old("nearest", classes_=np.array([1, 0])), "x", WIDTH)
    np.testing.assert_array_equal(swapped.score(vectors), -nearest.score(vectors))


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("linear", {"classes_": np.array([-1, 1])}, r"its classes are \[-1, 1\]"),
    ("linear", {"classes_": np.array([0, 1, 2])}, r"its classes are \[0, 1, 2\]"),
    ("linear", {"classes_": ...}, "lacks classes_ .is it a fitted"),
    ("linear", {"multi_class": "multinomial"}, "multi_class is 'multinomial'"),
    ("linear", {"coef_": np.zeros((1, 5))}, "coef_ has the shape 1 x 5, not 1 x 6"),
    ("linear", {"coef_": np.zeros((3, 6))}, "coef_ has the shape 3 x 6"),
    ("linear", {"coef_": np.full((1, 6), np.nan)}, "coef_ holds numbers that are not finite"),
    ("linear", {"coef_": [[0.0] * 6]}, "coef_ holds no numbers"),
    ("linear", {"intercept_": np.array([np.inf])}, "intercept_ holds numbers that are not finite"),
    ("nearest", {"n_neighbors": 5}, "n_neighbors is 5 .only 1 is supported"),
    ("nearest", {"n_neighbors": np.array([1, 1])}, "n_neighbors is array"),
    ("nearest", {"weights": "distance"}, "weights is 'distance'"),
    ("nearest", {"metric": "minkowski"}, "metric is 'minkowski' .only 'cosine'"),
    ("nearest", {"effective_metric_": "euclidean"}, "effective_metric_ is 'euclidean'"),
    ("nearest", {"outputs_2d_": True}, "outputs_2d_ is True"),
    ("nearest", {"_fit_X": np.zeros((0, 6))}, "_fit_X has the shape 0 x 6"),
    ("nearest", {"_fit_X": np.full((32, 6), 1e300)}, "_fit_X holds numbers beyond single precision"),
    ("nearest", {"_y": np.zeros(31, np.int64)}, "_y has the shape 31, not 32"),
    ("nearest", {"_y": np.full(32, 2)}, "_y holds other codes"),
    ("nearest", {"_y": np.zeros(32, np.int64)}, "all its references are real"),
    ("svm", {"kernel": "rbf"}, "kernel is 'rbf' .only 'poly'"),
    ("svm", {"_gamma": ..., "gamma": "scale"}, "_gamma is None|gamma is 'scale'"),
    ("svm", {"coef0": float("nan")}, "coef0 is nan"),
    ("svm", {"coef0": 10**400}, "coef0 is 1000"),
    ("svm", {"degree": 2.5}, "degree is 2.5"),
    ("svm", {"dual_coef_": np.ones((1, 3))}, "dual_coef_ has the shape 1 x 3"),
]


@pytest.mark.parametrize(("kind", "changes", "complaint"), REFUSED)
def test_other_forms_are_refused_by_name(kind: str, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BundleError, match=rf"file\.sav: ({complaint})"):
        head_from_estimator(old(kind, **changes), "file.sav", WIDTH)


def test_another_kind_another_dimension_and_two_of_one_kind_are_refused() -> None:
    with pytest.raises(BundleError, match=r"is a SVC .one of LogisticRegression, KNeighborsClassifier, OneClassSVM"):
        head_from_estimator(Estimator("SVC", "1.3.2", {}), "file.sav", WIDTH)
    for kind in KINDS:
        with pytest.raises(BundleError, match="embeddings of the encoder have 192 numbers"):
            head_from_estimator(old(kind), "file.sav", 192)
    files = (OLD / "OneClassSVM.sav", OLD / "OneClassSVM.protocol4.pkl")
    with pytest.raises(BundleError, match=r"protocol4.pkl: holds a OneClassSVM, and so does OneClassSVM\.sav"):
        read_heads(files, WIDTH)
