"""Arrays survive every encoding; a type, shape or length that does not fit is refused before memory is taken."""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Any

import joblib  # type: ignore[import-untyped]
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from inert_streams import (
    FLOATS,
    LINEAR,
    NDARRAY,
    NEWOBJ,
    STOP,
    buffer_array,
    called,
    data,
    dtype,
    estimator,
    integer,
    joblib_array,
    name,
    pair,
    state_array,
    state_of_dtype,
    text,
)  # fmt: skip
from sklearn.linear_model import LogisticRegression

from contrafake.errors import BundleError
from contrafake.model.inert import read_estimator

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

KINDS = st.one_of(
    hnp.boolean_dtypes(), hnp.integer_dtypes(endianness="?"), hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(sizes=(16, 32, 64), endianness="?"), hnp.unicode_string_dtypes(endianness="?", max_len=5),
)  # fmt: skip
TEXT = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


@st.composite
def arrays(draw: st.DrawFn) -> NDArray[Any]:
    kind = draw(KINDS)
    elements = st.text(TEXT, max_size=kind.itemsize // 4) if kind.kind == "U" else None
    array: NDArray[Any] = draw(
        hnp.arrays(kind, hnp.array_shapes(min_dims=0, min_side=0, max_side=4), elements=elements)
    )
    return np.asfortranarray(array) if draw(st.booleans()) else array


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(array=arrays(), protocol=st.sampled_from([0, 1, 2, 3, 4, 5]), by_joblib=st.booleans())
def test_an_array_survives(array: NDArray[Any], protocol: int, by_joblib: bool, tmp_path: Path) -> None:
    model = LogisticRegression()
    model.coef_ = array
    model.pair_ = [array, {"same": array}]
    stream = io.BytesIO()
    (joblib.dump if by_joblib else pickle.dump)(model, stream, protocol=protocol)
    path = tmp_path / "model.sav"
    path.write_bytes(stream.getvalue())
    attributes: Any = read_estimator(path).attributes
    for found in (attributes["coef_"], attributes["pair_"][0], attributes["pair_"][1]["same"]):
        assert found.dtype == array.dtype.newbyteorder("=")
        assert found.shape == array.shape
        np.testing.assert_array_equal(found, array)
        assert found.flags.aligned
        assert not found.flags.writeable


def value(stream: bytes, tmp_path: Path) -> Any:
    path = tmp_path / "model.sav"
    path.write_bytes(stream)
    return read_estimator(path).attributes["coef_"]


def test_the_streams_by_hand_are_arrays_where_nothing_is_wrong(tmp_path: Path) -> None:
    content = np.array([[1.5, -2.0, np.nan], [np.inf, 0.0, 4.0]], "<f4").tobytes()
    for made in (
        buffer_array(FLOATS, content, 2, 3), buffer_array(FLOATS + state_of_dtype(), content, 2, 3),
        state_array(FLOATS, data(content), 2, 3), joblib_array(FLOATS, content, 2, 3),
        joblib_array(FLOATS, b"\x02\xff\xff" + content, 2, 3, numpy_array_alignment_bytes=integer(16)),
    ):  # fmt: skip
        np.testing.assert_array_equal(value(estimator(made), tmp_path), [[1.5, -2, np.nan], [np.inf, 0, 4]])
    swapped = buffer_array(FLOATS + state_of_dtype(">"), b"\x3f\x80\0\0", 1)
    assert value(estimator(swapped), tmp_path).tolist() == [1.0]
    turned = buffer_array(dtype("u1"), b"\0\1\2\3\4\5", 2, 3, order="F")
    assert value(estimator(turned), tmp_path).tolist() == [[0, 2, 4], [1, 3, 5]]


HUGE = 1 << 62
METADATA = pair(
    integer(4), text("<"), b"NNN", integer(-1), integer(-1), integer(0), b"}" + text("a") + integer(1) + b"s"
)
FIELDS = state_of_dtype(rest=b"N" + pair(text("a")) + b"}" + integer(4) + integer(1) + integer(0))
REFUSED = {
    "objects": (buffer_array(dtype("O8"), b"", 0), "array of objects"),
    "bare objects": (buffer_array(dtype("|O"), b"", 0), "array of objects"),
    "records": (buffer_array(dtype("V8"), b"", 0), "array of records"),
    "dates": (buffer_array(dtype("M8"), b"", 0), "array of dates"),
    "time spans": (buffer_array(dtype("<m8"), b"", 0), "array of time spans"),
    "complex numbers": (buffer_array(dtype("c16"), b"", 0), "complex"),
    "long doubles": (buffer_array(dtype("f16"), b"", 0), "unknown type, 'f16'"),
    "a list of fields": (buffer_array(dtype("f4,O"), b"", 0), "unknown type"),
    "a type by a list": (called(name("numpy", "dtype"), b"]"), "in an unknown way"),
    "text without width": (buffer_array(dtype("U0"), b"", 1 << 30), "unknown type, 'U0'"),
    "metadata": (buffer_array(FLOATS + METADATA + b"b", b"", 0), "in an unknown way"),
    "fields": (buffer_array(FLOATS + FIELDS, b"", 0), "in an unknown way"),
    "a size of its own": (
        buffer_array(FLOATS + state_of_dtype(rest=b"NNN" + integer(1 << 40) + integer(1) + integer(0)), b"", 0),
        "in an unknown way",
    ),
    "two states of a type": (buffer_array(FLOATS + state_of_dtype() + state_of_dtype(), b"", 0), "in an unknown way"),
    "an unknown byte order": (buffer_array(FLOATS + state_of_dtype("!"), b"", 0), "in an unknown way"),
    "no type": (buffer_array(b"N", b"", 0), "no type"),
    "a negative side": (buffer_array(FLOATS, b"", -1), "no shape"),
    "two negative sides": (buffer_array(FLOATS, b"abcd", -1, -1), "no shape"),
    "a huge side": (buffer_array(FLOATS, b"", HUGE), "no shape"),
    "sides that overflow": (buffer_array(FLOATS, b"", 1 << 32, 1 << 32), "no shape"),
    "an empty array of huge sides": (buffer_array(FLOATS, b"", 0, 1 << 39, 1 << 39), "no shape"),
    "too many axes": (buffer_array(FLOATS, b"abcd", *[1] * 33), "no shape"),
    "a shape of truth values": (
        called(name("numpy.core.numeric", "_frombuffer"), data(b"abcd"), FLOATS, b"\x88\x85", text("C")),
        "no shape",
    ),
    "too few bytes": (buffer_array(FLOATS, b"abcdefg", 2), "has 7 bytes, and its shape needs 8"),
    "too many bytes": (state_array(FLOATS, data(b"abcdefghi"), 2), "has 9 bytes, and its shape needs 8"),
    "content that is text": (state_array(FLOATS, text("abcd"), 1), "no bytes"),
    "an order of neither kind": (buffer_array(FLOATS, b"abcd", 1, order="K"), "numpy.core.numeric._frombuffer"),
    "strides": (
        name("numpy.core.multiarray", "_reconstruct") + pair(NDARRAY, pair(integer(5)), data(b"b")) + b"R",
        "numpy.core.multiarray._reconstruct",
    ),
    "an array that is never filled": (
        name("numpy.core.multiarray", "_reconstruct") + pair(NDARRAY, pair(integer(0)), data(b"b")) + b"R",
        "'coef_' holds an array without content",
    ),
    "an array filled twice": (state_array(FLOATS, data(b"")) + b"}b", "unknown way|needs"),
    "joblib: longer than the file": (joblib_array(FLOATS, b"", 1 << 28), "ends early"),
    "joblib: no order": (joblib_array(FLOATS, b"abcd", 1, order=text("K")), "described in an unknown way"),
    "joblib: no type": (joblib_array(b"N", b"abcd", 1), "described in an unknown way"),
    "joblib: an estimator": (joblib_array(FLOATS, b"abcd", 1, subclass=LINEAR), "described in an unknown way"),
    "joblib: a negative alignment": (
        joblib_array(FLOATS, b"abcd", 1, numpy_array_alignment_bytes=integer(-1)), "unknown alignment"
    ),
    "joblib: a huge alignment": (
        joblib_array(FLOATS, b"abcd", 1, numpy_array_alignment_bytes=integer(HUGE)), "unknown alignment"
    ),
    "joblib: too much padding": (
        joblib_array(FLOATS, b"\x20" + bytes(36), 1, numpy_array_alignment_bytes=integer(16)), "padded"
    ),
    "joblib: padding beyond the end": (
        joblib_array(FLOATS, b"\x40", 1, numpy_array_alignment_bytes=integer(64)) , "ends early"
    ),
    "joblib: a wrapper without state": (
        name("joblib.numpy_pickle", "NumpyArrayWrapper") + b")" + NEWOBJ, "array without content"
    ),
    "joblib before 0.10": (
        name("joblib.numpy_pickle", "NDArrayWrapper") + b")" + NEWOBJ, "joblib.numpy_pickle.NDArrayWrapper"
    ),
    "truth values of 2": (buffer_array(dtype("b1"), b"\1\2", 2), "truth values"),
    "text beyond Unicode": (buffer_array(dtype("U1"), b"\0\0\x11\0", 1), "no character"),
    "half a character": (buffer_array(dtype("U1"), b"\0\xd8\0\0", 1), "no character"),
    "a scalar of two": (called(name("numpy._core.multiarray", "scalar"), FLOATS, data(bytes(8))), "needs 4"),
}  # fmt: skip


@pytest.mark.parametrize("fault", REFUSED)
def test_what_does_not_fit_is_refused(fault: str, tmp_path: Path) -> None:
    made, cause = REFUSED[fault]
    with pytest.raises(BundleError, match=cause):
        value(estimator(made), tmp_path)
    assert STOP  # the same stream with a sound value is read: see the test by hand
