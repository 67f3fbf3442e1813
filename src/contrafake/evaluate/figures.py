"""The figures of an evaluation, as plain data: what tables, plots and pages show, and JSON holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Level = Literal["overall", "family", "origin", "pooled", "real"]
Part = Literal["seen", "unseen", "unknown", "apart"]

PARTS: dict[Part, str] = {
    "seen": "origins that training saw",
    "unseen": "origins that training never saw",
    "unknown": "origins of which nobody says whether training saw them",
    "apart": "generators that are reported apart, and in no other figure",
}

METRICS: dict[str, str] = {
    "auc": "AUC",
    "average_precision": "average precision",
    "accuracy_real": "right on real",
    "accuracy_generated": "right on generated",
    "balanced_accuracy": "balanced accuracy",
    "best_balanced_accuracy": "balanced accuracy at the best threshold, chosen with the labels in hand",
    "tpr_at_1": "found at 1 % false alarms",
    "tpr_at_5": "found at 5 % false alarms",
    "eer": "equal error rate",
    "cllr": "Cllr",
    "nll": "negative log-likelihood",
    "calibration_error": "calibration error",
    "uncertain_real": "real found uncertain",
    "uncertain_generated": "generated found uncertain",
}
"""Every metric by its name in JSON, with how people read it; defined in docs/evaluation/metrics.md."""


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval; `low` and `high` are None where no interval was estimated."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class PointFigures:
    """What one of a detector's decision rules does to a group of images.

    Attributes:
        name: The rule's name.
        threshold: Generated above it. Accuracies always use it alone: what is found uncertain counts as real here.
        accuracy_real: Share of real images called real, None without real images.
        accuracy_generated: Share of generated images called generated, None without any.
        balanced_accuracy: Mean of the two, None where one is.
        false_alarms: 1 - `accuracy_real` with an exact binomial interval, None without real images.
        stated: Share of false alarms that the detector states for the rule, None where it states none.
    """

    name: str
    threshold: float
    accuracy_real: float | None
    accuracy_generated: float | None
    balanced_accuracy: float | None
    false_alarms: Estimate | None
    stated: float | None


@dataclass(frozen=True)
class Row:
    """Figures of one detector on one group of images under one variant.

    Attributes:
        detector: The detector's name.
        variant: The variant's name.
        part: Whether training saw the origins, or that they are reported apart; parts are never averaged together.
        level: "overall": all images of the part. "family" and "origin": the generated images of one family or
            generator against the part's real images. "pooled": the generators with too few images for a figure of
            their own, together. "real": the real images of one origin, alone.
        name: The family's or origin's name; of "pooled", the names of its members; "" of "overall".
        real: Real images that were scored.
        generated: Generated images that were scored.
        sources_real: Their sources.
        sources_generated: Theirs.
        missing: Images of the group without a score.
        borrowed: The part has no real images of its own, and those of the other parts stand in.
        metrics: By name in `METRICS`; a metric that the group or the detector does not allow is not there.
        points: By decision rule.
        notes: Why something is missing, in words.
    """

    detector: str
    variant: str
    part: Part
    level: Level
    name: str
    real: int
    generated: int
    sources_real: int
    sources_generated: int
    missing: int
    borrowed: bool = False
    metrics: dict[str, Estimate] = field(default_factory=dict)
    points: tuple[PointFigures, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Spread:
    """How a metric differs between the generators of a part that have enough images, each weighing the same.

    Attributes:
        detector: The detector's name.
        variant: The variant's name.
        part: The part.
        metric: "auc", "accuracy_generated" or "balanced_accuracy".
        generators: How many there are.
        mean: Their mean, with an interval by bootstrap.
        worst: The smallest value.
        worst_name: Whose it is.
        spread: Standard deviation between generators, None for fewer than two.
        pooled: Names of the generators with too few images, which take no part.
    """

    detector: str
    variant: str
    part: Part
    metric: str
    generators: int
    mean: Estimate
    worst: float
    worst_name: str
    spread: float | None
    pooled: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """One detector minus another on the same images, resampled together.

    Attributes:
        first: The one that is better where the difference is positive.
        second: The other.
        variant: The variant's name.
        part: The part.
        metric: "auc", "balanced_accuracy" or "cllr" (there, negative is better).
        real: Real images that both scored.
        generated: Generated images that both scored.
        difference: With its paired bootstrap interval.
        decided: Whether the interval leaves out 0, and has a width.
    """

    first: str
    second: str
    variant: str
    part: Part
    metric: str
    real: int
    generated: int
    difference: Estimate
    decided: bool


@dataclass(frozen=True)
class Figures:
    """All figures of an evaluation.

    Attributes:
        rows: By detector, variant, part, level and name, in that order.
        spreads: Mean, worst and spread over generators.
        comparisons: Of every pair of detectors.
        least: Images below which a generator is pooled.
        repeats: Resamples behind the intervals.
        seed: Their seed.
    """

    rows: tuple[Row, ...]
    spreads: tuple[Spread, ...]
    comparisons: tuple[Comparison, ...]
    least: int
    repeats: int
    seed: int

    def find(self, detector: str, variant: str, part: str, level: str = "overall", name: str = "") -> Row | None:
        """The row of that description, None where there is none."""
        wanted = detector, variant, part, level, name
        return next((row for row in self.rows if _address(row) == wanted), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


def _address(row: Row) -> tuple[str, str, str, str, str]:
    return row.detector, row.variant, row.part, row.level, row.name
