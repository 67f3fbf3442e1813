"""The tables of an evaluation: overall, decision rules, families, generators, real origins, spreads, comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrafake.data.audit.shown import UNKNOWN
from contrafake.evaluate.figures import PARTS
from contrafake.evaluate.report.document import Cell, Column, Fold, Heading, Section, Table, Text, opened
from contrafake.evaluate.report.view import words_of
from contrafake.evaluate.report.wording import (
    PART_NAMES,
    column,
    count,
    difference,
    estimate,
    figure,
    of_class,
    percent,
    remarks,
    with_minus,
)

if TYPE_CHECKING:
    from contrafake.evaluate.figures import Comparison, Level, Row, Spread
    from contrafake.evaluate.report.document import Part
    from contrafake.evaluate.report.view import View

RANKING = ("auc", "average_precision", "tpr_at_1", "tpr_at_5", "eer", "best_balanced_accuracy")
DECISIONS = ("balanced_accuracy", "accuracy_real", "accuracy_generated", "uncertain_real", "uncertain_generated")
PROBABILITIES = ("cllr", "nll", "calibration_error")
_SPREAD = ("auc", "balanced_accuracy", "accuracy_generated")


def overall(view: View) -> Section:
    """All images of a part together, and the decision rules."""
    parts: list[Part] = []
    for part in view.parts:
        rows = _named(view, part, "overall")
        parts += [Heading(PART_NAMES[part]), Text(f"Images of {PARTS[part]}.")]
        notes = remarks((words_of(name), row) for name, row in rows)
        two_classes = any("auc" in row.metrics for _, row in rows)
        if two_classes:
            heading = "Ranking, whatever the threshold"
            parts.append(_metrics_table(view, part, rows, RANKING, heading=heading, notes=notes))
        else:
            parts.append(Text("Scored images of one class alone: nothing is ranked, and no probability is judged."))
        if any(metric in row.metrics for _, row in rows for metric in DECISIONS):
            heading = "Decisions, at each detector's first decision rule"
            rest = () if two_classes else notes
            parts.append(_metrics_table(view, part, rows, DECISIONS, heading=heading, notes=rest))
        else:
            parts.append(Text("No detector has a decision rule: there is nothing to say of right and wrong verdicts."))
        if any(metric in row.metrics for _, row in rows for metric in PROBABILITIES):
            parts.append(_metrics_table(view, part, rows, PROBABILITIES, heading="Probabilities"))
        elif two_classes:
            parts.append(Text("No detector gives probabilities: there is nothing to say of their calibration."))
    return Section("overall", "Overall", tuple(parts))


def rules(view: View) -> Section:
    """What each decision rule states and what it did."""
    parts: list[Part] = [
        Text(
            "Each rule states a share of false alarms, measured on the images that it was calibrated with. Beside it "
            "stands the share of the real images here, with its exact binomial interval. Where the interval leaves "
            "out the stated share, the rule does not hold on images like these."
        )
    ]
    for part in view.parts:
        for detector in view.detectors:
            rows = [
                (
                    Cell(point.name, view.title(variant)),
                    Cell(with_minus(f"{point.threshold:.4g}")),
                    Cell(percent(point.stated)),
                    estimate("accuracy_real", point.false_alarms),
                    Cell(percent(point.accuracy_generated)),
                    Cell(percent(point.balanced_accuracy)),
                )
                for variant in view.detailed
                for row in view.rows(part, "overall", variant, detector.name)
                for point in row.points
            ]
            if rows:
                columns = (
                    Column("rule", number=False), Column("threshold"), Column("false alarms stated", term="points"),
                    Column("false alarms measured", term="points"), column("accuracy_generated"),
                    column("balanced_accuracy"),
                )  # fmt: skip
                words = f": {detector.name}" if len(view.detectors) > 1 else ""
                title = f"{PART_NAMES[part]}{words}"
                parts.append(Fold(title, (Table(f"{title}, decision rules", columns, tuple(rows)),)))
    if len(parts) == 1:
        parts = [Text("No detector has a decision rule.")]
    return Section("rules", "Decision rules", opened(parts))


def spreads(view: View) -> Section:
    """How generators differ."""
    parts: list[Part] = [
        Text(
            f"Generators with at least {count(view.figures.least, 'image')}, each weighing the same, against the real "
            "images of their part: their mean, the worst of them, and the standard deviation between them."
        )
    ]
    for part in view.parts:
        known = [spread for spread in view.figures.spreads if spread.part == part]
        if not known:
            parts.append(Text(f"{PART_NAMES[part]}: no generator has that many images."))
            continue
        there = [metric for metric in _SPREAD if any(spread.metric == metric for spread in known)]
        columns = [Column(_first(view), number=False), Column("generators")]
        for metric in there:
            name = column(metric).text
            columns += [Column(f"{name}, mean", term=metric), Column("worst"), Column("spread", term="spread")]
        grouped: dict[tuple[str, str], dict[str, Spread]] = {}
        for spread in known:
            grouped.setdefault((spread.detector, spread.variant), {})[spread.metric] = spread
        rows = tuple(
            (
                Cell(*view.label(*address)),
                Cell(count(max(spread.generators for spread in found.values()))),
                *(cell for metric in there for cell in _spread(metric, found.get(metric))),
            )
            for address, found in grouped.items()
        )
        pooled = sorted({name for spread in known for name in spread.pooled})
        notes = (f"Too few images, not among them: {', '.join(pooled)}",) if pooled else ()
        parts.append(Table(f"{PART_NAMES[part]}: between generators", tuple(columns), rows, notes, PART_NAMES[part]))
    return Section("spread", "Between generators", tuple(parts))


def comparisons(view: View) -> Section | None:
    """Detectors against each other; None for one detector."""
    if len(view.detectors) < 2:
        return None
    parts: list[Part] = [
        Text(
            "The first minus the second on the images that both scored, with both resampled together. Positive is in "
            "favour of the first, but for Cllr, where negative is. Percentages in points."
        )
    ]
    for part in view.parts:
        grouped: dict[tuple[str, str, str], dict[str, Comparison]] = {}
        for found in view.figures.comparisons:
            if found.part == part:
                grouped.setdefault((found.first, found.second, found.variant), {})[found.metric] = found
        rows = []
        metrics = ("auc", "balanced_accuracy", "cllr")
        for (first, second, variant), by_metric in grouped.items():
            some = next(iter(by_metric.values()))
            clear = [metric for metric in metrics if metric in by_metric and by_metric[metric].decided]
            rows.append(
                (
                    Cell(f"{first} − {second}", view.title(variant)),
                    Cell(count(some.real)),
                    Cell(count(some.generated)),
                    *(_difference(by_metric.get(metric), metric) for metric in metrics),
                    Cell(", ".join(column(metric).text for metric in clear) or "nothing"),
                )
            )
        if rows:
            columns = (
                Column("first − second", number=False), Column("real"), Column("generated"),
                *(column(metric) for metric in metrics), Column("decided", number=False, term="decided"),
            )  # fmt: skip
            parts.append(Table(f"{PART_NAMES[part]}: comparison", columns, tuple(rows), (), PART_NAMES[part]))
    if len(parts) == 1:
        parts = [Text("No two detectors scored the same images of both classes.")]
    return Section("comparison", "Comparison of detectors", tuple(parts))


def _difference(found: Comparison | None, metric: str) -> Cell:
    return difference(metric, None if found is None else found.difference, shaded=found is not None and found.decided)


def _named(view: View, part: str, level: Level) -> list[tuple[tuple[str, str], Row]]:
    """Rows of all detectors and detailed variants with what they are called."""
    return [
        (view.label(detector.name, variant), row)
        for detector in view.detectors
        for variant in view.detailed
        for row in view.rows(part, level, variant, detector.name)
    ]


def _first(view: View) -> str:
    return "images" if len(view.detectors) == 1 else "detector"


def _metrics_table(
    view: View,
    part: str,
    rows: list[tuple[tuple[str, str], Row]],
    metrics: tuple[str, ...],
    *,
    heading: str,
    notes: tuple[str, ...] = (),
) -> Table:
    there = [metric for metric in metrics if any(metric in row.metrics for _, row in rows)]
    columns = (
        Column(_first(view), number=False), Column("real"), Column("generated"), *(column(name) for name in there)
    )  # fmt: skip
    cells = tuple(
        (
            Cell(*name),
            of_class(row, "real"),
            of_class(row, "generated"),
            *(estimate(metric, row.metrics.get(metric), shaded=True) for metric in there),
        )
        for name, row in rows
    )
    return Table(f"{PART_NAMES[part]}: {heading.lower()}", columns, cells, notes, heading)


def _spread(metric: str, spread: Spread | None) -> tuple[Cell, Cell, Cell]:
    """Mean, worst and spread of a metric."""
    if spread is None:
        return Cell(UNKNOWN), Cell(UNKNOWN), Cell(UNKNOWN)
    wide = UNKNOWN if spread.spread is None else figure(metric, spread.spread)
    return estimate(metric, spread.mean), Cell(figure(metric, spread.worst), spread.worst_name), Cell(wide)
