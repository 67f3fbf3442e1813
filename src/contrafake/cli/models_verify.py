"""`contrafake models verify`: whether a model is whole."""

from __future__ import annotations

import json as encoder
from typing import TYPE_CHECKING, Annotated

import typer

from contrafake.cli.escape import for_terminal

if TYPE_CHECKING:
    from contrafake.adapt.verifying import Report

GOOD, WRONG = 0, 1
_SAID = {
    "changed": "changed: not the hash that config.json states",
    "outside": "refused: leads out of the folder",
    "text": "for people, without a hash",
    "not vouched for": "not vouched for by config.json, and never read",
}


def verify(
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL...", help="default, folders of bundles, or OWNER/NAME[@REVISION] once pulled."),
    ],
    *,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")] = False,
) -> int:
    """Check every file of a model against its hash, and try everything that is in it.

    Each graph embeds a fixed crop, each head scores the result, and calibrations, validation images and torch weights
    are read. All faults are told, not only the first. A file that is missing or changed is not used.

    Exit codes: 0 all good, 1 something is wrong, 2 wrong usage or no such model.
    """
    from contrafake.adapt.inventory import locate  # noqa: PLC0415 - keeps --help fast
    from contrafake.adapt.verifying import verify as verified  # noqa: PLC0415

    folders = [locate(model) for model in models]
    reports = []
    for model, folder in zip(models, folders, strict=True):
        report = verified(folder)
        reports.append({"model": model, **report.to_dict()})
        if not json:
            if len(reports) > 1:
                print()
            _print(model, report)
    if json:
        print(encoder.dumps(reports, indent=1))
    return GOOD if all(report["ok"] for report in reports) else WRONG


def _print(model: str, report: Report) -> None:
    from contrafake.cli.models_list import size  # noqa: PLC0415

    stated = ", ".join(filter(None, [report.name, f"hash {report.hash[:12]}" if report.hash else ""]))
    print(for_terminal(f"{model}: {stated or 'nothing readable'}"))
    width = max((len(for_terminal(file.name)) for file in report.files), default=0)
    for file in report.files:
        there = "" if file.bytes is None else f" ({size(file.bytes)})"
        print(f"  {for_terminal(file.name):{width}}  {_SAID.get(file.state, file.state)}{there}")
    for check in report.checks:
        print(for_terminal(f"  {check.what}: {check.cause or 'ok'}"))
    wrong = report.problems
    print("all good" if report.ok else f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong")
