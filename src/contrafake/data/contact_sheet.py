"""A contact sheet: a row of thumbnails for each origin, so that a set can be looked at."""

from __future__ import annotations

import heapq
import io
from pathlib import Path
from typing import TYPE_CHECKING

from contrafake.data.location import File, read_bytes
from contrafake.data.sources import samples_of
from contrafake.data.sources.source import CLASS_NAMES
from contrafake.data.splitting.columns import digest
from contrafake.data.whole_file import write_whole
from contrafake.errors import ContrafakeError, DataError, UsageError
from contrafake.images import read

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from PIL import Image, ImageDraw
    from PIL.ImageFont import FreeTypeFont
    from PIL.ImageFont import ImageFont as PlainFont

    from contrafake.data.location import Location
    from contrafake.data.sources import Source

TILE, GAP, MARGIN, LABEL = 112, 6, 16, 190
ROWS, PAGES = 30, 10
MOST_PER_ORIGIN = 32

_PAPER, _INK, _FAINT, _TILE = (255, 255, 255), (20, 20, 20), (105, 105, 105), (238, 238, 238)
_CLASS_COLOURS = ((0, 114, 178), (213, 94, 0))
"""Blue and vermilion of Okabe and Ito's palette, which people who see few colours can tell apart."""


class _Row:
    """Images of one origin with the lowest digests of their keys: a choice that no order of listing changes."""

    def __init__(self) -> None:
        self.count = 0
        self.heap: list[tuple[int, str, Location]] = []

    def add(self, key: str, image: Location, most: int) -> None:
        self.count += 1
        entry = (-digest(key), key, image)
        if len(self.heap) < most:
            heapq.heappush(self.heap, entry)
        elif entry[0] > self.heap[0][0]:
            heapq.heapreplace(self.heap, entry)

    @property
    def images(self) -> list[Location]:
        return [image for _, _, image in sorted(self.heap, key=lambda entry: (-entry[0], entry[1]))]


