"""Opens a model by name or path."""

from __future__ import annotations

import os
from pathlib import Path

from contrafake.detect.detector import Detector
from contrafake.errors import BundleError
from contrafake.model.bundle import read_bundle

BUNDLES = Path(__file__).parent.parent / "model" / "bundles"


def load(name_or_path: str | os.PathLike[str] = "default") -> Detector:
    """Opens a model, verified against its hashes.

    Args:
        name_or_path: "default" for the model inside the package, or the folder of a bundle.

    Returns:
        The detector for the bundle's method.

    Raises:
        BundleError: If there is no such model, it is damaged, or this version does not know its method.
    """
    path = BUNDLES / "default" if name_or_path == "default" else Path(name_or_path)
    if not path.is_dir():
        raise BundleError(os.fspath(name_or_path), "there is no such model", 'give "default" or the folder of a bundle')
    bundle = read_bundle(path)
    if bundle.config.method != "code":
        raise BundleError(str(path), f"is of the unknown method {bundle.config.method!r}", "upgrade contrafake")
    return Detector(bundle)
