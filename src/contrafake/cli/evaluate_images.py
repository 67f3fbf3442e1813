"""`contrafake evaluate images`: the images of an evaluation as files, for programs that are not run from here."""

from __future__ import annotations

import shlex
import sys
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from contrafake.cli.escape import for_terminal
from contrafake.cli.progress import work_bar

if TYPE_CHECKING:
    from collections.abc import Callable

    from contrafake.data.sources import Source
    from contrafake.evaluate.export import Exported

DONE, SOME_FAILED = 0, 3
SHOWN = 10
STANDARD = "standard"


class FileFormatName(StrEnum):
    """What untouched images are written as."""

    KEPT = "kept"
    PNG = "png"


def images(
    data: Annotated[
        list[str],
        typer.Argument(metavar="DATA...", help="Shards, folders or manifests, each perhaps as test=PATH."),
    ],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="New folder for the images.")],
    variants: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME,...",
            help="Changes that all images undergo, by name or suite, as evaluate has them; standard unless told.",
            show_default=False,
        ),
    ] = None,
    layout: Annotated[str, typer.Option(metavar="NAME", help="Layout of DATA; recognised by default.")] = "auto",
    split: Annotated[str | None, typer.Option(metavar="NAME", help="Only images of this split, such as test.")] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="At most so many images of each class, evenly spaced.")
    ] = None,
    file_format: Annotated[
        FileFormatName,
        typer.Option(
            "--format",
            help="kept leaves untouched images their own bytes and what ends in an encoder that encoder's; png writes "
            "all as PNG, so that any program sees the very pixels that contrafake sees.",
        ),
    ] = FileFormatName.KEPT,
    workers: Annotated[int | None, typer.Option(metavar="N", min=1, help="Processes; one a core by default.")] = None,
) -> int:
    """Write every variant of every image to a file, for programs that contrafake cannot run.

    DIR gets a folder for each variant and a manifest. Have the program score the files into a table with the columns
    path and score, and evaluate the table. A run that was cut off goes on when the same command is given again.

    Exit codes: 0 all written, 3 some images could not be read and are named, 2 wrong usage or unusable input.
    """
    from contrafake.data.sources import open_data  # noqa: PLC0415 - the help does not need it
    from contrafake.evaluate.export import export_images  # noqa: PLC0415
    from contrafake.evaluate.suites import parse_variants  # noqa: PLC0415

    chosen = variants or [STANDARD]
    changes = parse_variants(chosen)
    source = open_data(data, layout)
    with ExitStack() as stack:
        bar: list[Callable[[int], None]] = []

        def show(_done: int, total: int) -> None:
            if not bar:
                bar.append(stack.enter_context(work_bar("writing", total)))
            bar[0](1)

        done = export_images(
            source,
            out,
            changes,
            split=split,
            limit=limit,
            format=file_format.value,
            workers=workers,
            report=show,
        )
    _warn(done, source)
    _print(done, _next_step(data, layout, chosen, split, limit))
    return SOME_FAILED if done.failures else DONE


def _warn(done: Exported, source: Source) -> None:
    """What was left out, on standard error."""
    lines = [*done.notes, *source.census.describe_skipped(), *source.census.notes]
    lines += [f"not written: {failure.key}: {failure.cause}" for failure in done.failures[:SHOWN]]
    if len(done.failures) > SHOWN:
        lines.append(f"not written: {len(done.failures) - SHOWN:,} more")
    for line in lines:
        print(f"contrafake: {for_terminal(line)}", file=sys.stderr)


def _print(done: Exported, command: str) -> None:
    total = done.files.total()
    before = f", {done.kept:,} of them from before" if done.kept else ""
    print(f"{done.images[0]:,} real and {done.images[1]:,} generated images, {len(done.files):,} variants")
    print(f"{total:,} files, {done.bytes / 1e6:,.1f} MB{before}, in {for_terminal(str(done.folder))}")
    print(f"next: score the files that manifest.csv lists, write path,score for each to scores.csv, then\n  {command}")


def _next_step(data: list[str], layout: str, variants: list[str], split: str | None, limit: int | None) -> str:
    """The command that evaluates the scores, on the same images and variants."""
    words = ["contrafake", "evaluate", "NAME=scores.csv"]
    for address in data:
        words += ["--data", address]
    named = ",".join(variants)
    options = {"--variants": named if named != STANDARD else None, "--split": split, "--limit": limit}
    options["--layout"] = layout if layout != "auto" else None
    for option, value in options.items():
        words += [option, str(value)] if value is not None else []
    return for_terminal(shlex.join(words))
