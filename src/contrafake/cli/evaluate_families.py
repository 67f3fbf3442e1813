"""`contrafake evaluate families`: each family of generators in turn is what the detector never saw."""

from __future__ import annotations

import json as encoder
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contrafake.cli.escape import for_terminal
from contrafake.cli.extras import require
from contrafake.cli.progress import phase_bar
from contrafake.cli.reports import STDOUT, check_report
from contrafake.cli.train import NEEDED
from contrafake.errors import UsageError

if TYPE_CHECKING:
    from contrafake.evaluate.family_scores import FamilyScores
    from contrafake.evaluate.family_table import FamilyTable

DONE, SOME_FAILED = 0, 3
SHOWN = 5


def families(
    model: Annotated[
        str, typer.Argument(metavar="[MODEL]", help='"default" or the folder of a bundle: whose encoder is used.')
    ] = "default",
    *,
    data: Annotated[
        list[str] | None, typer.Option(metavar="train=SET", help="The sets, named train=SET and val=SET. Repeatable.")
    ] = None,
    layout: Annotated[str, typer.Option(metavar="NAME", help="How the data are laid out.")] = "auto",
    origins: Annotated[Path | None, typer.Option(metavar="FILE", help="Origin table (CSV) with the families.")] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SET",
            help="Records whose generated images heads are fitted on in every fold and never tested on, such as"
            " reconstructions; what was made from a photograph of an absent source is absent. Repeatable.",
        ),
    ] = None,
    train: Annotated[
        Path | None,
        typer.Option(metavar="CONFIG", help="Train an encoder without each family, by this configuration: days."),
    ] = None,
    override: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="With --train, override a setting. Repeatable."),
    ] = None,
    runs: Annotated[Path, typer.Option(metavar="DIR", help="With --train, the folder of the runs.")] = Path("runs"),
    least: Annotated[
        int, typer.Option(metavar="N", min=1, help="Generated images that a family needs for a fold of its own.")
    ] = 50,
    together: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME,...", help="Families that are left out together, such as sd,sdxl. Repeatable."),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="Only these folds; what is absent in each stays as with all of them."),
    ] = None,
    heads: Annotated[str, typer.Option(metavar="NAME,...", help="default, all, or names such as linear.")] = "default",
    variants: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME,...", help="What the test images undergo; untouched and jpeg-90 unless told."),
    ] = None,
    crops: Annotated[int | None, typer.Option(metavar="N", min=1, help="Crops an image; the model's default.")] = None,
    rate: Annotated[
        float, typer.Option(metavar="SHARE", help="False alarms that thresholds aim at, between 0 and 1.")
    ] = 0.05,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep scores and the table here.")] = None,
    json: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the table as JSON; - prints it instead of the words.")
    ] = None,
    repeats: Annotated[int, typer.Option(metavar="N", min=0, help="Resamples behind the intervals.")] = 1000,
    seed: Annotated[int, typer.Option(metavar="S", min=0, help="Seed of the folds and of the resamples.")] = 0,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Images at a time; one a core by default.")
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Judge everything anew, and keep nothing.")] = False,
) -> int:
    """Leave each family of generators out in turn, and see how it fares against photographs of sources never used.

    Without --train, only the heads and their calibration are fitted without the family, in minutes; the encoder has
    seen it: an upper bound. With --train, the encoder is trained without it as well.

    Exit codes: 0 done, 2 wrong usage or unusable data, 3 some images could not be read.
    """
    _check(data, train, override, model, rate, json, also)
    from contrafake.evaluate import results  # noqa: PLC0415 - slow to import
    from contrafake.evaluate.family_folds import chosen_folds, plan_folds, without_apart  # noqa: PLC0415
    from contrafake.evaluate.family_table import FamilyTable  # noqa: PLC0415
    from contrafake.evaluate.opening import open_set  # noqa: PLC0415

    if out is not None:
        results.check_folder(out)
    source, table = open_set(data or [], layout, origins)
    from contrafake.data.sources import open_source, samples_of  # noqa: PLC0415

    samples = [sample for item in source for sample in samples_of(item)]
    known = source.origins if table is None else table
    groups = [_names(text) for text in together or []]
    samples, apart = without_apart(samples, known, groups)
    folds = plan_folds(samples, known, least=least, together=groups, seed=seed)
    if only is not None:
        folds = chosen_folds(folds, _names(only))
    wanted = _names(heads)
    added = [sample for path in also or [] for item in open_source(path) for sample in samples_of(item)]
    from contrafake.evaluate.cache import Cache  # noqa: PLC0415
    from contrafake.evaluate.suites import parse_variants  # noqa: PLC0415

    changes = parse_variants(variants or ["standard"])
    try:
        with ExitStack() as stack:
            advance = stack.enter_context(phase_bar())
            cache = None if no_cache else stack.enter_context(Cache())
            if train is None:
                from contrafake import load  # noqa: PLC0415
                from contrafake.evaluate.families import refit_families  # noqa: PLC0415

                detector = load(model)
                scores = refit_families(
                    detector,
                    samples,
                    known,
                    folds,
                    also=added,
                    heads={"default": None, "all": detector.heads}.get(heads, wanted),
                    variants=changes,
                    crops=crops,
                    rate=rate,
                    cache=cache,
                    workers=workers,
                    report=advance,
                )
            else:
                from contrafake.evaluate.family_runs import leaving_out, train_families  # noqa: PLC0415
                from contrafake.model.heads import HEADS  # noqa: PLC0415
                from contrafake.train.config_file import load_config  # noqa: PLC0415
                from contrafake.train.progress import Progress  # noqa: PLC0415

                config = load_config(train, override or [])
                scores = train_families(
                    config if not apart else leaving_out(config, apart),
                    samples,
                    known,
                    folds,
                    runs=runs,
                    heads={"default": None, "all": tuple(HEADS)}.get(heads, wanted),
                    variants=changes,
                    crops=crops,
                    rate=rate,
                    cache=cache,
                    workers=workers,
                    # Two bars at once would tear each other apart.
                    progress=Progress(),
                )
    except KeyboardInterrupt:
        print("contrafake: stopped; what was finished is kept: the same command goes on there", file=sys.stderr)
        raise
    if apart:
        scores = replace(scores, facts={**scores.facts, "apart": apart})
    if out is not None:
        scores.write(out)
        found = results.write_families(out, repeats=repeats, seed=seed)
        print(f"contrafake: wrote {for_terminal(str(out / results.FAMILY_TWIN))}", file=sys.stderr)
    else:
        found = FamilyTable.from_scores(scores, repeats=repeats, seed=seed)
    show_families(found, json)
    return _say_unreadable(scores)


