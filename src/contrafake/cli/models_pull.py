"""`contrafake models pull`: fetches a bundle from the Hub, once."""

from __future__ import annotations

import json as encoder
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contrafake.cli.escape import for_terminal
from contrafake.cli.progress import phase_bar

if TYPE_CHECKING:
    from contrafake.model.bundle import Bundle
    from contrafake.model.hub import Pulled

Which = Annotated[
    str,
    typer.Argument(metavar="OWNER/NAME[@REVISION]", help="A model on the Hub; a branch, tag or commit after the @."),
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FOLDER", help="Copy it to a plain folder, too; a new or empty one.")
]


def pull(
    which: Which,
    out: Out = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print what was fetched as JSON.")] = False,
) -> None:
    """Fetches a bundle from the Hub into its client's cache, and verifies it.

    Afterwards the name works wherever a model is expected, without network: `contrafake detect --model OWNER/NAME`.
    Only this command asks the Hub; judging images never does. Write down the pinned address: it always means the same
    files, where a name means what was pulled last.

    A private model needs a token: `hf auth login`, or HF_TOKEN.
    """
    from contrafake.model.hub import copy_out, parse_address  # noqa: PLC0415 - cold start
    from contrafake.model.hub import pull as fetch_bundle  # noqa: PLC0415
    from contrafake.model.hub.pulling import check_free  # noqa: PLC0415

    address = parse_address(which)
    if out is not None:
        check_free(out)
    with phase_bar() as progress:
        report = None if json else lambda line: typer.echo(for_terminal(line), err=True)
        pulled = fetch_bundle(address, progress=progress if sys.stderr.isatty() else None, report=report)
    bundle = pulled.bundle if out is None else copy_out(pulled.bundle, out)
    if json:
        typer.echo(encoder.dumps(_facts(pulled, bundle), indent=1))
        return
    config = bundle.config
    typer.echo(f"model   {for_terminal(config.name)} {for_terminal(config.version)}")
    typer.echo(f"hash    {bundle.hash}")
    typer.echo(f"folder  {for_terminal(str(bundle.path))}")
    typer.echo(f"commit  {pulled.address.revision}{' (was in the cache)' if pulled.from_cache else ''}")
    typer.echo(f"pinned  {pulled.address}")


def _facts(pulled: Pulled, bundle: Bundle) -> dict[str, object]:
    return {
        "name": bundle.config.name,
        "version": bundle.config.version,
        "hash": bundle.hash,
        "repo_id": pulled.address.repo_id,
        "commit": pulled.address.revision,
        "pinned": str(pulled.address),
        "folder": str(bundle.path),
        "from_cache": pulled.from_cache,
    }
