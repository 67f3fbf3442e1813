"""A contact sheet of training views: what the encoder is shown of an image, and what was done to it."""

from __future__ import annotations

import io
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from contrafake.data.sample import GENERATED, REAL
from contrafake.data.whole_file import write_whole
from contrafake.errors import DataError, ImageError, UsageError
from contrafake.images import read
from contrafake.train.views import cut_views, draw_views

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from PIL.ImageFont import FreeTypeFont
    from PIL.ImageFont import ImageFont as PlainFont

    from contrafake.data import Sample
    from contrafake.data.listing import Listing
    from contrafake.images.transforms import Operation
    from contrafake.train.config import ViewConfig
    from contrafake.train.views import ViewPlan

TILE, GAP, MARGIN, TITLE = 224, 10, 16, 30
"""Side of the largest tile, space between tiles and around the sheet, height of the title: all in pixels."""

_PAPER, _INK, _FAINT, _WHITE = (255, 255, 255), (20, 20, 20), (105, 105, 105), (255, 255, 255)
_CLASS_COLOURS = ((0, 114, 178), (213, 94, 0))
BOX_COLOURS = {"global": (0, 158, 115), "local": (204, 121, 167), "native": (230, 159, 0)}
"""Colours of the boxes on the image and of the frames of the views cut from them (Okabe and Ito's palette)."""

_LINE = 16
_SHORT = {"jpeg_quality": "jpeg"}


