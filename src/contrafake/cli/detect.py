"""`contrafake detect`: say of each image whether it is a photograph or generated."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from contextlib import ExitStack
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

import contrafake
from contrafake.cli import inputs, records
from contrafake.cli.progress import progress_bar, watched
from contrafake.detect.verdict import Verdict
from contrafake.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from contrafake.detect.detector import Detector

ALL_JUDGED, FLAGGED, SOME_FAILED = 0, 1, 3


class FailOn(StrEnum):
    """Which verdicts make the command fail."""

    GENERATED = "generated"


def detect(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH", help="Files, folders, and - for an image on standard input."),
    ] = None,
    *,
    from_file: Annotated[
        str | None, typer.Option(metavar="LIST", help="Read more paths from a file, one a line; - for standard input.")
    ] = None,
    null: Annotated[
        bool, typer.Option("-0", "--null", help="Paths in LIST end with NUL bytes (find -print0).")
    ] = False,
    json_document: Annotated[
        bool, typer.Option("--json", help="Print one JSON document instead of the table.")
    ] = False,
    json_lines: Annotated[bool, typer.Option("--jsonl", help="Print a line of JSON for each image at once.")] = False,
    csv: Annotated[str | None, typer.Option(metavar="FILE", help="Write a CSV file, too; - prints it instead.")] = None,
    crops: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Crops to average over; the model's own by default.")
    ] = None,
    false_alarm_rate: Annotated[
        float | None,
        typer.Option(
            metavar="RATE", help="Accepted share of photographs flagged, such as 0.01; the model's own by default."
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(metavar="SCORE", help="Raw score above which an image is flagged, instead of a false alarm rate."),
    ] = None,
    prior: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Share of generated images assumed beforehand; 0.5.")
    ] = None,
    head: Annotated[str | None, typer.Option(metavar="NAME", help="Head of the model that scores.")] = None,
    model: Annotated[
        str, typer.Option(metavar="NAME_OR_PATH", help="Model to use: default, a folder, or OWNER/NAME[@REVISION].")
    ] = "default",
    variant: Annotated[
        str | None, typer.Option(metavar="NAME", help="Variant of the model, such as int8; its own choice by default.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Images judged at the same time; one per core.")
    ] = None,
    fail_on: Annotated[FailOn | None, typer.Option(help="Leave with exit code 1 when an image is generated.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No table, bar or warnings.")] = False,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="No progress bar.")] = False,
) -> int:
    """Say of each image whether it is a photograph or generated.

    Exit codes: 0 all images judged, 3 some failed, 2 wrong usage; with --fail-on generated, 1 when one was flagged.
    """
    _check_outputs(json_document, json_lines, csv)
    _check_numbers(false_alarm_rate, threshold, prior)
    names = _names(paths or [], from_file, null)
    if quiet:
        warnings.simplefilter("ignore")

    # Imported after the checks: a wrong call is answered at once, without numpy and the rest.
    from contrafake.detect.detector import DEFAULT_PRIOR  # noqa: PLC0415
    from contrafake.images import DEFAULT_LIMITS  # noqa: PLC0415

    detector = contrafake.load(model, variant)
    found = inputs.expand(names, DEFAULT_LIMITS.max_bytes + 1)
    total = None
    if not (quiet or no_progress) and watched(writes_to_terminal=json_lines or csv == "-"):
        found = iter(listed := list(found))
        total = len(listed)
    detect_each = partial(
        detector.detect_each,
        crops=crops, head=head, false_alarm_rate=false_alarm_rate, threshold=threshold, prior=prior, workers=workers,
    )  # fmt: skip
    table = not (json_document or json_lines or quiet or csv == "-")
    counts: Counter[str] = Counter()
    verdicts: list[Verdict] = []
    with ExitStack() as stack:
        sinks: list[Callable[[Verdict], None]] = []
        if csv is not None:
            sinks.append(stack.enter_context(records.csv_rows(csv)))
        if json_lines:
            sinks.append(records.print_json_line)
        if json_document or table:
            sinks.append(verdicts.append)
        step = stack.enter_context(progress_bar(total))
        failed = partial(_failed, detector, head or detector.default_head)
        for verdict in inputs.judge(found, detect_each, failed):
            counts[verdict.label] += 1
            for sink in sinks:
                sink(verdict)
            step()

    prior = DEFAULT_PRIOR if prior is None else prior
    if json_document:
        labels = ("real", "generated", "uncertain", "error")
        summary = {"images": counts.total(), **{label: counts[label] for label in labels}, "prior": prior}
        records.print_json(verdicts, detector.model, summary)
    elif table:
        _print_table(verdicts, counts, prior)
    if counts["error"]:
        return SOME_FAILED
    return FLAGGED if fail_on and counts[fail_on.value] else ALL_JUDGED


def _check_outputs(json_document: bool, json_lines: bool, csv: str | None) -> None:
    on_stdout = [
        flag for flag, on in (("--json", json_document), ("--jsonl", json_lines), ("--csv -", csv == "-")) if on
    ]
    if len(on_stdout) > 1:
        raise UsageError(
            " and ".join(on_stdout), "both print to standard output", "choose one, or write --csv to a file"
        )
    if csv is not None:
        records.check_csv(csv)


def _check_numbers(false_alarm_rate: float | None, threshold: float | None, prior: float | None) -> None:
    if false_alarm_rate is not None and threshold is not None:
        raise UsageError("--threshold and --false-alarm-rate", "both set the threshold", "give one of them")
    if threshold is not None and not math.isfinite(threshold):
        raise UsageError("--threshold", f"{threshold} is no finite number")
    for option, value in (("--false-alarm-rate", false_alarm_rate), ("--prior", prior)):
        if value is not None and not 0 < value < 1:
            raise UsageError(option, f"{value:g} does not lie between 0 and 1", "0.01 is one in a hundred")


def _names(paths: list[str], from_file: str | None, null: bool) -> list[str]:
    if null and from_file is None:
        raise UsageError("--null", "says how --from-file is read", "give --from-file LIST")
    if not paths and from_file is None:
        raise UsageError("detect", "nothing to judge", "name files or folders, or - for standard input")
    if [*paths, from_file].count(inputs.STDIN) > 1:
        raise UsageError("-", "standard input can be read only once")
    return paths + (inputs.read_list(from_file, null=null) if from_file is not None else [])


def _failed(detector: Detector, head: str, failure: inputs.Failure) -> Verdict:
    return Verdict(
        name=failure.name, sha256=None, label="error", probability=None, llr=None, score=None, operating_point=None,
        head=head, crops=0, model=detector.model, error=failure.cause,
    )  # fmt: skip


def _print_table(verdicts: list[Verdict], counts: Counter[str], prior: float) -> None:
    from contrafake.cli import table  # noqa: PLC0415 - rich is slow to import, and a list of nothing needs no table

    if not verdicts:
        print("0 images")
        return
    table.print_table(verdicts, [table.count_line(counts), table.model_line(verdicts, prior)])
