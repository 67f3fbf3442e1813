"""What `contrafake evaluate` leaves on disk."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from contrafake.cli.escape import for_terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeAlias

    from contrafake.data.sources import Source
    from contrafake.evaluate.api import Evaluated
    from contrafake.evaluate.evaluation import Evaluation

    Advance: TypeAlias = Callable[[str, int, int | None], None]


def write_folder(found: Evaluated, out: Path, advance: Advance, *, report: bool, pictures: bool) -> None:
    """Writes the scores, and what follows from them; names the files on standard error.

    Args:
        found: The evaluation and what follows from it.
        out: The folder.
        advance: Told what is being done.
        report: Whether to write the report.
        pictures: Whether the report gets thumbnails.
    """
    from contrafake.evaluate.results import remove_former, write_results  # noqa: PLC0415

    advance("writing", 0, None)
    remove_former(out)
    found.evaluation.write(out)
    small = None
    if report:
        from contrafake.evaluate.positions import project, write_positions  # noqa: PLC0415

        if found.vectors is not None:
            advance("placing embeddings", 0, None)
            write_positions(out, found.evaluation.images.key, project(found.vectors))
        if pictures and found.source is not None:
            advance("making thumbnails", 0, None)
            small = take_thumbnails(found.evaluation, found.source)
        advance("drawing", 0, None)
    for path in write_results(out, found, report=report, thumbnails=small):
        print(f"contrafake: wrote {for_terminal(str(path))}", file=sys.stderr)


def take_thumbnails(evaluation: Evaluation, source: Source) -> dict[str, bytes]:
    """Small copies of the images that a report shows, by key; JPEG bytes.

    Args:
        evaluation: What the report is about.
        source: Its data.
    """
    from contrafake.data.audit.thumbnails import thumbnails  # noqa: PLC0415
    from contrafake.evaluate.report.mistakes import mistaken_keys  # noqa: PLC0415

    return thumbnails(source, mistaken_keys(evaluation))
