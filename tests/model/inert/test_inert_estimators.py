"""The three estimators as an older and as today's scikit-learn save them, in every encoding."""

from __future__ import annotations

import pickle
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib  # type: ignore[import-untyped]
import numpy as np
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import OneClassSVM

from contrafake.model.inert import Estimator, read_estimator

if TYPE_CHECKING:
    from collections.abc import Callable

OLD = Path(__file__).parent / "fixtures" / "sklearn-1.3.2"
ENCODINGS = ("sav", "zlib.joblib", "gzip.joblib", "protocol2.pkl", "protocol4.pkl", "protocol5.pkl")
KINDS = ("LogisticRegression", "KNeighborsClassifier", "OneClassSVM")


def by_pickle(thing: Any, path: Path, protocol: int) -> None:
    path.write_bytes(pickle.dumps(thing, protocol))


SAVED: dict[str, Callable[[Any, Path], object]] = {
    **{f"pickle {protocol}": partial(by_pickle, protocol=protocol) for protocol in range(6)},
    **{f"joblib {protocol}": partial(joblib.dump, protocol=protocol) for protocol in (0, 2, 4, 5)},
    **{
        f"joblib {method}": partial(joblib.dump, compress=(method, 3))
        for method in ("zlib", "gzip", "bz2", "xz", "lzma")
    },
}


@pytest.fixture(scope="module")
def expected() -> Any:
    with np.load(OLD / "expected.npz", allow_pickle=False) as file:
        return dict(file)


def old(kind: str, encoding: str) -> Any:
    found = read_estimator(OLD / f"{kind}.{encoding}")
    assert (found.kind, found.version) == (kind, "1.3.2")
    assert "_sklearn_version" not in found.attributes
    return found.attributes


@pytest.mark.parametrize("encoding", ENCODINGS)
class TestOfAnOlderScikitLearn:
    def test_linear(self, encoding: str, expected: Any) -> None:
        has = old("LogisticRegression", encoding)
        assert (has["C"], has["max_iter"], has["class_weight"], has["random_state"]) == (0.316, 1500, "balanced", 42)
        assert has["n_jobs"] is None
        assert has["fit_intercept"] is True
        decision = expected["asked"].astype(np.float64) @ has["coef_"][0] + has["intercept_"][0]
        np.testing.assert_allclose(decision, expected["linear_decision"], rtol=1e-12)
        assert has["classes_"][(decision > 0).astype(int)].tolist() == expected["linear_label"].tolist()

    def test_nearest_neighbour(self, encoding: str, expected: Any) -> None:
        has = old("KNeighborsClassifier", encoding)
        assert (has["metric"], has["n_neighbors"], has["_tree"]) == ("cosine", 1, None)
        assert has["effective_metric_params_"] == {}
        assert has["_fit_X"].dtype == np.float32
        asked, kept = (a / np.linalg.norm(a, axis=1, keepdims=True) for a in (expected["asked"], has["_fit_X"]))
        distances = 1 - asked @ kept.T
        assert distances.argmin(1).tolist() == expected["nearest_neighbour"].tolist()
        np.testing.assert_allclose(distances.min(1), expected["nearest_distance"], atol=1e-6)
        assert has["classes_"][has["_y"][distances.argmin(1)]].tolist() == expected["nearest_label"].tolist()

    def test_one_class(self, encoding: str, expected: Any) -> None:
        has = old("OneClassSVM", encoding)
        assert has["shape_fit_"][1] == 6
        kernel = (has["_gamma"] * expected["asked"].astype(np.float64) @ has["support_vectors_"].T + has["coef0"]) ** 3
        decision = (kernel @ has["dual_coef_"].T + has["intercept_"])[:, 0]
        np.testing.assert_allclose(decision, expected["one_class_decision"], rtol=1e-10, atol=1e-14)
        assert np.where(decision > 0, 1, -1).tolist() == expected["one_class_label"].tolist()


@pytest.fixture(scope="module")
def fitted() -> Any:
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(24, 6)).astype(np.float32)
    labels = np.where(vectors[:, 0] > 0, "generated", "real")
    return [
        LogisticRegression(C=np.float64(0.316), max_iter=1500, class_weight="balanced").fit(vectors, labels),
        KNeighborsClassifier(1, metric="cosine").fit(vectors, labels == "real"),
        OneClassSVM(nu=0.1, kernel="poly", gamma="auto").fit(np.asfortranarray(vectors)),
    ]


@pytest.mark.parametrize("way", SAVED)
def test_todays_files_read_as_scikit_learn_itself_reads_them(way: str, fitted: Any, tmp_path: Path) -> None:
    for kind, estimator in zip(KINDS, fitted, strict=True):
        path = tmp_path / f"{kind}.sav"
        SAVED[way](estimator, path)
        found = read_estimator(path)
        assert (found.kind, found.version) == (kind, sklearn.__version__)
        same_attributes(found, joblib.load(path))


def same_attributes(found: Estimator, loaded: object) -> None:
    expected = vars(loaded)
    assert found.attributes.keys() == expected.keys()
    for name, value in expected.items():
        got = found.attributes[name]
        assert isinstance(got, np.ndarray) == isinstance(value, np.ndarray), name
        if isinstance(got, np.ndarray):
            assert (got.dtype, got.shape) == (value.dtype, value.shape), name
            assert not got.flags.writeable, name
            assert got.flags.aligned, name
            np.testing.assert_array_equal(got, value, err_msg=name)
        else:
            assert got == value, name


def test_a_path_can_be_text_and_the_name_does_not_matter(tmp_path: Path) -> None:
    copy = tmp_path / "anything"
    copy.write_bytes((OLD / "OneClassSVM.sav").read_bytes())
    assert read_estimator(str(copy)).kind == "OneClassSVM"
