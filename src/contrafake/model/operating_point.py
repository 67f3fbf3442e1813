"""A decision rule on scores, the errors to expect from it, and how many real images it takes to find one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from contrafake.errors import UsageError

Measured = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
"""A figure that may be unknown: NaN in memory, null in JSON."""


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
        missed_rate: Expected share of generated images called real, for generators like those of validation; NaN where
            none was measured.
        generated_images: Generated validation images behind that.
    """

    name: str
    threshold: float
    uncertain_from: float
    false_alarm_rate: float
    interval: tuple[float, float]
    real_images: int
    missed_rate: Measured = math.nan
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


def least_images(false_alarm_rate: float) -> int:
    """Fewest real images that support a false-alarm rate: 19 for 5 %, 99 for 1 %."""
    return math.ceil(1 / false_alarm_rate - 1e-6) - 1
