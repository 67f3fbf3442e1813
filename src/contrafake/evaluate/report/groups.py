"""The tables of single families, generators and real origins, one for each detector and variant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrafake.evaluate.report.document import Cell, Column, Fold, Section, Table, Text, opened
from contrafake.evaluate.report.view import words_of
from contrafake.evaluate.report.wording import PART_NAMES, column, count, estimate, of_class, remarks

if TYPE_CHECKING:
    from contrafake.evaluate.figures import Level, Row
    from contrafake.evaluate.report.document import Part
    from contrafake.evaluate.report.view import View

_OF_GENERATOR = ("auc", "tpr_at_5", "balanced_accuracy", "accuracy_generated", "uncertain_generated")


def families(view: View) -> Section:
    """The generated images of each family."""
    words = "The generated images of one family against all real images of the part."
    return Section("families", "By family", _groups(view, ("family",), "family", words))


def generators(view: View) -> Section:
    """The generated images of each generator."""
    words = (
        "The generated images of one generator against all real images of the part. Generators with fewer than "
        f"{count(view.figures.least, 'image')} are pooled."
    )
    return Section("generators", "By generator", _groups(view, ("origin", "pooled"), "generator", words))


def real_origins(view: View) -> Section:
    """False alarms on each real origin."""
    words = "The share of each origin's images that is called generated, by decision rule, and its exact interval."
    parts: list[Part] = [Text(words)]
    for part in view.parts:
        for detector in view.detectors:
            for variant in view.detailed:
                rows = view.rows(part, "real", variant, detector.name)
                if rows:
                    parts += [_fold(view, part, _real_table(view, part, rows), detector.name, variant)]
    if len(parts) == 1:
        parts = [Text("No figures of single real origins.")]
    return Section("real", "Real images by origin", opened(parts))


def _groups(view: View, levels: tuple[Level, ...], what: str, words: str) -> tuple[Part, ...]:
    parts: list[Part] = [Text(words)]
    for part in view.parts:
        for detector in view.detectors:
            for variant in view.detailed:
                rows = [row for level in levels for row in view.rows(part, level, variant, detector.name)]
                if rows:
                    table = _generated_table(view, part, rows, what)
                    parts.append(_fold(view, part, table, detector.name, variant))
    if len(parts) == 1:
        parts = [Text(f"No figures of a single {what}.")]
    return opened(parts)


def _generated_table(view: View, part: str, rows: list[Row], what: str) -> Table:
    there = [metric for metric in _OF_GENERATOR if any(metric in row.metrics for row in rows)]
    label = words_of((rows[0].detector, view.title(rows[0].variant)))
    columns = (Column(what, number=False), Column("generated"), Column("real"), *(column(name) for name in there))
    named = [("smaller ones, pooled" if row.level == "pooled" else row.name, row) for row in rows]
    cells = tuple(
        (
            Cell(name),
            of_class(row, "generated"),
            of_class(row, "real"),
            *(estimate(metric, row.metrics.get(metric), shaded=True) for metric in there),
        )
        for name, row in named
    )
    pooled = tuple(f"Pooled: {row.name}" for row in rows if row.level == "pooled")
    return Table(
        f"{PART_NAMES[part]}, {label}: by {what}", columns, cells, (*pooled, *remarks(named, view.figures.least))
    )


def _real_table(view: View, part: str, rows: list[Row]) -> Table:
    names = list(dict.fromkeys(point.name for row in rows for point in row.points))
    columns = [Column("origin", number=False), Column("images")]
    columns += [Column(name, term="points") for name in names]
    uncertain = any("uncertain_real" in row.metrics for row in rows)
    if uncertain:
        columns.append(column("uncertain_real"))
    cells = []
    for row in rows:
        by_name = {point.name: point for point in row.points}
        line = [Cell(row.name), of_class(row, "real")]
        for name in names:
            alarms = by_name[name].false_alarms if name in by_name else None
            line.append(estimate("accuracy_real", alarms))
        if uncertain:
            line.append(estimate("uncertain_real", row.metrics.get("uncertain_real")))
        cells.append(tuple(line))
    label = words_of((rows[0].detector, view.title(rows[0].variant)))
    title = f"{PART_NAMES[part]}, {label}: real images by origin"
    return Table(title, tuple(columns), tuple(cells), remarks((row.name, row) for row in rows))


def _fold(view: View, part: str, table: Table, detector: str, variant: str) -> Fold:
    return Fold(f"{PART_NAMES[part]}: {words_of(view.label(detector, variant))}", (table,))
