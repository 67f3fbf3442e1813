"""What changes of the images cost, and how steady verdicts are: tables beside the curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrafake.data.audit.shown import UNKNOWN
from contrafake.evaluate.report.compact import compact_figure
from contrafake.evaluate.report.document import Cell, Column, Fold, Heading, Pictures, Section, Table, Text
from contrafake.evaluate.report.wording import PART_NAMES, column, count, difference, percent, three

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from contrafake.evaluate.report.document import Part
    from contrafake.evaluate.report.view import View
    from contrafake.evaluate.robustness import Drop, Stability

_CAPTIONS = {
    "robustness-auc.png": "AUC against the strength of each change; at the right or the neutral end, untouched images",
    "robustness-found.png": "Share of the generated images found at the default threshold",
    "robustness-false-alarms.png": "Share of the real images flagged at the default threshold",
    "robustness-operations.png": "Drop of AUC by each of the operations that training draws from, with 95 % intervals",
    "robustness-delivery.png": "Drop of AUC by way of delivery, with 95 % intervals",
    "robustness-steps.png": "Drop of AUC by a second JPEG and by screenshots, with 95 % intervals",
}


def robustness(view: View, drops: Sequence[Drop], curves: Mapping[str, bytes]) -> Section:
    """Curves, and what each variant costs against the first.

    Args:
        view: The evaluation.
        drops: Of all detectors.
        curves: PNG bytes by file name.
    """
    parts: list[Part] = []
    if curves:
        shown = [compact_figure(name, _CAPTIONS.get(name, name), data) for name, data in curves.items()]
        parts.append(Pictures(tuple(shown)))
    if not drops:
        words = "Only one variant was evaluated" if len(view.evaluation.variants) < 2 else "No part has both classes"
        return Section("robustness", "Robustness", (*parts, Text(f"{words}: no drop to report.")))
    reference = view.title(drops[0].reference)
    parts.append(
        Text(
            f"Every variant changes the images of both classes alike and is compared with “{reference}” on the images "
            "that have both scores. A positive drop is a loss; its interval is of the difference, with each image "
            "resampled together with its changed copy."
        )
    )
    opened = True
    for detector in view.detectors:
        for part in view.parts:
            own = [drop for drop in drops if drop.detector == detector.name and drop.part == part]
            if own:
                title = PART_NAMES[part] if len(view.detectors) == 1 else f"{detector.name}: {PART_NAMES[part].lower()}"
                parts.append(Fold(title, (_drops(view, title, own),), opened=opened))
                opened = False
    return Section("robustness", "Robustness", tuple(parts))


def steadiness(view: View, found: Sequence[Stability]) -> Section | None:
    """How often a mere change of format turns a verdict; None where nothing was asked.

    Args:
        view: The evaluation.
        found: One for each detector.
    """
    if len(view.evaluation.variants) < 2:
        return None
    parts: list[Part] = [
        Text(
            "Share of images whose verdict turns from real to generated or back (a flip), and of those whose verdict "
            "changes at all, to or from uncertain included, when they are only saved again or scaled."
        )
    ]
    if notes := {note for one in found for note in one.notes if not any(each.together for each in found)}:
        return Section("stability", "Stability of verdicts", tuple(Text(_sentence(note)) for note in sorted(notes)))
    for one in found:
        parts += [Heading(one.detector)] if len(view.detectors) > 1 else []
        parts += [Text(_sentence(note)) for note in one.notes]
        if one.together:
            parts.append(_together(one))
        if one.each:
            table = _each(view, one)
            parts.append(Fold(f"Each of {count(len(one.variants), 'variant')}", (table,)))
    if len(parts) == 1:
        parts = [Text("No detector has a decision rule, so that no verdict can change.")]
    return Section("stability", "Stability of verdicts", tuple(parts))


def _drops(view: View, title: str, drops: list[Drop]) -> Table:
    decided = any(drop.balanced_accuracy is not None for drop in drops)
    columns = [
        Column("variant", number=False), Column("real"), Column("generated"), column("auc"), Column("drop of AUC")
    ]  # fmt: skip
    if decided:
        columns += [
            column("balanced_accuracy"), Column("drop, points"), Column("false alarms", term="points"),
            Column("found", term="accuracy_generated"),
        ]  # fmt: skip
    rows = []
    for drop in drops:
        mark = " †" if drop.borrowed else ""
        cells = [
            Cell(view.title(drop.variant)),
            Cell(f"{count(drop.real)}{mark}"),
            Cell(count(drop.generated)),
            Cell(three(drop.auc), f"from {three(drop.auc_before)}"),
            difference("auc", drop.auc_drop, shaded=_lost(drop)),
        ]
        if decided:
            cells += [
                Cell(percent(drop.balanced_accuracy), _before(drop.balanced_accuracy_before)),
                difference("balanced_accuracy", drop.balanced_accuracy_drop),
                Cell(percent(drop.false_alarms), _before(drop.false_alarms_before)),
                Cell(percent(drop.found), _before(drop.found_before)),
            ]
        rows.append(tuple(cells))
    borrowed = any(drop.borrowed for drop in drops)
    notes = ("† No real images of its own: those of the other parts stand in",) if borrowed else ()
    return Table(f"Robustness, {title}", tuple(columns), tuple(rows), notes)


def _lost(drop: Drop) -> bool:
    return drop.auc_drop.low is not None and drop.auc_drop.low > 0


def _before(share: float | None) -> str:
    return "" if share is None else f"from {percent(share)}"


def _sentence(note: str) -> str:
    return f"{note[:1].upper()}{note[1:]}."


def _together(found: Stability) -> Table:
    columns = [Column("training saw", number=False), Column("class", number=False), Column("images")]
    columns += [Column("flips under at least one", term="flip"), Column("flips, mean", term="flip")]
    columns += [Column("changes under at least one"), Column("changes, mean")]
    rows = tuple(
        (
            Cell(one.part), Cell(one.label), Cell(count(one.images)), Cell(percent(one.flips_once)),
            Cell(percent(one.flips_mean)), Cell(percent(one.changes_once)), Cell(percent(one.changes_mean)),
        )
        for one in found.together
    )  # fmt: skip
    rule = found.point.name if found.point else UNKNOWN
    note = f"Over {count(len(found.variants), 'variant')} together, at the rule “{rule}”"
    return Table(f"Stability of {found.detector}", tuple(columns), rows, (note,))


def _each(view: View, found: Stability) -> Table:
    columns = [Column("variant", number=False), Column("training saw", number=False), Column("class", number=False)]
    columns += [Column("images"), Column("flips", term="flip"), Column("changes")]
    rows = tuple(
        (
            Cell(view.title(one.variant)), Cell(one.part), Cell(one.label), Cell(count(one.images)),
            Cell(percent(one.flips)), Cell(percent(one.changes)),
        )
        for one in found.each
    )  # fmt: skip
    return Table(f"Stability of {found.detector} by variant", tuple(columns), rows)
