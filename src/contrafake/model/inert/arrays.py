"""Arrays as numpy and joblib write them into a stream, read as views of its bytes.

numpy's pickles name a data type such as `('f4', False, True)`, give its byte order in a state (`dtype.__reduce__`), and
hand an array's bytes over in another state (`ndarray.__reduce__`, protocols 0 to 4) or in a call (`_frombuffer`,
protocol 5). joblib writes a wrapper object, and right after it, outside the pickle, the bytes (joblib.numpy_pickle,
`NumpyArrayWrapper.write_array`), from version 1.2 on behind a padding that aligns them.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np

from contrafake.model.inert.limits import Budget, Refusal, named
from contrafake.model.inert.records import DTypeRecord, Name, Role

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from contrafake.model.inert.cursor import Cursor

_TYPE = re.compile(r"b1|[iu][1248]|f[248]|U[1-9][0-9]{0,3}")
_REFUSED_TYPES = {
    "O": "an array of objects",
    "V": "an array of records",
    "M": "an array of dates",
    "m": "an array of time spans",
    "c": "an array of complex numbers",
}
_LARGEST_SIDE = 1 << 40
_MOST_AXES = 8
_HIGHEST_CHARACTER = 0x10FFFF


def make_dtype(args: tuple[object, ...]) -> DTypeRecord:
    """What `numpy.dtype(*args)` would be, for numbers, truth values and text.

    Raises:
        Refusal: Objects, records, dates and all other types.
    """
    if (
        not args
        or len(args) > 3
        or not isinstance(args[0], str)
        or any(type(arg) not in (bool, int) for arg in args[1:])
    ):
        raise Refusal("it describes the type of an array in an unknown way")
    text = args[0]
    if not _TYPE.fullmatch(text):
        what = _REFUSED_TYPES.get(text.lstrip("<>=|")[:1], "an array of an unknown type")
        raise Refusal(f"it holds {what}, '{named(text)}'", "save arrays of numbers or of text only")
    return DTypeRecord(np.dtype(text))


def finish_dtype(record: DTypeRecord, state: object) -> None:
    """Give a data type its byte order, as `dtype.__setstate__` would.

    The state is `(3, order, None, None, None, size, alignment, flags)`.

    Raises:
        Refusal: The state has fields, metadata or a size of its own, or comes a second time.
    """
    if record.complete or not isinstance(state, tuple) or len(state) != 8:
        raise Refusal("it describes the type of an array in an unknown way", "save arrays without metadata")
    version, order, *fields, size, align, flags = state
    unsized = (-1, -1, 0)
    sized = (record.dtype.itemsize, 4, 8) if record.dtype.kind == "U" else unsized
    if (
        any(type(number) is not int for number in (version, size, align, flags))
        or version != 3
        or any(field is not None for field in fields)
        or (size, align, flags) not in (sized, unsized)
        or not isinstance(order, str)
        or order not in ("<", ">", "|", "=")
    ):
        raise Refusal("it describes the type of an array in an unknown way", "save arrays without fields and metadata")
    record.dtype = record.dtype.newbyteorder(order)  # type: ignore[arg-type]
    record.complete = True


def make_array(
    content: object, dtype: object, shape: object, fortran: bool, budget: Budget
) -> NDArray[np.generic]:  # fmt: skip
    """The array over the bytes `content`: a view that cannot be written to.

    Raises:
        Refusal: Type, shape and number of bytes do not fit each other, or the content is none of that type.
    """
    if not isinstance(dtype, DTypeRecord):
        raise Refusal("an array of it has no type")
    sides = _sides(shape)
    if not isinstance(content, memoryview):
        raise Refusal("the content of an array of it is no bytes", "save arrays of numbers or of text only")
    needed = math.prod(sides) * dtype.dtype.itemsize
    if content.nbytes != needed:
        raise Refusal(f"an array of it has {content.nbytes:,} bytes, and its shape needs {needed:,}")
    budget.spend(needed)
    flat = np.frombuffer(content, dtype.dtype)
    _check(flat)
    return flat.reshape(sides[::-1]).T if fortran else flat.reshape(sides)


def read_wrapped(state: object, cursor: Cursor, budget: Budget) -> NDArray[np.generic]:
    """The array behind a joblib wrapper: its bytes start where the cursor is.

    Args:
        state: The wrapper's attributes.
        cursor: Right after the opcode that completed the wrapper; left after the array.
        budget: What arrays may still take.

    Raises:
        Refusal: The wrapper is of an unknown form, or less is left of the stream than it announces.
    """
    if not isinstance(state, dict) or not {"shape", "order", "dtype"} <= state.keys():
        raise Refusal("a joblib array of it is described in an unknown way")
    dtype, shape, order = state["dtype"], state["shape"], state["order"]
    alignment = state.get("numpy_array_alignment_bytes")
    subclass = state.get("subclass")
    ordinary = isinstance(subclass, Name) and subclass.role is Role.NDARRAY
    if order not in ("C", "F") or not isinstance(dtype, DTypeRecord) or not ordinary:
        raise Refusal("a joblib array of it is described in an unknown way")
    if alignment is not None:
        if type(alignment) is not int or not 1 <= alignment <= 255:
            raise Refusal("a joblib array of it has an unknown alignment")
        padding = cursor.number(1)
        if padding > alignment:
            raise Refusal("a joblib array of it is padded by more than its alignment")
        cursor.take(padding)
    content = cursor.take(math.prod(_sides(shape)) * dtype.dtype.itemsize)
    return make_array(content, dtype, shape, order == "F", budget)


def settled(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """An array in native byte order, aligned and not writable; copied only where it is not yet so."""
    native = array.dtype.newbyteorder("=")
    if array.flags.aligned and array.dtype == native:
        return array
    copy = array.astype(native, order="K")
    copy.flags.writeable = False
    return copy


def _sides(shape: object) -> tuple[int, ...]:
    if not isinstance(shape, tuple) or len(shape) > _MOST_AXES:
        raise Refusal("the shape of an array of it is no shape")
    sides = tuple(side for side in shape if type(side) is int and 0 <= side <= _LARGEST_SIDE)
    # Empty arrays too must have sides that numpy can multiply.
    if len(sides) != len(shape) or math.prod(side for side in sides if side) > _LARGEST_SIDE:
        raise Refusal("the shape of an array of it is no shape")
    return sides


def _check(flat: NDArray[np.generic]) -> None:
    """Truth values are 0 or 1, and text is made of characters: numpy itself relies on both."""
    if flat.dtype.kind == "b" and flat.size and flat.view(np.uint8).max() > 1:
        raise Refusal("an array of truth values of it holds something else")
    if flat.dtype.kind == "U" and flat.size:
        codes = flat.view(np.dtype(np.uint32).newbyteorder(flat.dtype.byteorder))
        if (codes > _HIGHEST_CHARACTER).any() or ((codes >> 11) == 0x1B).any():
            raise Refusal("an array of text of it holds what is no character")
