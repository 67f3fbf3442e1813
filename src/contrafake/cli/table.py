"""Verdicts as a table, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from contrafake.cli.escape import as_text, for_terminal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import ConsoleOptions, RenderResult

    from contrafake.detect.verdict import Attribution, Verdict

_STYLES = {"real": "green", "generated": "bold red", "uncertain": "yellow", "error": "magenta"}
_SHORTEST_NAME = 16
_UNBOUNDED = 1_000_000


def print_table(verdicts: Sequence[Verdict], below: Sequence[str], file: TextIO | None = None) -> None:
    """Print one row a verdict, and lines of text below.

    A terminal gets colours; where it is too narrow, remarks move below the names, and names lose their middle. Anything
    else gets one whole line a row.

    Args:
        verdicts: What to show, errors included.
        below: Lines to print after the table; may hold outside text.
        file: Where to print; standard output by default.
    """
    console = Console(file=file, highlight=False, emoji=False, markup=False)
    shared = _shared_notes(verdicts)
    below = ["", *below, *(f"All images: {note}." for note in shared)]
    wide, narrow = _tables(verdicts, shared)
    if console.is_terminal:
        console.print(wide if _width(wide, console) <= console.width else narrow)
        for line in below:
            console.print(for_terminal(line))
        return
    console.width = _UNBOUNDED
    with console.capture() as capture:
        console.print(wide)
    for line in [*capture.get().splitlines(), *map(for_terminal, below)]:
        print(line.rstrip(), file=console.file)


def count_line(counts: Mapping[str, int]) -> str:
    """The counts of verdicts by label in words.

    Args:
        counts: Number of verdicts by label.
    """
    total = sum(counts.values())
    words = {"generated": "generated", "uncertain": "uncertain", "real": "real", "error": "failed"}
    parts = [f"{counts[label]} {word}" for label, word in words.items() if counts.get(label)]
    return f"{total} {'image' if total == 1 else 'images'}" + (f": {', '.join(parts)}" if parts else "")


def model_line(verdicts: Sequence[Verdict], prior: float) -> str:
    """What the verdicts rest on: the operating point, the model and the prior in words.

    Args:
        verdicts: At least one.
        prior: Share of generated images assumed.
    """
    point = next((verdict.operating_point for verdict in verdicts if verdict.operating_point), None)
    model = verdicts[0].model
    # Without real images behind it, a threshold says nothing about false alarms.
    known = point.describe() if point and point.real_images else "false alarms unknown"
    rule = f"Operating point: {point.name}, {known}. " if point else ""
    return f"{rule}Model {model.name} {model.version}, prior {prior:g}."


def probability_in_words(probability: float | None) -> str:
    """Two digits, and never a certainty that nobody has: "0.93", ">0.99", "<0.01"; "-" for none.

    Args:
        probability: Probability of being generated.
    """
    if probability is None:
        return "-"
    if probability >= 0.995:
        return ">0.99"
    return "<0.01" if probability < 0.005 else f"{probability:.2f}"


def looks_like(attribution: Attribution) -> str:
    """The origin with the share of votes for it, "sd (0.62)"; "unknown generator"; or "cannot be told".

    Args:
        attribution: Its origins; may hold outside text, which is not escaped here.
    """
    if attribution.origin is None:
        return "cannot be told"
    share = f" ({attribution.nearest[0].share:.2f})" if attribution.known and attribution.nearest else ""
    return f"{attribution.origin}{share}"


def shorten(text: str, width: int) -> str:
    """Cut the middle out of a text that is too wide; the start and, longer, the end (the file's own name) stay.

    Args:
        text: Printable text.
        width: Terminal cells to fit into, at least 3.
    """
    if cell_len(text) <= width:
        return text
    head = _fitting(text, (width - 1) // 3)
    return head + "…" + _fitting(reversed(text), width - 1 - cell_len(head))[::-1]


def _fitting(characters: Iterable[str], width: int) -> str:
    kept: list[str] = []
    for character in characters:
        width -= cell_len(character)
        if width < 0:
            break
        kept.append(character)
    return "".join(kept)


class _Name:
    """A file name that gives way to the width it is granted."""

    def __init__(self, name: str) -> None:
        self.name = for_terminal(name)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(shorten(self.name, options.max_width), no_wrap=True, overflow="crop")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        width = cell_len(self.name)
        return Measurement(min(width, _SHORTEST_NAME), width)


def _shared_notes(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """What is noted on every judged image is said once, below the table."""
    judged = [verdict.notes for verdict in verdicts if verdict.error is None]
    return tuple(note for note in judged[0] if all(note in notes for notes in judged)) if len(judged) > 1 else ()


def _tables(verdicts: Sequence[Verdict], shared: Sequence[str]) -> tuple[Table, Table]:
    """The same rows twice: with a column for everything, and narrow, with remarks below the name."""
    origins = [looks_like(verdict.attribution) if verdict.attribution else "" for verdict in verdicts]
    remarks = [
        "; ".join([*filter(None, [verdict.error]), *(note for note in verdict.notes if note not in shared)])
        for verdict in verdicts
    ]
    wide, narrow = (Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold") for _ in range(2))
    for table in (wide, narrow):
        table.add_column("Image")
        table.add_column("Verdict", no_wrap=True)
        table.add_column("P(generated)", justify="right", no_wrap=True)
    extra = [(title, texts) for title, texts in (("Looks like", origins), ("Notes", remarks)) if any(texts)]
    for title, _ in extra:
        wide.add_column(title, overflow="fold")
    for at, verdict in enumerate(verdicts):
        name = _Name(verdict.name)
        decision = Text(verdict.label, style=_STYLES[verdict.label])
        share = Text(("~" if verdict.calibrated is False else "") + probability_in_words(verdict.probability))
        wide.add_row(name, decision, share, *(as_text(texts[at]) for _, texts in extra))
        below = [text for text in (_below_the_name(verdict.attribution), remarks[at]) if text]
        narrow.add_row(Group(name, *(Padding(as_text(text, "dim"), (0, 0, 0, 2)) for text in below)), decision, share)
    return wide, narrow


def _below_the_name(attribution: Attribution | None) -> str:
    if attribution is None:
        return ""
    if attribution.origin is None:
        return "generator cannot be told"
    return ("looks like " if attribution.known else "") + looks_like(attribution)


def _width(table: Table, console: Console) -> int:
    return Measurement.get(console, console.options.update(width=_UNBOUNDED), table).maximum
