"""`contrafake models push`: gives a bundle to the Hub."""

from __future__ import annotations

import json as encoder
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contrafake.cli.escape import for_terminal
from contrafake.errors import UsageError

if TYPE_CHECKING:
    from contrafake.model.bundle import Bundle

BundleFolder = Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder of a bundle.")]
Which = Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The model on the Hub.")]
Branch = Annotated[str, typer.Option("--branch", metavar="NAME", help="Branch that gets it; made where it is new.")]
Message = Annotated[
    str | None, typer.Option("--message", metavar="TEXT", help="Of the commit; name and version unless told.")
]


def push(
    bundle: BundleFolder,
    which: Which,
    branch: Branch = "main",
    message: Message = None,
    *,
    create: Annotated[bool, typer.Option("--create", help="Make the model on the Hub where it is new.")] = False,
    private: Annotated[
        bool, typer.Option("--private", help="With --create: make it so that only its owner sees it.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before uploading.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Verify the bundle and list its files; upload nothing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print what was given as JSON.")] = False,
) -> None:
    """Verifies a bundle and gives exactly its files to the Hub, with model card and terms, as one commit.

    The uploaded model card gets the header that the Hub reads if it has none; the bundle here is not changed. Files of
    the bundle that stood there and that the new one has not are removed; anything else there stays. A model that is no
    bundle is never written over.

    Who gives is told by a token with the right to write: `hf auth login`, or HF_TOKEN.
    """
    from contrafake.model.bundle import read_bundle  # noqa: PLC0415 - cold start
    from contrafake.model.hub import parse_address, upload  # noqa: PLC0415
    from contrafake.model.hub.pushing import check_token  # noqa: PLC0415

    address = parse_address(which)
    if address.revision is not None:
        raise UsageError(which, "names a revision", "give OWNER/NAME, and the branch with --branch")
    parse_address(f"{which}@{branch}")
    if private and not create:
        raise UsageError("--private", "says how a new model is made", "add --create")
    opened = read_bundle(bundle)
    sizes = _sizes(opened)
    if not json:
        _list(opened, sizes, f"{which}, branch {branch}")
    if dry_run:
        if json:
            typer.echo(encoder.dumps({"files": sizes, "hash": opened.hash, "uploaded": False}, indent=1))
        return
    check_token()
    if not yes:
        _ask(which)
    pushed = upload(
        bundle,
        which,
        branch=branch,
        message=message,
        create=create,
        private=private,
        watched=sys.stderr.isatty(),
    )
    if json:
        facts = {
            "files": sizes,
            "removed": list(pushed.removed),
            "hash": opened.hash,
            "uploaded": True,
            "commit": pushed.commit,
            "url": pushed.url,
            "pinned": str(pushed.address),
        }
        typer.echo(encoder.dumps(facts, indent=1))
        return
    for name in pushed.removed:
        typer.echo(f"removed {for_terminal(name)}")
    typer.echo(f"commit  {for_terminal(pushed.commit)}")
    typer.echo(f"page    {for_terminal(pushed.url)}")
    typer.echo(f"pinned  {pushed.address}")


def _sizes(bundle: Bundle) -> dict[str, int]:
    from contrafake.model.hub import plan_upload  # noqa: PLC0415 - cold start

    files = plan_upload(bundle)
    return {name: len(x) if isinstance(x, bytes) else x.stat().st_size for name, x in files.items()}


def _list(bundle: Bundle, sizes: dict[str, int], target: str) -> None:
    typer.echo(f"{for_terminal(bundle.config.name)} {for_terminal(bundle.config.version)} to {target}")
    for name, size in sizes.items():
        typer.echo(f"{size:>14,}  {for_terminal(name)}")
    typer.echo(f"{sum(sizes.values()):>14,}  bytes together")


def _ask(which: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError("push", f"nobody can be asked whether to upload to {which}", "add --yes")
    if not typer.confirm(f"Upload to {which}?", err=True):
        raise UsageError("push", "was declined; nothing was uploaded")
