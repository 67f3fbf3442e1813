"""Which bundles there are: in the package, in the Hub's cache, and in folders; nothing goes to the network."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contrafake.adapt.config_reading import read_config
from contrafake.adapt.verifying import Report, verify
from contrafake.detect.load import BUNDLES
from contrafake.errors import BundleError, UsageError
from contrafake.model.bundle import CONFIG, TENSORS
from contrafake.model.hub.address import is_address, parse_address

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from contrafake.model.bundle_config import BundleConfig

__all__ = ["DEFAULT", "FOLDERS", "Installed", "Report", "installed", "locate", "verify"]

DEFAULT = "default"
FOLDERS = (".", "runs")
"""Where `installed` looks unless told."""
_PARTS = {"schema_version", "method", "heads"}


@dataclass(frozen=True)
class Installed:
    """A bundle that was found.

    Attributes:
        name: What `contrafake.load` and ``--model`` take.
        place: "package", "Hub cache" or "folder".
        path: Its folder.
        bytes: Size of config.json and of all files that it lists.
        hash: SHA-256 of config.json; None where that cannot be read.
        config: Its description; None where the bundle is damaged.
        damage: What is wrong with it; None where nothing is. Files are looked for and not read: `verify` reads them.
    """

    name: str
    place: str
    path: Path
    bytes: int
    hash: str | None
    config: BundleConfig | None
    damage: str | None = None

    @property
    def calibrated(self) -> bool:
        """Whether the default head at the default crops is calibrated."""
        config = self.config
        return config is not None and any(
            (facts.head, facts.crops) == (config.default_head, config.preprocessing.default_crops)
            for facts in config.calibrations
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; what a damaged bundle does not say is None."""
        config = self.config
        facts: dict[str, Any] = dict.fromkeys(("model", "version", "method", "default_head", "crops", "calibrated"))
        if config is not None:
            facts = {
                "model": config.name,
                "version": config.version,
                "method": config.method,
                "default_head": config.default_head,
                "crops": config.preprocessing.default_crops,
                "calibrated": self.calibrated,
            }
        return {
            "name": self.name,
            **facts,
            "heads": [] if config is None else list(config.heads),
            "bytes": self.bytes,
            "hash": self.hash,
            "place": self.place,
            "path": str(self.path),
            "damage": self.damage,
        }


def installed(folders: Sequence[str | os.PathLike[str]] | None = None) -> list[Installed]:
    """Finds bundles, without reading more of them than config.json.

    Args:
        folders: Where to look beside the package and the Hub's cache: at each folder, at what it holds, and at
            ``*/bundle``, where `contrafake train` writes. None takes `FOLDERS`, as far as they are there.

    Returns:
        One entry a bundle, that of the package first; a damaged bundle is an entry that says so.

    Raises:
        UsageError: If a folder that was named does not exist.
    """
    for folder in folders or ():
        if not Path(folder).is_dir():
            raise UsageError(os.fspath(folder), "there is no such folder")
    found = [_looked_at(DEFAULT, "package", BUNDLES / DEFAULT), *_of_cache()]
    seen = {entry.path.resolve() for entry in found}
    for path in (path for folder in (FOLDERS if folders is None else folders) for path in _candidates(Path(folder))):
        if path.resolve() not in seen and _is_bundle(path):
            seen.add(path.resolve())
            found.append(_looked_at(_name_of(path), "folder", path))
    return found


def locate(name_or_path: str | os.PathLike[str]) -> Path:
    """The folder of a model, by whatever name `contrafake.load` takes; it need not be sound.

    Args:
        name_or_path: "default", a folder, or OWNER/NAME[@REVISION] of a model that was pulled.

    Raises:
        BundleError: If there is no such model here.
    """
    path = BUNDLES / DEFAULT if name_or_path == DEFAULT else Path(name_or_path)
    if path.is_dir():
        return path
    name = os.fspath(name_or_path)
    if not isinstance(name_or_path, str) or not is_address(name):
        raise BundleError(name, "there is no such model", 'give "default", the folder of a bundle, or OWNER/NAME')
    from contrafake.model.hub.fetching import cached  # noqa: PLC0415 - its client costs a tenth of a second

    address = parse_address(name)
    found = cached(address.repo_id, address.revision)
    if found is None:
        remedy = f"contrafake models pull {address}"
        raise BundleError(name, "is no folder, and no model that was pulled from the Hub", remedy)
    return found.path


def _candidates(folder: Path) -> Iterator[Path]:
    yield folder
    try:
        held = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return
    for path in held:
        yield path
        yield path / "bundle"


def _is_bundle(path: Path) -> bool:
    """Whether the folder is, or was, a bundle: many programs call a file config.json, so that its content decides."""
    if not (path / CONFIG).is_file():
        return False
    found = read_config(path)
    return found.values.keys() >= _PARTS if found.values else (path / TENSORS).is_file()


def _looked_at(name: str, place: str, path: Path) -> Installed:
    found = read_config(path)
    damage, size = found.damage, found.bytes
    for listed in found.files:
        try:
            size += (path / listed).stat().st_size
        except (OSError, ValueError):
            damage = damage or f"{listed} is missing"
    return Installed(name, place, path, size, found.hash, None if damage else found.config, damage)


def _name_of(path: Path) -> str:
    """How to call a folder, also where its name means something else."""
    text = str(path)
    return f"./{text}" if text == DEFAULT or text.startswith("-") else text


def _of_cache() -> Iterator[Installed]:
    from huggingface_hub import CacheNotFound, scan_cache_dir  # noqa: PLC0415 - slow to import

    try:
        repositories = scan_cache_dir().repos
    except (CacheNotFound, OSError, ValueError):
        return
    for repository in sorted(repositories, key=lambda one: str(one.repo_id)):
        if repository.repo_type != "model":
            continue
        for revision in sorted(repository.revisions, key=lambda one: str(one.commit_hash)):
            if _is_bundle(revision.snapshot_path):
                # "main" is what an address without a revision stands for; a commit never comes to mean another.
                pinned = "" if "main" in revision.refs else f"@{revision.commit_hash}"
                yield _looked_at(f"{repository.repo_id}{pinned}", "Hub cache", revision.snapshot_path)
