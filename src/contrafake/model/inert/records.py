"""The inert things a stream builds: names, data types, arrays and estimators that do nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Role(Enum):
    """What a name of a stream stands for."""

    ESTIMATOR = auto()
    WRAPPER = auto()
    NDARRAY = auto()
    DTYPE = auto()
    RECONSTRUCT = auto()
    SCALAR = auto()
    FROMBUFFER = auto()
    NEW_OBJECT = auto()
    OBJECT = auto()
    ENCODE = auto()
    BYTES = auto()


@dataclass(frozen=True)
class Name:
    """A name that the table of allowed names has.

    Attributes:
        role: What it stands for.
        module: As in the stream.
        name: As in the stream.
    """

    role: Role
    module: str
    name: str


@dataclass(eq=False)
class DTypeRecord:
    """The type of an array's elements; its byte order may follow later in the stream.

    Attributes:
        dtype: As far as it is known.
        complete: Whether its state was given.
    """

    dtype: np.dtype[np.generic]
    complete: bool = False


@dataclass(eq=False)
class ArrayRecord:
    """An array, named in the stream before its content is there.

    Attributes:
        joblib: Whether its bytes follow in joblib's way, else numpy's.
        array: The array, once there; a view of the stream.
    """

    joblib: bool
    array: NDArray[np.generic] | None = None


@dataclass(eq=False)
class EstimatorRecord:
    """An estimator, named in the stream before its attributes are there.

    Attributes:
        kind: Its class.
        state: Its attributes, still as records.
        complete: Whether they were given.
    """

    kind: str
    state: dict[str, object] = field(default_factory=dict)
    complete: bool = False
