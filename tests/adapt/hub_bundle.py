"""A bundle of nearly nothing: what the exchange with the Hub needs, since it runs no graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from contrafake.model.bundle_config import BundleConfig, Preprocessing
from contrafake.model.bundle_writing import write_bundle
from contrafake.model.heads import LinearHead

if TYPE_CHECKING:
    from pathlib import Path

    from contrafake.model.bundle import Bundle


def made_bundle(path: Path, version: str = "1", *, weights: bool = False) -> Bundle:
    """A bundle whose graph is noise that only the version decides."""
    rng = np.random.default_rng(list(version.encode()))
    graph = path.with_name(f"{path.name}-graph")
    graph.write_bytes(rng.bytes(50_000))
    config = BundleConfig(
        method="code",
        name="made",
        version=version,
        architecture={"backbone": "none", "dimension": 4},
        preprocessing=Preprocessing(crop_size=32),
        heads=["linear"],
        default_head="linear",
    )
    return write_bundle(
        path,
        config,
        model=graph,
        heads={"linear": LinearHead(rng.normal(size=4), 0.25)},
        calibrations={},
        texts={"README.md": f"# made {version} – déjà vu\n", "NOTICE": "terms\n"},
        weights=graph if weights else None,
    )


def contents(folder: Path) -> dict[str, bytes]:
    """Bytes of the files in a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
