"""What a model on the Hub is called: OWNER/NAME, and after an @ the revision."""

from __future__ import annotations

import re
from typing import NamedTuple

from contrafake.errors import UsageError

MAIN = "main"
LONGEST = 96
_PART = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?")
_REVISION = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._/-]{0,198}[A-Za-z0-9_])?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class Address(NamedTuple):
    """A model on the Hub.

    Attributes:
        repo_id: OWNER/NAME.
        revision: A branch, tag or commit; None for the branch "main".
    """

    repo_id: str
    revision: str | None = None

    @property
    def pinned(self) -> bool:
        """Whether the revision is a full commit, which can never mean anything else."""
        return self.revision is not None and _COMMIT.fullmatch(self.revision) is not None

    def at(self, commit: str) -> Address:
        """The same model at one commit."""
        return Address(self.repo_id, commit)

    def __str__(self) -> str:
        """OWNER/NAME or OWNER/NAME@REVISION."""
        return self.repo_id if self.revision is None else f"{self.repo_id}@{self.revision}"


def parse_address(text: str) -> Address:
    """Reads OWNER/NAME[@REVISION].

    Raises:
        UsageError: If it is none; nothing that could lead out of the cache's folders is one.
    """
    repo_id, at, revision = text.partition("@")
    owner, slash, name = repo_id.partition("/")
    good = slash and all(_PART.fullmatch(part) and "--" not in part and ".." not in part for part in (owner, name))
    if not good or len(repo_id) > LONGEST:
        raise UsageError(text, "is no address of a model on the Hub", "give OWNER/NAME or OWNER/NAME@REVISION")
    if at and not (_REVISION.fullmatch(revision) and ".." not in revision and "//" not in revision):
        raise UsageError(text, f"{revision!r} is no revision", "give a branch, a tag or a commit after the @")
    return Address(repo_id, revision if at else None)


def is_address(text: str) -> bool:
    """Whether a text could be an address; a relative path of two parts could be, too."""
    try:
        parse_address(text)
    except UsageError:
        return False
    return True
