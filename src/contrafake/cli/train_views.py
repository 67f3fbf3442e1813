"""`contrafake train views`."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from contrafake.cli.escape import for_terminal
from contrafake.cli.extras import require
from contrafake.cli.reports import check_report

SHOWN = 10  # of what the listing left out
NEEDED = ("torch", "transformers", "yaml")


class Cutter(StrEnum):
    """Who cuts and transforms."""

    PILLOW = "pillow"
    TORCH = "torch"


def views(
    shards: Annotated[
        list[str], typer.Argument(metavar="SHARD...", help="Shards of labelled images: files, patterns or addresses.")
    ],
    *,
    png: Annotated[str, typer.Option("--png", metavar="FILE", help="The contact sheet.")],
    records: Annotated[
        int, typer.Option(metavar="N", min=1, max=50, help="Pairs of a real and a generated image to draw.")
    ] = 4,
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="Settings of a training run; the defaults unless told.")
    ] = None,
    override: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Override a setting, for example views.max_operations=5. Repeatable."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="S", min=0, help="Decides the images and all chance in the views.")] = 0,
    transforms: Annotated[
        Cutter, typer.Option(help="Who cuts: pillow is the reference, torch what runs on a GPU.")
    ] = Cutter.PILLOW,
) -> None:
    """Draw the training views of a few images on a contact sheet, with what was done to each.

    A row an image: the image with the boxes that its crops were cut from, then its views, each over the chain of
    transformations that it went through. Images and chance are drawn as in training.

    The sheet shows the set's images: the set's terms hold for it.
    """
    check_report("--png", png, ".png")
    require("training views", "train", *NEEDED)
    from contrafake.data.listing import Listing  # noqa: PLC0415 - keeps --help fast
    from contrafake.train.config_file import default_config, load_config  # noqa: PLC0415
    from contrafake.train.view_sheet import draw_view_sheet  # noqa: PLC0415

    settings = default_config("views", shards, override) if config is None else load_config(config, override)
    listing = Listing.of(shards)
    notes = draw_view_sheet(
        listing,
        png,
        settings.views,
        size=settings.encoder.image_size,
        records=records,
        seed=seed,
        transforms=transforms.value,
    )
    left_out = [f"left out: {address}: {cause}" for address, cause in listing.damage.items()]
    if len(left_out) > SHOWN:
        left_out[SHOWN:] = [f"left out: {len(left_out) - SHOWN} more"]
    for line in [*left_out, *notes, f"drawn: {png}; it shows images of the set, whose terms hold for it"]:
        print(f"contrafake: {for_terminal(line)}", file=sys.stderr)
