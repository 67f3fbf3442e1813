"""What a change of the images costs a detector: figures under each variant beside those of the first one."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from contrafake.evaluate.groups import find_groups
from contrafake.evaluate.resampled import mean, ranking
from contrafake.evaluate.resampling import Resampler, estimate
from contrafake.evaluate.stability import Flips, Stability, Together, stability
from contrafake.measure import auc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from contrafake.evaluate.evaluation import DetectorFacts, Evaluation
    from contrafake.evaluate.figures import Estimate, Figures, Part
    from contrafake.evaluate.groups import Group

__all__ = ["Drop", "Flips", "Stability", "Together", "drops", "stability"]


@dataclass(frozen=True)
class Drop:
    """What one variant costs a detector in one part, on the images that have a score before and after.

    Attributes:
        detector: The detector's name.
        variant: The variant's name.
        reference: Name of the variant it is compared with, the first of the evaluation.
        part: Whether training saw the origins.
        real: Real images with both scores.
        generated: Generated images with both scores.
        borrowed: The part has no real images of its own, and those of the other parts stand in.
        auc: AUC under the variant.
        auc_before: AUC under the reference, of the same images.
        auc_drop: `auc_before` - `auc`, positive where the variant costs; its 95 % interval is of the differences within
            resamples of sources and images, in which an image is drawn with both its scores.
        balanced_accuracy: Under the variant, at the threshold of the default rule; None without a rule, as are the
            following.
        balanced_accuracy_before: Under the reference.
        balanced_accuracy_drop: Their difference, as with the AUC.
        false_alarms: Share of real images above that threshold under the variant.
        false_alarms_before: Under the reference.
        found: Share of generated images above that threshold under the variant.
        found_before: Under the reference.
    """

    detector: str
    variant: str
    reference: str
    part: Part
    real: int
    generated: int
    borrowed: bool
    auc: float
    auc_before: float
    auc_drop: Estimate
    balanced_accuracy: float | None = None
    balanced_accuracy_before: float | None = None
    balanced_accuracy_drop: Estimate | None = None
    false_alarms: float | None = None
    false_alarms_before: float | None = None
    found: float | None = None
    found_before: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


def drops(
    evaluation: Evaluation,
    detector: str,
    figures: Figures | None = None,
    *,
    repeats: int = 1000,
    seed: int = 0,
) -> list[Drop]:
    """What each variant after the first costs a detector, part by part.

    Args:
        evaluation: The scores.
        detector: Name of one of its detectors.
        figures: Gives `repeats` and `seed`, so that all intervals of a report are made alike.
        repeats: Resamples behind the intervals; 0 for none.
        seed: Their seed.

    Returns:
        By part, then by variant. A part without both classes, or a variant without a score in one of them, has none.

    Raises:
        KeyError: There is no such detector.
    """
    if figures is not None:
        repeats, seed = figures.repeats, figures.seed
    column = evaluation.place(evaluation.detectors, detector)
    # Sorted as `compute_figures` sorts them: resamples are the same, whatever the order of the images.
    order = np.argsort(evaluation.images.key, kind="stable")
    images, scores = evaluation.images.take(order), evaluation.scores[:, order, column]
    resampler = Resampler(images.source, repeats, seed)
    found = []
    before = _Reference(evaluation.variants[0].name, scores[0], evaluation.detectors[column], resampler)
    for group in find_groups(images, ~np.isnan(scores[0]), 1, deep=False):
        for place, variant in enumerate(evaluation.variants[1:], start=1):
            both = ~np.isnan(scores[0]) & ~np.isnan(scores[place])
            real, generated = group.real[both[group.real]], group.generated[both[group.generated]]
            if len(real) and len(generated):
                scored = replace(group, real=real, generated=generated)
                found.append(before.drop(variant.name, scores[place], scored))
    return found


class _Reference:
    """A detector's scores under the first variant, and what is worked out from them once for all others."""

    def __init__(self, variant: str, scores: NDArray[np.float64], facts: DetectorFacts, resampler: Resampler) -> None:
        self.variant = variant
        self.scores = scores
        self.facts = facts
        self.resampler = resampler
        self._known: dict[bytes, NDArray[np.float64]] = {}

    def drop(self, variant: str, scores: NDArray[np.float64], group: Group) -> Drop:
        real, generated = group.real, group.generated
        before, after = auc(self.scores[real], self.scores[generated]), auc(scores[real], scores[generated])
        fall = None
        if self.resampler.repeats:
            key = real.tobytes() + b"/" + generated.tobytes()
            if key not in self._known:
                self._known[key] = self._resampled_auc(self.scores, real, generated)
            fall = self._known[key] - self._resampled_auc(scores, real, generated)
        return Drop(
            self.facts.name, variant, self.variant, group.part, len(real), len(generated), group.borrowed,
            auc=after, auc_before=before, auc_drop=estimate(before - after, fall),
            **self._decided(scores, real, generated),
        )  # fmt: skip

    def _decided(
        self, scores: NDArray[np.float64], real: NDArray[np.int64], generated: NDArray[np.int64]
    ) -> dict[str, Any]:
        if not self.facts.points:
            return {}
        threshold = self.facts.points[0].threshold
        flagged_before, flagged = self.scores > threshold, scores > threshold
        alarms_before, alarms = float(flagged_before[real].mean()), float(flagged[real].mean())
        found_before, found = float(flagged_before[generated].mean()), float(flagged[generated].mean())
        # 1 where the variant loses a right decision, -1 where it wins one.
        lost_real = flagged[real].astype(np.float64) - flagged_before[real]
        lost_generated = flagged_before[generated].astype(np.float64) - flagged[generated]
        fall = None
        if self.resampler.repeats:
            fall = mean(lost_real, self.resampler.counts(real)) / 2
            fall = fall + mean(lost_generated, self.resampler.counts(generated)) / 2
        return {
            "balanced_accuracy": (1 - alarms + found) / 2,
            "balanced_accuracy_before": (1 - alarms_before + found_before) / 2,
            "balanced_accuracy_drop": estimate(float(lost_real.mean() + lost_generated.mean()) / 2, fall),
            "false_alarms": alarms,
            "false_alarms_before": alarms_before,
            "found": found,
            "found_before": found_before,
        }

    def _resampled_auc(
        self, scores: NDArray[np.float64], real: NDArray[np.int64], generated: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        counts = self.resampler.counts(real), self.resampler.counts(generated)
        return ranking(scores[real], scores[generated], *counts, metrics=["auc"])["auc"]
