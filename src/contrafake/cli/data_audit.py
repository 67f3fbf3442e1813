"""`contrafake data audit`: what tells the classes of a set apart without looking at the picture."""

from __future__ import annotations

import json as encoder
import math
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contrafake.cli.escape import for_terminal
from contrafake.cli.extras import require
from contrafake.cli.progress import phase_bar
from contrafake.cli.reports import STDOUT, check_report
from contrafake.errors import DataError, UsageError

if TYPE_CHECKING:
    from contrafake.data.audit.result import AuditReport
    from contrafake.data.sources import Source

PASSED, ABOVE, PARTLY_FAILED = 0, 1, 3
MOST_NAMES = 4


def audit(
    data: Annotated[
        list[str],
        typer.Argument(metavar="DATA...", help="Shards, folders or manifests, each perhaps as train=, val= or test=."),
    ],
    *,
    layout: Annotated[str, typer.Option(metavar="NAME", help="How the data are laid out.")] = "auto",
    json: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the report as JSON; - prints it instead of the tables.")
    ] = None,
    html: Annotated[str | None, typer.Option(metavar="FILE", help="Write the report as one HTML page.")] = None,
    no_thumbnails: Annotated[
        bool, typer.Option("--no-thumbnails", help="No pixel of the data in the page: for anything published.")
    ] = False,
    work: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep measurements here, so that a stopped audit goes on where it was."),
    ] = None,
    fail_above: Annotated[
        float | None,
        typer.Option(metavar="AUC", help="Leave with exit code 1 if the labels can be predicted better, 0.5 to 1."),
    ] = None,
    sample: Annotated[
        int, typer.Option(metavar="N", min=50, help="Most images of each class that models are fitted on.")
    ] = 20_000,
    folds: Annotated[int, typer.Option(metavar="K", min=2, help="Folds of the cross-validation.")] = 5,
    seed: Annotated[int, typer.Option(metavar="S", min=0, help="Seed of folds, models and intervals.")] = 0,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Processes that measure; one per core by default.")
    ] = None,
    top: Annotated[int, typer.Option(metavar="N", min=1, help="Single features shown on the terminal.")] = 12,
) -> int:
    """Show what gives the labels away without looking at the picture.

    Measures files, their history and simple statistics, and asks how well they predict the labels of sources not seen.

    Exit codes: 0 done, 2 wrong usage or unusable data, 3 some images could not be read; with --fail-above, 1 when the
    AUC without the content is above it. Of 3 and 1, 3 comes first: a check on part of the data is no check.
    """
    _check(fail_above, json, html, work)
    require("data audit", "data", "pyarrow", "sklearn", *(["jinja2"] if html is not None else []))
    from contrafake.data.audit.audit import audit as run_audit  # noqa: PLC0415 - slow to import
    from contrafake.data.sources import open_data  # noqa: PLC0415

    source = open_data(data, layout)
    name = ", ".join(named := [_last_part(address) for address in data][:MOST_NAMES])
    name += f" and {len(data) - len(named)} more" if len(data) > len(named) else ""
    with phase_bar() as advance:
        report = run_audit(
            source,
            name=name,
            workers=workers,
            folder=work,
            sample=sample,
            seed=seed,
            folds=folds,
            on_progress=advance,
        )
    if html is not None:
        options = {"--layout": layout} if layout != "auto" else {}
        options |= {"--sample": str(sample), "--folds": str(folds), "--seed": str(seed)}
        _write_page(report, source, html, _command(data, options), pictures=not no_thumbnails)
    text = encoder.dumps(report.to_dict(), indent=1, allow_nan=False) + "\n"
    if json == STDOUT:
        print(text, end="")
    else:
        if json is not None:
            from contrafake.data.whole_file import write_whole  # noqa: PLC0415

            write_whole(json, text.encode())
        from contrafake.cli.audit_table import print_audit  # noqa: PLC0415 - rich is slow to import

        print_audit(report, top)
    above = fail_above is not None and _above(report, fail_above)
    if report.unreadable_count:
        return PARTLY_FAILED
    return ABOVE if above else PASSED


def _check(fail_above: float | None, json: str | None, html: str | None, work: Path | None) -> None:
    if fail_above is not None and not 0.5 <= fail_above <= 1:
        raise UsageError("--fail-above", f"{fail_above:g} does not lie between 0.5 and 1", "0.7 is a usual bound")
    if html == STDOUT:
        raise UsageError("--html", "the page is written to a file", "name one")
    if work is not None and not str(work).strip("."):
        raise UsageError("--work", "names no folder of its own", "name a new folder for measurements")
    check_report("--json", json, ".json")
    check_report("--html", html, ".html")


def _above(report: AuditReport, bound: float) -> bool:
    """Says on standard error how the check ended, and whether the bound is exceeded."""
    auc = report.without_content.auc.value
    if math.isnan(auc):  # an unknown figure must not pass
        raise DataError("--fail-above", "the AUC without the content could not be found", "audit more images")
    above = auc > bound
    # With as many digits as it takes to see which is larger.
    digits = next((n for n in range(2, 17) if (round(auc, n) > round(bound, n)) == above), 17)
    outcome = "failed" if above else "passed"
    relation = "above" if above else "not above"
    line = f"check {outcome}: AUC {auc:.{digits}f} without the content is {relation} {bound:g}"
    print(f"contrafake: {line}", file=sys.stderr)
    return above


def _write_page(report: AuditReport, source: Source, path: str, command: str, *, pictures: bool) -> None:
    from contrafake.data.audit.page import shown_keys, write_page  # noqa: PLC0415
    from contrafake.data.audit.thumbnails import thumbnails  # noqa: PLC0415

    write_page(report, path, thumbnails(source, shown_keys(report)) if pictures else None, command)
    print(f"contrafake: wrote {for_terminal(path)}", file=sys.stderr)


def _command(data: list[str], options: dict[str, str]) -> str:
    """The command with what decides its result, and no path of this machine."""
    words = ["contrafake", "data", "audit", *map(_last_part, data)]
    return shlex.join([*words, *(word for pair in options.items() for word in pair)])


def _last_part(address: str) -> str:
    from contrafake.data.sources.several import split_address  # noqa: PLC0415

    split, path = split_address(address)
    last = Path(path).name or Path(path).absolute().name or path
    return f"{split}={last}" if split else last
