"""What an audit found, on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from contrafake.cli.escape import as_text
from contrafake.data.audit.charts import above_chance
from contrafake.data.audit.page import needed, pair_in_words
from contrafake.data.audit.shown import auc_in_words, strength

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contrafake.data.audit.result import AuditReport, FeatureResult, JointResult

STYLES = {"strong": "bold red", "clear": "red", "some": "yellow", "little": "green", "unknown": "dim"}
LINES_SHOWN = 5
WIDE = 100
_UNBOUNDED = 1_000_000
_BAR = 10
_EIGHTHS = " ▏▎▍▌▋▊▉"
_LESSON = (
    "Without the content: what a detector can learn from files and their history. contrafake data match lowers it. "
    "Content only: what colours and layout of the pictures give away. Only other pictures lower that."
)


def print_audit(report: AuditReport, top: int, file: TextIO | None = None) -> None:
    """Prints a report for people: the verdict, single features, both joint models, duplicates, counts, notes.

    A terminal gets colours and bars and wraps its lines; anything else gets one whole line for each thing.

    Args:
        report: What the audit found; all of its texts are taken as coming from outside.
        top: How many single features to show.
        file: Where to print; standard output by default.
    """
    console = Console(file=file, highlight=False, emoji=False, markup=False)
    if console.is_terminal:
        _render(console, report, top)
        return
    console.width = _UNBOUNDED
    with console.capture() as capture:
        _render(console, report, top)
    for line in capture.get().splitlines():
        print(line.rstrip(), file=console.file)


def _render(console: Console, report: AuditReport, top: int) -> None:
    console.print(as_text(report.verdict, "bold"))
    features = [feature for feature in report.features if feature.room != "content"]
    if features:
        console.print()
        console.print(_features(console, features[:top]))
    if hidden := features[top:]:
        console.print(Text(f"{_count(len(hidden), 'more feature')}, the highest {_auc(hidden[0].auc)}; --top", "dim"))
    console.print()
    console.print(_joints((report.without_content, report.content_only), wide=console.width >= WIDE))
    for line in _leaders(report):
        console.print(line)
    console.print(Text(_LESSON, "dim"))
    console.print()
    console.print(_counts(report))
    console.print()
    _duplicates(console, report)
    unreadable = [f"{key}: {cause}" for key, cause in report.unreadable]
    _list(console, f"Unreadable: {_count(report.unreadable_count, 'image')}", unreadable, report.unreadable_count)
    _list(console, "Skipped by the listing", report.skipped, len(report.skipped))
    _list(console, "Notes", report.notes, len(report.notes), shown=len(report.notes))


def _features(console: Console, features: Sequence[FeatureResult]) -> Table:
    bars, wide = console.is_terminal, console.width >= WIDE
    table = _table()
    table.add_column("Feature", max_width=30 if wide else 18, overflow="fold")
    if bars:
        table.add_column("", no_wrap=True, width=_BAR if wide else _BAR // 2)
    for title in ("AUC by source", "by image") if wide else ("AUC", "image"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("What it says", overflow="fold", ratio=1 if bars else None)
    for feature in features:
        style = STYLES[strength(feature.auc)]
        ascii_only = not console.encoding.lower().startswith("utf")
        bar = [Text(_bar(feature.auc, _BAR if wide else _BAR // 2, ascii_only=ascii_only), style)] if bars else []
        table.add_row(
            as_text(feature.title),
            *bar,
            Text(_auc(feature.auc), style),
            Text(_auc(feature.auc_same_sources), "dim"),
            as_text(feature.sentence),
        )
    return table


def _joints(results: Sequence[JointResult], *, wide: bool) -> Table:
    table = _table()
    table.add_column("All together", overflow="fold")
    table.add_column("AUC", justify="right", no_wrap=True)
    table.add_column("95 % interval" if wide else "95 %", no_wrap=True)
    table.add_column("by image" if wide else "image", justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for result in results:
        auc = result.auc
        known = strength(auc.low) != "unknown" and strength(auc.high) != "unknown"
        table.add_row(
            as_text(result.name),
            Text(_auc(auc.value), STYLES[strength(auc.value)]),
            f"{_auc(auc.low)} to {_auc(auc.high)}" if known else _auc(float("nan")),
            Text(_auc(result.auc_same_sources), "dim"),
            Text(f"{_count(len(result.features), 'feature')}, {result.folds} folds by {result.grouped_by}", "dim"),
        )
    return table


def _leaders(report: AuditReport) -> list[Text]:
    titles = {feature.name: feature.title for feature in report.features}
    leaders = [titles.get(name, name) for name, _ in needed(report.without_content.leaders)]
    return [as_text(f"The first leans on {', '.join(leaders)}.")] if leaders else []


def _counts(report: AuditReport) -> Table:
    table = _table()
    table.add_column("Images", overflow="fold")
    for title in ("real", "generated"):
        table.add_column(title, justify="right", no_wrap=True)
    named = [(split or "all", counts) for split, counts in report.images.items()]
    for name, counts in [*named, ("sources", report.sources)]:
        style = "dim" if name == "sources" else ""
        cells = (f"{counts.get(title, 0):,}" for title in ("real", "generated"))
        table.add_row(as_text(name, style), *(Text(cell, style) for cell in cells))
    return table


def _duplicates(console: Console, report: AuditReport) -> None:
    found = report.duplicates
    if not found.exact + found.near:
        console.print("Duplicates: none")
        return
    line = Text(f"Duplicates: {found.exact:,} exact, {found.near:,} near; ")
    line.append(f"{found.across_labels:,} under two labels", "bold red" if found.across_labels else "")
    line.append(", ")
    line.append(f"{found.across_splits:,} in two splits", "bold red" if found.across_splits else "")
    if found.siblings:
        line.append(f", {found.siblings:,} among siblings")
    console.print(line)
    pairs = [
        f"{pair.first} and {pair.second}: {pair.kind}, {pair_in_words(pair)}" for pair in found.examples[:LINES_SHOWN]
    ]
    _lines(console, pairs, found.exact + found.near)


def _list(console: Console, title: str, lines: Sequence[str], count: int, shown: int = LINES_SHOWN) -> None:
    if count:
        console.print()
        console.print(title)
        _lines(console, lines[:shown], count)


def _lines(console: Console, lines: Sequence[str], count: int) -> None:
    for line in lines:
        console.print(Padding(as_text(line, "dim"), (0, 0, 0, 2), expand=False))
    if count > len(lines):
        console.print(Text(f"  and {count - len(lines):,} more", "dim"))


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")


def _bar(auc: float, width: int, *, ascii_only: bool) -> str:
    """An AUC from 0.5 to 1 as a bar of at most `width` cells."""
    cells = above_chance(auc) / 100 * width
    if ascii_only:
        return "#" * round(cells)
    whole, eighths = divmod(round(8 * cells), 8)
    return "█" * whole + _EIGHTHS[eighths].strip()


def _auc(auc: float) -> str:
    return auc_in_words(auc)


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
