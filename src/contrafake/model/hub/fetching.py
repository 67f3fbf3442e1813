"""Fetches chosen files of a model from the Hub into its client's own cache, or finds them there."""

from __future__ import annotations

import glob
import os
from contextlib import contextmanager
from dataclasses import dataclass
from logging import ERROR
from pathlib import Path
from typing import TYPE_CHECKING

from contrafake.errors import BundleError
from contrafake.model.hub.address import MAIN, Address, parse_address
from contrafake.model.hub.failures import hub_words
from contrafake.model.hub.listing import RemoteFile, list_files, matches, resolve
from contrafake.model.hub.watching import watch_arrivals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BUNDLE_FILES = ("config.json", "*.safetensors", "*.onnx", "README.md", "NOTICE", "LICENSE")
"""What is fetched unless told otherwise: nothing that would have to be unpickled, and nothing in folders."""
MOST_BYTES = 4 * 10**9
MOST_FILES = 100


@dataclass(frozen=True)
class Fetched:
    """Files of one commit of a model, here.

    Attributes:
        path: Folder with the files, in the client's cache: links to what must not be changed.
        commit: The commit's full name.
        from_cache: Whether they lay there before, and nothing was asked.
    """

    path: Path
    commit: str
    from_cache: bool = False


def fetch(
    repo_id: str,
    revision: str | None = None,
    patterns: Sequence[str] | None = None,
    *,
    offline: bool = False,
    again: bool = False,
    remember: bool = True,
    max_bytes: int = MOST_BYTES,
    max_files: int = MOST_FILES,
    progress: Callable[[str, int, int | None], None] | None = None,
    report: Callable[[str], None] | None = None,
) -> Fetched:
    """Fetches the files of a model that match, and checks each against the hash that the Hub lists.

    A full commit that lies in the cache needs no network.

    Args:
        repo_id: OWNER/NAME.
        revision: A branch, tag or commit; None for the branch "main".
        patterns: Which files, as ``*.onnx`` or ``folder/*.bin``; `BUNDLE_FILES` unless told.
        offline: Use the cache alone, as with HF_HUB_OFFLINE.
        again: Ask the Hub even for a commit that lies in the cache, and replace what is damaged.
        remember: From now on the branch or tag means this commit to `cached`.
        max_bytes: Most bytes that the files may have together.
        max_files: Most files that may match.
        progress: Is called while files arrive (`watch_arrivals`).
        report: Is given one line before files are fetched.

    Raises:
        BundleError: If there is no such model or revision, no access, no network or no space, nothing matches, it is
            too much, or a file is not what the Hub says it is.
        UsageError: If the name or revision is none.
    """
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - costs a tenth of a second
    from huggingface_hub.constants import HF_HUB_OFFLINE  # noqa: PLC0415

    address = _checked(repo_id, revision)
    wanted = tuple(patterns or BUNDLE_FILES)
    offline = offline or HF_HUB_OFFLINE
    if offline or (address.pinned and not again):
        found = _in_cache(address, wanted, sure=not offline)
        if found is not None:
            return found
        if offline:
            reason = "HF_HUB_OFFLINE is set" if HF_HUB_OFFLINE else "only the cache may be used"
            raise BundleError(
                str(address), f"does not lie in the cache, and {reason}", "fetch it where there is network"
            )
    with hub_words(address), quiet_client():
        commit = address.revision if address.pinned and address.revision else resolve(address)
        files = [file for file in list_files(address, commit) if matches(file.path, wanted)]
        _check_bounds(address, files, wanted, max_bytes, max_files)
        total = sum(file.size for file in files)
        if report is not None:
            report(f"{address.repo_id}: {len(files)} file{'s' * (len(files) != 1)}, {total / 1e6:.1f} MB")
        # By its commit: by its branch, the client would let the branch mean a commit that may never arrive whole.
        names = [glob.escape(file.path) for file in files]
        with watch_arrivals(address.repo_id, total, progress):
            folder = Path(snapshot_download(address.repo_id, revision=commit, allow_patterns=names))
        _repair(address, folder, files)
    if remember:
        remember_revision(Fetched(folder, commit), address)
    return Fetched(folder, commit)


