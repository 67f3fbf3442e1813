"""A progress bar on standard error, where somebody watches."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORTH_SHOWING = 10


def watched(*, writes_to_terminal: bool) -> bool:
    """Whether a bar would be seen, and would not run into what goes to standard output meanwhile.

    Args:
        writes_to_terminal: The command prints to standard output while it works.
    """
    return sys.stderr.isatty() and not (writes_to_terminal and sys.stdout.isatty())


@contextmanager
def progress_bar(total: int | None) -> Iterator[Callable[[], None]]:
    """A bar that is gone when the work is done.

    Args:
        total: Number of steps; no bar for None or for a few.

    Yields:
        A function to call after each step.
    """
    if total is None or total < WORTH_SHOWING:
        yield lambda: None
        return
    from rich.console import Console  # noqa: PLC0415 - only where a bar is drawn
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = TextColumn("judging"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)


@contextmanager
def work_bar(doing: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar for long work, drawn only where standard error is a terminal; it counts where the total is unknown.

    Args:
        doing: What is being done, in one word.
        total: Number of steps, None for unknown.

    Yields:
        A function to call with the number of steps done since the last call.
    """
    with phase_bar() as advance:
        advance(doing, 0, total)
        yield lambda steps: advance(doing, steps, total)


@contextmanager
def phase_bar() -> Iterator[Callable[[str, int, int | None], None]]:
    """A bar for work of several phases, drawn only where standard error is a terminal.

    Yields:
        A function to call with what is being done, the number of steps done of it since the last call, and the number
        of all its steps, None for unknown.
    """
    if not sys.stderr.isatty():
        yield lambda _doing, _steps, _total: None
        return
    from rich.console import Console  # noqa: PLC0415 - as above
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    words = TextColumn("{task.description}", markup=False)
    columns = words, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bar:
        task, current = bar.add_task("", total=None), ""

        def advance(doing: str, steps: int, total: int | None) -> None:
            nonlocal current
            if doing != current:
                bar.reset(task, description=doing, total=total)
                current = doing
            bar.advance(task, steps)

        yield advance
