"""From a score to a likelihood ratio, a probability and a decision whose false alarms are known.

Everything here is estimated on validation images only and stored with the numbers it came from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from contrafake.errors import UsageError
from contrafake.measure import bootstrap_interval, clopper_pearson, order_statistic_interval
from contrafake.model.operating_point import Measured, OperatingPoint, exceeding, least_images

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Calibration",
    "Measured",
    "OperatingPoint",
    "exceeding",
    "fit_calibration",
    "least_images",
    "probability",
    "thresholds_alone",
]


@dataclass(frozen=True, eq=False)
class Calibration:
    """What validation says about the scores of one head at one number of crops.

    Attributes:
        slope: Log-likelihood ratio per unit of score, never negative; 0 where `gives_probability` is False, like the
            two that follow.
        intercept: Log-likelihood ratio at score 0.
        bound: Largest absolute log-likelihood ratio given out: the data cannot support more (see `fit_calibration`).
        real_scores: (n,) float64 scores of real validation images, ascending.
        generated_scores: (m,) float64 of generated ones, ascending; none where only photographs were measured.
        real_sources: (n,) int32, which source each of `real_scores` comes from.
    """

    slope: float
    intercept: float
    bound: float
    real_scores: NDArray[np.float64]
    generated_scores: NDArray[np.float64]
    real_sources: NDArray[np.int32]

    @property
    def gives_probability(self) -> bool:
        """Whether generated images were measured, too; else there are thresholds and no likelihood ratios."""
        return len(self.generated_scores) > 0

    def llr(self, score: float) -> float:
        """Natural-log likelihood ratio of generated against real."""
        return float(np.clip(self.slope * score + self.intercept, -self.bound, self.bound))

    def operating_point(
        self, false_alarm_rate: float, missed_rate: float = 0.1, *, real_below: float | None = None
    ) -> OperatingPoint:
        """The rule that calls about this share of real images generated.

        The threshold is the k-th largest of n real scores with k = floor(rate (n + 1)): a new real image of the same
        kind exceeds it with probability k / (n + 1), and the true share over such thresholds is Beta(k, n - k + 1).
        Images of one source are alike, which that law does not know: the interval is widened to that of a bootstrap
        over sources and images. `uncertain_from` bounds the share of generated images called real in the same way.

        Args:
            false_alarm_rate: Target, 0 to 0.5.
            missed_rate: Target for generated images called "real"; the rest below the threshold is "uncertain".
            real_below: Stands in for `uncertain_from` where no generated image was measured; None calls everything up
                to the threshold "real" then.

        Raises:
            UsageError: If too few real images were measured to support the rate.
        """
        n, m = len(self.real_scores), len(self.generated_scores)
        k = exceeding(false_alarm_rate, n)
        threshold = float(self.real_scores[n - k])
        low, mean, high = order_statistic_interval(k, n)
        lower = threshold if real_below is None else real_below
        if m:
            lower = float(self.generated_scores[max(1, int(missed_rate * (m + 1) + 1e-9)) - 1])
        return OperatingPoint(
            name=f"{100 * false_alarm_rate:g}% false alarms",
            threshold=threshold,
            uncertain_from=min(lower, threshold),
            false_alarm_rate=mean,
            interval=self._widened(low, high, threshold),
            real_images=n,
            missed_rate=self._share_at_most(self.generated_scores, min(lower, threshold)),
            generated_images=m,
        )

    def custom_point(self, threshold: float) -> OperatingPoint:
        """A two-way rule at a threshold of the user's own, with the false alarms that validation saw there."""
        n = len(self.real_scores)
        flagged = n - int(np.searchsorted(self.real_scores, threshold, side="right"))
        return OperatingPoint(
            name="custom threshold",
            threshold=threshold,
            uncertain_from=threshold,
            false_alarm_rate=flagged / n,
            interval=self._widened(*clopper_pearson(flagged, n), threshold),
            real_images=n,
            missed_rate=self._share_at_most(self.generated_scores, threshold),
            generated_images=len(self.generated_scores),
        )

    def _widened(self, low: float, high: float, threshold: float) -> tuple[float, float]:
        flagged = (self.real_scores > threshold).astype(np.float64)
        by_source = bootstrap_interval(lambda x: float(x.mean()), flagged, groups=[self.real_sources])
        return min(low, by_source[0]), max(high, by_source[1])

    @staticmethod
    def _share_at_most(scores: NDArray[np.float64], value: float) -> float:
        return int(np.searchsorted(scores, value, side="right")) / len(scores) if len(scores) else math.nan


