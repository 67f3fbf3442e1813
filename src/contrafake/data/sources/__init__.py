"""One reader for each layout in which data sets of the field come."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from contrafake.data.sources.source import Census, Item, Source, samples_of
from contrafake.errors import DataError, UsageError

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

__all__ = ["LAYOUTS", "Census", "Item", "Source", "open_data", "open_source", "samples_of"]

LAYOUTS = {
    "built": "contrafake.data.sources.built:Built",
    "shards": "contrafake.data.sources.tars:Shards",
    "manifest": "contrafake.data.sources.manifest:Manifest",
    "d3-parquet": "contrafake.data.sources.d3:D3Parquet",
    "d3-test": "contrafake.data.sources.d3_test:D3Test",
    "genimage": "contrafake.data.sources.genimage:GenImage",
    "forensynths": "contrafake.data.sources.forensynths:ForenSynths",
    "ufd-diffusion": "contrafake.data.sources.forensynths:UniversalFakeDetect",
    "drct-2m": "contrafake.data.sources.drct:DRCT2M",
    "synthbuster": "contrafake.data.sources.synthbuster:Synthbuster",
    "chameleon": "contrafake.data.sources.chameleon:Chameleon",
    "wildrf": "contrafake.data.sources.wildrf:WildRF",
    "cocofake": "contrafake.data.sources.cocofake:COCOFake",
    "genface": "contrafake.data.sources.genface:GenFace",
    "mvtec-ad": "contrafake.data.sources.mvtec:MVTecAD",
    "folders": "contrafake.data.sources.folders:PlainFolders",
}
"""Each layout's reader, imported when needed. Special layouts come first: the order in which they are recognised."""


def open_source(path: str | os.PathLike[str], layout: str = "auto") -> Source:
    """Opens a data set.

    Args:
        path: A folder, a shard or a pattern of shards, a manifest, a Parquet file or a folder of them.
        layout: One of `LAYOUTS`, or "auto" to recognise it.

    Raises:
        UsageError: There is no such layout.
        DataError: The path is missing, or no layout was recognised.
    """
    if layout != "auto":
        if layout not in LAYOUTS:
            raise UsageError("layout", f"{layout!r} is unknown", f"one of {', '.join(LAYOUTS)}")
        return _reader(layout)(Path(path))
    for name in LAYOUTS:
        reader = _reader(name)
        try:
            if reader.recognises(Path(path)):
                return reader(Path(path))
        except (OSError, RuntimeError) as error:  # the latter from pathlib, for links that go round in circles
            raise DataError(str(path), f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not Path(path).exists():
        raise DataError(str(path), "no such file or folder", "check the path")
    raise DataError(str(path), "no known layout was recognised", f"name it with --layout: {', '.join(LAYOUTS)}")


def open_data(addresses: Sequence[str], layout: str = "auto") -> Source:
    """Opens what a command line names as DATA: one address or several, each perhaps as `train=ADDRESS`.

    Args:
        addresses: What `open_source` takes, with the name of a split and an equals sign in front where wanted.
        layout: One layout for all, or "auto".

    Raises:
        UsageError: Nothing was given, or the layout is unknown.
        DataError: A path is missing, or no layout was recognised.
    """
    from contrafake.data.sources.several import Several, split_address  # noqa: PLC0415

    named = [split_address(address) for address in addresses]
    if len(named) == 1 and not named[0][0]:
        return open_source(named[0][1], layout)
    return Several([(split, open_source(path, layout)) for split, path in named])


def _reader(layout: str) -> type[Source]:
    module, name = LAYOUTS[layout].split(":")
    reader: type[Source] = getattr(importlib.import_module(module), name)
    return reader
