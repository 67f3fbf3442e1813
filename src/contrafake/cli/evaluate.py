"""`contrafake evaluate`: how good detectors are on a set of labelled images, by origin and with intervals."""

from __future__ import annotations

import json as encoder
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contrafake.cli.evaluate_files import write_folder
from contrafake.cli.evaluate_notes import say_notes
from contrafake.cli.extras import require
from contrafake.cli.progress import phase_bar
from contrafake.cli.reports import STDOUT, check_report
from contrafake.errors import UsageError

if TYPE_CHECKING:
    from contrafake.evaluate.api import Evaluated

DONE, SOME_FAILED = 0, 3
PAPER = "paper"


def evaluate(
    model: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]...",
            help='"default", the folder of a bundle, package.module:object, or scores of another program as '
            "NAME=FILE.csv; several are compared. The default model unless told.",
            show_default=False,
        ),
    ] = None,
    *,
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="SET", help="Shards, a folder or a manifest, perhaps as test=SET. Repeatable."),
    ] = None,
    layout: Annotated[str, typer.Option(metavar="NAME", help="How the data are laid out.")] = "auto",
    split: Annotated[str | None, typer.Option(metavar="NAME", help="Only images of this split, such as test.")] = None,
    origins: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Origin table (CSV): families, and which origins training saw."),
    ] = None,
    variants: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME,...", help="Changes that all images undergo, by name or suite; see --list-variants."
        ),
    ] = None,
    heads: Annotated[
        str, typer.Option(metavar="NAME,...", help="Classifiers of a bundle: default, all, or names such as linear.")
    ] = "default",
    crops: Annotated[int | None, typer.Option(metavar="N", min=1, help="Crops an image; the model's default.")] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=T[,U]",
            help="Decide by this score: generated above T, real up to U (T unless told). Repeatable.",
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(metavar="paper", help="Measure as the paper does: all heads, untouched and transformed."),
    ] = None,
    fit_data: Annotated[
        list[str] | None,
        typer.Option(metavar="SET", help="With the paper's protocol: fit heads on one generator of this set each."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep scores, figures and a report here; the images stay out.")
    ] = None,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write report.html and report.md.")] = True,
    no_thumbnails: Annotated[
        bool, typer.Option("--no-thumbnails", help="No pixel of the data in the report: for anything published.")
    ] = False,
    json: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write all figures as JSON; - prints them instead of the tables.")
    ] = None,
    repeats: Annotated[
        int, typer.Option(metavar="N", min=0, help="Resamples behind the intervals; 0 for none.")
    ] = 1000,
    seed: Annotated[int, typer.Option(metavar="S", min=0, help="Seed of the resamples.")] = 0,
    least: Annotated[
        int, typer.Option(metavar="N", min=1, help="Scored images that a generator needs for figures of its own.")
    ] = 20,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="At most so many images of each class: for a first look.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Images at a time; one a core by default.")
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Judge everything anew, and keep nothing.")] = False,
    list_variants: Annotated[
        bool, typer.Option("--list-variants", help="Show all variants and suites, and leave.")
    ] = False,
) -> int:
    """Measure detectors on labelled images.

    By part (origins that training saw, and others, never averaged together), by family and by origin, with 95 %
    intervals. Judged images are remembered: the same call again, after an interruption too, judges only what is new.

    contrafake evaluate report FOLDER rebuilds everything from the scores that --out kept; evaluate images writes the
    images for programs that cannot run here; evaluate families leaves each family of generators out in turn.

    Exit codes: 0 done, 2 wrong usage or unusable data, 3 some images have no score.
    """
    if list_variants:
        _list_variants()
        return DONE
    if not data:
        raise UsageError("--data", "none given", "name a set of labelled images: contrafake evaluate --data SET")
    chosen, classifiers = _chosen(variants, heads, protocol, fit_data)
    models = model or ["default"]
    _check(out, json, report=report)
    if fit_data:
        require("generator-specific heads", "evaluate", "sklearn")
    rules = _rules(threshold or [])
    from contrafake.evaluate.api import evaluate as run_evaluate  # noqa: PLC0415 - slow to import
    from contrafake.evaluate.opening import open_set  # noqa: PLC0415

    try:
        with phase_bar() as advance:
            found = run_evaluate(
                models,
                data,
                layout=layout,
                split=split,
                origins=origins,
                variants=chosen,
                heads=classifiers,
                crops=crops,
                thresholds=rules,
                limit=limit,
                workers=workers,
                cache=not no_cache,
                repeats=repeats,
                seed=seed,
                least=least,
                protocol=protocol or "",
                command=_command(sys.argv),
                progress=advance,
            )
            if fit_data:
                from contrafake.evaluate.by_generator import fit_by_generator  # noqa: PLC0415

                found = fit_by_generator(
                    found,
                    models,
                    fit_data,
                    layout=layout,
                    origins=open_set(data, layout, origins)[1],
                    workers=workers,
                    cache=not no_cache,
                    progress=advance,
                )
            if out is not None:
                write_folder(found, out, advance, report=report, pictures=not no_thumbnails)
    except KeyboardInterrupt:
        if not no_cache:
            print("contrafake: stopped; images judged so far are kept: the same command goes on there", file=sys.stderr)
        raise
    say_notes(found, heads_given=heads != "default")
    show(found, json)
    return SOME_FAILED if found.evaluation.failures else DONE