def probability(llr: float, prior: float = 0.5) -> float:
    """Probability of being generated, given the likelihood ratio and a prior probability, both exclusive 0 to 1.

    Raises:
        UsageError: If the prior is not between 0 and 1.
    """
    if not 0 < prior < 1:
        raise UsageError("prior", f"{prior:g} is not between 0 and 1")
    # Through logaddexp, since exp alone overflows for extreme priors.
    return float(np.exp(-np.logaddexp(0, -(llr + math.log(prior) - math.log1p(-prior)))))


def fit_calibration(
    real: NDArray[np.float64], generated: NDArray[np.float64], real_sources: NDArray[np.int32]
) -> Calibration:
    """Fits an affine map from scores to log-likelihood ratios.

    Logistic regression on the score with both classes weighing the same (so that the log-odds are the log-likelihood
    ratio) and Platt's smoothed targets, by Newton's method (Platt 1999; Lin, Lin and Weng 2007). A falling slope means
    that the score orders the classes wrongly; it becomes 0, and every ratio 1. Ratios are bounded by
    log(1 + smaller class): from n images no rarer event can be told from an impossible one.

    Args:
        real: (n,) scores of real validation images.
        generated: (m,) scores of generated ones.
        real_sources: (n,) source of each real image, as a number.

    Raises:
        UsageError: If a class has fewer than two images, or a score is not finite.
    """
    if min(len(real), len(generated)) < 2:
        raise UsageError("calibration", "each class needs at least two validation images")
    scores = np.concatenate([real, generated]).astype(np.float64)
    if not np.isfinite(scores).all():
        raise UsageError("calibration", "some validation scores are not finite", "train the encoder again")
    n, m = len(real), len(generated)
    target = np.concatenate([np.full(n, 1 / (n + 2)), np.full(m, (m + 1) / (m + 2))])
    weight = np.concatenate([np.full(n, 0.5 / n), np.full(m, 0.5 / m)])
    centre, spread = float(scores.mean()), float(scores.std()) or 1.0
    x = np.column_stack([(scores - centre) / spread, np.ones_like(scores)])
    beta = _newton(x, target, weight)
    slope = float(beta[0]) / spread
    intercept = float(beta[1]) - slope * centre
    if slope <= 0:
        slope = intercept = 0.0
    return _sorted(slope, intercept, float(np.log1p(min(n, m))), real, generated, real_sources)


def thresholds_alone(real: NDArray[np.float64], real_sources: NDArray[np.int32]) -> Calibration:
    """What real images alone support: operating points, and no likelihood ratios.

    Args:
        real: (n,) scores of real images.
        real_sources: (n,) source of each, as a number.

    Raises:
        UsageError: If there are fewer than two images, or a score is not finite.
    """
    if len(real) < 2:
        raise UsageError("calibration", "it needs at least two real images")
    if not np.isfinite(real).all():
        raise UsageError("calibration", "some scores of real images are not finite", "train the encoder again")
    return _sorted(0.0, 0.0, 0.0, real, np.empty(0), real_sources)


def _sorted(  # noqa: PLR0917 - in the order of the fields
    slope: float,
    intercept: float,
    bound: float,
    real: NDArray[np.float64],
    generated: NDArray[np.float64],
    real_sources: NDArray[np.int32],
) -> Calibration:
    order = np.argsort(real, kind="stable")
    return Calibration(
        slope=slope,
        intercept=intercept,
        bound=bound,
        real_scores=real[order].astype(np.float64),
        generated_scores=np.sort(generated).astype(np.float64),
        real_sources=real_sources[order].astype(np.int32),
    )


def _newton(x: NDArray[np.float64], target: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted logistic regression with soft targets; damped Newton steps on a convex loss."""

    def loss(beta: NDArray[np.float64]) -> float:
        z = x @ beta
        return float(weight @ (np.logaddexp(0, z) - target * z))

    beta = np.zeros(x.shape[1])
    for _ in range(100):
        p = np.exp(-np.logaddexp(0, -(x @ beta)))
        gradient = x.T @ (weight * (p - target))
        if np.abs(gradient).max() < 1e-10:
            break
        hessian = (x * (weight * p * (1 - p))[:, None]).T @ x + 1e-12 * np.eye(x.shape[1])
        step, size = np.linalg.solve(hessian, gradient), 1.0
        while loss(beta - size * step) > loss(beta) and size > 1e-8:
            size /= 2
        beta = beta - size * step
    return beta
