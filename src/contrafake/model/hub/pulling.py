"""Pulls a bundle from the Hub: what is no bundle is not fetched, what is one is verified against its hashes."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contrafake.errors import BundleError, UsageError
from contrafake.model.bundle import CONFIG, read_bundle
from contrafake.model.bundle_writing import TEXTS
from contrafake.model.hub.fetching import BUNDLE_FILES, Fetched, fetch, remember_revision

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from contrafake.model.bundle import Bundle
    from contrafake.model.hub.address import Address

LONGEST_CONFIG = 8_000_000


@dataclass(frozen=True)
class Pulled:
    """A bundle from the Hub.

    Attributes:
        bundle: Opened, in the client's cache.
        address: OWNER/NAME@COMMIT, which always means this bundle.
        from_cache: Whether it lay there before, and nothing was asked.
    """

    bundle: Bundle
    address: Address
    from_cache: bool


def pull(
    address: Address,
    *,
    offline: bool = False,
    progress: Callable[[str, int, int | None], None] | None = None,
    report: Callable[[str], None] | None = None,
) -> Pulled:
    """Fetches a bundle into the cache and verifies it.

    Args:
        address: Which one.
        offline: As in `fetch`, like what follows.
        progress: Is called while files arrive.
        report: Is given one line before files are fetched.

    Raises:
        BundleError: As in `fetch`, or if it is no bundle or is damaged.
        UsageError: As in `fetch`.
    """
    where = address.repo_id, address.revision
    _check_is_bundle(address, fetch(*where, [CONFIG], offline=offline, remember=False, max_bytes=LONGEST_CONFIG))
    found = fetch(*where, BUNDLE_FILES, offline=offline, remember=False, progress=progress, report=report)
    try:
        bundle = read_bundle(found.path)
    except BundleError as error:
        if not found.from_cache or offline:
            cause = f"{Path(error.subject).name}: {error.cause}"
            remedy = "pull it where there is network" if found.from_cache else "whoever gave it has to give it again"
            raise BundleError(str(address), cause, remedy) from error
        # It was whole when it was fetched: somebody or something changed it in the cache.
        found = fetch(*where, BUNDLE_FILES, again=True, remember=False, progress=progress, report=report)
        bundle = read_bundle(found.path)
    if not found.from_cache:
        remember_revision(found, address)
    return Pulled(bundle, address.at(found.commit), found.from_cache)


def check_free(folder: str | os.PathLike[str]) -> None:
    """Raises UsageError where a bundle cannot be copied to, since something is there."""
    target = Path(folder)
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise UsageError(str(folder), "exists", "choose another folder")


def copy_out(bundle: Bundle, folder: str | os.PathLike[str]) -> Bundle:
    """Copies a bundle's own files, and no others, to a plain folder; it appears there whole or not at all.

    Args:
        bundle: The bundle.
        folder: New or empty.

    Raises:
        UsageError: If something is there.
    """
    check_free(folder)
    target = Path(folder).absolute()
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        for name in own_files(bundle):
            shutil.copyfile(bundle.path / name, partial / name)
        if target.exists():
            target.rmdir()
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return read_bundle(target)


def own_files(bundle: Bundle) -> list[str]:
    """Names of the files that make a bundle: config.json, those it vouches for, and the texts."""
    texts = [name for name in (*TEXTS, "LICENSE") if (bundle.path / name).is_file()]
    return [CONFIG, *bundle.config.files, *texts]


def looks_like_bundle(config: bytes) -> bool:
    """Whether a config.json is one of a bundle, of whatever schema version."""
    try:
        values = json.loads(config)
    except (ValueError, RecursionError):
        return False
    return isinstance(values, dict) and {"schema_version", "method", "files"} <= values.keys()


def _check_is_bundle(address: Address, first: Fetched) -> None:
    config = (first.path / CONFIG).read_bytes()
    if not looks_like_bundle(config):
        remedy = f"if it is in the layout of the published CoDE: contrafake models import {address} --out FOLDER"
        raise BundleError(str(address), "is no bundle of contrafake", remedy)
