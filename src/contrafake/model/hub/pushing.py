"""Gives a bundle to the Hub, as one commit that holds exactly its files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contrafake import __version__
from contrafake.errors import BundleError, UsageError
from contrafake.model.bundle import CONFIG, read_bundle
from contrafake.model.hub.address import MAIN, Address, parse_address
from contrafake.model.hub.failures import LOGIN, hub_words
from contrafake.model.hub.fetching import quiet_client
from contrafake.model.hub.listing import list_files, resolve
from contrafake.model.hub.pulling import LONGEST_CONFIG, looks_like_bundle, own_files

if TYPE_CHECKING:
    import os

    from huggingface_hub import HfApi

    from contrafake.model.bundle import Bundle
    from contrafake.model.hub.listing import RemoteFile

CARD = "README.md"
TAGS = ("contrafake", "ai-generated-image-detection", "onnx")


@dataclass(frozen=True)
class Pushed:
    """What the Hub made of an upload.

    Attributes:
        commit: The commit's full name.
        url: Page of the commit.
        address: OWNER/NAME@COMMIT.
        removed: Files of the bundle that was there before which the new one has not.
    """

    commit: str
    url: str
    address: Address
    removed: tuple[str, ...]


def plan_upload(bundle: Bundle) -> dict[str, Path | bytes]:
    """What would be given of a bundle: a file of it, or the text of the model card with the Hub's header."""
    files: dict[str, Path | bytes] = {name: bundle.path / name for name in own_files(bundle)}
    if CARD in files:
        card = (bundle.path / CARD).read_text(encoding="utf-8", errors="replace")
        if not card.startswith("---"):
            files[CARD] = (card_header(terms="NOTICE" in files) + card).encode()
    return files


def card_header(*, terms: bool) -> str:
    """The header of a model card that the Hub reads; `terms`: the file NOTICE tells them."""
    link = ["license_name: see-notice", "license_link: NOTICE"] if terms else []
    lines = ["license: other", *link, "library_name: contrafake", "pipeline_tag: image-classification", "tags:"]
    return "\n".join(["---", *lines, *(f"- {tag}" for tag in TAGS), "---", "", ""])


def upload(
    folder: str | os.PathLike[str],
    repo_id: str,
    *,
    branch: str = MAIN,
    message: str | None = None,
    create: bool = False,
    private: bool = False,
    watched: bool = False,
) -> Pushed:
    """Verifies a bundle and uploads exactly its files, as one commit.

    Args:
        folder: The bundle.
        repo_id: OWNER/NAME.
        branch: Branch that gets the commit; made where it is new.
        message: Of the commit; name and version of the bundle unless told.
        create: Make the model on the Hub where it is new.
        private: Made so that only its owner sees it.
        watched: Let the client draw its progress bars on standard error.

    Raises:
        BundleError: If it is no bundle or damaged, something else stands under that name, the Hub cannot be reached,
            refuses, or has something else afterwards.
        UsageError: If the name is none, or there is no token.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi  # noqa: PLC0415 - cold start

    address = parse_address(f"{repo_id}@{branch}")
    bundle = read_bundle(folder)
    check_token()
    files = plan_upload(bundle)
    with hub_words(address), quiet_client(watched=watched):
        api = HfApi(library_name="contrafake", library_version=__version__)
        parent = _parent(api, address, create=create, private=private)
        standing = list_files(address, parent)
        removed = _left_behind(api, address, parent, standing, set(files))
        info = api.create_commit(
            address.repo_id,
            [
                *(CommitOperationAdd(path_in_repo=name, path_or_fileobj=content) for name, content in files.items()),
                *(CommitOperationDelete(path_in_repo=name) for name in removed),
            ],
            commit_message=message or f"{bundle.config.name} {bundle.config.version}",
            revision=branch,
            parent_commit=parent,
        )
        _check_arrived(address, list_files(address, info.oid), files)
    return Pushed(info.oid, str(info.commit_url), address.at(info.oid), tuple(removed))


def check_token() -> None:
    """Raises UsageError where no token says who gives."""
    from huggingface_hub import get_token  # noqa: PLC0415 - cold start

    if not get_token():
        raise UsageError("push", "the Hub has to know who you are", f"{LOGIN}; the token needs the right to write")


def _parent(api: HfApi, address: Address, *, create: bool, private: bool) -> str:
    """The branch's last commit; model and branch are made where they are new."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError  # noqa: PLC0415

    try:
        return resolve(address)
    except GatedRepoError:
        raise
    except RepositoryNotFoundError:
        if not create:
            cause = "there is no such model on the Hub, or none that you may write to"
            raise BundleError(address.repo_id, cause, "--create makes it") from None
        api.create_repo(address.repo_id, private=private)
    except RevisionNotFoundError:
        pass
    if address.revision != MAIN:
        api.create_branch(address.repo_id, branch=address.revision or MAIN)
    return resolve(address)


def _left_behind(api: HfApi, address: Address, parent: str, standing: list[RemoteFile], names: set[str]) -> list[str]:
    """Files that the bundle which stands there vouches for and the new one has not.

    Raises:
        BundleError: If something else stands there.
    """
    there = {file.path: file for file in standing}
    if CONFIG not in there:
        return []
    config = b""
    if there[CONFIG].size <= LONGEST_CONFIG:
        config = Path(api.hf_hub_download(address.repo_id, CONFIG, revision=parent)).read_bytes()
    if not looks_like_bundle(config):
        raise BundleError(address.repo_id, "holds a model that is no bundle of contrafake", "choose another name")
    vouched = json.loads(config)["files"]
    return sorted(there.keys() & set(vouched) - names) if isinstance(vouched, dict) else []


def _check_arrived(address: Address, listed: list[RemoteFile], files: dict[str, Path | bytes]) -> None:
    there = {file.path: file for file in listed}
    for name, content in files.items():
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        if name not in there or there[name].size != size:
            raise BundleError(f"{address}: {name}", "did not arrive", "look for a .gitignore there, and push again")
