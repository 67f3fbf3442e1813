"""`contrafake data pack`: turn any data set into shards with an index."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import ExitStack
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from contrafake.cli.escape import for_terminal
from contrafake.cli.extras import require
from contrafake.cli.parts import parse_part
from contrafake.cli.progress import work_bar
from contrafake.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from contrafake.data.pack import Packed

DONE, SOME_FAILED = 0, 3
SHOWN = 10


class FormName(StrEnum):
    """What the shards hold."""

    AUTO = "auto"
    LONE = "lone"
    PAIRED = "paired"


def pack(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE... OUT",
            help="Data sets (folders, shards, manifests, Parquet files; train=PATH names a split), then a new folder.",
        ),
    ],
    *,
    layout: Annotated[
        str, typer.Option(metavar="NAME", help="Layout of the data sets; recognised by default.")
    ] = "auto",
    form: Annotated[
        FormName, typer.Option(help="lone takes records apart, paired skips all but records, auto keeps both.")
    ] = FormName.AUTO,
    images_per_shard: Annotated[int, typer.Option(metavar="N", min=1, help="At most so many images a shard.")] = 1000,
    shuffle: Annotated[
        int | None, typer.Option(metavar="SEED", help="Shuffle the images over the shards; holds the list in memory.")
    ] = None,
    workers: Annotated[int | None, typer.Option(metavar="N", min=1, help="Processes; one a core by default.")] = None,
    prefix: Annotated[str, typer.Option(metavar="NAME", help="Put into the names of the shards.")] = "",
    part: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Pack every N-th shard only, from the I-th; a call without it completes."),
    ] = None,
) -> int:
    """Pack data sets into shards with an index.

    WebDataset shards and a Parquet index; the images' bytes stay as they are. The same input gives the same bytes.
    A run that was cut off goes on when the same command is given again.

    Exit codes: 0 all packed, 3 some images could not be read and are named, 2 wrong usage or unusable input.
    """
    *sources, out = paths
    if not sources:
        raise UsageError("data pack", "one path is not enough", "give at least one SOURCE, then OUT")
    require("data pack", "data", "pyarrow")
    from contrafake.data.pack import pack as pack_source  # noqa: PLC0415 - the help does not need it
    from contrafake.data.sources import open_data  # noqa: PLC0415
    from contrafake.data.sources.source import CLASS_NAMES  # noqa: PLC0415

    source = open_data(sources, layout)
    chosen = parse_part(part)
    with ExitStack() as stack:
        bar: list[Callable[[int], None]] = []

        def show(images: int, total: int) -> None:
            if not bar:
                bar.append(stack.enter_context(work_bar("packing", total)))
            bar[0](images)

        packed = pack_source(
            source,
            out,
            form=form.value,
            images_per_shard=images_per_shard,
            shuffle=shuffle,
            prefix=prefix,
            workers=workers,
            part=chosen,
            progress=show,
        )
    _warn(packed)
    _print(packed, out, CLASS_NAMES[source.task])
    return SOME_FAILED if packed.failures else DONE


def _warn(packed: Packed) -> None:
    """Everything that was left out or looks wrong, on standard error."""
    lines = list(packed.notes)
    for reason, (count, some) in packed.skipped.items():
        lines.append(f"{count} skipped: {reason} ({', '.join(some[:3])}{', ...' if count > 3 else ''})")
    lines += [f"not packed: {failure.key}: {failure.cause}" for failure in packed.failures[:SHOWN]]
    if len(packed.failures) > SHOWN:
        lines.append(f"not packed: {len(packed.failures) - SHOWN} more, all in pack.json")
    if packed.both_labels:
        count = len(packed.both_labels)
        lines.append(f"{count} image{'s' if count > 1 else ''} under both labels, all in pack.json:")
        lines += [f"both labels: {' = '.join(keys)}" for keys in packed.both_labels[:SHOWN]]
    for line in lines:
        print(f"contrafake: {for_terminal(line)}", file=sys.stderr)


def _print(packed: Packed, out: str, words: Mapping[int, str]) -> None:
    if not packed.complete:
        print(f"{len(packed.shards)} shards of this part are done; without --part, the set is completed")
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    counts: Counter[tuple[str, int]] = Counter()
    origins: dict[tuple[str, int], set[str]] = {}
    for (split, label, origin), count in packed.images.items():
        counts[split, label] += count
        origins.setdefault((split, label), set()).add(origin)
    table = Table(box=None, pad_edge=False)
    for title in ("split", "label", "images", "origins"):
        table.add_column(title, justify="left" if title in {"split", "label"} else "right")
    for split, label in sorted(counts):
        table.add_row(
            for_terminal(split) or "-", words[label], f"{counts[split, label]:,}", f"{len(origins[split, label]):,}"
        )
    Console(highlight=False, markup=False, emoji=False).print(table)
    images, records = packed.images.total(), f", {packed.records:,} records" if packed.records else ""
    size = f"{packed.bytes / 1e6:,.1f} MB"
    print(f"{images:,} images{records}, {size}, {len(packed.shards):,} shards in {for_terminal(out)}")
