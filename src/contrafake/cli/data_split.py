"""`contrafake data split`."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contrafake.cli.escape import for_terminal
from contrafake.cli.extras import require
from contrafake.cli.progress import work_bar
from contrafake.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

PARTLY_FAILED = 3
UNBOUNDED = 1_000_000
WORTH_SAYING = 0.05


class By(StrEnum):
    """What stays together."""

    SOURCE = "source"
    ORIGIN = "origin"
    FAMILY = "family"
    GROUP = "group"
    KEEP = "keep"


class Duplicates(StrEnum):
    """What to do about near duplicates on two sides."""

    REPAIR = "repair"
    REFUSE = "refuse"
    IGNORE = "ignore"


class Form(StrEnum):
    """What is written."""

    MANIFEST = "manifest"
    SHARDS = "shards"


def split(
    data: Annotated[list[str], typer.Argument(metavar="DATA... OUT", help="What to divide, and the new folder.")],
    *,
    by: Annotated[
        By | None,
        typer.Option(
            help="What stays together: images of one source (the default); of one origin or family (real ones: of one "
            "source); of one record or group; or keep the splits that the data has.",
        ),
    ] = None,
    fractions: Annotated[
        str,
        typer.Option(
            metavar="SHARES", help="Share of each class in train, val and test; two numbers are train and test."
        ),
    ] = "0.8,0.1,0.1",
    seed: Annotated[int, typer.Option(metavar="N", help="Another seed gives another division.")] = 0,
    duplicates: Annotated[
        Duplicates,
        typer.Option(
            help="Near duplicates on two sides: repair (unite them; with kept splits, leave out the one in the less "
            "protected split), refuse, or ignore (no image is read)."
        ),
    ] = Duplicates.REPAIR,
    leave_one_out: Annotated[
        bool, typer.Option("--leave-one-out", help="Also make one list for each family, with it in test only.")
    ] = False,
    use_list: Annotated[
        str | None,
        typer.Option(
            "--list", metavar="FILE", help="Take the splits from this list (key, split), and leave out the rest."
        ),
    ] = None,
    form: Annotated[Form, typer.Option(help="Lists only, or shards of each split as well.")] = Form.MANIFEST,
    layout: Annotated[str, typer.Option(metavar="NAME", help="Layout of the data; recognised by default.")] = "auto",
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Processes that read images; one a core by default.")
    ] = None,
) -> int:
    """Divide a set into train, val and test so that nothing that belongs together is on two sides.

    OUT gets splits.csv, split.json and origins.csv; left-out.csv where images were left out.
    """
    require("data split", "data", "pyarrow", "scipy")
    from contrafake.data.parallel import default_workers  # noqa: PLC0415 - keeps --help fast
    from contrafake.data.sources import open_data  # noqa: PLC0415
    from contrafake.data.splits import SplitSettings, plan_splits  # noqa: PLC0415
    from contrafake.data.splitting.lists import write_split  # noqa: PLC0415

    if len(data) < 2:
        raise UsageError("OUT", "give the data, and then a folder to write to")
    *addresses, out = data
    settings = SplitSettings(
        by=(by or (By.KEEP if use_list else By.SOURCE)).value,
        fractions=_numbers(fractions),
        seed=seed,
        duplicates=duplicates.value,
        leave_one_out=leave_one_out,
        list_file=use_list,
    )
    source = open_data(addresses, layout)
    with work_bar("hashing") as step:
        plan = plan_splits(source, settings, workers or default_workers(), step)
    with work_bar("copying") as step:
        facts = write_split(plan, source, settings, out, shards=form is Form.SHARDS, step=step)
    for line in source.census.describe_skipped():
        print(f"contrafake: {for_terminal(line)}", file=sys.stderr)
    _show(facts)
    print(f"Written to {for_terminal(out)}")
    if plan.unreadable:
        count = f"{plan.unreadable} {'image' if plan.unreadable == 1 else 'images'}"
        print(f"contrafake: {count} cannot be read; see left-out.csv and split.json", file=sys.stderr)
    return PARTLY_FAILED if plan.unreadable else 0


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError("fractions", f"{text!r} is no list of numbers", "for example 0.8,0.1,0.1") from error


def _show(facts: Mapping[str, Any]) -> None:
    from rich.console import Console  # noqa: PLC0415

    console = Console(highlight=False, emoji=False, markup=False)
    if not console.is_terminal:
        console.width = UNBOUNDED
    with console.capture() as capture:
        _render(facts, console)
    for line in capture.get().splitlines():
        print(line.rstrip())
    for line in _remarks(facts):
        print(for_terminal(line))


def _render(facts: Mapping[str, Any], console: Console) -> None:
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    def table(*titles: str) -> Table:
        made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
        for place, title in enumerate(titles):
            made.add_column(title, justify="right" if place else "left", overflow="fold")
        return made

    splits = table("Split", "Real", "Generated", "Asked", "Real", "Generated", "Families")
    for name, of in facts["splits"].items():
        share = facts["shares"][name]
        percent = ["-" if share[k] is None else f"{100 * share[k]:.1f} %" for k in ("asked", "real", "generated")]
        splits.add_row(name, f"{of['real']:,}", f"{of['generated']:,}", *percent, str(len(of["families"])))
    console.print(splits)
    if facts["leave_one_out"]:
        lists = table("Family left out", "Train real", "gen.", "Val real", "gen.", "Test real", "gen.", "Unused")
        for name, one in facts["leave_one_out"].items():
            found = [
                one["splits"].get(s, {}).get(c, 0) for s in ("train", "val", "test") for c in ("real", "generated")
            ]
            lists.add_row(for_terminal(name), *(f"{count:,}" for count in [*found, one["left_out"]]))
        console.print()
        console.print(lists)
    console.print()


def _remarks(facts: Mapping[str, Any]) -> list[str]:
    lines = []
    if facts["units"]:
        joined = facts["joined_by_duplicates"]
        clusters = f"; {joined:,} {'cluster' if joined == 1 else 'clusters'} of duplicates joined some"
        lines.append(f"{facts['units']:,} units" + clusters * bool(joined))
    if (off := facts["largest_deviation"] or 0) > WORTH_SAYING:
        lines.append(f"shares are off by up to {100 * off:.0f} percentage points: units are large")
    lines += [f"{count:,} left out: {reason}" for reason, count in facts["left_out"].items()]
    few = [one["families"] for one in facts["leave_one_out"].values() if len(one["families"]) > 1]
    lines += [f"too few images, left out together as few: {', '.join(families)}" for families in few]
    return lines + list(facts["notes"])
