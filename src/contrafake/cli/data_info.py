"""`contrafake data info`."""

from __future__ import annotations

import json as encoder
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from contrafake.cli.escape import as_text, for_terminal
from contrafake.cli.progress import work_bar
from contrafake.cli.reports import STDOUT, check_report

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from contrafake.data.info import DataInfo, OriginInfo

PARTLY_FAILED = 3
WIDE, NAME, UNBOUNDED = 110, 22, 1_000_000
"""Columns of a terminal that shows everything; of an origin's name in one that does not; of what is no terminal."""
_UNKNOWN = "-"


def info(
    data: Annotated[list[str], typer.Argument(metavar="DATA...", help="One set, or several as one.")],
    *,
    layout: Annotated[str, typer.Option(metavar="NAME", help="Layout of the data; recognised by default.")] = "auto",
    json: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write everything as JSON; - prints it instead of the tables.")
    ] = None,
    contact_sheet: Annotated[
        str | None, typer.Option(metavar="FILE.png", help="Draw a row of thumbnails for each origin.")
    ] = None,
    per_origin: Annotated[int, typer.Option(metavar="N", help="Thumbnails in a row of the contact sheet.")] = 8,
    sizes: Annotated[
        bool, typer.Option("--sizes/--no-sizes", help="Look into headers for sizes and formats, or only list.")
    ] = True,
    workers: Annotated[int | None, typer.Option(metavar="N", min=1, help="Processes; one a core by default.")] = None,
) -> int:
    """Say what is in a set of labelled images: counts by split and class, a table by origin, what was skipped."""
    check_report("--json", json, ".json")
    from contrafake.data.contact_sheet import contact_sheet as draw_sheet  # noqa: PLC0415 - keeps --help fast
    from contrafake.data.info import data_info  # noqa: PLC0415
    from contrafake.data.parallel import default_workers  # noqa: PLC0415
    from contrafake.data.sources import open_data  # noqa: PLC0415
    from contrafake.data.whole_file import write_whole  # noqa: PLC0415

    source = open_data(data, layout)
    with work_bar("looking") as step:
        found = data_info(source, sizes=sizes, workers=workers or default_workers(), step=step)
    notes: list[str] = []
    if contact_sheet is not None:
        with work_bar("drawing") as step:
            files, notes = draw_sheet(source, contact_sheet, per_origin, step)
        notes += [f"drawn: {file}" for file in files]
    text = encoder.dumps(found.to_dict(), indent=1) + "\n"
    if json == STDOUT:
        print(text, end="")
    else:
        if json is not None:
            write_whole(json, text.encode())
        _show(found)
    for line in [*found.skipped, *_unreadable(found), *found.notes, *notes]:
        print(f"contrafake: {for_terminal(line)}", file=sys.stderr)
    return PARTLY_FAILED if found.unreadable else 0


def _unreadable(found: DataInfo) -> list[str]:
    if not found.unreadable:
        return []
    shown = "; ".join(f"{key}: {cause}" for key, cause in found.unreadable_examples[:3])
    return [f"{_count(found.unreadable, 'image')} cannot be read ({shown}{'; ...' if found.unreadable > 3 else ''})"]


def _show(found: DataInfo) -> None:
    from rich.console import Console  # noqa: PLC0415

    console = Console(highlight=False, emoji=False, markup=False)
    if not console.is_terminal:
        console.width = UNBOUNDED  # a file or a pipe gets whole names and everything that is known
    with console.capture() as capture:
        _render(found, console)
    for line in capture.get().splitlines():
        print(line.rstrip())


def _render(found: DataInfo, console: Console) -> None:
    images = sum(origin.images for origin in found.origins)
    size = f", {_bytes(found.bytes)}" if found.bytes is not None else ""
    console.print(as_text(f"{found.name}: {images:,} images{size}, layout {found.layout}", "bold"))
    counts = [f"{_count(found.sources[name], 'source')} of {name} images" for name in found.classes]
    more = [
        _count(found.records, "record") if found.records else "",
        _count(found.groups, "group") if found.groups else "",
    ]
    console.print(", ".join([*counts, *filter(None, more)]))
    console.print()
    splits = _table("Split", *(name.capitalize() for name in found.classes))
    for split, of in found.splits.items():
        splits.add_row(split or "none", *(f"{of[name]:,}" for name in found.classes))
    console.print(splits)
    for label, name in enumerate(found.classes):
        origins = [origin for origin in found.origins if origin.label == label]
        if origins:
            console.print()
            console.print(_origins(name, origins, list(found.splits), wide=console.width >= WIDE))
    if console.width < WIDE and any(len(origin.formats) > 1 for origin in found.origins):
        console.print("\n+ other formats, too: see a wider terminal, or --json")


def _origins(class_name: str, origins: list[OriginInfo], splits: list[str], *, wide: bool) -> Table:
    from rich.text import Text  # noqa: PLC0415

    from contrafake.cli.table import shorten  # noqa: PLC0415

    families = any(origin.family not in {"", "real", origin.name} for origin in origins)
    kinds = wide and any(origin.kind for origin in origins)
    sized = any(origin.width for origin in origins)
    seen = any(origin.seen is not None for origin in origins)
    made = _table(
        f"{class_name.capitalize()} origin",
        *(["Family"] if families else []),
        *(["Class"] if kinds else []),
        *(["Seen"] if seen else []),
        *(split.capitalize() or "Images" for split in splits),
        *(["Size", "Formats"] if sized else []),
    )
    for column in made.columns:
        if str(column.header) in {"Family", "Class", "Formats", "Seen"}:
            column.justify = "left"
    for origin in origins:
        cells = [as_text(origin.name) if wide else Text(shorten(for_terminal(origin.name), NAME), no_wrap=True)]
        cells += [as_text(origin.family)] if families else []
        cells += [as_text(origin.kind)] if kinds else []
        cells += [as_text({True: "yes", False: "no", None: _UNKNOWN}[origin.seen])] if seen else []
        cells += [as_text(f"{origin.counts[split]:,}" if split in origin.counts else _UNKNOWN) for split in splits]
        if sized:
            cells.append(as_text(f"{origin.width}x{origin.height}" if origin.width else _UNKNOWN))
            cells.append(as_text(_formats(origin, wide=wide)))
        made.add_row(*cells)
    return made


def _table(*titles: str) -> Table:
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for place, title in enumerate(titles):
        made.add_column(title, justify="right" if place else "left", overflow="fold")
    return made


def _formats(origin: OriginInfo, *, wide: bool) -> str:
    """All formats by name, the first with its share where it is not alone; a narrow table only hints at the others."""
    total = sum(origin.formats.values())
    names = list(origin.formats)
    if len(names) < 2:
        return names[0] if names else _UNKNOWN
    if not wide:
        return f"{names[0]}+"
    # Rounded down: never 100 % where there is something else.
    share = 100 * origin.formats[names[0]] // total
    return ", ".join([f"{names[0]} {share} %", *names[1:]])


def _bytes(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'s' * (number != 1)}"