def contact_sheet(
    source: Source,
    path: str | os.PathLike[str],
    per_origin: int = 8,
    step: Callable[[int], None] = lambda _: None,
) -> tuple[list[Path], list[str]]:
    """Draws a contact sheet: real origins first, then generated ones, each with its name, family and count.

    The images of an origin are chosen by a hash of their keys, so that the same set gives the same sheet. One that
    cannot be read is a grey tile with a cross. After 30 origins a new page begins (`sheet-2.png`), after ten pages the
    rest is left out.

    Args:
        source: The set.
        path: A PNG file.
        per_origin: Thumbnails in a row, 1 to 32.
        step: Called with 1 after each thumbnail.

    Returns:
        The files written, and lines on what could not be shown.

    Raises:
        UsageError: The file is no .png or an image of the set, or a number is out of range.
        DataError: The set is empty, or a page cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() != ".png":
        raise UsageError(str(path), "a contact sheet is a PNG file", "end its name in .png")
    if not 1 <= per_origin <= MOST_PER_ORIGIN:
        raise UsageError("per-origin", f"{per_origin} is not from 1 to {MOST_PER_ORIGIN}")
    chosen: dict[tuple[int, str], _Row] = {}
    sheets = [_sheet(target, number) for number in range(1, PAGES + 1)]
    standing = {sheet.name: sheet for sheet in sheets if sheet.exists()}
    for item in source:
        for sample in samples_of(item):
            here = standing.get(sample.image.file_name)
            if here is not None and isinstance(sample.image, File) and here.samefile(sample.image.path):
                raise UsageError(str(here), "is an image of the set", "name another file")
            chosen.setdefault((sample.label, sample.origin), _Row()).add(sample.key, sample.image, per_origin)
    if not chosen:
        raise DataError(str(source.root), "no image was found", "; ".join(source.census.describe_skipped()))
    rows = sorted(chosen.items(), key=lambda row: row[0])
    notes = [f"contact sheet: {len(rows) - ROWS * PAGES} origins left out"] if len(rows) > ROWS * PAGES else []
    shown = rows[: ROWS * PAGES]
    length = -(-len(shown) // -(-len(shown) // ROWS))  # pages of about one length
    pages = [shown[start : start + length] for start in range(0, len(shown), length)]
    files, broken = [], 0
    for number, page in enumerate(pages, 1):
        title = f"{source.root.resolve().name}" + (f", page {number} of {len(pages)}" if len(pages) > 1 else "")
        drawn = _Page(_printable(title), len(page), per_origin)
        for place, ((label, origin), row) in enumerate(page):
            known = source.origins.get(label, origin)
            facts = [CLASS_NAMES[source.task][label], known.kind or known.family, f"{row.count:,} images"]
            drawn.label(place, label, origin, [_printable(fact) for fact in facts if fact])
            for column, image in enumerate(row.images):
                broken += not drawn.tile(place, column, image)
                step(1)
        file = _sheet(target, number)
        write_whole(file, drawn.png())
        files.append(file)
    if broken:
        notes.append(f"contact sheet: {broken} of the chosen images cannot be read")
    return files, notes


def _sheet(target: Path, number: int) -> Path:
    return target if number == 1 else target.with_name(f"{target.stem}-{number}{target.suffix}")


class _Page:
    def __init__(self, title: str, rows: int, columns: int) -> None:
        from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415 - only where a sheet is drawn

        width = 2 * MARGIN + LABEL + columns * (TILE + GAP) - GAP
        self.top = MARGIN + 34
        self.image: Image.Image = Image.new("RGB", (width, self.top + rows * (TILE + GAP) - GAP + MARGIN), _PAPER)
        self.draw: ImageDraw.ImageDraw = ImageDraw.Draw(self.image)
        self.large, self.bold, self.small = (ImageFont.load_default(size) for size in (18, 15, 12))
        self.draw.text((MARGIN, MARGIN - 4), _fitting(title, self.large, width - 2 * MARGIN), _INK, self.large)

    def label(self, row: int, label: int, name: str, facts: list[str]) -> None:
        y = self.top + row * (TILE + GAP)
        self.draw.rectangle((MARGIN, y, MARGIN + 5, y + TILE - 1), _CLASS_COLOURS[label])
        x, room = MARGIN + 14, LABEL - 24
        self.draw.text((x, y + 4), _fitting(_printable(name), self.bold, room), _INK, self.bold)
        for line, fact in enumerate(facts):
            colour = _CLASS_COLOURS[label] if line == 0 else _FAINT
            self.draw.text((x, y + 28 + 18 * line), _fitting(fact, self.small, room), colour, self.small)

    def tile(self, row: int, column: int, image: Location) -> bool:
        """Draws a thumbnail, never enlarged; False where a cross stands for it."""
        x, y = MARGIN + LABEL + column * (TILE + GAP), self.top + row * (TILE + GAP)
        self.draw.rectangle((x, y, x + TILE - 1, y + TILE - 1), _TILE)
        small = _thumbnail(image)
        if small is None:
            self.draw.rectangle((x, y, x + TILE - 1, y + TILE - 1), (190, 190, 190))
            for ends in (
                (x + 24, y + 24, x + TILE - 25, y + TILE - 25),
                (x + TILE - 25, y + 24, x + 24, y + TILE - 25),
            ):
                self.draw.line(ends, (110, 110, 110), 4)
            return False
        self.image.paste(small, (x + (TILE - small.width) // 2, y + (TILE - small.height) // 2))
        return True

    def png(self) -> bytes:
        buffer = io.BytesIO()
        self.image.save(buffer, "PNG", optimize=False, compress_level=6)
        return buffer.getvalue()


def _thumbnail(location: Location) -> Image.Image | None:
    from PIL import Image  # noqa: PLC0415 - as above

    try:
        picture = Image.fromarray(read(read_bytes(location), name=location.address).pixels)
    except ContrafakeError:
        return None
    # Reducing by whole numbers first keeps the cost of a 200 megapixel scan bounded.
    picture.thumbnail((TILE, TILE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return picture


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)


def _fitting(text: str, font: FreeTypeFont | PlainFont, room: int) -> str:
    """The text, its middle cut out where it is too long: names of generators differ at both ends."""
    if font.getlength(text) <= room:
        return text
    kept = len(text) - 1
    while kept > 2 and font.getlength(_cut(text, kept)) > room:
        kept -= 1
    return _cut(text, kept)


def _cut(text: str, kept: int) -> str:
    return f"{text[: (kept + 1) // 2]}...{text[len(text) - kept // 2 :]}"
