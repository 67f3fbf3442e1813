"""Whether a detector says the same of an image after it was saved again or scaled."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from contrafake.data.sample import GENERATED, REAL
from contrafake.evaluate.figures import PARTS
from contrafake.evaluate.groups import SEEN_IN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from contrafake.evaluate.evaluation import Evaluation, Point
    from contrafake.evaluate.figures import Part
    from contrafake.evaluate.images import Images

GROUPS = ("jpeg", "webp", "avif", "double", "resize", "delivery")
"""Groups of variants that only save again or scale (and, between two generations of JPEG, cut a few pixels off)."""

Label = Literal["real", "generated"]


@dataclass(frozen=True)
class Flips:
    """How one variant moves the verdicts on images of one class, real or generated.

    Attributes:
        variant: The variant's name.
        part: Whether training saw the origins.
        label: The class.
        images: Images with a score both under the reference and under the variant: what the shares are of.
        flips: Share whose verdict goes from real to generated or from generated to real.
        changes: Share whose verdict is another one, to or from uncertain included.
    """

    variant: str
    part: Part
    label: Label
    images: int
    flips: float
    changes: float


@dataclass(frozen=True)
class Together:
    """How the variants together move the verdicts on images of one class.

    Attributes:
        part: Whether training saw the origins.
        label: The class.
        images: Images with a score under the reference and under every one of the variants: what the shares are of.
        variants: How many variants there are.
        flips_once: Share that flips under at least one variant.
        flips_mean: Share that flips, mean over the variants.
        changes_once: Share that changes under at least one variant.
        changes_mean: Share that changes, mean over the variants.
    """

    part: Part
    label: Label
    images: int
    variants: int
    flips_once: float
    flips_mean: float
    changes_once: float
    changes_mean: float


@dataclass(frozen=True)
class Stability:
    """How steady a detector's verdicts are.

    Attributes:
        detector: The detector's name.
        reference: Name of the variant that verdicts are compared with, the first of the evaluation.
        point: The decision rule, None where the detector has none.
        variants: Names of the variants that count: those of `GROUPS` of which the detector has any score.
        each: By part, class and variant.
        together: By part and class.
        notes: Why there is nothing, in words.
    """

    detector: str
    reference: str
    point: Point | None
    variants: tuple[str, ...] = ()
    each: tuple[Flips, ...] = ()
    together: tuple[Together, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


def stability(evaluation: Evaluation, detector: str) -> Stability:
    """Compares a detector's verdicts before and after an image was saved again or scaled.

    Args:
        evaluation: The scores.
        detector: Name of one of its detectors.

    Returns:
        Shares at the default decision rule, for each class by itself; nothing but a note where there is no rule or no
        variant of `GROUPS`.

    Raises:
        KeyError: There is no such detector.
    """
    column = evaluation.place(evaluation.detectors, detector)
    facts, reference = evaluation.detectors[column], evaluation.variants[0].name
    if not facts.points:
        return Stability(detector, reference, None, notes=("it has no decision rule, so that no verdict can change",))
    point = facts.points[0]
    places = [
        place
        for place, variant in enumerate(evaluation.variants)
        if place and variant.group in GROUPS and not np.isnan(evaluation.scores[place, :, column]).all()
    ]
    if not places:
        note = "no variant that only saves images again or scales them was run"
        return Stability(detector, reference, point, notes=(note,))
    verdicts = [facts.verdicts(evaluation.scores[place, :, column], point) for place in (0, *places)]
    # (1 + variants, images); "" where there is no score.
    table = np.stack([verdict for verdict in verdicts if verdict is not None])
    names = tuple(evaluation.variants[place].name for place in places)
    each: list[Flips] = []
    together: list[Together] = []
    for part, label, rows in _classes(evaluation.images):
        before, after = table[0, rows], table[1:, rows]
        scored = (before != "") & (after != "")
        changes = scored & (after != before)
        flips = changes & (after != "uncertain") & (before != "uncertain")
        for name, there, flipped, changed in zip(names, scored, flips, changes, strict=True):
            if there.any():
                share = float(flipped.sum() / there.sum()), float(changed.sum() / there.sum())
                each.append(Flips(name, part, label, int(there.sum()), *share))
        everywhere = scored.all(axis=0)
        if everywhere.any():
            flips, changes = flips[:, everywhere], changes[:, everywhere]
            shares = [float(share) for moved in (flips, changes) for share in (moved.any(axis=0).mean(), moved.mean())]
            together.append(Together(part, label, int(everywhere.sum()), len(names), *shares))
    return Stability(detector, reference, point, names, tuple(each), tuple(together))


def _classes(images: Images) -> Iterator[tuple[Part, Label, NDArray[np.int64]]]:
    labels: tuple[tuple[int, Label], ...] = ((REAL, "real"), (GENERATED, "generated"))
    for part in PARTS:
        for number, label in labels:
            rows = np.flatnonzero((images.seen == SEEN_IN[part]) & (images.label == number))
            if len(rows):
                yield part, label, rows