def draw_view_sheet(
    listing: Listing,
    path: str | os.PathLike[str],
    config: ViewConfig,
    *,
    size: int = 224,
    records: int = 4,
    seed: int = 0,
    transforms: Literal["pillow", "torch"] = "pillow",
) -> list[str]:
    """Draws the views of a few pairs of a real and a generated image; siblings where the data is paired.

    Images and views depend on the seed and the listing alone, so that both ways of cutting show the same plans. A pair
    with an image that cannot be read is replaced by another.

    Args:
        listing: The set.
        path: A PNG file; one that stands there is replaced.
        config: How views are drawn.
        size: Side of the views in pixels.
        records: Pairs, at least 1; fewer are drawn where the set has fewer.
        seed: Source of all chance.
        transforms: "pillow" cuts with the reference, "torch" with the batched operations on the CPU.

    Returns:
        Lines on what could not be shown.

    Raises:
        UsageError: The file is no .png or is a shard of the set.
        DataError: There is no pair that can be read, or the file cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() != ".png":
        raise UsageError(str(path), "a contact sheet is a PNG file", "end its name in .png")
    if target.exists() and any(Path(shard).exists() and target.samefile(shard) for shard in listing.shards):
        raise UsageError(str(path), "is a shard of the set", "name another file")
    notes: list[str] = []
    rows: list[Image.Image] = []
    for slot, pair in enumerate(pairs(listing, np.random.default_rng(seed))):
        if len(rows) == 2 * records:
            break
        try:
            pictures = [read(listing.read(row), name=listing[row].key).pixels for row in pair]
        except ImageError as error:
            notes.append(f"not drawn: {error}")
            continue
        rng = np.random.default_rng([seed, slot])
        plans = [draw_views(config, pixels.shape[0], pixels.shape[1], size, rng) for pixels in pictures]
        views = _cut(pictures, plans, config, transforms)
        rows += [
            _draw_row(listing[row], *drawn)
            for row, drawn in zip(pair, zip(pictures, plans, views, strict=True), strict=True)
        ]
    if not rows:
        raise DataError("training data", "there is no pair of a real and a generated image", "; ".join(notes[:3]))
    pool = f"up to {config.max_operations} operations of the {config.pool} pool"
    title = f"Views of {size} px, {config.geometry}, {pool}, seed {seed}, cut by {transforms}"
    write_whole(target, _png(_sheet(title, rows)))
    return notes


def chain_words(chain: Sequence[Operation]) -> str:
    """A chain in words, such as "blur 1.3, jpeg 55"; seeds are left out.

    Args:
        chain: Operations in the order of application.

    Returns:
        Names with their parameters (the name of each where there are several); "untransformed" for an empty chain.
    """
    return ", ".join(_operation_words(operation) for operation in chain) or "untransformed"


def _operation_words(operation: Operation) -> str:
    name = _SHORT.get(operation.name, operation.name.replace("_", " "))
    values = {field.name: getattr(operation, field.name) for field in fields(operation) if field.name != "seed"}
    shown = {
        key.replace("_", " "): f"{value:.3g}" if isinstance(value, float) else str(value)
        for key, value in values.items()
    }
    return " ".join([name, *(shown.values() if len(shown) == 1 else (f"{key} {text}" for key, text in shown.items()))])


def pairs(listing: Listing, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
    """Rows of a real and of a generated image, in an order that chance decides: of records first, then of lone samples.

    No image comes twice, nor a second generated sibling of a record; lone samples of one class may be left over.
    """
    for record in rng.permutation(np.unique(listing.record[listing.record >= 0])):
        real, *siblings = np.flatnonzero(listing.record == record).tolist()
        yield real, siblings[int(rng.integers(len(siblings)))]
    lone = [np.flatnonzero((listing.record < 0) & (listing.label == label)) for label in (REAL, GENERATED)]
    yield from zip(*(rng.permutation(rows).tolist() for rows in lone), strict=False)


def _cut(
    pictures: Sequence[NDArray[np.uint8]],
    plans: Sequence[tuple[ViewPlan, ...]],
    config: ViewConfig,
    transforms: Literal["pillow", "torch"],
) -> list[list[NDArray[np.uint8]]]:
    if transforms == "pillow":
        return [cut_views(pixels, drawn, config) for pixels, drawn in zip(pictures, plans, strict=True)]
    import torch  # noqa: PLC0415 - the reference does not need it

    from contrafake.train.batched.cutting import cut_views as cut_batch  # noqa: PLC0415

    by_plan = cut_batch([torch.from_numpy(pixels.copy()) for pixels in pictures], plans, config)
    return [[views[image].numpy() for views in by_plan] for image in range(len(pictures))]


def _draw_row(
    sample: Sample, pixels: NDArray[np.uint8], plans: Sequence[ViewPlan], views: Sequence[NDArray[np.uint8]]
) -> Image.Image:
    """The image with its boxes and its facts, then a tile for each view with its name and chain."""
    bold, small = (ImageFont.load_default(size) for size in (14, 12))
    height, width = pixels.shape[:2]
    words = [f"{'generated' if sample.label else 'real'}: {sample.origin}", f"{width} x {height} px", sample.key]
    blocks = [(_original(pixels, plans), _CLASS_COLOURS[sample.label], words)]
    for plan, view in zip(plans, views, strict=True):
        blocks.append((_tile(view, plan), _INK, [_view_words(plan), chain_words(plan.chain)]))
    captions = [
        [*_wrapped(head, bold, tile.width), *(line for text in rest for line in _wrapped(text, small, tile.width))]
        for tile, _, (head, *rest) in blocks
    ]
    heads = [len(_wrapped(words[0], bold, tile.width)) for tile, _, words in blocks]
    top = max(tile.height for tile, _, _ in blocks)
    across = sum(tile.width + GAP for tile, _, _ in blocks) - GAP
    row = Image.new("RGB", (across, top + 4 + _LINE * max(map(len, captions))), _PAPER)
    draw, x = ImageDraw.Draw(row), 0
    for (tile, colour, _), lines, head in zip(blocks, captions, heads, strict=True):
        row.paste(tile, (x, top - tile.height))
        for number, line in enumerate(lines):
            style = (colour, bold) if number < head else (_FAINT, small)
            draw.text((x, top + 4 + _LINE * number), line, *style)
        x += tile.width + GAP
    return row


def _view_words(plan: ViewPlan) -> str:
    if plan.box is None or not plan.resized:
        return plan.name
    left, top, right, bottom = plan.box
    return f"{plan.name}, from {right - left} x {bottom - top}"


def _original(pixels: NDArray[np.uint8], plans: Sequence[ViewPlan]) -> Image.Image:
    """The image, never enlarged, on a tile of its own, with the boxes of its crops."""
    picture = Image.fromarray(pixels)
    height, width = pixels.shape[:2]
    picture.thumbnail((TILE, TILE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    tile = Image.new("RGB", (TILE, picture.height), _PAPER)
    tile.paste(picture)
    draw, scale = ImageDraw.Draw(tile), picture.width / width
    for plan in plans:
        if plan.box is not None:
            # A native crop larger than the image is cut from what mirroring made of it, and holds all of it.
            left, top, right, bottom = plan.box
            corners = (left * scale, top * scale, min(right, width) * scale - 1, min(bottom, height) * scale - 1)
            draw.rectangle(corners, outline=_WHITE, width=4)
            draw.rectangle(corners, outline=BOX_COLOURS[plan.name], width=2)
    return tile


def _tile(view: NDArray[np.uint8], plan: ViewPlan) -> Image.Image:
    """The view pixel by pixel, small ones enlarged by a whole number; framed as its box."""
    side = plan.size
    shown = Image.fromarray(view)
    if side <= TILE:
        shown = shown.resize((side * (TILE // side),) * 2, Image.Resampling.NEAREST)
    else:
        shown = shown.resize((TILE, TILE), Image.Resampling.LANCZOS)
    framed = Image.new("RGB", (shown.width + 6, shown.height + 6), BOX_COLOURS.get(plan.name, _PAPER))
    framed.paste(shown, (3, 3))
    return framed


def _sheet(title: str, rows: Sequence[Image.Image]) -> Image.Image:
    width = max(row.width for row in rows) + 2 * MARGIN
    sheet = Image.new("RGB", (width, 2 * MARGIN + TITLE + sum(row.height + GAP for row in rows) - GAP), _PAPER)
    ImageDraw.Draw(sheet).text((MARGIN, MARGIN - 4), title, _INK, ImageFont.load_default(18))
    y = MARGIN + TITLE
    for row in rows:
        sheet.paste(row, (MARGIN, y))
        y += row.height + GAP
    return sheet


def _png(sheet: Image.Image) -> bytes:
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def _wrapped(text: str, font: FreeTypeFont | PlainFont, room: int) -> list[str]:
    """Lines that fit, broken at spaces and inside a word that is too long for one."""
    lines = [""]
    for word in "".join(character if character.isprintable() else "?" for character in text).split(" "):
        longer = f"{lines[-1]} {word}".lstrip()
        if font.getlength(longer) <= room:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for character in word:
            if lines[-1] and font.getlength(lines[-1] + character) > room:
                lines.append("")
            lines[-1] += character
    return lines
