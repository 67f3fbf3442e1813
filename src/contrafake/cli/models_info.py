"""`contrafake models info`: what a model is."""

from __future__ import annotations

import json as encoder
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from contrafake.cli.escape import as_text, for_terminal
from contrafake.errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from contrafake.adapt.config_reading import FoundConfig
    from contrafake.model.bundle_config import BundleConfig

_MOST_TEXT = 2**20
"""Characters of a model card that are shown."""


def info(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="default, the folder of a bundle, or OWNER/NAME[@REVISION].")
    ] = "default",
    *,
    card: Annotated[bool, typer.Option("--card", help="Show its model card, README.md, instead.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print config.json with hash and sizes instead.")] = False,
) -> int:
    """Say what a model is: encoder, heads, decision rules, calibration, variants, and what was done to it.

    Only config.json and the texts are read; `contrafake models verify` reads the rest. On a terminal the model card is
    laid out; a pipe gets its text.

    Exit codes: 0 told, 2 wrong usage, no such model, or a damaged one.
    """
    from contrafake.adapt.config_reading import read_config  # noqa: PLC0415 - keeps --help fast
    from contrafake.adapt.inventory import locate  # noqa: PLC0415

    folder = locate(model)
    found = read_config(folder)
    if found.config is None:
        raise BundleError(str(folder), found.damage or "is no bundle")
    if found.damage is not None:
        print(f"contrafake: {for_terminal(f'{folder}: {found.damage}')}", file=sys.stderr)
    text = _text(folder / "README.md") if card else ""
    if json:
        document = {**found.values, "hash": found.hash, "path": str(folder), "sizes": _sizes(folder, found)}
        print(encoder.dumps({**document, "card": text} if card else document, indent=1))
    elif card:
        _print_card(text)
    else:
        _print_facts(folder, found, found.config)
    return 0


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_MOST_TEXT) if path.is_file() else ""
    except OSError:
        return ""


def _sizes(folder: Path, found: FoundConfig) -> dict[str, int | None]:
    sizes: dict[str, int | None] = {"config.json": found.bytes}
    for name in found.files:
        try:
            sizes[name] = (folder / name).stat().st_size
        except (OSError, ValueError):
            sizes[name] = None
    return sizes


def _print_card(text: str) -> None:
    from contrafake.cli.evaluate_cells import whole_lines  # noqa: PLC0415

    if not text:
        print("this model has no README.md")
        return
    with whole_lines() as console:
        if console.is_terminal:
            _lay_out(text, console)
            return
        for line in text.split("\n"):
            console.print(as_text(line), soft_wrap=True)


def _lay_out(text: str, console: Console) -> None:
    """Markdown on a terminal. Made harmless after it was parsed, since `&#27;` becomes an escape only there."""
    from rich.markdown import Markdown  # noqa: PLC0415

    # Without hyperlinks, an address stands beside its words, so that the words cannot claim another.
    lines = console.render_lines(Markdown(text, hyperlinks=False), pad=False)
    for line in lines:
        whole = as_text("")
        for segment in line:
            if not segment.control:
                style = segment.style
                whole.append(for_terminal(segment.text), None if style is None else style.update_link(None))
        console.print(whole, soft_wrap=True)


def _print_facts(folder: Path, found: FoundConfig, config: BundleConfig) -> None:
    from contrafake.cli.evaluate_cells import whole_lines  # noqa: PLC0415
    from contrafake.cli.model_facts import facts_of, print_facts, print_rules, print_variants  # noqa: PLC0415

    with whole_lines() as console:
        print_facts(console, facts_of(config, folder, found.hash or "", _sizes(folder, found)))
        print_rules(console, config)
        print_variants(console, config)
    if terms := _text(folder / "NOTICE").strip():
        print("\nTerms (NOTICE):")
        for line in terms.split("\n"):
            print(f"  {for_terminal(line)}".rstrip())
