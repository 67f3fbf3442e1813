"""Opens a model by name or path."""

from __future__ import annotations

import os
from pathlib import Path

from contrafake.detect.detector import Detector
from contrafake.errors import BundleError
from contrafake.model.bundle import Bundle, read_bundle
from contrafake.model.hub.address import is_address, parse_address

BUNDLES = Path(__file__).parent.parent / "model" / "bundles"


def load(name_or_path: str | os.PathLike[str] = "default", variant: str | None = None) -> Detector:
    """Opens a model, verified against its hashes. Never asks the network.

    Args:
        name_or_path: "default" for the model inside the package, the folder of a bundle, or OWNER/NAME[@REVISION] for
            a bundle that `contrafake models pull` fetched from the Hub. A folder of that name comes first.
        variant: Which of the model's graphs embeds; None takes its default.

    Returns:
        The detector for the bundle's method.

    Raises:
        BundleError: If there is no such model, it is damaged, or this version does not know its method.
    """
    bundle = find_bundle(name_or_path)
    if bundle.config.method != "code":
        raise BundleError(str(bundle.path), f"is of the unknown method {bundle.config.method!r}", "upgrade contrafake")
    return Detector(bundle, variant)


def find_bundle(name_or_path: str | os.PathLike[str] = "default") -> Bundle:
    """Opens a bundle by what `load` takes, whatever its method.

    Raises:
        BundleError: If there is none, or it is damaged.
    """
    path = BUNDLES / "default" if name_or_path == "default" else Path(name_or_path)
    if path.is_dir():
        return read_bundle(path)
    name = os.fspath(name_or_path)
    if not isinstance(name_or_path, str) or not is_address(name):
        raise BundleError(name, "there is no such model", 'give "default", the folder of a bundle, or OWNER/NAME')
    from contrafake.model.hub.fetching import cached  # noqa: PLC0415 - its client costs a tenth of a second

    address = parse_address(name)
    found = cached(address.repo_id, address.revision)
    remedy = f"contrafake models pull {address}"
    if found is None:
        raise BundleError(name, "is no folder, and no model that was pulled from the Hub", remedy)
    try:
        return read_bundle(found.path)
    except BundleError as error:
        raise BundleError(name, f"{error.subject}: {error.cause}", remedy) from error
