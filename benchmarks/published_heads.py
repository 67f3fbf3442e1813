"""Fits classifiers as the authors of CoDE did, and answers with them: nothing but numpy, scikit-learn and joblib.

    python benchmarks/published_heads.py fit VECTORS.npz FOLDER
    python benchmarks/published_heads.py answer FOLDER VECTORS.npy ANSWERS.npz

VECTORS.npz holds `vectors` (N, D) float32 and `labels` (N,). `importing.py` runs this with today's Python, and with one
that has the scikit-learn of the publication, so that each version answers for its own files. The files that `answer`
unpickles are those that `fit` wrote.
"""

from __future__ import annotations

import sys
from pathlib import Path

import joblib  # type: ignore[import-untyped]
import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import OneClassSVM

NAMES = {
    "linear": "linear_tot_classifier_epoch-32.sav",
    "nearest": "knn_tot_classifier_epoch-32.sav",
    "svm": "ocsvm_kernel_poly_gamma_auto_nu_0_1_crop.joblib",
}


def fit(source: Path, folder: Path) -> None:
    """CoDE, section 4.1: the one-class SVM sees real images alone."""
    given = np.load(source)
    vectors, labels = given["vectors"], given["labels"]
    linear = LogisticRegression(C=0.316, max_iter=1500, class_weight="balanced", random_state=42).fit(vectors, labels)
    nearest = KNeighborsClassifier(1, metric="cosine").fit(vectors, labels)
    svm = OneClassSVM(nu=0.1, kernel="poly", gamma="auto").fit(vectors[labels == 0])
    folder.mkdir(parents=True, exist_ok=True)
    for name, classifier in (("linear", linear), ("nearest", nearest), ("svm", svm)):
        joblib.dump(classifier, folder / NAMES[name])


def answer(folder: Path, source: Path, target: Path) -> None:
    """Scores and labels of the classifiers in a folder; of the nearest neighbours, what sets the two classes apart."""
    vectors = np.load(source)
    linear, nearest, svm = (joblib.load(folder / NAMES[name]) for name in NAMES)
    # All neighbours by distance: the nearest of each class are what our score compares.
    distances, neighbours = nearest.kneighbors(vectors, n_neighbors=len(nearest._y))
    generated = nearest._y[neighbours] == 1
    first = [np.where(generated == kind, distances, np.inf).min(axis=1) for kind in (False, True)]
    np.savez(
        target,
        versions=np.array([sklearn.__version__, np.__version__, joblib.__version__]),
        linear_score=linear.decision_function(vectors),
        linear_label=linear.predict(vectors),
        nearest_score=first[0] - first[1],
        nearest_label=nearest.predict(vectors),
        svm_score=svm.decision_function(vectors),
        svm_label=svm.predict(vectors),
    )


if __name__ == "__main__":
    step, *paths = sys.argv[1:]
    {"fit": fit, "answer": answer}[step](*map(Path, paths))  # type: ignore[operator]
