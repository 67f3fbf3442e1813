"""What an evaluation found, on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from rich.padding import Padding
from rich.table import Table as Sheet
from rich.text import Text

from contrafake.cli.escape import as_text
from contrafake.cli.evaluate_cells import Table, both, count, figure, share, whole_lines
from contrafake.cli.evaluate_details import (
    print_comparisons,
    print_drops,
    print_groups,
    print_list,
    print_rules,
    print_spreads,
    print_stability,
)
from contrafake.cli.evaluate_protocols import print_generators, print_paper
from contrafake.evaluate.figures import PARTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from contrafake.evaluate.api import Evaluated
    from contrafake.evaluate.evaluation import DetectorFacts, Evaluation
    from contrafake.evaluate.figures import Figures, Part, Row

SHOWN = 5
MOST_VARIANTS = 4
"""With more variants than this, the tables show the first two, and the rest stands in the table of drops."""

PARTS_SHOWN: tuple[Part, ...] = ("unseen", "seen", "unknown", "apart")
"""What training never saw comes first."""

_COLUMNS = (
    "Images", "AUC (95 %)", "AP", "Found at 1 %", "at 5 %", "EER", "Right: real", "generated", "balanced (95 %)",
    "best*", "Uncertain", "Cllr",
)  # fmt: skip
_LEGEND = (
    "Images: real + generated. Found at 1 %: share of the generated images above the score that 1 % of the real ones "
    "exceed. Right: by the default threshold alone, so that uncertain (real / generated) flatters nobody. "
    "* The best threshold there is, chosen with the labels in hand: nobody gets it in use."
)


def print_evaluation(found: Evaluated, file: TextIO | None = None) -> None:
    """Prints an evaluation for people: each part of the images apart, then what is behind the figures.

    A terminal gets colours, and tables in pieces where it is too narrow; anything else gets one whole line a row.

    Args:
        found: What was measured, and what follows from it; all texts are taken as coming from outside.
        file: Where to print; standard output by default.
    """
    with whole_lines(file) as console:
        _render(console, found)


def print_variants(described: Sequence[tuple[str, str]]) -> None:
    """Prints what variants and suites there are.

    Args:
        described: Names, and what each does.
    """
    table = Sheet(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, words in described:
        table.add_row(as_text(name, "bold"), as_text(words))
    with whole_lines() as console:
        console.print(table)


def _render(console: Console, found: Evaluated) -> None:
    evaluation, figures = found.evaluation, found.figures
    _print_header(console, evaluation, figures)
    variants = [variant.name for variant in evaluation.variants]
    shown = variants if len(variants) <= MOST_VARIANTS else variants[:2]
    rows = [row for row in figures.rows if row.variant in shown]
    parts = [part for part in PARTS_SHOWN if any(row.part == part and row.level == "overall" for row in rows)]
    for part in parts:
        own = [row for row in rows if row.part == part]
        _print_part(console, own, part)
        print_comparisons(console, [one for one in figures.comparisons if one.part == part and one.variant in shown])
        print_rules(console, [row for row in own if row.level == "overall" and row.variant == variants[0]])
        print_spreads(console, [one for one in figures.spreads if one.part == part and one.variant == variants[0]])
        print_groups(console, [row for row in own if row.variant == variants[0]])
        if len(variants) > 2:
            print_drops(console, [drop for drop in found.drops if drop.part == part])
    if parts:
        console.print()
        console.print(Text(_LEGEND, "dim"))
    print_stability(console, found.stability)
    if found.paper is not None:
        print_paper(console, found.paper)
    if found.generators is not None:
        print_generators(console, found.generators)
    _print_cost(console, evaluation.detectors)
    _print_failures(console, evaluation)


def _print_header(console: Console, evaluation: Evaluation, figures: Figures) -> None:
    images = evaluation.images
    for label, word in enumerate(("real", "generated")):
        of_class = images.take(images.label == label)
        sources, origins = len(set(of_class.source)), len(set(of_class.origin))
        line = Text(f"{word:9}  ", "bold")
        line.append(f"{count(len(of_class), 'image')}, {count(sources, 'source')}, {count(origins, 'origin')}", "")
        console.print(line)
    for detector in evaluation.detectors:
        line = Text("detector   ", "bold")
        line.append_text(as_text(_described(detector), ""))
        console.print(line)
    if len(evaluation.variants) > 1:
        line = Text("variants   ", "bold")
        names = [variant.name for variant in evaluation.variants]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        line.append_text(as_text(", ".join(names[:SHOWN]) + more, ""))
        console.print(line)
    if figures.repeats:
        line = Text("intervals  ", "bold")
        line.append(f"95 %, {count(figures.repeats, 'resample')} of sources and their images, seed {figures.seed}", "")
        console.print(line)


def _described(detector: DetectorFacts) -> str:
    words = {"bundle": "", "scorer": "own detector", "file": "scores from a file"}[detector.kind]
    facts = [
        words,
        f"version {detector.version}" if detector.version else "",
        f"hash {detector.hash[:12]}" if detector.hash else "",
        f"head {detector.head}" if detector.head and not detector.name.endswith(f"/{detector.head}") else "",
        count(detector.crops, "crop") if detector.crops else "",
        f"decides by {detector.points[0].name}" if detector.points else "without a decision rule",
    ]
    return f"{detector.name}: {', '.join(filter(None, facts))}"


def _print_part(console: Console, rows: Sequence[Row], part: Part) -> None:
    console.print()
    overall = [row for row in rows if row.level == "overall"]
    first = overall[0]
    title = Text(f"{part.capitalize()}: {PARTS[part]}", "bold")
    borrowed = ", borrowed from the other parts" if first.borrowed else ""
    counted = [
        f"{count(images, f'{word} image')} of {count(sources, 'source')}{also}"
        for images, word, sources, also in (
            (first.generated, "generated", first.sources_generated, ""),
            (first.real, "real", first.sources_real, borrowed),
        )
        if images
    ]
    title.append(f"  {', '.join(counted) or 'nothing has a score'}", "dim")
    console.print(title)
    console.print()
    table = Table(("Detector", "Variant"), _COLUMNS)
    for row in overall:
        table.add((row.detector, row.variant), _cells(row))
    table.print(console)
    for note in dict.fromkeys(note for row in overall for note in row.notes):
        console.print(Padding(as_text(note, "dim"), (0, 0, 0, 2), expand=False))


def _cells(row: Row) -> tuple[str, ...]:
    metrics = row.metrics
    return (
        f"{row.real:,} + {row.generated:,}",
        figure(metrics.get("auc"), interval=True),
        figure(metrics.get("average_precision")),
        share(metrics.get("tpr_at_1")),
        share(metrics.get("tpr_at_5")),
        share(metrics.get("eer")),
        share(metrics.get("accuracy_real")),
        share(metrics.get("accuracy_generated")),
        share(metrics.get("balanced_accuracy"), interval=True),
        share(metrics.get("best_balanced_accuracy")),
        both(row, "uncertain_real", "uncertain_generated"),
        figure(metrics.get("cllr")),
    )


def _print_cost(console: Console, detectors: Sequence[DetectorFacts]) -> None:
    lines = [f"{one.name}: {one.seconds:,.0f} s" for one in detectors if one.seconds is not None]
    print_list(console, "Processor seconds for 1,000 images", lines, len(lines))


def _print_failures(console: Console, evaluation: Evaluation) -> None:
    failures = evaluation.failures
    lines = [
        f"{one.key}, {one.variant}{f', {one.detector}' if one.detector else ''}: {one.cause}"
        for one in failures[:SHOWN]
    ]
    images = count(len({one.key for one in failures}), "image")
    print_list(console, f"Without a score: {images}, {count(len(failures), 'failure')}", lines, len(failures))
