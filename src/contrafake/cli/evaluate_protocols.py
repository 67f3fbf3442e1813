"""The tables of protocols on the terminal: the paper's, generator-specific heads, and leaving each family out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from contrafake.cli.escape import as_text
from contrafake.cli.evaluate_cells import Table, count, figure, share, whole_lines
from contrafake.cli.evaluate_details import print_list
from contrafake.evaluate.figures import PARTS
from contrafake.evaluate.paper import OWN_RULE

if TYPE_CHECKING:
    from typing import TextIO

    from rich.console import Console

    from contrafake.evaluate.family_table import FamilyTable
    from contrafake.evaluate.generator_heads import GeneratorHeads
    from contrafake.evaluate.paper import PaperTable


def print_paper(console: Console, found: PaperTable) -> None:
    """Prints the paper's table, one for each part: classifiers and conditions by generator.

    Args:
        console: Where to print.
        found: The table.
    """
    for operations in found.operations:
        if operations.drawn and operations.images is not None:
            each = ", ".join(f"{number}: {images:,}" for number, images in operations.images.items())
            console.print()
            words = f"{operations.condition}: 0 to {operations.most} operations of the {operations.pool} pool, "
            console.print(as_text(f"{words}seed {operations.seed}; images by number of operations {each}"))
    for part in found.parts:
        console.print()
        title = Text("The paper's table. ", "bold")
        borrowed = ", borrowed from the other parts" if part.borrowed else ""
        title.append(f"{part.part.capitalize()}: {PARTS[part.part]}; {count(part.real, 'real image')}{borrowed}", "")
        console.print(title)
        groups = dict.fromkeys((row.model, "" if row.rule == OWN_RULE else row.rule) for row in part.rows)
        for model, rule in groups:
            rows = [row for row in part.rows if (row.model, "" if row.rule == OWN_RULE else row.rule) == (model, rule)]
            columns = ["Images", *(f"{row.head} {row.condition}" for row in rows)]
            table = Table(("", f"{model}, {rule or OWN_RULE}"), columns)
            table.add(("", "real"), (f"{part.real:,}", *(share(row.real) for row in rows)))
            for name, number in part.generated.items():
                table.add(("", name), (f"{number:,}", *(share(row.generated.get(name)) for row in rows)))
            table.add(("", "average of the above"), ("-", *(share(row.average) for row in rows)))
            table.add(("", "balanced accuracy"), ("-", *(share(row.balanced) for row in rows)))
            console.print()
            table.print(console)


def print_generators(console: Console, found: GeneratorHeads) -> None:
    """Prints what heads that know one generator only say of each.

    Args:
        console: Where to print.
        found: The tables.
    """
    console.print()
    console.print(Text("Heads fitted on one generator each, tested on all", "bold"))
    for part, cross in found.tables.items():
        console.print()
        borrowed = ", borrowed from the other parts" if part in found.borrowed else ""
        real = count(cross.tested_real, "real image")
        console.print(as_text(f"{part.capitalize()}: {PARTS[part]}; {real}{borrowed}"))
        means = Table(("", "Mean balanced accuracy"), ("on its own generator", "on the others"))
        for head, condition, rows in cross.parts():
            means.add(("", f"{head}, {condition}"), tuple(map(share, cross.means(head, condition))))
            table = Table(("", f"{head}, {condition}: fitted on"), ("real", *cross.tested))
            for row in rows:
                name = row.generator or "all together"
                table.add(("", name), (share(row.real), *(share(row.generated.get(one)) for one in cross.tested)))
            console.print()
            table.print(console)
        console.print()
        means.print(console)
        few = [f"{name} ({number:,})" for name, number in cross.left_out.items()]
        print_list(console, "Too few fitting images for a head of their own", few, len(few))


def print_families(found: FamilyTable, file: TextIO | None = None) -> None:
    """Prints the table of leaving each family out in turn.

    Args:
        found: The table; all of its texts are taken as coming from outside.
        file: Where to print; standard output by default.
    """
    with whole_lines(file) as console:
        console.print(as_text(f"{found.model}: each family of generators was absent in turn", "bold"))
        if found.mode == "refit":
            saw = ", ".join(fold.fold.name for fold in found.folds if fold.encoder_saw)
            known = all(fold.encoder_saw is not None for fold in found.folds)
            words = f"it had seen {saw}: an upper bound" if saw else "it had seen none of them"
            console.print(
                as_text(f"Only heads and calibration were fitted anew. The encoder: {words if known else 'unknown'}.")
            )
        if found.apart:
            named = ", ".join(f"{name} ({number:,})" for name, number in found.apart.items())
            console.print(as_text(f"Reported apart, and neither fitted nor tested on: {named}."))
        console.print()
        _print_folds(console, found)
        for summary in found.summaries:
            console.print()
            title = Text(f"{summary.head}, {summary.variant}", "bold")
            title.append(f": {summary.subset} generated images against photographs", "")
            console.print(title)
            console.print()
            columns = ("Photographs", "Generated", "AUC (95 %)", "Balanced", "Right: generated", "False alarms", "Cllr")
            table = Table(("", "Absent"), columns)
            for row in found.rows:
                if (row.head, row.variant, row.subset) == (summary.head, summary.variant, summary.subset):
                    cells = (
                        f"{row.real:,}",
                        f"{row.generated:,}",
                        figure(row.auc, interval=True),
                        share(row.balanced_accuracy),
                        share(row.accuracy_generated),
                        share(row.false_alarms, interval=True),
                        figure(row.cllr),
                    )
                    table.add(("", row.fold if row.counted else f"{row.fold} (few)"), cells)
            cells = (
                f"{summary.real:,}",
                f"{summary.generated:,}",
                figure(summary.auc, interval=True),
                share(summary.balanced_accuracy),
                "-",
                share(summary.false_alarms, interval=True),
                figure(summary.cllr),
            )
            table.add(("", f"mean of {summary.folds}; together"), cells)
            table.print(console)
            if summary.worst_name:
                console.print(as_text(f"Worst: {summary.worst_name}, AUC {figure(summary.worst)}", "dim"))
        console.print()
        words = "AUC and balanced: mean over folds. False alarms and Cllr: all folds together."
        console.print(Text(f"{words} Intervals: 95 %, {found.repeats:,} resamples, seed {found.seed}.", "dim"))


def _print_folds(console: Console, found: FamilyTable) -> None:
    columns = ("Families", "Generators", "Sources of photographs", "Fitted on", "Calibrated on")
    table = Table(("", "Absent"), columns)
    for one in found.folds:
        cells = (
            f"{len(one.fold.families)}",
            f"{len(one.fold.origins)}",
            f"{len(one.fold.sources)}",
            " + ".join(f"{number:,}" for number in one.fitting),
            " + ".join(f"{number:,}" for number in one.calibration),
        )
        table.add(("", one.fold.name), cells)
    table.print(console)
