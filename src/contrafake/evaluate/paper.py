"""The paper's table: three classifiers, untouched and transformed images, per generator, real and on average.

CoDE (ECCV 2024) and its official code decide by the classifiers themselves, which is score 0 here: the even odds of the
logistic regression, the nearer neighbour, and the boundary of the one-class SVM. The stored threshold is put beside it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.data.sample import GENERATED, REAL
from contrafake.errors import UsageError
from contrafake.evaluate.figures import PARTS
from contrafake.evaluate.groups import SEEN_IN
from contrafake.evaluate.markdown import counted, percent, table
from contrafake.model.heads import HEADS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from contrafake.evaluate.evaluation import DetectorFacts, Evaluation
    from contrafake.evaluate.figures import Part
    from contrafake.evaluate.images import Images
    from contrafake.evaluate.variant import Variant

CONDITIONS = ("untouched", "transformed", "transformed-as-delivered")
OWN_RULE = "score 0"
"""The classifiers' own decision, by which the official code counts."""


@dataclass(frozen=True)
class PaperRow:
    """What one classifier says of a part's images in one condition.

    Attributes:
        detector: Its name in the evaluation.
        model: The same without the head: heads of one model stand in one table.
        head: "linear", "nearest" or "svm".
        condition: One of `CONDITIONS`.
        rule: `OWN_RULE`, or the name of a stored threshold.
        threshold: Generated above it.
        real: Share of real images called real, 0 to 1; None where none was scored.
        generated: By generator, the share called generated; generators of which no image was scored are not there.
        average: Mean over the columns: `real` and each of `generated` weigh one. None where either is missing.
        balanced: Mean of `real` and of the share of all generated images, put together, called generated.
        overall: Share of all images called what they are, which the larger class decides.
        missing: Images of the part without a score.
    """

    detector: str
    model: str
    head: str
    condition: str
    rule: str
    threshold: float
    real: float | None
    generated: dict[str, float]
    average: float | None
    balanced: float | None
    overall: float | None
    missing: int


@dataclass(frozen=True)
class PaperPart:
    """The table of the origins that training saw, that it did not, or of which nobody says.

    Attributes:
        part: Which.
        real: Real images.
        generated: Images by generator, in alphabetical order.
        borrowed: The part has no real images of its own, and those of the other parts stand in.
        rows: By detector, condition and rule.
    """

    part: Part
    real: int
    generated: dict[str, int]
    borrowed: bool
    rows: tuple[PaperRow, ...]


@dataclass(frozen=True)
class Operations:
    """What was done to the images of one condition.

    Attributes:
        condition: One of `CONDITIONS`, but not "untouched".
        drawn: Whether it was drawn here; else the set came with it, and what was done is not known.
        pool: Name of the pool of operations, "" where not drawn.
        most: Largest number of operations for an image.
        seed: Seed of the draws.
        images: Number of images by number of operations, as strings, which JSON keeps.
        kinds: How often each operation was drawn.
    """

    condition: str
    drawn: bool
    pool: str = ""
    most: int = 0
    seed: int | None = None
    images: dict[str, int] | None = None
    kinds: dict[str, int] | None = None


