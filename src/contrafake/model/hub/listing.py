"""The files of a model on the Hub: which are wanted, and whether what lies here is what the Hub has."""

from __future__ import annotations

import hashlib
import itertools
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from contrafake.errors import BundleError
from contrafake.model.bundle import sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from huggingface_hub.hf_api import RepoFile, RepoFolder

    from contrafake.model.hub.address import Address

MOST_ENTRIES = 10_000
TIMEOUT = 15.0
_GIT_BLOB = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class RemoteFile:
    """A file as the Hub lists it.

    Attributes:
        path: Inside the repository.
        size: In bytes.
        sha256: Of its content, where the Hub keeps it as a large file.
        git_blob: Git's name of its content, else.
    """

    path: str
    size: int
    sha256: str | None = None
    git_blob: str | None = None

    def same_as(self, local: Path) -> bool:
        """Whether a file here is this one, by size and hash."""
        if not local.is_file() or local.stat().st_size != self.size:
            return False
        if self.sha256 is not None:
            return sha256(local) == self.sha256
        if self.git_blob is not None:
            content = local.read_bytes()
            return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() == self.git_blob  # noqa: S324 - Git's
        return True


def resolve(address: Address) -> str:
    """The commit that an address means now. Asks the Hub; its client's errors go through."""
    from huggingface_hub import HfApi  # noqa: PLC0415 - costs a tenth of a second

    info = HfApi().model_info(address.repo_id, revision=address.revision or "main", timeout=TIMEOUT)
    if not isinstance(info.sha, str) or not _GIT_BLOB.fullmatch(info.sha):
        raise ValueError("no commit was named")
    return info.sha


def list_files(address: Address, commit: str) -> list[RemoteFile]:
    """All files of a commit. Asks the Hub; its client's errors go through.

    Raises:
        BundleError: If there are too many, or one has a path that leads elsewhere.
    """
    from huggingface_hub import HfApi  # noqa: PLC0415 - as above

    entries = HfApi().list_repo_tree(address.repo_id, recursive=True, revision=commit)
    found = remote_files(itertools.islice(entries, MOST_ENTRIES + 1))
    if len(found) > MOST_ENTRIES:
        raise BundleError(str(address), f"has more than {MOST_ENTRIES} files")
    for file in found:
        parts = file.path.split("/")
        if "\\" in file.path or not file.path.isprintable() or {"", ".", ".."} & set(parts):
            raise BundleError(str(address), f"has a file with the unsafe path {file.path!r}")
    return found


def remote_files(entries: Iterable[RepoFile | RepoFolder]) -> list[RemoteFile]:
    """The files among what the client lists."""
    from huggingface_hub.hf_api import RepoFile  # noqa: PLC0415 - as above

    return [_remote_file(entry) for entry in entries if isinstance(entry, RepoFile)]


def matches(path: str, patterns: Sequence[str]) -> bool:
    """Whether a path matches a pattern; unlike the client's own, ``*`` does not reach into folders."""
    parts = path.split("/")
    for pattern in patterns:
        wanted = pattern.split("/")
        if len(wanted) == len(parts) and all(map(fnmatchcase, parts, wanted)):
            return True
    return False


def _remote_file(entry: RepoFile) -> RemoteFile:
    if entry.lfs is not None:
        return RemoteFile(entry.path, entry.lfs.size, sha256=entry.lfs.sha256)
    blob = entry.blob_id if _GIT_BLOB.fullmatch(entry.blob_id or "") else None
    return RemoteFile(entry.path, entry.size, git_blob=blob)
