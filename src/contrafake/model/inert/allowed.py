"""The names a stream may use, one closed table; a name is looked up in it and nowhere else."""

from __future__ import annotations

from contrafake.model.inert.limits import SAVE_AGAIN, Refusal, named
from contrafake.model.inert.records import Name, Role

_TABLE = {
    ("sklearn.linear_model._logistic", "LogisticRegression"): Role.ESTIMATOR,
    ("sklearn.linear_model.logistic", "LogisticRegression"): Role.ESTIMATOR,
    ("sklearn.neighbors._classification", "KNeighborsClassifier"): Role.ESTIMATOR,
    ("sklearn.neighbors.classification", "KNeighborsClassifier"): Role.ESTIMATOR,
    ("sklearn.svm._classes", "OneClassSVM"): Role.ESTIMATOR,
    ("sklearn.svm.classes", "OneClassSVM"): Role.ESTIMATOR,
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): Role.WRAPPER,
    ("numpy", "ndarray"): Role.NDARRAY,
    ("numpy", "dtype"): Role.DTYPE,
    ("numpy.core.multiarray", "_reconstruct"): Role.RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): Role.RECONSTRUCT,
    ("numpy.core.multiarray", "scalar"): Role.SCALAR,
    ("numpy._core.multiarray", "scalar"): Role.SCALAR,
    ("numpy.core.numeric", "_frombuffer"): Role.FROMBUFFER,
    ("numpy._core.numeric", "_frombuffer"): Role.FROMBUFFER,
    ("copyreg", "_reconstructor"): Role.NEW_OBJECT,
    ("copy_reg", "_reconstructor"): Role.NEW_OBJECT,
    ("builtins", "object"): Role.OBJECT,
    ("__builtin__", "object"): Role.OBJECT,
    ("_codecs", "encode"): Role.ENCODE,
    ("builtins", "bytes"): Role.BYTES,
    ("__builtin__", "bytes"): Role.BYTES,
}

_REMEDIES = (
    (
        "sklearn.neighbors._kd_tree",
        "fit the neighbours with algorithm='brute' or metric='cosine', and save again",
    ),
    ("sklearn.neighbors._ball_tree", "fit the neighbours with algorithm='brute' or metric='cosine', and save again"),
    ("joblib.numpy_pickle_compat", "save it with joblib 0.10 or later"),
    ("joblib.numpy_pickle", "save it with joblib 0.10 or later, from ordinary arrays"),
    ("sklearn.externals.joblib", "save it with joblib 0.10 or later"),
    ("numpy.memmap", "save ordinary arrays, not memory maps"),
    ("numpy.core.memmap", "save ordinary arrays, not memory maps"),
    ("numpy._core.memmap", "save ordinary arrays, not memory maps"),
    ("pandas", "fit it on arrays, not on data frames"),
    ("scipy.sparse", "fit it on dense arrays"),
)


def allowed(module: str, name: str) -> Name:
    """The record of a name.

    Raises:
        Refusal: The table does not have it; it names what the stream asked for.
    """
    role = _TABLE.get((module, name))
    if role is not None:
        return Name(role, module, name)
    whole = f"{module}.{name}"
    remedy = next((what for start, what in _REMEDIES if f"{whole}.".startswith(start)), SAVE_AGAIN)
    raise Refusal(f"it asks for {named(whole)}, which a saved classifier has no need of", remedy)
