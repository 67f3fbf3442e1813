"""Figures of an evaluation as cells of a table, and tables that stay whole on a narrow terminal."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, TextIO, TypeAlias

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as Sheet
from rich.text import Text

from contrafake.cli.escape import as_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from contrafake.evaluate.figures import Estimate, Row

NONE = "-"
_UNBOUNDED = 1_000_000
_Row: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]


@contextmanager
def whole_lines(file: TextIO | None = None) -> Iterator[Console]:
    """A console for a page of tables: a terminal wraps its lines, anything else gets one whole line for each thing.

    Args:
        file: Where to print; standard output by default.

    Yields:
        The console.
    """
    console = Console(file=file, highlight=False, emoji=False, markup=False)
    if console.is_terminal:
        yield console
        return
    console.width = _UNBOUNDED
    with console.capture() as capture:
        yield console
    for line in capture.get().splitlines():
        print(line.rstrip(), file=console.file)


def figure(found: Estimate | float | None, *, interval: bool = False) -> str:
    """A figure with three digits, "0.912 (0.881 to 0.940)"; "-" for none.

    Args:
        found: The figure.
        interval: Whether its interval is shown, where there is one.
    """
    if found is None:
        return NONE
    if isinstance(found, (int, float)):
        return f"{found:.3f}"
    bounds = f" ({found.low:.3f} to {found.high:.3f})" if found.low is not None and found.high is not None else ""
    return f"{found.value:.3f}" + (bounds if interval else "")


def share(found: Estimate | float | None, *, interval: bool = False) -> str:
    """A share in per cent, "91.2 %" or "91.2 % (88.1 to 94.0)"; "-" for none.

    Args:
        found: The share, 0 to 1.
        interval: Whether its interval is shown, where there is one.
    """
    if found is None:
        return NONE
    if isinstance(found, (int, float)):
        return f"{100 * found:.1f} %"
    bounds = (
        f" ({100 * found.low:.1f} to {100 * found.high:.1f})"
        if found.low is not None and found.high is not None
        else ""
    )
    return f"{100 * found.value:.1f} %" + (bounds if interval else "")


def signed(found: Estimate, *, percent: bool = False) -> str:
    """A difference with its sign and interval, "+0.031 (+0.011 to +0.050)".

    Args:
        found: The difference.
        percent: Whether it is one of shares, shown in percentage points.
    """
    factor, digits, unit = (100, 1, " points") if percent else (1, 3, "")
    text = f"{factor * found.value:+.{digits}f}{unit}"
    if found.low is None or found.high is None:
        return text
    return f"{text} ({factor * found.low:+.{digits}f} to {factor * found.high:+.{digits}f})"


def both(row: Row, first: str, second: str) -> str:
    """Two shares of a row beside each other, "1.2 % / 3.4 %"; "-" where it has neither."""
    shares = [share(row.metrics.get(name)) for name in (first, second)]
    return NONE if set(shares) == {NONE} else " / ".join(shares)


def count(number: int, thing: str) -> str:
    """A number with its noun: "1 image", "2 images"."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


class Table:
    """Rows with labels and cells, printed whole or, where that is too wide for a terminal, in pieces."""

    def __init__(self, labels: tuple[str, str], columns: Sequence[str], *, words: Sequence[int] = ()) -> None:
        """Makes it, without a row.

        Args:
            labels: Titles of the two columns that say what a row is.
            columns: Titles of the others. Titles may hold outside text, too.
            words: Places of those that hold words, and are set flush left.
        """
        self.labels, self.columns, self.words = labels, columns, words
        self.rows: list[tuple[tuple[str, ...], tuple[str, ...]]] = []

    def add(self, labels: tuple[str, str], cells: tuple[str, ...]) -> None:
        """Adds a row; all may hold outside text."""
        self.rows.append((labels, cells))

    def print(self, console: Console, *, keep: bool = False) -> None:
        """Prints the table.

        A first label that all rows share is left out, as is a column in which no row has anything. Where the table is
        too wide, the first label becomes a line above the rows that share it, and columns that do not fit follow below.

        Args:
            console: Where to print.
            keep: Keeps the first label.
        """
        there = [at for at in range(len(self.columns)) if any(cells[at] != NONE for _, cells in self.rows)]
        names = list(dict.fromkeys(labels[0] for labels, _ in self.rows))
        first = 0 if keep or len(names) > 1 else 1
        whole = self._table(console, self.rows, there, first)
        if _width(whole, console) <= console.width:
            console.print(whole)
            return
        for number, name in enumerate(names):
            if number:
                console.print()
            if not first:
                console.print(as_text(name, "italic"))
            self._print_pieces(console, [row for row in self.rows if row[0][0] == name], there)

    def _print_pieces(self, console: Console, rows: Sequence[_Row], there: Sequence[int]) -> None:
        piece: list[int] = []
        for at in there:
            if piece and _width(self._table(console, rows, [*piece, at], 1), console) > console.width:
                console.print(self._table(console, rows, piece, 1))
                console.print()
                piece = []
            piece.append(at)
        console.print(self._table(console, rows, piece, 1))

    def _table(self, console: Console, rows: Sequence[_Row], shown: Sequence[int], first: int) -> Sheet:
        """The rows with some of the columns, from the first or the second label on."""
        sheet = Sheet(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
        for title in self.labels[first:]:
            sheet.add_column(as_text(title), overflow="fold")
        for at in shown:
            justify: Literal["left", "right"] = "left" if at in self.words else "right"
            sheet.add_column(as_text(self.columns[at]), justify=justify, no_wrap=True, overflow="crop")
        before = ""
        for labels, cells in rows:
            # A pipe's reader may look at one line only.
            again = console.is_terminal and not first and labels[0] == before
            before = labels[0]
            named = [Text("") if again and not at else as_text(label) for at, label in enumerate(labels)]
            sheet.add_row(*named[first:], *(as_text(cells[at]) for at in shown))
        return sheet


def _width(sheet: Sheet, console: Console) -> int:
    return Measurement.get(console, console.options.update(width=_UNBOUNDED), sheet).maximum
