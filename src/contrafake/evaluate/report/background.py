"""What stands behind the figures: detectors, data, missing images, the machine, and what the words mean."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from contrafake.data.audit.shown import UNKNOWN
from contrafake.evaluate.figures import METRICS, PARTS
from contrafake.evaluate.groups import SEEN_IN
from contrafake.evaluate.images import LABELS
from contrafake.evaluate.report.document import Bullets, Cell, Code, Column, Fold, Heading, Section, Table, Terms, Text
from contrafake.evaluate.report.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contrafake.evaluate.report.document import Part
    from contrafake.evaluate.report.view import View

SHOWN = 50
"""How many failures are named; `evaluation.json` names all."""

_DIGEST = 16

_MEANINGS = {
    "auc": "The chance that a generated image scores above a real one, ties counted half. 0.5 is guessing, 1 perfect.",
    "average_precision": "Mean precision over the generated images. It depends on how many images each class has: "
    "compare it on the same images only.",
    "accuracy_real": "Share of the real images that are not called generated. 100 % less the false alarms.",
    "accuracy_generated": "Share of the generated images that are called generated.",
    "balanced_accuracy": "Mean of the two shares above. 50 % is guessing, whatever the sizes of the classes.",
    "best_balanced_accuracy": "The same at the threshold that suits these very images best. Nobody knows it "
    "beforehand: an upper bound, not a result.",
    "tpr_at_1": "Share of the generated images found at a threshold that flags at most 1 % of the real images here.",
    "tpr_at_5": "The same at 5 %.",
    "eer": "Where the share of false alarms equals the share of misses. 50 % is guessing, 0 % perfect.",
    "cllr": "Cost of the log-likelihood ratios in bits, with both classes weighing the same: 0 is perfect, 1 is what a "
    "detector gets that always says it does not know, and above 1 the ratios mislead.",
    "nll": "Mean negative natural logarithm of the probability given to what an image is, with both classes weighing "
    "the same; 0.693 is not knowing.",
    "calibration_error": "Mean gap between the probability given and the share that came true, over ten bins of "
    "equal mass, with both classes weighing the same. With few images it is above 0 even for perfect probabilities.",
    "uncertain_real": "Share of the real images between the two thresholds of the rule. Accuracies always use the "
    "upper threshold alone, so that no detector gains by not deciding.",
    "uncertain_generated": "The same of the generated images.",
}
_OTHERS = {
    "points": (
        "decision rule",
        "A threshold of the detector: above it an image is called generated. Its false alarms are the real images "
        "above it. The share it states was measured on other images; the interval of the measured one is exact "
        "(Clopper and Pearson, 1934).",
    ),
    "spread": ("spread", "Standard deviation between generators, each weighing the same."),
    "decided": ("decided", "The 95 % interval of the difference leaves out 0."),
    "interval": (
        "interval",
        "95 % by bootstrap over sources and then images: images of one source are alike, and count as less than so "
        "many independent ones. It speaks of other images of the same kind, not of other generators.",
    ),
    "part": (
        "seen, unseen, unknown",
        "Whether training saw images of an origin, as the origin table or the model itself says. The parts are never "
        "averaged together.",
    ),
    "flip": (
        "flips",
        "The verdict turns from real to generated, or from generated to real, by a mere change of format.",
    ),
}


def detectors(view: View) -> Section:
    """The detectors and what tells them apart."""
    columns = [Column(name, number=False) for name in ("detector", "kind", "model", "version", "hash", "head")]
    columns += [Column("crops"), Column("processor seconds for 1,000 images")]
    columns += [Column("probabilities", number=False), Column("decision rules", number=False)]
    rows = []
    for facts in view.detectors:
        seconds = UNKNOWN if facts.seconds is None else f"{facts.seconds:,.1f}"
        given = "calibrated" if facts.calibration else "its own" if facts.probability else "none"
        points = ", ".join(point.name for point in facts.points) or "none"
        rows.append(
            (
                Cell(facts.name), Cell(facts.kind), Cell(facts.model), Cell(facts.version or UNKNOWN),
                Cell(facts.hash[:_DIGEST] or UNKNOWN, code=True), Cell(facts.head or UNKNOWN),
                Cell(str(facts.crops) if facts.crops else UNKNOWN), Cell(seconds), Cell(given), Cell(points),
            )
        )  # fmt: skip
    return Section("detectors", "Detectors", (Table("Detectors", tuple(columns), tuple(rows)),))


def data(view: View) -> Section:
    """How many images of which origins, and which have no score."""
    images = view.evaluation.images
    rows = []
    for label, kind in LABELS.items():
        for part in PARTS:
            inside = (images.label == label) & (images.seen == SEEN_IN[part])
            if inside.any():
                columns = (images.origin, images.family, images.source)
                origins, families, sources = (len(set(column[inside].tolist())) for column in columns)
                known = count(families) if kind == "generated" else UNKNOWN
                cells = (kind, part, count(int(inside.sum())), count(sources), count(origins), known)
                rows.append(tuple(Cell(text) for text in cells))
    head = [Column("class", number=False), Column("training saw", number=False)]
    head += [Column(name) for name in ("images", "sources", "origins", "families")]
    parts: list[Part] = [Table("Images", tuple(head), tuple(rows))]
    found = Counter(zip(*(column.tolist() for column in _origin_columns(view)), strict=True))
    named = [Column(name, number=False) for name in ("origin", "class", "family", "training saw")]
    each = [
        (Cell(origin), Cell(LABELS[label]), Cell(family), Cell(seen or "unknown"), Cell(count(number)))
        for (label, origin, family, seen), number in sorted(found.items())
    ]
    table = Table("Images by origin", (*named, Column("images")), tuple(each))
    parts.append(Fold(count(len(each), "origin"), (table,)))
    parts.append(Heading("Without a score"))
    parts += _failures(view)
    return Section("data", "Data", tuple(parts))


def making(view: View) -> Section:
    """Command line, machine, software, fingerprints of the data: all that was noted."""
    parts: list[Part] = []
    facts = dict(view.evaluation.facts)
    if command := facts.pop("command", ""):
        parts.append(Code(str(command)))
    flat = list(_flat(facts))
    short = [pair for pair in flat if not _long(pair[0])]
    columns = (Column("what", number=False), Column("value", number=False))
    if short:
        rows = tuple((Cell(name), Cell(value)) for name, value in short)
        parts.append(Table("Noted while evaluating", columns, rows))
    if rest := [pair for pair in flat if _long(pair[0])]:
        rows = tuple((Cell(name), Cell(value)) for name, value in rest)
        table = Table("Data, one by one", columns, rows)
        parts.append(Fold("Fingerprints of the data, and what the listing found", (table,)))
    figures = view.figures
    parts.append(
        Text(f"Intervals: {count(figures.repeats, 'resample')} from seed {figures.seed}. Variants, in this order: "
             f"{', '.join(variant.title for variant in view.evaluation.variants)}.")
    )  # fmt: skip
    return Section("making", "How this was made", tuple(parts))


def meanings() -> Section:
    """Definitions of all metrics and words."""
    terms = [(name, METRICS[name], meaning) for name, meaning in _MEANINGS.items()]
    terms += [(name, term, meaning) for name, (term, meaning) in _OTHERS.items()]
    return Section("definitions", "What was measured", (Terms(tuple(terms)),))


def limits(view: View) -> Section:
    """What a reader should not take from the report."""
    figures = view.figures
    items = [
        "Nothing about images of other kinds: every figure belongs to the images, sources and generators listed here. "
        "An interval says what other images of the same sources and generators could give.",
        "Nothing about the share of generated images out in the world. With few of them, most flags are false alarms, "
        "even at a small rate of them.",
        "Nothing about why: where the classes differ in subject or in file history, a detector can gain by that. "
        "Audit the set (contrafake data audit), and read the re-encoded images beside the untouched ones.",
    ]
    first = [row for row in figures.rows if row.variant == view.detailed[0] and row.detector == view.detectors[0].name]
    small = sorted({row.name for row in first if row.level == "family" and row.generated < figures.least})
    if small:
        items.append(f"Little about {', '.join(small)}: fewer than {count(figures.least, 'image')} each.")
    if any(row.borrowed for row in first):
        items.append("A part without real images of its own is measured against those of the others (marked †).")
    if "unknown" in view.parts:
        items.append("Whether training saw the origins called unknown: nobody has said, so they prove nothing.")
    if "apart" in view.parts:
        items.append(
            "Generators reported apart are the set's own makers': their figures stand alone, for generalisation."
        )
    if missing := sum(row.missing for row in first if row.level == "overall"):
        items.append(
            f"How the {count(missing, 'image')} without a score would have been judged: they are in no figure."
        )
    return Section("limits", "What this does not say", (Bullets(tuple(items)),))


def _origin_columns(view: View) -> tuple[Any, Any, Any, Any]:
    images = view.evaluation.images
    return images.label, images.origin, images.family, images.seen


def _failures(view: View) -> list[Part]:
    failures = view.evaluation.failures
    if not failures:
        return [Text("Every image that was to be judged has a score.")]
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for failure in failures:
        grouped.setdefault((failure.key, failure.detector, failure.cause), []).append(view.title(failure.variant))
    every = len(view.evaluation.variants)
    columns = [Column(name, number=False) for name in ("image", "variants", "detector", "cause")]
    rows = tuple(
        (
            Cell(key, code=True),
            Cell("all" if len(variants) == every > 1 else _several(variants)),
            Cell(detector or "all"),
            Cell(cause),
        )
        for (key, detector, cause), variants in list(grouped.items())[:SHOWN]
    )
    more = len(grouped) - len(rows)
    notes = (f"And {count(more)} more: evaluation.json names all",) if more > 0 else ()
    images = count(len({failure.key for failure in failures}), "image")
    return [Text(f"{images} could not be judged everywhere."), Table("Without a score", tuple(columns), rows, notes)]


def _several(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {count(len(names) - 3)} more" if len(names) > 3 else "")


def _long(name: str) -> bool:
    return name.startswith(("data", "census"))


def _flat(facts: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Nested facts as pairs of a path and a value."""
    if isinstance(facts, dict):
        for key, value in facts.items():
            words = str(key).replace("_", " ")
            yield from _flat(value, f"{name}: {words}" if name else words)
    elif isinstance(facts, (list, tuple)) and any(isinstance(item, (dict, list, tuple)) for item in facts):
        for place, item in enumerate(facts, 1):
            yield from _flat(item, f"{name} {place}")
    elif isinstance(facts, (list, tuple)):
        yield name, ", ".join(_value(item) for item in facts) or UNKNOWN
    else:
        yield name, _value(facts)


def _value(value: Any) -> str:
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e6 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and abs(value) >= 10_000 else str(value)
