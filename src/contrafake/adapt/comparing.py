"""Rules and probabilities of a model before and after a calibration, on the same images."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from contrafake.adapt.calibration_result import Comparison
from contrafake.adapt.held_back import (
    Counted,
    differ,
    fewest_to_fit,
    flagged_held_back,
    likelihood_ratios,
    ratios_held_back,
)
from contrafake.detect.plan import CalibrationWarning, make_plan
from contrafake.errors import UsageError
from contrafake.measure import cllr
from contrafake.model.calibration import least_images

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from contrafake.model.bundle import Bundle
    from contrafake.model.calibration import Calibration, OperatingPoint


def rule_before(bundle: Bundle, head: str, crops: int, rate: float) -> OperatingPoint | None:
    """The rule that a model follows when it is asked for a false-alarm rate; None where it has none for it.

    Args:
        bundle: The model.
        head: Name of a head.
        crops: Number of crops.
        rate: False-alarm rate.
    """
    wanted = rate if bundle.calibrated_crops(head) else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)
        try:
            return make_plan(bundle, crops=crops, head=head, false_alarm_rate=wanted).point
        except UsageError:  # its own real images do not support the rate
            return None


def compare(  # noqa: PLR0917 - two rules, and what they are tried on
    old: Calibration | None,
    before: OperatingPoint | None,
    after: OperatingPoint,
    real: NDArray[np.float64],
    generated: NDArray[np.float64],
    folds: NDArray[np.int64],
    *,
    head: str,
    crops: int,
    rate: float,
) -> Comparison:
    """Counts what two rules flag.

    Args:
        old: The model's calibration so far, whose real images are others than one's own.
        before: The old rule.
        after: The new rule, from all of `real`.
        real: (N,) scores of one's own photographs.
        generated: (M,) scores of generated images, which no rule is made from.
        folds: (N,) from `divide`.
        head: Whose scores these are.
        crops: At how many crops.
        rate: The false-alarm rate aimed at.
    """
    flagged = None if before is None else real > before.threshold
    held_back = None if fewest_to_fit(folds) < least_images(rate) else flagged_held_back(real, folds, rate)
    thresholds = (None if before is None else before.threshold, after.threshold)
    found = [Counted.over(generated > at) if at is not None and len(generated) else None for at in thresholds]
    return Comparison(
        head=head,
        crops=crops,
        rate=rate,
        before=before,
        after=after,
        alarms_before=None if flagged is None else Counted.over(flagged),
        alarms_after=None if held_back is None else Counted.over(held_back),
        chance=None if flagged is None or held_back is None else differ(flagged, held_back),
        found_before=found[0],
        found_after=found[1],
        others_after=None if old is None else Counted.over(old.real_scores > after.threshold),
    )


def probability_costs(
    before: Calibration | None,
    real: NDArray[np.float64],
    generated: NDArray[np.float64],
    folds: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> tuple[float | None, float | None]:
    """Cllr of a model's likelihood ratios, and of those of calibrations on the other folds.

    Args:
        before: The model's calibration so far.
        real: (N,) scores of one's own photographs.
        generated: (M,) of one's own generated images.
        folds: (N,) and (M,) numbers of their folds.

    Returns:
        In bits, 0 = perfect, 1 = says nothing; None where there is no calibration, or too few images to fit one on.
    """
    old = None
    if before is not None and before.gives_probability:
        old = cllr(likelihood_ratios(before, real), likelihood_ratios(before, generated))
    held_back = ratios_held_back(real, generated, folds)
    return old, None if held_back is None else cllr(*held_back)
