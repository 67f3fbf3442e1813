"""`contrafake data match`."""

from __future__ import annotations

import math
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contrafake.cli.escape import for_terminal
from contrafake.cli.extras import require
from contrafake.errors import UsageError

if TYPE_CHECKING:
    from contrafake.data.matching.report import MatchReport

SHOWN = 10
DONE, SOME_FAILED = 0, 3


class ModeName(StrEnum):
    """Who shares a draw."""

    AUTO = "auto"
    PAIRED = "paired"
    DISTRIBUTION = "distribution"


class FormatName(StrEnum):
    """What files are written."""

    KEEP_LAW = "keep-law"
    JPEG = "jpeg"
    WEBP = "webp"
    PNG = "png"


class ResizeName(StrEnum):
    """How images are scaled."""

    FACTOR = "factor"
    SIZE = "size"
    NONE = "none"


def match(
    data: Annotated[
        list[str],
        typer.Argument(metavar="DATA... OUT", help="Sets of images, each perhaps as train=PATH, then the new folder."),
    ],
    *,
    layout: Annotated[str, typer.Option(metavar="NAME", help="Layout of DATA; recognised by default.")] = "auto",
    mode: Annotated[
        ModeName,
        typer.Option(
            help="Who shares a draw: paired (within records and groups), distribution (classes coupled by rank of "
            "size), or auto (the first where there are siblings)."
        ),
    ] = ModeName.AUTO,
    final_format: Annotated[
        FormatName, typer.Option("--format", help="Final format; with keep-law, files of the set decide.")
    ] = FormatName.KEEP_LAW,
    quality: Annotated[
        str | None, typer.Option(metavar="LOW-HIGH", help="Final quality; stored qualities unless told.")
    ] = None,
    size: Annotated[
        str, typer.Option(metavar="N|law", help="Side of a square that all are cut to, or sizes drawn from the set.")
    ] = "law",
    resize: Annotated[
        ResizeName,
        typer.Option(
            help="factor (one law of factors), size (scaled to the drawn size: keeps more of each picture, but the "
            "resampling may tell the class) or none.",
        ),
    ] = ResizeName.FACTOR,
    factor: Annotated[str, typer.Option(metavar="LOW-HIGH", help="Scale factors.")] = "0.5-0.9",
    min_side: Annotated[
        int, typer.Option(metavar="N", help="Least side of a matched image; smaller ones are left out.")
    ] = 128,
    allow_upsampling: Annotated[
        bool, typer.Option("--allow-upsampling", help="Enlarge images that are too small, unless they are very thin.")
    ] = False,
    keep_keys: Annotated[
        bool, typer.Option("--keep-keys", help="Keep the keys, though they may name the class.")
    ] = False,
    seed: Annotated[int, typer.Option(metavar="S", help="Seed of all draws.")] = 0,
    images_per_shard: Annotated[int, typer.Option(metavar="N", min=1, help="Images or records in one shard.")] = 1000,
    workers: Annotated[int | None, typer.Option(metavar="N", min=1, help="Processes; one a core by default.")] = None,
) -> int:
    """Write a copy whose files no longer tell the class.

    Both classes get the same formats, sizes, qualities, compressions and resampling. The originals stay untouched.
    Interrupted work is taken up by the same command.

    Exit codes: 0 done, 3 some images could not be read and are named, 2 wrong usage or unusable data.
    """
    require("data match", "data", "pyarrow")
    if len(data) < 2:
        raise UsageError("data match", "DATA and OUT are needed", "contrafake data match DATA... OUT")
    from contrafake.cli.progress import phase_bar  # noqa: PLC0415
    from contrafake.data.matching.match import match as match_set  # noqa: PLC0415
    from contrafake.data.matching.settings import MatchSettings  # noqa: PLC0415
    from contrafake.data.parallel import default_workers  # noqa: PLC0415
    from contrafake.data.sources import open_data  # noqa: PLC0415

    low, high = _pair(factor, "--factor")
    qualities = _pair(quality, "--quality") if quality is not None else None
    settings = MatchSettings(
        mode=mode.value,
        format=final_format.value,
        quality=(round(qualities[0]), round(qualities[1])) if qualities else None,
        size=None if size == "law" else round(_number(size, "--size")),
        resize=resize.value,
        factor=(low, high),
        seed=seed,
        allow_upsampling=allow_upsampling,
        min_side=min_side,
        keep_keys=keep_keys,
    )
    out = Path(data[-1])
    source = open_data(data[:-1], layout)
    with phase_bar() as advance:
        report = match_set(
            source,
            out,
            settings,
            workers=default_workers() if workers is None else workers,
            images_per_shard=images_per_shard,
            advance=lambda doing, steps: advance(doing, steps, None),
        )
    _print(report, out)
    return SOME_FAILED if report.failed_count else DONE


def _print(report: MatchReport, out: Path) -> None:
    print(f"{'':17}{'images':>8}  {'median size':>13}  {'quality':>7}  formats")
    for when, sides in (("before", report.before), ("after", report.after)):
        for name, side in sides.items():
            size = f"{side.width:.0f} x {side.height:.0f}" if side.images else "-"
            quality = "-" if side.quality is None else f"{side.quality:.0f}"
            formats = ", ".join(f"{form} {share:.0%}" for form, share in side.formats.items())
            print(f"{when:7}{name:10}{side.images:>8}  {size:>13}  {quality:>7}  {formats}")
    for label, origin, reason, count in report.lost:
        print(f"left out: {count} {label}, {for_terminal(origin)}: {reason}")
    print(f"{report.cells} cells share one draw each; written to {for_terminal(str(out))}")
    for line in report.skipped:
        _complain(line)
    for key, cause in report.failed[:SHOWN]:
        _complain(f"{key}: {cause}")
    if report.failed_count > SHOWN:
        _complain(f"{report.failed_count - SHOWN} more failed; match.json names up to 200")
    for line in report.warnings:
        _complain(f"warning: {line}")


def _complain(line: str) -> None:
    print(f"contrafake: {for_terminal(line)}", file=sys.stderr)


def _pair(text: str, option: str) -> tuple[float, float]:
    low, _, high = text.partition("-")
    return _number(low, option), _number(high or low, option)


def _number(text: str, option: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(option, f"{text!r} is no number")
    return number
