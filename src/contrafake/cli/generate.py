"""`contrafake generate`."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contrafake.cli.escape import for_terminal
from contrafake.cli.extras import require
from contrafake.cli.parts import parse_part
from contrafake.cli.progress import phase_bar
from contrafake.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from contrafake.generate.build import Maker

NEEDED = "torch", "diffusers", "transformers", "pyarrow", "yaml", "sklearn", "jinja2"
DONE, PARTLY_FAILED = 0, 3
TRIAL = 4


def generate(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file: real images, generators, law.")],
    override: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a setting, for example reals.limit=100. Repeatable."),
    ] = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="DIR|ADDRESS", help="Where to; built/NAME unless told.")
    ] = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Make nothing: counts, disk and time, from a short trial.")
    ] = False,
    trial: Annotated[
        int | None,
        typer.Option("--trial", metavar="N", min=0, help="Images of each generator that --dry-run makes: 4; 0 none."),
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option("--plan", metavar="FILE", help="Write the plan, a row an image, as .csv, .jsonl or .parquet."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Work on this generator alone. Repeatable.")
    ] = None,
    part: Annotated[
        str | None,
        typer.Option("--part", metavar="I/N", help="Make the I-th of N parts; a call without --part completes."),
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try again what failed in earlier runs.")] = False,
    cluster: Annotated[
        str | None,
        typer.Option("--cluster", metavar="ADDRESS", help="Make on a Ray cluster: its address, auto, or local."),
    ] = None,
    actors: Annotated[
        int, typer.Option("--actors", metavar="N", min=1, help="With --cluster: models at work at a time.")
    ] = 1,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", min=1, help="Processes for reading; one a core by default.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> int:
    """Build a set: real images with generated siblings, whose files do not tell which is which.

    A run that was interrupted goes on when the same command is given again, and ends with the same images. A
    generator added to CONFIG is added to the set; nothing else in it changes.

    `contrafake generate train-tiny CONFIG` trains a small generator of your own.

    Exit codes: 0 done, 3 some images could not be made and are named, 2 wrong usage or unusable data.
    """
    require("generate", "generate", *NEEDED)
    if cluster is not None:
        require("generate --cluster", "cluster", "ray")
    _check(cluster=cluster, part=part)
    _check_looking(
        {"--part": part is not None, "--only": bool(only), "--retry": retry},
        looking=dry_run or plan is not None,
        trial=trial is not None and not dry_run,
    )
    from contrafake.generate.config import GenerateConfig  # noqa: PLC0415
    from contrafake.settings import load_settings  # noqa: PLC0415

    settings = load_settings(GenerateConfig, config, override)
    if plan is not None or dry_run:
        from contrafake.cli.generate_plan import look_ahead  # noqa: PLC0415

        look_ahead(settings, plan, (TRIAL if trial is None else trial) if dry_run else None, workers, json=json)
        return DONE
    place = out or _default_place(settings.name)
    make = _maker(cluster, actors)
    from contrafake.generate.build import build  # noqa: PLC0415 - torch

    with phase_bar() as advance, _taken_up_again():
        built = build(
            settings,
            place,
            only=only or (),
            part=parse_part(part),
            retry=retry,
            workers=workers,
            make=make,
            advance=advance,
        )
    if built is None:
        _say("this part is done; give the command without --part when all parts are" if part else "more is to be made")
        return DONE
    if json:
        told = {**built.summary, "audit": built.audit.to_dict() if built.audit else None}
        print(dumps(told, indent=1, default=str))
    else:
        from contrafake.cli.generate_table import print_built  # noqa: PLC0415 - rich is slow to import

        print_built(built)
    return PARTLY_FAILED if any(count["failed"] for count in built.summary["counts"].values()) else DONE


def _maker(cluster: str | None, actors: int) -> Maker:
    """Who makes the chunks: this process, or a cluster."""
    if cluster is None:
        from contrafake.generate.build import make_here  # noqa: PLC0415 - torch

        return make_here
    from contrafake.generate.cluster import make_on  # noqa: PLC0415 - ray

    return make_on(cluster, actors)


def _check(*, cluster: str | None, part: str | None) -> None:
    parse_part(part)
    if part is not None and cluster is not None:
        raise UsageError("--part", "a cluster divides the work itself", "leave out --part or --cluster")


def _check_looking(making: Mapping[str, bool], *, looking: bool, trial: bool) -> None:
    """Refuses options that would be passed over in silence."""
    if looking and (given := [option for option, is_given in making.items() if is_given]):
        raise UsageError(
            given[0], "nothing is made by --dry-run and --plan, which look at the whole build", "leave it out"
        )
    if trial:
        raise UsageError("--trial", "images are tried by --dry-run alone", "add --dry-run, or leave it out")


def _default_place(name: str) -> str:
    """Where to, unless told; a name from a configuration never leads out of the folder."""
    if name != Path(name).name or name == "..":
        raise UsageError("--out", f"the build's name, {name!r}, is no name for a folder", "say where to")
    return f"built/{name}"


@contextmanager
def _taken_up_again() -> Iterator[None]:
    """Says after Ctrl-C that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        _say("stopped; the same command goes on from here")
        raise


def _say(line: str) -> None:
    print(f"contrafake: {for_terminal(line)}", file=sys.stderr)
