"""What is behind the overall figures of an evaluation, on the terminal: generators, rules, differences, drops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.text import Text

from contrafake.cli.escape import as_text
from contrafake.cli.evaluate_cells import NONE, Table, count, figure, share, signed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from contrafake.evaluate.figures import Comparison, Row, Spread
    from contrafake.evaluate.robustness import Drop, Stability

SHOWN = 12
"""Most rows of a kind that a report shows in full, the most telling first."""

_METRICS = {
    "auc": "AUC",
    "accuracy_generated": "right on generated",
    "balanced_accuracy": "balanced accuracy",
    "cllr": "Cllr",
}
_DETECTOR = "Detector"


def print_groups(console: Console, rows: Sequence[Row]) -> None:
    """Prints families, generators and sets of real images, each on its own; of the sets, those with most false alarms.

    Args:
        console: Where to print.
        rows: Rows of one part and variant.
    """
    columns = ("Images", "AUC (95 %)", "Right (95 %)", "Balanced", "Uncertain", "Cllr")
    table = Table((_DETECTOR, "Group"), columns)
    hidden: dict[str, int] = {}
    pooled: dict[str, None] = {}
    for detector in dict.fromkeys(row.detector for row in rows):
        of_it = [row for row in rows if row.detector == detector]
        # A family of one generator of its name would say the same twice, and so would all generators pooled.
        twice = {(row.name, row.generated) for row in of_it if row.level == "origin"}
        whole = max((row.generated for row in of_it if row.level == "overall"), default=0)
        for row in of_it:
            if row.level == "pooled" and row.generated < whole:
                pooled[row.name] = None
            elif row.level != "origin" and not (row.level == "family" and (row.name, row.generated) not in twice):
                continue
            table.add((detector, _group_name(row)), _group(row))
        sets = sorted((row for row in of_it if row.level == "real"), key=lambda row: (-_alarms(row), -row.real))
        for row in sets[:SHOWN]:
            table.add((detector, _group_name(row)), _group(row))
        hidden[detector] = max(0, len(sets) - SHOWN)
    if not table.rows:
        return
    console.print()
    table.print(console)
    _lines(console, [f"the smaller generators: {name}" for name in pooled])
    if most := max(hidden.values(), default=0):
        _lines(console, [f"{count(most, 'set')} of real images with fewer false alarms: in the report"])


def _alarms(row: Row) -> float:
    found = row.metrics.get("accuracy_real")
    return 0.0 if found is None else row.real * (1 - found.value)


def _group_name(row: Row) -> str:
    names = {"family": f"family {row.name}", "pooled": "the smaller generators", "real": f"real {row.name}"}
    return names.get(row.level, row.name)


def _group(row: Row) -> tuple[str, ...]:
    real, metrics = row.level == "real", row.metrics
    return (
        f"{row.real if real else row.generated:,}",
        figure(metrics.get("auc"), interval=True),
        share(metrics.get("accuracy_real" if real else "accuracy_generated"), interval=True),
        share(metrics.get("balanced_accuracy")),
        share(metrics.get("uncertain_real" if real else "uncertain_generated")),
        figure(metrics.get("cllr")),
    )


def print_rules(console: Console, rows: Sequence[Row]) -> None:
    """Prints each decision rule with the false alarms that it states and those that were found.

    Args:
        console: Where to print.
        rows: Overall rows of one part and variant.
    """
    columns = ("Threshold", "False alarms stated", "found (95 %)", "Generated found", "Balanced")
    table = Table((_DETECTOR, "Rule"), columns)
    for row in rows:
        for point in row.points:
            cells = (
                f"{point.threshold:.4g}",
                share(point.stated),
                share(point.false_alarms, interval=True),
                share(point.accuracy_generated),
                share(point.balanced_accuracy),
            )
            table.add((row.detector, point.name), cells)
    if table.rows:
        console.print()
        table.print(console)


def print_spreads(console: Console, spreads: Sequence[Spread]) -> None:
    """Prints mean, worst and spread over generators.

    Args:
        console: Where to print.
        spreads: Of one part and variant.
    """
    if not spreads:
        return
    columns = ("Mean (95 %)", "Worst", "of", "Spread")
    table = Table((_DETECTOR, f"Over {count(spreads[0].generators, 'generator')}"), columns, words=(2,))
    for one in spreads:
        show = figure if one.metric == "auc" else share
        cells = show(one.mean, interval=True), show(one.worst), one.worst_name, show(one.spread)
        table.add((one.detector, _METRICS.get(one.metric, one.metric)), cells)
    console.print()
    table.print(console)


def print_comparisons(console: Console, found: Sequence[Comparison]) -> None:
    """Prints the differences of detectors on the images that both scored.

    Args:
        console: Where to print.
        found: Of one part.
    """
    if not found:
        return
    table = Table(("On the same images", "Variant"), ("", "Difference (95 %)", "Decided", "Images"), words=(0,))
    for one in found:
        cells = (
            _METRICS.get(one.metric, one.metric),
            signed(one.difference, percent=one.metric == "balanced_accuracy"),
            "yes" if one.decided else "no",
            f"{one.real:,} + {one.generated:,}",
        )
        table.add((f"{one.first} minus {one.second}", one.variant), cells)
    console.print()
    table.print(console, keep=True)


def print_drops(console: Console, found: Sequence[Drop]) -> None:
    """Prints what variants cost, the costliest first.

    Args:
        console: Where to print.
        found: Of one part.
    """
    if not found:
        return
    columns = ("Images", "AUC", "drop (95 %)", "Balanced", "drop (95 %)", "False alarms", "Generated found")
    table = Table((_DETECTOR, f"Against {found[0].reference}"), columns)
    hidden = 0
    for detector in dict.fromkeys(drop.detector for drop in found):
        own = sorted((drop for drop in found if drop.detector == detector), key=lambda drop: -drop.auc_drop.value)
        hidden = max(hidden, len(own) - SHOWN)
        for drop in own[:SHOWN]:
            balanced = drop.balanced_accuracy_drop
            cells = (
                f"{drop.real:,} + {drop.generated:,}",
                figure(drop.auc),
                signed(drop.auc_drop),
                share(drop.balanced_accuracy),
                NONE if balanced is None else signed(balanced, percent=True),
                share(drop.false_alarms),
                share(drop.found),
            )
            table.add((detector, drop.variant), cells)
    console.print()
    table.print(console)
    if hidden:
        _lines(console, [f"{count(hidden, 'variant')} that cost less: in the report"])


def print_stability(console: Console, found: Sequence[Stability]) -> None:
    """Prints how often a verdict turns when an image is only saved again or scaled.

    Args:
        console: Where to print.
        found: One for each detector.
    """
    columns = ("Images", "Variants", "Flips once", "on average", "Changes once", "on average")
    table = Table((_DETECTOR, "Saved again or scaled"), columns)
    for one in found:
        for both in one.together:
            shares = (both.flips_once, both.flips_mean, both.changes_once, both.changes_mean)
            cells = f"{both.images:,}", f"{both.variants:,}", *map(share, shares)
            table.add((one.detector, f"{both.label}, {both.part}"), cells)
    if table.rows:
        console.print()
        table.print(console)
        console.print(
            Text(
                "Flips: from real to generated or back, under one variant or more, and on average over them. Changes: "
                "any other verdict than before, uncertain included.",
                "dim",
            )
        )


def print_list(console: Console, title: str, lines: Iterable[str], number: int) -> None:
    """Prints a title and lines below it, and how many more there are; nothing where there are none.

    Args:
        console: Where to print.
        title: The title.
        lines: The lines to show; may hold outside text.
        number: How many there are in all.
    """
    if not number:
        return
    shown = list(lines)
    console.print()
    console.print(as_text(title))
    _lines(console, shown)
    if number > len(shown):
        console.print(Text(f"  and {number - len(shown):,} more", "dim"))


def _lines(console: Console, lines: Iterable[str]) -> None:
    for line in lines:
        console.print(Padding(as_text(line, "dim"), (0, 0, 0, 2), expand=False))
