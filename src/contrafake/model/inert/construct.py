"""What the calls of a stream would have made, as inert records: each allowed name has one known form of call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrafake.model.inert.arrays import finish_dtype, make_array, make_dtype, read_wrapped
from contrafake.model.inert.limits import Budget, Refusal, named
from contrafake.model.inert.records import ArrayRecord, DTypeRecord, EstimatorRecord, Name, Role

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from contrafake.model.inert.cursor import Cursor


def call(function: object, args: object, budget: Budget) -> object:  # noqa: PLR0911 -- one return a form
    """What `function(*args)` would return (opcode REDUCE).

    Raises:
        Refusal: The function is not one that saved classifiers call, or not called as they call it.
    """
    if not isinstance(function, Name) or not isinstance(args, tuple):
        raise Refusal(f"it calls {describe(function)}")
    match function.role:
        case Role.DTYPE:
            return make_dtype(args)
        case Role.NEW_OBJECT if len(args) == 3 and args[2] is None and _has_role(args[1], Role.OBJECT):
            return new(args[0], ())
        case Role.RECONSTRUCT if len(args) == 3 and _has_role(args[0], Role.NDARRAY) and args[1] == (0,):
            return ArrayRecord(joblib=False)
        case Role.FROMBUFFER if len(args) in (4, 5) and args[3] in ("C", "F") and (*args, None)[4] is None:
            return ArrayRecord(False, make_array(args[0], args[1], args[2], args[3] == "F", budget))
        case Role.SCALAR if len(args) == 2:
            return make_array(args[1], args[0], (), False, budget).item()
        case Role.ENCODE if len(args) == 2 and isinstance(args[0], str) and args[1] in ("latin1", "latin-1"):
            return _encoded(args[0], budget)
        case Role.BYTES if not args:
            return memoryview(b"")
    foreign = next((arg for arg in args if isinstance(arg, Name)), None)
    tail = f" with {describe(foreign)}" if foreign is not None else " in an unknown way"
    raise Refusal(f"it calls {describe(function)}{tail}")


def new(cls: object, args: object) -> object:
    """An empty object of a class (opcode NEWOBJ).

    Raises:
        Refusal: The class is neither a known estimator nor joblib's wrapper of an array.
    """
    if isinstance(cls, Name) and args == ():
        if cls.role is Role.ESTIMATOR:
            return EstimatorRecord(cls.name)
        if cls.role is Role.WRAPPER:
            return ArrayRecord(joblib=True)
    raise Refusal(f"it makes an object of {describe(cls)}")


def build(thing: object, state: object, cursor: Cursor, budget: Budget) -> None:
    """Give an object its state (opcode BUILD); a joblib array takes its bytes from the cursor.

    Raises:
        Refusal: The object takes none, has one already, or the state is of an unknown form.
    """
    if isinstance(thing, DTypeRecord):
        finish_dtype(thing, state)
    elif isinstance(thing, ArrayRecord) and thing.array is None:
        thing.array = read_wrapped(state, cursor, budget) if thing.joblib else _from_state(state, budget)
    elif isinstance(thing, EstimatorRecord) and not thing.complete and isinstance(state, dict):
        thing.state = state
        thing.complete = True
    else:
        raise Refusal(f"it gives a state to {describe(thing)}")


def describe(thing: object) -> str:
    """A record in words, for errors."""
    if isinstance(thing, Name):
        return named(f"{thing.module}.{thing.name}")
    if isinstance(thing, EstimatorRecord):
        return f"a {thing.kind}"
    if isinstance(thing, ArrayRecord):
        return "an array without content" if thing.array is None else "an array"
    if isinstance(thing, DTypeRecord):
        return "the type of an array"
    if isinstance(thing, memoryview):
        return "bytes"
    return "nothing" if thing is None else f"a value of type {type(thing).__name__}"


def _has_role(thing: object, role: Role) -> bool:
    return isinstance(thing, Name) and thing.role is role


def _from_state(state: object, budget: Budget) -> NDArray[np.generic]:
    """`ndarray.__setstate__`: (version, shape, dtype, Fortran order, bytes)."""
    if not isinstance(state, tuple) or len(state) != 5 or state[0] != 1 or type(state[3]) not in (bool, int):
        raise Refusal("an array of it is described in an unknown way")
    return make_array(state[4], state[2], state[1], bool(state[3]), budget)


def _encoded(text: str, budget: Budget) -> memoryview:
    """How protocols 0 to 2 write bytes: as text, one character a byte."""
    budget.spend(len(text))
    try:
        return memoryview(text.encode("latin-1"))
    except UnicodeEncodeError as error:
        raise Refusal("bytes of it are no bytes") from error
