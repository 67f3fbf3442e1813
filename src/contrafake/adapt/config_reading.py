"""Reads a bundle's config.json, also one that is damaged, without the files that it vouches for."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from contrafake.model.bundle import CONFIG, MODEL, TENSORS
from contrafake.model.bundle_config import SCHEMA_VERSION, BundleConfig

if TYPE_CHECKING:
    import os

_MOST_BYTES = 32 * 2**20
"""A config.json of thousands of origins and validation sources has a few megabytes."""


@dataclass(frozen=True)
class FoundConfig:
    """What config.json says, as far as it can be read.

    Attributes:
        config: The description; None where it is damaged or of another schema.
        values: Its top-level values as JSON has them; empty where it is no JSON.
        files: Hashes by file, as far as they are readable.
        hash: SHA-256 of the file; None where it cannot be read.
        bytes: Its size.
        damage: What is wrong with it; None where nothing is.
    """

    config: BundleConfig | None = None
    values: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    hash: str | None = None
    bytes: int = 0
    damage: str | None = None


def read_config(path: str | os.PathLike[str]) -> FoundConfig:
    """Reads config.json of a folder.

    Args:
        path: The folder.

    Returns:
        What was found; what is wrong is said in `damage` and never raised.
    """
    file = Path(path) / CONFIG
    try:
        if not file.is_file():
            return FoundConfig(damage=f"has no {CONFIG}")
        with file.open("rb") as stream:
            text = stream.read(_MOST_BYTES + 1)
    except OSError as error:
        return FoundConfig(damage=f"its {CONFIG} cannot be read: {error.strerror}")
    if len(text) > _MOST_BYTES:
        return FoundConfig(bytes=len(text), damage=f"its {CONFIG} has more than {_MOST_BYTES:,} bytes")
    digest = hashlib.sha256(text).hexdigest()
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return FoundConfig(hash=digest, bytes=len(text), damage=f"its {CONFIG} is no JSON")
    if not isinstance(values, dict):
        return FoundConfig(hash=digest, bytes=len(text), damage=f"its {CONFIG} is no description of a model")
    listed = values.get("files")
    files = {name: str(stated) for name, stated in listed.items()} if isinstance(listed, dict) else {}
    config, damage = _validated(values)
    return FoundConfig(config, values, files, digest, len(text), damage)


def _validated(values: dict[str, Any]) -> tuple[BundleConfig | None, str | None]:
    if "schema_version" not in values:
        return None, f"is no bundle: its {CONFIG} is of another kind"
    version = values["schema_version"]
    if version != SCHEMA_VERSION:
        return None, f"has schema version {version!r}; this contrafake reads {SCHEMA_VERSION}"
    try:
        config = BundleConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        return None, f"its {CONFIG} is damaged: {'.'.join(map(str, first['loc']))}: {first['msg']}"
    unlisted = {MODEL, TENSORS, *(variant.file for variant in config.variants)} - config.files.keys()
    if unlisted:
        return config, f"its {CONFIG} does not vouch for {', '.join(sorted(unlisted))}"
    outside = next((name for name in config.files if Path(name).name != name), None)
    return config, None if outside is None else f"lists a file outside its folder: {outside!r}"
