"""Estimators of scikit-learn read out of joblib and pickle files, without running anything that is in them.

A pickle is a program: loading one calls whatever functions it names. Here the program is only *interpreted*. A machine
walks the opcodes and builds inert records of our own; a name in the stream is looked up in a closed table and never
imported; what is in no table is refused by name. The way of a file through this package:

`payload` (bytes in memory, decompressed under a bound) -> `machine` over a `cursor` (opcodes, stack, memo) with
`allowed` (the names a stream may use), `construct` (what calling them would have made) and `arrays` (the encodings of
numpy and joblib) -> `plain` (attributes are plain data or arrays, and finite) -> `estimator`.
"""

from __future__ import annotations

from contrafake.model.inert.estimator import Estimator, read_estimator
from contrafake.model.inert.limits import Limits

__all__ = ["Estimator", "Limits", "read_estimator"]