def show(found: Evaluated, json: str | None) -> None:
    """Prints an evaluation as tables, and writes or prints it as JSON.

    Args:
        found: The evaluation and what follows from it.
        json: A file, "-" for JSON in place of the tables, None for no JSON.
    """
    if json is not None:
        from contrafake.evaluate.results import as_document  # noqa: PLC0415

        text = encoder.dumps(as_document(found), indent=1, allow_nan=False) + "\n"
        if json == STDOUT:
            print(text, end="")
            return
        from contrafake.data.whole_file import write_whole  # noqa: PLC0415

        write_whole(json, text.encode())
    from contrafake.cli.evaluate_table import print_evaluation  # noqa: PLC0415 - rich is slow to import

    print_evaluation(found)


def _chosen(
    variants: list[str] | None, heads: str, protocol: str | None, fit_data: list[str] | None
) -> tuple[list[str], list[str] | None]:
    """Variants and heads; a protocol brings its own, to which others may be added."""
    if protocol not in {None, PAPER}:
        raise UsageError("--protocol", f"{protocol!r} is unknown", "paper is the only one")
    if fit_data and protocol is None:
        raise UsageError("--fit-data", "means nothing by itself", "add --protocol paper")
    words = [word for text in variants or [] for word in text.split(",") if word.strip()]
    named = [word.strip() for word in heads.split(",") if word.strip()]
    if not named or ({"default", "all"} & set(named) and len(named) > 1):
        raise UsageError("--heads", f"{heads!r} makes no sense", "give default, all, or names such as linear,nearest")
    if protocol is not None:
        return [*words, PAPER], ["all"] if named == ["default"] else named
    return words or ["standard"], None if named == ["default"] else named


def _check(out: Path | None, json: str | None, *, report: bool) -> None:
    """Refuses before any work what would fail after it."""
    from contrafake.evaluate.results import check_folder  # noqa: PLC0415

    check_report("--json", json, ".json")
    if out is not None:
        check_folder(out)
        if report:
            require("the report", "evaluate", "jinja2", "matplotlib", "sklearn")


def _rules(texts: list[str]) -> dict[str, tuple[float, float]]:
    rules: dict[str, tuple[float, float]] = {}
    for name, rule in map(_rule, texts):
        if name in rules:
            raise UsageError("--threshold", f"{name} has two", "give each detector one")
        rules[name] = rule
    return rules


def _rule(text: str) -> tuple[str, tuple[float, float]]:
    """Takes "NAME=T,U" apart."""
    name, equals, values = text.rpartition("=")
    try:
        numbers = [float(value) for value in values.split(",")]
    except ValueError:
        numbers = []
    if not (name and equals) or len(numbers) not in {1, 2}:
        raise UsageError("--threshold", f"{text!r} makes no sense", "write it as NAME=0.5 or NAME=0.5,0.3")
    return name, (numbers[0], numbers[-1])


def _command(arguments: list[str]) -> str:
    """The command line without the folders of this machine."""
    words = ["contrafake"]
    for word in arguments[1:]:
        option, equals, value = word.partition("=")
        last = Path(value).name if equals else Path(option).name
        words.append(f"{option}={last}" if equals else last or word)
    return shlex.join(words)


def _list_variants() -> None:
    from contrafake.cli.evaluate_table import print_variants  # noqa: PLC0415 - rich is slow to import
    from contrafake.evaluate.suites import describe_variants  # noqa: PLC0415

    print_variants(describe_variants())
