"""Tells photographs from AI-generated images, says how sure it is, and shows what the answer rests on.

Example:
    >>> import contrafake
    >>> for verdict in contrafake.load().detect(["examples/real/china.jpg"]):
    ...     print(verdict.name, verdict.label, f"{verdict.probability:.2f}")  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from contrafake.detect.detector import CalibrationWarning, Detector
    from contrafake.detect.load import load
    from contrafake.detect.verdict import Attribution, ModelId, Verdict
    from contrafake.errors import BundleError, ContrafakeError, ImageError
    from contrafake.images import Limits, Picture, read
    from contrafake.model.calibration import OperatingPoint

# Resolved when first used: importing contrafake costs nothing, and neither does a program that asks for its version.
_HOMES = {
    "Attribution": "detect.verdict",
    "BundleError": "errors",
    "CalibrationWarning": "detect.detector",
    "ContrafakeError": "errors",
    "Detector": "detect.detector",
    "ImageError": "errors",
    "Limits": "images",
    "ModelId": "detect.verdict",
    "OperatingPoint": "model.calibration",
    "Picture": "images",
    "Verdict": "detect.verdict",
    "load": "detect.load",
    "read": "images",
}

__all__ = [
    "Attribution",
    "BundleError",
    "CalibrationWarning",
    "ContrafakeError",
    "Detector",
    "ImageError",
    "Limits",
    "ModelId",
    "OperatingPoint",
    "Picture",
    "Verdict",
    "__version__",
    "load",
    "read",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'contrafake' has no attribute {name!r}")
    return getattr(importlib.import_module(f"contrafake.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
