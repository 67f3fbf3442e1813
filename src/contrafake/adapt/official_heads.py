"""The published classifiers as heads: what scikit-learn stored, checked and turned so that higher means generated.

Only the forms that were published are taken (CoDE, section 4): another kernel, metric or number of neighbours is
refused by name, for it would be another classifier under the same name.

The sign of the one-class SVM follows the training code and not the published card. It was fitted on real images alone,
and scikit-learn's decision function is positive inside what it was fitted on: -1 = generated, +1 = real. The card says
the opposite.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.errors import BundleError
from contrafake.model.heads import LinearHead, NearestHead, SupportVectorHead

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from contrafake.model.heads import Head
    from contrafake.model.inert import Estimator

KINDS = {"LogisticRegression": "linear", "KNeighborsClassifier": "nearest", "OneClassSVM": "svm"}
"""The head that each class of scikit-learn becomes."""
ORIGINS = ("real", "generated")
"""What the references of the published nearest-neighbour classifier are known to be."""


def read_heads(files: tuple[Path, ...], dimension: int) -> tuple[dict[str, Head], dict[str, tuple[Path, Estimator]]]:
    """Reads classifiers without running anything that their files name.

    Args:
        files: Files of joblib or pickle.
        dimension: Of the embeddings that they have to be for.

    Returns:
        The heads by name, in the order of `KINDS`; and for each the file and what was read from it.

    Raises:
        BundleError: A file is refused, or two hold classifiers of one kind.
    """
    from contrafake.model.inert import read_estimator  # noqa: PLC0415 - only where something is imported

    found: dict[str, tuple[Path, Estimator]] = {}
    heads: dict[str, Head] = {}
    for path in files:
        estimator = read_estimator(path)
        name, head = head_from_estimator(estimator, str(path), dimension)
        if name in found:
            cause = f"holds a {estimator.kind}, and so does {found[name][0].name}"
            raise BundleError(str(path), cause, "move one of them away")
        found[name], heads[name] = (path, estimator), head
    order = [name for name in KINDS.values() if name in heads]
    return {name: heads[name] for name in order}, {name: found[name] for name in order}


def head_from_estimator(estimator: Estimator, subject: str, dimension: int) -> tuple[str, Head]:
    """Turns what was read of a scikit-learn classifier into a head.

    Args:
        estimator: Its class and attributes.
        subject: What errors call it.
        dimension: Of the embeddings that it has to be for.

    Returns:
        Name and head.

    Raises:
        BundleError: It is of another kind or form, for other embeddings, or not finite.
    """
    if estimator.kind not in KINDS:
        raise BundleError(subject, f"is a {estimator.kind}", f"one of {', '.join(KINDS)} can be imported")
    name = KINDS[estimator.kind]
    return name, _BUILDERS[name](_Attributes(estimator.attributes, subject, dimension))


class _Attributes:
    """Attributes of an estimator, each checked where it is taken."""

    def __init__(self, values: Mapping[str, Any], subject: str, dimension: int) -> None:
        self._values, self._subject, self.dimension = values, subject, dimension

    def refuse(self, cause: str, remedy: str = "") -> BundleError:
        return BundleError(self._subject, cause, remedy)

    def only(self, name: str, *allowed: object) -> None:
        """Refuses another value than those of the published classifier; a missing one is none of another version."""
        value = _item(self._values.get(name, allowed[0]))
        if isinstance(value, np.ndarray) or value not in allowed:
            raise self.refuse(f"{name} is {_short(value)}", f"only {_short(allowed[0])} is supported")

    def array(self, *names: str, shape: tuple[int | None, ...]) -> NDArray[np.float64]:
        """The first of these attributes that is there: finite numbers of this shape, None for any length."""
        name = next((name for name in names if name in self._values), None)
        if name is None:
            raise self.refuse(f"lacks {names[0]}", "is it a fitted classifier?")
        found = self._values[name]
        if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiu":
            raise self.refuse(f"{name} holds no numbers")
        fits = len(found.shape) == len(shape) and all(
            wanted in {None, length} for wanted, length in zip(shape, found.shape, strict=True)
        )
        if not fits or not found.size:
            wanted = " x ".join("any" if length is None else str(length) for length in shape)
            remedy = f"embeddings of the encoder have {self.dimension} numbers"
            raise self.refuse(f"{name} has the shape {_shape(found)}, not {wanted}", remedy)
        if not np.isfinite(found).all():
            raise self.refuse(f"{name} holds numbers that are not finite")
        return found

    def number(self, *names: str) -> float:
        """The first of these attributes that is there: one finite number."""
        name = next((name for name in names if name in self._values), names[0])
        value = _item(self._values.get(name))
        if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
            raise self.refuse(f"{name} is {_short(value)}, not one finite number")
        return float(value)

    def classes(self) -> NDArray[np.int64]:
        """(2,) the labels 0 and 1, in the classifier's order."""
        found = self.array("classes_", shape=(None,))
        if sorted(found.tolist()) != [0, 1]:
            raise self.refuse(f"its classes are {_short(found.tolist())}", "they have to be 0 = real, 1 = generated")
        return found.astype(np.int64)


