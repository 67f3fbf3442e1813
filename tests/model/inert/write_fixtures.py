"""Writes the committed files of an older scikit-learn: run it with a Python that has scikit-learn 1.3.2 and numpy 1.26.

    python tests/model/inert/write_fixtures.py

The estimators are fitted with the parameters of the published CoDE classifiers, on few and short vectors. What they
answer is kept beside them, in arrays, so that no test needs that scikit-learn.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import joblib  # type: ignore[import-untyped]
import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import OneClassSVM

HERE = Path(__file__).parent / "fixtures"


def main() -> None:
    """Fit, save and answer."""
    folder = HERE / f"sklearn-{sklearn.__version__}"
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    vectors = rng.normal(size=(32, 6)).astype(np.float32)
    labels = (vectors @ rng.normal(size=6) + 0.3 * rng.normal(size=32) > 0).astype(np.int64)
    asked = rng.normal(size=(9, 6)).astype(np.float32)

    linear = LogisticRegression(C=0.316, max_iter=1500, class_weight="balanced", random_state=42).fit(vectors, labels)
    nearest = KNeighborsClassifier(1, metric="cosine").fit(vectors, labels)
    one_class = OneClassSVM(nu=0.1, kernel="poly", gamma="auto").fit(vectors[labels == 0])
    distance, neighbour = nearest.kneighbors(asked)
    np.savez(
        folder / "expected.npz",
        asked=asked,
        linear_decision=linear.decision_function(asked),
        linear_label=linear.predict(asked),
        nearest_neighbour=neighbour[:, 0],
        nearest_distance=distance[:, 0],
        nearest_label=nearest.predict(asked),
        one_class_decision=one_class.decision_function(asked),
        one_class_label=one_class.predict(asked),
    )
    for estimator in (linear, nearest, one_class):
        stem = folder / type(estimator).__name__
        joblib.dump(estimator, f"{stem}.sav")
        joblib.dump(estimator, f"{stem}.zlib.joblib", compress=3)
        joblib.dump(estimator, f"{stem}.gzip.joblib", compress=("gzip", 3))
        for protocol in (2, 4, 5):
            Path(f"{stem}.protocol{protocol}.pkl").write_bytes(pickle.dumps(estimator, protocol))


if __name__ == "__main__":
    main()
