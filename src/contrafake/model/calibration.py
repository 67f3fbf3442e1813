"""From a score to a likelihood ratio, a probability and a decision whose false alarms are known.

Everything here is estimated on validation images only and stored with the numbers it came from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from contrafake.errors import UsageError
from contrafake.measure import bootstrap_interval, clopper_pearson, order_statistic_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class OperatingPoint:
    """A decision rule and the errors to expect from it.

    A score above `threshold` is "generated", one at or below `uncertain_from` is "real", and between them "uncertain".

    Attributes:
        name: "5% false alarms", or "custom threshold".
        threshold: Lower bound of "generated".
        uncertain_from: Upper bound of "real", at most `threshold`.
        false_alarm_rate: Expected share of real images called generated, 0 to 1.
        interval: 95 % interval of that share.
        real_images: Real validation images behind it.
        missed_rate: Expected share of generated images called real, for generators like those of validation.
        generated_images: Generated validation images behind that.
    """

    name: str
    threshold: float
    uncertain_from: float
    false_alarm_rate: float
    interval: tuple[float, float]
    real_images: int
    missed_rate: float = float("nan")
    generated_images: int = 0

    def describe(self) -> str:
        """The expected false alarms in words: "about 1 in 20 real photos flagged, 3 to 8 in 100 at 95 %"."""
        if math.isnan(self.false_alarm_rate):
            return "false alarms unknown"
        low, high = (f"{100 * bound:.1f}".removesuffix(".0") for bound in self.interval)
        share = "almost none of the"
        if self.false_alarm_rate > 0.3:  # "1 in 2" would stand for anything from 40 to 67 %
            share = f"about {round(100 * self.false_alarm_rate)} in 100"
        elif self.false_alarm_rate > 0:
            share = f"about 1 in {round(1 / self.false_alarm_rate)}"
        return f"{share} real photos flagged, {low} to {high} in 100 at 95 %"

    def label(self, score: float) -> Literal["real", "generated", "uncertain"]:
        """The decision for a score: "real", "generated" or "uncertain"."""
        if score > self.threshold:
            return "generated"
        return "real" if score <= self.uncertain_from else "uncertain"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; what is unknown is None."""
        values = {**vars(self), "interval": list(self.interval)}
        return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in values.items()}


@dataclass(frozen=True, eq=False)
class Calibration:
    """What validation says about the scores of one head at one number of crops.

    Attributes:
        slope: Log-likelihood ratio per unit of score, never negative.
        intercept: Log-likelihood ratio at score 0.
        bound: Largest absolute log-likelihood ratio given out: the data cannot support more (see `fit_calibration`).
        real_scores: (n,) float64 scores of real validation images, ascending.
        generated_scores: (m,) float64 of generated ones, ascending.
        real_sources: (n,) int32, which source each of `real_scores` comes from.
    """

    slope: float
    intercept: float
    bound: float
    real_scores: NDArray[np.float64]
    generated_scores: NDArray[np.float64]
    real_sources: NDArray[np.int32]

    def llr(self, score: float) -> float:
        """Natural-log likelihood ratio of generated against real."""
        return float(np.clip(self.slope * score + self.intercept, -self.bound, self.bound))

    def operating_point(self, false_alarm_rate: float, missed_rate: float = 0.1) -> OperatingPoint:
        """The rule that calls about this share of real images generated.

        The threshold is the k-th largest of n real scores with k = floor(rate (n + 1)): a new real image of the same
        kind exceeds it with probability k / (n + 1), and the true share over such thresholds is Beta(k, n - k + 1).
        Images of one source are alike, which that law does not know: the interval is widened to that of a bootstrap
        over sources and images. `uncertain_from` bounds the share of generated images called real in the same way.

        Args:
            false_alarm_rate: Target, 0 to 0.5.
            missed_rate: Target for generated images called "real"; the rest below the threshold is "uncertain".

        Raises:
            UsageError: If too few real images were measured to support the rate.
        """
        n, m = len(self.real_scores), len(self.generated_scores)
        k = exceeding(false_alarm_rate, n)
        threshold = float(self.real_scores[n - k])
        low, mean, high = order_statistic_interval(k, n)
        j = max(1, int(missed_rate * (m + 1) + 1e-9))
        lower = float(self.generated_scores[j - 1])
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
        return int(np.searchsorted(scores, value, side="right")) / len(scores)


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
    order = np.argsort(real, kind="stable")
    return Calibration(
        slope=slope,
        intercept=intercept,
        bound=float(np.log1p(min(n, m))),
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


def exceeding(false_alarm_rate: float, images: int) -> int:
    """How many of the measured real images lie at or above the threshold for a rate.

    Args:
        false_alarm_rate: Target, above 0, at most 0.5.
        images: Real images that were measured.

    Raises:
        UsageError: If they are too few to support the rate.
    """
    if not 0 < false_alarm_rate <= 0.5:
        raise UsageError("false-alarm rate", f"{false_alarm_rate:g} is outside 0 to 0.5")
    k = int(false_alarm_rate * (images + 1) + 1e-9)
    if k < 1:
        digits = 1 - math.floor(math.log10(1 / (images + 1)))
        least = math.ceil(10**digits / (images + 1)) / 10**digits  # rounded up, so that it is accepted
        cause = f"{false_alarm_rate:g} cannot be supported by {images} real images"
        raise UsageError("false-alarm rate", cause, f"at least {least:g}")
    return k