def _check(  # noqa: PLR0917 - what may contradict each other
    data: list[str] | None,
    train: Path | None,
    override: list[str] | None,
    model: str,
    rate: float,
    json: str | None,
    also: list[str] | None,
) -> None:
    if not data:
        raise UsageError("--data", "none given", "name both parts: --data train=SET --data val=SET")
    if not 0 < rate < 1:
        raise UsageError("--rate", f"{rate:g} does not lie between 0 and 1", "0.05 is usual")
    if train is None and override:
        raise UsageError("--set", "there is nothing to train", "add --train CONFIG")
    if train is not None and also:
        raise UsageError("--also", "is for heads alone", "with --train, name them in data.train or data.fitting")
    if train is not None and model != "default":
        raise UsageError("MODEL", "is made by --train here", "leave it out")
    check_report("--json", json, ".json")
    if train is None:
        require("evaluate families", "evaluate", "sklearn")
    else:
        require("evaluate families --train", "train", *NEEDED)


def show_families(found: FamilyTable, json: str | None) -> None:
    """Prints the table of leaving each family out, and writes or prints it as JSON.

    Args:
        found: The table.
        json: A file, "-" for JSON in place of the words, None for no JSON.
    """
    if json is not None:
        text = encoder.dumps(found.to_dict(), indent=1, allow_nan=False) + "\n"
        if json == STDOUT:
            print(text, end="")
            return
        from contrafake.data.whole_file import write_whole  # noqa: PLC0415

        write_whole(json, text.encode("utf-8", "surrogateescape"))
    from contrafake.cli.evaluate_protocols import print_families  # noqa: PLC0415 - rich is slow to import

    print_families(found)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _say_unreadable(scores: FamilyScores) -> int:
    """Names images that could not be read, and the exit code for it."""
    unreadable = scores.facts.get("unreadable", {})
    for key, cause in list(unreadable.items())[:SHOWN]:
        print(f"contrafake: {for_terminal(key)}: {for_terminal(cause)}", file=sys.stderr)
    if len(unreadable) > SHOWN:
        print(f"contrafake: {len(unreadable) - SHOWN:,} more could not be read", file=sys.stderr)
    return SOME_FAILED if unreadable else DONE
