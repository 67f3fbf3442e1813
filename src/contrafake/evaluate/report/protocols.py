"""The tables of protocols, where they were measured: the paper's, heads of one generator, each family left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrafake.data.audit.shown import UNKNOWN
from contrafake.evaluate.family_figures import LEAST_COUNTED, SUBSETS
from contrafake.evaluate.paper import OWN_RULE
from contrafake.evaluate.report.document import Cell, Column, Fold, Section, Table, Text
from contrafake.evaluate.report.wording import PART_NAMES, column, count, estimate, percent, three
from contrafake.train.cross_table import LEAST_IMAGES

if TYPE_CHECKING:
    from contrafake.evaluate.family_figures import FamilySummary
    from contrafake.evaluate.family_table import FamilyTable
    from contrafake.evaluate.generator_heads import GeneratorHeads
    from contrafake.evaluate.paper import Operations, PaperPart, PaperTable
    from contrafake.evaluate.report.document import Part
    from contrafake.train.cross_table import CrossRow, CrossTable


def paper_section(table: PaperTable) -> Section:
    """The paper's table: classifiers and conditions by generator."""
    parts: list[Part] = [
        Text(
            "Share of the images called what they are: three classifiers on one encoder, untouched and transformed "
            "images, by generator. The average is the mean over the columns of the paper's table, in which the real "
            "images weigh as much as one generator; the balanced accuracy stands beside it."
        )
    ]
    parts += [Text(_operations(found)) for found in table.operations]
    for part in table.parts:
        for place, one in enumerate(_paper_tables(part)):
            parts.append(Fold(one.title, (one,), opened=place == 0))
    return Section("paper", "The paper's table", tuple(parts))


def _operations(found: Operations) -> str:
    if not found.drawn:
        return f"{found.condition}: as the set delivers them; which operations they underwent is not known."
    images = ", ".join(f"{number} operations: {count(how, 'image')}" for number, how in (found.images or {}).items())
    kinds = ", ".join(f"{name} {how}" for name, how in (found.kinds or {}).items())
    return (
        f"{found.condition}: 0 to {found.most} operations of the {found.pool} pool, drawn for each image from seed "
        f"{found.seed} and its key ({images}). Operations drawn: {kinds}."
    )


def _paper_tables(part: PaperPart) -> list[Table]:
    found = []
    for model, own in dict.fromkeys((row.model, row.rule == OWN_RULE) for row in part.rows):
        rows = [row for row in part.rows if (row.model, row.rule == OWN_RULE) == (model, own)]
        lines = [(f"real ({count(part.real)})", [row.real for row in rows])]
        lines += [
            (f"{name} ({count(number)})", [row.generated.get(name) for row in rows])
            for name, number in part.generated.items()
        ]
        lines += [
            ("average of the columns", [row.average for row in rows]),
            ("balanced accuracy", [row.balanced for row in rows]),
            ("all images", [row.overall for row in rows]),
        ]
        cells = [
            (Cell(name), *(Cell(percent(value), level=_level(value)) for value in values)) for name, values in lines
        ]
        if any(row.missing for row in rows):
            cells.append((Cell("images without a score"), *(Cell(count(row.missing)) for row in rows)))
        rule = "the classifiers' own decision" if own else rows[0].rule
        columns = (Column("images of", number=False), *(Column(f"{row.head}, {row.condition}") for row in rows))
        notes = ("No real images of its own: those of the other parts stand in",) if part.borrowed else ()
        title = f"{PART_NAMES[part.part]}: {model}, {rule}"
        found.append(Table(title, columns, tuple(cells), notes))
    return found


def _level(share: float | None) -> int:
    return 0 if share is None else min(max(int(share * 10 + 1e-9) - 4, 0), 5)


def generators_section(found: GeneratorHeads) -> Section:
    """What heads that were fitted on one generator say of each."""
    parts: list[Part] = [
        Text(
            f"On the encoder of {found.model}, a linear and a nearest-neighbour head were fitted on real images and on "
            "those of one generator, one untouched crop each, and tested on every generator: the share called what "
            "they are at score 0. The encoder saw what its card lists, whatever a head was fitted on."
        )
    ]
    if found.unreadable:
        parts.append(Text(f"{count(len(found.unreadable), 'image')} could not be read and took no part."))
    opened = True
    for part, cross in found.tables.items():
        notes = ("No real images of its own: those of the other parts stand in",) if part in found.borrowed else ()
        parts.append(_generator_means(f"{PART_NAMES[part]}: mean balanced accuracy", cross, notes))
        for head, condition, rows in cross.parts():
            title = f"{PART_NAMES[part]}: {head}, {condition}"
            parts.append(Fold(title, (_generator_table(title, cross, rows),), opened=opened))
            opened = False
    return Section("generator-heads", "Heads that know one generator", tuple(parts))


