"""How a training of the own model is watched: lines or a bar on standard error, sheets of samples as PNG files."""

from __future__ import annotations

import io
import sys
import time
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.data.whole_file import write_whole
from contrafake.errors import ContrafakeError
from contrafake.generate.tiny.photographs import middle, prepared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from contrafake.generate.tiny.config import TinyConfig
    from contrafake.generate.tiny.photographs import Chosen

LOG_SECONDS = 30.0
SHOWN = 10
COLUMNS = 6
STRENGTHS = (0.3, 0.5, 0.7)


class Watching:
    """A bar on a terminal, a line every half minute elsewhere; `quiet` says nothing at all."""

    def __init__(self, *, quiet: bool = False) -> None:
        """Writes to standard error."""
        self._quiet = quiet
        self._bar = sys.stderr.isatty() and not quiet
        self._said = 0.0

    @contextmanager
    def phase(self, doing: str, total: int) -> Iterator[Callable[[int], None]]:
        """Yields a function to call with a number of things done."""
        if not self._bar:
            done = 0

            def count(steps: int) -> None:
                nonlocal done
                done += steps
                if doing != "training":
                    self._now_and_then(f"{doing}: {done} of {total}")

            yield count
            return
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bar:
            task = bar.add_task(doing, total=total)
            yield lambda steps: bar.advance(task, steps)

    def step(self, done: int, steps: int, loss: float, seconds: float) -> None:
        """Called after every step with its loss and the mean seconds of a step."""
        if not self._bar:
            left = (steps - done) * seconds / 60
            self._now_and_then(f"step {done}/{steps}  loss {loss:.4f}  {seconds:.2f} s/step  {left:.0f} min left")

    def left_out(self, causes: dict[str, str]) -> None:
        """Names photographs that cannot be used."""
        from contrafake.data.audit.shown import shown  # noqa: PLC0415

        for address, cause in islice(causes.items(), SHOWN):
            self.say(f"left out: {shown(address)}: {shown(cause)}")
        if len(causes) > SHOWN:
            self.say(f"left out: {len(causes) - SHOWN} more; the report names all")

    def say(self, line: str) -> None:
        """Says a line."""
        if not self._quiet:
            print(line, file=sys.stderr, flush=True)

    def sheet(self, pipeline: Any, config: TinyConfig, chosen: Chosen, path: Path) -> None:
        """Draws what the model makes by now: from nothing, and from photographs set apart, by growing strength."""
        write_whole(path, sample_sheet(pipeline, config, chosen))

    def _now_and_then(self, line: str) -> None:
        if time.monotonic() - self._said > LOG_SECONDS:
            self._said = time.monotonic()
            self.say(line)


def sample_sheet(pipeline: Any, config: TinyConfig, chosen: Chosen) -> bytes:
    """A PNG: a row of images from nothing, then photographs and what they become at each of `STRENGTHS`.

    Args:
        pipeline: The model.
        config: Its settings.
        chosen: Photographs; those set apart are shown, or the first of training where none are.
    """
    import torch  # noqa: PLC0415

    pipeline.set_progress_bar_config(disable=True)
    rows = [_made(pipeline, config, None, 1.0)]
    size = config.image_size
    photographs: list[NDArray[np.uint8]] = []
    for location in chosen.held_out or chosen.training:
        if len(photographs) == COLUMNS:
            break
        try:
            photographs.append(middle(prepared(location, config), size, size))
        except ContrafakeError:
            continue
    if photographs:
        rows += [photographs]
        with torch.no_grad():
            rows += [_made(pipeline, config, np.stack(photographs), strength) for strength in STRENGTHS]
    return _grid(rows, size)


def _made(
    pipeline: Any, config: TinyConfig, images: NDArray[np.uint8] | None, strength: float
) -> list[NDArray[np.uint8]]:
    import torch  # noqa: PLC0415

    count = COLUMNS if images is None else len(images)
    generators = [torch.Generator().manual_seed(config.seed + number) for number in range(count)]
    place: dict[str, Any] = (
        {"height": config.image_size, "width": config.image_size} if images is None else {"image": images}
    )
    made = pipeline(
        batch_size=count,
        strength=strength,
        num_inference_steps=max(config.sampler_steps, 10),
        generator=generators,
        output_type="np",
        **place,
    ).images
    return list(np.round(made * 255).astype(np.uint8))


def _grid(rows: Sequence[Sequence[NDArray[np.uint8]]], size: int) -> bytes:
    from PIL import Image  # noqa: PLC0415

    gap = 4
    sheet = np.full((len(rows) * (size + gap) + gap, COLUMNS * (size + gap) + gap, 3), 255, np.uint8)
    for row, images in enumerate(rows):
        for column, image in enumerate(images):
            top, left = gap + row * (size + gap), gap + column * (size + gap)
            sheet[top : top + size, left : left + size] = image
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, "PNG")
    return buffer.getvalue()
