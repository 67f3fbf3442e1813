"""`contrafake calibrate`, also `contrafake models calibrate`."""

from __future__ import annotations

import json as encoder
import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from contrafake.cli.escape import for_terminal
from contrafake.cli.progress import phase_bar
from contrafake.errors import UsageError

if TYPE_CHECKING:
    from contrafake.adapt.calibration_result import CalibrationResult

DONE, SOME_FAILED = 0, 3
SHOWN = 10
UNBOUNDED = 1_000_000


def calibrate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help='"default", or the folder of a bundle.')],
    reals: Annotated[str, typer.Argument(metavar="REALS", help="Folder of photographs, or a labelled set.")],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="BUNDLE", help="Folder of the new version of the model.")],
    generated: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Generated images, likewise; without them, those of the model's validation count."
        ),
    ] = None,
    crops: Annotated[
        str | None,
        typer.Option(metavar="N,...", help="Crops per image to calibrate at; those of the model unless told."),
    ] = None,
    head: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Head to calibrate; all unless told. Repeatable.")
    ] = None,
    false_alarm_rate: Annotated[
        list[float] | None,
        typer.Option(
            metavar="SHARE",
            help="Share of photographs that may be flagged; 0.05 and 0.01 unless told. The first one that the "
            "photographs support becomes the default. Repeatable.",
            show_default=False,
        ),
    ] = None,
    folds: Annotated[
        int, typer.Option(metavar="N", min=2, help="Parts of the photographs of which each is held back once.")
    ] = 5,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Another seed gives another division.")] = 0,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Images at the same time; one a core by default.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the table.")] = False,
) -> int:
    """Set a model's thresholds by your own photographs, and write that as a new version of it.

    Fifty photographs are enough to flag 5 % of such photographs; what they are too few for is said. Before and after
    are counted on photographs held back in turn; the new rules are made from all of them.

    Exit codes: 0 all read, 3 some images could not be read and are named, 2 wrong usage or unusable input.
    """
    from contrafake.adapt.calibrating import RATES  # noqa: PLC0415 - the help does not need it
    from contrafake.adapt.calibrating import calibrate as calibrate_model  # noqa: PLC0415

    with phase_bar() as report:
        result = calibrate_model(
            model,
            reals,
            generated,
            out=out,
            crops=_numbers(crops),
            heads=head,
            false_alarm_rates=false_alarm_rate or RATES,
            folds=folds,
            seed=seed,
            workers=workers,
            report=report,
        )
    _warn(result)
    if json:
        print(encoder.dumps(result.to_dict(), indent=1))
    else:
        _show(result)
    return SOME_FAILED if result.broken else DONE


def _numbers(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError("--crops", f"{text!r} is no list of whole numbers", "for example 1,5") from error


def _warn(result: CalibrationResult) -> None:
    """What was left out, on standard error."""
    lines = [f"not read: {name}: {cause}" for name, cause in list(result.broken.items())[:SHOWN]]
    if len(result.broken) > SHOWN:
        lines.append(f"not read: {len(result.broken) - SHOWN:,} more")
    if count := len(result.repeated):
        same = "image stands" if count == 1 else "images stand"
        lines.append(f"{count:,} {same} there twice and count{'s' * (count == 1)} once")
    for line in lines:
        print(f"contrafake: {for_terminal(line)}", file=sys.stderr)


def _show(result: CalibrationResult) -> None:
    from rich import box  # noqa: PLC0415 - only for the table
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from contrafake.adapt.calibration_report import counted, percent, threshold_change  # noqa: PLC0415

    console = Console(highlight=False, emoji=False, markup=False)
    if not console.is_terminal:
        console.width = UNBOUNDED
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for title in ("Head", "Crops", "Aim", "Threshold", "Flagged photographs before", "after"):
        table.add_column(title, justify="left" if title == "Head" else "right", overflow="fold")
    found = result.found_on != "none"
    for title in ("Flagged fakes before", "after") if found else ():
        table.add_column(title, justify="right", overflow="fold")
    for one in result.comparisons:
        cells = [for_terminal(one.head), str(one.crops), percent(one.rate), threshold_change(one)]
        cells += map(counted, (one.alarms_before, one.alarms_after))
        if found:
            cells += [
                "-" if count is None else f"{100 * count.share:.1f} %" for count in (one.found_before, one.found_after)
            ]
        table.add_row(*cells)
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        print(line.rstrip())
    print()
    for line in _remarks(result):
        print(for_terminal(line))


def _remarks(result: CalibrationResult) -> list[str]:
    sources = f"{result.sources} source{'s' * (result.sources != 1)}"
    fakes = f" and {result.generated:,} generated images" if result.generated else ""
    lines = [
        f"{result.photographs:,} photographs of {sources}{fakes}; after: {result.folds} parts held back in turn, "
        f"divided by {result.held_back_by}"
    ]
    lines += [f"{note}" for note in result.notes]
    for one in result.quality[:1]:
        before, after = ("-" if bits is None else f"{bits:.3f}" for bits in (one.before, one.after))
        lines.append(f"cost of the probability (Cllr, 0 perfect, 1 says nothing): {before} before, {after} after")
    config = result.bundle.config
    return [*lines, f"Written: {config.name} {config.version} to {result.bundle.path}"]
