"""`contrafake models list`: which models there are."""

from __future__ import annotations

import json as encoder
from typing import TYPE_CHECKING, Annotated

import typer

from contrafake.cli.escape import for_terminal

if TYPE_CHECKING:
    from contrafake.adapt.inventory import Installed

_COLUMNS = ("Version", "Method", "Head", "Crops", "Calibrated", "Heads", "Size", "Hash", "Where", "State")
_WORDS = (0, 1, 2, 4, 5, 7, 8, 9)
_NONE = "-"


def list_models(
    folders: Annotated[
        list[str] | None,
        typer.Argument(metavar="FOLDER...", help="Where to look; the current folder and runs unless told."),
    ] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the tables.")] = False,
) -> int:
    """List the models that are here, and published ones that can be had.

    Here are: the one inside the package, those in the Hub's cache, and the bundles at and in each FOLDER and its
    */bundle. The first column is what --model takes. Nothing goes to the network, and files are not verified.

    Exit codes: 0 listed, also where a model is damaged, 2 wrong usage.
    """
    from contrafake.adapt.inventory import installed  # noqa: PLC0415 - keeps --help fast
    from contrafake.adapt.known import KNOWN  # noqa: PLC0415

    found = installed(folders or None)
    if json:
        document = {"installed": [entry.to_dict() for entry in found], "known": [known.to_dict() for known in KNOWN]}
        print(encoder.dumps(document, indent=1))
        return 0
    _print(found)
    print()
    print("Published, and not of contrafake's form; the command makes one of it:")
    for known in KNOWN:
        print(f"  {known.name}: {known.about}, {known.licence}\n    {known.command}")
    return 0


def _print(found: list[Installed]) -> None:
    from contrafake.cli.evaluate_cells import Table, whole_lines  # noqa: PLC0415

    table = Table(("", "Model"), _COLUMNS, words=_WORDS)
    for entry in found:
        table.add(("", entry.name), _cells(entry))
    with whole_lines() as console:
        table.print(console)
    for entry in found:
        if entry.damage is not None:
            print(for_terminal(f"damaged: {entry.path}: {entry.damage}"))


def _cells(entry: Installed) -> tuple[str, ...]:
    config = entry.config
    short = (entry.hash or _NONE)[:12]
    if config is None:
        facts: tuple[str, ...] = (_NONE,) * 6
    else:
        facts = (
            config.version,
            config.method,
            config.default_head,
            str(config.preprocessing.default_crops),
            "yes" if entry.calibrated else "no",
            " ".join(config.heads),
        )
    return (*facts, size(entry.bytes), short, entry.place, _NONE if entry.damage is None else "damaged")


def size(count: int) -> str:
    """Bytes in words: "21.8 MB"."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} bytes"