def cached(repo_id: str, revision: str | None = None, patterns: Sequence[str] | None = None) -> Fetched | None:
    """What lies in the cache of a model; never asks the network.

    Args:
        repo_id: OWNER/NAME.
        revision: A branch or tag means what it meant when it was last fetched.
        patterns: As in `fetch`.

    Returns:
        The files, or None where they were not fetched, or not all of them.

    Raises:
        UsageError: If the name or revision is none.
    """
    return _in_cache(_checked(repo_id, revision), tuple(patterns or BUNDLE_FILES), sure=False)


def remember_revision(fetched: Fetched, address: Address) -> None:
    """Notes what a branch or tag means from now on, where the client looks for it; a commit needs no note."""
    if address.pinned:
        return
    note = fetched.path.parent.parent / "refs" / (address.revision or MAIN)
    note.parent.mkdir(parents=True, exist_ok=True)
    partial = note.with_name(f"{note.name}.partial")
    partial.write_text(fetched.commit, encoding="ascii")
    partial.replace(note)


@contextmanager
def quiet_client(*, watched: bool = False) -> Iterator[None]:
    """Keeps the client from writing to the terminal, except for progress bars that somebody watches."""
    from huggingface_hub.utils import logging  # noqa: PLC0415 - as above
    from huggingface_hub.utils.tqdm import (  # noqa: PLC0415
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    level, hide = logging.get_verbosity(), not watched and not are_progress_bars_disabled()
    logging.set_verbosity(ERROR)
    if hide:
        disable_progress_bars()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if hide:
            enable_progress_bars()


def _checked(repo_id: str, revision: str | None) -> Address:
    return parse_address(repo_id if revision is None else f"{repo_id}@{revision}")


def _in_cache(address: Address, patterns: Sequence[str], *, sure: bool) -> Fetched | None:
    """What lies in the cache; `sure` takes only what is known to be complete."""
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - as above
    from huggingface_hub.errors import LocalEntryNotFoundError  # noqa: PLC0415

    try:
        # A pattern that nothing matches: the client would count files in folders as missing.
        found = snapshot_download(
            address.repo_id, revision=address.revision or MAIN, local_files_only=True, allow_patterns=["/"]
        )
    except LocalEntryNotFoundError:
        return None
    folder = Path(found)
    listed = _listed_in_cache(address, folder.name)
    if listed is None:
        return None if sure else Fetched(folder, folder.name, from_cache=True)
    wanted = [path for path in listed if matches(path, patterns)]
    whole = wanted and all((folder / path).is_file() for path in wanted)
    return Fetched(folder, folder.name, from_cache=True) if whole else None


def _listed_in_cache(address: Address, commit: str) -> list[str] | None:
    """Paths of a commit's files as they were listed when it was fetched; None where that is not known."""
    try:
        from huggingface_hub import get_cached_repo_tree  # noqa: PLC0415 - as above
        from huggingface_hub.errors import CachedRepoTreeNotFoundError  # noqa: PLC0415
    except ImportError:  # an older client keeps no listings
        return None
    try:
        return [file.path for file in get_cached_repo_tree(address.repo_id, revision=commit)]
    except CachedRepoTreeNotFoundError:
        return None


def _check_bounds(
    address: Address, files: list[RemoteFile], patterns: Sequence[str], max_bytes: int, max_files: int
) -> None:
    if not files:
        raise BundleError(str(address), f"has none of the files {', '.join(patterns)}")
    if len(files) > max_files:
        raise BundleError(str(address), f"has {len(files)} matching files, more than the {max_files} allowed")
    total = sum(file.size for file in files)
    if total > max_bytes:
        cause = f"its files have {total / 1e6:.1f} MB, more than the {max_bytes / 1e6:g} MB allowed"
        raise BundleError(str(address), cause)


def _repair(address: Address, folder: Path, files: list[RemoteFile]) -> None:
    """Fetches again what is not as listed, since the client compares sizes at most."""
    from huggingface_hub import hf_hub_download  # noqa: PLC0415 - as above

    for file in files:
        if file.same_as(folder / file.path):
            continue
        hf_hub_download(address.repo_id, file.path, revision=folder.name, force_download=True)
        if not file.same_as(folder / file.path):
            _forget(folder / file.path)
            raise BundleError(f"{address}: {file.path}", "was fetched and is not what the Hub lists", "try again later")


def _forget(path: Path) -> None:
    """Removes a damaged file from the cache, and what the link leads to."""
    if path.is_symlink():
        Path(os.path.realpath(path)).unlink(missing_ok=True)
    path.unlink(missing_ok=True)