def _linear(given: _Attributes) -> LinearHead:
    # Of two classes a multinomial regression has the same decision, but another probability.
    given.only("multi_class", "auto", "ovr", "deprecated", "warn")
    sign = 1 if given.classes()[1] == 1 else -1
    weight = given.array("coef_", shape=(1, given.dimension))[0]
    bias = given.array("intercept_", shape=(1,))[0]
    return LinearHead(sign * weight.astype(np.float64), sign * float(bias))


def _nearest(given: _Attributes) -> NearestHead:
    given.only("n_neighbors", 1)
    given.only("weights", "uniform", None)
    given.only("outputs_2d_", False)
    given.only("metric", "cosine")
    given.only("effective_metric_", "cosine")
    vectors = given.array("_fit_X", shape=(None, given.dimension))
    codes = given.array("_y", shape=(len(vectors),))
    classes = given.classes()
    if codes.dtype.kind not in "iu" or codes.min() < 0 or codes.max() > 1:
        raise given.refuse("_y holds other codes than 0 and 1")
    labels = classes[codes.astype(np.int64)]
    if len(np.unique(labels)) < len(ORIGINS):
        raise given.refuse(f"all its references are {ORIGINS[labels[0]]}", "both classes are needed")
    with np.errstate(over="ignore"):
        references = np.ascontiguousarray(vectors, np.float32)
    if not np.isfinite(references).all():
        raise given.refuse("_fit_X holds numbers beyond single precision")
    return NearestHead(references, labels.astype(np.uint8), labels.astype(np.int32))


def _svm(given: _Attributes) -> SupportVectorHead:
    given.only("kernel", "poly")
    vectors = given.array("support_vectors_", shape=(None, given.dimension))
    coefficients = given.array("dual_coef_", "_dual_coef_", shape=(1, len(vectors)))[0]
    degree = given.number("degree")
    if not degree.is_integer() or not 0 < degree <= 10:
        raise given.refuse(f"degree is {degree:g}", "a whole number from 1 to 10 is supported")
    # `gamma` may be the word "auto" or "scale"; `_gamma` is the number that it stood for.
    return SupportVectorHead(
        vectors=np.ascontiguousarray(vectors, np.float64),
        coefficients=coefficients.astype(np.float64),
        intercept=float(given.array("intercept_", "_intercept_", shape=(1,))[0]),
        gamma=given.number("_gamma", "gamma"),
        coef0=given.number("coef0"),
        degree=int(degree),
    )


_BUILDERS: dict[str, Callable[[_Attributes], Head]] = {"linear": _linear, "nearest": _nearest, "svm": _svm}


def _item(value: object) -> object:
    """An array of one number as that number."""
    return value.item() if isinstance(value, np.ndarray | np.generic) and value.size == 1 else value


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond floating point
        return False


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _shape(array: NDArray[Any]) -> str:
    return " x ".join(map(str, array.shape)) or "of one number"