@dataclass(frozen=True)
class PaperTable:
    """The paper's table.

    Attributes:
        parts: Never averaged together; those without images are left out.
        operations: Of each condition that changes images.
    """

    parts: tuple[PaperPart, ...]
    operations: tuple[Operations, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; `from_dict` is the inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> PaperTable:
        """Restores a table.

        Raises:
            KeyError, TypeError: The facts are those of something else.
        """
        parts = [{**part, "rows": tuple(PaperRow(**row) for row in part["rows"])} for part in facts["parts"]]
        return cls(
            tuple(PaperPart(**part) for part in parts), tuple(Operations(**found) for found in facts["operations"])
        )

    def to_markdown(self) -> str:
        """One table for each part, model and rule: columns are classifiers and conditions, rows real and generators."""
        return "\n".join([*map(_words, self.operations), *(text for part in self.parts for text in _tables(part))])


def paper_table(evaluation: Evaluation) -> PaperTable:
    """Counts what the paper's table has from the scores of an evaluation.

    Args:
        evaluation: With "untouched" and one of the transformed variants of `CONDITIONS`, or one of them alone; its
            detectors that are heads of `HEADS` take part.

    Raises:
        UsageError: It has none of these variants or none of these heads, or no generated image.
    """
    variants = [variant for name in CONDITIONS for variant in evaluation.variants if variant.name == name]
    detectors = [detector for detector in evaluation.detectors if detector.head in HEADS]
    if not variants:
        cause = f"none of the variants {', '.join(CONDITIONS)} was evaluated"
        raise UsageError("the paper's table", cause, "evaluate with --protocol paper")
    if not detectors:
        cause = f"none of the heads {', '.join(HEADS)} was evaluated"
        raise UsageError("the paper's table", cause, "evaluate a bundle with --heads all")
    if not (evaluation.images.label == GENERATED).any():
        raise UsageError("the paper's table", f"none of {len(evaluation.images)} images is generated")
    parts = (_part(evaluation, part, variants, detectors) for part in PARTS)
    return PaperTable(
        parts=tuple(part for part in parts if part is not None),
        operations=tuple(
            _operations(variant, evaluation.images) for variant in variants if variant.name != "untouched"
        ),
    )


def _part(
    evaluation: Evaluation, part: Part, variants: list[Variant], detectors: list[DetectorFacts]
) -> PaperPart | None:
    images = evaluation.images
    inside = images.seen == SEEN_IN[part]
    generated = inside & (images.label == GENERATED)
    real = inside & (images.label == REAL)
    if not inside.any():
        return None
    borrowed = not real.any()
    if borrowed:
        real = images.label == REAL
    names, counts = np.unique(images.origin[generated].astype(str), return_counts=True)
    rows = [
        replace(
            _row(evaluation.of(variant.name, detector.name), images, real, generated, threshold),
            detector=detector.name,
            model=detector.name.removesuffix(f"/{detector.head}"),
            head=detector.head,
            condition=variant.name,
            rule=rule,
        )
        for detector in detectors
        for variant in variants
        for rule, threshold in _rules(detector)
    ]
    by_generator = dict(zip(names.tolist(), counts.tolist(), strict=True))
    return PaperPart(part, int(real.sum()), by_generator, borrowed and bool(real.any()), tuple(rows))


def _rules(detector: DetectorFacts) -> Iterator[tuple[str, float]]:
    yield OWN_RULE, 0.0
    if detector.points:
        yield detector.points[0].name, detector.points[0].threshold


def _row(
    scores: NDArray[np.float64],
    images: Images,
    real: NDArray[np.bool_],
    generated: NDArray[np.bool_],
    threshold: float,
) -> PaperRow:
    """The figures of a row; its caller knows its names."""
    scored = ~np.isnan(scores)
    called = scores > threshold
    names = np.unique(images.origin[generated & scored].astype(str)).tolist()
    found = {name: float(called[generated & scored & (images.origin == name)].mean()) for name in names}
    on_real = float((~called[real & scored]).mean()) if (real & scored).any() else None
    average = balanced = overall = None
    if on_real is not None and found:
        average = float(np.mean([on_real, *found.values()]))
        balanced = float((on_real + called[generated & scored].mean()) / 2)
        overall = float((called == generated)[(real | generated) & scored].mean())
    return PaperRow(
        detector="",
        model="",
        head="",
        condition="",
        rule="",
        threshold=threshold,
        real=on_real,
        generated=found,
        average=average,
        balanced=balanced,
        overall=overall,
        missing=int(((real | generated) & ~scored).sum()),
    )


def _operations(variant: Variant, images: Images) -> Operations:
    if variant.draw is None:
        return Operations(variant.name, drawn=False)
    chains = [variant.draw.chain(key) for key in images.key]
    number = Counter(len(chain) for chain in chains)
    kinds = Counter(operation.name for chain in chains for operation in chain)
    return Operations(
        condition=variant.name,
        drawn=True,
        pool=variant.draw.pool,
        most=variant.draw.most,
        seed=variant.draw.seed,
        images={str(count): number[count] for count in sorted(number)},
        kinds=dict(sorted(kinds.items())),
    )


def _words(found: Operations) -> str:
    if not found.drawn:
        return f"{found.condition}: as the set delivers them; which operations they underwent is not known.\n"
    images = ", ".join(f"{count}: {number:,}" for count, number in (found.images or {}).items())
    return (
        f"{found.condition}: 0 to {found.most} operations of the {found.pool} pool, drawn for each image from seed "
        f"{found.seed} and its key. Images by number of operations: {images}. Operations drawn: "
        f"{counted((found.kinds or {}).items())}.\n"
    )


def _tables(part: PaperPart) -> Iterator[str]:
    words = f"### {PARTS[part.part].capitalize()}\n"
    if part.borrowed:
        words += "\nThe real images are those of the other parts: this one has none.\n"
    yield words
    places = dict.fromkeys((row.model, row.rule == OWN_RULE) for row in part.rows)
    for model, own in places:
        rows = [row for row in part.rows if (row.model, row.rule == OWN_RULE) == (model, own)]
        title = "the classifiers' own decision (score 0)" if own else f"the stored threshold ({rows[0].rule})"
        lines = [
            [f"real ({part.real:,})", *(percent(row.real) for row in rows)],
            *(
                [f"{name} ({count:,})", *(percent(row.generated.get(name)) for row in rows)]
                for name, count in part.generated.items()
            ),
            ["average of the columns", *(percent(row.average) for row in rows)],
            ["balanced accuracy", *(percent(row.balanced) for row in rows)],
            ["all images", *(percent(row.overall) for row in rows)],
        ]
        if any(row.missing for row in rows):
            lines.append(["images without a score", *(f"{row.missing:,}" for row in rows)])
        yield f"{table([model + ', ' + title, *(f'{row.head}, {row.condition}' for row in rows)], lines)}"
