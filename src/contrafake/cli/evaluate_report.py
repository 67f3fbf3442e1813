"""`contrafake evaluate report`: figures and report once more, from scores that were kept."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from contrafake.cli.escape import for_terminal
from contrafake.cli.evaluate_families import show_families
from contrafake.cli.extras import require
from contrafake.cli.progress import phase_bar
from contrafake.cli.reports import check_report
from contrafake.errors import UsageError

SAME, DIFFERENT = 0, 1


def report(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Made by contrafake evaluate --out.")],
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; leave with exit code 1 if a file is not what scores give.")
    ] = False,
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="SET", help="The data, for thumbnails of mistakes in report.html. Repeatable."),
    ] = None,
    layout: Annotated[str, typer.Option(metavar="NAME", help="How the data are laid out.")] = "auto",
    json: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write all figures as JSON; - prints it instead of the tables.")
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Resamples behind the intervals; as before unless told.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="S", min=0, help="Their seed; as before unless told.")] = None,
    least: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Scored images that a generator needs for its own figures; as before unless told."
        ),
    ] = None,
) -> int:
    """Rebuild the figures and the report of an evaluation from its scores, without the data.

    Exit codes: 0 done, or nothing differs; 1 with --check, a file differs; 2 wrong usage, or a damaged file.
    """
    check_report("--json", json, ".json")
    from contrafake.evaluate import results  # noqa: PLC0415 - the help does not need it

    alone = results.holds_families_alone(folder)
    if not alone and (not check or results.holds_report(folder)):
        require("the report", "evaluate", "jinja2", "matplotlib", "sklearn")
    if alone and least is not None:
        raise UsageError("--least", "means nothing here", f"{folder} holds leave-one-family-out alone")
    options = {"repeats": repeats, "seed": seed, "least": least}
    wanted = {name: value for name, value in options.items() if value is not None}
    chosen = results.settings(folder) | wanted
    from contrafake.evaluate.agreement import differences  # noqa: PLC0415

    if alone:
        if check:
            return _say(differences(folder, None), folder)
        show_families(results.write_families(folder, **chosen), json)
        return SAME
    from contrafake.cli.evaluate import show  # noqa: PLC0415
    from contrafake.cli.evaluate_files import take_thumbnails  # noqa: PLC0415
    from contrafake.evaluate.api import figures_of  # noqa: PLC0415
    from contrafake.evaluate.evaluation import Evaluation  # noqa: PLC0415
    from contrafake.evaluate.opening import open_set  # noqa: PLC0415

    with phase_bar() as advance:
        found = figures_of(Evaluation.read(folder), **chosen, progress=advance)
        advance("drawing", 0, None)
        if check:
            return _say(differences(folder, found), folder)
        small = take_thumbnails(found.evaluation, open_set(data, layout)[0]) if data else None
        written = results.write_results(folder, found, thumbnails=small)
    for path in written:
        print(f"contrafake: wrote {for_terminal(str(path))}", file=sys.stderr)
    show(found, json)
    return SAME


def _say(lines: list[str], folder: Path) -> int:
    """Tells what differs, and the exit code for it."""
    for line in lines:
        print(f"contrafake: {for_terminal(str(folder))}: {for_terminal(line)}", file=sys.stderr)
    if lines:
        command = f"contrafake evaluate report {for_terminal(str(folder))}"
        print(f"contrafake: check failed: rebuild with {command}", file=sys.stderr)
        return DIFFERENT
    print("contrafake: check passed: all is what the scores give", file=sys.stderr)
    return SAME
