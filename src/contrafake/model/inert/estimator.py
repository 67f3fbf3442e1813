"""A scikit-learn estimator as its class, its version and its attributes: nothing that predicts, only what was saved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contrafake.errors import BundleError
from contrafake.model.inert.construct import describe
from contrafake.model.inert.limits import Limits, Refusal
from contrafake.model.inert.machine import interpret
from contrafake.model.inert.payload import read_payload
from contrafake.model.inert.plain import plain_attributes
from contrafake.model.inert.records import EstimatorRecord

if TYPE_CHECKING:
    import os

    from contrafake.model.inert.plain import Plain

_VERSION = "_sklearn_version"


@dataclass(frozen=True, eq=False)
class Estimator:
    """What a file says about an estimator.

    Attributes:
        kind: "LogisticRegression", "KNeighborsClassifier" or "OneClassSVM".
        version: scikit-learn's version that saved it; empty where it is not stated.
        attributes: Parameters and fitted attributes by name: plain data, and arrays of numbers, truth values or text in
            native byte order that cannot be written to. They may hold NaN and infinity, and nothing says that they fit
            each other: who computes with them checks that.
    """

    kind: str
    version: str
    attributes: dict[str, Plain]


def read_estimator(path: str | os.PathLike[str], limits: Limits = Limits()) -> Estimator:  # noqa: B008 -- frozen
    """Read an estimator that joblib or pickle saved, by interpreting the file; nothing of it is run.

    Files of scikit-learn with numpy 1 and 2 and pickle protocols 0 to 5 are known, uncompressed or compressed by zlib,
    gzip, bz2 or xz. Arrays of an uncompressed file are views of its bytes.

    Args:
        path: The file (`.sav`, `.joblib`, `.pkl`; the name does not matter).
        limits: Bounds on sizes, steps and depth.

    Raises:
        BundleError: The file is damaged, too large, holds anything but one of the three estimators with plain
            attributes, or asks for anything else; it names what and where.
    """
    where = Path(path)
    try:
        found = interpret(read_payload(where, limits), limits)
        if not isinstance(found, EstimatorRecord) or not found.complete:
            raise Refusal(f"it holds {describe(found)} and no classifier with its attributes")
        attributes = plain_attributes(found.state, limits)
        version = attributes.pop(_VERSION, "")
        if not isinstance(version, str):
            raise Refusal(f"its attribute {_VERSION!r} is no text")
    except Refusal as error:
        raise BundleError(str(where), error.cause, error.remedy) from error
    return Estimator(found.kind, version, attributes)