def _generator_means(title: str, cross: CrossTable, notes: tuple[str, ...]) -> Table:
    if cross.left_out:
        few = ", ".join(f"{name} ({count(number)})" for name, number in cross.left_out.items())
        notes = (*notes, f"Without a head of their own, fewer than {LEAST_IMAGES} fitting images: {few}")
    notes = (*notes, f"Over generators with at least {LEAST_IMAGES} test images")
    columns = (Column("head", number=False), Column("on the generator fitted on"), Column("on the others"))
    rows = tuple(
        (Cell(f"{head}, {condition}"), *(Cell(percent(mean)) for mean in cross.means(head, condition)))
        for head, condition, _ in cross.parts()
    )
    return Table(title, columns, rows, notes, heading=title)


def _generator_table(title: str, cross: CrossTable, rows: list[CrossRow]) -> Table:
    columns = (
        Column("fitted on", number=False), Column(f"real ({count(cross.tested_real)})"),
        *(Column(f"{name} ({count(number)})") for name, number in cross.tested.items()),
    )  # fmt: skip
    cells = []
    for row in rows:
        name = "all together"
        if row.generator is not None:
            name = f"{row.generator} ({count(cross.fitted[row.generator])})"
        shares = [row.real, *(row.generated.get(tested) for tested in cross.tested)]
        cells.append((Cell(name), *(Cell(percent(share), level=_level(share)) for share in shares)))
    return Table(title, columns, tuple(cells))


def families_section(table: FamilyTable) -> Section:
    """Each family of generators absent in turn, against photographs of sources that are absent with it."""
    parts: list[Part] = [
        Text(
            f"{table.model}: each family in turn is absent from the fitting together with a group of photographs' "
            "sources, and its images are set against the photographs of that group. Thresholds aim at "
            f"{percent(table.rate)} false alarms on images that are neither."
        )
    ]
    if table.mode == "refit":
        saw = [fold.fold.name for fold in table.folds if fold.encoder_saw]
        unknown = any(fold.encoder_saw is None for fold in table.folds)
        known = (
            f"with images of {', '.join(saw)}" if saw else "nobody knows with what" if unknown else "with none of them"
        )
        bound = ": these figures are an upper bound" if saw or unknown else ""
        parts.append(
            Text(
                "Only the heads and their calibration were fitted anew. The encoder was trained before, "
                f"{known}{bound}."
            )
        )
    if table.apart:
        named = ", ".join(f"{name} ({count(number)})" for name, number in table.apart.items())
        parts.append(Text(f"Reported apart, and neither fitted nor tested on: {named}."))
    parts.append(Fold("What each fold was fitted on", (_folds(table),)))
    for place, summary in enumerate(table.summaries):
        title = f"{summary.head}, {summary.variant}: {SUBSETS[summary.subset]}"
        parts.append(Fold(title, (_family_table(table, summary, title),), opened=place == 0))
    return Section("left-out", "Each family left out", tuple(parts))


def _folds(table: FamilyTable) -> Table:
    columns = [Column("absent", number=False), Column("families", number=False), Column("generators")]
    columns += [Column("sources of real images"), Column("fitted on real"), Column("generated")]
    columns += [Column("calibrated on real"), Column("generated")]
    rows = tuple(
        (
            Cell(one.fold.name), Cell(", ".join(one.fold.families)), Cell(count(len(one.fold.origins))),
            Cell(count(len(one.fold.sources))), *(Cell(count(number)) for number in (*one.fitting, *one.calibration)),
        )
        for one in table.folds
    )  # fmt: skip
    return Table("What each fold was fitted on", tuple(columns), rows)


def _family_table(table: FamilyTable, summary: FamilySummary, title: str) -> Table:
    place = summary.head, summary.variant, summary.subset
    rows = [row for row in table.rows if (row.head, row.variant, row.subset) == place]
    columns = (
        Column("absent", number=False), Column("photographs"), Column("generated"), column("auc"),
        column("balanced_accuracy"), column("accuracy_generated"), Column("false alarms", term="points"),
        column("cllr"),
    )  # fmt: skip
    cells = [
        (
            Cell(row.fold), Cell(count(row.real), count(row.sources_real, "source")),
            Cell(count(row.generated), count(row.sources_generated, "source")), estimate("auc", row.auc, shaded=True),
            Cell(percent(row.balanced_accuracy)), Cell(percent(row.accuracy_generated)),
            estimate("accuracy_real", row.false_alarms), Cell(three(row.cllr)),
        )
        for row in rows
    ]  # fmt: skip
    cells.append(
        (
            Cell("mean; false alarms and Cllr of all together"),
            Cell(count(summary.real)), Cell(count(summary.generated)),
            estimate("auc", summary.auc), Cell(percent(summary.balanced_accuracy)), Cell(UNKNOWN),
            estimate("accuracy_real", summary.false_alarms), estimate("cllr", summary.cllr),
        )
    )  # fmt: skip
    error = estimate("calibration_error", summary.calibration_error)
    notes = [f"Calibration error of all folds together: {error.text}{f' ({error.under})' if error.under else ''}"]
    if summary.worst_name:
        notes.append(f"Worst: {summary.worst_name}, AUC {three(summary.worst)}")
    if few := [f"{row.fold} ({count(row.generated)})" for row in rows if not row.counted]:
        notes.append(f"Fewer than {LEAST_COUNTED} generated images, not in mean and worst: {', '.join(few)}")
    return Table(title, columns, tuple(cells), tuple(notes))
