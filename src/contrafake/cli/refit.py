"""`contrafake refit`."""

from __future__ import annotations

import json as encoder
import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from contrafake.cli.escape import for_terminal
from contrafake.cli.extras import require
from contrafake.cli.progress import phase_bar
from contrafake.errors import UsageError

if TYPE_CHECKING:
    from contrafake.adapt.refit_figures import Figures
    from contrafake.adapt.refitting import RefitResult

DONE, SOME_FAILED = 0, 3
ALL_OLD = "all old origins"


def refit(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help='A bundle\'s folder, or "default" for the model in the package.')
    ],
    *,
    add: Annotated[
        list[str],
        typer.Option(metavar="NAME=DIR", help="A generator's name and a folder of its images. Repeatable."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="BUNDLE", help="Folder of the new bundle.")],
    reals: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Your own photographs, where the new images look unlike the model's."),
    ] = None,
    held_back: Annotated[
        float, typer.Option("--held-back", metavar="SHARE", help="Share of the new images that only judges.")
    ] = 0.3,
    copies: Annotated[
        int, typer.Option(metavar="N", min=0, help="Transformed copies of each image to fit on, as in training.")
    ] = 1,
    last_block: Annotated[
        bool, typer.Option("--last-block", help="Train the encoder's last block as well; needs --old and --validation.")
    ] = False,
    old: Annotated[
        str | None, typer.Option(metavar="DATA", help="Labelled images like those the model was trained on.")
    ] = None,
    validation: Annotated[
        str | None, typer.Option(metavar="DATA", help="Labelled images that the model never saw.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The encoder's model.safetensors, where the bundle has none.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Another seed holds back other images.")] = 0,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Images at a time; one a core by default.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what was gained and lost as JSON.")] = False,
) -> int:
    """Teach a model a new generator from a folder of its images; 30 are a start, 100 are better.

    The heads are fitted anew on what the bundle remembers of its training and on the new images. A part of these is
    held back: before and after are told on it, on the validation images remembered, and family by family. The old
    bundle stays as it is.

    Exit codes: 0 written, 3 written, but some images could not be read and are named, 2 wrong usage or unusable input.
    """
    named = parse_names(add)
    require("refitting", "data", "sklearn")
    if last_block:
        require("the last block", "train", "onnx", "torch", "transformers")
    from contrafake.adapt import refitting  # noqa: PLC0415 - keeps --help fast

    if last_block and (old is None or validation is None):
        raise UsageError("--last-block", "needs images to keep and images to judge by", "give --old and --validation")
    if not last_block and (old or validation or weights):
        raise UsageError("--old, --validation, --weights", "are for the last block", "add --last-block")
    block = refitting.OldImages(old, validation, weights) if last_block and old and validation else None
    with phase_bar() as report:
        result = refitting.refit(
            model,
            named,
            out=out,
            reals=reals,
            held_back=held_back,
            copies=copies,
            last_block=block,
            seed=seed,
            workers=workers,
            report=report,
        )
    broken = [(name, key, cause) for name, one in result.found.items() for key, cause in one.broken.items()]
    for name, key, cause in broken:
        print(f"contrafake: {for_terminal(f'{name}: {key}: {cause}')}", file=sys.stderr)
    if json:
        print(encoder.dumps(result.to_dict(), indent=1))
    else:
        _print(result)
    return SOME_FAILED if broken else DONE


def parse_names(given: list[str]) -> dict[str, str]:
    """NAME=DIR, several of them -> folder by name.

    Raises:
        UsageError: A part is missing, or a name stands there twice.
    """
    found: dict[str, str] = {}
    for item in given:
        name, sign, folder = item.partition("=")
        if not (name.strip() and sign and folder):
            raise UsageError("--add", f"{item!r} is not NAME=DIR", "for example --add newgen=pictures/newgen")
        if name.strip() in found:
            raise UsageError("--add", f"{name.strip()!r} is given twice", "put its images into one folder")
        found[name.strip()] = folder
    return found


def _print(result: RefitResult) -> None:
    from contrafake.adapt.refit_card import name_line  # noqa: PLC0415 - as above

    head, figures = result.bundle.config.default_head, result.figures
    lines = [f"{name}: {one.fitted} images to fit on, {one.held_back} held back" for name, one in result.found.items()]
    lines += ["", f"{head} head, before -> after (95 % interval of the change), on images it was not fitted on"]
    lines += [*_table(figures, head), *_alarms(figures, head)]
    for other in result.bundle.config.heads:
        rows = [row for row in figures.rows if row.head == other and (row.new or row.origin == ALL_OLD)]
        if other != head:
            told = "; ".join(f"{row.origin} {row.auc.before:.2f} -> {row.auc.after:.2f}" for row in rows)
            lines.append(f"{other} head, AUC: {told}")
    lines.append("")
    lines += [f"names: {name_line(one)}" for one in result.names if one.new and (one.before or one.after)]
    lines += figures.lines(head)
    lines += [f"note: {note}" for note in result.notes]
    config = result.bundle.config
    lines.append(f"{config.name} {config.version} written to {result.bundle.path} in {result.seconds:.0f} s")
    for line in lines:
        print(for_terminal(line))


def _table(figures: Figures, head: str) -> list[str]:
    rows = [("images of", "number", "AUC", "caught at 5 %")]
    rows += [
        (
            for_terminal(row.origin) + (" (new)" if row.new else ""),
            str(row.images),
            row.auc.describe(),
            row.caught.describe(),
        )
        for row in figures.rows
        if row.head == head
    ]
    widest = max(len(row[0]) for row in rows)
    return [f"{name:<{widest}}  {number:>6}  {area:<29}  {caught}" for name, number, area, caught in rows]


def _alarms(figures: Figures, head: str) -> list[str]:
    lines = []
    for alarms in figures.alarms:
        if alarms.head == head:
            (low, high), of = alarms.after.interval, alarms.after.images
            whose = "your photographs held back" if alarms.of == "own" else "photographs remembered"
            change = f"{alarms.before.share:.1%} -> {alarms.after.share:.1%} ({low:.1%} to {high:.1%})"
            lines.append(f"false alarms {change} of {of} {whose}")
    return lines
