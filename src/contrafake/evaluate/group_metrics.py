"""The metrics of one detector on one group of images, and the same of every resample."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from contrafake import measure
from contrafake.evaluate import resampled
from contrafake.evaluate.figures import Estimate, PointFigures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from contrafake.evaluate.evaluation import DetectorFacts, Point

BINS = 10
"""Bins of the calibration error, of equal mass under balanced priors."""
RANKING = ("auc", "average_precision", "best_balanced_accuracy", "tpr_at_1", "tpr_at_5", "eer")
GROW_WITH_NOISE = ("best_balanced_accuracy", "calibration_error")
"""Largest values and absolute gaps: fewer different images alone make them larger."""
SHARES = {
    "accuracy_real": "real",
    "uncertain_real": "real",
    "accuracy_generated": "generated",
    "uncertain_generated": "generated",
}
"""Metrics that are a share of the images of one class."""
ACCURACIES = ("accuracy_real", "accuracy_generated")
RATES = {"tpr_at_1": 0.01, "tpr_at_5": 0.05}


class GroupMetrics:
    """What the scores of one group allow to be measured.

    Attributes:
        values: By name in `METRICS`.
        notes: Why others are not there, and what to keep in mind of those that are.
    """

    def __init__(self, facts: DetectorFacts, real: NDArray[np.float64], generated: NDArray[np.float64]) -> None:
        """Measures the images themselves.

        Args:
            facts: The detector.
            real: (N,) its scores of real images, 0 or more of them, none NaN.
            generated: (M,) its scores of generated images, the same.
        """
        self.values: dict[str, float] = {}
        self.notes: list[str] = []
        self._real, self._generated = real, generated
        self._point = facts.points[0] if facts.points else None
        self._llr: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
        if self._point is not None:
            self._decide(self._point)
        if len(real) and len(generated):
            self._rank()
            self._judge(facts)

    def _decide(self, point: Point) -> None:
        for scores, name in ((self._real, "real"), (self._generated, "generated")):
            if len(scores):
                flagged = scores > point.threshold
                self.values[f"accuracy_{name}"] = float((flagged if name == "generated" else ~flagged).mean())
                self.values[f"uncertain_{name}"] = float(_uncertain(scores, point).mean())
        if len(self._real) and len(self._generated):
            self.values["balanced_accuracy"] = measure.balanced_accuracy(self._real, self._generated, point.threshold)

    def _rank(self) -> None:
        real, generated = self._real, self._generated
        self.values |= {
            "auc": measure.auc(real, generated),
            "average_precision": measure.average_precision(real, generated),
            "best_balanced_accuracy": measure.best_accuracy(real, generated).balanced,
            **{name: measure.tpr_at_fpr(real, generated, rate) for name, rate in RATES.items()},
            "eer": measure.eer(real, generated),
        }
        if min(real.min(), generated.min()) == max(real.max(), generated.max()):
            self.notes.append("all scores are equal: AUC and the rest say nothing but chance")
        strictest = [f"{100 * rate:g} %" for rate in RATES.values() if len(real) * rate < 1]
        if strictest:
            allowed = f"found at {' and '.join(strictest)} false alarms is found at no false alarm at all"
            self.notes.append(f"{len(real)} real images: {allowed}")

    def _judge(self, facts: DetectorFacts) -> None:
        with np.errstate(invalid="ignore"):
            real, generated = facts.llr(self._real), facts.llr(self._generated)
        if real is None or generated is None:
            self.notes.append("no Cllr, likelihood or calibration error: the detector gives no likelihood ratios")
            return
        if np.isnan(real).any() or np.isnan(generated).any():
            self.notes.append("no Cllr, likelihood or calibration error: some scores give no likelihood ratio")
            return
        self._llr = real, generated
        chances = np.concatenate([_probability(real), _probability(generated)])
        labels = np.repeat([0, 1], [len(real), len(generated)])
        weights = measure.balanced_weights(labels)
        self.values["calibration_error"] = measure.calibration_error(chances, labels, BINS, weights)
        likelihood = measure.nll(real, generated)
        if np.isfinite(likelihood):
            self.values["cllr"], self.values["nll"] = likelihood / float(np.log(2)), likelihood
        else:
            wrong = int((real == np.inf).sum() + (generated == -np.inf).sum())
            self.notes.append(f"Cllr and likelihood are infinite: {wrong} images got probability 0 of what they are")

    def resampled(
        self,
        real_counts: NDArray[np.uint16] | None,
        generated_counts: NDArray[np.uint16] | None,
        metrics: Sequence[str] | None = None,
    ) -> dict[str, NDArray[np.float64]]:
        """The same metrics of every resample.

        Args:
            real_counts: (R, N) how often each real image was drawn; None where there are none.
            generated_counts: (R, M) the same of generated images.
            metrics: Which of `values`; None takes all.

        Returns:
            (R,) float64 by name.
        """
        wanted = [name for name in self.values if metrics is None or name in metrics]
        found: dict[str, NDArray[np.float64]] = {}
        if self._point is not None:
            found |= self._decided(self._point, real_counts, generated_counts)
        if real_counts is not None and generated_counts is not None:
            asked = [name for name in wanted if name in RANKING]
            found |= resampled.ranking(self._real, self._generated, real_counts, generated_counts, asked)
            if self._llr is not None:
                real, generated = self._llr
                if "cllr" in wanted or "nll" in wanted:
                    of_real = resampled.mean(np.logaddexp(0, real), real_counts)
                    found["nll"] = (of_real + resampled.mean(np.logaddexp(0, -generated), generated_counts)) / 2
                    found["cllr"] = found["nll"] / np.log(2)
                if "calibration_error" in wanted:
                    chances = _probability(real), _probability(generated)
                    found["calibration_error"] = resampled.calibration_error(
                        *chances, real_counts, generated_counts, BINS
                    )
        return {name: found[name] for name in wanted}

    def _decided(
        self, point: Point, real_counts: NDArray[np.uint16] | None, generated_counts: NDArray[np.uint16] | None
    ) -> dict[str, NDArray[np.float64]]:
        found = {}
        if real_counts is not None:
            found["accuracy_real"] = resampled.mean(self._real <= point.threshold, real_counts)
            found["uncertain_real"] = resampled.mean(_uncertain(self._real, point), real_counts)
        if generated_counts is not None:
            found["accuracy_generated"] = resampled.mean(self._generated > point.threshold, generated_counts)
            found["uncertain_generated"] = resampled.mean(_uncertain(self._generated, point), generated_counts)
        if len(found) == 4:
            found["balanced_accuracy"] = (found["accuracy_real"] + found["accuracy_generated"]) / 2
        return found


def point_figures(point: Point, real: NDArray[np.float64], generated: NDArray[np.float64]) -> PointFigures:
    """What a decision rule does to a group of images.

    Args:
        point: The rule.
        real: (N,) scores of real images, 0 or more.
        generated: (M,) scores of generated images, 0 or more.
    """
    flagged = int((real > point.threshold).sum())
    found = float((generated > point.threshold).mean()) if len(generated) else None
    right = 1 - flagged / len(real) if len(real) else None
    return PointFigures(
        name=point.name,
        threshold=point.threshold,
        accuracy_real=right,
        accuracy_generated=found,
        balanced_accuracy=None if right is None or found is None else (right + found) / 2,
        false_alarms=Estimate(flagged / len(real), *exact_interval(flagged, len(real))) if len(real) else None,
        stated=point.false_alarm_rate,
    )


@cache
def exact_interval(k: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share, k of n independent images (Clopper and Pearson 1934)."""
    # Bisection takes milliseconds, and the same few counts come back in hundreds of rows.
    return measure.clopper_pearson(k, n)


def _uncertain(scores: NDArray[np.float64], point: Point) -> NDArray[np.bool_]:
    return np.asarray((scores > point.uncertain_from) & (scores <= point.threshold))


def _probability(llr: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability of being generated where both classes are as likely before."""
    return np.asarray(np.exp(-np.logaddexp(0, -llr)))
