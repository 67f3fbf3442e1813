"""Pictures of a report in a third of their bytes: drawings have few colours, and a page carries many of them."""

from __future__ import annotations

import io

from PIL import Image

from contrafake.data.html_page import Figure

COLOURS = 128
"""More than the drawings' own colours with the steps of their smoothed edges."""


def compact_figure(name: str, caption: str, drawing: bytes, *, broad: bool = False) -> Figure:
    """A picture of the report with a palette.

    Args:
        name: Its file under `figures/`.
        caption: What it shows.
        drawing: PNG bytes in full colour, without transparency that matters.
        broad: Whether it has a row of the page to itself.
    """
    with Image.open(io.BytesIO(drawing)) as opened:
        found = opened.convert("RGB").quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    found.save(buffer, "PNG", optimize=True)
    return Figure(name, caption, buffer.getvalue(), broad)
